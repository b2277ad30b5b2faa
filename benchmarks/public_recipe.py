"""The public recipe of a DCGAN, put through the contract of this library's models.

The recipe is that of the Keras example "DCGAN to generate face images", written anew from the
idea: a `keras.Model` with its own `compile`, `metrics` and `train_step`, and no `get_config`. The
table shows what a user gets that way, without the library; twice, for a lack of `call` and
`test_step` alone, and so of validation and of a built model, would hide how `train_step` fares.

It is spared two things that would fail for reasons of no interest: its `compile` passes Keras's
options on, and its labels have no noise, which is drawn without a seed. One "no" is not its own:
with two workers, Keras 3.15 fails on the scalar logs of any `train_step`. Run:

    python benchmarks/public_recipe.py table docs/public_recipe.md
"""

from __future__ import annotations

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

import contract  # first, for it quiets TensorFlow's log
import keras
import tensorflow as tf
from keras import layers, ops

LATENT_DIM = 4


class PublicDCGAN(keras.Model):
    """As published; without a `training` argument, so that dropout never acts."""

    def __init__(self, discriminator, generator, latent_dim):
        super().__init__()
        self.discriminator, self.generator = discriminator, generator
        self.latent_dim = latent_dim
        self.seed_generator = keras.random.SeedGenerator(1337)

    def compile(self, d_optimizer, g_optimizer, loss_fn, **options):
        super().compile(**options)
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.loss_fn = loss_fn
        self.d_loss_metric = keras.metrics.Mean(name="d_loss")
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self):
        return [self.d_loss_metric, self.g_loss_metric]

    def generate(self, count):
        latents = keras.random.normal((count, self.latent_dim), seed=self.seed_generator)
        return self.generator(latents)

    def d_loss(self, fake, real):
        """The loss of telling fakes, labelled 1, from real images, labelled 0."""
        count = ops.shape(real)[0]
        labels = ops.concatenate([ops.ones((count, 1)), ops.zeros((count, 1))], axis=0)
        return self.loss_fn(labels, self.discriminator(ops.concatenate([fake, real], axis=0)))

    def g_loss(self, count):
        """The loss of fakes that are to be taken for real images."""
        return self.loss_fn(ops.zeros((count, 1)), self.discriminator(self.generate(count)))

    def train_step(self, real):
        count = ops.shape(real)[0]
        fake = self.generate(count)
        with tf.GradientTape() as tape:
            d_loss = self.d_loss(fake, real)
        weights = self.discriminator.trainable_weights
        gradients = tape.gradient(d_loss, weights)
        self.d_optimizer.apply_gradients(zip(gradients, weights, strict=True))

        with tf.GradientTape() as tape:
            g_loss = self.g_loss(count)
        weights = self.generator.trainable_weights
        gradients = tape.gradient(g_loss, weights)
        self.g_optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return self.logs(d_loss, g_loss)

    def logs(self, d_loss, g_loss):
        self.d_loss_metric.update_state(d_loss)
        self.g_loss_metric.update_state(g_loss)
        return {metric.name: metric.result() for metric in self.metrics}


class TestablePublicDCGAN(PublicDCGAN):
    """With the least that validation asks for."""

    def call(self, latents):
        return self.generator(latents)

    def test_step(self, real):
        count = ops.shape(real)[0]
        return self.logs(self.d_loss(self.generate(count), real), self.g_loss(count))


def networks():
    """The published networks, smaller."""
    options = {"strides": 2, "padding": "same", "activation": "leaky_relu"}
    critic = [keras.Input(contract.IMAGE), layers.Conv2D(4, 4, **options)]
    critic += [layers.Conv2D(8, 4, **options), layers.Flatten()]
    critic += [layers.Dropout(0.2), layers.Dense(1, activation="sigmoid")]
    generator = [keras.Input((LATENT_DIM,)), layers.Dense(2 * 2 * 8), layers.Reshape((2, 2, 8))]
    generator += [layers.Conv2DTranspose(filters, 4, **options) for filters in (8, 4)]
    generator += [layers.Conv2D(1, 5, padding="same", activation="sigmoid")]
    return keras.Sequential(critic), keras.Sequential(generator)


class PublicCase(contract.Case):
    """Data as the recipe maps it: floats from 0 to 1."""

    def dataset(self, model, examples):
        return super().dataset(model, examples).map(lambda x: tf.cast(x, tf.float32) / 255.0)


def compile_published(model, optimizer=None, **options):
    optimizer = optimizer or (lambda: keras.optimizers.Adam(1e-4))
    model.compile(optimizer(), optimizer(), keras.losses.BinaryCrossentropy(), **options)


def compile_testable(model, optimizer=None, **options):
    compile_published(model, optimizer, **options)
    # As Keras's errors advise; after `compile`, which may add no metrics to a model that is built.
    model(ops.zeros((1, LATENT_DIM)))


def case(model, compile):
    return PublicCase(
        lambda: model(*networks(), LATENT_DIM),
        compile=compile,
        optimizers=lambda model: [model.d_optimizer, model.g_optimizer],
    )


CASES = {
    "DCGAN, public recipe": case(PublicDCGAN, compile_published),
    "DCGAN, public recipe, with a test_step": case(TestablePublicDCGAN, compile_testable),
}

HEADER = """# The public recipe

What a user gets from a `keras.Model` with its own `train_step`, written as in the public example of
a DCGAN, of what [the contract](contract.md) asks of the models of this library; in one run of
`python benchmarks/public_recipe.py table docs/public_recipe.md`. Below the table: why.
"""

if __name__ == "__main__":
    sys.exit(contract.main(CASES, __file__, HEADER))
