"""Networks that turn images into images, and discriminators that score patches of them.

The generators take images of any size: they pad them to a multiple of what they halve, and crop the
result. All images lie in [0, 1].

References: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR
2017 (U-Net, PatchGAN); Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks, ICCV 2017 (ResNet).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import keras
from keras import layers

from keras_genzoo.core.validation import check_positive_int, check_sizes
from keras_genzoo.layers.activation import LeakyReLU
from keras_genzoo.layers.batch_normalization import BatchNormalization
from keras_genzoo.layers.convolution import Conv2D, Conv2DTranspose
from keras_genzoo.layers.discrimination import SpectralNormalization
from keras_genzoo.layers.dropout import Dropout
from keras_genzoo.layers.sizes import CropLike, PadToMultiple, ReflectionPadding2D

NORMALIZATIONS = ("batch", "instance", None)
UPSAMPLINGS = ("transposed", "nearest")
MAX_STAGES = 8


def unet_filters(image_shape: Sequence[int]) -> tuple[int, ...]:
    """Returns the filters of each stage of `unet_generator`, from the input to the innermost.

    Each stage halves the image. There are as many as shrink the shorter side to 1 or 2 pixels, but
    at most eight, which is the paper's network for 256 pixels. Images below 128 pixels get half of
    the paper's filters.

    Args:
        image_shape: `(height, width, channels)`.
    """
    side = min(image_shape[:2])
    base = 64 if side >= 128 else 32
    stages = math.ceil(math.log2(side)) - (0 if side > 128 else 1)
    return tuple(base * 2 ** min(i, 3) for i in range(min(max(stages, 1), MAX_STAGES)))


def unet_generator(
    source_shape: Sequence[int],
    target_channels: int,
    *,
    filters: Sequence[int] | None = None,
    normalization: str | None = "batch",
    dropout: float = 0.5,
    latent_dim: int | None = None,
    upsampling: str = "transposed",
) -> keras.Model:
    """Builds the U-Net of pix2pix, which maps images in [0, 1] to images in [0, 1].

    Each stage of the encoder is joined to the stage of the decoder of the same size. Dropout, in
    up to three of the decoder's innermost stages, is active in training only.

    Args:
        source_shape: `(height, width, channels)` of the images to train on, which chooses the
            default `filters`. The network takes any height and width.
        target_channels: The number of channels of the result.
        filters: The number of filters of each stage, from the input to the innermost. By default
            `unet_filters(source_shape)`.
        normalization: `"batch"`, whose statistics at inference are those of training, so that the
            result of one image depends on no other; `"instance"`, which normalizes each image by
            itself, for batches of one or two; or `None`.
        dropout: The rate of dropout, in [0, 1).
        latent_dim: The length of the noise vectors that the network also takes, if any.
        upsampling: `"transposed"`, the paper's transposed convolutions, or `"nearest"`, which
            repeats pixels before a convolution of 3 by 3: slower, without a grid of 2 by 2 pixels.

    Returns:
        A model that maps `(batch, height, width, channels)`, or `[images, latents]`, to float32
        `(batch, height, width, target_channels)`.
    """
    filters = tuple(filters or unet_filters(source_shape))
    check_sizes(filters=filters)
    if upsampling not in UPSAMPLINGS:
        raise ValueError(
            f"`upsampling` must be one of {list(UPSAMPLINGS)}. Received: upsampling={upsampling!r}"
        )
    source = keras.Input((None, None, source_shape[-1]), name="source")
    x = layers.Rescaling(2.0, -1.0)(PadToMultiple(2 ** len(filters))(source))
    skips = []
    for stage, width in enumerate(filters):
        if stage:
            skips.append(x)
            x = LeakyReLU(0.2)(x)
        # Neither the first nor the innermost stage is normalized: there may be one number left.
        inner = stage == len(filters) - 1
        x = _convolve(x, width, normalization if stage and not inner else None)
    latents = None
    if latent_dim is not None:
        latents = keras.Input((latent_dim,), name="latents")
        x = layers.Add()([x, layers.Reshape((1, 1, -1))(layers.Dense(filters[-1])(latents))])
    for stage, skip in enumerate(reversed(skips)):
        x = _enlarge(layers.ReLU()(x), filters[-2 - stage], normalization, upsampling)
        if stage < min(3, len(filters) - 2):
            x = Dropout(dropout)(x)
        x = layers.Concatenate()([x, skip])
    x = _enlarge(layers.ReLU()(x), target_channels, None, upsampling, dtype="float32")
    x = CropLike(dtype="float32")([x, source])
    inputs = source if latents is None else [source, latents]
    return keras.Model(inputs, _to_unit_range(x), name="generator")


def resnet_generator(
    source_shape: Sequence[int],
    target_channels: int,
    *,
    filters: int | None = None,
    blocks: int | None = None,
    normalization: str | None = "instance",
) -> keras.Model:
    """Builds the residual network of CycleGAN, which maps images in [0, 1] to images in [0, 1].

    Two stages halve the image, residual blocks change it, and two stages double it again.

    Args:
        source_shape: `(height, width, channels)` of the images to train on, which chooses the
            defaults. The network takes any height and width from 5 pixels on.
        target_channels: The number of channels of the result.
        filters: The number of filters next to the image; four times as many in the blocks. By
            default the paper's 64, and 32 for images below 128 pixels.
        blocks: The number of residual blocks: by default the paper's 9 from 256 pixels on and 6
            below, and 3 below 64 pixels.
        normalization: `"instance"`, `"batch"` or `None`.

    Returns:
        A model that maps `(batch, height, width, channels)` to float32 `(batch, height, width,
        target_channels)`.

    Differs from the paper: the transposed convolutions have kernels of 4 pixels, a multiple of
    their stride, which leaves no checkerboard.
    """
    side = min(source_shape[:2])
    filters = (64 if side >= 128 else 32) if filters is None else filters
    blocks = (9 if side >= 256 else 6 if side >= 64 else 3) if blocks is None else blocks
    check_positive_int(filters, "filters")
    check_positive_int(blocks, "blocks")
    source = keras.Input((None, None, source_shape[-1]), name="source")
    x = layers.Rescaling(2.0, -1.0)(PadToMultiple(4)(source))
    x = _stride_one(x, filters, 7, normalization)
    for width in (2 * filters, 4 * filters):
        x = _convolve(layers.ReLU()(x), width, normalization, kernel_size=3)
    x = layers.ReLU()(x)
    for _ in range(blocks):
        y = _stride_one(x, 4 * filters, 3, normalization)
        y = _stride_one(layers.ReLU()(y), 4 * filters, 3, normalization)
        x = layers.Add()([x, y])
    for width in (2 * filters, filters):
        x = layers.ReLU()(_convolve(x, width, normalization, transposed=True))
    x = _stride_one(x, target_channels, 7, None, dtype="float32")
    x = CropLike(dtype="float32")([x, source])
    return keras.Model(source, _to_unit_range(x), name="generator")


def patch_discriminator(
    image_shape: Sequence[int],
    condition_channels: int | None = None,
    *,
    filters: Sequence[int] | None = None,
    normalization: str | None = "batch",
    spectral_normalization: bool = False,
) -> keras.Model:
    """Builds the PatchGAN, which scores overlapping patches of an image.

    n stages of stride 2 and two of stride 1, all with kernels of 4 pixels and a border of one,
    score patches of 16, 34 or 70 pixels for n = 1, 2 or 3.

    Args:
        image_shape: `(height, width, channels)`.
        condition_channels: The number of channels of the image that the other one belongs to, if
            the discriminator sees both, side by side in the channels.
        filters: The number of filters of each stage but the last; the last of them has stride 1.
            By default the paper's (64, 128, 256, 512) from 128 pixels on, (64, 128, 256) from 64
            pixels on, and (64, 128) below.
        normalization: `"batch"`, `"instance"` or `None`, of all stages but the first and the last.
        spectral_normalization: If true, every layer has spectral normalization instead.

    Returns:
        A model that maps images, or `[condition, images]`, to scores `(batch, rows, columns, 1)`.
    """
    if filters is None:
        side = min(image_shape[:2])
        filters = (64, 128, 256, 512)[: 4 if side >= 128 else 3 if side >= 64 else 2]
    check_sizes(filters=filters)
    image = keras.Input((None, None, image_shape[-1]), name="data")
    inputs, x = image, image
    if condition_channels is not None:
        condition = keras.Input((None, None, condition_channels), name="condition")
        inputs, x = [condition, image], layers.Concatenate()([condition, image])
    x = layers.Rescaling(2.0, -1.0)(x)
    wrap = SpectralNormalization if spectral_normalization else None
    normalization = None if spectral_normalization else normalization
    for stage, width in enumerate(filters):
        x = _convolve(
            layers.ZeroPadding2D(1)(x),
            width,
            normalization if stage else None,
            strides=1 if stage == len(filters) - 1 else 2,
            padding="valid",
            wrap=wrap,
        )
        x = LeakyReLU(0.2)(x)
    x = layers.ZeroPadding2D(1)(x)
    x = _convolve(x, 1, None, strides=1, padding="valid", wrap=wrap, dtype="float32")
    return keras.Model(inputs, x, name="discriminator")


def _convolve(
    x,
    filters: int,
    normalization: str | None,
    *,
    transposed: bool = False,
    kernel_size: int = 4,
    strides: int = 2,
    padding: str = "same",
    wrap: Callable | None = None,
    dtype: str | None = None,
):
    """Applies a convolution and its normalization."""
    build = Conv2DTranspose if transposed else Conv2D
    layer = build(
        filters,
        kernel_size,
        strides,
        padding,
        use_bias=normalization is None,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
        dtype=dtype,
    )
    return normalize((wrap or (lambda layer: layer))(layer)(x), normalization)


def _enlarge(x, filters, normalization, upsampling, dtype=None):
    """Doubles the size of images by a transposed convolution, or by repeating their pixels."""
    if upsampling == "transposed":
        return _convolve(x, filters, normalization, transposed=True, dtype=dtype)
    x = layers.UpSampling2D(2, dtype=dtype)(x)
    return _convolve(x, filters, normalization, kernel_size=3, strides=1, dtype=dtype)


def _stride_one(x, filters, kernel_size, normalization, dtype=None):
    """Applies a convolution that keeps the size, with a border by reflection."""
    x = ReflectionPadding2D(kernel_size // 2)(x)
    return _convolve(
        x,
        filters,
        normalization,
        kernel_size=kernel_size,
        strides=1,
        padding="valid",
        dtype=dtype,
    )


def normalize(x, normalization: str | None):
    """Applies a normalization by its name.

    Args:
        x: Images.
        normalization: `"batch"`: of our `BatchNormalization`, synchronized. `"instance"`: of each
            channel of each image, without scale and offset, as in CycleGAN's code. `None`: none.
    """
    if normalization not in NORMALIZATIONS:
        raise ValueError(
            f"`normalization` must be one of {list(NORMALIZATIONS)}. "
            f"Received: normalization={normalization!r}"
        )
    if normalization == "batch":
        gamma = keras.initializers.RandomNormal(1.0, 0.02)
        return BatchNormalization(
            momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, synchronized=True
        )(x)
    if normalization == "instance":
        return layers.GroupNormalization(-1, epsilon=1e-5, center=False, scale=False)(x)
    return x


def _to_unit_range(x):
    """Maps what a network computes to [0, 1]: tanh, rescaled."""
    x = layers.Activation("tanh", dtype="float32")(x)
    return layers.Rescaling(0.5, 0.5, dtype="float32")(x)
