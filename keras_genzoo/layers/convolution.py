"""Convolutions that are fast on CPUs where one side has few channels, as images do."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_genzoo.core.keras_internals import uses_onednn

FEW_CHANNELS = 4


@keras.saving.register_keras_serializable("keras_genzoo")
class Conv2D(keras.layers.Conv2D):
    """Keras's Conv2D with a faster gradient by images of up to four channels.

    Takes the same arguments, has the same weights, and gives the same results. On CPUs, oneDNN's
    gradient of a strided convolution by an image of few channels is several times slower than a
    matrix product; this layer takes the product there while it trains. Inference, and so an
    exported model, has Keras's operation, which every server and converter knows.

    Args:
        *args: Those of `keras.layers.Conv2D`.
        **kwargs: The same.
    """

    def call(self, inputs, training=False):
        if not training or self.groups > 1 or not _pays(self, inputs.shape[-1]):
            return super().call(inputs)
        outputs = convolve(inputs, self.kernel, self.strides[0], self.padding.upper())
        return _activated(self, outputs)


@keras.saving.register_keras_serializable("keras_genzoo")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """Keras's Conv2DTranspose, faster where it makes images of up to four channels.

    Takes the same arguments, has the same weights, and gives the same results; see `Conv2D`.

    Args:
        *args: Those of `keras.layers.Conv2DTranspose`.
        **kwargs: The same.
    """

    def call(self, inputs, training=False):
        if not training or self.output_padding is not None or not _pays(self, self.filters):
            return super().call(inputs)
        stride, kernel = self.strides[0], tf.convert_to_tensor(self.kernel)
        rest = 0 if self.padding == "same" else self.kernel_size[0] - stride
        size = stride * tf.shape(inputs)[1:3] + rest
        outputs = convolve_transposed(inputs, kernel, stride, self.padding.upper(), size)
        outputs = tf.ensure_shape(outputs, self.compute_output_shape(inputs.shape))
        return _activated(self, outputs)


def _activated(layer, outputs):
    if layer.use_bias:
        outputs += layer.bias
    return outputs if layer.activation is None else layer.activation(outputs)


def _pays(layer, channels: int) -> bool:
    """Returns True if a matrix product is faster than oneDNN's operation for a layer."""
    (rows, columns), stride = layer.kernel_size, layer.strides[0]
    return (
        channels <= FEW_CHANNELS
        and layer.data_format == "channels_last"
        and tuple(layer.dilation_rate) == (1, 1)
        and tuple(layer.strides) == (stride, stride)
        and stride > 1
        and rows == columns
        and rows % stride == 0
        and uses_onednn()
        and all(device.device_type == "CPU" for device in tf.config.list_physical_devices())
    )


def convolve(images, kernel, stride: int, padding: str):
    """Returns `tf.nn.conv2d`, with another computation of its gradient by the images."""

    @tf.custom_gradient
    def convolution(images, kernel):
        def gradient(upstream):
            size = tf.shape(images)[1:3]
            by_images = convolve_transposed(upstream, kernel, stride, padding, size)
            return by_images, _gradient_by_kernel(images, kernel, upstream, stride, padding)

        return tf.nn.conv2d(images, kernel, stride, padding), gradient

    return convolution(images, tf.convert_to_tensor(kernel))


def convolve_transposed(x, kernel, stride: int, padding: str, size):
    """Returns `tf.nn.conv2d_transpose` by one matrix product and sums of shifted images.

    Args:
        x: `(batch, rows, columns, filters)`.
        kernel: `(side, side, channels, filters)`; `side` is a multiple of the stride.
        stride: The stride.
        padding: `"SAME"` or `"VALID"`.
        size: The height and width of the result, int32 `(2,)`.
    """

    @tf.custom_gradient
    def transposed(x, kernel):
        def gradient(upstream):
            by_x = convolve(upstream, kernel, stride, padding)
            return by_x, _gradient_by_kernel(upstream, kernel, x, stride, padding)

        return _add_patches(x, kernel, stride, padding, size), gradient

    return transposed(x, kernel)


def _add_patches(x, kernel, stride, padding, size):
    side, _, channels, filters = kernel.shape
    shifts = side // stride
    # Each pixel becomes a patch of `shifts`² blocks, and a block has `stride`² pixels.
    kernel = tf.reshape(kernel, (shifts, stride, shifts, stride, channels, filters))
    kernel = tf.reshape(tf.transpose(kernel, (0, 2, 1, 3, 4, 5)), (-1, filters))
    patches = tf.matmul(tf.reshape(x, (-1, filters)), kernel, transpose_b=True)
    shape = tf.shape(x)
    patches = tf.reshape(patches, (*tf.unstack(shape[:3]), shifts**2, stride**2 * channels))
    blocks = tf.add_n(
        [
            tf.pad(
                patches[:, :, :, shifts * row + column],
                [(0, 0), (row, shifts - 1 - row), (column, shifts - 1 - column), (0, 0)],
            )
            for row in range(shifts)
            for column in range(shifts)
        ]
    )
    images = tf.nn.depth_to_space(blocks, stride)
    full = tf.shape(images)[1:3]
    if padding == "VALID":  # the last pixels may be in no patch
        rows, columns = tf.unstack(size - full)
        return tf.pad(images, [(0, 0), (0, rows), (0, columns), (0, 0)])
    top, left = tf.unstack((full - size) // 2)
    return images[:, top : top + size[0], left : left + size[1]]


def _gradient_by_kernel(images, kernel, upstream, stride, padding):
    return tf.raw_ops.Conv2DBackpropFilter(
        input=images,
        filter_sizes=kernel.shape,
        out_backprop=upstream,
        strides=(1, stride, stride, 1),
        padding=padding,
    )
