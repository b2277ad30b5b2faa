"""An average over a network's recent weights."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_genzoo.layers.noise import place_in_global_batch
from keras_genzoo.ranges import check_positive


@keras.saving.register_keras_serializable("keras_genzoo")
class MovingAverage(keras.layers.Layer):
    """A copy of a network, whose weights follow those of the original with a delay.

    Args:
        network: The original.
        half_life: Examples after which half of the old weights is forgotten, or a tenth of the
            examples seen so far if that is less. It doesn't depend on the batch size.

    Reference: Karras et al., Progressive Growing of GANs, ICLR 2018; the half-life in images is
    that of Karras et al., Alias-Free Generative Adversarial Networks, NeurIPS 2021. Differs from
    the paper: BatchNormalization's statistics are averaged too.
    """

    def __init__(self, network: keras.Model, half_life: float, **kwargs):
        super().__init__(trainable=False, **kwargs)
        check_positive(ema_half_life=half_life)
        self.half_life = half_life
        try:
            self.network = _clone(network)
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                "`generator` must have a `get_config` that it can be copied by, for an "
                f"`ema_half_life`. Received: a {type(network).__name__} that fails: {reason:.200}"
            ) from error
        self.network.trainable = False
        if not self.network.built:
            self.network.build_from_config(network.get_build_config())
        self.network.set_weights(network.get_weights())
        # int64: a float would stop counting at 16 million.
        self.seen = self.add_weight(name="seen", shape=(), dtype="int64", initializer="zeros")
        self.built = True

    def update(self, network: keras.Model, size) -> None:
        """Follows the original after a step on `size` examples (of this replica)."""
        _, total = place_in_global_batch(size)
        self.seen.assign_add(tf.cast(total, tf.int64))
        seen = tf.cast(tf.convert_to_tensor(self.seen), tf.float32)
        half_life = tf.minimum(tf.cast(self.half_life, tf.float32), 0.1 * seen)
        old = 0.5 ** (tf.cast(total, tf.float32) / tf.maximum(half_life, 1e-6))
        for average, weight in zip(self.network.weights, network.weights, strict=True):
            value = tf.cast(tf.convert_to_tensor(weight.value), average.dtype)
            difference = tf.convert_to_tensor(average.value) - value
            average.assign(value + tf.cast(old, average.dtype) * difference)


def _clone(network):
    """A network like this one; its layers need not be registered."""
    if getattr(network, "inputs", None) is None:  # not made of a graph of layers
        return type(network).from_config(network.get_config())
    return keras.models.clone_model(network, recursive=True)
