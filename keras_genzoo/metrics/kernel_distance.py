"""The kernel distance between features, which is the KID for those of an Inception network."""

from __future__ import annotations

import keras
import numpy as np

from keras_genzoo.core import keras_internals
from keras_genzoo.metrics.base import StoredMetric, check_int_at_least

BLOCK = 1000  # rows of a kernel matrix that are in memory at once


def kernel_sum(x: np.ndarray, y: np.ndarray) -> float:
    """Sums the kernel (x·y / d + 1)³ over all pairs of rows of `(m, d)` and `(n, d)`."""
    total = 0.0
    for start in range(0, len(x), BLOCK):
        matrix = x[start : start + BLOCK] @ y.T
        matrix /= x.shape[1]
        matrix += 1
        total += np.vdot(matrix * matrix, matrix)
    return total


def kernel_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Returns the unbiased estimate of MMD² with the kernel (x·y / d + 1)³.

    Args:
        real: The features of real data, float64 `(m, d)`.
        generated: The features of generated data, float64 `(n, d)`.
    """

    def within(x):
        diagonal = np.sum((np.sum(x**2, axis=1) / x.shape[1] + 1) ** 3)
        return (kernel_sum(x, x) - diagonal) / (len(x) * (len(x) - 1))

    between = kernel_sum(real, generated) / (len(real) * len(generated))
    return float(within(real) + within(generated) - 2 * between)


@keras_internals.metric_direction("down")
@keras.saving.register_keras_serializable("keras_genzoo")
class KernelDistance(StoredMetric):
    """The squared maximum mean discrepancy of features, with a cubic kernel.

    The estimate is unbiased even for a small number of examples, and can therefore be negative. As
    in the paper, the result is the mean over random subsets, with their standard deviation. If both
    sets have the same size, and it is at most `subset_size`, they are compared once. The standard
    deviation is then 0, which does not measure the uncertainty.

    The metric stores the first `max_examples` real and generated examples. Each takes 4 d bytes for
    d features, and another 8 d bytes for the result: 82 MB and 164 MB for each of the two sets,
    with 10,000 examples of 2,048 features. The time for the result is proportional to
    `subsets * subset_size² * d`.

    Args:
        feature_extractor: A function or Keras model that maps data, float32 `(batch, ...)`, to
            features `(batch, ...)`. `None` compares the flattened data themselves.
        subsets: The number of random subsets, at least 1.
        subset_size: The maximum number of examples of each set in a subset, at least 2.
        max_examples: The maximum number of examples of each set, at least 2. Later ones are
            ignored.
        seed: The seed of the choice of subsets, an integer of at least 0.
        name: The name of the metric. Its logs are `name` and `name_std`.

    Reference: Bińkowski et al., Demystifying MMD GANs, ICLR 2018.
    """

    def __init__(
        self,
        feature_extractor=None,
        subsets: int = 100,
        subset_size: int = 1000,
        max_examples: int = 10_000,
        seed: int = 0,
        name="kernel_distance",
        **kwargs,
    ):
        super().__init__(feature_extractor, name, **kwargs)
        check_int_at_least(1, subsets=subsets)
        check_int_at_least(0, seed=seed)
        check_int_at_least(2, subset_size=subset_size, max_examples=max_examples)
        self.subsets, self.subset_size, self.max_examples = subsets, subset_size, max_examples
        self.seed = seed
        self.log_names = (name, f"{name}_std")

    def compare(self, real, generated):
        sets = (real, generated)
        size = min(self.subset_size, *map(len, sets))
        # If a subset holds both sets completely, all subsets are the same.
        subsets = 1 if size == max(map(len, sets)) else self.subsets
        random = np.random.default_rng(self.seed)
        distances = [
            kernel_distance(*(x[random.choice(len(x), size, replace=False)] for x in sets))
            for _ in range(subsets)
        ]
        return [float(np.mean(distances)), float(np.std(distances))]

    def get_config(self):
        names = ("subsets", "subset_size", "max_examples", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
