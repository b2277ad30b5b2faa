"""Precision, recall, density and coverage of generated data."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from keras_genzoo.metrics.base import StoredMetric, check_at_least

BLOCK = 1000  # rows of a table of distances in memory at once


def squared_distances(x: np.ndarray, y: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the table of squared distances, `(len(x), len(y))`, in blocks of rows."""
    squares = np.sum(y**2, axis=1)
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK]
        table = (-2 * block) @ y.T
        table += np.sum(block**2, axis=1)[:, None]
        table += squares
        yield np.maximum(table, 0, out=table)


def squared_radii(x: np.ndarray, neighbours: int) -> np.ndarray:
    """Returns the squared distance of each row to its k-th nearest other row, `(len(x),)`."""
    radii = np.empty(len(x))
    for start, table in zip(range(0, len(x), BLOCK), squared_distances(x, x), strict=True):
        table.partition(neighbours, axis=1)
        # Column 0 is the row itself, at distance 0.
        radii[start : start + BLOCK] = table[:, neighbours]
    return radii


def precision_recall(real: np.ndarray, generated: np.ndarray, neighbours: int) -> list[float]:
    """Returns precision, recall, density and coverage of features `(m, d)` and `(n, d)`."""
    real_radii, generated_radii = (squared_radii(x, neighbours) for x in (real, generated))
    inside_real = np.zeros(len(generated))  # the number of real balls around each generated one
    recalled, covered = [], []
    # Rows are real, columns generated.
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
    """The fraction of generated data that looks real, and of real data that is generated.

    Each example has a ball around it that reaches to its k-th nearest neighbour in its own set.
    Logs:

    - `precision`: the fraction of generated data inside a ball of real data;
    - `recall`: the fraction of real data inside a ball of generated data;
    - `density`: the mean number of real balls around a generated example, divided by k; it can
      exceed 1;
    - `coverage`: the fraction of real balls that contain generated data.

    The first `max_examples` of each set are kept. Each takes 4 d bytes for d features, and 8 d more
    for the result (for 10,000 examples of 2,048 features, 82 MB and 164 MB a set). The result is
    computed from 1,000 rows of a table of distances at a time, and its time grows as
    `max_examples² * d`. Give both sets the same number of examples.

    Args:
        feature_extractor: Maps data to features, as for every generative metric.
        neighbours: The number k.
        max_examples: The number of examples of each set that are kept.
        name: The name of the metric. If it is not the default, the logs begin with it
            (`name_precision`, ...).

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
        check_at_least(1, neighbours=neighbours)
        check_at_least(neighbours + 1, max_examples=max_examples)
        self.neighbours, self.max_examples = neighbours, max_examples

    @property
    def min_examples(self):
        return self.neighbours + 1  # an example is not its own neighbour

    def compare(self, real, generated):
        return precision_recall(real, generated, self.neighbours)

    def get_config(self):
        names = ("neighbours", "max_examples")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
