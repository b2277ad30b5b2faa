"""`fit` and `evaluate`: the data are checked before anything is trained."""

from __future__ import annotations

import inspect

import numpy as np
import tensorflow as tf

from keras_genzoo.core import keras_internals
from keras_genzoo.core.batches import (
    first_batch,
    is_endless,
    like_the_first,
    parts_of,
    yields_batches,
)
from keras_genzoo.core.fields import densify, in_order_of_rows
from keras_genzoo.core.fit_warnings import warn_of_scales, with_nan_warning
from keras_genzoo.core.optimizers import (
    OptimizerGroup,
    prepare_callbacks,
    with_optimizer_callbacks,
)
from keras_genzoo.core.validation import check_positive_int


class Fitting:
    """The `fit` and `evaluate` of a `GenerativeModel`."""

    # The smallest batch that one replica can train on.
    min_batch = 1
    # Whether the model itself brings the features of vectors to one scale.
    normalize = False

    @property
    def num_replicas(self) -> int:
        """The number of replicas that share a batch."""
        return self.distribute_strategy.num_replicas_in_sync

    @property
    def has_several_workers(self) -> bool:
        """True if the model trains on several machines."""
        return isinstance(self.distribute_strategy, tf.distribute.MultiWorkerMirroredStrategy)

    @property
    def compiles_by_xla(self) -> bool:
        """True if XLA compiles the steps."""
        on_tpu = isinstance(self.distribute_strategy, tf.distribute.TPUStrategy)
        return on_tpu or bool(self.jit_compile)

    def fit(self, x=None, y=None, batch_size=None, *args, **kwargs):
        """Keras's `fit`, after a check of the data.

        Args:
            x: The first part of the data, `(n, ...)`, or a data set of all parts. Sparse arrays
                (of SciPy, or `tf.SparseTensor`) are made dense a batch at a time.
            y: The second part, if the model has use for one: integer labels `(n,)` of a
                conditional model, targets of an autoencoder or of a model that translates. Labels
                `(n,)` that a model has no use for are ignored; anything else is an error.
            batch_size: The number of examples per step, 32 by default. Only for arrays.
            *args: Passed to Keras.
            **kwargs: Passed to Keras.

        Raises:
            ValueError: If the data do not fit the model, before any training.
        """
        self._check_scope()
        call = inspect.signature(super().fit).bind(x, y, batch_size, *args, **kwargs)
        arguments = call.arguments
        _refuse_weights(arguments)
        prepare_callbacks(self, arguments.get("callbacks"))
        _refuse_endless(x, arguments.get("steps_per_epoch"), "steps_per_epoch")
        x, y = self.check_training_data(x, y, batch_size)
        if self.normalize and not self.standardization.adapted:
            self.standardization.adapt(x)
        x = warn_of_scales(self, x)
        arguments |= {"x": x, "y": y}
        if arguments.get("validation_data") is not None:
            steps = arguments.get("validation_steps")
            _refuse_endless(arguments["validation_data"], steps, "validation_steps")
            size = arguments.get("validation_batch_size") or batch_size
            arguments["validation_data"] = self._check_validation_data(
                arguments["validation_data"], size
            )
        if yields_batches(x):
            arguments["shuffle"] = False  # Only arrays can be shuffled; Keras would warn.
        elif self.has_several_workers and arguments.get("shuffle", True):
            arguments.update(self._shuffled_identically(x, y, batch_size))
        if isinstance(getattr(self, "optimizer", None), OptimizerGroup):
            arguments["callbacks"] = with_optimizer_callbacks(self, arguments.get("callbacks"))
        arguments["callbacks"] = with_nan_warning(self, arguments.get("callbacks"))
        with self.batch_check.explained():
            history = super().fit(*call.args, **call.kwargs)
        self._was_trained = True  # a later `compile` starts a new count of steps
        return history

    def evaluate(self, x=None, y=None, batch_size=None, *args, **kwargs):
        """Keras's `evaluate`, after a check of the data; it draws the same noise at every call."""
        if not keras_internals.evaluates_within_fit(kwargs):  # otherwise `fit` has checked
            self._check_scope()
            call = inspect.signature(super().evaluate).bind(x, y, batch_size, *args, **kwargs)
            _refuse_weights(call.arguments)
            _refuse_endless(x, call.arguments.get("steps"), "steps")
            x, y = self._check_batches(x, y, batch_size, "x")
            prepare_callbacks(self, call.arguments.get("callbacks"))
        self.evaluation_noise.reset()
        with self.batch_check.explained():
            results = super().evaluate(x, y, batch_size, *args, **kwargs)
        self.check_metrics_were_updated()
        return tf.nest.map_structure(_to_float, results)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Keras's `train_on_batch`, after a check of the data as in `fit`."""
        _refuse_weights({"sample_weight": sample_weight, "class_weight": class_weight})
        x, y = densify(x), densify(y)
        x, y = self._check_batches(x, y, len(x), "x", training=True)
        if self.normalize and not self.standardization.adapted:
            raise ValueError(
                "`train_on_batch` needs the statistics of all data: call "
                "`model.standardization.adapt(data)` before. "
                "Received: a batch of a model that has seen no data"
            )
        with self.batch_check.explained():
            return super().train_on_batch(x, y, return_dict=return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Keras's `test_on_batch`, after a check of the data; also of the generative metrics."""
        _refuse_weights({"sample_weight": sample_weight})
        x, y = densify(x), densify(y)
        x, y = self._check_batches(x, y, len(x), "x")
        super().test_on_batch(x, y)
        logs = self.get_metrics_result()
        logs = logs if return_dict else keras_internals.in_order_of_metrics(self, logs)
        return tf.nest.map_structure(_to_float, logs)

    def check_training_data(self, x, y=None, batch_size=None) -> tuple:
        """Checks the data of `fit`; returns `x` and `y` to be passed on.

        Arrays are checked whole; a `tf.data.Dataset`, `PyDataset` or generator by its first batch.

        Raises:
            ValueError: If the data do not fit the model.
        """
        return self._check_batches(x, y, batch_size, "x", training=True)

    def _check_validation_data(self, validation_data, batch_size):
        if yields_batches(validation_data):
            x, _ = self._check_batches(validation_data, None, batch_size, "validation_data")
            return x
        parts = parts_of(validation_data)
        if any(yields_batches(part) for part in parts):
            raise ValueError(
                "`validation_data` must be arrays or one data set, which holds all parts of a "
                f"batch. Received: a tuple with a {type(parts[0]).__name__}"
            )
        self._refuse_extra(parts, "validation_data")
        x, y = self._check_arrays(parts, batch_size, "validation_data", training=False)
        self.check_validation_size(parts[0])
        return (x,) if y is None else (x, y)

    def _check_batches(self, x, y, batch_size, name, training=False):
        """Checks arrays, or the first batch of a data set; returns `x` and `y` to be passed on."""
        if not yields_batches(x):
            parts = [*(parts_of(x) if isinstance(x, tuple) else [x])]
            parts += parts_of(y) if isinstance(y, tuple) else [] if y is None else [y]
            return self._check_arrays(parts, batch_size, name, training)
        if y is not None:
            raise ValueError(
                f"`y` must be omitted if `{name}` is a data set, which holds all parts of a batch. "
                f"Received: a {type(x).__name__} and a {type(y).__name__}"
            )
        if isinstance(x, tf.distribute.DistributedDataset):
            return x, None
        if isinstance(x, tf.data.Dataset):
            specs = parts_of(x.element_spec)
            for field, spec in zip(self.fields_of(specs), specs, strict=False):
                if isinstance(spec, tf.TensorSpec):
                    field.check_spec(spec, name)
        first, x = first_batch(x)
        if first is None:
            raise ValueError(
                f"`{name}` must yield at least one batch. A data set that drops its last batch is "
                "empty if it has fewer examples than a batch. Received: an empty data set"
            )
        parts = parts_of(first)
        self._refuse_extra(parts, name)
        size = self._check_parts(parts, name)
        if training:
            self._check_batch_size(size)
        return like_the_first(x, parts, name), None

    def _check_arrays(self, parts, batch_size, name, training):
        """Checks the parts of arrays of data; returns `x` and `y` to be passed on."""
        batch_size = 32 if batch_size is None else batch_size
        check_positive_int(batch_size, "batch_size")
        if training and batch_size % self.num_replicas:
            self._check_batch_size(batch_size)
        self._refuse_extra(parts, name)
        first, *others = map(in_order_of_rows, parts)
        others = [part if hasattr(part, "shape") else np.asarray(part) for part in others]
        size = self._check_parts([first, *others], name, is_array=True)
        if training:
            self._check_batch_size(min(batch_size, size))
        if len(parts) > 2:
            return (first, *others), None
        y = others[0] if others else None
        return first, None if y is None or self.expected_fields[1].ignores(y) else y

    def _check_parts(self, parts, name, is_array=False) -> int:
        """Checks the parts of a batch, each by its field; returns the number of examples."""
        first, *others = self.fields_of(parts)
        names = [name, *(f"{field.name} of {name}" for field in others)]
        if is_array and name == "x" and len(others) == 1:
            names[1] = "y"
        first.check(parts[0], name)
        size = parts[0].shape[0]
        parts = [*parts[1:], *[None] * len(others)]
        for field, part, name in zip(others, parts, names[1:], strict=False):
            field.check(part, name, size)
        return size

    def _refuse_extra(self, parts, name):
        names = [field.name for field in self.expected_fields]
        if len(parts) > len(names):
            raise ValueError(
                f"`{name}` must hold ({', '.join(names)}); weights of samples or classes are not "
                f"supported. Received: {len(parts)} parts"
            )

    def _check_batch_size(self, size):
        if size % self.num_replicas:
            raise ValueError(
                f"The size of a batch must be a multiple of the {self.num_replicas} replicas that "
                f"share it. Received: batches of {size}"
            )
        smallest = self.min_batch * self.num_replicas
        if size < smallest:
            raise ValueError(
                f"A batch must hold at least {smallest} examples, one for each of the "
                f"`critic_steps` on each replica. Received: batches of {size}"
            )

    def _shuffled_identically(self, x, y, batch_size):
        """Makes a data set of arrays, in the same order on all workers, which share each batch.

        Keras would shuffle by each worker's own seed. The seed of the noise is the same everywhere.
        """
        dataset = tf.data.Dataset.from_tensor_slices(x if y is None else (x, y))
        size, seed = int(dataset.cardinality()), int(self.noise.state.numpy()[0])
        dataset = dataset.shuffle(size, seed).batch(batch_size or 32)
        return {"x": dataset, "y": None, "batch_size": None, "shuffle": False}

    def _check_scope(self):
        """Raises unless the model was built under the strategy that is in force."""
        built, current = keras_internals.strategy_of_model(self), tf.distribute.get_strategy()
        if tf.distribute.has_strategy() and current is not built:
            received = "no strategy" if built is None else f"another {type(built).__name__}"
            raise ValueError(
                "The model must be built and compiled in the scope of the strategy that it is "
                f"fitted under, {type(current).__name__}. Received: a model built under {received}"
            )


def _to_float(value):
    """Converts a scalar to a float, which Keras does from 3.15 on."""
    return float(value) if np.ndim(value) == 0 else value


def _refuse_endless(data, steps, argument):
    if steps is None and is_endless(data):
        raise ValueError(
            f"`{argument}` must be given with an endless data set, such as one of `repeat()`, "
            f"whose batches never end. Received: {argument}=None"
        )


def _refuse_weights(arguments: dict) -> None:
    for name in ("class_weight", "sample_weight"):
        value = arguments.get(name)
        if value is not None:
            raise ValueError(f"`{name}` is not supported. Received: {name}={value!r:.50}")
