"""Ways to make a source image from its target, for `genzoo.data.pairs`.

Each function here returns a `Source`. It takes one image, float32 `(height, width, channels)` in
[0, 1] of any size, and returns an image in [0, 1].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_genzoo.core.fields import images_to_float
from keras_genzoo.core.validation import check_positive_int, check_range, check_seed
from keras_genzoo.data.holes import HOLES, draw_holes


@dataclasses.dataclass(frozen=True)
class Source:
    """A function that makes a source image from its target.

    Args:
        function: A TensorFlow function of an image, float32 `(height, width, channels)` in [0, 1],
            that returns such an image, whose size and channels may differ.
        random: If true, the function also takes a seed, an int64 tensor of two numbers as in
            `tf.random.stateless_uniform`, and draws with it.

    Example:
    ```python
    import tensorflow as tf

    saturated = genzoo.data.sources.Source(
        lambda image, seed: tf.image.stateless_random_saturation(image, 0.0, 1.0, seed), random=True
    )
    source = saturated(np.zeros((8, 8, 3)), seed=1)
    ```
    """

    function: Callable
    random: bool = False

    def __call__(self, image, seed: int = 0) -> np.ndarray:
        """Makes the source of one image.

        Args:
            image: `(height, width, channels)`, floats in [0, 1] or uint8.
            seed: An int in [0, 2**31) that determines what a random source draws.

        Returns:
            A float32 array `(height, width, channels)`.
        """
        return self.apply(image, tf.constant([0, check_seed(seed)], tf.int64)).numpy()

    def apply(self, image, seed) -> tf.Tensor:
        """Makes the source of one image; for graphs."""
        image = images_to_float(image)
        return self.function(image, seed) if self.random else self.function(image)


def edges(inverted: bool = False, threshold: float | None = None) -> Source:
    """Returns a source of edges: the magnitude of Sobel's gradient of the brightness, one channel.

    The gradient is that of `tf.image.sobel_edges`, with a border by reflection. Its magnitude is
    divided by 4, the value at a straight border between black and white, and clipped to 1.

    Args:
        inverted: If true, edges are dark on white.
        threshold: A number in (0, 1). Magnitudes of at least this become 1 and others 0, as in a
            line drawing.
    """
    if threshold is not None:
        check_range("(0, 1)", threshold=threshold)

    def function(image):
        gradients = tf.image.sobel_edges(_brightness(image)[None])[0]
        magnitude = tf.minimum(tf.norm(gradients, axis=-1) / 4, 1.0)
        if threshold is not None:
            magnitude = tf.cast(magnitude >= threshold, tf.float32)
        return 1 - magnitude if inverted else magnitude

    return Source(function)


def gray() -> Source:
    """Returns a source of one channel, the brightness: 0.2989 R + 0.587 G + 0.114 B."""
    return Source(_brightness)


def masked(holes: str = "any", max_holes: int = 4, fill: float = 0.5) -> Source:
    """Returns a source with holes, for inpainting; they are drawn anew for each image.

    A last channel is added, the mask: 1 where a pixel is known, and 0 in a hole. With it,
    `genzoo.networks.keep_known` keeps known pixels exactly.

    Args:
        holes: `"rectangles"` of 1/8 to 1/2 of the image's height and width; free-form `"strokes"`
            of a brush, as wide as 1/16 to 1/8 of the shorter side; or `"any"`, which draws one of
            the two kinds for each image.
        max_holes: The largest number of rectangles or strokes. There is at least one.
        fill: The value of pixels in holes, in [0, 1].
    """
    if holes not in HOLES:
        raise ValueError(f"`holes` must be one of {list(HOLES)}. Received: holes={holes!r}")
    check_positive_int(max_holes, "max_holes")
    check_range("[0, 1]", fill=fill)

    def function(image, seed):
        in_hole = draw_holes(tf.shape(image)[:2], holes, max_holes, seed)[..., None]
        in_hole = tf.ensure_shape(in_hole, (*image.shape[:2], 1))
        known = tf.where(in_hole, tf.constant(fill, tf.float32), image)
        return tf.concat([known, tf.cast(~in_hole, tf.float32)], axis=-1)

    return Source(function, random=True)


def low_resolution(scale: int = 4, enlarged: bool = False) -> Source:
    """Returns a source of lower resolution, for super-resolution.

    It is reduced by bicubic interpolation with antialiasing, as Pillow and Matlab do.

    Args:
        scale: The factor by which the sides shrink. They must be multiples of it.
        enlarged: If true, the source is brought back to the size of the target by bicubic
            interpolation, as a model needs it whose source and target have the same size.
    """
    check_positive_int(scale, "scale")

    def function(image):
        height, width = image.shape[:2]
        if any(size is not None and size % scale for size in (height, width)):
            raise ValueError(
                f"`scale` must divide the height and width of the images. Received: scale={scale} "
                f"and images of {height} × {width} pixels"
            )
        size = tf.shape(image)[:2]
        small = tf.clip_by_value(
            tf.image.resize(image, size // scale, "bicubic", antialias=True), 0.0, 1.0
        )
        if not enlarged:
            return small
        return tf.clip_by_value(tf.image.resize(small, size, "bicubic"), 0.0, 1.0)

    return Source(function)


def noisy(stddev: float = 0.1) -> Source:
    """Returns a source with Gaussian noise, clipped to [0, 1], for denoising.

    Args:
        stddev: The standard deviation of the noise, in units of the range [0, 1].
    """
    check_range("(0, inf)", stddev=stddev)

    def function(image, seed):
        noise = tf.random.stateless_normal(tf.shape(image), seed, stddev=stddev)
        return tf.clip_by_value(image + noise, 0.0, 1.0)

    return Source(function, random=True)


def blurred(sigma: float = 1.0) -> Source:
    """Returns a source blurred by a Gaussian, for deblurring.

    The Gaussian ends at four standard deviations. Next to the border, it is the mean over those
    pixels that lie inside the image.

    Args:
        sigma: The standard deviation of the Gaussian in pixels.
    """
    check_range("(0, inf)", sigma=sigma)
    radius = max(1, round(4 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = tf.constant(kernel / kernel.sum(), tf.float32)

    def blur(channels):  # (channels, height, width, 1)
        rows = tf.nn.conv2d(channels, tf.reshape(kernel, (-1, 1, 1, 1)), 1, "SAME")
        return tf.nn.conv2d(rows, tf.reshape(kernel, (1, -1, 1, 1)), 1, "SAME")

    def function(image):
        channels = tf.transpose(image, (2, 0, 1))[..., None]
        result = blur(channels) / blur(tf.ones_like(channels[:1]))
        return tf.clip_by_value(tf.transpose(result[..., 0], (1, 2, 0)), 0.0, 1.0)

    return Source(function)


NAMED = {
    "edges": edges,
    "gray": gray,
    "masked": masked,
    "low_resolution": low_resolution,
    "noisy": noisy,
    "blurred": blurred,
}


def get(source) -> Source:
    """Returns the source that a name, a `Source` or a function of images stands for."""
    if isinstance(source, Source):
        return source
    if isinstance(source, str) and source in NAMED:
        return NAMED[source]()
    if callable(source) and source not in NAMED.values():
        return Source(source)
    raise ValueError(
        f"`source` must be one of {list(NAMED)}, what such a function of `genzoo.data.sources` "
        "returns, an array of images, or a function of an image (height, width, channels). "
        f"Received: source={source!r}"
    )


def _brightness(image):
    """Returns the luma of an image of three channels, `(height, width, 1)`; gray ones stay."""
    channels = image.shape[-1]
    if channels == 1:
        return image
    if channels == 3:
        return tf.image.rgb_to_grayscale(image)
    raise ValueError(
        "`source` of edges or gray needs images of one or three channels. "
        f"Received: images of {channels} channels"
    )
