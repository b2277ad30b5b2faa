"""What a decoder's output says of the data: the p(x | z) of a variational autoencoder."""

from __future__ import annotations

import math

import keras
import tensorflow as tf
from keras import ops

from keras_genzoo.naming import resolve


def _sum_over_data(values):
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


@keras.saving.register_keras_serializable("keras_genzoo")
class BernoulliLikelihood(keras.layers.Layer):
    """Independent Bernoulli variables; the decoder gives their logits.

    Grey values in [0, 1] are taken as probabilities, as is usual; the log-likelihood is then the
    negative cross-entropy, not a density of the grey values.
    """

    bounded = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def log_prob(self, x: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Log p(x | z) in nats, shape (batch,), float32; `x` lies in [0, 1]."""
        logits = ops.cast(logits, "float32")
        return _sum_over_data(x * logits - ops.softplus(logits))

    def mean(self, logits: tf.Tensor) -> tf.Tensor:
        """E[x | z], in [0, 1], of the logits' shape."""
        return ops.sigmoid(ops.cast(logits, "float32"))


@keras.saving.register_keras_serializable("keras_genzoo")
class GaussianLikelihood(keras.layers.Layer):
    """Independent Gaussians around the decoder's output, with one learned standard deviation.

    Reference: Rybkin, Daniilidis & Levine, Simple and Effective VAE Training with Calibrated
    Decoders, ICML 2021.
    """

    bounded = False

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.log_stddev = self.add_weight(
            name="log_stddev", shape=(), initializer="zeros", dtype="float32"
        )
        self.built = True

    def log_prob(self, x: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
        """Log p(x | z) in nats, shape (batch,), float32."""
        # A softly bounded scale: data that are reproduced exactly would send it to 0.
        log_stddev = -6.0 + ops.softplus(ops.convert_to_tensor(self.log_stddev) + 6.0)
        z = (x - ops.cast(mean, "float32")) * ops.exp(-log_stddev)
        return _sum_over_data(-0.5 * ops.square(z) - log_stddev - 0.5 * math.log(2 * math.pi))

    def mean(self, mean: tf.Tensor) -> tf.Tensor:
        """E[x | z], of the decoder output's shape."""
        return ops.cast(mean, "float32")


_KNOWN = {"bernoulli": BernoulliLikelihood, "gaussian": GaussianLikelihood}


def get(identifier: str | keras.layers.Layer) -> keras.layers.Layer:
    """The likelihood of a name, or the object itself."""
    return resolve("likelihood", identifier, _KNOWN, ("log_prob", "mean"))
