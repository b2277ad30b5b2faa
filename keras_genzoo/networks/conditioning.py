"""How class labels enter a network. Labels are integers, shape (batch,)."""

from __future__ import annotations

import keras


def label_input() -> keras.KerasTensor:
    """The symbolic input of the labels."""
    return keras.Input((), dtype="int32", name="labels")


def append_labels(features, labels, num_classes: int):
    """Features with the labels' one-hot codes behind them (Mirza & Osindero, 2014)."""
    one_hot = keras.layers.Embedding(
        num_classes, num_classes, embeddings_initializer="identity", trainable=False
    )(labels)
    return keras.layers.Concatenate()([features, one_hot])


def scores(features, labels, num_classes: int | None, initializer: str = "glorot_uniform"):
    """Scores (batch, 1) of features (batch, n); with labels by projection.

    The projection adds the inner product of the features with a learned vector of the class
    (Miyato & Koyama, cGANs with Projection Discriminator, ICLR 2018).
    """
    total = keras.layers.Dense(1, kernel_initializer=initializer, dtype="float32")(features)
    if num_classes is not None:
        embedding = keras.layers.Embedding(
            num_classes, features.shape[-1], embeddings_initializer=initializer
        )(labels)
        projection = keras.layers.Dot(axes=-1, dtype="float32")([features, embedding])
        total = keras.layers.Add(dtype="float32")([total, projection])
    return total


def model(inputs, labels, outputs, name: str) -> keras.Model:
    """A network of `inputs`, or of `[inputs, labels]` where there are labels."""
    return keras.Model(inputs if labels is None else [inputs, labels], outputs, name=name)
