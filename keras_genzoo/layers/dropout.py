"""Dropout that is the same on one replica and on several."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import ops

from keras_genzoo.core.validation import check_range
from keras_genzoo.layers.noise import Noise


@keras.saving.register_keras_serializable("keras_genzoo")
class Dropout(keras.layers.Layer):
    """Sets a random fraction of the values to 0 and scales the others, in training only.

    It does what `keras.layers.Dropout` does, but what it draws for an example depends on the
    example's place in the global batch, so that N replicas take the step of one, and its state is
    saved with the model.

    Args:
        rate: The expected fraction of the values that become 0, in [0, 1).
        seed: An integer, or `None` for a random seed that follows `keras.utils.set_random_seed`.
        **kwargs: Passed to Keras.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        check_range("[0, 1)", rate=rate)
        self.rate = rate
        self.noise = Noise(seed)
        self.built = True

    def call(self, inputs, training=None):
        if not training or self.rate == 0:
            return inputs
        kept = self.noise.uniform(ops.shape(inputs)) >= self.rate
        return tf.where(kept, inputs / (1 - self.rate), tf.zeros_like(inputs))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.noise.seed}
