"""Multi-layer perceptrons for data of any shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import layers

from keras_genzoo.core.validation import check_sizes
from keras_genzoo.layers.activation import LeakyReLU
from keras_genzoo.layers.discrimination import MinibatchStandardDeviation, SpectralNormalization
from keras_genzoo.networks.conditioning import (
    append_labels,
    build_model,
    label_input,
    output_scores,
)


def is_image(data_shape: Sequence[int]) -> bool:
    """Returns True for `(height, width, channels)`, the shape of images."""
    return len(data_shape) == 3


def _flat_input(data_shape, packing=1):
    """Returns an input for data, and the data as vectors; images are rescaled to [-1, 1]."""
    *sizes, channels = data_shape
    data = keras.Input((*sizes, packing * channels), name="data")
    if not is_image(data_shape):
        return data, data
    return data, layers.Flatten()(layers.Rescaling(2.0, -1.0)(data))


def _hidden(x, hidden_units):
    check_sizes(hidden_units=hidden_units)
    for width in hidden_units:
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
    """Builds a multi-layer perceptron that maps data to vectors.

    Args:
        data_shape: `(height, width, channels)` or `(features,)`.
        output_dim: The length of the output vectors.
        hidden_units: The sizes of the hidden layers, from the input to the output.
        num_classes: The number of classes if the network takes labels too.
        output_activation: The activation of the output.

    Returns:
        A model that maps `(batch, *data_shape)` to `(batch, output_dim)`.
    """
    data, x = _flat_input(data_shape)
    labels = None
    if num_classes is not None:
        labels = label_input()
        x = append_labels(x, labels, num_classes)
    x = _hidden(x, hidden_units)
    outputs = layers.Dense(output_dim, activation=output_activation)(x)
    return build_model(data, labels, outputs, "encoder")


def dense_decoder(
    data_shape: Sequence[int],
    latent_dim: int,
    *,
    hidden_units: Sequence[int] = (256, 512),
    num_classes: int | None = None,
    output_activation: str | None = None,
) -> keras.Model:
    """Builds a multi-layer perceptron that maps latent vectors to data, or a generator.

    Args:
        data_shape: `(height, width, channels)` or `(features,)`.
        latent_dim: The length of the latent vectors.
        hidden_units: The sizes of the hidden layers, from the input to the output.
        num_classes: The number of classes if the network takes labels too.
        output_activation: The activation of the output, for example `"sigmoid"` for images.

    Returns:
        A model that maps `(batch, latent_dim)` to float32 `(batch, *data_shape)`.
    """
    latents = keras.Input((latent_dim,), name="latents")
    x, labels = latents, None
    if num_classes is not None:
        labels = label_input()
        x = append_labels(x, labels, num_classes)
    x = _hidden(x, hidden_units)
    x = layers.Dense(math.prod(data_shape), activation=output_activation, dtype="float32")(x)
    outputs = layers.Reshape(data_shape, dtype="float32")(x)
    return build_model(latents, labels, outputs, "decoder")


def dense_discriminator(
    data_shape: Sequence[int],
    *,
    hidden_units: Sequence[int] = (512, 256),
    num_classes: int | None = None,
    packing: int = 1,
    spectral_normalization: bool = False,
    minibatch_stddev: int | None = None,
) -> keras.Model:
    """Builds a multi-layer perceptron that maps data to scores, without an output activation.

    Args:
        data_shape: `(height, width, channels)` or `(features,)`.
        hidden_units: The sizes of the hidden layers, from the input to the output.
        num_classes: The number of classes if the network takes labels too.
        packing: The number of examples that it scores together. They lie side by side in the last
            axis, and labels are `(batch, packing)`, as `GAN(packing=...)` passes them.
        spectral_normalization: If true, every layer with weights has spectral normalization.
        minibatch_stddev: The group size of a `MinibatchStandardDeviation` before the last hidden
            layer, or None for no such layer.

    Returns:
        A model that maps data to scores `(batch, 1)`.
    """
    data, x = _flat_input(data_shape, packing)
    labels = None if num_classes is None else label_input(packing)
    wrap = SpectralNormalization if spectral_normalization else lambda layer: layer
    check_sizes(hidden_units=hidden_units)
    for i, width in enumerate(hidden_units):
        if minibatch_stddev is not None and i == len(hidden_units) - 1:
            x = MinibatchStandardDeviation(minibatch_stddev)(x)
        x = LeakyReLU(0.2)(wrap(layers.Dense(width, kernel_initializer="he_normal"))(x))
    return build_model(data, labels, output_scores(x, labels, num_classes, wrap), "discriminator")
