"""Base classes of the metrics that compare generated with real data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.core.fields import images_to_float, refuse_masked
from keras_genzoo.core.replicas import place_in_global_batch

BATCH_SIZE = 256  # the number of examples that pass through a feature extractor at once


class NotFiniteError(ValueError):
    """Raised if features are NaN or infinite, for example those of a generator that diverged."""


class GenerativeMetric(keras.metrics.Metric):
    """Base class of the metrics that compare generated with real data in a feature space.

    In `model.compile(metrics=[...])`, the metric is computed in evaluation, including the
    validation of `fit`, with as many samples as there are validation data. A model without `sample`
    is evaluated by its reconstructions instead. Without a model, `update_state(real, generated)`
    takes all data at once or in batches.

    The result is computed only once, when it is requested outside of a graph. The progress bar of
    `evaluate` therefore shows NaN until the end. If features are not finite, evaluation logs NaN.

    A metric with several logs prefixes their names with its `name` unless that is the default. The
    logs of two metrics of the same class then have different names.

    A subclass implements `create_variables(num_features)`, `update_features(real, generated)` and
    `compute()`.

    Args:
        feature_extractor: A function or Keras model that maps data, float32 `(batch, ...)`, to one
            tensor of features `(batch, ...)`. `None` compares the flattened data themselves.
        name: The name of the metric in the logs.

    Attributes:
        log_names: The names of the numbers that `compute` returns. If empty, it returns a single
            number, and its name is that of the metric.
        default_name: The default of `name` in a metric with several logs.
        extractor_argument: The constructor argument that maps data to features.
        output_description: A description of the extractor's output, for error messages.
        min_examples: The smallest number of real and of generated examples that can be compared.
        num_features: The number of features, or None before the metric is built.
    """

    log_names: tuple[str, ...] = ()
    default_name = ""
    extractor_argument = "feature_extractor"
    output_description = "features"
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
        self.num_batches = self.add_variable((), "zeros", "int32", name="num_batches")

    def prefixed(self, names: Sequence[str]) -> tuple[str, ...]:
        """Returns the names with the metric's name as a prefix, unless that is the default."""
        return tuple(n if self.name == self.default_name else f"{self.name}_{n}" for n in names)

    def clone(self, name: str) -> GenerativeMetric:
        """Creates an empty metric of the same type and arguments under another name.

        The new metric shares the feature extractor or classifier with this one.

        Args:
            name: The name of the new metric.
        """
        # The config of the extractor is not needed, and a custom network may have none.
        extractor, self.feature_extractor = self.feature_extractor, None
        try:
            config = self.get_config()
        finally:
            self.feature_extractor = extractor
        config |= {"name": name, self.extractor_argument: extractor}
        return type(self).from_config(config)

    def build(self, data_shape: Sequence[int | None]) -> None:
        """Creates the variables; otherwise the first call of `update_state` creates them.

        Args:
            data_shape: The shape of the data, `(batch, ...)`. The size of the batch is ignored.
        """
        self.num_features = self.count_features(data_shape)
        self.create_variables(self.num_features)

    def count_features(self, data_shape: Sequence[int | None]) -> int:
        """Returns the number of features of an example.

        Args:
            data_shape: The shape of the data, `(batch, ...)`. The size of the batch is ignored.

        Raises:
            ValueError: If the feature extractor does not accept data of this shape.
        """
        try:
            features = self.features(tf.zeros((2, *data_shape[1:])))
            self.check_features(features)
            return int(features.shape[-1])
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"`{self.extractor_argument}` must map data {(None, *data_shape[1:])} to "
                f"{self.output_description}. Received: one that fails: {reason}"
            ) from error

    def check_in_graph(self, data_shape: Sequence[int | None]) -> None:
        """Raises a ValueError if the feature extractor can't run in a graph, as `fit` asks for.

        Args:
            data_shape: The shape of the data, `(batch, ...)`.
        """
        try:
            data = tf.TensorSpec((None, *data_shape[1:]))
            tf.function(lambda batch: self.features(batch)).get_concrete_function(data)
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"`{self.extractor_argument}` must be made of functions of Keras or TensorFlow, "
                "which run in a graph; or compile the model with `run_eagerly=True`. "
                f"Received: one that fails: {reason}"
            ) from error

    def check_features(self, features: tf.Tensor) -> None:
        """Raises a ValueError if the metric cannot compare features like these.

        The base class accepts all features.

        Args:
            features: Features of two examples, `(2, num_features)`.
        """

    def features(self, data) -> tf.Tensor:
        """Returns the features of a batch, float32 `(batch, num_features)`.

        Args:
            data: An array `(batch, ...)`. Images are floats in [0, 1], or uint8, which is scaled.
        """
        data = images_to_float(data)
        if self.feature_extractor is None:
            return flatten(data)
        features = self.feature_extractor(data)
        if isinstance(features, (list, tuple, dict)):
            raise ValueError(f"it returns a {type(features).__name__}, not one tensor")
        features = tf.cast(features, tf.float32)
        if features.shape.rank == 0 or not features.shape[:1].is_compatible_with(data.shape[:1]):
            raise ValueError(f"it maps data {data.shape} to a tensor {features.shape}")
        features = flatten(features)
        # Some compiled layers, such as a maximum, turn NaN into numbers. The samples of a generator
        # that diverged would then look valid.
        has_non_finite = tf.reduce_any(~tf.math.is_finite(flatten(data)), axis=1)
        return tf.where(has_non_finite[:, None], np.nan, features)

    def update_state(self, real, generated, sample_weight=None) -> None:
        """Adds real and generated data.

        Arrays of more than 256 examples pass through the feature extractor in several batches.

        Args:
            real: An array `(n, ...)`. Images are floats in [0, 1] or uint8.
            generated: An array `(m, ...)` of examples of the same shape.
            sample_weight: Must be None, because these metrics do not weight their examples.

        Raises:
            ValueError: If an argument is invalid.
        """
        self._check_data(real, generated, sample_weight)
        if self.num_features is None:
            self.build(np.shape(real))
        self._check_scope()
        size = max(np.shape(real)[0], np.shape(generated)[0]) if _is_eager_and_alone() else 0
        if size <= BATCH_SIZE:
            return self._update(real=real, generated=generated)
        for start in range(0, size, BATCH_SIZE):
            part = slice(start, start + BATCH_SIZE)
            self._update(real=real[part], generated=generated[part])

    def _update(self, **batches):
        features = []
        for name, data in batches.items():
            features.append(self._batch_features(data))
            if features[-1].shape[-1] != self.num_features:
                raise ValueError(
                    f"`{name}` must have {self.num_features} features per example, like the data "
                    f"before. Received: {features[-1].shape[-1]}, from data {np.shape(data)}"
                )
        self.num_batches.assign_add(1)
        self.update_features(*features)

    def _batch_features(self, data):
        # The shorter array may be exhausted. Not every network accepts an empty batch.
        if tf.executing_eagerly() and np.shape(data)[0] == 0:
            return tf.zeros((0, self.num_features))
        return self.features(data)

    def _check_data(self, real, generated, sample_weight):
        if sample_weight is not None:
            raise ValueError(
                f"`sample_weight` must be None. Received: sample_weight={sample_weight!r:.50}"
            )
        for name, data in {"real": real, "generated": generated}.items():
            is_array = hasattr(data, "shape") or isinstance(data, (list, tuple))
            if not is_array or np.ndim(data) == 0:
                raise ValueError(
                    f"`{name}` must be an array (n, ...). Received: {name}={data!r:.50}"
                )
            refuse_masked(data, name)
            if not tf.is_symbolic_tensor(data):
                check_image_range(name, data)

    def _check_scope(self):
        """Raises if a distributed metric is updated outside of a replica, which would lose data."""
        context = tf.distribute.get_replica_context()
        distributed = any(
            isinstance(v.value, tf.distribute.DistributedValues) for v in self.variables
        )
        if distributed and (context is None or not tf.distribute.has_strategy()):
            raise ValueError(
                f"`update_state` of a {type(self).__name__} that was created under a strategy must "
                "be called by `strategy.run`, as a model's `evaluate` does. "
                "Received: a call outside of it"
            )

    @property
    def empty(self) -> bool:
        """True if the metric has received no data. Always false in a graph."""
        return tf.executing_eagerly() and int(self.num_batches.numpy()) == 0

    def result(self):
        """Returns the metric: one number, or a dictionary of numbers if it has several logs.

        Raises:
            NotFiniteError: If features were NaN or infinite.
            ValueError: If the metric has received too few data.
        """
        if self.empty:
            raise ValueError(f"{self.name} has received no data: call `update_state` first.")
        logs = self.name_values(self.compute()) if tf.executing_eagerly() else self.nan_logs
        return logs if self.log_names else logs[self.name]

    def logs(self) -> dict:
        """Returns the result as a dictionary of logs, with NaN if features were not finite."""
        try:
            return self.name_values(self.compute())
        except NotFiniteError:
            return self.nan_logs

    def name_values(self, values: Sequence) -> dict:
        """Returns a dictionary of logs for the values that `compute` returns."""
        return dict(zip(self.log_names or (self.name,), values, strict=True))

    @property
    def nan_logs(self) -> dict:
        """All logs with the value NaN, for the time before the result is computed."""
        return dict.fromkeys(self.log_names or (self.name,), tf.constant(np.nan))

    def check_num_examples(self, num_examples: float) -> None:
        """Raises a ValueError if there are fewer than `min_examples`."""
        if num_examples < self.min_examples:
            plural = "s" if self.min_examples > 1 else ""
            raise ValueError(
                f"{self.name} needs at least {self.min_examples} real and {self.min_examples} "
                f"generated example{plural}. Received: {num_examples:.0f}"
            )

    def check_finite(self, values: np.ndarray) -> np.ndarray:
        """Returns the values, or raises a NotFiniteError if any of them is NaN or infinite."""
        if not np.isfinite(values).all():
            raise NotFiniteError(f"{self.name} has received features that are NaN or infinite.")
        return values

    def get_config(self):
        extractor = self.feature_extractor
        if isinstance(extractor, keras.layers.Layer):
            extractor = keras.saving.serialize_keras_object(extractor)
        return {**super().get_config(), self.extractor_argument: extractor}

    @classmethod
    def from_config(cls, config):
        """Creates a metric from its config."""
        extractor = config.get(cls.extractor_argument)
        if isinstance(extractor, dict):
            extractor = keras.saving.deserialize_keras_object(extractor)
        return cls(**{**config, cls.extractor_argument: extractor})


