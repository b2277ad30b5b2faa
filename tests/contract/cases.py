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
    """A model of pairs of images: the second ones have the channels that the model wants."""

    def dataset(self, model, examples):
        def pair(x):
            x = tf.cast(x, tf.float32) / 255.0
            return x, tf.concat([1 - x, x], axis=-1)[..., : model.fields[1].shape[-1]]

        return super().dataset(model, examples).map(pair)


class LabelCase(Case):
    """A model of label maps and images: the classes are the brightness of a digit, in three."""

    def dataset(self, model, examples):
        images = super().dataset(model, examples).map(lambda *parts: parts[0])
        return images.map(lambda x: (tf.cast(x, tf.int32)[..., 0] * 3 // 256, 255 - x))


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


def translators(channels=2, condition=1, **options):
    """Builds a small U-Net and a small discriminator of patches."""
    return {
        "generator": networks.unet_generator(IMAGE, channels, filters=(4, 8), **options),
        "discriminator": networks.patch_discriminator(
            (*IMAGE[:2], channels), condition, filters=(4, 8)
        ),
    }


def pix2pix_of_everything():
    return genzoo.Pix2Pix(
        IMAGE,
        (*IMAGE[:2], 2),
        loss="hinge",
        content_loss="l2",
        penalty="r1",
        augmentation=genzoo.layers.DifferentiableAugmentation(),
        ema_half_life=100.0,
        latent_dim=3,
        **translators(latent_dim=3, normalization="instance"),
    )


def cycle_gan(channels=1, **options):
    """Builds a small CycleGAN.

    Not with instance normalization: in blocks of 2 × 2 pixels it enlarges rounding errors a
    hundred times from step to step, so that no two runs would be equal.
    """
    other, size = (*IMAGE[:2], channels), {"filters": 4, "blocks": 1, "normalization": None}
    return genzoo.CycleGAN(
        IMAGE,
        other,
        a_to_b=networks.resnet_generator(IMAGE, channels, **size),
        b_to_a=networks.resnet_generator(other, 1, **size),
        a_discriminator=networks.patch_discriminator(IMAGE, filters=(4, 8)),
        b_discriminator=networks.patch_discriminator(other, filters=(4, 8)),
        **options,
    )


def gau_gan(latent_dim=None, spectral_normalization=True, **options):
    generator = networks.spade_generator(
        (*IMAGE[:2], 3),
        1,
        latent_dim,
        filters=(8, 4),
        hidden_filters=4,
        spectral_normalization=spectral_normalization,
    )
    critic = networks.multiscale_discriminator(
        IMAGE, 3, filters=(4,), scales=2, spectral_normalization=spectral_normalization
    )
    return genzoo.GauGAN(IMAGE, 3, latent_dim, generator=generator, discriminator=critic, **options)


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
    "Pix2Pix": PairCase(
        lambda: genzoo.Pix2Pix(IMAGE, (*IMAGE[:2], 2), **translators(), content_weight=10.0)
    ),
    "Pix2Pix, R1, augmented, averaged, with noise": PairCase(pix2pix_of_everything),
    "CycleGAN": PairCase(lambda: cycle_gan(pool_size=10)),
    "CycleGAN, other channels, averaged, without a pool": PairCase(
        lambda: cycle_gan(2, pool_size=0, ema_half_life=100.0)
    ),
    "GauGAN": LabelCase(gau_gan),
    "GauGAN, plain convolutions, with noise, L1, augmented, averaged": LabelCase(
        lambda: gau_gan(
            3,
            spectral_normalization=False,
            content_loss="l1",
            augmentation=genzoo.layers.DifferentiableAugmentation(),
            ema_half_life=100.0,
        )
    ),
    "SuperResolution": LargerCase(super_resolution),
    "SRGAN, of large images alone": Case(srgan),
    "Translator of tests: two fields, two optimizers, three networks": PairCase(Translator),
}

# The names of the models that the library has, which are those of more tests.
ZOO = [name for name in CASES if not name.startswith("Translator")]

# The models that translate, which are tested in a file of their own.
TRANSLATING = [
    name
    for name in CASES
    if name.startswith(("Pix2Pix", "CycleGAN", "GauGAN", "SuperResolution", "SRGAN", "Translator"))
]

# One of each step, with what is most likely to break it; tests of the others are slow tests.
QUICK = {
    "Autoencoder",
    "VAE, conditional",
    "DCGAN, packed, augmented, averaged",
    "WGANGP, conditional, one-sided",
    "Pix2Pix, R1, augmented, averaged, with noise",
    "CycleGAN",
    "Translator of tests: two fields, two optimizers, three networks",
}

# What else has a step, a state or a sum over replicas of its own. The slow tests of the remaining
# models are exhaustive tests; `contract.table` checks them too.
DISTINCT = QUICK | {
    "SparseAutoencoder",
    "GAN, spectral normalization, minibatch standard deviation",
    "DCGAN, adaptive augmentation, two critic steps",
    "GauGAN, plain convolutions, with noise, L1, augmented, averaged",
    "SuperResolution",
}
