"""A moving average of a network's weights."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_genzoo.core.replicas import place_in_global_batch
from keras_genzoo.core.validation import check_range


@keras.saving.register_keras_serializable("keras_genzoo")
class MovingAverage(keras.layers.Layer):
    """A copy of a network whose weights are an exponential moving average of the original's.

    A model that has one as an attribute updates it by `update_averages`, and reads it by
    `active_network(name, training=False)`; evaluation, `sample` and export do so.

    Args:
        network: The original network.
        half_life: The number of examples after which half of the old weights is forgotten. It is
            at most a tenth of the examples seen so far, and does not depend on the batch size.
        network_name: The name of the model's attribute, and of the constructor's argument, that
            holds the network.

    Reference: Karras et al., Progressive Growing of GANs, ICLR 2018; the half-life in images is
    that of Karras et al., Alias-Free Generative Adversarial Networks, NeurIPS 2021. Differs from
    the paper: the statistics of BatchNormalization are averaged too.
    """

    def __init__(self, network: keras.Model, half_life: float, network_name: str, **kwargs):
        super().__init__(trainable=False, **kwargs)
        check_range("(0, inf]", ema_half_life=half_life)
        self.half_life, self.network_name = half_life, network_name
        try:
            self.network = _clone(network)
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"`{network_name}` must have a working `get_config`, by which `ema_half_life` "
                f"copies it. Received: a {type(network).__name__} that fails: {reason:.200}"
            ) from error
        self.network.trainable = False
        if not self.network.built:
            self.network.build_from_config(network.get_build_config())
        self.network.set_weights(network.get_weights())
        # int64: a float would stop counting at 16 million.
        self.seen = self.add_weight(name="seen", shape=(), dtype="int64", initializer="zeros")
        self.built = True

    def update(self, network: keras.Model, size) -> None:
        """Updates the average after a step on `size` examples (of this replica)."""
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
    """Copies a network; its layers need not be registered."""
    if getattr(network, "inputs", None) is None:  # no graph of layers
        return type(network).from_config(network.get_config())
    return keras.models.clone_model(network, recursive=True)
