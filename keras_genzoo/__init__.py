"""A zoo of generative models on Keras 3 and TensorFlow."""

import keras_genzoo.backend  # noqa: F401  First of all, because it raises on other backends.
from keras_genzoo import (
    callbacks,
    data,
    fields,
    files,
    layers,
    losses,
    metrics,
    networks,
    plot,
    serving,
)
from keras_genzoo.core.model import GenerativeModel
from keras_genzoo.core.sampling import LatentSampling, Sampling
from keras_genzoo.models import (
    DCGAN,
    GAN,
    SRGAN,
    VAE,
    WGAN,
    WGANGP,
    Autoencoder,
    ConditionalGAN,
    ConvolutionalAutoencoder,
    CycleGAN,
    DenoisingAutoencoder,
    GauGAN,
    Pix2Pix,
    SparseAutoencoder,
    SuperResolution,
)
from keras_genzoo.version import __version__

__all__ = [
    "DCGAN",
    "GAN",
    "SRGAN",
    "VAE",
    "WGAN",
    "WGANGP",
    "Autoencoder",
    "ConditionalGAN",
    "ConvolutionalAutoencoder",
    "CycleGAN",
    "DenoisingAutoencoder",
    "GauGAN",
    "GenerativeModel",
    "LatentSampling",
    "Pix2Pix",
    "Sampling",
    "SparseAutoencoder",
    "SuperResolution",
    "__version__",
    "callbacks",
    "data",
    "fields",
    "files",
    "layers",
    "losses",
    "metrics",
    "networks",
    "plot",
    "serving",
]
