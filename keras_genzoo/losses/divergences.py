"""Kullback-Leibler divergences in closed form, in nats."""

from __future__ import annotations

import tensorflow as tf
from keras import ops


def gaussian_kl(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """Returns KL(N(mean, exp(log_variance)) ‖ N(0, 1)), summed over the last axis.

    Args:
        mean: The means, `(batch, dimensions)`.
        log_variance: The natural logarithms of the variances, of the same shape.

    Returns:
        The divergences in nats, `(batch,)`.

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, ICLR 2014, appendix B.
    """
    return 0.5 * ops.sum(ops.exp(log_variance) + ops.square(mean) - 1.0 - log_variance, axis=-1)


def bernoulli_kl(target: float, rates: tf.Tensor) -> tf.Tensor:
    """Returns KL(Bernoulli(target) ‖ Bernoulli(rates)), summed over the last axis.

    Args:
        target: The desired rate, in (0, 1). The divergence is 0 if all rates equal it.
        rates: Mean activations in [0, 1], `(..., units)`. Logarithms are taken of numbers of at
            least 1e-12, so that the divergence stays finite; the gradient is that of 1e-12 there,
            so that units that are never or always active are still moved towards the target.

    Returns:
        The divergences in nats, `(...)`.

    Reference: Ng, Sparse autoencoder, CS294A lecture notes, 2011.
    """
    return ops.sum(
        target * (ops.log(target) - _bounded_log(rates))
        + (1 - target) * (ops.log(1 - target) - _bounded_log(1 - rates)),
        axis=-1,
    )


def _bounded_log(values):
    # A maximum alone would have no gradient below the bound.
    return ops.log(values + ops.stop_gradient(ops.maximum(values, 1e-12) - values))
