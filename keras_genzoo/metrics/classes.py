"""What a classifier makes of generated data: the inception score, and the balance of classes."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.metrics.base import GenerativeMetric


class ClassifierMetric(GenerativeMetric):
    """Base of the metrics of a classifier's probabilities `(batch, classes)` of generated data.

    A subclass has `update_probabilities(probabilities)` and `of_marginal(marginal)`, the result
    from the classes' mean probabilities and what it added up.
    """

    argument, makes = "classifier", "probabilities, which add up to 1"

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
        # Examples whose numbers are no probabilities: told at the end, for a graph can't.
        self.unlike = self.add_variable((), "zeros", "float64", name="unlike")

    def check_features(self, features):
        if tf.reduce_any(self._no_probabilities(features)):
            raise ValueError(f"of zeros it makes {features[0].numpy().round(2).tolist()!s:.50}")

    @staticmethod
    def _no_probabilities(rows):
        # NaN is none of these: it is told apart.
        sums = tf.reduce_sum(rows, axis=-1)
        return (tf.abs(sums - 1.0) > 1e-3) | tf.reduce_any(rows < 0, axis=-1)

    def update_features(self, real, generated):
        self.unlike.assign_add(
            tf.math.count_nonzero(self._no_probabilities(generated), dtype="float64")
        )
        probabilities = tf.cast(generated, tf.float64)
        self.count.assign_add(tf.cast(tf.shape(probabilities)[0], tf.float64))
        self.total.assign_add(tf.reduce_sum(probabilities, axis=0))
        self.update_probabilities(probabilities)

    def compute(self):
        self.check_examples(self.count.numpy())
        marginal = self.finite(self.total.numpy() / self.count.numpy())
        unlike = int(self.unlike.numpy())
        if unlike:
            raise ValueError(
                f"`{self.argument}` of {self.name} must give {self.makes}. "
                f"Received: other numbers for {unlike} of {self.count.numpy():.0f} examples"
            )
        return self.of_marginal(marginal)

    def get_config(self):
        config = super().get_config()
        config["classifier"] = config.pop("feature_extractor")
        return config

    @classmethod
    def from_config(cls, config):
        """The metric of a config."""
        classifier = config["classifier"]
        if isinstance(classifier, dict):
            classifier = keras.saving.deserialize_keras_object(classifier)
        return cls(**{**config, "classifier": classifier})


@keras.saving.register_keras_serializable("keras_genzoo")
class InceptionScore(ClassifierMetric):
    """exp E[KL(p(y|x) ‖ p(y))] over generated data x: from 1 to the number of classes.

    High where the classifier is sure of each image, and sees all classes. It doesn't look at real
    data, nor inside a class. It streams, over all examples at once (the paper takes ten splits).

    Args:
        classifier: Maps data to probabilities `(batch, classes)`.
        name: Of the logs.

    Reference: Salimans et al., Improved Techniques for Training GANs, NeurIPS 2016.
    """

    _direction = "up"  # what Keras's callbacks read: more is better

    def __init__(self, classifier: Callable, name="inception_score", **kwargs):
        super().__init__(classifier, name, **kwargs)

    def create(self, num_features):
        super().create(num_features)
        self.negentropy = self.add_variable((), "zeros", "float64", name="negentropy")

    def update_probabilities(self, probabilities):
        self.negentropy.assign_add(tf.reduce_sum(tf.math.xlogy(probabilities, probabilities)))

    def of_marginal(self, marginal):
        known = marginal[marginal > 0]
        mean = self.negentropy.numpy() / self.count.numpy()
        return [float(np.exp(mean - np.sum(known * np.log(known))))]


@keras.saving.register_keras_serializable("keras_genzoo")
class ClassBalance(ClassifierMetric):
    """The classes that a classifier finds among generated data.

    Logs: `class_entropy`, in bits (log₂ of the number of classes where all are equally frequent),
    `missing_classes`, of which there is no example, and `class_share_0`, `class_share_1`...

    Args:
        classifier: Maps data to probabilities `(batch, classes)`.
        name: Of the metric; another than the default goes before the logs: `name_class_entropy`...
    """

    default_name = "class_balance"

    def __init__(self, classifier: Callable, name=default_name, **kwargs):
        super().__init__(classifier, name, **kwargs)

    def create(self, num_features):
        super().create(num_features)
        self.counts = self.add_variable((num_features,), "zeros", "float64", name="counts")
        shares = [f"class_share_{i}" for i in range(num_features)]
        self.log_names = self.own(("class_entropy", "missing_classes", *shares))

    def update_probabilities(self, probabilities):
        found = tf.one_hot(tf.argmax(probabilities, axis=-1), self.num_features, dtype=tf.float64)
        self.counts.assign_add(tf.reduce_sum(found, axis=0))

    def of_marginal(self, marginal):
        counts = self.counts.numpy()
        shares = counts / counts.sum()
        known = shares[shares > 0]
        entropy = np.sum(known * np.log2(1 / known))
        return [float(entropy), float(np.sum(counts == 0)), *map(float, shares)]
