"""The kernel distance of two sets of features, KID if these are Inception's."""

from __future__ import annotations

import keras
import numpy as np

from keras_genzoo.metrics.base import StoredMetric, check_at_least

BLOCK = 1000  # rows of a table of kernels that are held at once


def kernel_sum(x: np.ndarray, y: np.ndarray) -> float:
    """The sum of the kernel (x·y / d + 1)³ over all pairs of rows."""
    total = 0.0
    for start in range(0, len(x), BLOCK):
        table = x[start : start + BLOCK] @ y.T
        table /= x.shape[1]
        table += 1
        total += np.vdot(table * table, table)
    return total


def kernel_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """The unbiased estimate of MMD² with the kernel (x·y / d + 1)³; arrays (m, d) and (n, d)."""

    def within(x):
        with_itself = np.sum((np.sum(x**2, axis=1) / x.shape[1] + 1) ** 3)
        return (kernel_sum(x, x) - with_itself) / (len(x) * (len(x) - 1))

    between = kernel_sum(real, generated) / (len(real) * len(generated))
    return float(within(real) + within(generated) - 2 * between)


@keras.saving.register_keras_serializable("keras_genzoo")
class KernelDistance(StoredMetric):
    """The squared maximum mean discrepancy of features, with a cubic kernel.

    Its estimate is unbiased, also for few examples, and so can be below 0. The result is the mean
    over `subsets` random subsets, as in the paper, and their standard deviation. Sets of no more
    than `subset_size` are compared as they are, once: the deviation is then 0, and says nothing.

    Of each set the first `max_examples` are kept: 4 d bytes each for d features, and 8 d more for
    the result (10,000 of 2,048 features: 82 MB and 164 MB a set). The result's time grows as
    `subsets * subset_size² * d`.

    Args:
        feature_extractor: As of every metric here.
        subsets: Number of subsets.
        subset_size: Examples of each set in a subset, at most.
        max_examples: How many are kept.
        seed: Of the choice of subsets.
        name: Of the logs: `name` and `name_std`.

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

    _direction = "down"  # what Keras's callbacks read: less is better

    def compare(self, real, generated):
        sets = (real, generated)
        size = min(self.subset_size, *map(len, sets))
        # Subsets that are all of both sets are one.
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
