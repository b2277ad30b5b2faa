"""Batches of shuffled examples, which a run that is resumed sees again."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import tensorflow as tf

from keras_genzoo.core.validation import check_positive_int

CACHE_LIMIT = 2**30  # bytes: smaller data sets stay in memory between epochs
SHUFFLE_BUFFER = 10_000  # examples, for data sets that are too large to cache


def to_batches(
    dataset: tf.data.Dataset,
    batch_size: int,
    shuffle_buffer: int | None,
    first_epoch: int | None = None,
    example_map: Callable | None = None,
) -> tf.data.Dataset:
    """Shuffles, batches and prefetches examples.

    Args:
        dataset: A data set of single examples.
        batch_size: The number of examples per batch.
        shuffle_buffer: The size of the shuffle buffer, or `None` to keep the order. Shuffled data
            lose their incomplete last batch.
        first_epoch: The first epoch of an endless stream, as in `load`, or `None`.
        example_map: A function of an example and a seed, an int64 tensor of two numbers, which is
            applied to each example after shuffling. The seeds are new in each epoch if the data is
            shuffled, and otherwise always those of the place of the example.

    Returns:
        A `tf.data.Dataset` of batches.

    Raises:
        ValueError: If `batch_size` is not positive, or would leave no batch.
    """
    check_positive_int(batch_size, "batch_size")
    num_examples = int(dataset.cardinality())
    if shuffle_buffer is not None and 0 <= num_examples < batch_size:
        raise ValueError(
            f"`batch_size` must be at most the number of examples, {num_examples}, because "
            "shuffled data drops its incomplete last batch and none would be left. "
            f"Received: batch_size={batch_size}"
        )

    seed = None if first_epoch is None else random.randrange(1, 2**31)

    def batches(epoch=None):
        examples = dataset
        if shuffle_buffer is not None and epoch is None:
            examples = dataset.shuffle(shuffle_buffer)
        elif shuffle_buffer is not None:
            examples = shuffled(dataset, shuffle_buffer, seed, epoch)
        if example_map is not None:
            seeds = _seeds(shuffle_buffer is not None, seed, epoch)
            examples = tf.data.Dataset.zip(examples, seeds).map(example_map, tf.data.AUTOTUNE)
        return examples.batch(batch_size, drop_remainder=shuffle_buffer is not None)

    if first_epoch is None:
        return prefetched(batches())
    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    return prefetched(epochs.flat_map(batches))


def prefetched(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Prefetches batches, without the thread with which TensorFlow tunes pipelines.

    That thread sleeps for longer and longer, so closing a data set that has not ended, as `fit`
    does with an endless one, may take as long as reading it took.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)


def _seeds(shuffled, seed, epoch) -> tf.data.Dataset:
    """Returns an endless data set of seeds, one for each example of an epoch."""
    if shuffled and epoch is None:
        numbers = tf.data.Dataset.random(rerandomize_each_iteration=True)
        return numbers.batch(2, drop_remainder=True)
    start = tf.stack([tf.cast(seed, tf.int64), epoch]) if shuffled else [0, 0]
    start = tf.cast(start, tf.int64)
    fold_in = tf.random.experimental.stateless_fold_in
    return tf.data.Dataset.range(tf.int64.max).map(lambda place: fold_in(start, place))


def shuffled(dataset: tf.data.Dataset, buffer_size: int, seed: int, epoch) -> tf.data.Dataset:
    """Shuffles examples in an order that depends only on a seed and the number of an epoch."""
    # Unlike `Dataset.shuffle`, the underlying operation accepts a tensor as the seed.
    spec = dataset.element_spec
    flat = tf.nest.flatten(spec)
    result = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=buffer_size,
        seed=seed,
        seed2=epoch,
        output_types=[part.dtype for part in flat],
        output_shapes=[part.shape for part in flat],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(result, spec)


def cached(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Keeps examples in memory between epochs, unless they are too large for that."""
    return dataset.cache() if _num_bytes(dataset) <= CACHE_LIMIT else dataset


def buffer_of(dataset: tf.data.Dataset) -> int:
    """Returns the size of a shuffle buffer: of all examples, or of as many as fit into memory."""
    num_examples, num_bytes = int(dataset.cardinality()), _num_bytes(dataset)
    if num_bytes <= CACHE_LIMIT:
        return num_examples
    if math.isinf(num_bytes):
        return SHUFFLE_BUFFER
    # In any case some: a buffer of few examples would hardly shuffle them.
    return min(SHUFFLE_BUFFER, max(1000, int(num_examples * CACHE_LIMIT / num_bytes)))


def _num_bytes(dataset: tf.data.Dataset) -> float:
    """Returns the size of all elements in bytes, or infinity if it is unknown."""
    num_examples = int(dataset.cardinality())
    specs = tf.nest.flatten(dataset.element_spec)
    if num_examples < 0 or not all(spec.shape.is_fully_defined() for spec in specs):
        return math.inf
    return num_examples * sum(spec.shape.num_elements() * spec.dtype.size for spec in specs)
