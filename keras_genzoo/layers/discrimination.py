"""Layers for discriminators."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable("keras_genzoo")
class SpectralNormalization(keras.layers.Wrapper):
    """Divides a layer's kernel by its spectral norm, which makes a dense layer 1-Lipschitz.

    The norm is that of the kernel as a matrix `(inputs, outputs)`, where all axes but the last
    count as inputs. One power iteration for each call in training estimates it. The optimizer
    updates the undivided kernel, and the gradient passes through the division. (Keras's layer of
    the same name overwrites the kernel at each call, so a discriminator that is called twice in a
    step divides its kernel twice.)

    Args:
        layer: A Keras layer with a single `kernel` or `embeddings` whose last axis is the outputs:
            Dense, Conv2D or Embedding, but not a transposed convolution.

    Raises:
        ValueError: When the layer is built, if `layer` has no such kernel.

    Example:
    ```python
    layer = genzoo.layers.SpectralNormalization(keras.layers.Dense(8))
    outputs = layer(np.ones((4, 16), "float32"), training=True)   # (4, 8)
    ```

    Reference: Miyato et al., Spectral Normalization for Generative Adversarial Networks, ICLR 2018.
    """

    def build(self, input_shape=None):
        super().build(input_shape)
        kind = type(self.layer).__name__
        matrices = [v.name for v in self.layer.weights if len(v.shape) > 1]
        # The last axis of these layers' kernels is not the outputs.
        transposed = any(word in kind for word in ("Transpose", "Depthwise", "Separable"))
        if len(self._kernels) != 1 or len(matrices) != 1 or transposed:
            raise ValueError(
                "`layer` must have one kernel, and its last axis must be the outputs. "
                f"Received: a {kind} with {matrices}"
            )
        # The current estimate of the leading singular vector on the side of the outputs.
        self.vector = self.add_weight(
            name="vector",
            shape=(1, self._kernels[0].shape[-1]),
            initializer="random_normal",
            dtype="float32",
            autocast=False,
            trainable=False,
        )

    @property
    def _kernels(self):
        # As an attribute, the kernel would be saved twice: with the layer and with the wrapper.
        return [v for v in self.layer.weights if v.name in ("kernel", "embeddings")]

    def call(self, inputs, training=False):
        (variable,) = self._kernels
        kernel = tf.cast(tf.convert_to_tensor(variable), tf.float32)
        matrix = tf.reshape(kernel, (-1, kernel.shape[-1]))
        constant = tf.stop_gradient(matrix)
        vector = tf.convert_to_tensor(self.vector)
        input_vector = tf.math.l2_normalize(vector @ tf.transpose(constant))
        output_vector = tf.math.l2_normalize(input_vector @ constant)
        if training:
            self.vector.assign(output_vector)
        norm = tf.squeeze(input_vector @ matrix @ tf.transpose(output_vector))
        # Within this scope, the layer reads the divided kernel. The variable does not change.
        divided = kernel / tf.maximum(norm, 1e-12)
        with keras.StatelessScope([(variable, divided)], collect_losses=True) as scope:
            outputs = self.layer(inputs)
        self.add_loss(scope.losses)  # from an `activity_regularizer`
        return outputs

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


@keras.saving.register_keras_serializable("keras_genzoo")
class MinibatchStandardDeviation(keras.layers.Layer):
    """Appends a feature that measures how much the examples of a group differ.

    The feature is the standard deviation within the group, averaged over all other features. It
    lets a discriminator notice that a generator always produces the same output. A group consists
    of neighbours in the batch. If the batch does not divide into groups, its first examples fill up
    the last group.

    The input has shape `(batch, ..., features)`, the output `(batch, ..., features + 1)`.

    Args:
        group_size: The number of examples in a group, at least 2. The part of a batch that each
            replica receives should be a multiple of it.

    Example:
    ```python
    layer = genzoo.layers.MinibatchStandardDeviation(4)
    outputs = layer(np.ones((8, 7, 7, 16), "float32"))   # (8, 7, 7, 17)
    ```

    Reference: Karras et al., Progressive Growing of GANs for Improved Quality, Stability, and
    Variation, ICLR 2018.
    """

    def __init__(self, group_size: int = 4, **kwargs):
        super().__init__(**kwargs)
        if not (isinstance(group_size, int) and group_size >= 2):
            raise ValueError(
                "`group_size` must be an integer of at least 2. "
                f"Received: group_size={group_size!r}"
            )
        self.group_size = group_size

    def call(self, inputs):
        x = tf.cast(inputs, tf.float32)
        size = ops.shape(x)[0]
        groups = split_into_groups(x, self.group_size)
        variance = tf.math.reduce_variance(groups, axis=1)
        # The small constant keeps the gradient of the root finite at 0.
        deviation = tf.reduce_mean(
            tf.sqrt(variance + 1e-8), axis=list(range(1, len(variance.shape)))
        )
        feature = tf.repeat(deviation, self.group_size)[:size]
        feature = tf.reshape(feature, [-1] + [1] * (len(x.shape) - 1))
        feature = tf.broadcast_to(feature, [size, *x.shape[1:-1], 1])
        return tf.concat([inputs, tf.cast(feature, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        return {**super().get_config(), "group_size": self.group_size}


def split_into_groups(values: tf.Tensor, group_size: int) -> tf.Tensor:
    """Splits a batch into groups of neighbours, `(groups, group_size, ...)`.

    If the batch does not divide into groups, its first examples fill up the last group.
    """
    size = ops.shape(values)[0]
    if not (isinstance(size, int) and size % group_size == 0):
        groups = -(-size // group_size)
        values = tf.gather(values, tf.range(groups * group_size) % tf.maximum(size, 1))
    return tf.reshape(values, (-1, group_size, *values.shape[1:]))
