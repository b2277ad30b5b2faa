"""Normalization that a label map modulates."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

from keras_genzoo.core.validation import check_positive_int, check_range
from keras_genzoo.layers.batch_normalization import BatchNormalization

NORMALIZATIONS = ("batch", "instance")


@keras.saving.register_keras_serializable("keras_genzoo")
class SPADE(layers.Layer):
    """Spatially-adaptive normalization: scale and offset of each pixel follow from a label map.

    The output is n(x) · (1 + γ(m)) + β(m), where n normalizes without scale and offset. γ and β are
    two convolutions of the label map m, resized to the size of x by the nearest neighbour. Call it
    on `[x, label_map]`, `(batch, height, width, channels)` and `(batch, any height, any width,
    classes)`.

    Args:
        hidden_filters: The number of filters of the convolution that γ and β share.
        kernel_size: The size of the convolutions' kernels.
        normalization: `"batch"`: at inference with the statistics of training, and synchronized
            over replicas. `"instance"`: of each channel of each image.
        momentum: The part of the old statistics that a step keeps, in batch normalization.
        epsilon: A small number added to the variance.
        modulation_initializer: The initializer of the kernels of γ and β. By default they are zero,
            so that the layer starts as plain normalization.
        **kwargs: Passed to Keras.

    Raises:
        ValueError: If an argument is invalid.

    Example:
    ```python
    features = np.ones((2, 8, 8, 16), "float32")
    label_map = np.zeros((2, 32, 32, 5), "float32")
    outputs = genzoo.layers.SPADE(32)([features, label_map])   # (2, 8, 8, 16)
    ```

    Reference: Park et al., Semantic Image Synthesis with Spatially-Adaptive Normalization, CVPR
    2019. Differs from the paper's code: γ and β start at zero.
    """

    def __init__(
        self,
        hidden_filters: int = 128,
        kernel_size: int = 3,
        normalization: str = "batch",
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        modulation_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {list(NORMALIZATIONS)}. "
                f"Received: normalization={normalization!r}"
            )
        check_range("[0, 1]", momentum=momentum)
        check_range("[0, inf)", epsilon=epsilon)
        self.hidden_filters = check_positive_int(hidden_filters, "hidden_filters")
        self.kernel_size = check_positive_int(kernel_size, "kernel_size")
        self.normalization, self.momentum, self.epsilon = normalization, momentum, epsilon
        self.modulation_initializer = keras.initializers.get(modulation_initializer)

    def build(self, input_shape):
        features, label_map = input_shape
        channels, dtype = features[-1], self.dtype_policy
        plain = {"epsilon": self.epsilon, "center": False, "scale": False, "dtype": dtype}
        if self.normalization == "batch":
            self.normalize = BatchNormalization(
                momentum=self.momentum, synchronized=True, name="normalize", **plain
            )
        else:
            self.normalize = layers.GroupNormalization(-1, name="normalize", **plain)
        same = {"kernel_size": self.kernel_size, "padding": "same", "dtype": dtype}
        self.hidden = layers.Conv2D(self.hidden_filters, activation="relu", name="hidden", **same)
        self.modulation = layers.Conv2D(  # γ and β side by side
            2 * channels,
            kernel_initializer=self.modulation_initializer,
            name="modulation",
            **same,
        )
        self.normalize.build(features)
        self.hidden.build(label_map)
        self.modulation.build((*label_map[:-1], self.hidden_filters))
        self.built = True

    def call(self, inputs, training=None):
        x, label_map = inputs
        label_map = tf.image.resize(label_map, ops.shape(x)[1:3], "nearest")
        gamma, beta = tf.split(self.modulation(self.hidden(label_map)), 2, axis=-1)
        return self.normalize(x, training=training) * (1 + gamma) + beta

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        names = ("hidden_filters", "kernel_size", "normalization", "momentum", "epsilon")
        initializer = keras.initializers.serialize(self.modulation_initializer)
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "modulation_initializer": initializer,
        }
