"""Batches for models that translate images."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_genzoo.core.validation import check_positive_int
from keras_genzoo.data.loading import prefetched

_SHUFFLE_BUFFER = 1000


def unpaired(
    a, b, batch_size: int = 1, *, seed: int | None = None, shuffle: bool = True
) -> tf.data.Dataset:
    """Builds batches `(a, b)` of two sets of images that need not belong together.

    An epoch is as long as the longer set; the shorter one starts again as often as it must. Both
    are shuffled, each in its own order, and again in each epoch.

    Args:
        a: Images `(n, height, width, channels)`, or a `tf.data.Dataset` of single images.
        b: The same for the second kind; the number may differ.
        batch_size: The number of images of each kind in a batch. The paper takes 1.
        seed: An int for a repeatable order; `None` follows `keras.utils.set_random_seed`.
        shuffle: False keeps the order, for evaluation.

    Returns:
        A `tf.data.Dataset` of pairs of batches. What does not fill a batch is left out if
        `shuffle`.

    Raises:
        ValueError: If a set is empty, endless, of unknown length or smaller than a batch.

    Example:
    ```python
    a, b = np.zeros((10, 8, 8, 1)), np.ones((25, 8, 8, 3))
    batches = genzoo.data.unpaired(a, b, batch_size=5)           # five batches
    ```
    """
    check_positive_int(batch_size, "batch_size")
    sets = {"a": _as_dataset(a, "a"), "b": _as_dataset(b, "b")}
    sizes = {name: _length(dataset, name) for name, dataset in sets.items()}
    longest = max(sizes.values())
    if longest < batch_size:
        raise ValueError(
            f"`batch_size` must be at most the number of images of the larger set, {longest}. "
            f"Received: batch_size={batch_size}"
        )
    for number, (name, dataset) in enumerate(sets.items()):
        if shuffle:
            order = None if seed is None else 2 * seed + number
            dataset = dataset.shuffle(min(sizes[name], 10 * _SHUFFLE_BUFFER), order)
        sets[name] = dataset.repeat().take(longest)
    pairs = tf.data.Dataset.zip((sets["a"], sets["b"]))
    return prefetched(pairs.batch(batch_size, drop_remainder=shuffle))


def _as_dataset(images, name):
    if isinstance(images, tf.data.Dataset):
        spec = images.element_spec
        if isinstance(spec, (tuple, dict)) or (spec.shape.rank not in (None, 3)):
            raise ValueError(
                f"`{name}` must be a data set of single images (height, width, channels). "
                f"Received: a data set of {spec}"
            )
        return images
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(
            f"`{name}` must be images (n, height, width, channels), or a data set of single "
            f"images. Received: shape {images.shape}"
        )
    return tf.data.Dataset.from_tensor_slices(images)


def _length(dataset, name) -> int:
    length = int(dataset.cardinality())
    if length <= 0:
        received = {0: "an empty one", tf.data.INFINITE_CARDINALITY: "an endless one"}
        raise ValueError(
            f"`{name}` must have a known number of images (`tf.data.experimental."
            "assert_cardinality` tells it). "
            f"Received: {received.get(length, 'a data set of unknown length')}"
        )
    return length
