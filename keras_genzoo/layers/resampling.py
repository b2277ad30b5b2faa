"""Layers that make images larger or smaller by a whole factor."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_genzoo.core.validation import check_positive_int


class _Resampling(keras.layers.Layer):
    """The base of the layers here, which compute in float32 under every dtype policy.

    Args:
        scale: The factor of each side, a positive integer.
        **kwargs: Passed to Keras.
    """

    def __init__(self, scale: int, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.scale = check_positive_int(scale, "scale")
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("keras_genzoo")
class DepthToSpace(_Resampling):
    """Moves blocks of channels to places: `(h, w, scale² · c)` becomes `(scale · h, scale · w, c)`.

    The channels of a pixel are those of the first row of its block from left to right, then of the
    second row, and so on.

    Args:
        scale: The side of a block.
        **kwargs: Passed to Keras.

    Reference: Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient
    Sub-Pixel Convolutional Neural Network, CVPR 2016.
    """

    def call(self, images):
        return images if self.scale == 1 else tf.nn.depth_to_space(images, self.scale)

    def compute_output_shape(self, input_shape):
        batch, *sizes, channels = input_shape
        return (batch, *(s and self.scale * s for s in sizes), channels // self.scale**2)


@keras.saving.register_keras_serializable("keras_genzoo")
class BicubicUpsampling(_Resampling):
    """Enlarges images by bicubic interpolation, as `tf.image.resize` with `antialias=True` does.

    It runs on every device, also under XLA. The result may leave the range of the images.

    Args:
        scale: The factor of each side.
        **kwargs: Passed to Keras.

    Example:
    ```python
    images = np.zeros((2, 30, 45, 3), "float32")
    large = genzoo.layers.BicubicUpsampling(4)(images)    # (2, 120, 180, 3)
    ```
    """

    def call(self, images):
        scale, channels = self.scale, images.shape[-1]
        taps = _cubic_taps(scale)[:, ::-1]
        kernel = np.einsum("ip,jq,ab->ijapqb", taps, taps, np.eye(channels))
        images = _average(images, kernel.reshape(5, 5, channels, scale**2 * channels), 1)
        return tf.nn.depth_to_space(images, scale) if scale > 1 else images

    def compute_output_shape(self, input_shape):
        batch, *sizes, channels = input_shape
        return (batch, *(s and self.scale * s for s in sizes), channels)


@keras.saving.register_keras_serializable("keras_genzoo")
class BicubicDownsampling(_Resampling):
    """Reduces images by bicubic interpolation, as `tf.image.resize` with `antialias=True` does.

    It runs on every device, also under XLA. The result is clipped to [0, 1].

    Args:
        scale: By how much each side is divided, which must be a multiple of it.
        **kwargs: Passed to Keras.

    Example:
    ```python
    images = np.zeros((2, 32, 48, 3), "float32")
    small = genzoo.layers.BicubicDownsampling(4)(images)    # (2, 8, 12, 3)
    ```
    """

    def call(self, images):
        taps = _cubic_taps(self.scale).reshape(-1)
        kernel = np.einsum("i,j,ab->ijab", taps, taps, np.eye(images.shape[-1]))
        return tf.clip_by_value(_average(images, kernel, self.scale), 0.0, 1.0)

    def compute_output_shape(self, input_shape):
        batch, *sizes, channels = input_shape
        return (batch, *(s and s // self.scale for s in sizes), channels)


@keras.saving.register_keras_serializable("keras_genzoo")
class ClipToUnit(keras.layers.Layer):
    """Clips to [0, 1] and passes the gradient on as if it did not, so that no pixel gets stuck."""

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, x):
        return x + ops.stop_gradient(ops.clip(x, 0.0, 1.0) - x)

    def compute_output_shape(self, input_shape):
        return input_shape


def _cubic_taps(scale: int) -> np.ndarray:
    """Returns Keys's cubic (a = -1/2) around a large pixel, at small ones, `(5, scale)`."""
    places = np.arange(-2, 3)[:, None] + (np.arange(scale) + 0.5) / scale - 0.5
    x = np.abs(places)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _average(images, kernel: np.ndarray, strides: int) -> tf.Tensor:
    """Convolves images; where the kernel leaves them, the rest of it counts for more."""
    kernel = kernel.astype("float32")
    border = [2 * strides, 2 * strides]
    paddings = [[0, 0], border, border, [0, 0]]

    def convolve(x, kernel):
        return tf.nn.conv2d(tf.pad(x, paddings), kernel, strides, "VALID")

    channels = kernel.shape[2]
    weights = convolve(tf.ones_like(images[:1, :, :, :1]), kernel[:, :, :1, ::channels])
    return convolve(images, kernel) / tf.repeat(weights, channels, axis=-1)
