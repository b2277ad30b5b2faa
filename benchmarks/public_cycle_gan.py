"""The CycleGAN of the Keras example "CycleGAN", for `cycle_gan.py` and `translation_speed.py`.

It is rewritten from the example's settings: a ResNet of 9 blocks from 64 filters on, whose
normalization is `GroupNormalization(groups=1)` with γ drawn from N(0, 0.02²), a discriminator of
four stages from 64 filters on, least squares, cycle weight 10, identity weight 0.5 of it, no pool
of earlier images, four Adams of 2e-4 with β₁ = 0.5, and batches of one. As in the example, the loss
of a generator has only the cycle that ends in it, and its gradient is taken for that generator
alone: no generator learns from the cycle in which it encodes.

What differs: images have any size and number of channels, in [0, 1] outside. `width` scales all
numbers of filters, and `blocks` is the number of residual blocks.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

CYCLE, IDENTITY = 10.0, 0.5


def random_normal():
    return keras.initializers.RandomNormal(0.0, 0.02)


class Reflect(layers.Layer):
    def __init__(self, border):
        super().__init__()
        self.border = border

    def call(self, x):
        sides = (self.border, self.border)
        return ops.pad(x, [(0, 0), sides, sides, (0, 0)], mode="reflect")


def normalize(x):
    return layers.GroupNormalization(groups=1, gamma_initializer=random_normal())(x)


def convolve(x, filters, kernel_size, strides=1, padding="same", layer=layers.Conv2D):
    options = {"kernel_initializer": random_normal(), "use_bias": False}
    return normalize(layer(filters, kernel_size, strides, padding, **options)(x))


def generator(channels, width, blocks):
    """Builds the generator of images in [-1, 1]."""
    base = int(64 * width)
    source = keras.Input((None, None, channels))
    x = layers.ReLU()(convolve(Reflect(3)(source), base, 7, padding="valid"))
    for filters in (2 * base, 4 * base):
        x = layers.ReLU()(convolve(x, filters, 3, 2))
    for _ in range(blocks):
        y = layers.ReLU()(convolve(Reflect(1)(x), 4 * base, 3, padding="valid"))
        x = layers.Add()([x, convolve(Reflect(1)(y), 4 * base, 3, padding="valid")])
    for filters in (2 * base, base):
        x = layers.ReLU()(convolve(x, filters, 3, 2, layer=layers.Conv2DTranspose))
    image = layers.Conv2D(channels, 7, padding="valid", activation="tanh")(Reflect(3)(x))
    return keras.Model(source, image)


def discriminator(channels, width):
    """Builds the discriminator of images in [-1, 1]."""
    base = int(64 * width)
    image = keras.Input((None, None, channels))
    options = {"padding": "same", "kernel_initializer": random_normal()}
    x = layers.LeakyReLU(0.2)(layers.Conv2D(base, 4, 2, **options)(image))
    for factor, strides in ((2, 2), (4, 2), (8, 1)):
        x = layers.LeakyReLU(0.2)(convolve(x, factor * base, 4, strides))
    return keras.Model(image, layers.Conv2D(1, 4, **options)(x))


def squares(value, scores):
    return tf.reduce_mean((scores - value) ** 2)


def distance(a, b):
    return tf.reduce_mean(tf.abs(a - b))


class PublicCycleGAN(keras.Model):
    """The example's step of training. Images lie in [-1, 1] inside, and in [0, 1] outside."""

    def __init__(self, channels, width=1.0, blocks=9):
        super().__init__()
        self.a_to_b, self.b_to_a = (generator(channels, width, blocks) for _ in range(2))
        self.judge_a, self.judge_b = (discriminator(channels, width) for _ in range(2))
        self.networks = (self.a_to_b, self.b_to_a, self.judge_a, self.judge_b)
        self.optimizers = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in self.networks]
        for network, optimizer in zip(self.networks, self.optimizers, strict=True):
            optimizer.build(network.trainable_variables)

    def train_step(self, data):
        a, b = (2 * tf.cast(x, tf.float32) - 1 for x in data)
        with tf.GradientTape(persistent=True) as tape:
            fake_b, fake_a = self.a_to_b(a, training=True), self.b_to_a(b, training=True)
            back_a = self.b_to_a(fake_b, training=True)
            back_b = self.a_to_b(fake_a, training=True)
            same_a, same_b = self.b_to_a(a, training=True), self.a_to_b(b, training=True)
            real_scores = self.judge_a(a, training=True), self.judge_b(b, training=True)
            fake_scores = self.judge_a(fake_a, training=True), self.judge_b(fake_b, training=True)
            to_b = squares(1.0, fake_scores[1])
            to_b += CYCLE * (distance(b, back_b) + IDENTITY * distance(b, same_b))
            to_a = squares(1.0, fake_scores[0])
            to_a += CYCLE * (distance(a, back_a) + IDENTITY * distance(a, same_a))
            judged = [
                0.5 * (squares(1.0, real) + squares(0.0, fake))
                for real, fake in zip(real_scores, fake_scores, strict=True)
            ]
        losses = (to_b, to_a, *judged)
        gradients = [
            tape.gradient(loss, network.trainable_variables)
            for loss, network in zip(losses, self.networks, strict=True)
        ]
        for network, optimizer, gradient in zip(
            self.networks, self.optimizers, gradients, strict=True
        ):
            optimizer.apply_gradients(zip(gradient, network.trainable_variables, strict=True))
        names = ("to_b", "to_a", "judge_a", "judge_b")
        return dict(zip(names, losses, strict=True))

    def translate(self, images, direction="a_to_b"):
        """Translates images in [0, 1], or uint8."""
        images = tf.image.convert_image_dtype(images, tf.float32)
        network = getattr(self, direction)
        return (network.predict(2 * images - 1, verbose=0) + 1) / 2
