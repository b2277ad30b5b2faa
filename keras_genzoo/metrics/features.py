"""Feature extractors of images for the metrics."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo.core.fields import images_to_float
from keras_genzoo.files import check_directory, dispensable, replacing


def inception(
    image_shape: Sequence[int], *, resize: bool = False, weights: str | None = "imagenet"
):
    """Builds InceptionV3 without its classification layer, for images in [0, 1].

    The weights are those of `keras.applications`, which downloads them at first use. Published FIDs
    come from another network, the Inception of 2015 in TensorFlow-Slim, which pools and
    preprocesses images differently, so they are not comparable with values of this network.

    Args:
        image_shape: `(height, width, channels)`, with one channel (grey) or three (colour).
        resize: If true, images are resized to 299×299, the size that the network was trained on.
            It must be true for images with a side of fewer than 75 pixels.
        weights: `"imagenet"`, the path of a file of weights, or `None` for random weights.

    Returns:
        A Keras model that maps `(batch, *image_shape)` to `(batch, 2048)`.

    Raises:
        ValueError: If the network does not accept images of this shape.
    """
    sizes = tuple(image_shape) if hasattr(image_shape, "__iter__") else ()
    if len(sizes) != 3:
        raise ValueError(
            f"`image_shape` must be (height, width, channels). Received: image_shape={image_shape}"
        )
    height, width, channels = sizes
    if channels not in (1, 3):
        raise ValueError(
            f"`image_shape` must have one or three channels. Received: image_shape={image_shape}"
        )
    if not resize and min(height, width) < 75:
        raise ValueError(
            "`image_shape` must have sides of at least 75 pixels, unless `resize=True`. "
            f"Received: image_shape={image_shape}"
        )
    x = inputs = keras.Input(sizes)
    if channels == 1:
        x = layers.Concatenate()([x, x, x])
    if resize:
        x = layers.Resizing(299, 299)(x)
    network = keras.applications.InceptionV3(
        include_top=False, weights=weights, pooling="avg", input_shape=tuple(x.shape[1:])
    )
    network.trainable = False
    return keras.Model(inputs, network(layers.Rescaling(2.0, -1.0)(x)), name="inception_features")


def train_classifier(
    dataset: tf.data.Dataset,
    path: str | os.PathLike | None = None,
    *,
    epochs: int = 10,
    verbose: int | str = "auto",
) -> keras.Model:
    """Trains a small convolutional classifier of images, which metrics use to evaluate samples.

    Args:
        dataset: A `tf.data.Dataset` of batches `(images, labels)`. Images are `(batch, height,
            width, channels)`, uint8 or floats in [0, 1], and labels are integers from 0 on. May be
            `None` if there is a classifier at `path`.
        path: The path of a `.keras` file. If the file exists, the classifier in it is returned;
            otherwise, the trained classifier is saved there, or returned with a warning if the
            disk is full by then. `None` saves nothing.
        epochs: The number of epochs.
        verbose: The verbosity of `fit`.

    Returns:
        A Keras model that maps images, floats in [0, 1], to probabilities `(batch, classes)`.
        `penultimate` turns it into a feature extractor.

    Raises:
        ValueError: If `dataset` is invalid, if nothing can be written at `path`, or if the
            classifier there is for other images or another number of classes. This is checked
            before any training.
    """
    exists = path is not None and _check_path(path)
    if exists and dataset is None:
        return keras.saving.load_model(path)
    shape, classes = _check_labelled_images(dataset)
    if exists:
        classifier = keras.saving.load_model(path)
        known = (tuple(classifier.input_shape[1:]), classifier.output_shape[-1])
        if known != (shape, classes):
            raise ValueError(
                f"`path` must hold a classifier of data {shape} in {classes} classes. "
                f"Received: {os.fspath(path)!r}, a classifier of {known[0]} in {known[1]} classes"
            )
        return classifier
    model = _build_classifier(shape, classes)

    def scale(images, labels):
        return images_to_float(images), labels

    model.fit(dataset.map(scale), epochs=epochs, verbose=verbose, shuffle=False)
    if path is not None:
        with dispensable(path), replacing(path) as temporary:
            model.save(temporary)
    return model


def _check_path(path) -> bool:
    """Checks the path of a classifier; returns whether there is one already."""
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(
            "`path` must be a path. Pass images and labels as one data set: "
            "`tf.data.Dataset.from_tensor_slices((images, labels)).batch(64)`. "
            f"Received: path of type {type(path).__name__}"
        )
    if not os.fspath(path).endswith(".keras"):
        raise ValueError(f"`path` must end in .keras. Received: path={os.fspath(path)!r}")
    exists = os.path.exists(path)
    if exists and os.path.isdir(path):
        raise ValueError(f"`path` must not be a directory. Received: path={os.fspath(path)!r}")
    if not exists:
        check_directory(pathlib.Path(os.path.realpath(path)).parent, "path")
    return exists


def _build_classifier(shape, classes):
    model = keras.Sequential([keras.Input(shape)], name="classifier")
    for filters in (32, 64):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(padding="same"))
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(64, activation="relu", name="features"))
    model.add(layers.Dense(classes, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _check_labelled_images(dataset):
    """Returns the shape of the images, `(height, width, channels)`, and the number of classes."""
    spec = getattr(dataset, "element_spec", None)
    if isinstance(spec, tuple) and len(spec) == 2 and all(hasattr(s, "shape") for s in spec):
        images, labels = spec
        image_type_is_valid = images.dtype.is_floating or images.dtype == tf.uint8
        types_are_valid = image_type_is_valid and labels.dtype.is_integer
        if types_are_valid and (images.shape.rank, labels.shape.rank) == (4, 1):
            return tuple(images.shape[1:]), _count_classes(dataset)
    raise ValueError(
        "`dataset` must be a tf.data.Dataset of batches of images (batch, height, width, channels) "
        "as uint8 or floats in [0, 1], and integer labels (batch,). "
        f"Received: {type(dataset).__name__}{'' if spec is None else f' of {spec}'}"
    )


def _count_classes(dataset):
    """Returns the number of classes, one more than the highest label; checks all batches."""
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "`dataset` must end: leave out its `repeat()`. Received: an endless data set"
        )
    classes = 0
    for images, labels in dataset:
        low, high = float(tf.reduce_min(images)), float(tf.reduce_max(images))
        # Rounding errors of resizing or rotation may leave [0, 1] slightly.
        if images.dtype.is_floating and not (low > -1e-3 and high < 1 + 1e-3):
            raise ValueError(
                "`dataset` must hold images as floats in [0, 1], or uint8. "
                f"Received: {images.dtype.name} in [{low:g}, {high:g}]"
            )
        if int(tf.reduce_min(labels)) < 0:
            raise ValueError(
                "`dataset` must hold labels that are at least 0. "
                f"Received: a label of {int(tf.reduce_min(labels))}"
            )
        classes = max(classes, 1 + int(tf.reduce_max(labels)))
    if not classes:
        raise ValueError("`dataset` must hold at least one batch. Received: an empty one")
    return classes


def penultimate(classifier: keras.Model) -> keras.Model:
    """Returns a feature extractor: a classifier without its last layer.

    Args:
        classifier: A built Keras model of layers, such as `train_classifier` returns.

    Returns:
        A Keras model that maps images, floats in [0, 1], to features `(batch, features)`. It shares
        its layers with the classifier.
    """
    if not getattr(classifier, "built", False) or not getattr(classifier, "layers", None):
        raise ValueError(
            "`classifier` must be a Keras model of layers, and must be built. "
            f"Received: classifier={classifier!r:.50}"
        )
    return keras.Model(classifier.inputs, classifier.layers[-1].input, name="features")
