"""Penalties on the gradient of the critic at its input."""

from __future__ import annotations

import functools
from collections.abc import Callable

import keras
import tensorflow as tf
from keras import ops

from keras_genzoo.layers.noise import sum_over_replicas
from keras_genzoo.naming import resolve

PLACES = ("interpolates", "real", "fake", "perturbed_real")


@keras.saving.register_keras_serializable("keras_genzoo")
class GradientPenalty:
    """`weight` (‖∇D(x̂)‖₂ - `target`)² for each example x̂, the norm over all but the batch axis.

    | by name | `at` | `target` | `weight` | paper |
    |---|---|---|---|---|
    | `"wgan_gp"` | interpolates | 1 | 10 | Gulrajani et al. 2017 |
    | `"dragan"` | perturbed_real | 1 | 10 | Kodali et al. 2017 |
    | `"r1"` | real | 0 | 5 (γ/2, γ = 10) | Mescheder et al. 2018 |
    | `"r2"` | fake | 0 | 5 (γ/2, γ = 10) | Mescheder et al. 2018 |

    Args:
        weight: The factor in front, at least 0.
        at: Where the gradient is taken: `"interpolates"` (on the line between a real and a fake
            example, at a place drawn uniformly for each pair), `"real"`, `"fake"` or
            `"perturbed_real"` (real plus Gaussian noise of half the batch's standard deviation).
        target: The norm that costs nothing.
        one_sided: Whether only norms above the target cost.

    Example:
    ```python
    model = genzoo.GAN((2,), penalty=genzoo.losses.GradientPenalty(weight=5.0, at="real", target=0))
    ```

    References: Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017; Kodali et
    al., On Convergence and Stability of GANs, 2017; Mescheder, Geiger & Nowozin, Which Training
    Methods for GANs do actually Converge?, ICML 2018.
    """

    def __init__(
        self,
        weight: float = 10.0,
        at: str = "interpolates",
        target: float = 1.0,
        one_sided: bool = False,
    ):
        if at not in PLACES:
            raise ValueError(f"`at` must be one of {list(PLACES)}. Received: at={at!r}")
        if weight < 0 or target < 0:
            raise ValueError(
                "`weight` and `target` must be at least 0. "
                f"Received: weight={weight}, target={target}"
            )
        self.weight, self.at, self.target, self.one_sided = weight, at, target, one_sided

    def __call__(self, critic: Callable, real: tf.Tensor, fake: tf.Tensor, noise) -> tf.Tensor:
        """The penalty of each example, shape (batch,), float32.

        Args:
            critic: Maps a batch of data to scores, shape (batch,).
            real: Float32 data.
            fake: Float32 data of the same shape.
            noise: An object with `uniform(shape)` and `normal(shape)`.
        """
        points = self._points(real, fake, noise)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            scores = critic(points)
        gradients = tf.cast(tape.gradient(scores, points), tf.float32)
        squares = tf.reduce_sum(gradients**2, axis=list(range(1, len(points.shape))))
        if self.target == 0:
            return self.weight * squares
        # The root has no gradient at 0, hence the small number under it.
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
        """The constructor's arguments."""
        names = ("weight", "at", "target", "one_sided")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict) -> GradientPenalty:
        """The penalty of a config."""
        return cls(**config)


def _standard_deviation(values):
    """Of the numbers of the global batch."""

    def mean(values):
        total = sum_over_replicas(
            tf.stack([tf.reduce_sum(values), tf.cast(tf.size(values), "float32")])
        )
        return total[0] / total[1]

    return tf.sqrt(mean((values - mean(values)) ** 2))


_KNOWN = {
    "wgan_gp": GradientPenalty,
    "dragan": functools.partial(GradientPenalty, at="perturbed_real"),
    "r1": functools.partial(GradientPenalty, at="real", target=0.0, weight=5.0),
    "r2": functools.partial(GradientPenalty, at="fake", target=0.0, weight=5.0),
}


def get(identifier: str | Callable | None) -> Callable | None:
    """The penalty of a name, the object itself, or None."""
    return None if identifier is None else resolve("penalty", identifier, _KNOWN, ("__call__",))
