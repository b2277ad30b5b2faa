"""Metrics of a classifier's predictions for generated data."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.core.keras_internals import better
from keras_genzoo.metrics.base import GenerativeMetric


class ClassifierMetric(GenerativeMetric):
    """Base of the metrics of a classifier's probabilities `(batch, classes)` of generated data.

    A subclass has `update_probabilities(probabilities)`, and `results(marginal)`, which computes
    the logs from the classes' mean probabilities and from its own sums.
    """

    argument, output_description = "classifier", "probabilities, which add up to 1"

    def __init__(self, classifier: Callable, name: str, **kwargs):
        if not callable(classifier):
            raise ValueError(
                "`classifier` must be a model or function that maps data to probabilities "
                f"(batch, classes). Received: classifier={classifier!r:.50}"
            )
        super().__init__(classifier, name, **kwargs)

    def create(self, num_features):
        self.count = self.add_variable((), "zeros", "float64", name="count")
        self.total = self.add_variable((num_features,), "zeros", "float64", name="total")
        # Rows that are no probabilities. A graph can't raise an error, so they are counted.
        self.invalid_rows = self.add_variable((), "zeros", "float64", name="invalid_rows")

    def check_features(self, features):
        if tf.reduce_any(self._is_invalid(features)):
            raise ValueError(f"it maps zeros to {features[0].numpy().round(2).tolist()!s:.50}")

    @staticmethod
    def _is_invalid(rows):
        # False for NaN, which has an error of its own.
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
        self.check_examples(self.count.numpy())
        marginal = self.finite(self.total.numpy() / self.count.numpy())
        invalid = int(self.invalid_rows.numpy())
        if invalid:
            raise ValueError(
                f"`{self.argument}` of {self.name} must give {self.output_description}. "
                f"Received: other numbers for {invalid} of {self.count.numpy():.0f} examples"
            )
        return self.results(marginal)

    def get_config(self):
        config = super().get_config()
        config["classifier"] = config.pop("feature_extractor")
        return config

    @classmethod
    def from_config(cls, config):
        """Builds the metric of a configuration."""
        classifier = config["classifier"]
        if isinstance(classifier, dict):
            classifier = keras.saving.deserialize_keras_object(classifier)
        return cls(**{**config, "classifier": classifier})


@better("up")
@keras.saving.register_keras_serializable("keras_genzoo")
class InceptionScore(ClassifierMetric):
    """The inception score exp E[KL(p(y|x) ‖ p(y))] of generated data x.

    It lies between 1 and the number of classes. It is high if the classifier is certain of each
    image, and finds all classes equally often. It ignores real data and the variety within a class.
    It streams, and takes all examples at once (the paper takes ten splits).

    Args:
        classifier: Maps data to probabilities `(batch, classes)`.
        name: The name of the metric and of its log.

    Reference: Salimans et al., Improved Techniques for Training GANs, NeurIPS 2016.
    """

    def __init__(self, classifier: Callable, name="inception_score", **kwargs):
        super().__init__(classifier, name, **kwargs)

    def create(self, num_features):
        super().create(num_features)
        self.negentropy = self.add_variable((), "zeros", "float64", name="negentropy")

    def update_probabilities(self, probabilities):
        self.negentropy.assign_add(tf.reduce_sum(tf.math.xlogy(probabilities, probabilities)))

    def results(self, marginal):
        known = marginal[marginal > 0]
        mean = self.negentropy.numpy() / self.count.numpy()
        return [float(np.exp(mean - np.sum(known * np.log(known))))]


@keras.saving.register_keras_serializable("keras_genzoo")
class ClassBalance(ClassifierMetric):
    """The distribution over the classes that a classifier finds among generated data.

    Logs: `class_entropy`, the entropy of that distribution in bits, which is largest (log₂ of the
    number of classes) if all classes are equally frequent; `missing_classes`, the number of classes
    without an example; and `class_share_0`, `class_share_1` and so on, the fraction of each class.

    Args:
        classifier: Maps data to probabilities `(batch, classes)`.
        name: The name of the metric. If it is not the default, the logs begin with it
            (`name_class_entropy`, ...).
    """

    default_name = "class_balance"

    def __init__(self, classifier: Callable, name=default_name, **kwargs):
        super().__init__(classifier, name, **kwargs)

    def create(self, num_features):
        super().create(num_features)
        self.counts = self.add_variable((num_features,), "zeros", "float64", name="counts")
        shares = [f"class_share_{i}" for i in range(num_features)]
        self.log_names = self.prefixed(("class_entropy", "missing_classes", *shares))

    def update_probabilities(self, probabilities):
        found = tf.one_hot(tf.argmax(probabilities, axis=-1), self.num_features, dtype=tf.float64)
        self.counts.assign_add(tf.reduce_sum(found, axis=0))

    def results(self, marginal):
        counts = self.counts.numpy()
        shares = counts / counts.sum()
        known = shares[shares > 0]
        entropy = np.sum(known * np.log2(1 / known))
        return [float(entropy), float(np.sum(counts == 0)), *map(float, shares)]
