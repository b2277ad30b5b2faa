"""The Fréchet distance of two sets of features, FID if these are Inception's."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.metrics.base import GenerativeMetric


def frechet_distance(mean_1, covariance_1, mean_2, covariance_2) -> float:
    """|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½) of two Gaussians; float64 arrays (d,) and (d, d).

    The trace of the root is the sum of the roots of the eigenvalues of Σ₁Σ₂. Those of the symmetric
    Aᵀ Σ₂ A are the same for any A with A Aᵀ = Σ₁.
    """
    try:
        root = np.linalg.cholesky(covariance_1)
    except np.linalg.LinAlgError:  # not of full rank
        values, vectors = np.linalg.eigh(covariance_1)
        root = vectors * np.sqrt(np.maximum(values, 0))
    eigenvalues = np.linalg.eigvalsh(root.T @ covariance_2 @ root)
    trace = np.trace(covariance_1) + np.trace(covariance_2)
    trace -= 2 * np.sqrt(np.maximum(eigenvalues, 0)).sum()
    return float(np.sum((mean_1 - mean_2) ** 2) + trace)


@keras.saving.register_keras_serializable("keras_genzoo")
class FrechetDistance(GenerativeMetric):
    """The Fréchet distance of Gaussians fitted to the features of real and of generated data.

    It streams: the sums that it keeps, float64, take 16 d² bytes for d features (64 MB for 2,048),
    whatever the number of examples. The estimate is biased upwards, by an amount that falls as 1/n
    for n examples; where there are fewer than features, it warns. Compare only values of the same n
    and the same features.

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

    def __init__(self, feature_extractor=None, name="frechet_distance", **kwargs):
        super().__init__(feature_extractor, name, **kwargs)

    def create(self, num_features):
        def sums(name):
            shapes = {"count": (), "sum": (num_features,), "outer": (num_features, num_features)}
            return {
                key: self.add_variable(shape, "zeros", "float64", name=f"{name}_{key}")
                for key, shape in shapes.items()
            }

        self.sums = [sums("real"), sums("generated")]

    def update_features(self, real, generated):
        for sums, features in zip(self.sums, (real, generated), strict=True):
            features = tf.cast(features, tf.float64)
            sums["count"].assign_add(tf.cast(tf.shape(features)[0], tf.float64))
            sums["sum"].assign_add(tf.reduce_sum(features, axis=0))
            sums["outer"].assign_add(tf.matmul(features, features, transpose_a=True))

    def moments(self, sums):
        """Mean and unbiased covariance."""
        count, total, outer = (sums[key].numpy() for key in ("count", "sum", "outer"))
        if count < 2:
            raise ValueError(f"{self.name} needs two examples or more. Received: {count:.0f}")
        if count <= self.num_features:
            warnings.warn(
                f"{self.name} is biased upwards where there are fewer examples than features. "
                f"Received: {count:.0f} examples of {self.num_features} features",
                stacklevel=4,
            )
        mean = total / count
        covariance = (outer - count * np.outer(mean, mean)) / (count - 1)
        return self.finite(mean), self.finite(covariance)

    def compute(self):
        return [frechet_distance(*self.moments(self.sums[0]), *self.moments(self.sums[1]))]
