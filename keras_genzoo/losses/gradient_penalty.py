"""Penalties on the gradient of a critic with respect to its input."""

from __future__ import annotations

import functools
from collections.abc import Callable

import keras
import tensorflow as tf
from keras import ops

from keras_genzoo.core.annealing import Annealed, Settled, stored_value
from keras_genzoo.core.replicas import sum_over_replicas
from keras_genzoo.core.validation import check_range, resolve

POINTS = ("interpolates", "real", "fake", "perturbed_real")


@keras.saving.register_keras_serializable("keras_genzoo")
class GradientPenalty(Settled):
    """A penalty on the norm of the critic's gradient, `weight` (‖∇D(x̂)‖₂ - `target`)².

    The norm is taken over all axes but the batch. The argument `at` chooses the points x̂. Models
    and `get_penalty` know these penalties by name:

    | name | `at` | `target` | `weight` | paper |
    |---|---|---|---|---|
    | `"wgan_gp"` | interpolates | 1 | 10 | Gulrajani et al. 2017 |
    | `"dragan"` | perturbed_real | 1 | 10 | Kodali et al. 2017 |
    | `"r1"` | real | 0 | 5 (γ/2, γ = 10) | Mescheder et al. 2018 |
    | `"r2"` | fake | 0 | 5 (γ/2, γ = 10) | Mescheder et al. 2018 |

    The papers' images lie in [-1, 1], those of this library in [0, 1], where the gradient of the
    same critic is twice as large. At equal γ, R1 and R2 therefore cost 4 times as much as in the
    paper, and a target of 1 stands for a norm of ½. The same penalty of the same critic is

    | paper, images in [-1, 1] | here, images in [0, 1] |
    |---|---|
    | R1 or R2 of γ | `weight=γ / 8, target=0`; `weight=1.25` for γ = 10 |
    | R1 or R2 of γ = 40 | `"r1"` or `"r2"` (`weight=5, target=0`) |
    | WGAN-GP or DRAGAN of weight λ, norm k | `weight=λ / 4, target=2 * k`; 2.5 and 2 for 10 and 1 |
    | WGAN-GP or DRAGAN of weight 40, norm ½ | `"wgan_gp"` or `"dragan"` (`weight=10, target=1`) |

    Vectors are not rescaled, and neither are their gradients.

    Args:
        weight: The factor of the penalty, at least 0.
        at: The points at which the gradient is taken. `"real"` and `"fake"` are the real and the
            generated examples. `"interpolates"` are points on the lines between a real and a
            generated example, drawn uniformly and independently for each pair. `"perturbed_real"`
            are real examples plus Gaussian noise with half the standard deviation of the batch.
        target: The norm that is not penalised, at least 0.
        one_sided: If true, only norms above the target are penalised.

    Raises:
        ValueError: If an argument is invalid.

    Example:
    ```python
    model = genzoo.GAN((2,), penalty=genzoo.losses.GradientPenalty(weight=5.0, at="real", target=0))
    ```

    References: Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017; Kodali et
    al., On Convergence and Stability of GANs, 2017; Mescheder, Geiger & Nowozin, Which Training
    Methods for GANs do actually Converge?, ICML 2018.
    """

    weight = Annealed("[0, inf)")

    def __init__(
        self,
        weight: float = 10.0,
        at: str = "interpolates",
        target: float = 1.0,
        one_sided: bool = False,
    ):
        if at not in POINTS:
            raise ValueError(f"`at` must be one of {list(POINTS)}. Received: at={at!r}")
        check_range("[0, inf)", target=target)
        self.weight, self.at, self.target, self.one_sided = weight, at, target, one_sided

    def __call__(self, critic: Callable, real: tf.Tensor, fake: tf.Tensor, noise) -> tf.Tensor:
        """Returns the penalty of each example, float32 `(batch,)`.

        Args:
            critic: A function that maps a batch of data to scores, `(batch,)`.
            real: Real data, float32 `(batch, ...)`.
            fake: Generated data of the same shape.
            noise: A source of random numbers with the methods `uniform(shape)` and `normal(shape)`,
                such as `genzoo.layers.Noise`.
        """
        points = self._points(real, fake, noise)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            scores = critic(points)
        gradients = tf.cast(tape.gradient(scores, points), tf.float32)
        squares = tf.reduce_sum(gradients**2, axis=list(range(1, len(points.shape))))
        if self.target == 0:
            return self.weight * squares
        # The small constant keeps the gradient of the root finite at 0.
        excess = tf.sqrt(squares + 1e-12) - self.target
        return self.weight * (tf.nn.relu(excess) if self.one_sided else excess) ** 2

    def _points(self, real, fake, noise):
        if self.at == "real":
            return real
        if self.at == "fake":
            return fake
        shape = ops.shape(real)
        if self.at == "perturbed_real":
            return real + 0.5 * _standard_deviation(real) * noise.normal(shape)
        alpha = noise.uniform([shape[0]] + [1] * (len(shape) - 1))
        return real + alpha * (fake - real)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        names = ("weight", "at", "target", "one_sided")
        return {name: stored_value(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict) -> GradientPenalty:
        """Creates a penalty from its config."""
        return cls(**keras.saving.deserialize_keras_object(config))


def _standard_deviation(values):
    """Returns the standard deviation of all numbers in the global batch, a scalar."""

    def mean(values):
        total = sum_over_replicas(
            tf.stack([tf.reduce_sum(values), tf.cast(tf.size(values), "float32")])
        )
        return total[0] / total[1]

    return tf.sqrt(mean((values - mean(values)) ** 2))


_PENALTIES = {
    "wgan_gp": GradientPenalty,
    "dragan": functools.partial(GradientPenalty, at="perturbed_real"),
    "r1": functools.partial(GradientPenalty, at="real", target=0.0, weight=5.0),
    "r2": functools.partial(GradientPenalty, at="fake", target=0.0, weight=5.0),
}


def get(identifier: str | Callable | None) -> Callable | None:
    """Returns the penalty with a given name, the object itself, or None for None.

    Args:
        identifier: `"wgan_gp"`, `"dragan"`, `"r1"`, `"r2"`, None, or a function of
            `(critic, real, fake, noise)` such as a `GradientPenalty`.

    Raises:
        ValueError: If `identifier` is none of these.
    """
    return None if identifier is None else resolve("penalty", identifier, _PENALTIES, ("__call__",))
