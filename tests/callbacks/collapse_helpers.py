"""Models, data and callbacks that the tests of `CollapseMonitor` share."""

import keras
import numpy as np
import tensorflow as tf
from contract.runs import values

import keras_genzoo as genzoo
from keras_genzoo import networks
from keras_genzoo.callbacks import CollapseMonitor

RING = genzoo.data.ring(8, stddev=0.2)
GAN_NAMES = ["diversity", "coverage", "discriminator_accuracy", "generator_gradient_norm"]


def ring_gan(**options):
    """A GAN that covers most of the ring after an epoch."""
    model = genzoo.GAN((2,), 8, **{"penalty": "r1", **options})
    model.compile(*(keras.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(2)))
    return model


def small_vae():
    """A VAE that trains quickly."""
    size = {"hidden_units": (8,)}
    encoder, decoder = networks.encoder((2,), 4, **size), networks.decoder((2,), 2, **size)
    model = genzoo.VAE((2,), 2, likelihood="gaussian", encoder=encoder, decoder=decoder)
    model.compile()
    return model


def fit(model, *callbacks, epochs=1, examples=1024, **options):
    points = RING.sample(examples, seed=0)
    options = {"batch_size": 64, "verbose": 0, "callbacks": [*callbacks], **options}
    return model.fit(points, epochs=epochs, **options)


def ring_monitor(**options):
    return CollapseMonitor(RING.sample(300, seed=1), **options)


def on_epoch(number, action):
    """Returns a callback that calls `action` at the end of one epoch, counted from 1."""
    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: action() if epoch + 1 == number else None
    )


def fill_with_nan(model, network):
    weight = getattr(model, network).weights[0]
    weight.assign(weight * np.nan)


class Collapse(keras.callbacks.Callback):
    """Makes the model map all latents to one point at the end of some epochs, counted from 1."""

    def __init__(self, *epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        is_gan = isinstance(self.model, genzoo.GAN)
        kernel = (self.model.generator if is_gan else self.model.decoder).weights[0]
        if epoch + 1 in self.epochs:
            self.kernel = values([kernel])[0]
            kernel.assign(tf.zeros_like(kernel))
        elif epoch in self.epochs:
            kernel.assign(self.kernel)


class StateRecorder(keras.callbacks.Callback):
    """Records weights and optimizer variables before training and after every epoch."""

    def on_train_begin(self, logs=None):
        self.states = [self.state()]

    def on_epoch_end(self, epoch, logs=None):
        self.states.append(self.state())

    def state(self):
        return values([*self.model.weights, *self.model.optimizer.variables])
