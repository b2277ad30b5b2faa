"""Layers that change the size of images, so that a network takes images of any size."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import ops

from keras_genzoo.core.validation import check_positive_int


@keras.saving.register_keras_serializable("keras_genzoo")
class PadToMultiple(keras.layers.Layer):
    """Pads images below and on the right until their sides are multiples of a number.

    The border is filled by reflection, again and again if the image is small. `CropLike` undoes it.

    Args:
        multiple: A positive integer, such as 2**n for a network that halves its input n times.

    Example:
    ```python
    images = np.zeros((2, 30, 45, 3), "float32")
    padded = genzoo.layers.PadToMultiple(16)(images)  # (2, 32, 48, 3)
    ```
    """

    def __init__(self, multiple: int, **kwargs):
        super().__init__(**kwargs)
        self.multiple = check_positive_int(multiple, "multiple")
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, images):
        for axis in (1, 2):
            size = images.shape[axis]
            if size is not None and size % self.multiple == 0:
                continue
            size = ops.shape(images)[axis]
            # Of positive numbers alone: the division of ONNX rounds towards 0.
            places = tf.range((size + self.multiple - 1) // self.multiple * self.multiple)
            # 0 1 2 3 2 1 0 1 ... for a size of 4
            period = tf.maximum(2 * (size - 1), 1)
            places %= period
            images = tf.gather(images, tf.minimum(places, period - places) % size, axis=axis)
        return images

    def compute_output_shape(self, input_shape):
        batch, *sizes, channels = input_shape
        sizes = [s and -(-s // self.multiple) * self.multiple for s in sizes]
        return (batch, *sizes, channels)

    def get_config(self):
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable("keras_genzoo")
class CropLike(keras.layers.Layer):
    """Crops images below and on the right to the size of other images.

    Args:
        scale: How many pixels of the first images make up one side of a pixel of the others.
        **kwargs: Passed to Keras.

    Call it on `[images, others]`.
    """

    def __init__(self, scale: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.scale = check_positive_int(scale, "scale")

    def call(self, inputs):
        images, others = inputs
        sizes = [self.scale * size for size in ops.shape(others)[1:3]]
        if tuple(images.shape[1:3]) == tuple(sizes):
            return images
        return images[:, : sizes[0], : sizes[1]]

    def compute_output_shape(self, input_shape):
        (batch, _, _, channels), (_, *sizes, _) = input_shape
        return (batch, *(size and self.scale * size for size in sizes), channels)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("keras_genzoo")
class ReflectionPadding2D(keras.layers.Layer):
    """Pads images by reflection on all four sides, without repeating the border.

    Args:
        padding: The number of pixels on each side, less than the image's shorter side.
    """

    def __init__(self, padding: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.padding = check_positive_int(padding, "padding")
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, images):
        # Not `tf.pad`, which refuses the empty batch of a replica that has no example.
        p = self.padding
        images = tf.concat([images[:, p:0:-1], images, images[:, -2 : -p - 2 : -1]], axis=1)
        before, after = images[:, :, p:0:-1], images[:, :, -2 : -p - 2 : -1]
        return tf.concat([before, images, after], axis=2)

    def compute_output_shape(self, input_shape):
        batch, *sizes, channels = input_shape
        return (batch, *(size and size + 2 * self.padding for size in sizes), channels)

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}
