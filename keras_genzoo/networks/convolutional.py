"""Strided convolutional networks for images of any height, width and number of channels.

Each stage of an encoder or discriminator halves the height and width, and each stage of a decoder
or generator doubles them. A decoder starts from the smallest size that covers the image after all
doublings, and crops its output to the size of the image.

Reference: Radford, Metz & Chintala, Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks, ICLR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from keras_genzoo.core.validation import check_sizes
from keras_genzoo.layers.activation import LeakyReLU
from keras_genzoo.layers.batch_normalization import BatchNormalization
from keras_genzoo.layers.convolution import Conv2D, Conv2DTranspose
from keras_genzoo.layers.discrimination import MinibatchStandardDeviation, SpectralNormalization
from keras_genzoo.networks.conditioning import (
    append_labels,
    build_model,
    label_input,
    output_scores,
)

# A multiple of the stride avoids checkerboard artefacts (Odena, Dumoulin & Olah, Distill 2016).
KERNEL_SIZE = 4


def default_filters(
    image_shape: Sequence[int], base: int = 64, max_side: int = 7
) -> tuple[int, ...]:
    """Returns the number of filters of each stage, the stage next to the image first.

    There are as many stages as it takes to shrink the shorter side of the image to `max_side`
    pixels or fewer, but at least one. The number of filters doubles at each stage, up to
    `8 * base`.

    Args:
        image_shape: `(height, width, channels)`.
        base: The number of filters of the first stage.
        max_side: The largest shorter side after the last stage, in pixels.
    """
    side, stages = -(-min(image_shape[:2]) // 2), 1
    while side > max_side:
        side, stages = -(-side // 2), stages + 1
    return tuple(base * 2 ** min(i, 3) for i in range(stages))


def autoencoder_filters(image_shape: Sequence[int]) -> tuple[int, ...]:
    """Returns `default_filters` with the defaults of an autoencoder.

    The first stage has 32 filters, and the last one leaves 4 pixels or fewer.

    Args:
        image_shape: `(height, width, channels)`.
    """
    return default_filters(image_shape, base=32, max_side=4)


def _weight_options(dcgan: bool) -> dict:
    # Each layer needs a new initializer: a shared one would give all layers the same weights.
    initializer = keras.initializers.RandomNormal(stddev=0.02) if dcgan else "he_normal"
    return {"kernel_initializer": initializer}


def _normalize(x, dcgan: bool):
    gamma = keras.initializers.RandomNormal(1.0, 0.02) if dcgan else "ones"
    # The momentum is low because these networks change faster than classifiers. The statistics are
    # synchronized so that N replicas take the same step as one.
    return BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, synchronized=True
    )(x)


def _downsample(
    image,
    filters,
    activation,
    *,
    dcgan,
    normalization=True,
    wrap=lambda layer: layer,
    minibatch_stddev=None,
):
    """Maps images in [0, 1] to the flattened features of the last stage."""
    check_sizes(filters=filters)
    x = layers.Rescaling(2.0, -1.0)(image)
    for stage, width in enumerate(filters):
        # DCGAN has no batch normalization in the discriminator's first layer.
        normalized = normalization and not (dcgan and stage == 0)
        if minibatch_stddev is not None and stage == len(filters) - 1:
            x = MinibatchStandardDeviation(minibatch_stddev)(x)
        convolution = Conv2D(
            width, KERNEL_SIZE, 2, padding="same", use_bias=not normalized, **_weight_options(dcgan)
        )
        x = wrap(convolution)(x)
        if normalized:
            x = _normalize(x, dcgan)
        x = activation()(x)
    return layers.Flatten()(x)


def _upsample(x, image_shape, filters, *, dcgan):
    """Maps vectors to the output of the last stage, cropped to the size of the image."""
    height, width, channels = image_shape
    check_sizes(filters=filters)
    rows, columns = (-(-size // 2 ** len(filters)) for size in (height, width))
    x = layers.Dense(rows * columns * filters[-1], use_bias=False, **_weight_options(dcgan))(x)
    x = layers.Reshape((rows, columns, filters[-1]))(x)
    options = {"strides": 2, "padding": "same"}
    for stage_width in reversed(filters[:-1]):
        x = layers.ReLU()(_normalize(x, dcgan))
        x = Conv2DTranspose(
            stage_width, KERNEL_SIZE, use_bias=False, **options, **_weight_options(dcgan)
        )(x)
    x = layers.ReLU()(_normalize(x, dcgan))
    x = Conv2DTranspose(
        channels, KERNEL_SIZE, dtype="float32", **options, **_weight_options(dcgan)
    )(x)
    scale = 2 ** len(filters)
    excess = (rows * scale - height, columns * scale - width)
    if any(excess):
        crop = [(size // 2, size - size // 2) for size in excess]
        x = layers.Cropping2D(crop, dtype="float32")(x)
    return x


def convolutional_encoder(
    image_shape: Sequence[int],
    output_dim: int,
    *,
    filters: Sequence[int] | None = None,
    num_classes: int | None = None,
    output_activation: str | None = None,
) -> keras.Model:
    """Builds a convolutional network that maps images in [0, 1] to vectors.

    Args:
        image_shape: `(height, width, channels)`.
        output_dim: The length of the output vectors.
        filters: The number of filters of each stage, from the input to the output. By default
            `autoencoder_filters(image_shape)`.
        num_classes: The number of classes if the network takes labels too.
        output_activation: The activation of the output.

    Returns:
        A model that maps `(batch, *image_shape)` to `(batch, output_dim)`.
    """
    image = keras.Input(image_shape, name="data")
    x = _downsample(image, filters or autoencoder_filters(image_shape), layers.ReLU, dcgan=False)
    labels = None
    if num_classes is not None:
        labels = label_input()
        x = append_labels(x, labels, num_classes)
    outputs = layers.Dense(output_dim, activation=output_activation)(x)
    return build_model(image, labels, outputs, "encoder")


def convolutional_decoder(
    image_shape: Sequence[int],
    latent_dim: int,
    *,
    filters: Sequence[int] | None = None,
    num_classes: int | None = None,
    output_activation: str | None = None,
) -> keras.Model:
    """Builds a convolutional network that maps latent vectors to images.

    Args:
        image_shape: `(height, width, channels)`.
        latent_dim: The length of the latent vectors.
        filters: The number of filters of each stage, in the order of an encoder, with the stage
            next to the image first. By default `autoencoder_filters(image_shape)`.
        num_classes: The number of classes if the network takes labels too.
        output_activation: The activation of the output, for example `"sigmoid"`.

    Returns:
        A model that maps `(batch, latent_dim)` to float32 `(batch, *image_shape)`.
    """
    latents = keras.Input((latent_dim,), name="latents")
    x, labels = latents, None
    if num_classes is not None:
        labels = label_input()
        x = append_labels(x, labels, num_classes)
    x = _upsample(x, image_shape, filters or autoencoder_filters(image_shape), dcgan=False)
    outputs = layers.Activation(output_activation, dtype="float32")(x)
    return build_model(latents, labels, outputs, "decoder")


def dcgan_generator(
    image_shape: Sequence[int],
    latent_dim: int,
    *,
    filters: Sequence[int] | None = None,
    num_classes: int | None = None,
) -> keras.Model:
    """Builds the generator of DCGAN, which maps latent vectors to images in [0, 1].

    The final tanh is rescaled to [0, 1].

    Args:
        image_shape: `(height, width, channels)`.
        latent_dim: The length of the latent vectors.
        filters: The number of filters of each stage, in the order of a discriminator, with the
            stage next to the image first. By default `default_filters(image_shape)`.
        num_classes: The number of classes if the network takes labels too.

    Returns:
        A model that maps `(batch, latent_dim)` to float32 `(batch, *image_shape)`.
    """
    latents = keras.Input((latent_dim,), name="latents")
    x, labels = latents, None
    if num_classes is not None:
        labels = label_input()
        x = append_labels(x, labels, num_classes)
    x = _upsample(x, image_shape, filters or default_filters(image_shape), dcgan=True)
    x = layers.Activation("tanh", dtype="float32")(x)
    outputs = layers.Rescaling(0.5, 0.5, dtype="float32")(x)
    return build_model(latents, labels, outputs, "generator")


def dcgan_discriminator(
    image_shape: Sequence[int],
    *,
    filters: Sequence[int] | None = None,
    num_classes: int | None = None,
    normalization: bool = True,
    packing: int = 1,
    spectral_normalization: bool = False,
    minibatch_stddev: int | None = None,
) -> keras.Model:
    """Builds the discriminator of DCGAN, which maps images in [0, 1] to scores.

    Args:
        image_shape: `(height, width, channels)`.
        filters: The number of filters of each stage, from the input to the output. By default
            `default_filters(image_shape)`.
        num_classes: The number of classes if the network takes labels too.
        normalization: If true, all stages but the first use BatchNormalization. Pass False with a
            gradient penalty, which needs scores that do not depend on the rest of the batch.
        packing: The number of images that it scores together. They lie side by side in the
            channels, and labels are `(batch, packing)`, as `GAN(packing=...)` passes them.
        spectral_normalization: If true, every layer with weights has spectral normalization instead
            of BatchNormalization.
        minibatch_stddev: The group size of a `MinibatchStandardDeviation` before the last stage, or
            None for no such layer.

    Returns:
        A model that maps `(batch, height, width, packing * channels)` to scores `(batch, 1)`.
    """
    height, width, channels = image_shape
    image = keras.Input((height, width, packing * channels), name="data")
    wrap = SpectralNormalization if spectral_normalization else lambda layer: layer
    x = _downsample(
        image,
        filters or default_filters(image_shape),
        lambda: LeakyReLU(0.2),
        dcgan=True,
        normalization=normalization and not spectral_normalization,
        wrap=wrap,
        minibatch_stddev=minibatch_stddev,
    )
    labels = None if num_classes is None else label_input(packing)
    return build_model(image, labels, output_scores(x, labels, num_classes, wrap), "discriminator")
