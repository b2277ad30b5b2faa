"""What the generative metrics share: features, streaming over batches and replicas, one result."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.layers.noise import place_in_global_batch

BATCH = 256  # examples that go through a feature extractor at once


class NotFiniteError(ValueError):
    """Features are NaN or infinite, as those of a generator that diverged."""


class GenerativeMetric(keras.metrics.Metric):
    """Base of the metrics that compare generated with real data in a space of features.

    In `compile(metrics=[...])` of a model of the zoo it is computed in evaluation, and so by `fit`
    on its validation data, as many samples as there are validation data (of a model without
    `sample`: their reconstructions); alone, `update_state(real, generated)` takes two arrays or
    many. The result is worked out once, when it is asked for outside of a graph: the progress bar
    of `evaluate` shows NaN until the end. Evaluation logs NaN where features are not finite.

    Metrics of several logs put their name before them if it isn't the default: two of a kind can be
    told apart.

    A subclass has `create(num_features)`, `update_features(real, generated)` and `compute()`.

    Args:
        feature_extractor: Maps a batch of data to features `(batch, ...)`: a Keras model or any
            function on tensors. `None`: the data themselves, flattened.
        name: Of the logs.
    """

    # The names of what `compute` returns; none: one number by the metric's own name.
    log_names: tuple[str, ...] = ()
    default_name = ""
    # The constructor's argument that maps data to features, and what it makes, in words.
    argument, makes = "feature_extractor", "features"
    # The fewest examples of each kind that can be compared.
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

    def own(self, names: Sequence[str]) -> tuple[str, ...]:
        """Names of logs, after the metric's own if it was given one."""
        return tuple(n if self.name == self.default_name else f"{self.name}_{n}" for n in names)

    def build(self, data_shape: Sequence[int | None]) -> None:
        """Creates the state for data `(batch, ...)`, as the first `update_state` otherwise does."""
        self.num_features = self.count_features(data_shape)
        self.create(self.num_features)

    def count_features(self, data_shape: Sequence[int | None]) -> int:
        """The number of features of data `(batch, ...)`, if the extractor takes them."""
        try:
            features = self.features(tf.zeros((2, *data_shape[1:])))
            self.check_features(features)
            return int(features.shape[-1])
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"`{self.argument}` must map data {(None, *data_shape[1:])} to {self.makes}. "
                f"Received: one that fails: {reason}"
            ) from error

    def check_features(self, features: tf.Tensor) -> None:
        """Refuses what is not of the kind that the metric compares."""

    def features(self, data) -> tf.Tensor:
        """Float32 features `(batch, num_features)`; uint8 images are scaled to [0, 1]."""
        data = tf.convert_to_tensor(data)
        data = tf.cast(data, tf.float32) / (255.0 if data.dtype == tf.uint8 else 1.0)
        if self.feature_extractor is None:
            return flat(data)
        features = self.feature_extractor(data)
        if isinstance(features, (list, tuple, dict)):
            raise ValueError(f"its result is a {type(features).__name__}, not one tensor")
        features = tf.cast(features, tf.float32)
        if features.shape.rank == 0 or not features.shape[:1].is_compatible_with(data.shape[:1]):
            raise ValueError(f"of data {data.shape} it makes a tensor {features.shape}")
        features = flat(features)
        # Compiled layers can make numbers of NaN, a maximum for one: a generator that diverged
        # would have a score.
        broken = tf.reduce_any(~tf.math.is_finite(flat(data)), axis=1)
        return tf.where(broken[:, None], np.nan, features)

    def update_state(self, real, generated, sample_weight=None) -> None:
        """Adds real and generated data, `(n, ...)` each; images as floats in [0, 1] or uint8.

        Large arrays go through the feature extractor in batches of 256.
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
        # Replicas have to update as often as each other.
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
                    f"`{name}` must have {self.num_features} features an example, as the data "
                    f"before. Received: {features[-1].shape[-1]}, of data {np.shape(data)}"
                )
        self.batches.assign_add(1)
        self.update_features(*features)

    def _batch_features(self, data):
        # Of two arrays the shorter one ends first, and no network need take an empty batch.
        if tf.executing_eagerly() and np.shape(data)[0] == 0:
            return tf.zeros((0, self.num_features))
        return self.features(data)

    @staticmethod
    def _check_images(name, data):
        data = np.asarray(data)
        if data.ndim != 4 or data.dtype == np.uint8:
            return
        highest = data.max(initial=0)
        # Noise may leave [0, 1] by a little; these are 0 to 255.
        if data.dtype.kind in "iu" or highest > 10:
            raise ValueError(
                f"`{name}` must be images as floats in [0, 1], or uint8, which means 0 to 255. "
                f"Received: {data.dtype} up to {highest:g}"
            )

    def check_replica(self) -> None:
        """Refuses an update whose share on each replica is unknown: part of it would be lost."""
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
        """Whether it has seen no data; in a graph, where that isn't known, false."""
        return tf.executing_eagerly() and int(self.batches.numpy()) == 0

    def result(self):
        """The metric: a number, or a dictionary of them."""
        if self.empty:
            raise ValueError(f"{self.name} has seen no data: call `update_state` first.")
        logs = self.named(self.compute()) if tf.executing_eagerly() else self.unknown
        return logs if self.log_names else logs[self.name]

    def logs(self) -> dict:
        """The result by names of logs; NaN where features were NaN or infinite."""
        try:
            return self.named(self.compute())
        except NotFiniteError:
            return self.unknown

    def named(self, values) -> dict:
        """Values as `compute` returns them, by names of logs."""
        return dict(zip(self.log_names or (self.name,), values, strict=True))

    @property
    def unknown(self) -> dict:
        """NaN by names of logs."""
        return dict.fromkeys(self.log_names or (self.name,), tf.constant(np.nan))

    def check_examples(self, fewest: float) -> None:
        """Refuses fewer examples of a kind than can be compared."""
        if fewest < self.min_examples:
            plural = "s" if self.min_examples > 1 else ""
            raise ValueError(
                f"{self.name} needs {self.min_examples} example{plural} or more of each kind. "
                f"Received: {fewest:.0f}"
            )

    def finite(self, values: np.ndarray) -> np.ndarray:
        """The values, if none is NaN or infinite."""
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
        """The metric of a config."""
        extractor = config.get("feature_extractor")
        if isinstance(extractor, dict):
            extractor = keras.saving.deserialize_keras_object(extractor)
        return cls(**{**config, "feature_extractor": extractor})


