"""CycleGAN: translation between two kinds of images, learned without pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import losses, networks
from keras_genzoo.core import validation
from keras_genzoo.core.annealing import Annealed
from keras_genzoo.core.batches import over_data_sets
from keras_genzoo.core.compiling import AdversarialCompiling, per_example
from keras_genzoo.core.fields import Images
from keras_genzoo.core.model import GenerativeModel
from keras_genzoo.core.moving_average import MovingAverage
from keras_genzoo.core.translating import Translating
from keras_genzoo.layers.image_pool import ImagePool
from keras_genzoo.networks.discriminator_view import DiscriminatorView


def _check_identity(model, weight):
    if weight != 0 and model.a_shape != model.b_shape:
        raise ValueError(
            "`identity_weight` must be 0 if the shapes of the two kinds of images differ. "
            f"Received: identity_weight={weight!r}, {model.a_shape} and {model.b_shape}"
        )


@keras.saving.register_keras_serializable("keras_genzoo")
class CycleGAN(Translating, AdversarialCompiling, GenerativeModel):
    """Two generators that translate between two kinds of images, a and b, without pairs.

    Each translation should look like an image of the other kind to a discriminator, and its
    translation back should be the image that it was made from. A batch holds images of both kinds,
    which need not belong together; `genzoo.data.unpaired` makes such batches.

    Logs, each a sum over both directions and without its weight: `generator_loss`, `cycle_loss`,
    `identity_loss` if both kinds have one shape, `discriminator_loss`.

    Args:
        a_shape: `(height, width, channels)` of the first kind of images.
        b_shape: The same of the second kind, whose channels may differ; by default as the first.
        a_to_b: A Keras model in place of the default `networks.resnet_generator`. It maps images
            of the first kind to those of the second, in [0, 1].
        b_to_a: The same for the other direction.
        a_discriminator: A Keras model in place of the default `networks.patch_discriminator`. It
            maps images of the first kind to scores `(batch, 1)`, or of patches
            `(batch, rows, columns, 1)`, without an activation.
        b_discriminator: The same for the second kind.
        loss: `"minimax"`, `"non_saturating"`, `"least_squares"`, `"hinge"`, `"wasserstein"`, or an
            object of `genzoo.losses`.
        cycle_weight: The weight of the mean absolute difference between an image and its
            translation there and back, at least 0.
        identity_weight: The weight of the change of an image that is already of the kind it is
            translated to, at least 0, against inverted colours. `None` stands for half of
            `cycle_weight`, and for 0 if the channels differ.
        pool_size: The number of translations that each `genzoo.layers.ImagePool` keeps for its
            discriminator; 0 for none.
        augmentation: A layer that changes what the discriminators are shown in training.
        ema_half_life: The number of examples after which moving averages of the generators have
            forgotten half of the old weights. Evaluation, `translate` and export then use them.
        **kwargs: `name`, as in Keras.

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    dark, bright = np.random.default_rng(0).random((2, 40, 16, 16, 1), "float32") * 0.5
    model = genzoo.CycleGAN((16, 16, 1))
    model.compile()
    model.fit(genzoo.data.unpaired(dark, 1 - bright, batch_size=4), epochs=1, verbose=0)
    brighter = model.translate(dark[:4], direction="a_to_b")     # (4, 16, 16, 1)
    ```

    Reference: Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
    Networks, ICCV 2017. Differs from the paper: each discriminator takes its step before the
    generators take theirs; the identity loss, which the paper has for paintings, is on by default.
    """

    directions: ClassVar = {"a_to_b": ("a_to_b", "a", "b"), "b_to_a": ("b_to_a", "b", "a")}
    players = {
        "generator_optimizer": ("a_to_b", "b_to_a"),
        "discriminator_optimizer": ("a_discriminator", "b_discriminator"),
    }
    generated_pairs = ("a", "b")

    cycle_weight = Annealed("[0, inf)")
    identity_weight = Annealed("[0, inf)", _check_identity)

    def __init__(
        self,
        a_shape: Sequence[int],
        b_shape: Sequence[int] | None = None,
        *,
        a_to_b: keras.Model | None = None,
        b_to_a: keras.Model | None = None,
        a_discriminator: keras.Model | None = None,
        b_discriminator: keras.Model | None = None,
        loss: str | losses.AdversarialLoss = "least_squares",
        cycle_weight: float = 10.0,
        identity_weight: float | None = None,
        pool_size: int = 50,
        augmentation: keras.layers.Layer | None = None,
        ema_half_life: float | None = None,
        **kwargs,
    ):
        a, b = Images(a_shape, "a"), Images(a_shape if b_shape is None else b_shape, "b")
        super().__init__(a, b, **kwargs)
        self.a_shape, self.b_shape = a.shape, b.shape
        self.loss = losses.get(loss)
        self.cycle_weight = cycle_weight
        given = identity_weight is not None
        self.identity_weight = identity_weight if given else self._half_of(cycle_weight)
        self._set_networks("a_to_b", a, b, a_to_b, b_discriminator)
        self._set_networks("b_to_a", b, a, b_to_a, a_discriminator)
        self.pool_size = pool_size and validation.check_positive_int(pool_size, "pool_size")
        self.a_pool = ImagePool(a.shape, pool_size) if pool_size else None
        self.b_pool = ImagePool(b.shape, pool_size) if pool_size else None
        self.augmentation = augmentation
        self.view = DiscriminatorView(a.shape, 1, augmentation)  # one augmentation for both kinds
        validation.check_adaptation(self.view, self.loss)
        self.ema_half_life, self.a_to_b_average, self.b_to_a_average = ema_half_life, None, None
        if ema_half_life is not None:
            self.a_to_b_average = MovingAverage(self.a_to_b, ema_half_life, "a_to_b")
            self.b_to_a_average = MovingAverage(self.b_to_a, ema_half_life, "b_to_a")

    def _half_of(self, cycle_weight):
        if callable(cycle_weight):
            raise ValueError("`identity_weight` must be given with a schedule. Received: None")
        return 0.5 * cycle_weight if self.a_shape == self.b_shape else 0.0

    def _set_networks(self, direction, source, target, generator, discriminator):
        """Sets and checks the given or default networks that make and score one kind of images."""
        network, inputs = generator, {"source": source.shape}
        if network is None:
            network = networks.resnet_generator(source.shape, target.shape[-1])
        validation.check_network(network, direction, inputs, target.shape)
        validation.warn_of_outputs_outside_unit(generator, direction, inputs)
        setattr(self, direction, network)
        name, inputs = f"{target.name}_discriminator", {"data": target.shape}
        network = discriminator
        if network is None:
            network = networks.patch_discriminator(target.shape, normalization="instance")
        validation.check_score_network(network, name, inputs)
        validation.check_raw_outputs(discriminator, name, inputs, self.loss)
        setattr(self, name, network)

    @property
    def log_names(self):
        identity = ("identity_loss",) if self.a_shape == self.b_shape else ()
        strength = ("augmentation_strength",) if self.view.adapts else ()
        return ("generator_loss", "cycle_loss", *identity, "discriminator_loss", *strength)

    def score(self, kind: str, images, training):
        """Returns scores of images, or of their patches, as the kind's discriminator sees them."""
        shown, _ = self.view(images, None, training)
        return self.run(f"{kind}_discriminator", shown, training=training)[..., 0]

    def generator_terms(self, a, b, fake_a, fake_b, training) -> dict[str, tf.Tensor]:
        """Returns the unweighted terms of the generators' objective of each example, by log."""
        scores = self.score("a", fake_a, training), self.score("b", fake_b, training)
        restored_a = self.run("b_to_a", fake_b, training=training)
        restored_b = self.run("a_to_b", fake_a, training=training)
        terms = {
            "generator_loss": sum(per_example(self.loss.generator_loss(s)) for s in scores),
            "cycle_loss": losses.l1(a, restored_a) + losses.l1(b, restored_b),
        }
        if "identity_loss" in self.log_names:
            kept_a = self.run("b_to_a", a, training=training)
            kept_b = self.run("a_to_b", b, training=training)
            terms["identity_loss"] = losses.l1(a, kept_a) + losses.l1(b, kept_b)
        return terms

    def train_step(self, data):
        a, b = self.unpack(data)
        with tf.GradientTape() as generator_tape:
            fake_b = self.run("a_to_b", a, training=True)
            fake_a = self.run("b_to_a", b, training=True)

        # Update the discriminators, which also see translations of earlier steps.
        older_a = fake_a if self.a_pool is None else self.a_pool(tf.stop_gradient(fake_a))
        older_b = fake_b if self.b_pool is None else self.b_pool(tf.stop_gradient(fake_b))
        with tf.GradientTape() as tape:
            real_scores = self.score("a", a, True), self.score("b", b, True)
            fake_scores = self.score("a", older_a, True), self.score("b", older_b, True)
            discriminator_loss = sum(
                per_example(self.loss.discriminator_loss(real, fake))
                for real, fake in zip(real_scores, fake_scores, strict=True)
            )
            objective = self.objective("discriminator_optimizer", discriminator_loss)
        self.update("discriminator_optimizer", objective, tape)
        for scores in real_scores:
            self.view.adapt(per_example(scores), getattr(self.loss, "boundary", 0.0))

        # Update the generators: each encodes in one cycle and decodes in the other.
        with generator_tape:
            terms = self.generator_terms(a, b, fake_a, fake_b, training=True)
            objective = self.objective(
                "generator_optimizer",
                terms["generator_loss"],
                self.cycle_weight * terms["cycle_loss"],
                self.identity_weight * terms.get("identity_loss", 0.0 * terms["cycle_loss"]),
            )
        self.update("generator_optimizer", objective, generator_tape)
        self.update_averages(a)
        self.log(augmentation_strength=self.view.strength)
        return self.log(discriminator_loss=discriminator_loss, **terms)

    def test_step(self, data):
        a, b = self.unpack(data)
        fake_b, fake_a = self.run("a_to_b", a), self.run("b_to_a", b)
        discriminator_loss = sum(
            per_example(self.loss.discriminator_loss(*(self.score(k, x, False) for x in pair)))
            for k, pair in {"a": (a, fake_a), "b": (b, fake_b)}.items()
        )
        terms = self.generator_terms(a, b, fake_a, fake_b, training=False)
        self.log(augmentation_strength=self.view.strength)
        self.log(discriminator_loss=discriminator_loss, **terms)
        logs = self.compute_metrics(a, b, fake_b)
        logs |= self.update_generative_metrics(a, fake_a, "a")
        return logs | self.update_generative_metrics(b, fake_b, "b")

    @over_data_sets
    def translate(
        self,
        x: np.ndarray,
        direction: str = "a_to_b",
        *,
        tile: int | None = None,
        overlap: int | None = None,
    ) -> np.ndarray:
        """Translates images of one kind to the other, as `Pix2Pix.translate` does.

        Args:
            x: Images `(n, height, width, channels)`, floats in [0, 1] or uint8, or a data set.
            direction: `"a_to_b"` or `"b_to_a"`.
            tile: The side of a tile in pixels, for large images.
            overlap: How many pixels tiles share; must be given with instance normalization.
        """
        if direction not in self.directions:
            raise ValueError(
                f"`direction` must be one of {list(self.directions)}. "
                f"Received: direction={direction!r}"
            )
        return self.translate_with(x, direction, None, tile, overlap)
