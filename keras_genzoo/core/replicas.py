"""Arithmetic over the replicas of a `tf.distribute` strategy.

Outside of a replica, and on a single one, they reduce to an ordinary sum, mean or split.
"""

from __future__ import annotations

import tensorflow as tf


class ListPerReplica:
    """A list of its own for each replica.

    The replicas of one machine are threads that take turns at every exchange, so that what one of
    them leaves on an object would be overwritten by the next.
    """

    def __init__(self):
        self._lists = {}

    def _list(self) -> list:
        context = tf.distribute.get_replica_context()
        replica = context and tf.get_static_value(context.replica_id_in_sync_group)
        return self._lists.setdefault(None if replica is None else int(replica), [])

    def extend(self, values) -> None:
        """Appends values to this replica's list."""
        self._list().extend(values)

    def clear(self) -> None:
        """Empties this replica's list."""
        self._list().clear()

    def __getitem__(self, index):
        return self._list()[index]


def place_in_global_batch(size):
    """Locates this replica's examples in the global batch.

    Args:
        size: The number of examples on this replica, an int or a scalar integer tensor.

    Returns:
        `(offset, total)`: the number of examples on the replicas before this one, and on all of
        them. Outside of a replica, and on a single one: `(0, size)`.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, size
    replica, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
    if isinstance(size, int):
        return replica * size, replicas * size
    # The last batch may be shared unevenly, so each replica tells the others how many it has.
    mine = tf.one_hot(replica, replicas) * tf.cast(size, tf.float32)
    sizes = tf.cast(context.all_reduce(tf.distribute.ReduceOp.SUM, mine), tf.int32)
    return tf.cumsum(sizes, exclusive=True)[replica], tf.reduce_sum(sizes)


def gather_global_batch(tensor: tf.Tensor) -> tf.Tensor:
    """Returns the examples of all replicas, `(total, ...)`, in the order of the replicas."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensor
    return context.all_gather(tensor, axis=0)


def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """Sums a value over all replicas; the result is the same on each, and differentiable."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def global_mean(values: tf.Tensor) -> tf.Tensor:
    """Averages over the global batch (axis 0); on each replica, its share of that average.

    The shares add up to the average, as the replicas' gradients add up to the gradient.
    """
    values = tf.cast(values, tf.float32)
    size = values.shape[0] if values.shape[0] is not None else tf.shape(values)[0]
    _, total = place_in_global_batch(size)
    return tf.reduce_sum(values, axis=0) / tf.cast(tf.maximum(total, 1), tf.float32)


def split_global_batch(tensors, parts: int) -> list[tuple]:
    """Splits a batch into parts, each holding every `parts`-th example of the global batch.

    A batch of fewer examples than parts repeats examples, so that no part is empty.

    Args:
        tensors: A tuple of tensors with the same first axis. `None` stays `None`.
        parts: The number of parts.

    Returns:
        A list of `parts` tuples like `tensors`.
    """
    first = tensors[0]
    size = first.shape[0] if first.shape[0] is not None else tf.shape(first)[0]
    if parts == 1:
        return [tuple(tensors)]
    even = isinstance(size, int) and size % parts == 0  # on every replica
    offset, total = (0, size) if even else place_in_global_batch(size)
    split = []
    for part in range(parts):
        places = tf.range(part, tf.maximum(total, parts), parts) % total
        if total is not size:  # several replicas
            mine = (places >= offset) & (places < offset + size)
            places = tf.boolean_mask(places - offset, mine)
        split.append(tuple(None if t is None else tf.gather(t, places) for t in tensors))
    return split
