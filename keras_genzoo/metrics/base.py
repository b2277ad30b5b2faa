"""The base of the generative metrics: features, and streaming over batches and replicas."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.core.replicas import place_in_global_batch

BATCH = 256  # examples that pass through a feature extractor at once


class NotFiniteError(ValueError):
    """Raised for NaN or infinite features, such as those of a generator that diverged."""


class GenerativeMetric(keras.metrics.Metric):
    """The base of the metrics that compare generated with real data in a space of features.

    In `compile(metrics=[...])` of a model of the zoo, a metric is computed in evaluation, and so
    for the validation data of `fit`. It compares them with as many samples, or with their
    reconstructions if the model has no `sample`. Used alone, `update_state(real, generated)` takes
    two arrays, once or several times.

    The result is computed once, when it is asked for outside of a graph. Until then, the progress
    bar of `evaluate` shows NaN. Evaluation also logs NaN if features are not finite.

    The logs of a metric that has several begin with its name, unless that is the default. Two
    metrics of one kind then have different logs.

    A subclass has `create(num_features)`, `update_features(real, generated)` and `compute()`.

    Args:
        feature_extractor: Maps a batch of data to features `(batch, ...)`: a Keras model, or any
            function of tensors. `None` takes the data themselves, flattened.
        name: The name of the metric, and of its log if it has only one.

    Attributes:
        log_names: The names of the numbers that `compute` returns; empty for one number, which has
            the metric's name.
        argument: The constructor's argument that maps data to features.
        output_description: The output of that argument, in words.
        min_examples: The smallest number of examples in each set.
    """

    log_names: tuple[str, ...] = ()
    default_name = ""
    argument, output_description = "feature_extractor", "features"
    min_examples = 1

    def __init__(
        self, feature_extractor: Callable | None = None, name: str | None = None, **kwargs
    ):
        super().__init__(name=name, **kwargs)
        if feature_extractor is not None and not callable(feature_extractor):
            raise ValueError(
                "`feature_extractor` must be a Keras model or a function. "
                f"Received: feature_extractor={feature_extractor!r}"
            )
        self.feature_extractor = feature_extractor
        self.num_features = None
        self.batches = self.add_variable((), "zeros", "int32", name="batches")

    def clone(self, name: str) -> GenerativeMetric:
        """Returns a new metric of the same configuration, which shares the feature extractor."""
        config = {**self.get_config(), self.argument: self.feature_extractor, "name": name}
        return type(self)(**config)

    def prefixed(self, names: Sequence[str]) -> tuple[str, ...]:
        """Puts the metric's name before names of logs, unless it is the default."""
        return tuple(n if self.name == self.default_name else f"{self.name}_{n}" for n in names)

    def build(self, data_shape: Sequence[int | None]) -> None:
        """Creates the state for data `(batch, ...)`; else the first `update_state` does."""
        self.num_features = self.count_features(data_shape)
        self.create(self.num_features)

    def count_features(self, data_shape: Sequence[int | None]) -> int:
        """Returns the number of features of data `(batch, ...)`.

        Raises:
            ValueError: If the extractor does not take such data.
        """
        try:
            features = self.features(tf.zeros((2, *data_shape[1:])))
            self.check_features(features)
            return int(features.shape[-1])
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"`{self.argument}` must map data {(None, *data_shape[1:])} to "
                f"{self.output_description}. Received: one that fails: {reason}"
            ) from error

    def check_features(self, features: tf.Tensor) -> None:
        """Raises ValueError if features are not of the kind that the metric compares."""

    def features(self, data) -> tf.Tensor:
        """Returns features, float32 `(batch, num_features)`; scales uint8 images to [0, 1]."""
        data = tf.convert_to_tensor(data)
        data = tf.cast(data, tf.float32) / (255.0 if data.dtype == tf.uint8 else 1.0)
        if self.feature_extractor is None:
            return flat(data)
        features = self.feature_extractor(data)
        if isinstance(features, (list, tuple, dict)):
            raise ValueError(f"its result is a {type(features).__name__}, not one tensor")
        features = tf.cast(features, tf.float32)
        if features.shape.rank == 0 or not features.shape[:1].is_compatible_with(data.shape[:1]):
            raise ValueError(f"it maps data {data.shape} to a tensor {features.shape}")
        features = flat(features)
        # Layers such as a maximum can map NaN to numbers, which would give a generator that
        # diverged a score.
        invalid = tf.reduce_any(~tf.math.is_finite(flat(data)), axis=1)
        return tf.where(invalid[:, None], np.nan, features)

    def update_state(self, real, generated, sample_weight=None) -> None:
        """Adds real and generated data.

        Large arrays pass through the feature extractor in batches of 256.

        Args:
            real: `(n, ...)`; images are floats in [0, 1], or uint8.
            generated: Likewise; the numbers of examples may differ.
            sample_weight: Must be `None`.
        """
        if sample_weight is not None:
            raise ValueError(
                f"`sample_weight` must be None. Received: sample_weight={sample_weight!r:.50}"
            )
        for name, data in {"real": real, "generated": generated}.items():
            array = hasattr(data, "shape") or isinstance(data, (list, tuple))
            if not array or np.ndim(data) == 0:
                raise ValueError(
                    f"`{name}` must be an array (n, ...). Received: {name}={data!r:.50}"
                )
            if not tf.is_symbolic_tensor(data):
                self._check_images(name, data)
        if self.num_features is None:
            self.build(np.shape(real))
        self.check_replica()
        context = tf.distribute.get_replica_context()
        # All replicas have to update equally often.
        alone = context is None or context.num_replicas_in_sync == 1
        size = (
            max(np.shape(real)[0], np.shape(generated)[0])
            if alone and tf.executing_eagerly()
            else 0
        )
        if size <= BATCH:
            return self._update(real=real, generated=generated)
        for start in range(0, size, BATCH):
            part = slice(start, start + BATCH)
            self._update(real=real[part], generated=generated[part])

    def _update(self, **batches):
        features = []
        for name, data in batches.items():
            features.append(self._batch_features(data))
            if features[-1].shape[-1] != self.num_features:
                raise ValueError(
                    f"`{name}` must have {self.num_features} features an example, like earlier "
                    f"data. Received: {features[-1].shape[-1]}, of data {np.shape(data)}"
                )
        self.batches.assign_add(1)
        self.update_features(*features)

    def _batch_features(self, data):
        # The shorter of two arrays ends first. A network need not take an empty batch.
        if tf.executing_eagerly() and np.shape(data)[0] == 0:
            return tf.zeros((0, self.num_features))
        return self.features(data)

    @staticmethod
    def _check_images(name, data):
        data = np.asarray(data)
        if data.ndim != 4 or data.dtype == np.uint8:
            return
        highest = data.max(initial=0)
        # Noise may leave [0, 1] a little, but not as far as values from 0 to 255 do.
        if data.dtype.kind in "iu" or highest > 10:
            raise ValueError(
                f"`{name}` must be images as floats in [0, 1], or uint8, which means 0 to 255. "
                f"Received: {data.dtype} up to {highest:g}"
            )

    def check_replica(self) -> None:
        """Raises ValueError for an update from outside of the strategy that has the state.

        The share of each replica would be unknown, and part of the data lost.
        """
        context = tf.distribute.get_replica_context()
        distributed = any(
            isinstance(v.value, tf.distribute.DistributedValues) for v in self.variables
        )
        if distributed and (context is None or not tf.distribute.has_strategy()):
            raise ValueError(
                f"`update_state` of a {type(self).__name__} made under a strategy must be called "
                "by `strategy.run`, as a model's `evaluate` does. Received: a call outside of it"
            )

    @property
    def empty(self) -> bool:
        """Whether the metric has seen no data; false in a graph, where this is unknown."""
        return tf.executing_eagerly() and int(self.batches.numpy()) == 0

    def result(self):
        """Returns the metric: a number, or a dictionary of several."""
        if self.empty:
            raise ValueError(f"{self.name} has seen no data: call `update_state` first.")
        logs = self.named(self.compute()) if tf.executing_eagerly() else self.unknown
        return logs if self.log_names else logs[self.name]

    def logs(self) -> dict:
        """Returns the result by names of logs; NaN if features were NaN or infinite."""
        try:
            return self.named(self.compute())
        except NotFiniteError:
            return self.unknown

    def named(self, values) -> dict:
        """Maps names of logs to the values that `compute` returned."""
        return dict(zip(self.log_names or (self.name,), values, strict=True))

    @property
    def unknown(self) -> dict:
        """NaN for each log."""
        return dict.fromkeys(self.log_names or (self.name,), tf.constant(np.nan))

    def check_examples(self, fewest: float) -> None:
        """Raises ValueError if the smaller set has too few examples to be compared."""
        if fewest < self.min_examples:
            plural = "s" if self.min_examples > 1 else ""
            raise ValueError(
                f"{self.name} needs {self.min_examples} example{plural} or more of each kind. "
                f"Received: {fewest:.0f}"
            )

    def finite(self, values: np.ndarray) -> np.ndarray:
        """Returns the values; raises NotFiniteError if one is NaN or infinite."""
        if not np.isfinite(values).all():
            raise NotFiniteError(f"{self.name} has seen features that are NaN or infinite.")
        return values

    def get_config(self):
        extractor = self.feature_extractor
        if isinstance(extractor, keras.layers.Layer):
            extractor = keras.saving.serialize_keras_object(extractor)
        return {**super().get_config(), "feature_extractor": extractor}

    @classmethod
    def from_config(cls, config):
        """Builds the metric of a configuration."""
        extractor = config.get("feature_extractor")
        if isinstance(extractor, dict):
            extractor = keras.saving.deserialize_keras_object(extractor)
        return cls(**{**config, "feature_extractor": extractor})


