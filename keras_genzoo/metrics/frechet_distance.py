"""The Fréchet distance of two sets of features, FID if these are Inception's."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.metrics.base import GenerativeMetric

BLOCK = 512  # columns of a covariance that are summed at once


def frechet_distance(mean_1, covariance_1, mean_2, covariance_2) -> float:
    """|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½) of two Gaussians; float64 arrays (d,) and (d, d).

    The trace of the root is the sum of the roots of the eigenvalues of Σ₁Σ₂. Those of the symmetric
    Aᵀ Σ₂ A are the same for any A with A Aᵀ = Σ₁.
    """
    try:
        root = np.linalg.cholesky(covariance_1)
    except np.linalg.LinAlgError:  # not of full rank
        values, vectors = np.linalg.eigh(covariance_1)
        # What is no more than rounding would add up: its root is much larger than itself.
        kept = values > values[-1] * len(values) * np.finfo(values.dtype).eps
        root = vectors[:, kept] * np.sqrt(values[kept])
    eigenvalues = np.linalg.eigvalsh(root.T @ covariance_2 @ root)
    trace = np.trace(covariance_1) + np.trace(covariance_2)
    trace -= 2 * np.sqrt(np.maximum(eigenvalues, 0)).sum()
    return float(np.sum((mean_1 - mean_2) ** 2) + trace)


@keras.saving.register_keras_serializable("keras_genzoo")
class FrechetDistance(GenerativeMetric):
    """The Fréchet distance of Gaussians fitted to the features of real and of generated data.

    It streams: the sums that it keeps, float64, take at most 16 d² bytes for d features (42 MB for
    2,048), whatever the number of examples; the result takes 48 d² more, and time that grows as d³.
    The estimate is biased upwards, by an amount that falls as 1/n for n examples; where there are
    fewer than features, it warns. Compare only values of the same n and the same features.

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
    _direction = "down"  # what Keras's callbacks read: less is better

    def __init__(self, feature_extractor=None, name="frechet_distance", **kwargs):
        super().__init__(feature_extractor, name, **kwargs)

    def create(self, num_features):
        def variable(name, *shape):
            return self.add_variable(shape, "zeros", "float64", name=name)

        def sums(name):
            # Of the sum of outer products, which is symmetric, the lower half, in blocks of rows.
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
        """Mean and unbiased covariance."""
        count, total = sums["count"].numpy(), sums["sum"].numpy()
        self.check_examples(count)
        if count <= self.num_features:
            warnings.warn(
                f"{self.name} needs more examples than features: its bias, upwards, falls as 1 "
                "over the number of examples. "
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
        return self.finite(mean), self.finite(covariance)

    def compute(self):
        return [frechet_distance(*self.moments(self.sums[0]), *self.moments(self.sums[1]))]
