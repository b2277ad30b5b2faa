"""An activation that TensorFlow can fuse with the convolution before it."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("keras_genzoo")
class LeakyReLU(keras.layers.LeakyReLU):
    """Keras's LeakyReLU, whose gradient is computed from the output.

    Takes the same arguments and gives the same results. The gradient of TensorFlow's operation
    needs the input, which no longer exists once the operation is fused with a convolution and its
    bias: TensorFlow then gives up all fusions of the graph, and prints "remapper failed".
    Inference, and so an exported model, has Keras's operation.

    Args:
        *args: Those of `keras.layers.LeakyReLU`.
        **kwargs: The same.
    """

    def call(self, inputs, training=False):
        slope = self.negative_slope
        if not training or not slope > 0:  # 0 and below: the output's sign is not the input's
            return super().call(inputs)

        @tf.custom_gradient
        def activation(x):
            y = tf.nn.leaky_relu(x, slope)
            features = tf.stop_gradient(y)  # no second derivative

            def gradient(upstream):
                return tf.raw_ops.LeakyReluGrad(gradients=upstream, features=features, alpha=slope)

            return y, gradient

        return activation(inputs)
