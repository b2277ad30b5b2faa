"""The GauGAN of the Keras example "GauGAN for conditional image generation", for `gaugan.py`.

It is rewritten from the example's settings: SPADE without the 1 of 1 + γ, normalized by the moments
of the batch in training and at inference, noise from an encoder of the target (which no gradient
reaches, since it is called outside of the tape) and at inference from N(0, 2²), a discriminator of
one scale with instance normalization, hinge loss, feature matching of weight 10, Adam of 1e-4 and
4e-4 with β₁ = 0, and batches of four.

What differs: the features of VGG19, of weight 0.1, are left out, because their weights must be
downloaded. The images have one channel. The generator begins with 4 x 4 pixels and has as many
blocks as it takes to the size of the images, with the last widths of the example; `width` scales
all numbers of filters.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

LATENT_DIM, CLASSES = 256, 3


class PublicSPADE(layers.Layer):
    """γ · n(x) + β, without 1 + γ, and with the moments of the batch at all times."""

    def __init__(self, filters, hidden):
        super().__init__()
        self.hidden = layers.Conv2D(hidden, 3, padding="same", activation="relu")
        self.gamma = layers.Conv2D(filters, 3, padding="same")
        self.beta = layers.Conv2D(filters, 3, padding="same")

    def call(self, x, label_map):
        hidden = self.hidden(tf.image.resize(label_map, ops.shape(x)[1:3], "nearest"))
        mean, variance = tf.nn.moments(x, axes=(0, 1, 2), keepdims=True)
        return self.gamma(hidden) * (x - mean) / tf.sqrt(variance + 1e-5) + self.beta(hidden)


def leaky(x):
    return layers.LeakyReLU(0.2)(x)


def block(x, label_map, filters, hidden):
    """Applies a residual block; its shortcut is learned if the number of filters changes."""
    channels = x.shape[-1]
    y = leaky(PublicSPADE(channels, hidden)(x, label_map))
    y = layers.Conv2D(filters, 3, padding="same")(y)
    y = leaky(PublicSPADE(filters, hidden)(y, label_map))
    y = layers.Conv2D(filters, 3, padding="same")(y)
    if filters != channels:
        x = leaky(PublicSPADE(channels, hidden)(x, label_map))
        x = layers.Conv2D(filters, 3, padding="same")(x)
    return layers.Add()([x, y])


def generator(size, width):
    """Builds the generator of noise and label maps."""
    stages = int(np.log2(size // 4))
    widths = (1024, 1024, 1024, 512, 256, 128)[-stages:]
    latents, label_map = keras.Input((LATENT_DIM,)), keras.Input((size, size, CLASSES))
    first = int(1024 * width)
    x = layers.Reshape((4, 4, first))(layers.Dense(16 * first)(latents))
    for filters in widths:
        x = block(x, label_map, int(filters * width), int(128 * width) or 1)
        x = layers.UpSampling2D(2)(x)
    image = layers.Conv2D(1, 4, padding="same", activation="tanh")(leaky(x))
    return keras.Model([latents, label_map], image)


def downsample(x, filters, kernel_size, strides=2, norm=True):
    initializer = keras.initializers.GlorotNormal()
    x = layers.Conv2D(
        filters, kernel_size, strides, "same", use_bias=False, kernel_initializer=initializer
    )(x)
    return leaky(layers.GroupNormalization(-1)(x) if norm else x)


def discriminator(size, width):
    """Builds the discriminator, which returns features and scores."""
    label_map, image = keras.Input((size, size, CLASSES)), keras.Input((size, size, 1))
    base = int(64 * width)
    x = layers.Concatenate()([label_map, image])
    outputs = [downsample(x, base, 4, norm=False)]
    for factor, strides in ((2, 2), (4, 2), (8, 1)):
        outputs.append(downsample(outputs[-1], factor * base, 4, strides))
    outputs.append(layers.Conv2D(1, 4)(outputs[-1]))
    return keras.Model([label_map, image], outputs)


def encoder(size, width):
    """Builds the encoder of images to means and logarithms of variances."""
    image, base = keras.Input((size, size, 1)), int(64 * width)
    x = downsample(image, base, 3, norm=False)
    for factor in (2, 4, 8, 8):
        x = downsample(x, factor * base, 3)
    x = layers.Flatten()(x)
    return keras.Model(image, [layers.Dense(LATENT_DIM)(x), layers.Dense(LATENT_DIM)(x)])


class PublicGauGAN(keras.Model):
    """The example's step of training. Images lie in [-1, 1] inside, and in [0, 1] outside."""

    def __init__(self, size, batch, width):
        super().__init__()
        self.batch, self.generator = batch, generator(size, width)
        self.discriminator, self.encoder = discriminator(size, width), encoder(size, width)
        self.generator_optimizer = keras.optimizers.Adam(1e-4, beta_1=0.0)
        self.discriminator_optimizer = keras.optimizers.Adam(4e-4, beta_1=0.0)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def train_step(self, data):
        label_map, image = data[0], 2 * data[1] - 1
        mean, log_variance = self.encoder(image)
        noise = tf.random.normal(tf.shape(mean))
        latents = mean + tf.exp(0.5 * log_variance) * noise
        fake = self.generator([latents, label_map])
        with tf.GradientTape() as tape:
            real_scores = self.discriminator([label_map, image])[-1]
            fake_scores = self.discriminator([label_map, fake])[-1]
            loss = 0.5 * tf.reduce_mean(tf.nn.relu(1 - real_scores))
            loss += 0.5 * tf.reduce_mean(tf.nn.relu(1 + fake_scores))
        variables = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(loss, variables), variables)
        with tf.GradientTape() as tape:
            real = self.discriminator([label_map, image])
            judged = self.discriminator([label_map, self.generator([latents, label_map])])
            features = sum(
                tf.reduce_mean(tf.abs(a - b)) for a, b in zip(real[:-1], judged[:-1], strict=True)
            )
            total = 10 * features - tf.reduce_mean(judged[-1])
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(total, variables), variables)
        return {"discriminator_loss": loss, "feature_loss": features}

    def translate(self, label_maps):
        """Translates as the example does: a batch at a time, with noise of deviation 2."""
        parts = []
        for start in range(0, len(label_maps), self.batch):
            part = label_maps[start : start + self.batch]
            latents = 2 * tf.random.normal((len(part), LATENT_DIM), seed=start)
            parts.append((self.generator([latents, tf.convert_to_tensor(part)]).numpy() + 1) / 2)
        return np.concatenate(parts)


def build(size, batch, width=1.0):
    """Builds and compiles the model."""
    model = PublicGauGAN(size, batch, width)
    model.compile()
    return model
