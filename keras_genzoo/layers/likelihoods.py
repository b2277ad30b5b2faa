"""Likelihoods p(x | z) of a variational autoencoder, given the decoder's output."""

from __future__ import annotations

import math

import keras
import tensorflow as tf
from keras import ops

from keras_genzoo.core.validation import resolve


def _sum_over_data(values):
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


@keras.saving.register_keras_serializable("keras_genzoo")
class BernoulliLikelihood(keras.layers.Layer):
    """Independent Bernoulli variables whose logits are the decoder's output.

    Grey values in [0, 1] are commonly treated as probabilities. The log-likelihood is then the
    negative cross-entropy, not a density of the grey values.

    Attributes:
        bounded: True, because the data must lie in [0, 1].
        takes_raw_outputs: True, because a decoder must not end in an activation.
    """

    bounded = True
    takes_raw_outputs = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def log_prob(self, x: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Returns log p(x | z) in nats, float32 `(batch,)`.

        Args:
            x: Data in [0, 1], `(batch, ...)`.
            logits: The decoder's output, of the same shape.
        """
        logits = ops.cast(logits, "float32")
        return _sum_over_data(x * logits - ops.softplus(logits))

    def mean(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns E[x | z], float32 in [0, 1], of the same shape as `logits`."""
        return ops.sigmoid(ops.cast(logits, "float32"))


@keras.saving.register_keras_serializable("keras_genzoo")
class GaussianLikelihood(keras.layers.Layer):
    """Independent Gaussians whose means are the decoder's output.

    They share one learned standard deviation.

    Attributes:
        bounded: False, because the data have no fixed range.

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
        """Returns log p(x | z) in nats, float32 `(batch,)`.

        Args:
            x: Data, `(batch, ...)`.
            mean: The decoder's output, of the same shape.
        """
        # A soft lower bound of e⁻⁶: if the data are reproduced exactly, the scale would reach 0.
        log_stddev = -6.0 + ops.softplus(ops.convert_to_tensor(self.log_stddev) + 6.0)
        z = (x - ops.cast(mean, "float32")) * ops.exp(-log_stddev)
        return _sum_over_data(-0.5 * ops.square(z) - log_stddev - 0.5 * math.log(2 * math.pi))

    def mean(self, mean: tf.Tensor) -> tf.Tensor:
        """Returns E[x | z], float32, which is the decoder's output itself."""
        return ops.cast(mean, "float32")


_LIKELIHOODS = {"bernoulli": BernoulliLikelihood, "gaussian": GaussianLikelihood}


def get(identifier: str | keras.layers.Layer) -> keras.layers.Layer:
    """Returns the likelihood with a given name, or the object itself.

    Args:
        identifier: `"bernoulli"`, `"gaussian"`, or a layer with `log_prob`, `mean` and `bounded`.

    Raises:
        ValueError: If `identifier` is neither a known name nor a likelihood.
    """
    return resolve("likelihood", identifier, _LIKELIHOODS, ("log_prob", "mean"))
