"""Strided convolutional networks for images of any height, width and number of channels.

Each stage halves (or doubles) height and width. A decoder starts from the size that, doubled at
each stage, just covers the image, and crops what is over.

Reference: Radford, Metz & Chintala, Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks, ICLR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from keras_genzoo.layers.discrimination import MinibatchStandardDeviation, SpectralNormalization
from keras_genzoo.networks.conditioning import append_labels, label_input, model, scores

KERNEL = 4  # a multiple of the stride: no checkerboards (Odena, Dumoulin & Olah, Distill 2016)


def default_filters(image_shape: Sequence[int], base: int = 64, until: int = 7) -> tuple[int, ...]:
    """`base` filters, doubled a stage up to 8 × base, until the shorter side is at most `until`."""
    side, stages = -(-min(image_shape[:2]) // 2), 1
    while side > until:
        side, stages = -(-side // 2), stages + 1
    return tuple(base * 2 ** min(i, 3) for i in range(stages))


def autoencoder_filters(image_shape: Sequence[int]) -> tuple[int, ...]:
    """The default filters of an autoencoder: 32, doubled a stage, down to 4 pixels or fewer."""
    return default_filters(image_shape, base=32, until=4)


def _weights(dcgan: bool) -> dict:
    # One initializer a layer: a shared one would give all layers the same numbers.
    initializer = keras.initializers.RandomNormal(stddev=0.02) if dcgan else "he_normal"
    return {"kernel_initializer": initializer}


def _normalize(x, dcgan: bool):
    gamma = keras.initializers.RandomNormal(1.0, 0.02) if dcgan else "ones"
    # Short averages: the networks change faster than those of a classifier. Synchronized: N
    # replicas are to take the step of one.
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, synchronized=True
    )(x)


def _contract(
    image,
    filters,
    activation,
    *,
    dcgan,
    normalization=True,
    wrap=lambda layer: layer,
    minibatch_stddev=None,
):
    """From images in [0, 1] to the flattened features of the last stage."""
    x = layers.Rescaling(2.0, -1.0)(image)
    for stage, width in enumerate(filters):
        # DCGAN: "not at the discriminator's input layer".
        normalized = normalization and not (dcgan and stage == 0)
        if minibatch_stddev is not None and stage == len(filters) - 1:
            x = MinibatchStandardDeviation(minibatch_stddev)(x)
        convolution = layers.Conv2D(
            width, KERNEL, 2, padding="same", use_bias=not normalized, **_weights(dcgan)
        )
        x = wrap(convolution)(x)
        if normalized:
            x = _normalize(x, dcgan)
        x = activation()(x)
    return layers.Flatten()(x)


def _expand(x, image_shape, filters, *, dcgan):
    """From vectors to the last stage's output, cropped to the image's size."""
    height, width, channels = image_shape
    rows, columns = (-(-size // 2 ** len(filters)) for size in (height, width))
    x = layers.Dense(rows * columns * filters[-1], use_bias=False, **_weights(dcgan))(x)
    x = layers.Reshape((rows, columns, filters[-1]))(x)
    options = {"strides": 2, "padding": "same"}
    for stage_width in reversed(filters[:-1]):
        x = layers.ReLU()(_normalize(x, dcgan))
        x = layers.Conv2DTranspose(
            stage_width, KERNEL, use_bias=False, **options, **_weights(dcgan)
        )(x)
    x = layers.ReLU()(_normalize(x, dcgan))
    x = layers.Conv2DTranspose(channels, KERNEL, dtype="float32", **options, **_weights(dcgan))(x)
    over = [
        size * 2 ** len(filters) - wanted for size, wanted in ((rows, height), (columns, width))
    ]
    if any(over):
        crop = [(excess // 2, excess - excess // 2) for excess in over]
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
    """Maps images in [0, 1] (and labels) to vectors (batch, output_dim)."""
    image = keras.Input(image_shape, name="data")
    x = _contract(image, filters or autoencoder_filters(image_shape), layers.ReLU, dcgan=False)
    labels = None
    if num_classes is not None:
        labels = label_input()
        x = append_labels(x, labels, num_classes)
    outputs = layers.Dense(output_dim, activation=output_activation)(x)
    return model(image, labels, outputs, "encoder")


def convolutional_decoder(
    image_shape: Sequence[int],
    latent_dim: int,
    *,
    filters: Sequence[int] | None = None,
    num_classes: int | None = None,
    output_activation: str | None = None,
) -> keras.Model:
    """Maps latents (batch, latent_dim) (and labels) to images of `image_shape`."""
    latents = keras.Input((latent_dim,), name="latents")
    x, labels = latents, None
    if num_classes is not None:
        labels = label_input()
        x = append_labels(x, labels, num_classes)
    x = _expand(x, image_shape, filters or autoencoder_filters(image_shape), dcgan=False)
    outputs = layers.Activation(output_activation, dtype="float32")(x)
    return model(latents, labels, outputs, "decoder")


def dcgan_generator(
    image_shape: Sequence[int],
    latent_dim: int,
    *,
    filters: Sequence[int] | None = None,
    num_classes: int | None = None,
) -> keras.Model:
    """The DCGAN generator: latents (batch, latent_dim) (and labels) to images in [0, 1].

    Its last tanh is rescaled. `filters` are given as the discriminator has them, image side first.
    """
    latents = keras.Input((latent_dim,), name="latents")
    x, labels = latents, None
    if num_classes is not None:
        labels = label_input()
        x = append_labels(x, labels, num_classes)
    x = _expand(x, image_shape, filters or default_filters(image_shape), dcgan=True)
    x = layers.Activation("tanh", dtype="float32")(x)
    outputs = layers.Rescaling(0.5, 0.5, dtype="float32")(x)
    return model(latents, labels, outputs, "generator")


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
    """The DCGAN discriminator: images in [0, 1] (and labels) to scores (batch, 1).

    `normalization=False` leaves BatchNormalization out, as a gradient penalty asks for.
    `packing`: judges so many images at once, as `GAN(packing=...)` shows them.
    `spectral_normalization`: of every layer with weights, in place of BatchNormalization.
    `minibatch_stddev`: the group size of a `MinibatchStandardDeviation` before the last stage.
    """
    height, width, channels = image_shape
    image = keras.Input((height, width, packing * channels), name="data")
    wrap = SpectralNormalization if spectral_normalization else lambda layer: layer
    x = _contract(
        image,
        filters or default_filters(image_shape),
        lambda: layers.LeakyReLU(0.2),
        dcgan=True,
        normalization=normalization and not spectral_normalization,
        wrap=wrap,
        minibatch_stddev=minibatch_stddev,
    )
    labels = None if num_classes is None else label_input(packing)
    return model(image, labels, scores(x, labels, num_classes, wrap), "discriminator")
