"""Networks of images applied tile by tile, for images that do not fit into memory."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from keras_genzoo.core.keras_internals import flatten_layers
from keras_genzoo.core.validation import check_positive_int
from keras_genzoo.layers.sizes import PadToMultiple

PROBE_SIZES = (128, 256, 512)  # pixels of a side
PROBES = 4  # random images, because an activation may hide a change in one


class Tiling:
    """A way to cut images into tiles so that the results fit together.

    Args:
        function: Maps images `(batch, height, width, channels)` to images of `scale` times the
            size, as NumPy arrays.
        network: The network in it, whose `PadToMultiple` layers tell where tiles may begin.
        channels: The number of channels of its input.
        scale: How many pixels of the result make up one side of a pixel of the input.

    Attributes:
        margin: How many pixels of the input beyond a pixel's place the result depends on; `None`
            if it depends on the whole image.
    """

    def __init__(
        self, function: Callable, network: keras.layers.Layer, channels: int, scale: int = 1
    ):
        self.function, self.channels, self.scale = function, channels, scale
        layers = [layer for layer in flatten_layers(network) if isinstance(layer, PadToMultiple)]
        self.multiple = int(np.lcm.reduce([1, *(layer.multiple for layer in layers)]))
        self.margin = self._find_margin()

    def _find_margin(self) -> int | None:
        """Finds how far a change of some pixels is seen in the result.

        (NaN would spread further, but TensorFlow's ReLU turns it into 0.)
        """
        random = np.random.default_rng(0)
        for size in PROBE_SIZES:
            size = max(size, 4 * self.multiple) // self.multiple * self.multiple
            start = size // 2 // self.multiple * self.multiple
            block = slice(start, start + self.multiple)
            reached = np.zeros((self.scale * size,) * 2, bool)
            for _ in range(PROBES):
                images = random.random((1, size, size, self.channels), "float32")
                before = self.function(images)
                images[:, block, block] = 1 - np.round(images[:, block, block])
                reached |= (self.function(images) != before).any(axis=(0, 3))
            rows, columns = (np.flatnonzero(reached.any(axis=axis)) for axis in (1, 0))
            if not len(rows):  # nothing is seen of it
                return 0
            first, last = min(rows[0], columns[0]), max(rows[-1], columns[-1])
            if first > 0 and last < self.scale * size - 1:
                before = start - first // self.scale
                after = last // self.scale + 1 - (start + self.multiple)
                return max(before, after, 0)
        return None

    def check(self, tile: int, overlap: int | None) -> tuple[int, int]:
        """Returns tile and overlap, in pixels of the input.

        Raises:
            ValueError: If an argument does not fit the network.
        """
        check_positive_int(tile, "tile")
        if overlap is None:
            if self.margin is None:
                raise ValueError(
                    "`overlap` must be given, because a result of this network depends on the "
                    "whole image (as with instance normalization): tiles differ from the image as "
                    "a whole, and are blended. Received: overlap=None"
                )
            overlap = 2 * self.margin
        elif isinstance(overlap, bool) or not isinstance(overlap, int) or overlap < 0:
            raise ValueError(f"`overlap` must be an integer of at least 0. Received: {overlap!r}")
        rounded = tile // self.multiple * self.multiple
        if rounded - overlap < self.multiple:
            smallest = -(-overlap // self.multiple) * self.multiple + self.multiple
            raise ValueError(
                f"`tile` must be at least {smallest} for an overlap of {overlap} pixels (twice "
                f"the network's margin of {self.margin} by default). Received: tile={tile}"
            )
        return rounded, overlap

    def apply(self, image: np.ndarray, tile: int, overlap: int | None = None) -> np.ndarray:
        """Applies the function to an image `(height, width, channels)`, a tile at a time.

        Args:
            image: The image.
            tile: The side of a tile in pixels of the input; it is rounded down to the multiple
                that the network needs.
            overlap: How many pixels neighbouring tiles share. By default twice the margin, so
                that the tiles equal the whole image. With fewer, they are blended.
        """
        tile, overlap = self.check(tile, overlap)
        axes = [self._places(size, tile, overlap) for size in image.shape[:2]]
        result = None
        for top, bottom, rows in axes[0]:
            for left, right, columns in axes[1]:
                part = self.function(image[None, top:bottom, left:right])[0]
                if result is None:
                    sizes = [self.scale * size for size in image.shape[:2]]
                    result = np.zeros((*sizes, part.shape[-1]), "float32")
                weights = (rows[:, None] * columns)[..., None]
                place = result[
                    self.scale * top : self.scale * bottom, self.scale * left : self.scale * right
                ]
                place += np.where(weights > 0, weights * part, 0.0)
        return result

    def _places(self, size, tile, overlap) -> list[tuple[int, int, np.ndarray]]:
        """Lists begin, end and weights of the tiles along one axis; the weights add up to 1."""
        step = (tile - overlap) // self.multiple * self.multiple
        starts = [0]
        while starts[-1] + tile < size:
            starts.append(starts[-1] + step)
        ends = [min(start + tile, size) for start in starts]
        pixels = np.arange(self.scale * size) + 0.5
        # How far a pixel lies inside a tile, from edges that are not those of the image.
        depths = np.full((len(starts), len(pixels)), 2.0 * len(pixels))
        for depth, start, end in zip(depths, starts, ends, strict=True):
            if start > 0:
                np.minimum(depth, pixels - self.scale * start, out=depth)
            if end < size:
                np.minimum(depth, self.scale * end - pixels, out=depth)
        depths = depths.clip(min=0)  # 0 outside of a tile
        if self.margin is not None and tile - step >= 2 * self.margin:
            depths = np.eye(len(starts))[
                depths.argmax(axis=0)
            ].T  # of the tile where it lies deepest
        weights = (depths / depths.sum(axis=0)).astype("float32")
        return [
            (start, end, weights[i, self.scale * start : self.scale * end])
            for i, (start, end) in enumerate(zip(starts, ends, strict=True))
        ]
