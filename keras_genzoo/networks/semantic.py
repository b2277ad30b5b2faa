"""Networks that turn label maps into images, and a discriminator of several scales.

References: Park et al., Semantic Image Synthesis with Spatially-Adaptive Normalization, CVPR 2019
(generator); Wang et al., High-Resolution Image Synthesis and Semantic Manipulation with Conditional
GANs, CVPR 2018 (discriminator).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from keras_genzoo.core.validation import check_positive_int, check_sizes
from keras_genzoo.layers.activation import LeakyReLU
from keras_genzoo.layers.discrimination import SpectralNormalization
from keras_genzoo.layers.sizes import CropLike, PadToMultiple
from keras_genzoo.layers.spade import SPADE
from keras_genzoo.networks.translation import patch_discriminator


def spade_filters(image_shape: Sequence[int]) -> tuple[int, ...]:
    """Returns the filters of each block of `spade_generator`, from the coarsest to the finest.

    The first blocks work on images of 8 pixels or fewer. From 256 pixels on these are the paper's
    filters but for one more block of 1024, and fewer below.

    Args:
        image_shape: `(height, width, channels)`.
    """
    side = min(image_shape[:2])
    if side >= 256:
        return (1024, 1024, 512, 256, 128, 64)
    if side >= 128:
        return (512, 256, 128, 64, 32)
    return (128, 64, 32, 16)[-max(1, min(4, side.bit_length() - 2)) :]


def spade_generator(
    label_shape: Sequence[int],
    channels: int,
    latent_dim: int | None = None,
    *,
    filters: Sequence[int] | None = None,
    hidden_filters: int | None = None,
    normalization: str = "batch",
    spectral_normalization: bool = True,
    modulation_initializer="zeros",
) -> keras.Model:
    """Builds the generator of GauGAN, which maps label maps to images in [0, 1].

    Residual blocks, whose `SPADE` layers see the label map at each size, alternate with a doubling
    of the size. The first block sees features of the label map, reduced to its size by the nearest
    neighbour, plus those of the noise.

    Args:
        label_shape: `(height, width, classes)` of the label maps to train on, which chooses the
            default `filters`. The network takes any height and width.
        channels: The number of channels of the images.
        latent_dim: The length of the noise vectors that the network also takes, if any.
        filters: The number of filters of each block, from the coarsest to the finest. By default
            `spade_filters(label_shape)`.
        hidden_filters: The number of filters that γ and β share in each `SPADE` layer: by default
            the paper's 128, and 32 for images below 128 pixels.
        normalization: `"batch"`, whose statistics at inference are those of training, or
            `"instance"`.
        spectral_normalization: Whether the convolutions of the blocks have spectral normalization.
        modulation_initializer: The initializer of the kernels of γ and β; see `SPADE`.

    Returns:
        A model that maps `(batch, height, width, classes)`, or `[label_maps, latents]`, to float32
        `(batch, height, width, channels)`.

    Differs from the paper: the noise adds to the features of the label map and is the same in every
    pixel, so that the network takes any size.
    """
    filters = tuple(filters or spade_filters(label_shape))
    check_sizes(filters=filters)
    hidden = hidden_filters or (128 if min(label_shape[:2]) >= 128 else 32)
    spade = {
        "hidden_filters": hidden,
        "normalization": normalization,
        "modulation_initializer": modulation_initializer,
    }
    reduction = 2 ** (len(filters) - 1)
    inputs = label_map = keras.Input((None, None, label_shape[-1]), name="label_map")
    padded = PadToMultiple(reduction)(label_map)
    # The pixel in the middle of each square, as `SPADE` takes it.
    x = layers.Cropping2D(((reduction // 2, 0), (reduction // 2, 0)))(padded)
    x = layers.MaxPooling2D(1, strides=reduction)(x)
    x = layers.Conv2D(filters[0], 3, padding="same")(x)
    if latent_dim is not None:
        latents = keras.Input((latent_dim,), name="latents")
        x = layers.Add()([x, layers.Reshape((1, 1, -1))(layers.Dense(filters[0])(latents))])
        inputs = [label_map, latents]
    for block, width in enumerate(filters):
        if block:
            x = layers.UpSampling2D(2)(x)
        x = _residual_block(x, padded, width, spade, spectral_normalization)
    x = layers.Conv2D(channels, 3, padding="same", dtype="float32")(LeakyReLU(0.2)(x))
    x = CropLike(dtype="float32")([x, label_map])
    return keras.Model(inputs, layers.Activation("sigmoid", dtype="float32")(x), name="generator")


def _residual_block(x, label_map, filters, spade, spectral_normalization):
    """Applies two convolutions, each after SPADE, and adds them to the input."""
    wrap = SpectralNormalization if spectral_normalization else (lambda layer: layer)
    width = x.shape[-1]
    y = x
    # Normalization would remove a bias.
    for size in (min(width, filters), filters):
        y = LeakyReLU(0.2)(SPADE(**spade)([y, label_map]))
        y = wrap(layers.Conv2D(size, 3, padding="same", use_bias=False))(y)
    if width != filters:
        x = SPADE(**spade)([x, label_map])
        x = wrap(layers.Conv2D(filters, 1, use_bias=False))(x)
    return layers.Add()([x, y])


def multiscale_discriminator(
    image_shape: Sequence[int],
    condition_channels: int | None = None,
    *,
    scales: int | None = None,
    filters: Sequence[int] | None = None,
    normalization: str | None = None,
    spectral_normalization: bool = True,
) -> keras.Model:
    """Builds several PatchGANs, each of which sees the image at half of the size of the last.

    Args:
        image_shape: `(height, width, channels)`.
        condition_channels: The number of channels of the image that the other one belongs to, if
            the discriminator sees both.
        scales: The number of PatchGANs: by default the paper's 2, and 1 below 16 pixels.
        filters: The number of filters of each stage of a `patch_discriminator`: by default its own
            from 128 pixels on, and half of them below.
        normalization: That of `patch_discriminator` without spectral normalization.
        spectral_normalization: Whether every layer has spectral normalization instead.

    Returns:
        A model that maps images, or `[condition, images]`, to a list for each scale: the features
        of each stage, and last the scores `(batch, rows, columns, 1)`.

    Differs from the paper's code: with spectral normalization there is no instance normalization.
    """
    side = min(image_shape[:2])
    scales = (2 if side >= 16 else 1) if scales is None else check_positive_int(scales, "scales")
    if filters is None and side < 128:
        filters = (32, 64, 128) if side >= 64 else (32, 64)
    image = keras.Input((None, None, image_shape[-1]), name="data")
    inputs, seen = image, [image]
    if condition_channels is not None:
        condition = keras.Input((None, None, condition_channels), name="condition")
        inputs = seen = [condition, image]
    outputs = []
    for scale in range(scales):
        if scale:
            seen = [layers.AveragePooling2D(3, 2, padding="same")(x) for x in seen]
        patches = patch_discriminator(
            image_shape,
            condition_channels,
            filters=filters,
            normalization=normalization,
            spectral_normalization=spectral_normalization,
        )
        stages = [layer.output for layer in patches.layers if isinstance(layer, LeakyReLU)]
        network = keras.Model(patches.inputs, [*stages, patches.output], name=f"scale_{scale}")
        outputs.append(network(seen if len(seen) > 1 else seen[0]))
    return keras.Model(inputs, outputs, name="discriminator")
