"""The zoo."""

from keras_genzoo.models.autoencoder import Autoencoder
from keras_genzoo.models.conditional_gan import ConditionalGAN
from keras_genzoo.models.convolutional_autoencoder import ConvolutionalAutoencoder
from keras_genzoo.models.cycle_gan import CycleGAN
from keras_genzoo.models.dcgan import DCGAN
from keras_genzoo.models.denoising_autoencoder import DenoisingAutoencoder
from keras_genzoo.models.gan import GAN
from keras_genzoo.models.gau_gan import GauGAN
from keras_genzoo.models.pix2pix import Pix2Pix
from keras_genzoo.models.sparse_autoencoder import SparseAutoencoder
from keras_genzoo.models.srgan import SRGAN
from keras_genzoo.models.super_resolution import SuperResolution
from keras_genzoo.models.vae import VAE
from keras_genzoo.models.wgan import WGAN
from keras_genzoo.models.wgan_gp import WGANGP

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
    "Pix2Pix",
    "SparseAutoencoder",
    "SuperResolution",
]
