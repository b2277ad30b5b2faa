"""Random numbers that are saved with the model and do not repeat across replicas."""

from __future__ import annotations

import random
from collections.abc import Sequence

import keras
import tensorflow as tf


def place_in_global_batch(size):
    """Where this replica's `size` examples lie in the global batch.

    Args:
        size: The number of examples on this replica, an int or a scalar integer tensor.

    Returns:
        `(offset, total)`: the number of examples on the replicas before this one, and on all of
        them. Outside a replica, and on a single one: `(0, size)`.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, size
    replica, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
    if isinstance(size, int):
        return replica * size, replicas * size
    # The last batch may be shared unevenly: ask the others how many they have.
    mine = tf.one_hot(replica, replicas) * tf.cast(size, tf.float32)
    sizes = tf.cast(context.all_reduce(tf.distribute.ReduceOp.SUM, mine), tf.int32)
    return tf.cumsum(sizes, exclusive=True)[replica], tf.reduce_sum(sizes)


def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """The sum of all replicas' values, the same on each; differentiable."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


@keras.saving.register_keras_serializable("keras_genzoo")
class Noise(keras.layers.Layer):
    """A source of noise with a saved state.

    The numbers of an example depend on its place in the global batch alone, so that N replicas
    draw together what one replica would have drawn. (Keras's `SeedGenerator` gives each replica
    the same numbers, and `save` forgets its state.)

    Args:
        seed: An int, or `None` for one that follows `keras.utils.set_random_seed`.

    Example:
    ```python
    noise = genzoo.layers.Noise(seed=1)
    latents = noise.normal((16, 64))
    ```
    """

    def __init__(self, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.seed = random.randrange(1, 2**31 - 1) if seed is None else seed
        self.state = self.add_weight(
            name="state",
            shape=(2,),
            dtype="int64",
            initializer=lambda shape, dtype: tf.constant([self.seed, 0], dtype),
            trainable=False,
            aggregation="none",
        )
        self.built = True

    def reset(self) -> None:
        """Starts again at the first draw."""
        self.state.assign([self.seed, 0])

    def normal(self, shape: Sequence) -> tf.Tensor:
        """Standard normal numbers, float32; `shape[0]` counts this replica's examples."""
        return self._draw(tf.random.stateless_normal, shape)

    def uniform(self, shape: Sequence) -> tf.Tensor:
        """Numbers uniform in [0, 1), float32; `shape[0]` counts this replica's examples."""
        return self._draw(tf.random.stateless_uniform, shape)

    def _draw(self, sampler, shape):
        seed = tf.cast(tf.convert_to_tensor(self.state), tf.int32)
        self.state.assign_add([0, 1])
        size, *rest = shape
        offset, total = place_in_global_batch(size)
        numbers = sampler((total, *rest), seed=seed)
        return numbers if total is size else numbers[offset : offset + size]

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


class _ReplicaSeedGenerator(keras.random.SeedGenerator):
    def next(self, ordered=True):
        seed = super().next(ordered)
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return seed
        replica = tf.cast(context.replica_id_in_sync_group, seed.dtype)
        return seed + tf.stack([1_000_003 * replica, tf.zeros_like(replica)])


def differ_by_replica(generator: keras.random.SeedGenerator) -> None:
    """Makes a Keras layer draw other numbers on each replica.

    On the first replica, and on a single one, they stay as they were.
    """
    generator.__class__ = _ReplicaSeedGenerator