def flatten(values: tf.Tensor) -> tf.Tensor:
    """Flattens all axes but the first."""
    return tf.reshape(values, (tf.shape(values)[0], int(np.prod(values.shape[1:]))))


def _is_eager_and_alone() -> bool:
    """Returns True in eager mode on a single replica, where the number of updates is free.

    Several replicas must update equally often.
    """
    context = tf.distribute.get_replica_context()
    alone = context is None or context.num_replicas_in_sync == 1
    return alone and tf.executing_eagerly()


def check_int_at_least(minimum: int, **arguments) -> None:
    """Raises unless every argument is an integer of at least `minimum`."""
    for name, value in arguments.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < minimum:
            raise ValueError(
                f"`{name}` must be an integer of at least {minimum}. Received: {name}={value!r}"
            )


class RowBuffer:
    """Stores the first rows that a metric receives, in the order of the global batches.

    An update takes time in proportion to the rows of its batch, not to the size of the buffer.

    Args:
        metric: The metric that owns the variables.
        capacity: The maximum number of rows.
        columns: The length of a row.
        name: The name of the variable.
    """

    def __init__(self, metric: keras.metrics.Metric, capacity: int, columns: int, name: str):
        self.capacity = capacity
        # Each replica fills the rows of its examples and leaves the others at zero, so that the sum
        # over the replicas holds all rows. The last row receives the examples that do not fit.
        self.rows = metric.add_variable((capacity + 1, columns), "zeros", "float32", name=name)
        self.num_seen = metric.add_variable(
            (), "zeros", "int32", "only_first_replica", name=f"{name}_n"
        )

    def add(self, values: tf.Tensor) -> None:
        """Adds a batch of rows, `(batch, columns)`; ignores those that do not fit."""
        offset, total = place_in_global_batch(tf.shape(values)[0])
        indices = tf.convert_to_tensor(self.num_seen) + offset + tf.range(tf.shape(values)[0])
        # `assign_add` would go through all rows. The handle is that of this replica's variable.
        tf.raw_ops.ResourceScatterUpdate(
            resource=self.rows.handle, indices=tf.minimum(indices, self.capacity), updates=values
        )
        self.num_seen.assign_add(total)

    def values(self) -> np.ndarray:
        """Returns the stored rows, float64 `(n, columns)`."""
        num_stored = min(int(self.num_seen.numpy()), self.capacity)
        return self.rows.numpy()[:num_stored].astype("float64")


