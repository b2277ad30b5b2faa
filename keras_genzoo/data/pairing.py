"""Batches for models that translate images."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_genzoo.core.validation import check_positive_int
from keras_genzoo.data import sources
from keras_genzoo.data.batching import buffer_of, prefetched, shuffled, to_batches
from keras_genzoo.data.loading import read_examples
from keras_genzoo.data.resizing import resized


def pairs(
    images,
    source: str | sources.Source | Callable | np.ndarray,
    *,
    split: str = "train",
    batch_size: int = 64,
    image_size: int | tuple[int, int] | None = None,
    shuffle: bool | None = None,
    first_epoch: int | None = None,
) -> tf.data.Dataset:
    """Builds batches `(source, target)`, on which models of pairs train, from any images.

    The images are the targets, and each source is made from its target. A random source, such as
    one with holes, is drawn anew in each epoch if the pairs are shuffled. If not, for evaluation,
    each image always gets the same source. All this is repeatable after
    `keras.utils.set_random_seed`.

    Args:
        images: Images `(n, height, width, channels)`, uint8 or floats in [0, 1]; a
            `tf.data.Dataset` of single images; or a name that `genzoo.data.load` takes.
        source: `"edges"`, `"gray"`, `"masked"`, `"low_resolution"`, `"noisy"` or `"blurred"`; what
            a function of this name in `genzoo.data.sources` returns, for its options; a TensorFlow
            function that makes the source of an image, float32 `(height, width, channels)` in
            [0, 1]; or an array of sources, one for each image of an array.
        split: The split, if `images` is a name. Arrays and data sets are all of one split, whose
            name decides about `shuffle`.
        batch_size: The number of pairs per batch.
        image_size: An int or `(height, width)`, to which the largest centred part of each image is
            resized.
        shuffle: If true, the pairs are reshuffled every epoch and an incomplete last batch is
            dropped. By default, true for a split whose name starts with "train".
        first_epoch: If given, the pipeline is an endless stream that begins with this epoch, as in
            `load`.

    Returns:
        A `tf.data.Dataset` of pairs: sources, float32 in [0, 1], and the images as they are.

    Raises:
        ValueError: If an argument is invalid, or if the source cannot be made from such images.

    Example:
    ```python
    photos = np.random.default_rng(0).random((64, 32, 32, 3), "float32")
    holes = genzoo.data.sources.masked(holes="rectangles")
    train = genzoo.data.pairs(photos, holes, batch_size=16)
    model = genzoo.Pix2Pix((32, 32, 4), (32, 32, 3))      # the mask is the fourth channel
    model.compile()
    model.fit(train, epochs=1, verbose=0)
    ```
    """
    if shuffle is None:
        shuffle = split.startswith("train")
    if isinstance(images, str):
        images = read_examples(images, split, image_size=image_size)
    elif isinstance(source, (np.ndarray, list)):
        return _given_pairs(images, source, batch_size, image_size, shuffle, first_epoch)
    else:
        images = resized(as_dataset(images, "images"), image_size)
    source = sources.get(source)
    buffer = buffer_of(images) if shuffle else None

    def with_source(image, seed):
        return source.apply(image, seed), image

    result = to_batches(images, batch_size, buffer, first_epoch, with_source)
    rank = result.element_spec[0].shape.rank
    if rank not in (None, 4):
        raise ValueError(
            "`source` must make an image (height, width, channels) of an image. "
            f"Received: a function that makes a tensor of rank {rank - 1}"
        )
    return result


def _given_pairs(images, source, batch_size, image_size, shuffle, first_epoch):
    """Makes the batches of two arrays."""
    images, source = np.asarray(images), np.asarray(source)
    if images.ndim != 4 or source.ndim != 4 or len(images) != len(source):
        raise ValueError(
            "`source` must have one image (height, width, channels) for each of `images`. "
            f"Received: sources of shape {source.shape} and images of shape {images.shape}"
        )
    if image_size is not None:
        raise ValueError(
            f"`image_size` must be None with an array of sources. Received: {image_size!r}"
        )
    dataset = tf.data.Dataset.from_tensor_slices((source, images))
    return to_batches(dataset, batch_size, len(images) if shuffle else None, first_epoch)


def unpaired(
    a,
    b,
    batch_size: int = 1,
    *,
    shuffle: bool = True,
    first_epoch: int | None = None,
) -> tf.data.Dataset:
    """Builds batches `(a, b)` of two sets of images that need not belong together.

    An epoch is as long as the longer set; the shorter one starts again as often as it must. Both
    are shuffled, each in its own order, and again in each epoch. The order is repeatable after
    `keras.utils.set_random_seed`.

    Args:
        a: Images `(n, height, width, channels)`, or a `tf.data.Dataset` of single images.
        b: The same for the second kind; the number may differ.
        batch_size: The number of images of each kind in a batch. The paper takes 1.
        shuffle: False keeps the order, for evaluation.
        first_epoch: If given, the pipeline is an endless stream that begins with this epoch, as in
            `load`.

    Returns:
        A `tf.data.Dataset` of pairs of batches. What does not fill a batch is left out if
        `shuffle`.

    Raises:
        ValueError: If a set is empty, endless or of unknown length, or the larger one is smaller
            than a batch.

    Example:
    ```python
    a, b = np.zeros((10, 8, 8, 1)), np.ones((25, 8, 8, 3))
    batches = genzoo.data.unpaired(a, b, batch_size=5)           # five batches
    ```
    """
    check_positive_int(batch_size, "batch_size")
    sets = [as_dataset(a, "a"), as_dataset(b, "b")]
    longest = max(map(_length, sets, "ab"))
    if longest < batch_size:
        raise ValueError(
            f"`batch_size` must be at most the number of images of the larger set, {longest}. "
            f"Received: batch_size={batch_size}"
        )
    buffers = list(map(buffer_of, sets))
    seeds = [None, None] if first_epoch is None else random.sample(range(1, 2**31), 2)

    def batches(epoch=None):
        if shuffle:
            orders = map(_orders, sets, buffers, seeds, (epoch, epoch))
        else:
            orders = (dataset.repeat() for dataset in sets)
        parts = [order.take(longest) for order in orders]
        return tf.data.Dataset.zip(*parts).batch(batch_size, drop_remainder=shuffle)

    if first_epoch is None:
        return prefetched(batches())
    return prefetched(tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(batches))


def _orders(dataset, buffer, seed, epoch) -> tf.data.Dataset:
    """Repeats a data set without end, in another order each time."""
    if epoch is None:
        return dataset.shuffle(buffer, seed).repeat()
    rounds = tf.data.Dataset.range(tf.int64.max)
    return rounds.flat_map(lambda i: shuffled(dataset, buffer, seed, epoch * 2**20 + i))


def load_unpaired(
    name: str,
    *,
    split: str = "train",
    batch_size: int = 1,
    image_size: int | tuple[int, int] | None = None,
    shuffle: bool | None = None,
    first_epoch: int | None = None,
) -> tf.data.Dataset:
    """Builds batches `(a, b)` of one of CycleGAN's data sets in tensorflow-datasets.

    These are `"cycle_gan/horse2zebra"`, `"cycle_gan/apple2orange"`,
    `"cycle_gan/summer2winter_yosemite"`, `"cycle_gan/monet2photo"`, `"cycle_gan/maps"`,
    `"cycle_gan/facades"` and others, or any with splits `trainA`, `trainB`, `testA` and `testB`.

    Args:
        name: The name of the data set.
        split: `"train"` or `"test"`; slices such as `"train[:10%]"` take it of both kinds.
        batch_size: The number of images of each kind in a batch. The paper takes 1.
        image_size: An int or `(height, width)`, to which the largest centred part of each image is
            resized. CycleGAN's data sets need it, because their images declare no size.
        shuffle: Whether to shuffle, by default if the split starts with "train".
        first_epoch: The first epoch of an endless stream, as in `load`.

    Returns:
        A `tf.data.Dataset` of pairs of uint8 batches, as `unpaired` makes it.

    Raises:
        ValueError: If the data set or the split is unknown, or if the images differ in size.
        ConnectionError: If the data set is not on disk and cannot be downloaded.
    """
    if not isinstance(split, str):
        raise ValueError(f"`split` must be a string. Received: split={split!r}")
    base, bracket, rest = split.partition("[")
    a, b = (
        read_examples(name, f"{base}{kind}{bracket}{rest}", image_size=image_size) for kind in "AB"
    )
    if shuffle is None:
        shuffle = split.startswith("train")
    return unpaired(a, b, batch_size, shuffle=shuffle, first_epoch=first_epoch)


def as_dataset(images, name: str) -> tf.data.Dataset:
    """Returns a data set of single images, of an array or of a data set.

    Args:
        images: An array `(n, height, width, channels)`, or a `tf.data.Dataset` of single images.
        name: The argument's name, for the error.
    """
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
