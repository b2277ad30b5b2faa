"""The kernel distance of two sets of features, which is the KID if they are Inception's."""

from __future__ import annotations

import keras
import numpy as np

from keras_genzoo.core.keras_internals import better
from keras_genzoo.metrics.base import StoredMetric, check_at_least

BLOCK = 1000  # rows of a table of kernels in memory at once


def kernel_sum(x: np.ndarray, y: np.ndarray) -> float:
    """Sums the kernel (x·y / d + 1)³ over all pairs of rows of `(m, d)` and `(n, d)`."""
    total = 0.0
    for start in range(0, len(x), BLOCK):
        table = x[start : start + BLOCK] @ y.T
        table /= x.shape[1]
        table += 1
        total += np.vdot(table * table, table)
    return total


def kernel_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Estimates MMD² with the kernel (x·y / d + 1)³, without bias, of `(m, d)` and `(n, d)`."""

    def within(x):
        with_itself = np.sum((np.sum(x**2, axis=1) / x.shape[1] + 1) ** 3)
        return (kernel_sum(x, x) - with_itself) / (len(x) * (len(x) - 1))

    between = kernel_sum(real, generated) / (len(real) * len(generated))
    return float(within(real) + within(generated) - 2 * between)


@better("down")
@keras.saving.register_keras_serializable("keras_genzoo")
class KernelDistance(StoredMetric):
    """The squared maximum mean discrepancy of features, with a cubic kernel.

    The estimate is unbiased, even for few examples, and can therefore be negative. The result is
    the mean over `subsets` random subsets, as in the paper, and their standard deviation. Sets of
    at most `subset_size` examples are compared once, as a whole; the standard deviation is then 0
    and carries no information.

    The first `max_examples` of each set are kept. Each takes 4 d bytes for d features, and 8 d more
    for the result (for 10,000 examples of 2,048 features, 82 MB and 164 MB a set). The time for the
    result grows as `subsets * subset_size² * d`.

    Args:
        feature_extractor: Maps data to features, as for every generative metric.
        subsets: The number of subsets.
        subset_size: The largest number of examples of each set in a subset.
        max_examples: The number of examples of each set that are kept.
        seed: The seed of the choice of subsets.
        name: The name of the metric. It logs `name` and `name_std`.

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
        check_at_least(1, subsets=subsets)
        check_at_least(0, seed=seed)
        check_at_least(2, subset_size=subset_size, max_examples=max_examples)
        self.subsets, self.subset_size, self.max_examples = subsets, subset_size, max_examples
        self.seed = seed
        self.log_names = (name, f"{name}_std")

    def compare(self, real, generated):
        sets = (real, generated)
        size = min(self.subset_size, *map(len, sets))
        # A subset that holds both sets entirely is always the same one.
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
