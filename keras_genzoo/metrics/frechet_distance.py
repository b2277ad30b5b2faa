"""The Fréchet distance between features, which is the FID for those of an Inception network."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.core import keras_internals
from keras_genzoo.metrics.base import GenerativeMetric

BLOCK = 512  # rows of a covariance matrix that share a variable


def frechet_distance(mean_1, covariance_1, mean_2, covariance_2) -> float:
    """Returns the Fréchet distance of two Gaussians, |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½).

    The trace of the root is the sum of the square roots of the eigenvalues of Σ₁Σ₂. The symmetric
    matrix Aᵀ Σ₂ A has the same nonzero eigenvalues for any A with A Aᵀ = Σ₁.

    Args:
        mean_1: The mean of the first Gaussian, float64 `(d,)`.
        covariance_1: The covariance of the first Gaussian, float64 `(d, d)`.
        mean_2: The mean of the second Gaussian, float64 `(d,)`.
        covariance_2: The covariance of the second Gaussian, float64 `(d, d)`.
    """
    try:
        root = np.linalg.cholesky(covariance_1)
    except np.linalg.LinAlgError:  # the matrix does not have full rank
        values, vectors = np.linalg.eigh(covariance_1)
        # Eigenvalues as small as rounding errors are dropped, because their square roots are much
        # larger and would add up.
        kept = values > values[-1] * len(values) * np.finfo(values.dtype).eps
        root = vectors[:, kept] * np.sqrt(values[kept])
    eigenvalues = np.linalg.eigvalsh(root.T @ covariance_2 @ root)
    trace = np.trace(covariance_1) + np.trace(covariance_2)
    trace -= 2 * np.sqrt(np.maximum(eigenvalues, 0)).sum()
    return float(np.sum((mean_1 - mean_2) ** 2) + trace)


@keras_internals.metric_direction("down")
@keras.saving.register_keras_serializable("keras_genzoo")
class FrechetDistance(GenerativeMetric):
    """The Fréchet distance between Gaussians fitted to the features of real and generated data.

    The estimate is biased upwards by an amount that is proportional to 1/n for n examples. Compare
    values only for the same n and the same features. The metric warns unless there are more
    examples than features.

    The metric keeps only sums, not examples. For d features they take at most 16 d² bytes (42 MB
    for d = 2,048). The result takes another 48 d² bytes, and time in proportion to d³.

    Args:
        feature_extractor: A function or Keras model that maps data, float32 `(batch, ...)`, to
            features `(batch, ...)`. `None` compares the flattened data themselves.
        name: The name of the metric and of its log.

    Example:
    ```python
    images, _ = genzoo.data.arrays("digits")
    metric = genzoo.metrics.FrechetDistance()
    metric.update_state(images[:500], images[500:1000])
    float(metric.result())
    ```

    Reference: Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
    Equilibrium, NeurIPS 2017.
    """

    min_examples = 2

    def __init__(self, feature_extractor=None, name="frechet_distance", **kwargs):
        super().__init__(feature_extractor, name, **kwargs)

    def create_variables(self, num_features):
        def variable(name, *shape):
            return self.add_variable(shape, "zeros", "float64", name=name)

        def sums(name):
            # The sum of outer products is symmetric, so only its lower half is stored, as blocks
            # of rows.
            starts = range(0, num_features, BLOCK)
            ends = [min(start + BLOCK, num_features) for start in starts]
            outer = [
                variable(f"{name}_outer_{start}", end - start, end)
                for start, end in zip(starts, ends, strict=True)
            ]
            return {
                "count": variable(f"{name}_count"),
                "sum": variable(f"{name}_sum", num_features),
                "outer": outer,
            }

        self.sums = [sums("real"), sums("generated")]

    def update_features(self, real, generated):
        for sums, features in zip(self.sums, (real, generated), strict=True):
            features = tf.cast(features, tf.float64)
            sums["count"].assign_add(tf.cast(tf.shape(features)[0], tf.float64))
            sums["sum"].assign_add(tf.reduce_sum(features, axis=0))
            for block in sums["outer"]:
                start, end = block.shape[1] - block.shape[0], block.shape[1]
                products = tf.matmul(features[:, start:end], features[:, :end], transpose_a=True)
                block.assign_add(products)

    def moments(self, sums):
        """Returns the mean and the unbiased covariance of the real or the generated features.

        Args:
            sums: One of the dictionaries in `self.sums`.
        """
        count, total = sums["count"].numpy(), sums["sum"].numpy()
        self.check_num_examples(count)
        if count <= self.num_features:
            warnings.warn(
                f"{self.name} needs more examples than features, because its upward bias is "
                "proportional to 1 over the number of examples. "
                f"Received: {count:.0f} examples of {self.num_features} features",
                stacklevel=4,
            )
        mean = total / count
        covariance = -count * np.outer(mean, mean)
        for block in sums["outer"]:
            start, end = block.shape[1] - block.shape[0], block.shape[1]
            covariance[start:end, :end] += block.numpy()
            covariance[:start, start:end] = covariance[start:end, :start].T
        covariance /= count - 1
        return self.check_finite(mean), self.check_finite(covariance)

    def compute(self):
        return [frechet_distance(*self.moments(self.sums[0]), *self.moments(self.sums[1]))]
