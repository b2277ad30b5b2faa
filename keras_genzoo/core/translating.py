"""The verb `translate`, for models that turn images into images."""

from __future__ import annotations

import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.core.batches import over_data_sets
from keras_genzoo.core.fields import Field, Vectors
from keras_genzoo.core.tiling import Tiling
from keras_genzoo.core.validation import check_seed
from keras_genzoo.serving.endpoints import Endpoint

PIXELS_AT_ONCE = 2**20


class Translating:
    """The verb `translate` and its endpoints, for models that turn images into others.

    Attributes:
        directions: What the model translates: the network's name, the field that it takes and the
            one that it makes, by the name of the direction.
        scale: How many pixels of the result make up one side of a pixel of the source.
        latent_dim: The length of the noise vector that the network also takes, or `None`.
    """

    verbs = frozenset({"translate"})
    directions: dict[str, tuple[str, str, str]] = {"translate": ("generator", "source", "target")}
    scale = 1
    latent_dim: int | None = None

    @property
    def input_field(self) -> Field:
        """The source as `translate` takes it: of any size, if the network takes any."""
        return self.source_field(next(iter(self.directions)))

    def source_field(self, direction: str) -> Field:
        """Returns the field of what a direction takes, of any size if its network takes any."""
        network, source, _ = self.directions[direction]
        field = self.field(source)
        declared = getattr(self.active_network(network), "inputs", None)
        if declared and tuple(declared[0].shape[1:3]) == (None, None):
            return field.of_any_size()
        return field

    def input_of(self, parts, arguments):
        if len(parts) < len(self.fields):
            return parts[0]
        _, source, _ = self.directions[arguments.get("direction", next(iter(self.directions)))]
        return parts[self.fields.index(self.field(source))]

    @over_data_sets
    def translate(
        self,
        x: np.ndarray,
        *,
        seed: int | None = None,
        tile: int | None = None,
        overlap: int | None = None,
    ) -> np.ndarray:
        """Translates source images to target images.

        Args:
            x: Images `(n, height, width, channels)`, floats in [0, 1] or uint8, or a data set of
                them, whose other parts are ignored. The default networks take any height and width.
            seed: Of a model with `latent_dim`, an int in [0, 2**31) that draws the noise of each
                image. By default the noise is zero, so that the result is always the same.
            tile: For large images: translates squares of this many pixels of the source, one
                after the other, so that memory is bounded.
            overlap: How many pixels neighbouring tiles share. By default as many as it takes for
                the tiles to equal the whole image. Fewer are faster, and are blended.

        Returns:
            Float32 `(n, height, width, channels)` in [0, 1].

        Raises:
            ValueError: If an argument does not fit.
        """
        return self.translate_with(x, "translate", seed, tile, overlap)

    def translate_with(self, x, direction: str, seed, tile, overlap) -> np.ndarray:
        """Checks the arguments of `translate`, and translates in a direction."""
        field = self.source_field(direction)
        field.check(x, "x")
        x, channels = field.standard_form(x), field.shape[-1]
        latents = None
        if self.latent_dim is not None:
            latents = draw_latents(len(x), self.latent_dim, seed)
        elif seed is not None:
            raise ValueError(
                "`seed` must be None: this model was built without `latent_dim`, so it has no "
                f"noise to draw. Received: seed={seed!r}"
            )
        step = self.graph_function("translate_step", direction=direction)
        network = self.active_network(self.directions[direction][0])
        return apply_to_images(step, network, x, latents, self.scale, tile, overlap, channels)

    def translate_step(self, source, latents=None, *, direction: str) -> tf.Tensor:
        """Translates a batch; images may be uint8. Without latents, they are zero."""
        source = self.source_field(direction).convert(source)
        return self.generate(source, latents, direction, training=False)

    def generate(self, source, latents, direction: str = "translate", training=True) -> tf.Tensor:
        """Translates float32 images; outside of training by the average, if there is one."""
        if self.latent_dim is not None and latents is None:
            latents = tf.zeros((keras.ops.shape(source)[0], self.latent_dim))
        return self.run(self.directions[direction][0], source, latents, training=training)

    def call(self, inputs, training=False):
        """Translates in the first direction; `[sources, latents]` if there is noise."""
        source, latents = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        return self.generate(
            self.input_field.convert(source), latents, next(iter(self.directions)), training
        )

    def endpoints(self) -> dict[str, Endpoint]:
        """Adds each direction, with noise also `..._latents`; the first is `serving_default`."""
        endpoints = {}
        for name, (_, _, target) in self.directions.items():
            step, source = (
                functools.partial(self.translate_step, direction=name),
                self.source_field(name),
            )
            endpoints[name] = Endpoint(step, (source,), target)
            if self.latent_dim is not None:
                inputs = (source, Vectors((self.latent_dim,), "latents"))
                endpoints[f"{name}_latents"] = Endpoint(step, inputs, target)
        default = endpoints[next(iter(self.directions))]
        return {"serving_default": default, **endpoints} | super().endpoints()


def draw_latents(count: int, latent_dim: int, seed: int | None) -> np.ndarray:
    """Draws noise from N(0, 1), float32 `(count, latent_dim)`; zeros without a seed."""
    if seed is None:
        return np.zeros((count, latent_dim), "float32")
    return tf.random.stateless_normal((count, latent_dim), (check_seed(seed), 0)).numpy()


def apply_to_images(
    step: Callable,
    network: keras.layers.Layer,
    x,
    latents: np.ndarray | None = None,
    scale: int = 1,
    tile: int | None = None,
    overlap: int | None = None,
    channels: int | None = None,
) -> np.ndarray:
    """Applies a function to images by parts: a number of images, or a tile, at a time.

    Args:
        step: Maps a batch of images, and latents if there are any, to images.
        network: The network in it.
        x: Images `(n, height, width, channels)`.
        latents: Noise `(n, latent_dim)`, or `None`.
        scale: How many pixels of the result make up one side of a pixel of the source.
        tile: The side of a tile, or `None` for whole images.
        overlap: How many pixels neighbouring tiles share.
        channels: The number of channels of the network's input; by default those of the images.
    """
    if tile is None:
        if overlap is not None:
            raise ValueError(f"`overlap` needs a `tile`. Received: overlap={overlap!r}, tile=None")
        size = max(1, PIXELS_AT_ONCE // (scale**2 * x.shape[1] * x.shape[2]))
        starts = range(0, len(x), min(size, 256))
        parts = [slice(start, start + min(size, 256)) for start in starts]
        arrays = [[a[part] for a in (x, latents) if a is not None] for part in parts]
        return np.concatenate([step(*map(tf.convert_to_tensor, a)).numpy() for a in arrays])
    results = []
    for i in range(len(x)):
        noise = [] if latents is None else [tf.convert_to_tensor(latents[i : i + 1])]

        def function(images, noise=noise):
            return step(tf.convert_to_tensor(images), *noise).numpy()

        if i == 0:
            tiling = Tiling(function, network, channels or x.shape[-1], scale)
        tiling.function = function
        results.append(tiling.apply(np.asarray(x[i]), tile, overlap))
    return np.stack(results)
