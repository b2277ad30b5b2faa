"""A zoo of generative models on Keras 3 and TensorFlow."""

from keras_genzoo import callbacks, data, layers, losses, metrics, networks
from keras_genzoo.models import (
    DCGAN,
    GAN,
    VAE,
    WGAN,
    WGANGP,
    Autoencoder,
    ConditionalGAN,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)

__version__ = "0.1.0"

__all__ = [
    "DCGAN",
    "GAN",
    "VAE",
    "WGAN",
    "WGANGP",
    "Autoencoder",
    "ConditionalGAN",
    "ConvolutionalAutoencoder",
    "DenoisingAutoencoder",
    "SparseAutoencoder",
    "callbacks",
    "data",
    "layers",
    "losses",
    "metrics",
    "networks",
]
