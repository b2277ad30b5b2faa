"""Precision, recall, density and coverage of generated data."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from keras_genzoo.metrics.base import StoredMetric, check_int_at_least

BLOCK = 1000  # rows of a distance matrix that are in memory at once


def squared_distances(x: np.ndarray, y: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the matrix of squared distances, `(len(x), len(y))`, in blocks of rows."""
    squares = np.sum(y**2, axis=1)
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK]
        matrix = (-2 * block) @ y.T
        matrix += np.sum(block**2, axis=1)[:, None]
        matrix += squares
        yield np.maximum(matrix, 0, out=matrix)


def squared_radii(x: np.ndarray, neighbours: int) -> np.ndarray:
    """Returns the squared distance of each row to its k-th nearest other row, `(len(x),)`.

    Args:
        x: Features, float64 `(n, d)`.
        neighbours: The number k.
    """
    radii = np.empty(len(x))
    for start, matrix in zip(range(0, len(x), BLOCK), squared_distances(x, x), strict=True):
        matrix.partition(neighbours, axis=1)
        # Column 0 is the row itself, at distance 0.
        radii[start : start + BLOCK] = matrix[:, neighbours]
    return radii


def precision_recall(real: np.ndarray, generated: np.ndarray, neighbours: int) -> list[float]:
    """Returns precision, recall, density and coverage.

    Args:
        real: The features of real data, float64 `(m, d)`.
        generated: The features of generated data, float64 `(n, d)`.
        neighbours: The number k, as for `PrecisionRecall`.
    """
    real_radii, generated_radii = (squared_radii(x, neighbours) for x in (real, generated))
    # The number of balls of real examples that each generated example lies in.
    inside_real = np.zeros(len(generated))
    recalled, covered = [], []
    # Rows are real examples, columns are generated examples.
    for start, block in zip(
        range(0, len(real), BLOCK), squared_distances(real, generated), strict=True
    ):
        in_ball = block <= real_radii[start : start + BLOCK, None]
        inside_real += in_ball.sum(axis=0)
        covered.append(in_ball.any(axis=1))
        recalled.append((block <= generated_radii).any(axis=1))
    return [
        float(np.mean(inside_real > 0)),
        float(np.mean(np.concatenate(recalled))),
        float(np.mean(inside_real) / neighbours),
        float(np.mean(np.concatenate(covered))),
    ]


@keras.saving.register_keras_serializable("keras_genzoo")
class PrecisionRecall(StoredMetric):
    """The fidelity and diversity of generated data: precision, recall, density and coverage.

    In feature space, every example has a ball that reaches to its k-th nearest neighbour among the
    examples of the same set, real or generated. The logs are:

    - `precision`: the fraction of generated examples that lie in the ball of a real example;
    - `recall`: the fraction of real examples that lie in the ball of a generated example;
    - `density`: the mean number of balls of real examples that a generated example lies in, divided
      by k, which can exceed 1;
    - `coverage`: the fraction of balls of real examples that contain a generated example.

    The values depend on the number of examples. Use the same number of real and generated examples.

    The metric stores the first `max_examples` real and generated examples. Each takes 4 d bytes for
    d features, and another 8 d bytes for the result: 82 MB and 164 MB for each of the two sets,
    with 10,000 examples of 2,048 features. The result also needs 1,000 rows of a distance matrix,
    and time in proportion to `max_examples² * d`.

    Args:
        feature_extractor: A function or Keras model that maps data, float32 `(batch, ...)`, to
            features `(batch, ...)`. `None` compares the flattened data themselves.
        neighbours: The number k, at least 1.
        max_examples: The maximum number of examples of each set, more than k. Later ones are
            ignored.
        name: The name of the metric. If it is not the default, it is a prefix of the logs, as in
            `name_precision`.

    References: Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing Generative
    Models, NeurIPS 2019; Naeem et al., Reliable Fidelity and Diversity Metrics for Generative
    Models, ICML 2020.
    """

    default_name = "precision_recall"

    def __init__(
        self,
        feature_extractor=None,
        neighbours: int = 5,
        max_examples: int = 10_000,
        name=default_name,
        **kwargs,
    ):
        super().__init__(feature_extractor, name, **kwargs)
        self.log_names = self.prefixed(("precision", "recall", "density", "coverage"))
        check_int_at_least(1, neighbours=neighbours)
        check_int_at_least(neighbours + 1, max_examples=max_examples)
        self.neighbours, self.max_examples = neighbours, max_examples

    @property
    def min_examples(self):
        return self.neighbours + 1  # because an example is not a neighbour of itself

    def compare(self, real, generated):
        return precision_recall(real, generated, self.neighbours)

    def get_config(self):
        names = ("neighbours", "max_examples")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
