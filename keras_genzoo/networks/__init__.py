"""Functions that build the default networks, which are plain Keras models.

Every model accepts any of them. `encoder`, `decoder`, `generator` and `discriminator` choose by the
shape of the data: a convolutional network for images, a multi-layer perceptron for vectors.

Images have shape `(height, width, channels)` and values in [0, 1]. If `num_classes` is given, a
network takes `[inputs, labels]`, with integer labels in [0, num_classes).
"""

from keras_genzoo.networks.convolutional import (
    autoencoder_filters,
    convolutional_decoder,
    convolutional_encoder,
    dcgan_discriminator,
    dcgan_generator,
    default_filters,
)
from keras_genzoo.networks.dense import (
    dense_decoder,
    dense_discriminator,
    dense_encoder,
    is_image,
)
from keras_genzoo.networks.inpainting import keep_known
from keras_genzoo.networks.semantic import (
    multiscale_discriminator,
    spade_filters,
    spade_generator,
)
from keras_genzoo.networks.super_resolution import (
    ICNR,
    edsr_generator,
    espcn_generator,
    srgan_discriminator,
    vgg19_features,
)
from keras_genzoo.networks.translation import (
    patch_discriminator,
    resnet_generator,
    unet_filters,
    unet_generator,
)

__all__ = [
    "ICNR",
    "autoencoder_filters",
    "convolutional_decoder",
    "convolutional_encoder",
    "dcgan_discriminator",
    "dcgan_generator",
    "decoder",
    "default_filters",
    "dense_decoder",
    "dense_discriminator",
    "dense_encoder",
    "discriminator",
    "edsr_generator",
    "encoder",
    "espcn_generator",
    "generator",
    "is_image",
    "keep_known",
    "multiscale_discriminator",
    "patch_discriminator",
    "resnet_generator",
    "spade_filters",
    "spade_generator",
    "srgan_discriminator",
    "unet_filters",
    "unet_generator",
    "vgg19_features",
]


def encoder(data_shape, output_dim, **options):
    """Builds a convolutional encoder for images and a dense one for vectors.

    Args:
        data_shape: `(height, width, channels)` or `(features,)`.
        output_dim: The length of the output vectors.
        **options: Arguments of `convolutional_encoder` or `dense_encoder`.
    """
    build = convolutional_encoder if is_image(data_shape) else dense_encoder
    return build(data_shape, output_dim, **options)


def decoder(data_shape, latent_dim, **options):
    """Builds a convolutional decoder for images and a dense one for vectors.

    Args:
        data_shape: `(height, width, channels)` or `(features,)`.
        latent_dim: The length of the latent vectors.
        **options: Arguments of `convolutional_decoder` or `dense_decoder`.
    """
    build = convolutional_decoder if is_image(data_shape) else dense_decoder
    return build(data_shape, latent_dim, **options)


def generator(data_shape, latent_dim, **options):
    """Builds a DCGAN generator for images and a dense decoder for vectors.

    Args:
        data_shape: `(height, width, channels)` or `(features,)`.
        latent_dim: The length of the latent vectors.
        **options: Arguments of `dcgan_generator` or `dense_decoder`.
    """
    build = dcgan_generator if is_image(data_shape) else dense_decoder
    return build(data_shape, latent_dim, **options)


def discriminator(data_shape, *, normalization=True, **options):
    """Builds a DCGAN discriminator for images and a dense one for vectors.

    Args:
        data_shape: `(height, width, channels)` or `(features,)`.
        normalization: If true, the discriminator of images uses BatchNormalization. The dense one
            never does.
        **options: Arguments of `dcgan_discriminator` or `dense_discriminator`.
    """
    if is_image(data_shape):
        return dcgan_discriminator(data_shape, normalization=normalization, **options)
    return dense_discriminator(data_shape, **options)
