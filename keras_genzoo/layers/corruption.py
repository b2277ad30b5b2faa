"""Layers that corrupt the inputs of denoising autoencoders (Vincent et al., 2008 and 2010).

For Gaussian corruption use `keras.layers.GaussianNoise`.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import ops

from keras_genzoo.core.validation import check_range
from keras_genzoo.layers.noise import Noise


class _Corruption(keras.layers.Layer):
    """Base of the layers that replace a random fraction of the values, in training only.

    Subclasses implement `corrupt(inputs, uniform)`, where `uniform` holds a random number in [0, 1)
    for each value of `inputs`.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        check_range("[0, 1]", rate=rate)
        self.rate = rate
        self.noise = Noise(seed)
        self.built = True

    def call(self, inputs, training=None):
        if not training:
            return inputs
        return self.corrupt(inputs, self.noise.uniform(ops.shape(inputs)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.noise.seed}


@keras.saving.register_keras_serializable("keras_genzoo")
class MaskingNoise(_Corruption):
    """Sets a random fraction of the values to 0, in training only.

    Unlike dropout, it does not scale the remaining values.

    Args:
        rate: The expected fraction of the values that become 0, in [0, 1].
        seed: An integer, or `None` for a random seed that follows `keras.utils.set_random_seed`.

    Example:
    ```python
    masked = genzoo.layers.MaskingNoise(0.5)(np.ones((2, 8), "float32"), training=True)
    ```

    Reference: Vincent et al., Extracting and Composing Robust Features with Denoising
    Autoencoders, ICML 2008.
    """

    def corrupt(self, inputs, uniform):
        return tf.where(uniform < self.rate, tf.zeros_like(inputs), inputs)


@keras.saving.register_keras_serializable("keras_genzoo")
class SaltAndPepper(_Corruption):
    """Sets a random fraction of the values to 0 or 1 with equal probability, in training only.

    Args:
        rate: The expected fraction of the values that are replaced, in [0, 1].
        seed: An integer, or `None` for a random seed that follows `keras.utils.set_random_seed`.

    Example:
    ```python
    noisy = genzoo.layers.SaltAndPepper(0.2)(np.full((2, 8), 0.5, "float32"), training=True)
    ```

    Reference: Vincent et al., Stacked Denoising Autoencoders, JMLR 11, 2010.
    """

    def corrupt(self, inputs, uniform):
        pepper = tf.where(uniform < self.rate / 2, tf.zeros_like(inputs), inputs)
        salt = (uniform >= self.rate / 2) & (uniform < self.rate)
        return tf.where(salt, tf.ones_like(inputs), pepper)
