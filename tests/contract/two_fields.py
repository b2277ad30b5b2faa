"""A model that no family of the library has, to show that the architecture is open.

It has two fields, two optimizers and three networks, with a moving average of one of them.
"""

import keras
import tensorflow as tf

from keras_genzoo import losses, networks
from keras_genzoo.core.compiling import AdversarialCompiling
from keras_genzoo.core.fields import Images
from keras_genzoo.core.model import GenerativeModel
from keras_genzoo.core.moving_average import MovingAverage
from keras_genzoo.serving import Endpoint

SOURCE, TARGET = (8, 8, 1), (8, 8, 2)


def network(source, target):
    layer = keras.layers.Conv2D(target[-1], 3, padding="same", activation="sigmoid")
    return keras.Sequential([keras.Input(source), layer])


@keras.saving.register_keras_serializable("tests")
class Translator(AdversarialCompiling, GenerativeModel):
    """Translates images to their targets and back; a discriminator scores the targets."""

    verbs = frozenset({"translate"})
    players = {
        "generator_optimizer": ("forward", "backward"),
        "discriminator_optimizer": ("discriminator",),
    }
    log_names = ("generator_loss", "cycle_loss", "discriminator_loss")
    generated_pairs = ("target",)

    def __init__(self, cycle_weight=2.0, **kwargs):
        super().__init__(Images(SOURCE, "source"), Images(TARGET, "target"), **kwargs)
        self.cycle_weight, self.loss = cycle_weight, losses.get("least_squares")
        self.forward, self.backward = network(SOURCE, TARGET), network(TARGET, SOURCE)
        self.discriminator = networks.discriminator(TARGET, filters=(4, 8))
        self.average = MovingAverage(self.forward, 100.0, "forward")

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5) for player in self.players}

    def score(self, images, training):
        return self.run("discriminator", images, training=training)[:, 0]

    def error(self, source, fake, training):
        restored = self.run("backward", fake, training=training)
        return tf.reduce_mean(tf.abs(restored - source), axis=(1, 2, 3))

    def call(self, source, training=False):
        source = self.data_field.convert(source)
        return self.run("forward", source, training=training)

    def train_step(self, data):
        source, target = self.unpack(data)
        with tf.GradientTape() as generator_tape:
            fake = self(source, training=True)
        with tf.GradientTape() as tape:
            scores = [self.score(x, True) for x in (target, tf.stop_gradient(fake))]
            discriminator_loss = self.loss.discriminator_loss(*scores)
            objective = self.objective("discriminator_optimizer", discriminator_loss)
        self.update("discriminator_optimizer", objective, tape)
        with generator_tape:
            generator_loss = self.loss.generator_loss(self.score(fake, True))
            cycle_loss = self.cycle_weight * self.error(source, fake, training=True)
            objective = self.objective("generator_optimizer", generator_loss, cycle_loss)
        self.update("generator_optimizer", objective, generator_tape)
        self.update_averages(source)
        self.log(generator_loss=generator_loss, cycle_loss=cycle_loss)
        return self.log(discriminator_loss=discriminator_loss)

    def test_step(self, data):
        source, target = self.unpack(data)
        fake = self(source, training=False)
        scores = [self.score(x, False) for x in (target, fake)]
        self.log(
            discriminator_loss=self.loss.discriminator_loss(*scores),
            generator_loss=self.loss.generator_loss(scores[1]),
            cycle_loss=self.cycle_weight * self.error(source, fake, False),
        )
        logs = self.compute_metrics(source, target, fake)
        return logs | self.update_generative_metrics(target, fake, "target")

    def translate(self, x):
        self.input_field.check(x, "x")
        return self.in_batches(self, x)

    def endpoints(self):
        return {"serving_default": Endpoint(self, self.fields[:1], "target")}
