"""Plain Keras networks as functions; every model takes any of them.

`encoder`, `decoder`, `generator` and `discriminator` follow the shape of the data: vectors get
multi-layer perceptrons, images convolutional networks.
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

__all__ = [
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
    "encoder",
    "generator",
    "is_image",
]


def encoder(data_shape, output_dim, **options):
    """A convolutional encoder for images, else a dense one."""
    build = convolutional_encoder if is_image(data_shape) else dense_encoder
    return build(data_shape, output_dim, **options)


def decoder(data_shape, latent_dim, **options):
    """A convolutional decoder for images, else a dense one."""
    build = convolutional_decoder if is_image(data_shape) else dense_decoder
    return build(data_shape, latent_dim, **options)


def generator(data_shape, latent_dim, **options):
    """A DCGAN generator for images, else a dense one."""
    build = dcgan_generator if is_image(data_shape) else dense_decoder
    return build(data_shape, latent_dim, **options)


def discriminator(data_shape, *, normalization=True, **options):
    """A DCGAN discriminator for images, else a dense one (which has no normalization)."""
    if is_image(data_shape):
        return dcgan_discriminator(data_shape, normalization=normalization, **options)
    return dense_discriminator(data_shape, **options)