def flat(values: tf.Tensor) -> tf.Tensor:
    """One vector an example."""
    return tf.reshape(values, (tf.shape(values)[0], int(np.prod(values.shape[1:]))))


class Store:
    """The first rows that a metric sees, in the order of the global batches.

    A batch costs what its rows do, however many are kept.
    """

    def __init__(self, metric: keras.metrics.Metric, rows: int, columns: int, name: str):
        self.limit = rows
        # Each replica fills the rows of its own examples, so that the sum is all of them. The last
        # row takes what is over the limit.
        self.rows = metric.add_variable((rows + 1, columns), "zeros", "float32", name=name)
        self.seen = metric.add_variable(
            (), "zeros", "int32", "only_first_replica", name=f"{name}_n"
        )

    def add(self, values: tf.Tensor) -> None:
        """Adds a batch; what is over the limit is left out."""
        offset, total = place_in_global_batch(tf.shape(values)[0])
        places = tf.convert_to_tensor(self.seen) + offset + tf.range(tf.shape(values)[0])
        # Not `assign_add`, which would go through the whole table. The handle is this replica's.
        tf.raw_ops.ResourceScatterUpdate(
            resource=self.rows.handle, indices=tf.minimum(places, self.limit), updates=values
        )
        self.seen.assign_add(total)

    def values(self) -> np.ndarray:
        """The rows, `(n, columns)`, float64."""
        kept = min(int(self.seen.numpy()), self.limit)
        return self.rows.numpy()[:kept].astype("float64")


def check_at_least(least: int, **arguments) -> None:
    """Checks integers."""
    for name, value in arguments.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise ValueError(
                f"`{name}` must be an integer of {least} or more. Received: {name}={value!r}"
            )


class StoredMetric(GenerativeMetric):
    """Base of the metrics that compare each example with others: it keeps features of both kinds.

    A subclass has `max_examples`, and `compare(real, generated)` of float64 arrays.
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
