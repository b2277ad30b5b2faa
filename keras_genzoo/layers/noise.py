"""Random numbers whose state is saved with the model and which differ between replicas."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from keras_genzoo.core.keras_internals import flatten_layers, seed_generators
from keras_genzoo.core.replicas import place_in_global_batch
from keras_genzoo.core.validation import check_seed


@keras.saving.register_keras_serializable("keras_genzoo")
class Noise(keras.layers.Layer):
    """A source of random numbers that saves its state with the model.

    The numbers of an example depend only on its place in the global batch, so N replicas together
    draw the same numbers as a single one. (Keras's `SeedGenerator` gives each replica the same
    numbers, and `save` does not store its state.)

    Args:
        seed: An integer, or `None` for a random seed that follows `keras.utils.set_random_seed`.

    Example:
    ```python
    noise = genzoo.layers.Noise(seed=1)
    latents = noise.normal((16, 64))
    ```
    """

    def __init__(self, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.seed = random.randrange(1, 2**31 - 1) if seed is None else check_seed(seed)
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
        """Restarts the sequence of draws from the first one."""
        self.state.assign([self.seed, 0])

    def normal(self, shape: Sequence) -> tf.Tensor:
        """Draws from the standard normal distribution.

        Args:
            shape: The shape of the result; `shape[0]` is the number of examples on this replica.

        Returns:
            A float32 tensor.
        """
        return self._draw(tf.random.stateless_normal, shape)

    def uniform(self, shape: Sequence) -> tf.Tensor:
        """Draws from the uniform distribution on [0, 1).

        Args:
            shape: The shape of the result; `shape[0]` is the number of examples on this replica.

        Returns:
            A float32 tensor.
        """
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


@contextlib.contextmanager
def restarted_noise(layer: keras.layers.Layer) -> Iterator[None]:
    """Draws the random numbers of a layer from one fixed state within the block, then resumes them.

    Inside the block, the layer draws the same numbers each time, whatever its own seed is.

    Args:
        layer: Any Keras layer. The same goes for all layers inside it.
    """
    states = [part.state for part in flatten_layers(layer) if isinstance(part, Noise)]
    states += [generator.state for generator in seed_generators(layer)]
    before = [state.numpy() for state in states]
    for state in states:
        state.assign(keras.ops.zeros_like(state))
    try:
        yield
    finally:
        for state, value in zip(states, before, strict=True):
            state.assign(value)
