"""Metrics of a classifier's predictions for generated data."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.core import keras_internals
from keras_genzoo.metrics.base import GenerativeMetric


class ClassifierMetric(GenerativeMetric):
    """Base class of the metrics of a classifier's predictions for generated data.

    A subclass implements `update_probabilities(probabilities)`, which takes a batch of predictions
    `(batch, classes)`, and `compute_from_marginal(marginal)`, which takes the mean prediction
    `(classes,)` and returns a list of numbers.

    Args:
        classifier: A function or Keras model that maps data, float32 `(batch, ...)`, to
            probabilities `(batch, classes)`.
        name: The name of the metric.
    """

    extractor_argument = "classifier"
    output_description = "probabilities, which add up to 1"

    def __init__(self, classifier: Callable, name: str, **kwargs):
        if not callable(classifier):
            raise ValueError(
                "`classifier` must be a model or function that maps data to probabilities "
                f"(batch, classes). Received: classifier={classifier!r:.50}"
            )
        super().__init__(classifier, name, **kwargs)

    def create_variables(self, num_features):
        self.count = self.add_variable((), "zeros", "float64", name="count")
        self.total = self.add_variable((num_features,), "zeros", "float64", name="total")
        # The number of examples whose predictions are not probabilities. `compute` raises the
        # error, because a graph cannot.
        self.invalid_rows = self.add_variable((), "zeros", "float64", name="invalid_rows")

    def check_features(self, features):
        if tf.reduce_any(self._is_invalid(features)):
            raise ValueError(f"it maps zeros to {features[0].numpy().round(2).tolist()!s:.50}")

    @staticmethod
    def _is_invalid(rows):
        # This is false for NaN, for which `check_finite` raises another error.
        sums = tf.reduce_sum(rows, axis=-1)
        return (tf.abs(sums - 1.0) > 1e-3) | tf.reduce_any(rows < 0, axis=-1)

    def update_features(self, real, generated):
        self.invalid_rows.assign_add(
            tf.math.count_nonzero(self._is_invalid(generated), dtype="float64")
        )
        probabilities = tf.cast(generated, tf.float64)
        self.count.assign_add(tf.cast(tf.shape(probabilities)[0], tf.float64))
        self.total.assign_add(tf.reduce_sum(probabilities, axis=0))
        self.update_probabilities(probabilities)

    def compute(self):
        self.check_num_examples(self.count.numpy())
        marginal = self.check_finite(self.total.numpy() / self.count.numpy())
        invalid = int(self.invalid_rows.numpy())
        if invalid:
            raise ValueError(
                f"`classifier` of {self.name} must return {self.output_description}. "
                f"Received: other numbers for {invalid} of {self.count.numpy():.0f} examples"
            )
        return self.compute_from_marginal(marginal)


@keras_internals.metric_direction("up")
@keras.saving.register_keras_serializable("keras_genzoo")
class InceptionScore(ClassifierMetric):
    """The inception score exp E[KL(p(y|x) ‖ p(y))] of generated data x.

    It lies between 1 and the number of classes. It is high if the classifier is certain about each
    example and predicts all classes equally often. It ignores real data and the diversity within a
    class. The metric keeps only sums, not examples.

    Args:
        classifier: A function or Keras model that maps data, float32 `(batch, ...)`, to
            probabilities `(batch, classes)`.
        name: The name of the metric and of its log.

    Reference: Salimans et al., Improved Techniques for Training GANs, NeurIPS 2016. Differs from
    the paper: the score is computed over all examples, not averaged over ten splits.
    """

    def __init__(self, classifier: Callable, name="inception_score", **kwargs):
        super().__init__(classifier, name, **kwargs)

    def create_variables(self, num_features):
        super().create_variables(num_features)
        self.negentropy = self.add_variable((), "zeros", "float64", name="negentropy")

    def update_probabilities(self, probabilities):
        self.negentropy.assign_add(tf.reduce_sum(tf.math.xlogy(probabilities, probabilities)))

    def compute_from_marginal(self, marginal):
        positive = marginal[marginal > 0]
        mean = self.negentropy.numpy() / self.count.numpy()
        return [float(np.exp(mean - np.sum(positive * np.log(positive))))]


@keras.saving.register_keras_serializable("keras_genzoo")
class ClassBalance(ClassifierMetric):
    """The distribution of the classes that a classifier predicts for generated data.

    It has these logs:

    - `class_entropy`: the entropy of the predicted classes in bits, which is log₂ of the number of
      classes if all are equally frequent;
    - `missing_classes`: the number of classes that are never predicted;
    - `class_share_0`, `class_share_1` and so on: the fraction of examples in each class.

    Args:
        classifier: A function or Keras model that maps data, float32 `(batch, ...)`, to
            probabilities `(batch, classes)`.
        name: The name of the metric. If it is not the default, it is a prefix of the logs, as in
            `name_class_entropy`.
    """

    default_name = "class_balance"

    def __init__(self, classifier: Callable, name=default_name, **kwargs):
        super().__init__(classifier, name, **kwargs)

    def create_variables(self, num_features):
        super().create_variables(num_features)
        self.counts = self.add_variable((num_features,), "zeros", "float64", name="counts")
        shares = [f"class_share_{i}" for i in range(num_features)]
        self.log_names = self.prefixed(("class_entropy", "missing_classes", *shares))

    def update_probabilities(self, probabilities):
        classes = tf.argmax(probabilities, axis=-1)
        one_hot = tf.one_hot(classes, self.num_features, dtype=tf.float64)
        self.counts.assign_add(tf.reduce_sum(one_hot, axis=0))

    def compute_from_marginal(self, marginal):
        counts = self.counts.numpy()
        shares = counts / counts.sum()
        positive = shares[shares > 0]
        entropy = np.sum(positive * np.log2(1 / positive))
        return [float(entropy), float(np.sum(counts == 0)), *map(float, shares)]