class StoredMetric(GenerativeMetric):
    """Base class of the metrics that store features, because they compare pairs of examples.

    A subclass has an attribute `max_examples` and implements `compare(real, generated)`, which
    takes float64 features `(n, num_features)` and returns a list of numbers.
    """

    min_examples = 2

    def create_variables(self, num_features):
        names = ("real", "generated")
        self.buffers = [RowBuffer(self, self.max_examples, num_features, name) for name in names]

    def update_features(self, real, generated):
        for buffer, features in zip(self.buffers, (real, generated), strict=True):
            buffer.add(features)

    def compute(self):
        sets = [self.check_finite(buffer.values()) for buffer in self.buffers]
        self.check_num_examples(min(len(features) for features in sets))
        return self.compare(*sets)


def check_image_range(name: str, data) -> None:
    """Raises if an array is one of images of another range than [0, 1], or 0 to 255 in uint8."""
    data = np.asarray(data)
    if data.ndim != 4:
        if data.dtype == np.uint8:  # which means 0 to 255 in an image, and here anything
            raise ValueError(
                f"`{name}` must be floats, because it does not hold images. Received: uint8"
            )
        return
    if data.dtype == np.uint8:
        return
    lowest, highest = data.min(initial=0), data.max(initial=0)
    # Noisy images leave [0, 1] on both sides. Values above 10 mean that the range is [0, 255].
    is_symmetric = -1.001 < lowest < -0.5 and highest < 1.001
    if data.dtype.kind in "iu" or highest > 10 or is_symmetric:
        hint = f" (`({name} + 1) / 2`)" if is_symmetric else ""
        raise ValueError(
            f"`{name}` must be images as floats in [0, 1]{hint}, or as uint8 in [0, 255]. "
            f"Received: {data.dtype} from {lowest:g} to {highest:g}"
        )
