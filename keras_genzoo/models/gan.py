"""The adversarial step of the whole GAN family, and the GAN of multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import keras
import tensorflow as tf

from keras_genzoo import losses, networks
from keras_genzoo.core import validation
from keras_genzoo.core.compiling import AdversarialCompiling
from keras_genzoo.core.fields import Labels, data_field
from keras_genzoo.core.model import GenerativeModel
from keras_genzoo.core.moving_average import MovingAverage
from keras_genzoo.core.sampling import LatentSampling, check_latents
from keras_genzoo.networks.discriminator_view import DiscriminatorView


class GANOptions(TypedDict, total=False):
    """The arguments that every GAN takes, as `GAN` documents them."""

    packing: int
    augmentation: keras.layers.Layer | None
    ema_half_life: float | None
    generator: keras.Model | None
    discriminator: keras.Model | None
    name: str | None
    dtype: str | keras.DTypePolicy | None


@keras.saving.register_keras_serializable("keras_genzoo")
class GAN(LatentSampling, AdversarialCompiling, GenerativeModel):
    """A generative adversarial network; also the base of the family.

    Its parts combine freely: networks × loss × penalty × conditioning × critic steps × packing ×
    augmentation. A batch of `fit` is split into `critic_steps` parts, so that each step of the
    discriminator sees fresh data; the generator's step reuses the last part's generated batch.

    Logs: `generator_loss`, `discriminator_loss` (without the penalty), `gradient_penalty` if there
    is one, and the `augmentation_strength` of a layer that changes it.

    Args:
        data_shape: `(features,)` or `(height, width, channels)`.
        latent_dim: The number of dimensions of the latents, which are drawn from N(0, 1).
        loss: `"minimax"`, `"non_saturating"`, `"least_squares"`, `"hinge"`, `"wasserstein"`, or an
            object of `genzoo.losses` (`NonSaturating(label_smoothing=0.1)`).
        num_classes: The number of classes, if both networks also see a label.
        penalty: `None`, `"wgan_gp"`, `"dragan"`, `"r1"`, `"r2"` or a `GradientPenalty`. Weights for
            images in [0, 1] are not the papers'; `GradientPenalty` has a table.
        critic_steps: The number of discriminator steps for each step of the generator.
        packing: The number of examples that the discriminator scores at once, side by side in the
            last axis (PacGAN, Lin et al. 2018); it helps against mode collapse. Batches should be
            multiples of it.
        augmentation: A layer that changes what the discriminator is shown in training, real and
            generated data alike, such as `genzoo.layers.DifferentiableAugmentation()`.
        ema_half_life: The number of examples after which a moving average of the generator's
            weights has forgotten half of the old ones; it forgets faster at first, within a tenth
            of the examples seen so far. `sample`, evaluation and export then use the average.
        generator: A Keras model in place of the default one. It maps latents
            `(batch, latent_dim)`, or `[latents, labels]`, to data; images should lie in [0, 1].
        discriminator: A Keras model in place of the default one. It maps data, or
            `[data, labels]`, to scores `(batch, 1)` without an activation. With packing, the data
            are `(batch, ..., packing * channels)` and the labels `(batch, packing)`.
        **kwargs: `name`, as in Keras.

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
    paper: by default the non-saturating loss of its section 3 instead of Algorithm 1's minimax, one
    batch of noise for both players, leaky ReLU in the discriminator instead of maxout and dropout,
    Adam instead of momentum.
    """

    players = {
        "generator_optimizer": ("generator",),
        "discriminator_optimizer": ("discriminator",),
    }

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
        super().__init__(data_field(data_shape), Labels(num_classes), **kwargs)
        self.latent_dim = validation.check_positive_int(latent_dim, "latent_dim")
        self.loss = losses.get(loss)
        self.penalty = losses.get_penalty(penalty)
        self.critic_steps = validation.check_positive_int(critic_steps, "critic_steps")
        self.packing = validation.check_positive_int(packing, "packing")
        self.augmentation = augmentation
        self.view = DiscriminatorView(self.data_shape, self.packing, augmentation)
        self.generator = self.default_generator() if generator is None else generator
        self.discriminator = (
            self.default_discriminator() if discriminator is None else discriminator
        )
        self._check_networks(generator, discriminator)
        self.ema_half_life, self.average = ema_half_life, None
        if ema_half_life is not None:
            self.average = MovingAverage(self.generator, ema_half_life, "generator")

    def _check_networks(self, generator, discriminator):
        labels = {} if self.num_classes is None else {"labels": ()}
        latents = {"latents": (self.latent_dim,)}
        validation.check_network(self.generator, "generator", latents | labels, self.data_shape)
        if self.data_field.bounded:
            validation.warn_of_outputs_outside_unit(generator, "generator", latents | labels)
        inputs = {"data": self.view.shape} | dict.fromkeys(labels, self.view.label_shape)
        validation.check_network(self.discriminator, "discriminator", inputs, (1,))
        validation.check_raw_outputs(discriminator, "discriminator", inputs, self.loss)
        if self.augmentation is not None:
            inputs = {"data": self.data_shape}
            validation.check_network(self.augmentation, "augmentation", inputs, self.data_shape)
        validation.check_adaptation(self.view, self.loss)

    def default_generator(self) -> keras.Model:
        """Builds the default generator."""
        return networks.dense_decoder(
            self.data_shape,
            self.latent_dim,
            num_classes=self.num_classes,
            output_activation="sigmoid" if self.data_field.bounded else None,
        )

    def default_discriminator(self) -> keras.Model:
        """Builds the default discriminator."""
        return networks.dense_discriminator(
            self.data_shape, num_classes=self.num_classes, packing=self.packing
        )

    @property
    def min_batch(self):
        return self.critic_steps

    @property
    def log_names(self):
        penalty = () if self.penalty is None else ("gradient_penalty",)
        strength = ("augmentation_strength",) if self.view.adapts else ()
        return ("generator_loss", "discriminator_loss", *penalty, *strength)

    def call(self, inputs, training=False):
        """Maps latents, or `[latents, labels]`, to data; differentiable."""
        latents, labels = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        check_latents(latents, self.latent_dim)
        return self.generate(latents, labels, training)

    def generate(self, latents, labels, training):
        """Maps latents to data, float32; outside of training by the average, if there is one."""
        return self.run("generator", latents, labels, training=training)

    def score(self, data, labels, training):
        """Returns the discriminator's scores of data as its view shows them, float32 `(batch,)`."""
        return self.run("discriminator", data, labels, training=training)[:, 0]

    def gradient_penalty(self, real, fake, labels, noise, training):
        """Returns the penalty of each example, float32 `(batch,)`, or `None` without one."""
        if self.penalty is None:
            return None
        return self.penalty(lambda x: self.score(x, labels, training), real, fake, noise)

    def train_step(self, data):
        x, y = self.unpack(data)
        for real, labels in self.split((x, y), self.critic_steps):
            latents = self.draw_latents(real, self.noise)
            with tf.GradientTape() as generator_tape:
                fake = self.generate(latents, labels, training=True)

            # Update the discriminator.
            shown_real, shown_labels = self.view(real, labels, training=True)
            shown_fake, _ = self.view(tf.stop_gradient(fake), labels, training=True)
            with tf.GradientTape() as tape:
                real_scores = self.score(shown_real, shown_labels, training=True)
                fake_scores = self.score(shown_fake, shown_labels, training=True)
                discriminator_loss = self.loss.discriminator_loss(real_scores, fake_scores)
                penalty = self.gradient_penalty(
                    shown_real, shown_fake, shown_labels, self.noise, training=True
                )
                objective = self.objective("discriminator_optimizer", discriminator_loss, penalty)
            self.update("discriminator_optimizer", objective, tape)
            self.view.adapt(real_scores, self._boundary)
            self.log(
                discriminator_loss=discriminator_loss,
                gradient_penalty=penalty,
                augmentation_strength=self.view.strength,
            )

        # Update the generator. Its tape goes on recording, so that the generator runs once; the
        # updated discriminator scores the last fakes again.
        with generator_tape:
            fake_scores = self.score(*self.view(fake, labels, training=True), training=True)
            generator_loss = self.loss.generator_loss(fake_scores)
            objective = self.objective("generator_optimizer", generator_loss)
        self.update("generator_optimizer", objective, generator_tape)
        self.update_averages(x)
        return self.log(generator_loss=generator_loss)

    def test_step(self, data):
        real, labels = self.unpack(data)
        noise = self.evaluation_noise
        fake = self.generate(self.draw_latents(real, noise), labels, training=False)
        shown_real, shown_labels = self.view(real, labels)
        shown_fake, _ = self.view(fake, labels)
        real_scores = self.score(shown_real, shown_labels, training=False)
        fake_scores = self.score(shown_fake, shown_labels, training=False)
        penalty = self.gradient_penalty(shown_real, shown_fake, shown_labels, noise, False)
        self.log(
            generator_loss=self.loss.generator_loss(fake_scores),
            discriminator_loss=self.loss.discriminator_loss(real_scores, fake_scores),
            gradient_penalty=penalty,
            augmentation_strength=self.view.strength,
        )
        logs = self.compute_metrics(real, real, fake)
        return logs | self.update_generative_metrics(real, fake)

    @property
    def _boundary(self):
        return getattr(self.loss, "boundary", 0.0)  # users' losses need not have one
