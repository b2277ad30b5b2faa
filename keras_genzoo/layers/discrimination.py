"""Layers of discriminators."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable("keras_genzoo")
class SpectralNormalization(keras.layers.Wrapper):
    """Divides a layer's kernel by its spectral norm; a dense layer is then 1-Lipschitz.

    The norm is that of the kernel as a matrix `(everything else, outputs)`, estimated by one power
    iteration for each call in training. The layer keeps the kernel that the optimizer updates, and
    the gradient goes through the division. (Keras's layer of this name puts the divided kernel in
    its place at each call, so that a discriminator called twice a step is divided twice.)

    Args:
        layer: A Keras layer with one `kernel` or `embeddings`, whose last axis are the outputs:
            Dense, Conv2D, Embedding; not a transposed convolution.

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
        # In these the last axis of the kernel isn't that of the outputs.
        transposed = any(word in kind for word in ("Transpose", "Depthwise", "Separable"))
        if len(self._kernels) != 1 or len(matrices) != 1 or transposed:
            raise ValueError(
                "`layer` must have one kernel, whose last axis are the outputs. "
                f"Received: a {kind} with {matrices}"
            )
        # The first left singular vector, or what is known of it.
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
        # No attribute: Keras would save it a second time, as the wrapper's own.
        return [v for v in self.layer.weights if v.name in ("kernel", "embeddings")]

    def call(self, inputs, training=False):
        (variable,) = self._kernels
        kernel = tf.cast(tf.convert_to_tensor(variable), tf.float32)
        matrix = tf.reshape(kernel, (-1, kernel.shape[-1]))
        constant = tf.stop_gradient(matrix)
        right = tf.math.l2_normalize(tf.convert_to_tensor(self.vector) @ tf.transpose(constant))
        left = tf.math.l2_normalize(right @ constant)
        if training:
            self.vector.assign(left)
        norm = tf.squeeze(right @ matrix @ tf.transpose(left))
        # The layer reads the divided kernel; the variable keeps its own.
        divided = kernel / tf.maximum(norm, 1e-12)
        with keras.StatelessScope([(variable, divided)], collect_losses=True) as scope:
            outputs = self.layer(inputs)
        self.add_loss(scope.losses)  # of an `activity_regularizer`
        return outputs

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


@keras.saving.register_keras_serializable("keras_genzoo")
class MinibatchStandardDeviation(keras.layers.Layer):
    """Appends how much the examples of a group differ, as one more feature of each of them.

    The feature is the mean, over all other features, of their standard deviation in the group: a
    discriminator sees by it that a generator always makes the same. Groups are of neighbours in the
    batch; if it can't be divided, some examples also fill the last group.

    Args:
        group_size: Examples in a group. Each replica's part of a batch should be a multiple.

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
        groups = in_groups(x, self.group_size)
        variance = tf.math.reduce_variance(groups, axis=1)
        # The root has no gradient at 0, hence the small number under it.
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


def in_groups(values: tf.Tensor, group_size: int) -> tf.Tensor:
    """Neighbours in the batch, `(groups, group_size, ...)`; the first also fill the last group."""
    size = ops.shape(values)[0]
    if not (isinstance(size, int) and size % group_size == 0):
        groups = -(-size // group_size)
        values = tf.gather(values, tf.range(groups * group_size) % tf.maximum(size, 1))
    return tf.reshape(values, (-1, group_size, *values.shape[1:]))
