"""Mixtures of Gaussians in the plane, with which the missing modes of a generator can be counted.

References:
    - Srivastava et al., 2017, "VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational
      Learning" (the two mixtures and high-quality samples).
    - Lin et al., 2018, "PacGAN: The power of two samples in generative adversarial networks" (the
      protocol).
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_genzoo.core.validation import check_positive_int, check_range
from keras_genzoo.data.batching import to_batches


@dataclasses.dataclass(frozen=True, eq=False)
class GaussianMixture:
    """A mixture of isotropic Gaussians in the plane with equal weights.

    Args:
        means: An array `(k, 2)` of the centres of the k modes.
        stddev: The standard deviation of every mode along each axis. Positive.

    Raises:
        ValueError: If an argument is invalid.

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
        check_range("(0, inf)", stddev=self.stddev)
        means.flags.writeable = False
        object.__setattr__(self, "means", means)

    def sample(self, num_samples: int, seed: int | None = None) -> np.ndarray:
        """Draws points from the mixture.

        Args:
            num_samples: The number of points.
            seed: An integer that determines the points. If it is `None`, they follow
                `keras.utils.set_random_seed`.

        Returns:
            A float32 array `(num_samples, 2)`.

        Example:
            ```python
            from keras_genzoo import data

            assert data.ring().sample(5, seed=0).shape == (5, 2)
            ```
        """
        check_positive_int(num_samples, "num_samples")
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
            num_examples: The size of the sample.
            batch_size: The number of points per batch. An incomplete last batch is dropped.
            seed: The seed of the sample, as in `sample`. The order does not depend on it, but
                follows `keras.utils.set_random_seed`.
            first_epoch: If given, the pipeline is an endless stream that begins with this epoch, as
                in `data.load`.

        Returns:
            A `tf.data.Dataset` of float32 batches `(batch_size, 2)`.

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
        """Measures how many modes samples cover and how many samples belong to a mode.

        A sample is of high quality if it lies within three standard deviations of the nearest mean.
        This holds for a sample of the mixture itself with probability 1 - exp(-9/2) = 0.989.

        Args:
            samples: An array `(n, 2)`.

        Returns:
            A dictionary with these keys:

            - `modes`: the number of modes with at least one sample of high quality;
            - `high_quality`: the fraction of samples of high quality;
            - `kl`: the divergence KL(samples ‖ uniform) in nats, between the distribution of the
              samples of high quality over the k modes and the uniform distribution. It is 0 if all
              modes are equally frequent, log k if all samples are in one mode, and infinite if no
              sample is of high quality.

        Raises:
            ValueError: If `samples` has the wrong shape or contains NaN.

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
            raise ValueError(f"`samples` must not be NaN. Received: {num_nan} samples with NaN")
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
    """Creates a mixture of Gaussians that are evenly spaced on a circle around the origin.

    Args:
        num_modes: The number of Gaussians. Gaussian i is at the angle 2π i / `num_modes`.
        radius: The radius of the circle. Positive.
        stddev: The standard deviation of every Gaussian. Positive.

    Returns:
        A `GaussianMixture` of `num_modes` modes.

    Raises:
        ValueError: If an argument is invalid.

    Example:
        ```python
        from keras_genzoo import data

        assert data.ring().means.shape == (8, 2)
        ```
    """
    check_positive_int(num_modes, "num_modes")
    check_range("(0, inf)", radius=radius)
    angles = 2 * np.pi * np.arange(num_modes) / num_modes
    return GaussianMixture(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), stddev)


def grid(num_rows: int = 5, spacing: float = 2.0, stddev: float = 0.05) -> GaussianMixture:
    """Creates a mixture of Gaussians on a square grid around the origin.

    Args:
        num_rows: The number of rows, and of Gaussians in each row.
        spacing: The distance between neighbours. Positive.
        stddev: The standard deviation of every Gaussian. Positive.

    Returns:
        A `GaussianMixture` of `num_rows ** 2` modes.

    Raises:
        ValueError: If an argument is invalid.

    Example:
        ```python
        from keras_genzoo import data

        assert data.grid().means.shape == (25, 2)
        ```
    """
    check_positive_int(num_rows, "num_rows")
    check_range("(0, inf)", spacing=spacing)
    ticks = spacing * (np.arange(num_rows) - (num_rows - 1) / 2)
    x, y = np.meshgrid(ticks, ticks, indexing="ij")
    return GaussianMixture(np.stack([x.ravel(), y.ravel()], axis=1), stddev)
