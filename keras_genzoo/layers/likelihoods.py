"""Likelihoods p(x | z) of a variational autoencoder, given the decoder's output."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_genzoo.core.annealing import Settled
from keras_genzoo.core.replicas import global_mean, sum_over_replicas
from keras_genzoo.core.validation import check_range, resolve
from keras_genzoo.layers.standardization import Standardization


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

    def sample(self, logits: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Draws x from p(x | z): zeros and ones, float32.

        Args:
            logits: The decoder's output.
            noise: Draws from N(0, 1), of the same shape.
        """
        uniform = 0.5 + 0.5 * ops.erf(noise / math.sqrt(2))
        return ops.cast(uniform < self.mean(logits), "float32")


@keras.saving.register_keras_serializable("keras_genzoo")
class GaussianLikelihood(Settled, keras.layers.Layer):
    """Independent Gaussians whose means are the decoder's output.

    They share one standard deviation σ. No gradient trains it: σ² is the mean squared error, at
    which the likelihood is greatest, averaged over the latest steps of training.

    Args:
        stddev: A fixed σ in place of the fitted one. A small one keeps the posterior from
            collapsing to the prior in the first steps, when the decoder has learned nothing.

    Attributes:
        bounded: False, because the data have no fixed range.
        log_stddev: log σ. The fitted one is at least -6, because σ would reach 0 if the data were
            reproduced exactly.

    Reference: Rybkin, Daniilidis & Levine, Simple and Effective VAE Training with Calibrated
    Decoders, ICML 2021. Differs from the paper: σ² is an average over steps and not the value of
    one batch, so that training and evaluation use the same σ.
    """

    bounded = False

    def __init__(self, stddev: float | None = None, **kwargs):
        super().__init__(**kwargs)
        if stddev is not None:
            check_range("(0, inf)", stddev=stddev)
        self.stddev = stddev
        start = keras.initializers.Constant(0.0 if stddev is None else math.log(stddev))
        options = {"shape": (), "dtype": "float32", "trainable": False}
        self.log_stddev = self.add_weight(name="log_stddev", initializer=start, **options)
        self.steps = self.add_weight(name="steps", initializer="zeros", **options)
        self.built = True

    def update(self, x: tf.Tensor, mean: tf.Tensor) -> None:
        """Updates σ after a step of training has decoded a batch; the same on all replicas.

        Args:
            x: Data, `(batch, ...)`.
            mean: The decoder's output, of the same shape.
        """
        if self.stddev is not None:
            return
        squares = ops.square(x - ops.cast(mean, "float32"))
        squares = ops.mean(squares, axis=tuple(range(1, len(squares.shape))))
        error = tf.stop_gradient(sum_over_replicas(global_mean(squares)))
        # The weight of the latest step is 1 for the first one, then that of an average over the
        # last tenth of all steps, and in the end over a hundred.
        weight = ops.maximum(10.0 / (10.0 + ops.convert_to_tensor(self.steps)), 0.01)
        variance = ops.exp(2.0 * ops.convert_to_tensor(self.log_stddev))
        variance += weight * (error - variance)
        self.log_stddev.assign(0.5 * ops.log(ops.maximum(variance, math.exp(-12.0))))
        self.steps.assign_add(1.0)

    def log_prob(self, x: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
        """Returns log p(x | z) in nats, float32 `(batch,)`.

        Args:
            x: Data, `(batch, ...)`.
            mean: The decoder's output, of the same shape.
        """
        log_stddev = ops.convert_to_tensor(self.log_stddev)
        z = (x - ops.cast(mean, "float32")) * ops.exp(-log_stddev)
        return _sum_over_data(-0.5 * ops.square(z) - log_stddev - 0.5 * math.log(2 * math.pi))

    def mean(self, mean: tf.Tensor) -> tf.Tensor:
        """Returns E[x | z], float32, which is the decoder's output itself."""
        return ops.cast(mean, "float32")

    def sample(self, mean: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Draws x from p(x | z), float32.

        Args:
            mean: The decoder's output.
            noise: Draws from N(0, 1), of the same shape.
        """
        return self.mean(mean) + ops.exp(ops.convert_to_tensor(self.log_stddev)) * noise

    def load_own_variables(self, store) -> None:
        """Also loads files written before σ was computed in closed form."""
        if len(store.keys()) == 1:
            self.log_stddev.assign(-6.0 + np.logaddexp(0.0, store["0"][()] + 6.0))
            self.steps.assign(1000.0)
        else:
            super().load_own_variables(store)

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev}


class Density:
    """The density p(x | z) of data in their own units, which the likelihood may see standardized.

    A likelihood need not have the methods `update` and `sample`; a `Density` always has them.

    Args:
        likelihood: A likelihood.
        data_shape: The shape of one example.
        normalize: Whether the data are standardized, feature by feature.

    Attributes:
        bounded: Whether the data must lie in [0, 1].
        samples_means: Whether samples of a model are the means E[x | z] by default. They are for
            images, because draws from p(x | z) are noisy, for data in [0, 1], which are often grey
            values, and for likelihoods without a method `sample`.
        standardization: The `Standardization` of the data, or `None`.
    """

    def __init__(self, likelihood, data_shape: Sequence[int], normalize: bool = False):
        is_image = len(data_shape) == 3
        self.likelihood, self.is_image = likelihood, is_image
        self.bounded = bool(getattr(likelihood, "bounded", False))
        self.is_updated = callable(getattr(likelihood, "update", None))
        self.can_sample = callable(getattr(likelihood, "sample", None))
        self.samples_means = is_image or self.bounded or not self.can_sample
        if normalize and (is_image or self.bounded):
            received = "images" if is_image else "a likelihood of data in [0, 1]"
            raise ValueError(
                f"`normalize` must be False for data in [0, 1]. Received: True, for {received}"
            )
        self.standardization = Standardization(data_shape) if normalize else None

    def standardize(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the data as networks and likelihood see them."""
        return x if self.standardization is None else self.standardization(x)

    def update(self, x, parameters) -> None:
        """Updates what the likelihood fits without a gradient, such as σ, after a training step."""
        if self.is_updated:
            self.likelihood.update(self.standardize(x), parameters)

    def log_prob(self, x, parameters):
        """Returns log p(x | z) in nats, of data in their own units, float32 `(batch,)`."""
        log_prob = self.likelihood.log_prob(self.standardize(x), parameters)
        if self.standardization is None:
            return log_prob
        return log_prob + self.standardization.log_jacobian()

    def mean(self, parameters):
        """Returns E[x | z] in the data's own units."""
        return self._restore(self.likelihood.mean(parameters))

    def sample(self, parameters, noise):
        """Draws x from p(x | z) in the data's own units; images are clipped to [0, 1].

        Args:
            parameters: The decoder's output.
            noise: Draws from N(0, 1), of the data's shape.

        Raises:
            ValueError: If the likelihood has no method `sample`.
        """
        if not self.can_sample:
            raise ValueError(
                "`mean` must be True for a likelihood without a method `sample`. "
                f"Received: mean=False, for a {type(self.likelihood).__name__}"
            )
        x = self._restore(self.likelihood.sample(parameters, noise))
        return ops.clip(x, 0.0, 1.0) if self.is_image else x

    def _restore(self, x):
        return x if self.standardization is None else self.standardization.invert(x)


_LIKELIHOODS = {"bernoulli": BernoulliLikelihood, "gaussian": GaussianLikelihood}


def usual(data_shape: Sequence[int]) -> str:
    """Returns the name of the likelihood that is usual for data of a shape."""
    return "bernoulli" if len(data_shape) == 3 else "gaussian"


def get(identifier: str | keras.layers.Layer) -> keras.layers.Layer:
    """Returns the likelihood with a given name, or the object itself.

    Args:
        identifier: `"bernoulli"`, `"gaussian"`, or an object with `log_prob` and `mean`,
            and perhaps `bounded`, `update` and `sample`, like those of this module.

    Raises:
        ValueError: If `identifier` is neither a known name nor a likelihood.
    """
    return resolve("likelihood", identifier, _LIKELIHOODS, ("log_prob", "mean"))
