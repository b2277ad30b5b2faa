"""Four public Keras examples for 28x28 grey images, re-created from what keras.io states of them.

They are what a user would otherwise start from, so the library's models are measured beside them.
Layers, sizes, losses, optimizers, data scaling and the order of a step are the published ones, and
so are the flaws, each named where it is. The code is new, and differs in ways that change none of
that: all noise follows `keras.utils.set_random_seed`, where pages fix a seed of 1337 or have none,
and batches are gathered by index. The pages train on all 70,000 images of MNIST, WGAN-GP's on the
60,000 training images of Fashion-MNIST; here the images are the caller's.

    public = PUBLIC["dcgan"]()
    batches = public.dataset(images, labels).repeat()
    public.model.fit(batches, steps_per_epoch=100, epochs=10)
    samples = public.sample(100, seed=0)
"""

from __future__ import annotations

import dataclasses
import functools
import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # all four pages say so
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

IMAGE = (28, 28, 1)
CLASSES = 10


@dataclasses.dataclass
class PublicModel:
    """A compiled model with what it takes to train it as published and to draw from it.

    `low` is the black of its images, whose white is 1: 0 or -1. `shuffle` is the size of the
    buffer that shuffles, None for the whole data set. `network` draws images from noise of
    `latent_dim` values, followed by a one-hot label if the model is `conditional`.
    """

    name: str
    model: keras.Model
    batch_size: int
    network: keras.Model
    latent_dim: int
    low: float = 0.0
    shuffle: int | None = None
    conditional: bool = False

    def dataset(self, images, labels=None):
        """One epoch of batches of `uint8` images, shuffled anew at each repetition.

        As on the pages, the last batch is smaller if the batch size does not divide the data.
        """
        images = np.reshape(images, (-1, *IMAGE)).astype("float32")
        arrays = [tf.constant(self.low + (1.0 - self.low) * images / 255.0)]
        if self.conditional:
            arrays.append(tf.constant(keras.utils.to_categorical(labels, CLASSES), tf.float32))

        def gather(indices):
            batch = tuple(tf.gather(array, indices) for array in arrays)
            return batch if self.conditional else batch[0]

        # Indices are shuffled instead of images, which come in the same order but sooner.
        indices = tf.data.Dataset.range(len(images)).shuffle(self.shuffle or len(images))
        return indices.batch(self.batch_size).map(gather).prefetch(tf.data.AUTOTUNE)

    def sample(self, num_samples, labels=None, seed=0):
        """Images from 0 to 1, of given labels or of labels drawn evenly if it is conditional."""
        random = np.random.default_rng(seed)
        inputs = random.standard_normal((num_samples, self.latent_dim), "float32")
        if self.conditional:
            if labels is None:
                labels = random.integers(CLASSES, size=num_samples)
            inputs = np.concatenate([inputs, keras.utils.to_categorical(labels, CLASSES)], axis=1)
        elif labels is not None:
            raise ValueError(f"{self.name} is not conditional, so `labels` must be None.")
        images = self.network.predict(inputs.astype("float32"), batch_size=256, verbose=0)
        return np.clip((images - self.low) / (1.0 - self.low), 0.0, 1.0).astype("float32")


def descend(tape, loss, network, optimizer):
    weights = network.trainable_weights
    optimizer.apply(tape.gradient(loss, weights), weights)


class Reparametrize(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs):
        mean, log_var = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_var) * noise


