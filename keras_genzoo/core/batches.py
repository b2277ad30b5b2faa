"""The kinds of data that `fit` takes, and the check of each batch in a step."""

from __future__ import annotations

import contextlib
import functools
import inspect
import numbers
import re
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.core.fields import Field, densify, refuse_masked


def yields_batches(data) -> bool:
    """Returns True for data sets and generators, False for arrays."""
    kinds = (tf.data.Dataset, tf.distribute.DistributedDataset, keras.utils.PyDataset, Iterator)
    return isinstance(data, kinds)


def parts_of(batch) -> list:
    """Lists the parts of a batch; a part may be a tuple of parts."""
    if not isinstance(batch, (tuple, list)):
        return [batch]
    nested = [parts_of(part) if isinstance(part, tuple) else [part] for part in batch]
    return [part for parts in nested for part in parts]


def first_batch(data) -> tuple:
    """Returns the first batch, or `None` if there is none, and the data with all batches."""
    if isinstance(data, keras.utils.PyDataset):  # before iterators: some are both
        return (None if data.num_batches == 0 else data[0]), data
    if isinstance(data, tf.data.Dataset):
        return next(iter(data.take(1)), None), data
    first = next(data, None)

    def again():
        # Keras takes tuples alone from a generator.
        if first is not None:
            yield tuple(parts_of(first))
        for batch in data:
            yield tuple(parts_of(batch))

    return first, again()


def like_the_first(data, first: list, argument: str):
    """Returns data whose batches must be like the first one, to which Keras would cast them.

    TensorFlow's data sets, whose `element_spec` holds for all batches, are returned as they are.

    Args:
        data: What yields batches.
        first: The parts of the first batch.
        argument: The name of the user's argument, for the error.
    """
    if isinstance(data, (tf.data.Dataset, tf.distribute.DistributedDataset)):
        return data
    check = functools.partial(_check_likeness, [_form(part)[1:] for part in first], argument)
    if isinstance(data, keras.utils.PyDataset):
        return _Checked(data, check)
    return (check(batch) for batch in data)


def _check_likeness(forms: list, argument: str, batch):
    """Returns a batch if its parts have these kinds of numbers and shapes of examples."""
    parts = parts_of(batch)
    for part in parts:
        refuse_masked(part, argument)
    received = [_form(part) for part in parts]
    if [form[1:] for form in received] != forms or len({size for size, _, _ in received}) > 1:
        wanted = " and ".join(f"{kind} of shape {('n', *shape)}" for kind, shape in forms)
        found = " and ".join(f"{kind} of shape {(size, *shape)}" for size, kind, shape in received)
        raise ValueError(
            f"`{argument}` must yield batches like its first one, {wanted}. Received: later {found}"
        )
    return batch


def _form(part) -> tuple:
    """Returns the number of examples of a part of a batch, the kind of its numbers, and a shape."""
    if not hasattr(part, "shape") or not hasattr(part, "dtype"):
        part = np.asarray(part)
    size, *shape = part.shape
    dtype = tf.as_dtype(part.dtype)
    kind = dtype.name
    if dtype.is_floating:
        kind = "floats"
    elif dtype.is_integer and dtype != tf.uint8:  # which means 0 to 255
        kind = "integers"
    return size, kind, tuple(shape)


class _Checked(keras.utils.PyDataset):
    """A `PyDataset` whose batches are checked as they are read."""

    def __init__(self, data, check):
        defaults = {"workers": 1, "use_multiprocessing": False, "max_queue_size": 10}
        super().__init__(**{name: getattr(data, name, value) for name, value in defaults.items()})
        self.data, self.check = data, check

    @property
    def num_batches(self):
        return self.data.num_batches

    def __getitem__(self, index):
        return self.check(self.data[index])

    def on_epoch_begin(self):
        self.data.on_epoch_begin()

    def on_epoch_end(self):
        self.data.on_epoch_end()


