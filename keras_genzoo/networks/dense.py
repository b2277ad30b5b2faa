"""Multi-layer perceptrons, for data of any shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import layers

from keras_genzoo.layers.discrimination import MinibatchStandardDeviation, SpectralNormalization
from keras_genzoo.networks.conditioning import append_labels, label_input, model, scores


def is_image(data_shape: Sequence[int]) -> bool:
    """Whether the shape is (height, width, channels), and the data so in [0, 1]."""
    return len(data_shape) == 3


def _flat_input(data_shape, packing=1):
    """The input, and it as vectors centred for the network: images go from [0, 1] to [-1, 1]."""
    *sizes, channels = data_shape
    data = keras.Input((*sizes, packing * channels), name="data")
    if not is_image(data_shape):
        return data, data
    return data, layers.Flatten()(layers.Rescaling(2.0, -1.0)(data))


def _hidden(x, units):
    for width in units:
        x = layers.ReLU()(layers.Dense(width, kernel_initializer="he_normal")(x))
    return x


def dense_encoder(
    data_shape: Sequence[int],
    output_dim: int,
    *,
    hidden_units: Sequence[int] = (512, 256),
    num_classes: int | None = None,
    output_activation: str | None = None,
) -> keras.Model:
    """Maps data (and labels) to vectors (batch, output_dim)."""
    data, x = _flat_input(data_shape)
    labels = None
    if num_classes is not None:
        labels = label_input()
        x = append_labels(x, labels, num_classes)
    x = _hidden(x, hidden_units)
    outputs = layers.Dense(output_dim, activation=output_activation)(x)
    return model(data, labels, outputs, "encoder")


def dense_decoder(
    data_shape: Sequence[int],
    latent_dim: int,
    *,
    hidden_units: Sequence[int] = (256, 512),
    num_classes: int | None = None,
    output_activation: str | None = None,
) -> keras.Model:
    """Maps latents (batch, latent_dim) (and labels) to data; also an MLP generator."""
    latents = keras.Input((latent_dim,), name="latents")
    x, labels = latents, None
    if num_classes is not None:
        labels = label_input()
        x = append_labels(x, labels, num_classes)
    x = _hidden(x, hidden_units)
    x = layers.Dense(math.prod(data_shape), activation=output_activation, dtype="float32")(x)
    outputs = layers.Reshape(data_shape, dtype="float32")(x)
    return model(latents, labels, outputs, "decoder")


def dense_discriminator(
    data_shape: Sequence[int],
    *,
    hidden_units: Sequence[int] = (512, 256),
    num_classes: int | None = None,
    packing: int = 1,
    spectral_normalization: bool = False,
    minibatch_stddev: int | None = None,
) -> keras.Model:
    """Maps data (and labels) to scores (batch, 1), without an output activation.

    `packing`: judges so many examples at once, as `GAN(packing=...)` shows them.
    `spectral_normalization`: of every layer with weights. `minibatch_stddev`: the group size of a
    `MinibatchStandardDeviation` before the last hidden layer.
    """
    data, x = _flat_input(data_shape, packing)
    labels = None if num_classes is None else label_input(packing)
    wrap = SpectralNormalization if spectral_normalization else lambda layer: layer
    for i, width in enumerate(hidden_units):
        if minibatch_stddev is not None and i == len(hidden_units) - 1:
            x = MinibatchStandardDeviation(minibatch_stddev)(x)
        x = layers.LeakyReLU(0.2)(wrap(layers.Dense(width, kernel_initializer="he_normal"))(x))
    return model(data, labels, scores(x, labels, num_classes, wrap), "discriminator")