class VAE(keras.Model):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        names = ("loss", "reconstruction_loss", "kl_loss")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]

    @property
    def metrics(self):
        return self.trackers

    def train_step(self, images):
        with tf.GradientTape() as tape:
            mean, log_var, z = self.encoder(images)
            errors = keras.losses.binary_crossentropy(images, self.decoder(z))
            reconstruction = ops.mean(ops.sum(errors, axis=(1, 2)))
            kl = 0.5 * (ops.square(mean) + ops.exp(log_var) - 1.0 - log_var)
            kl = ops.mean(ops.sum(kl, axis=1))
            loss = reconstruction + kl
        descend(tape, loss, self, self.optimizer)
        for tracker, value in zip(self.trackers, (loss, reconstruction, kl), strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


def vae(latent_dim=2):
    """The page "Variational AutoEncoder" (keras.io/examples/generative/vae).

    From there: two strided 3x3 convolutions of 32 and 64, a layer of 16, 2 latents; a decoder of
    7x7x64, transposed 3x3 convolutions of 64 and 32; cross-entropy summed over pixels plus KL;
    Adam at its default 1e-3, batches of 128, images in [0, 1], `fit` on an array, which shuffles
    all of it.

    The page shows a grid of latents in [-1, 1]; here samples are of the prior, as the loss has it,
    and the decoder's means. Other numbers of latents keep the layer of 16 before them.
    """
    options = {"padding": "same", "activation": "relu"}
    images = keras.Input(IMAGE)
    x = layers.Conv2D(32, 3, strides=2, **options)(images)
    x = layers.Conv2D(64, 3, strides=2, **options)(x)
    x = layers.Dense(16, activation="relu")(layers.Flatten()(x))
    mean, log_var = layers.Dense(latent_dim)(x), layers.Dense(latent_dim)(x)
    encoder = keras.Model(images, [mean, log_var, Reparametrize()([mean, log_var])])
    decoder = keras.Sequential(
        [
            keras.Input((latent_dim,)),
            layers.Dense(7 * 7 * 64, activation="relu"),
            layers.Reshape((7, 7, 64)),
            layers.Conv2DTranspose(64, 3, strides=2, **options),
            layers.Conv2DTranspose(32, 3, strides=2, **options),
            layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid"),
        ]
    )
    model = VAE(encoder, decoder)
    model.compile(keras.optimizers.Adam())
    name = "vae" if latent_dim == 2 else f"vae_{latent_dim}"
    return PublicModel(name, model, 128, decoder, latent_dim)


class GAN(keras.Model):
    """The common parts of the three GANs: two networks with an optimizer each, and noise.

    As on the pages, networks are called without `training`, and so in inference, unless said.
    """

    def __init__(self, generator, discriminator, latent_dim):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.latent_dim = latent_dim
        self.seed_generator = keras.random.SeedGenerator()
        self.trackers = [keras.metrics.Mean(name=name) for name in ("d_loss", "g_loss")]

    def compile(self, optimizer):
        """Takes a function that makes an optimizer, called once for each network."""
        super().compile()
        self.d_optimizer, self.g_optimizer = optimizer(), optimizer()
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)

    @property
    def metrics(self):
        return self.trackers

    def noise(self, count):
        return keras.random.normal((count, self.latent_dim), seed=self.seed_generator)

    def logs(self, *values):
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


class DCGAN(GAN):
    def train_step(self, real):
        count = ops.shape(real)[0]
        # Fakes are labelled 1 and real images 0, and the noise only raises either.
        fake = self.generator(self.noise(count))
        both = ops.concatenate([fake, real], axis=0)
        labels = ops.concatenate([ops.ones((count, 1)), ops.zeros((count, 1))], axis=0)
        labels += 0.05 * keras.random.uniform(ops.shape(labels), seed=self.seed_generator)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(both))
        descend(tape, d_loss, self.discriminator, self.d_optimizer)

        noise = self.noise(count)
        with tf.GradientTape() as tape:
            logits = self.discriminator(self.generator(noise))
            g_loss = self.loss_fn(ops.zeros((count, 1)), logits)
        descend(tape, g_loss, self.generator, self.g_optimizer)
        return self.logs(d_loss, g_loss)


