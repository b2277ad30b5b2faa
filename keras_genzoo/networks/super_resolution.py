"""Networks that make images larger, and the networks that judge them.

The generators take images of any size. They compute at the size of the source and end in a
sub-pixel convolution, whose channels become the pixels of the large image. All images lie in
[0, 1].

References: Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient
Sub-Pixel Convolutional Neural Network, CVPR 2016 (ESPCN); Lim et al., Enhanced Deep Residual
Networks for Single Image Super-Resolution, CVPR Workshops 2017 (EDSR); Ledig et al.,
Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, CVPR 2017
(SRGAN); Aitken et al., Checkerboard artifact free sub-pixel convolution, 2017 (ICNR).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import layers, ops

from keras_genzoo.core.validation import check_positive_int, check_range, check_sizes
from keras_genzoo.layers.activation import LeakyReLU
from keras_genzoo.layers.resampling import BicubicUpsampling, ClipToUnit, DepthToSpace
from keras_genzoo.networks.translation import normalize

# The means of the channels of ImageNet, in the order in which VGG19 takes them.
VGG_MEANS = {"blue": 103.939, "green": 116.779, "red": 123.68}


@keras.saving.register_keras_serializable("keras_genzoo")
class ICNR(keras.initializers.Initializer):
    """Starts a sub-pixel convolution as nearest-neighbour upsampling: without a checkerboard.

    All pixels of a block start with the same kernel.

    Args:
        scale: The side of a block.
        initializer: The Keras initializer of the kernel of one pixel.

    Reference: Aitken et al., Checkerboard artifact free sub-pixel convolution, 2017.
    """

    def __init__(self, scale: int, initializer="glorot_uniform"):
        self.scale = check_positive_int(scale, "scale")
        self.initializer = keras.initializers.get(initializer)

    def __call__(self, shape, dtype=None):
        *sizes, outputs = shape
        kernel = self.initializer((*sizes, outputs // self.scale**2), dtype=dtype)
        return ops.tile(kernel, (*[1] * len(sizes), self.scale**2))

    def get_config(self):
        initializer = keras.initializers.serialize(self.initializer)
        return {"scale": self.scale, "initializer": initializer}


def espcn_generator(
    source_shape: Sequence[int],
    scale: int,
    *,
    filters: Sequence[int] = (64, 32),
    interpolation: bool = True,
) -> keras.Model:
    """Builds the small sub-pixel network of Shi et al., for speed.

    Args:
        source_shape: `(height, width, channels)`, of which the channels alone matter.
        scale: The factor of each side.
        filters: The number of filters of each layer before the sub-pixel convolution.
        interpolation: Whether the network adds its result to the bicubic interpolation of its
            input, which it learns faster, instead of making the whole image.

    Returns:
        A model that maps `(batch, height, width, channels)` to float32 images of `scale` times the
        size.

    Differs from the paper: all channels are learned, and by default the interpolation is added.
    """
    check_sizes(filters=filters)
    source, x = _centred(source_shape)
    for i, width in enumerate(filters):
        x = layers.Conv2D(width, 3 if i else 5, padding="same", activation="tanh")(x)
    return _sub_pixel_model(source, x, scale, interpolation)


def edsr_generator(
    source_shape: Sequence[int],
    scale: int,
    *,
    filters: int = 64,
    blocks: int = 16,
    residual_scaling: float = 1.0,
    interpolation: bool = True,
) -> keras.Model:
    """Builds the residual network of Lim et al., which has no normalization.

    Args:
        source_shape: `(height, width, channels)`, of which the channels alone matter.
        scale: The factor of each side.
        filters: The number of filters. The paper's large network has 256, its baseline 64.
        blocks: The number of residual blocks: 32 and 16 in the paper.
        residual_scaling: The factor of the residual of each block, in (0, 1]: the paper's large
            network has 0.1, which keeps its training stable.
        interpolation: Whether the network adds its result to the bicubic interpolation of its
            input, which it learns faster, instead of making the whole image.

    Returns:
        A model that maps `(batch, height, width, channels)` to float32 images of `scale` times the
        size.

    Differs from the paper: one sub-pixel convolution makes the image at once, which spares the
    convolutions at its large size; by default the interpolation is added.
    """
    check_sizes(filters=[filters], blocks=[blocks])
    check_range("(0, 1]", residual_scaling=residual_scaling)
    source, x = _centred(source_shape)
    start = x = layers.Conv2D(filters, 3, padding="same")(x)
    for _ in range(blocks):
        y = layers.Conv2D(filters, 3, padding="same", activation="relu", **_HE)(x)
        y = layers.Conv2D(filters, 3, padding="same")(y)
        x = layers.Add()([x, layers.Rescaling(residual_scaling)(y)])
    x = layers.Add()([layers.Conv2D(filters, 3, padding="same")(x), start])
    return _sub_pixel_model(source, x, scale, interpolation)


_HE = {"kernel_initializer": "he_normal"}


def _centred(source_shape):
    """Returns the input of a network and what it computes on, which lies around 0."""
    source = keras.Input((None, None, source_shape[-1]), name="source")
    return source, layers.Rescaling(1.0, -0.5)(source)


def _sub_pixel_model(source, x, scale: int, interpolation: bool) -> keras.Model:
    """Makes the large image of features, and the model."""
    channels = source.shape[-1]
    # Small, so that the network starts as the interpolation.
    initializer = keras.initializers.VarianceScaling(0.01 if interpolation else 1.0)
    x = layers.Conv2D(
        scale**2 * channels,
        3,
        padding="same",
        kernel_initializer=ICNR(scale, initializer),
        dtype="float32",
        name="sub_pixel",
    )(x)
    x = DepthToSpace(scale)(x)
    if interpolation:
        x = layers.Add(dtype="float32")([x, BicubicUpsampling(scale)(source)])
    else:
        x = layers.Rescaling(1.0, 0.5, dtype="float32")(x)
    return keras.Model(source, ClipToUnit()(x), name="generator")


def srgan_discriminator(
    image_shape: Sequence[int],
    *,
    filters: Sequence[int] | None = None,
    normalization: str | None = "batch",
) -> keras.Model:
    """Builds the discriminator of SRGAN, which scores large images of any size.

    Each stage is a convolution of stride 1 and one of stride 2.

    Args:
        image_shape: `(height, width, channels)` of the images to train on.
        filters: The number of filters of each stage. By default the paper's (64, 128, 256, 512), of
            which small images get as many as leave 2 pixels or more of the shorter side.
        normalization: `"batch"`, `"instance"` or `None`, of all convolutions but the first.

    Returns:
        A model that maps images to scores `(batch, 1)`, without an activation.

    Differs from the paper: the features are averaged over the image, not flattened, so that the
    network takes every size.
    """
    if filters is None:
        stages = int(math.log2(min(image_shape[:2]))) - 1
        filters = (64, 128, 256, 512)[: min(max(stages, 1), 4)]
    check_sizes(filters=filters)
    image = keras.Input((None, None, image_shape[-1]), name="data")
    x = layers.Rescaling(2.0, -1.0)(image)
    for stage, width in enumerate(filters):
        for strides in (1, 2):
            first = stage == 0 and strides == 1
            use = None if first else normalization
            x = layers.Conv2D(width, 3, strides, "same", use_bias=use is None)(x)
            x = LeakyReLU(0.2)(normalize(x, use))
    x = layers.GlobalAveragePooling2D()(x)
    x = LeakyReLU(0.2)(layers.Dense(2 * filters[-1])(x))
    return keras.Model(image, layers.Dense(1, dtype="float32")(x), name="discriminator")


def vgg19_features(
    layer: str = "block5_conv4", weights: str | None = "imagenet", channels: int = 3
) -> keras.Model:
    """Builds the part of VGG19 whose features `genzoo.losses.FeatureLoss` compares.

    Args:
        layer: The name of the last layer, as in `keras.applications.VGG19`. The paper's VGG2,2 is
            `"block2_conv2"` and its VGG5,4 is `"block5_conv4"`.
        weights: `"imagenet"`, which Keras downloads at first, the path of a file of them, or `None`
            for random ones.
        channels: 3 for colour images in the order red, green, blue; 1 for grey ones.

    Returns:
        A model that maps images in [0, 1] to features. It contains the preprocessing that VGG19 was
        trained with: blue first, 0 to 255 less the means of ImageNet.

    Raises:
        ValueError: If the layer or the number of channels is unknown.
    """
    if channels not in (1, 3):
        raise ValueError(f"`channels` must be 1 or 3. Received: channels={channels!r}")
    vgg = keras.applications.VGG19(include_top=False, weights=weights)
    known = [known.name for known in vgg.layers[1:]]
    if layer not in known:
        raise ValueError(f"`layer` must be one of {known}. Received: layer={layer!r}")
    images = keras.Input((None, None, channels), name="images")
    grey = [images] * 3 if channels == 1 else ops.split(images, 3, axis=-1)[::-1]
    means = [-mean for mean in VGG_MEANS.values()]
    x = layers.Rescaling(255.0, means)(layers.Concatenate()(grey))
    features = keras.Model(vgg.input, vgg.get_layer(layer).output, name=f"vgg19_{layer}")
    return keras.Model(images, features(x), name="vgg19_features")
