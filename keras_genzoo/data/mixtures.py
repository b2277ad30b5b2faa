"""Mixtures of Gaussians in the plane, on which a generator's lost modes can be counted.

References:
    - Srivastava et al., 2017, "VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational
      Learning" (the two mixtures and high-quality samples).
    - Lin et al., 2018, "PacGAN: The power of two samples in generative adversarial networks" (the
      protocol).
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_genzoo.data.loading import to_batches


@dataclasses.dataclass(frozen=True, eq=False)
class GaussianMixture:
    """An even mixture of isotropic Gaussians in the plane.

    Args:
        means: Array `(k, 2)`, the centres of the k modes.
        stddev: Standard deviation of every mode along each axis.

    Example:
        ```python
        from keras_genzoo import data

        mixture = data.GaussianMixture([[0, 0], [1, 1]], stddev=0.1)
        samples = mixture.sample(1000, seed=0)  # (1000, 2)
        assert mixture.score(samples)["modes"] == 2
        ```
    """

    means: np.ndarray
    stddev: float

    def __post_init__(self):
        means = np.array(self.means, dtype="float64")
        if means.ndim != 2 or means.shape[1] != 2 or len(means) == 0:
            raise ValueError(f"`means` must have shape (k, 2). Received: shape {means.shape}")
        if not np.isfinite(means).all():
            raise ValueError(f"`means` must be finite. Received: means={means.tolist()}")
        if not 0 < self.stddev < np.inf:
            raise ValueError(f"`stddev` must be positive. Received: stddev={self.stddev}")
        means.flags.writeable = False
        object.__setattr__(self, "means", means)

    def sample(self, num_samples: int, seed: int | None = None) -> np.ndarray:
        """Draws points from the mixture.

        Args:
            num_samples: Number of points.
            seed: The same seed gives the same points; without one they follow
                `keras.utils.set_random_seed`.

        Returns:
            Array `(num_samples, 2)`, float32.

        Example:
            ```python
            from keras_genzoo import data

            assert data.ring().sample(5, seed=0).shape == (5, 2)
            ```
        """
        if num_samples < 1:
            raise ValueError(
                f"`num_samples` must be at least 1. Received: num_samples={num_samples}"
            )
        rng = np.random.default_rng(np.random.randint(2**31) if seed is None else seed)
        modes = rng.integers(len(self.means), size=num_samples)
        noise = rng.standard_normal((num_samples, 2))
        return (self.means[modes] + self.stddev * noise).astype("float32")

    def dataset(
        self,
        num_examples: int = 100_000,
        batch_size: int = 64,
        seed: int | None = 0,
        first_epoch: int | None = None,
    ) -> tf.data.Dataset:
        """Builds a pipeline over a fixed sample, reshuffled every epoch.

        Args:
            num_examples: Size of the sample.
            batch_size: Number of points a batch; an incomplete last batch is dropped.
            seed: Fixes the sample, as in `sample`. The order follows `keras.utils.set_random_seed`.
            first_epoch: As in `data.load`: makes an endless stream from this epoch on.

        Returns:
            A `tf.data.Dataset` of float32 `(batch_size, 2)`.

        Example:
            ```python
            from keras_genzoo import data

            points = data.grid().dataset(num_examples=1000, batch_size=100)
            assert len(points) == 10
            ```
        """
        points = tf.data.Dataset.from_tensor_slices(self.sample(num_examples, seed))
        return to_batches(points, batch_size, num_examples, first_epoch)

    def score(self, samples: np.ndarray) -> dict[str, float]:
        """Counts the modes that samples cover and the samples that belong to one.

        A sample is high-quality if it lies within three standard deviations of the nearest mean.
        True samples are with probability 1 - exp(-9/2) = 0.989.

        Args:
            samples: Array `(n, 2)`, a model's samples.

        Returns:
            A dictionary of `modes`, the number of modes with at least one high-quality sample;
            `high_quality`, the fraction of high-quality samples; and `kl`, the
            divergence KL(samples over modes || uniform) in nats, of high-quality samples only: 0 if
            all modes are equally frequent, log k if all are in one mode of k, infinite if there are
            none.

        Example:
            ```python
            from keras_genzoo import data

            ring = data.ring(num_modes=8)
            assert ring.score(ring.means)["modes"] == 8
            ```
        """
        samples = np.asarray(samples, dtype="float64")
        if samples.ndim != 2 or samples.shape[1] != 2 or len(samples) == 0:
            raise ValueError(f"`samples` must have shape (n, 2). Received: shape {samples.shape}")
        if np.isnan(samples).any():
            num_nan = int(np.isnan(samples).any(axis=1).sum())
            raise ValueError(f"`samples` must hold no NaN. Received: {num_nan} samples with NaN")
        distances = np.linalg.norm(samples[:, None] - self.means, axis=-1)
        high_quality = distances.min(axis=1) <= 3 * self.stddev
        nearest = distances.argmin(axis=1)[high_quality]
        if len(nearest) == 0:
            return {"modes": 0, "high_quality": 0.0, "kl": np.inf}
        counts = np.bincount(nearest, minlength=len(self.means))
        frequencies = counts[counts > 0] / counts.sum()
        return {
            "modes": len(frequencies),
            "high_quality": float(high_quality.mean()),
            "kl": float(np.sum(frequencies * np.log(frequencies * len(self.means)))),
        }


def ring(num_modes: int = 8, radius: float = 1.0, stddev: float = 0.01) -> GaussianMixture:
    """Gaussians evenly spaced on a circle around the origin.

    Args:
        num_modes: Number of Gaussians; the i-th is at the angle 2 pi i / num_modes.
        radius: Radius of the circle.
        stddev: Standard deviation of every Gaussian.

    Returns:
        A `GaussianMixture` of `num_modes` modes.

    Example:
        ```python
        from keras_genzoo import data

        assert data.ring().means.shape == (8, 2)
        ```
    """
    if num_modes < 1:
        raise ValueError(f"`num_modes` must be at least 1. Received: num_modes={num_modes}")
    if not 0 < radius < np.inf:
        raise ValueError(f"`radius` must be positive. Received: radius={radius}")
    angles = 2 * np.pi * np.arange(num_modes) / num_modes
    return GaussianMixture(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), stddev)


def grid(num_rows: int = 5, spacing: float = 2.0, stddev: float = 0.05) -> GaussianMixture:
    """Gaussians on a square grid around the origin.

    Args:
        num_rows: Number of rows, and of Gaussians in each.
        spacing: Distance between neighbours.
        stddev: Standard deviation of every Gaussian.

    Returns:
        A `GaussianMixture` of `num_rows ** 2` modes.

    Example:
        ```python
        from keras_genzoo import data

        assert data.grid().means.shape == (25, 2)
        ```
    """
    if num_rows < 1:
        raise ValueError(f"`num_rows` must be at least 1. Received: num_rows={num_rows}")
    if not 0 < spacing < np.inf:
        raise ValueError(f"`spacing` must be positive. Received: spacing={spacing}")
    ticks = spacing * (np.arange(num_rows) - (num_rows - 1) / 2)
    x, y = np.meshgrid(ticks, ticks, indexing="ij")
    return GaussianMixture(np.stack([x.ravel(), y.ravel()], axis=1), stddev)