def over_data_sets(verb: Callable) -> Callable:
    """Decorates a verb of arrays so that it also takes what yields batches.

    Labels of a conditional model are then the second part of a batch. The seed changes from batch
    to batch, so that no two of them get the same noise.
    """
    signature = inspect.signature(verb)

    @functools.wraps(verb)
    def method(self, x, *args, **options):
        if not yields_batches(x):
            return verb(self, x, *args, **options)
        call = signature.bind(self, x, *args, **options)
        call.apply_defaults()
        if call.arguments.get("labels") is not None:
            raise ValueError(
                "`labels` must be omitted if `x` is a data set, whose batches hold them. "
                f"Received: labels={call.arguments['labels']!r:.50}"
            )
        results, seed = [], call.arguments.get("seed")
        for index, batch in enumerate(_all_batches(x)):
            parts = [np.asarray(densify(part)) for part in parts_of(batch)]
            call.arguments["x"] = self.input_of(parts, call.arguments)
            if isinstance(seed, numbers.Integral) and index:  # far from the seeds that people take
                call.arguments["seed"] = (seed + 1_000_003 * index) % 2**31
            if len(parts) > 1 and not self.labels_field.absent:
                call.arguments["labels"] = parts[1]
            results.append(verb(*call.args, **call.kwargs))
        if not results:
            raise ValueError("`x` must yield at least one batch. Received: an empty data set")
        return np.concatenate(results)

    return method


def is_endless(data) -> bool:
    """Returns True for a data set that is known to have no end."""
    if isinstance(data, tf.data.Dataset):
        return bool(data.cardinality() == tf.data.INFINITE_CARDINALITY)
    return isinstance(data, keras.utils.PyDataset) and data.num_batches is None


def _all_batches(data):
    if is_endless(data):
        raise ValueError("`x` must end: leave out its `repeat()`. Received: an endless data set")
    if isinstance(data, keras.utils.PyDataset):
        return (data[i] for i in range(data.num_batches))
    return data


RECEIVED = "Received: other values in a batch"
UNLIKE = re.compile(r"`[^`]+` must (yield batches like|not be a masked array).*")
REFUSED = re.compile(rf"(`[^`]+` must (?:(?!`).)*? {RECEIVED})\D*(\d+)")


class BatchCheck:
    """Refuses a batch that does not fit its fields, from within a step.

    Such a batch may come late in a data set, of which only the first batch was checked. The step
    fails before it has changed anything. XLA cannot stop a step: there a batch of zeros takes the
    place of the faulty one, and the faults are counted and refused at the end of the epoch.
    """

    def __init__(self):
        self.messages: list[str] = []
        self.faults = tf.Variable(
            tf.zeros(8, tf.int32),  # by the place in `messages`
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )

    def convert(self, field: Field, values, steps, in_xla: bool, size=None) -> tf.Tensor | None:
        """Converts the values of a field for a step, and refuses them if they do not fit.

        Args:
            field: The field.
            values: Its part of a batch, or `None`.
            steps: The number of training steps so far, for the error.
            in_xla: Whether XLA compiles the step.
            size: The number of examples in the other parts of the batch, if there are others.
        """
        if values is None or field.ignores(values):
            return field.convert(values)
        values = field.with_shape(values)
        assertions, conditions = [], [*field.conditions(values)]
        if size is not None:  # one example would be broadcast
            message = f"`{field.name}` must hold as many examples as the rest of a batch."
            conditions.append((tf.shape(values)[0] == size, message))
        for condition, message in conditions:
            holds = tf.reduce_all(condition)
            if in_xla:  # the weights must survive until the end of the epoch
                self._count(holds, message)
                values = tf.where(holds, values, tf.zeros_like(values))
            else:
                assertions.append(tf.debugging.Assert(holds, [f"{message} {RECEIVED}", steps]))
        with tf.control_dependencies(assertions):
            return field.clip(tf.identity(field.convert(values)))

    def _count(self, holds, message):
        if message not in self.messages:
            self.messages.append(message)
        place = tf.one_hot(self.messages.index(message), self.faults.shape[0], dtype=tf.int32)
        self.faults.assign_add(tf.where(holds, 0, place))

    def raise_counted(self) -> None:
        """Raises if a step under XLA has counted a fault."""
        faults = self.faults.numpy()
        if faults.any():
            self.faults.assign(tf.zeros_like(self.faults))
            message = self.messages[faults.argmax()]
            raise ValueError(f"{message} {RECEIVED}, in {faults.max()} of this epoch")

    @staticmethod
    @contextlib.contextmanager
    def explained() -> Iterator[None]:
        """Turns the error of a refused batch into one sentence."""
        try:
            yield
        except tf.errors.OpError as error:
            found = UNLIKE.search(str(error))
            if found:
                raise ValueError(found.group()) from None
            found = REFUSED.search(str(error))
            if not found:
                raise
            sentence, steps = found.groups()
            raise ValueError(f"{sentence}, after {steps} steps of training") from None
