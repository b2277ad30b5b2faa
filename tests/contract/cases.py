"""The models that the contract checks: one small model of each kind, in one table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

import keras_genzoo as genzoo
from contract.two_fields import Translator
from keras_genzoo import networks

IMAGE = (8, 8, 1)
BATCH = 24


@dataclasses.dataclass(frozen=True)
class Case:
    """A model to check, with its data.

    Attributes:
        build: Returns the model, not compiled.
        points: Whether the data are points in the plane; images otherwise.
        private_noise: Whether a Keras layer draws noise, which then does not follow an example's
            place in the batch.
        grouped: Whether the discriminator scores examples in groups, which are made of the
            examples on one replica.
    """

    build: Callable
    points: bool = False
    private_noise: bool = False
    grouped: bool = False

    def dataset(self, model, examples):
        """Batches of 24, `examples` in all; with labels for conditional models."""
        x, labels = genzoo.data.arrays("digits")
        x = genzoo.data.ring(8).sample(examples, seed=0) if self.points else x[:examples]
        data = x if model.num_classes is None else (x, labels[:examples])
        return tf.data.Dataset.from_tensor_slices(data).batch(BATCH)

    def make(self, optimizer=None, **options):
        """Builds and compiles the model, with the same initial weights each time."""
        keras.utils.set_random_seed(3)
        model = self.build()
        self.compile(model, optimizer, **options)
        return model

    # The methods below say how to use a model. Override them for one that is not of the zoo.

    def compile(self, model, optimizer=None, **options):
        """Compiles with a new `optimizer()` for each player, or with the default optimizers."""
        chosen = {} if optimizer is None else {name: optimizer() for name in model.players}
        model.compile(**chosen, **options)

    def optimizers(self, model):
        """Lists the optimizers of a compiled model."""
        return [getattr(model, name) for name in model.players]

    def verbs(self, model):
        """Names what the model can do besides training."""
        return model.verbs


class PairCase(Case):
    """A model of two fields, with pairs of images of one and of two channels."""

    def dataset(self, model, examples):
        def pair(x):
            x = tf.cast(x, tf.float32) / 255.0
            return x, tf.concat([x, 1 - x], axis=-1)

        return super().dataset(model, examples).map(pair)


class LargerCase(Case):
    """A model that makes images larger, with pairs of small and large images."""

    def dataset(self, model, examples):
        reduce = genzoo.layers.BicubicDownsampling(model.scale)
        return super().dataset(model, examples).map(lambda x: (reduce(x / 255), x / 255))


def coders(codes, outputs=None, activation=None, **options):
    """Builds a small encoder and decoder."""
    size = {"filters": (4,), **options}
    encoder = networks.encoder(IMAGE, outputs or codes, output_activation=activation, **size)
    return {"encoder": encoder, "decoder": networks.decoder(IMAGE, codes, **size)}


def players(shape=IMAGE, normalization=True, **options):
    """Builds a small generator and discriminator, convolutional for images."""
    size = {"filters": (4, 8)} if networks.is_image(shape) else {"hidden_units": (8,)}
    critic = networks.discriminator(shape, normalization=normalization, **size, **options)
    return {"generator": networks.generator(shape, 4, **size, **options), "discriminator": critic}


def dense_players():
    """Builds a small generator and discriminator of images from dense layers."""
    activation = {"output_activation": "sigmoid"}
    return {
        "generator": networks.dense_decoder(IMAGE, 4, hidden_units=(8,), **activation),
        "discriminator": networks.dense_discriminator(IMAGE, hidden_units=(8,)),
    }


def denoising(corruption):
    return genzoo.DenoisingAutoencoder(IMAGE, 4, corruption=corruption, **coders(4))


def sparse():
    parts = coders(8, activation="sigmoid")
    return genzoo.SparseAutoencoder(IMAGE, 8, target_rate=0.2, l1_weight=1e-3, **parts)


def gaussian_vae():
    encoder = networks.encoder((2,), 8, hidden_units=(8,))
    decoder = networks.decoder((2,), 4, hidden_units=(8,))
    return genzoo.VAE((2,), 4, likelihood="gaussian", encoder=encoder, decoder=decoder)


def conditional_wgan_gp():
    penalty = genzoo.losses.GradientPenalty(5.0, one_sided=True)
    parts = players(normalization=False, num_classes=10)
    return genzoo.WGANGP(IMAGE, 4, num_classes=10, critic_steps=2, penalty=penalty, **parts)


def packed_dcgan():
    critic = networks.discriminator(IMAGE, filters=(4, 8), packing=2)
    return genzoo.DCGAN(
        IMAGE,
        4,
        packing=2,
        augmentation=genzoo.layers.DifferentiableAugmentation(),
        ema_half_life=100.0,
        generator=players()["generator"],
        discriminator=critic,
    )


def spectral_gan():
    options = {"spectral_normalization": True, "minibatch_stddev": 4, "num_classes": 10}
    critic = networks.discriminator(IMAGE, filters=(4, 8), **options)
    generator = players(num_classes=10)["generator"]
    return genzoo.GAN(IMAGE, 4, "hinge", num_classes=10, generator=generator, discriminator=critic)


def super_resolution():
    network = networks.edsr_generator((4, 4, 1), 2, filters=4, blocks=1)
    return genzoo.SuperResolution((4, 4, 1), 2, network=network, ema_half_life=100.0)


def srgan():
    generator = networks.edsr_generator((4, 4, 1), 2, filters=4, blocks=1)
    critic = networks.srgan_discriminator(IMAGE, filters=(4, 8))
    options = {"adversarial_weight": 1.0, "generator": generator, "discriminator": critic}
    return genzoo.SRGAN((4, 4, 1), 2, **options)


def adaptive_dcgan():
    augmentation = genzoo.layers.AdaptiveAugmentation(target=0.0, images=400)
    options = {"critic_steps": 2, "ema_half_life": 100.0}
    return genzoo.DCGAN(IMAGE, 4, augmentation=augmentation, **options, **players())


# By name. What stands before a comma is the name of the class.
CASES = {
    "Autoencoder": Case(lambda: genzoo.Autoencoder(IMAGE, 4, (16,))),
    "ConvolutionalAutoencoder": Case(lambda: genzoo.ConvolutionalAutoencoder(IMAGE, 4, (4,))),
    "SparseAutoencoder": Case(sparse),
    "DenoisingAutoencoder": Case(lambda: denoising(genzoo.layers.MaskingNoise(0.2))),
    "DenoisingAutoencoder, a Keras layer's noise": Case(
        lambda: denoising(keras.layers.GaussianNoise(0.2)), private_noise=True
    ),
    "VAE": Case(lambda: genzoo.VAE(IMAGE, 4, 2.0, **coders(4, 8))),
    "VAE, Gaussian, of vectors": Case(gaussian_vae, points=True),
    "VAE, conditional": Case(
        lambda: genzoo.VAE(IMAGE, 4, num_classes=10, **coders(4, 8, num_classes=10))
    ),
    "GAN": Case(lambda: genzoo.GAN(IMAGE, 4, **dense_players())),
    "GAN, least squares, DRAGAN, of vectors": Case(
        lambda: genzoo.GAN((2,), 4, "least_squares", penalty="dragan", **players((2,))),
        points=True,
    ),
    "GAN, spectral normalization, minibatch standard deviation": Case(spectral_gan, grouped=True),
    "DCGAN": Case(lambda: genzoo.DCGAN(IMAGE, 4, **players())),
    "DCGAN, packed, augmented, averaged": Case(packed_dcgan, grouped=True),
    "DCGAN, adaptive augmentation, two critic steps": Case(adaptive_dcgan),
    "ConditionalGAN": Case(lambda: genzoo.ConditionalGAN(IMAGE, 10, 4, **players(num_classes=10))),
    "WGAN": Case(lambda: genzoo.WGAN(IMAGE, 4, clip_value=0.02, critic_steps=2, **players())),
    "WGANGP": Case(lambda: genzoo.WGANGP(IMAGE, 4, critic_steps=5, **players(normalization=False))),
    "WGANGP, conditional, one-sided": Case(conditional_wgan_gp),
    "SuperResolution": LargerCase(super_resolution),
    "SRGAN, of large images alone": Case(srgan),
    "Translator of tests: two fields, two optimizers, three networks": PairCase(Translator),
}

# The names of the models that the library has, which are those of more tests.
ZOO = [name for name in CASES if not name.startswith("Translator")]

# One of each step, with what is most likely to break it; tests of the others are slow tests.
QUICK = {
    "Autoencoder",
    "VAE, conditional",
    "DCGAN, packed, augmented, averaged",
    "WGANGP, conditional, one-sided",
    "Translator of tests: two fields, two optimizers, three networks",
}
