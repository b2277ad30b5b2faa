"""The kinds of data that `fit` takes: arrays, and what yields batches."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import tensorflow as tf


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
        if first is not None:
            yield first
        yield from data

    return first, again()
