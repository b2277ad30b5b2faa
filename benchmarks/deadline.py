"""Training for a number of seconds, so that models can be compared after equal times."""

from __future__ import annotations

import math
import time

import keras


class Deadline(keras.callbacks.Callback):
    """Ends training some seconds after its first step, in which it compiles.

    Args:
        seconds: The time after the first step.
        rates: The first learning rate of each optimizer by its name in the model, which falls to 0
            along half a cosine; by default the optimizers are left alone.
    """

    def __init__(self, seconds: float, rates: dict[str, float] | None = None):
        super().__init__()
        self.seconds, self.rates, self.steps, self.start = seconds, rates or {}, 0, None

    def on_train_batch_begin(self, batch, logs=None):
        if self.start is None:
            return
        progress = min((time.perf_counter() - self.start) / self.seconds, 1.0)
        for name, rate in self.rates.items():
            optimizer = getattr(self.model, name)
            optimizer.learning_rate = 0.5 * rate * (1 + math.cos(math.pi * progress))

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.start is None:
            self.start = time.perf_counter()
        elif time.perf_counter() - self.start > self.seconds:
            self.model.stop_training = True


def fit(model: keras.Model, data, seconds: float, rates: dict[str, float] | None = None) -> int:
    """Trains a model on an endless data set for a time; returns how many steps it took."""
    deadline = Deadline(seconds, rates)
    model.fit(data, epochs=10**6, steps_per_epoch=10, verbose=0, callbacks=[deadline])
    return deadline.steps
