"""Functions that add class labels to a network. Labels are integers `(batch,)`."""

from __future__ import annotations

from collections.abc import Callable

import keras


def label_input(packing: int = 1) -> keras.KerasTensor:
    """Returns the input for the labels, `(batch,)`, or `(batch, packing)` for packs of examples."""
    return keras.Input(() if packing == 1 else (packing,), dtype="int32", name="labels")


def append_labels(features, labels, num_classes: int):
    """Appends one-hot labels to features `(batch, n)` (Mirza & Osindero, 2014)."""
    return keras.layers.Concatenate()([features, _one_hot(labels, num_classes)])


def _one_hot(labels, num_classes):
    return keras.layers.Embedding(
        num_classes, num_classes, embeddings_initializer="identity", trainable=False
    )(labels)


def output_scores(features, labels, num_classes: int | None, wrap: Callable = lambda layer: layer):
    """Returns a discriminator's scores `(batch, 1)`, computed from its features.

    With labels, the score also contains the inner product of the features and a learned vector of
    the class (Miyato & Koyama, cGANs with Projection Discriminator, ICLR 2018). In a pack of
    examples, each position has separate vectors.

    Args:
        features: The discriminator's features, `(batch, n)`.
        labels: `(batch,)`, or `(batch, packing)` for packs. Not used if `num_classes` is None.
        num_classes: The number of classes, or None for a discriminator without labels.
        wrap: A function that is applied to each layer with weights, for example
            `SpectralNormalization`.
    """
    total = wrap(keras.layers.Dense(1, dtype="float32"))(features)
    if num_classes is not None:
        width = features.shape[-1]
        if len(labels.shape) == 1:
            embedding = wrap(
                keras.layers.Embedding(num_classes, width, embeddings_initializer="glorot_uniform")
            )(labels)
        else:
            codes = keras.layers.Flatten()(_one_hot(labels, num_classes))
            embedding = wrap(keras.layers.Dense(width, use_bias=False))(codes)
        projection = keras.layers.Dot(axes=-1, dtype="float32")([features, embedding])
        total = keras.layers.Add(dtype="float32")([total, projection])
    return total


def build_model(inputs, labels, outputs, name: str) -> keras.Model:
    """Returns a model that takes `inputs`, or `[inputs, labels]` unless `labels` is None."""
    return keras.Model(inputs if labels is None else [inputs, labels], outputs, name=name)
