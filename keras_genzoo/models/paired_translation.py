"""The adversarial step of models that learn from pairs of images."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_genzoo import losses
from keras_genzoo.core import validation
from keras_genzoo.core.annealing import Annealed
from keras_genzoo.core.compiling import AdversarialCompiling
from keras_genzoo.core.fields import Field, Images
from keras_genzoo.core.model import GenerativeModel
from keras_genzoo.core.moving_average import MovingAverage
from keras_genzoo.core.translating import Translating
from keras_genzoo.networks.discriminator_view import PairView


class PairedTranslation(Translating, AdversarialCompiling, GenerativeModel):
    """The base of the models that learn to translate by pairs of images, with a discriminator.

    A subclass passes its fields, sets `loss`, `content_loss` and `penalty` by `set_losses`, and its
    networks by `set_networks`.
    """

    players = {
        "generator_optimizer": ("generator",),
        "discriminator_optimizer": ("discriminator",),
    }
    # Whether the discriminator also sees the source.
    conditional = True

    adversarial_weight = Annealed("[0, inf)")
    content_weight = Annealed("[0, inf)")

    def set_losses(
        self, loss, content_loss, adversarial_weight: float, content_weight: float, penalty
    ) -> None:
        """Sets what the networks minimise; see `Pix2Pix`."""
        self.loss, self.penalty = losses.get(loss), losses.get_penalty(penalty)
        self.content_loss = losses.get_content(content_loss)
        self.adversarial_weight, self.content_weight = adversarial_weight, content_weight
        if isinstance(self.content_loss, losses.FeatureLoss):
            self.content_loss.check(self.field("target").shape)

    def set_networks(
        self, generator, discriminator, augmentation, ema_half_life: float | None
    ) -> None:
        """Sets the given or default networks, and checks them and the augmentation."""
        self.generator = self.default_generator() if generator is None else generator
        self.discriminator = (
            self.default_discriminator() if discriminator is None else discriminator
        )
        source, target = self.data_field, self.field("target")
        inputs = {"source": source.shape}
        if self.latent_dim is not None:
            inputs["latents"] = (self.latent_dim,)
        validation.check_network(self.generator, "generator", inputs, target.shape)
        validation.warn_of_outputs_outside_unit(generator, "generator", inputs)
        inputs = {"source": source.shape} if self.conditional else {}
        inputs["target"] = target.shape
        validation.check_score_network(self.discriminator, "discriminator", inputs)
        validation.check_raw_outputs(discriminator, "discriminator", inputs, self.loss)
        self.augmentation = augmentation
        seen = source.shape if self.conditional else None
        self.view = PairView(seen, target.shape, augmentation)
        if augmentation is not None:
            inputs = {"data": self.view.shape}
            validation.check_network(augmentation, "augmentation", inputs, self.view.shape)
            validation.check_adaptation(self.view, self.loss)
        self.ema_half_life, self.average = ema_half_life, None
        if ema_half_life is not None:
            self.average = MovingAverage(self.generator, ema_half_life, "generator")

    def default_generator(self) -> keras.Model:
        """Builds the default generator."""
        raise NotImplementedError

    def default_discriminator(self) -> keras.Model:
        """Builds the default discriminator."""
        raise NotImplementedError

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5) for player in self.players}

    @property
    def generated_field(self) -> Field:
        """The target, which the generative metrics compare with translations."""
        return self.field("target")

    @property
    def log_names(self):
        penalty = () if self.penalty is None else ("gradient_penalty",)
        strength = ("augmentation_strength",) if self.view.adapts else ()
        names = ("generator_loss", "content_loss", "discriminator_loss")
        return (*names, *penalty, *strength)

    def score(self, source, target, training) -> tf.Tensor:
        """Returns the scores of targets: `(batch,)`, or of patches, `(batch, rows, columns)`."""
        return self.run("discriminator", source, target, training=training)[..., 0]

    def draw_noise(self, source, noise):
        """Draws one latent vector for each example, or `None` for a model without noise."""
        if self.latent_dim is None:
            return None
        return noise.normal((keras.ops.shape(source)[0], self.latent_dim))

    def gradient_penalty(self, source, real, fake, noise, training):
        """Returns the penalty of each example, float32 `(batch,)`, or `None` without one.

        A critic of patches is the mean of its scores.
        """
        if self.penalty is None:
            return None
        return self.penalty(
            lambda x: per_example(self.score(source, x, training)), real, fake, noise
        )

    def train_step(self, data):
        source, target = self.unpack(data)
        latents = self.draw_noise(source, self.noise)
        with tf.GradientTape() as generator_tape:
            fake = self.generate(source, latents, training=True)

        # Update the discriminator.
        condition = source if self.conditional else None
        shown_source, real = self.view(condition, target, training=True)
        fake_source, shown_fake = self.view(condition, tf.stop_gradient(fake), training=True)
        with tf.GradientTape() as tape:
            real_scores = self.score(shown_source, real, training=True)
            fake_scores = self.score(fake_source, shown_fake, training=True)
            discriminator_loss = self.loss.discriminator_loss(real_scores, fake_scores)
            penalty = self.gradient_penalty(shown_source, real, shown_fake, self.noise, True)
            objective = self.objective("discriminator_optimizer", discriminator_loss, penalty)
        self.update("discriminator_optimizer", objective, tape)
        self.view.adapt(per_example(real_scores), getattr(self.loss, "boundary", 0.0))

        # Update the generator, whose translations the updated discriminator scores again.
        with generator_tape:
            scores = self.score(*self.view(condition, fake, training=True), training=True)
            generator_loss = self.loss.generator_loss(scores)
            content_loss = self.content_loss(target, fake)
            objective = self.objective(
                "generator_optimizer",
                self.adversarial_weight * generator_loss,
                self.content_weight * content_loss,
            )
        self.update("generator_optimizer", objective, generator_tape)
        self.update_averages(source)
        return self.log(
            generator_loss=per_example(generator_loss),
            content_loss=content_loss,
            discriminator_loss=per_example(discriminator_loss),
            gradient_penalty=penalty,
            augmentation_strength=self.view.strength,
        )

    def test_step(self, data):
        source, target = self.unpack(data)
        noise = self.evaluation_noise
        fake = self.generate(source, self.draw_noise(source, noise), training=False)
        condition = source if self.conditional else None
        real_scores = self.score(condition, target, training=False)
        fake_scores = self.score(condition, fake, training=False)
        self.log(
            generator_loss=per_example(self.loss.generator_loss(fake_scores)),
            content_loss=self.content_loss(target, fake),
            discriminator_loss=per_example(self.loss.discriminator_loss(real_scores, fake_scores)),
            gradient_penalty=self.gradient_penalty(condition, target, fake, noise, False),
            augmentation_strength=self.view.strength,
        )
        logs = self.compute_metrics(source, target, fake)
        return logs | self.update_generative_metrics(target, fake)


def per_example(values: tf.Tensor) -> tf.Tensor:
    """Averages numbers of patches, `(batch, ...)`, to one of each example, `(batch,)`."""
    axes = list(range(1, len(values.shape)))
    return tf.reduce_mean(values, axis=axes) if axes else values


def pair_fields(source_shape: Sequence[int], target_shape: Sequence[int] | None) -> tuple:
    """Returns the fields of pairs of images of one size.

    Args:
        source_shape: `(height, width, channels)`.
        target_shape: The same of the target, whose channels may differ; like the source if `None`.
    """
    source = Images(source_shape, "source")
    target = Images(source_shape if target_shape is None else target_shape, "target")
    if source.shape[:2] != target.shape[:2]:
        raise ValueError(
            "`target_shape` must have the height and width of `source_shape`; `SuperResolution` "
            f"makes images larger. Received: {target.shape} and {source.shape}"
        )
    return source, target
