"""The adversarial step of the whole GAN family, and the GAN of multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_genzoo import losses, networks
from keras_genzoo.layers.discrimination import in_groups
from keras_genzoo.layers.noise import place_in_global_batch
from keras_genzoo.models import checks
from keras_genzoo.models.generative_model import GenerativeModel
from keras_genzoo.models.moving_average import MovingAverage
from keras_genzoo.models.sampling import LatentSampling


@keras.saving.register_keras_serializable("keras_genzoo")
class GAN(LatentSampling, GenerativeModel):
    """A generative adversarial network; also the base of the family.

    Its parts combine freely: networks × loss × penalty × conditioning × critic steps × packing ×
    augmentation. A batch of `fit` is split into `critic_steps` parts, so that each step of the
    discriminator sees fresh data; the generator's step reuses the last part's latents. Logs:
    `generator_loss`, `discriminator_loss` (without the penalty) and, where there is one,
    `gradient_penalty` and the `augmentation_strength` of a layer that changes it.

    Args:
        data_shape: `(features,)` or `(height, width, channels)`.
        latent_dim: Dimensions of the generator's input, which is drawn from N(0, 1).
        loss: `"minimax"`, `"non_saturating"`, `"least_squares"`, `"hinge"`, `"wasserstein"`, or an
            object of `genzoo.losses` (`NonSaturating(label_smoothing=0.1)`).
        num_classes: Both networks also see a label of so many classes.
        penalty: `None`, `"wgan_gp"`, `"dragan"`, `"r1"`, `"r2"` or a `GradientPenalty`.
        critic_steps: Steps of the discriminator for each of the generator's.
        packing: How many examples the discriminator judges at once, side by side in the last axis
            (PacGAN, Lin et al. 2018). Against mode collapse; batches should be multiples of it.
        augmentation: A layer that changes what the discriminator is shown in training, real and
            generated data alike, such as `genzoo.layers.DifferentiableAugmentation()`.
        ema_half_life: Images (examples) after which an average of the generator's weights has
            forgotten half; `sample`, evaluation and export then use the average. It forgets
            faster at first: within a tenth of the images seen so far.
        generator: Replaces the default network: maps latents (or `[latents, labels]`) to data,
            images in [0, 1].
        discriminator: Replaces the default network: maps data (or `[data, labels]`) to scores
            `(batch, 1)`, without an activation. With packing `(..., packing * channels)`, and
            labels `(batch, packing)`.
        **kwargs: Keras's own, such as `name`.

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    points = genzoo.data.ring(8).sample(1_000, seed=0)
    model = genzoo.GAN((2,), latent_dim=16, loss="hinge", penalty="r1")
    model.compile()
    model.fit(points, epochs=1, verbose=0)
    new = model.sample(500, seed=0)          # (500, 2)
    ```

    Reference: Goodfellow et al., Generative Adversarial Nets, NeurIPS 2014. Differs from the
    paper: leaky ReLU in the discriminator in place of maxout and dropout, Adam in place of
    momentum.
    """

    def __init__(
        self,
        data_shape: Sequence[int],
        latent_dim: int = 128,
        loss: str | losses.AdversarialLoss = "non_saturating",
        *,
        num_classes: int | None = None,
        penalty: str | losses.GradientPenalty | None = None,
        critic_steps: int = 1,
        packing: int = 1,
        augmentation: keras.layers.Layer | None = None,
        ema_half_life: float | None = None,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        **kwargs,
    ):
        super().__init__(data_shape, num_classes, **kwargs)
        self.latent_dim = checks.check_positive_int(latent_dim, "latent_dim")
        self.loss = losses.get(loss)
        self.penalty = losses.get_penalty(penalty)
        self.critic_steps = checks.check_positive_int(critic_steps, "critic_steps")
        self.packing = checks.check_positive_int(packing, "packing")
        self.augmentation = augmentation
        self.generator = self.default_generator() if generator is None else generator
        self.discriminator = (
            self.default_discriminator() if discriminator is None else discriminator
        )
        inputs = {"latents": (self.latent_dim,)} | self._label_shape(())
        checks.check_network(self.generator, "generator", inputs, self.data_shape)
        *sizes, channels = self.data_shape
        inputs = {"data": (*sizes, self.packing * channels)}
        inputs |= self._label_shape(() if self.packing == 1 else (self.packing,))
        checks.check_network(self.discriminator, "discriminator", inputs, (1,))
        if augmentation is not None:
            inputs = {"data": self.data_shape}
            checks.check_network(augmentation, "augmentation", inputs, self.data_shape)
        if self._adapts and self._boundary is None:
            raise ValueError(
                "`augmentation` must not adapt to the scores of a critic, which have no boundary "
                f"between real and generated. Received: a {type(augmentation).__name__} with "
                f"loss={type(self.loss).__name__}"
            )
        if generator is None:
            self.remember_initial("generator")
        self.ema_half_life = ema_half_life
        self.average = None
        if ema_half_life is not None:
            self.average = MovingAverage(self.generator, ema_half_life)

    def _label_shape(self, shape):
        return {} if self.num_classes is None else {"labels": shape}

    def default_generator(self) -> keras.Model:
        """The generator unless one is given."""
        return networks.dense_decoder(
            self.data_shape,
            self.latent_dim,
            num_classes=self.num_classes,
            output_activation="sigmoid" if self.bounded else None,
        )

    def default_discriminator(self) -> keras.Model:
        """The discriminator unless one is given."""
        return networks.dense_discriminator(
            self.data_shape, num_classes=self.num_classes, packing=self.packing
        )

    @property
    def min_batch(self):
        return self.critic_steps

    def default_optimizers(self):
        return {
            "generator_optimizer": keras.optimizers.Adam(2e-4, beta_1=0.5),
            "discriminator_optimizer": keras.optimizers.Adam(2e-4, beta_1=0.5),
        }

    def optimized_variables(self):
        return {
            "generator_optimizer": self.generator.trainable_variables,
            "discriminator_optimizer": self.discriminator.trainable_variables,
        }

    @property
    def log_names(self):
        penalty = () if self.penalty is None else ("gradient_penalty",)
        strength = ("augmentation_strength",) if self._adapts else ()
        return ("generator_loss", "discriminator_loss", *penalty, *strength)

    @property
    def _adapts(self):
        # Keras's own layers with `adapt`, such as Normalization, have another kind.
        return hasattr(self.augmentation, "adapt") and hasattr(self.augmentation, "strength")

    @property
    def _boundary(self):
        return getattr(self.loss, "boundary", 0.0)  # a loss of one's own need not say

    def compile(
        self,
        generator_optimizer: str | keras.optimizers.Optimizer | None = None,
        discriminator_optimizer: str | keras.optimizers.Optimizer | None = None,
        **options,
    ) -> None:
        """Configures training.

        Args:
            generator_optimizer: Any Keras optimizer; the paper's unless given.
            discriminator_optimizer: Any other Keras optimizer; the paper's unless given.
            **options: Keras's `metrics` (of real and generated data, in evaluation),
                `run_eagerly`, `steps_per_execution` and `jit_compile`.
        """
        optimizers = {
            "generator_optimizer": generator_optimizer,
            "discriminator_optimizer": discriminator_optimizer,
        }
        self._compile(optimizers, **options)

    def call(self, inputs, training=False):
        """Maps latents, or `[latents, labels]`, to data; differentiable."""
        latents, labels = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        return self.generate(latents, labels, training)

    def generate(self, latents, labels, training):
        """Data of latents, float32; but in training by the averaged generator, if there is one."""
        inputs = latents if labels is None else [latents, labels]
        averaged = self.average is not None and not training
        generator = self.average.network if averaged else self.generator
        return tf.cast(generator(inputs, training=training), tf.float32)

    def present(self, data, labels, training):
        """What the discriminator is shown of data and labels: augmented, and in packs."""
        if self.augmentation is not None and training:
            data = tf.cast(self.augmentation(data, training=True), tf.float32)
        if self.packing == 1:
            return data, labels
        # (packs, packing, ..., channels) -> (packs, ..., packing * channels)
        packs = in_groups(data, self.packing)
        *sizes, channels = self.data_shape
        axes = [0, *range(2, 2 + len(sizes)), 1, 2 + len(sizes)]
        packs = tf.reshape(tf.transpose(packs, axes), (-1, *sizes, self.packing * channels))
        return packs, None if labels is None else in_groups(labels, self.packing)

    def score(self, data, labels, training):
        """The discriminator's scores of what it is shown, float32 `(batch,)`."""
        inputs = data if labels is None else [data, labels]
        return tf.cast(self.discriminator(inputs, training=training), tf.float32)[:, 0]

    def train_step(self, data):
        x, y = self.unpack(data)
        for real, labels in self.critic_parts(x, y):
            latents = self.noise.normal((keras.ops.shape(real)[0], self.latent_dim))
            with tf.GradientTape() as generator_tape:
                fake = self.generate(latents, labels, training=True)
            self.discriminator_step(real, tf.stop_gradient(fake), labels)
        # One pass of the generator serves both players: the updated discriminator scores the
        # same fakes again.
        with generator_tape:
            fake_scores = self.score(*self.present(fake, labels, True), training=True)
            generator_loss = self.loss.generator_loss(fake_scores)
            loss = self.mean(generator_loss) + self.regularization(self.generator)
        self.update("generator_optimizer", loss, generator_tape)
        if self.average is not None:
            self.average.update(self.generator, keras.ops.shape(x)[0])
        return self.log(generator_loss=generator_loss)

    def discriminator_step(self, real, fake, labels):
        """One step of the discriminator on real and fake data."""
        real, _ = self.present(real, labels, training=True)
        fake, labels = self.present(fake, labels, training=True)
        with tf.GradientTape() as tape:
            logs = self.discriminator_losses(real, fake, labels, self.noise, training=True)
            loss = self.mean(sum(logs.values())) + self.regularization(self.discriminator)
        self.update("discriminator_optimizer", loss, tape)
        self.log(**logs)

    def discriminator_losses(self, real, fake, labels, noise, training):
        """The discriminator's loss and the penalty, `(batch,)` each; it minimises their sum."""
        real_scores = self.score(real, labels, training)
        if self._adapts:
            if training:
                # One score an example, for it counts them.
                scores = tf.repeat(real_scores, self.packing)
                self.augmentation.adapt(scores - self._boundary)
            self.log(augmentation_strength=self.augmentation.strength)
        fake_scores = self.score(fake, labels, training)
        logs = {"discriminator_loss": self.loss.discriminator_loss(real_scores, fake_scores)}
        if self.penalty is not None:
            logs["gradient_penalty"] = self.penalty(
                lambda points: self.score(points, labels, training), real, fake, noise
            )
        return logs

    def critic_parts(self, x, labels):
        """Splits a batch into one part for each step of the discriminator.

        Every `critic_steps`-th example of the global batch goes to the same part. A last batch
        with fewer examples than parts gives some of them twice rather than none.
        """
        steps, size = self.critic_steps, keras.ops.shape(x)[0]
        if steps == 1:
            return [(x, labels)]
        even = isinstance(size, int) and size % steps == 0  # on every replica
        offset, total = (0, size) if even else place_in_global_batch(size)
        parts = []
        for step in range(steps):
            places = tf.range(step, tf.maximum(total, steps), steps) % total
            if total is not size:
                mine = (places >= offset) & (places < offset + size)
                places = tf.boolean_mask(places - offset, mine)
            part = None if labels is None else tf.gather(labels, places)
            parts.append((tf.gather(x, places), part))
        return parts

    def test_step(self, data):
        real, labels = self.unpack(data)
        noise = self.evaluation_noise
        latents = noise.normal((keras.ops.shape(real)[0], self.latent_dim))
        fake = self.generate(latents, labels, training=False)
        shown, _ = self.present(real, labels, training=False)
        shown_fake, labels = self.present(fake, labels, training=False)
        logs = self.discriminator_losses(shown, shown_fake, labels, noise, training=False)
        scores = self.score(shown_fake, labels, training=False)
        self.log(generator_loss=self.loss.generator_loss(scores), **logs)
        return self.compute_metrics(real, real, fake) | self.judge(real, fake)

    def served_networks(self):
        return [self.generator if self.average is None else self.average.network]
