"""The adversarial step of models that learn from pairs of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from keras_genzoo import losses
from keras_genzoo.core import validation
from keras_genzoo.core.annealing import Annealed
from keras_genzoo.core.compiling import AdversarialCompiling, per_example
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

    # Whether translations should have the features that the discriminator finds in the targets.
    matches_features = False
    feature_weight = 0.0

    adversarial_weight = Annealed("[0, inf)")
    content_weight = Annealed("[0, inf)")

    def set_losses(
        self, loss, content_loss, adversarial_weight: float, content_weight: float, penalty
    ) -> None:
        """Sets what the networks minimise; see `Pix2Pix`."""
        self.loss, self.penalty = losses.get(loss), losses.get_penalty(penalty)
        self.content_loss = None if content_loss is None else losses.get_content(content_loss)
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
        if self.generator.variables and not self.generator.trainable_variables:
            raise ValueError(
                "`generator` must have weights that can be trained: set its `trainable = True`, "
                "which a moving average does not have. Received: a network that is frozen"
            )
        source, target = self.data_field, self.field("target")
        inputs = {source.name: source.shape}
        if self.latent_dim is not None:
            inputs["latents"] = (self.latent_dim,)
        validation.check_network(self.generator, "generator", inputs, target.shape)
        validation.warn_of_outputs_outside_unit(generator, "generator", inputs)
        inputs = {source.name: source.shape} if self.conditional else {}
        inputs["target"] = target.shape
        validation.check_score_network(
            self.discriminator, "discriminator", inputs, self.matches_features
        )
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

    @property
    def generated_field(self) -> Field:
        """The target, which the generative metrics compare with translations."""
        return self.field("target")

    @property
    def log_names(self):
        names = {
            "generator_loss": True,
            "content_loss": self.content_loss is not None,
            "feature_loss": self.matches_features,
            "discriminator_loss": True,
            "gradient_penalty": self.penalty is not None,
            "augmentation_strength": self.view.adapts,
        }
        return tuple(name for name, is_logged in names.items() if is_logged)

    def discriminate(self, source, target, training):
        """Returns the discriminator's outputs for targets.

        They are scores `(batch, 1)`, or of patches `(batch, rows, columns, 1)`, or a list for each
        of several scales: features, and last the scores.
        """
        return self.run("discriminator", source, target, training=training)

    def score_loss(self, function: Callable, *outputs) -> tf.Tensor:
        """Applies a function of scores to outputs of the discriminator.

        Returns:
            The mean over patches, and over scales, of each example, `(batch,)`.
        """
        scales = zip(*map(validation.score_maps, outputs), strict=True)
        values = [per_example(function(*(scores[..., 0] for scores in maps))) for maps in scales]
        return tf.add_n(values) / len(values)

    def generator_terms(self, source, target, fake, training) -> dict[str, tf.Tensor]:
        """Returns the unweighted terms of the generator's objective of each example, by log.

        Args:
            source: The sources, if the discriminator sees them, or `None`.
            target: The targets.
            fake: The translations.
            training: Whether this is a step of training.
        """
        outputs = self.discriminate(*self.view(source, fake, training), training)
        terms = {"generator_loss": self.score_loss(self.loss.generator_loss, outputs)}
        if self.content_loss is not None:
            terms["content_loss"] = self.content_loss(target, fake)
        if self.matches_features:
            if training and self.augmentation is not None:  # the outputs are of changed images
                outputs = self.discriminate(source, fake, training)
            wanted = self.discriminate(source, target, training)
            terms["feature_loss"] = losses.feature_matching(wanted, outputs)
        return terms

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

        def critic(images):
            return self.score_loss(tf.identity, self.discriminate(source, images, training))

        return self.penalty(critic, real, fake, noise)

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
            real_outputs = self.discriminate(shown_source, real, training=True)
            fake_outputs = self.discriminate(fake_source, shown_fake, training=True)
            discriminator_loss = self.score_loss(
                self.loss.discriminator_loss, real_outputs, fake_outputs
            )
            penalty = self.gradient_penalty(shown_source, real, shown_fake, self.noise, True)
            objective = self.objective("discriminator_optimizer", discriminator_loss, penalty)
        self.update("discriminator_optimizer", objective, tape)
        boundary = getattr(self.loss, "boundary", 0.0)
        self.view.adapt(self.score_loss(tf.identity, real_outputs), boundary)

        # Update the generator, whose translations the updated discriminator scores again.
        with generator_tape:
            terms = self.generator_terms(condition, target, fake, training=True)
            weights = {
                "generator_loss": self.adversarial_weight,
                "content_loss": self.content_weight,
                "feature_loss": self.feature_weight,
            }
            weighted = [weights[name] * term for name, term in terms.items()]
            objective = self.objective("generator_optimizer", *weighted)
        self.update("generator_optimizer", objective, generator_tape)
        self.update_averages(source)
        strength = self.view.strength
        self.log(gradient_penalty=penalty, augmentation_strength=strength)
        return self.log(discriminator_loss=discriminator_loss, **terms)

    def test_step(self, data):
        source, target = self.unpack(data)
        noise = self.evaluation_noise
        fake = self.generate(source, self.draw_noise(source, noise), training=False)
        condition = source if self.conditional else None
        real_outputs = self.discriminate(condition, target, training=False)
        fake_outputs = self.discriminate(condition, fake, training=False)
        self.log(
            discriminator_loss=self.score_loss(
                self.loss.discriminator_loss, real_outputs, fake_outputs
            ),
            gradient_penalty=self.gradient_penalty(condition, target, fake, noise, False),
            augmentation_strength=self.view.strength,
            **self.generator_terms(condition, target, fake, training=False),
        )
        logs = self.compute_metrics(source, target, fake)
        return logs | self.update_generative_metrics(target, fake)


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