def flat(values: tf.Tensor) -> tf.Tensor:
    """Flattens each example to one vector."""
    return tf.reshape(values, (tf.shape(values)[0], int(np.prod(values.shape[1:]))))


class Store:
    """Keeps the first rows that a metric sees, in the order of the global batches.

    The time to add a batch depends on its own rows only, not on the number kept.

    Args:
        metric: The metric that owns the state.
        rows: The number of rows to keep.
        columns: The number of features.
        name: The name of the state.
    """

    def __init__(self, metric: keras.metrics.Metric, rows: int, columns: int, name: str):
        self.limit = rows
        # Each replica fills the rows of its own examples, and the sum has all of them. Rows over
        # the limit go to the last row, which is not read.
        self.rows = metric.add_variable((rows + 1, columns), "zeros", "float32", name=name)
        self.seen = metric.add_variable(
            (), "zeros", "int32", "only_first_replica", name=f"{name}_n"
        )

    def add(self, values: tf.Tensor) -> None:
        """Adds a batch of rows; those over the limit are left out."""
        offset, total = place_in_global_batch(tf.shape(values)[0])
        places = tf.convert_to_tensor(self.seen) + offset + tf.range(tf.shape(values)[0])
        # Not `assign_add`, which takes time for the whole table. The handle is this replica's.
        tf.raw_ops.ResourceScatterUpdate(
            resource=self.rows.handle, indices=tf.minimum(places, self.limit), updates=values
        )
        self.seen.assign_add(total)

    def values(self) -> np.ndarray:
        """Returns the rows kept, float64 `(n, columns)`."""
        kept = min(int(self.seen.numpy()), self.limit)
        return self.rows.numpy()[:kept].astype("float64")


def check_at_least(least: int, **arguments) -> None:
    """Raises ValueError unless every argument is an integer of at least `least`."""
    for name, value in arguments.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise ValueError(
                f"`{name}` must be an integer of {least} or more. Received: {name}={value!r}"
            )


class StoredMetric(GenerativeMetric):
    """The base of the metrics that compare examples with each other, and so keep their features.

    A subclass has `max_examples`, and `compare(real, generated)`, which takes float64 arrays.
    """

    min_examples = 2

    def create(self, num_features):
        names = ("real", "generated")
        self.stores = [Store(self, self.max_examples, num_features, name) for name in names]

    def update_features(self, real, generated):
        for store, features in zip(self.stores, (real, generated), strict=True):
            store.add(features)

    def compute(self):
        sets = [self.finite(store.values()) for store in self.stores]
        self.check_examples(min(len(features) for features in sets))
        return self.compare(*sets)
