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
from keras_genzoo.core.compiling import AdversarialCompiling
from keras_genzoo.core.fields import Images
from keras_genzoo.core.model import GenerativeModel
from keras_genzoo.core.moving_average import MovingAverage
from keras_genzoo.core.translating import Translating
from keras_genzoo.layers.image_pool import ImagePool
from keras_genzoo.models.paired_translation import per_example
from keras_genzoo.networks.discriminator_view import DiscriminatorView


@keras.saving.register_keras_serializable("keras_genzoo")
class CycleGAN(Translating, AdversarialCompiling, GenerativeModel):
    """Two generators that translate between two kinds of images, a and b, without pairs.

    Each translation should look like an image of the other kind to a discriminator, and its
    translation back should be the image that it was made from. A batch holds images of both kinds,
    which need not belong together; `genzoo.data.unpaired` makes such batches.

    Logs, each a sum over both directions and without its weight: `generator_loss`, `cycle_loss`,
    `identity_loss` if it has a weight, `discriminator_loss`.

    Args:
        a_shape: `(height, width, channels)` of the first kind of images.
        b_shape: The same of the second kind, whose channels may differ; by default as the first.
        a_to_b: A Keras model in place of the default `networks.resnet_generator`. It maps images
            of the first kind to those of the second, in [0, 1].
        b_to_a: The same for the other direction.
        a_discriminator: A Keras model in place of the default `networks.patch_discriminator`. It
            maps images of the first kind to scores without an activation, one for an image,
            `(batch, 1)`, or for each patch, `(batch, rows, columns, 1)`.
        b_discriminator: The same for the second kind.
        loss: `"minimax"`, `"non_saturating"`, `"least_squares"`, `"hinge"`, `"wasserstein"`, or an
            object of `genzoo.losses`.
        cycle_weight: The weight of the mean absolute difference between an image and its
            translation there and back, at least 0.
        identity_weight: The weight of the mean absolute change of an image that is already of the
            kind it is translated to, at least 0. It keeps colours, which are often inverted without
            it. `None` stands for half of `cycle_weight`, and for 0 if the channels differ.
        pool_size: The number of translations that each `genzoo.layers.ImagePool` keeps for its
            discriminator; 0 for none.
        augmentation: A layer that changes what the discriminators are shown in training.
        ema_half_life: The number of examples after which moving averages of the generators'
            weights have forgotten half of the old ones. `translate`, evaluation and export then use
            the averages.
        **kwargs: `name` and `dtype`, as in Keras.

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
    generators take theirs.
    """

    directions: ClassVar = {"a_to_b": ("a_to_b", "a", "b"), "b_to_a": ("b_to_a", "b", "a")}
    players = {
        "generator_optimizer": ("a_to_b", "b_to_a"),
        "discriminator_optimizer": ("a_discriminator", "b_discriminator"),
    }
    generated_pairs = ("a", "b")

    cycle_weight = Annealed("[0, inf)")
    identity_weight = Annealed("[0, inf)")

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
        self._set_weights(cycle_weight, identity_weight)
        self.a_to_b = self._default_generator(a, b) if a_to_b is None else a_to_b
        self.b_to_a = self._default_generator(b, a) if b_to_a is None else b_to_a
        self.a_discriminator = a_discriminator or self._default_discriminator(a)
        self.b_discriminator = b_discriminator or self._default_discriminator(b)
        self._check_networks(a_to_b, b_to_a, a_discriminator, b_discriminator)
        self.pool_size = pool_size
        if pool_size != 0:
            validation.check_positive_int(pool_size, "pool_size")
        self.a_pool, self.b_pool = (
            ImagePool(field.shape, pool_size) if pool_size else None for field in (a, b)
        )
        self.augmentation = augmentation
        self.view = DiscriminatorView(a.shape, 1, augmentation)  # one augmentation for both kinds
        validation.check_adaptation(self.view, self.loss)
        self.ema_half_life, self.a_to_b_average, self.b_to_a_average = ema_half_life, None, None
        if ema_half_life is not None:
            self.a_to_b_average = MovingAverage(self.a_to_b, ema_half_life, "a_to_b")
            self.b_to_a_average = MovingAverage(self.b_to_a, ema_half_life, "b_to_a")

    def _set_weights(self, cycle_weight, identity_weight):
        same_channels = self.a_shape == self.b_shape
        self.cycle_weight = cycle_weight
        if identity_weight is None:
            identity_weight = 0.5 * self.cycle_weight if same_channels else 0.0
        self.identity_weight = identity_weight
        if not same_channels and self.identity_weight != 0:
            raise ValueError(
                "`identity_weight` must be 0 if the two kinds of images have different channels: "
                "an image of one kind is then no input of the generator that makes this kind. "
                f"Received: identity_weight={identity_weight!r}, {self.a_shape} and {self.b_shape}"
            )

    def _default_generator(self, source, target):
        return networks.resnet_generator(source.shape, target.shape[-1])

    def _default_discriminator(self, field):
        return networks.patch_discriminator(field.shape, normalization="instance")

    def _check_networks(self, *given):
        names = ("a_to_b", "b_to_a", "a_discriminator", "b_discriminator")
        given = dict(zip(names, given, strict=True))
        for name, source, target in self.directions.values():
            inputs, shape = {"source": self.field(source).shape}, self.field(target).shape
            validation.check_network(getattr(self, name), name, inputs, shape)
            validation.warn_of_outputs_outside_unit(given[name], name, inputs)
            name, inputs = f"{target}_discriminator", {"data": shape}
            validation.check_score_network(getattr(self, name), name, inputs)
            validation.check_raw_outputs(given[name], name, inputs, self.loss)

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5) for player in self.players}

    @property
    def log_names(self):
        identity = ("identity_loss",) if self.a_shape == self.b_shape else ()
        strength = ("augmentation_strength",) if self.view.adapts else ()
        return ("generator_loss", "cycle_loss", *identity, "discriminator_loss", *strength)

    def score(self, kind: str, images, training):
        """Returns the scores of images of a kind, `(batch,)` or `(batch, rows, columns)`."""
        return self.run(f"{kind}_discriminator", images, training=training)[..., 0]

    def generator_terms(self, a, b, fake_a, fake_b, training) -> dict[str, tf.Tensor]:
        """Returns the unweighted terms of the generators' objective of each example, by log."""
        shown = {
            "a": self.view(fake_a, None, training)[0],
            "b": self.view(fake_b, None, training)[0],
        }
        adversarial = [
            self.loss.generator_loss(self.score(k, x, training)) for k, x in shown.items()
        ]
        cycles = (
            (a, self.run("b_to_a", fake_b, training=training)),
            (b, self.run("a_to_b", fake_a, training=training)),
        )
        terms = {
            "generator_loss": sum(map(per_example, adversarial)),
            "cycle_loss": sum(losses.l1(x, restored) for x, restored in cycles),
        }
        if "identity_loss" in self.log_names:
            same = (
                (b, self.run("a_to_b", b, training=training)),
                (a, self.run("b_to_a", a, training=training)),
            )
            terms["identity_loss"] = sum(losses.l1(x, kept) for x, kept in same)
        return terms

    def train_step(self, data):
        a, b = self.unpack(data)
        with tf.GradientTape() as generator_tape:
            fake_b = self.run("a_to_b", a, training=True)
            fake_a = self.run("b_to_a", b, training=True)

        # Update the discriminators, which also see translations of earlier steps.
        older_a = fake_a if self.a_pool is None else self.a_pool(fake_a)
        older_b = fake_b if self.b_pool is None else self.b_pool(fake_b)
        with tf.GradientTape() as tape:
            discriminator_loss = 0.0
            for kind, real, fake in (("a", a, older_a), ("b", b, older_b)):
                shown = [self.view(x, None, True)[0] for x in (real, tf.stop_gradient(fake))]
                real_scores, fake_scores = (self.score(kind, x, training=True) for x in shown)
                loss = self.loss.discriminator_loss(real_scores, fake_scores)
                discriminator_loss += per_example(loss)
                self.view.adapt(per_example(real_scores), getattr(self.loss, "boundary", 0.0))
            objective = self.objective("discriminator_optimizer", discriminator_loss)
        self.update("discriminator_optimizer", objective, tape)

        # Update the generators: both encode in one cycle and decode in the other.
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
        """Translates images of one kind to the other.

        Args:
            x: Images `(n, height, width, channels)`, floats in [0, 1] or uint8, or a data set of
                them. The default networks take any height and width.
            direction: `"a_to_b"` or `"b_to_a"`.
            tile: For large images: translates squares of this many pixels one after the other.
            overlap: How many pixels neighbouring tiles share, and are blended over.

        Returns:
            Float32 `(n, height, width, channels)` in [0, 1].

        Raises:
            ValueError: If an argument does not fit.
        """
        if direction not in self.directions:
            raise ValueError(
                f"`direction` must be one of {list(self.directions)}. "
                f"Received: direction={direction!r}"
            )
        return self.translate_with(x, direction, None, tile, overlap)