def dcgan_networks(latent_dim, channels):
    """The generator and the discriminator, by the sizes of what goes into them.

    The generator's first map has as many channels as it has inputs.
    """
    generator = keras.Sequential(
        [
            keras.Input((latent_dim,)),
            layers.Dense(7 * 7 * latent_dim),
            layers.LeakyReLU(0.2),
            layers.Reshape((7, 7, latent_dim)),
            layers.Conv2DTranspose(128, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2DTranspose(128, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(1, 7, padding="same", activation="sigmoid"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((*IMAGE[:2], channels)),
            layers.Conv2D(64, 3, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(128, 3, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.GlobalMaxPooling2D(),
            layers.Dense(1),
        ]
    )
    return generator, discriminator


def dcgan():
    """The GAN of the guide "Customizing what happens in `fit()` with TensorFlow".

    (keras.io/guides/custom_train_step_in_tensorflow; before it, the example "GAN overriding
    `Model.train_step`", with the same numbers.)

    From there: 128 latents; a discriminator of strided 3x3 convolutions of 64 and 128, leaky ReLU
    of 0.2 and global max pooling; a generator of 7x7x128, two transposed 4x4 convolutions of 128
    and a 7x7 convolution with a sigmoid; cross-entropy of logits with labels raised by 0.05 times
    uniform noise; Adam at 3e-4 for both, batches of 64, images in [0, 1], a buffer of 1,024.

    A flaw: raised labels of fakes exceed 1, and so are no probabilities.
    """
    model = DCGAN(*dcgan_networks(128, 1), latent_dim=128)
    model.compile(lambda: keras.optimizers.Adam(3e-4))
    return PublicModel("dcgan", model, 64, model.generator, 128, shuffle=1024)


class ConditionalGAN(GAN):
    def planes(self, labels):
        """The labels beside an image's channel, as the page has it.

        `repeat` without an axis flattens the labels first. So, but for a pixel or two at the edges,
        an image's ten planes are the same: ones in a band of 2.8 rows, which starts at row 2.8
        times the label, and zeros elsewhere.
        """
        height, width, _ = IMAGE
        planes = ops.repeat(labels[:, :, None, None], height * width)
        return ops.reshape(planes, (-1, height, width, CLASSES))

    def train_step(self, data):
        real, labels = data
        count = ops.shape(real)[0]
        planes = self.planes(labels)
        # Fakes have the labels of the batch's real images, in both halves of the step.
        fake = self.generator(ops.concatenate([self.noise(count), labels], axis=1))
        fake = ops.concatenate([fake, planes], axis=-1)
        real = ops.concatenate([real, planes], axis=-1)
        both = ops.concatenate([fake, real], axis=0)
        truth = ops.concatenate([ops.ones((count, 1)), ops.zeros((count, 1))], axis=0)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(truth, self.discriminator(both))
        descend(tape, d_loss, self.discriminator, self.d_optimizer)

        inputs = ops.concatenate([self.noise(count), labels], axis=1)
        with tf.GradientTape() as tape:
            fake = ops.concatenate([self.generator(inputs), planes], axis=-1)
            g_loss = self.loss_fn(ops.zeros((count, 1)), self.discriminator(fake))
        descend(tape, g_loss, self.generator, self.g_optimizer)
        return self.logs(d_loss, g_loss)


def conditional_gan():
    """The page "Conditional GAN" (keras.io/examples/generative/conditional_gan).

    From there: the guide's networks, where the generator has 128 latents and 10 label values as
    inputs, and as many channels in its first map, and the discriminator 1 + 10 channels; labels
    without noise; Adam at 3e-4 for both, batches of 64, images in [0, 1], a buffer of 1,024.

    A flaw: the discriminator's label planes, see `ConditionalGAN.planes`.
    """
    model = ConditionalGAN(*dcgan_networks(128 + CLASSES, 1 + CLASSES), latent_dim=128)
    model.compile(lambda: keras.optimizers.Adam(3e-4))
    return PublicModel(
        "conditional_gan", model, 64, model.generator, 128, shuffle=1024, conditional=True
    )


class WGANGP(GAN):
    """Networks are called in training, the generator too as the critic learns.

    Logs are the last batch's, without means.
    """

    critic_steps = 3
    penalty_weight = 10.0

    @property
    def metrics(self):
        return []

    def penalty(self, real, fake):
        mix = keras.random.uniform((ops.shape(real)[0], 1, 1, 1), seed=self.seed_generator)
        between = real + mix * (fake - real)
        with tf.GradientTape() as tape:
            tape.watch(between)
            logits = self.discriminator(between, training=True)
        gradients = tape.gradient(logits, between)
        # No small number under the root, so a gradient of exactly 0 would end in NaN.
        norms = ops.sqrt(ops.sum(ops.square(gradients), axis=(1, 2, 3)))
        return ops.mean(ops.square(norms - 1.0))

    def train_step(self, real):
        count = ops.shape(real)[0]
        for _ in range(self.critic_steps):  # all on the same real images
            noise = self.noise(count)
            with tf.GradientTape() as tape:
                fake = self.generator(noise, training=True)
                fake_logits = self.discriminator(fake, training=True)
                real_logits = self.discriminator(real, training=True)
                d_loss = ops.mean(fake_logits) - ops.mean(real_logits)
                d_loss += self.penalty_weight * self.penalty(real, fake)
            descend(tape, d_loss, self.discriminator, self.d_optimizer)

        noise = self.noise(count)
        with tf.GradientTape() as tape:
            fake = self.generator(noise, training=True)
            g_loss = -ops.mean(self.discriminator(fake, training=True))
        descend(tape, g_loss, self.generator, self.g_optimizer)
        return {"d_loss": d_loss, "g_loss": g_loss}


def wgan_gp():
    """The page "WGAN-GP overriding `Model.train_step`" (keras.io/examples/generative/wgan_gp).

    From there: 128 latents; a critic of images padded to 32x32, strided 5x5 convolutions of 64,
    128, 256 and 512 with leaky ReLU of 0.2, dropout of 0.3 after the second and third and of 0.2
    before the output; a generator of 4x4x256 and three times upsampling, a 3x3 convolution (128,
    64, 1) without a bias and batch normalization, tanh, cropped to 28x28; three critic steps to one
    of the generator, a penalty weighted by 10; Adam at 2e-4 with betas 0.5 and 0.9 for both,
    batches of 512, images in [-1, 1], `fit` on an array, which shuffles all of it.

    The penalty's points between images are drawn evenly, as the page has it since August 2023
    (keras-io, pull request 1463); before, from a normal distribution. A flaw: the three critic
    steps see the same real images.
    """
    critic = [keras.Input(IMAGE), layers.ZeroPadding2D(2)]
    for filters, dropout in ((64, 0.0), (128, 0.3), (256, 0.3), (512, 0.0)):
        critic += [layers.Conv2D(filters, 5, strides=2, padding="same"), layers.LeakyReLU(0.2)]
        critic += [layers.Dropout(dropout)] if dropout else []
    critic += [layers.Flatten(), layers.Dropout(0.2), layers.Dense(1)]

    generator = [keras.Input((128,)), layers.Dense(4 * 4 * 256, use_bias=False)]
    generator += [layers.BatchNormalization(), layers.LeakyReLU(0.2), layers.Reshape((4, 4, 256))]
    for filters in (128, 64, 1):
        generator += [layers.UpSampling2D()]
        generator += [layers.Conv2D(filters, 3, padding="same", use_bias=False)]
        generator += [layers.BatchNormalization()]
        generator += [layers.LeakyReLU(0.2) if filters > 1 else layers.Activation("tanh")]
    generator += [layers.Cropping2D(2)]

    model = WGANGP(keras.Sequential(generator), keras.Sequential(critic), latent_dim=128)
    model.compile(lambda: keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.9))
    return PublicModel("wgan_gp", model, 512, model.generator, 128, low=-1.0)


PUBLIC = {
    "vae": vae,
    "vae_16": functools.partial(vae, 16),
    "dcgan": dcgan,
    "wgan_gp": wgan_gp,
    "conditional_gan": conditional_gan,
}
