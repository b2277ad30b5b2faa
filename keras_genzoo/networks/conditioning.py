"""How class labels enter a network. Labels are integers, shape (batch,)."""

from __future__ import annotations

from collections.abc import Callable

import keras


def label_input(packing: int = 1) -> keras.KerasTensor:
    """The symbolic input of the labels; of packs `(batch, packing)`."""
    return keras.Input(() if packing == 1 else (packing,), dtype="int32", name="labels")


def append_labels(features, labels, num_classes: int):
    """Features with the labels' one-hot codes behind them (Mirza & Osindero, 2014)."""
    return keras.layers.Concatenate()([features, _one_hot(labels, num_classes)])


def _one_hot(labels, num_classes):
    return keras.layers.Embedding(
        num_classes, num_classes, embeddings_initializer="identity", trainable=False
    )(labels)


def scores(features, labels, num_classes: int | None, wrap: Callable = lambda layer: layer):
    """Scores (batch, 1) of features (batch, n); with labels by projection.

    The projection adds the inner product of the features with a learned vector of the class
    (Miyato & Koyama, cGANs with Projection Discriminator, ICLR 2018); in a pack each place has
    vectors of its own. `wrap` is applied to each layer with weights.
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


def model(inputs, labels, outputs, name: str) -> keras.Model:
    """A network of `inputs`, or of `[inputs, labels]` where there are labels."""
    return keras.Model(inputs if labels is None else [inputs, labels], outputs, name=name)
