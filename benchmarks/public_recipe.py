"""The public recipe of a DCGAN, put through the contract of this library's models.

The recipe is that of the Keras example "DCGAN to generate face images", rewritten from the idea: a
`keras.Model` with its own `compile`, `metrics` and `train_step`, and no `get_config`. The table
shows what users get that way, without the library. It has two rows: as published, the model has no
`call` and no `test_step`, so it cannot be built or validated, and that alone would hide how its
`train_step` fares.

Two changes keep it from failing for reasons of no interest: its `compile` passes Keras's options
on, and its labels have no noise, which the example draws without a seed. One "no" is not the
recipe's fault: with two workers, Keras 3.15 fails on the scalar logs of any `train_step`. Run:

    python benchmarks/public_recipe.py docs/public_recipe.md
"""

from __future__ import annotations

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

import keras
import tensorflow as tf
from contract.cases import BATCH, IMAGE, Case
from contract.table import Contract, main
from keras import layers, ops

from keras_genzoo.data import arrays

LATENT_DIM = 4


class PublicDCGAN(keras.Model):
    """The model as published. It passes no `training` argument, so dropout never acts."""

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
        """Returns the loss of telling fakes, labelled 1, from real images, labelled 0."""
        count = ops.shape(real)[0]
        labels = ops.concatenate([ops.ones((count, 1)), ops.zeros((count, 1))], axis=0)
        return self.loss_fn(labels, self.discriminator(ops.concatenate([fake, real], axis=0)))

    def g_loss(self, count):
        """Returns the loss of new fakes, which should be taken for real images."""
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
    """The model with the least that validation needs."""

    def call(self, latents):
        return self.generator(latents)

    def test_step(self, real):
        count = ops.shape(real)[0]
        return self.logs(self.d_loss(self.generate(count), real), self.g_loss(count))


def networks():
    """Builds the published networks, smaller."""
    options = {"strides": 2, "padding": "same", "activation": "leaky_relu"}
    critic = [keras.Input(IMAGE), layers.Conv2D(4, 4, **options)]
    critic += [layers.Conv2D(8, 4, **options), layers.Flatten()]
    critic += [layers.Dropout(0.2), layers.Dense(1, activation="sigmoid")]
    generator = [keras.Input((LATENT_DIM,)), layers.Dense(2 * 2 * 8), layers.Reshape((2, 2, 8))]
    generator += [layers.Conv2DTranspose(filters, 4, **options) for filters in (8, 4)]
    generator += [layers.Conv2D(1, 5, padding="same", activation="sigmoid")]
    return keras.Sequential(critic), keras.Sequential(generator)


class PublicCase(Case):
    """The model as published."""

    def dataset(self, model, examples):
        """Images alone, as the recipe maps them: floats from 0 to 1."""
        images, _ = arrays("digits")
        images = images[:examples].astype("float32") / 255.0
        return tf.data.Dataset.from_tensor_slices(images).batch(BATCH)

    def compile(self, model, optimizer=None, **options):
        optimizer = optimizer or (lambda: keras.optimizers.Adam(1e-4))
        model.compile(optimizer(), optimizer(), keras.losses.BinaryCrossentropy(), **options)

    def optimizers(self, model):
        return [model.d_optimizer, model.g_optimizer]

    def verbs(self, model):
        return frozenset()


class TestablePublicCase(PublicCase):
    """The model with a `test_step`."""

    def compile(self, model, optimizer=None, **options):
        super().compile(model, optimizer, **options)
        # As Keras's errors advise. After `compile`, which adds no metrics to a model that is built.
        model(ops.zeros((1, LATENT_DIM)))


CASES = {
    "DCGAN, public recipe": PublicCase(lambda: PublicDCGAN(*networks(), LATENT_DIM)),
    "DCGAN, public recipe, with a test_step": TestablePublicCase(
        lambda: TestablePublicDCGAN(*networks(), LATENT_DIM)
    ),
}

HEADER = """# The public recipe

How a `keras.Model` with its own `train_step`, written as in the public example of a DCGAN, fares in
[the contract](contract.md) of this library's models, in one run of
`python benchmarks/public_recipe.py docs/public_recipe.md`. The reasons are below the table.
"""

if __name__ == "__main__":
    sys.exit(main(Contract(CASES, "public_recipe"), HEADER))
