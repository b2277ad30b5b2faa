"""What Keras's callbacks know of models with several optimizers."""

from __future__ import annotations

import keras
import tensorflow as tf


class Optimizers:
    """What Keras's callbacks see as the `optimizer` of a model that has several.

    Each keeps its own learning rate: LearningRateScheduler asks its schedule for each one,
    ReduceLROnPlateau multiplies each, and SwapEMAWeights swaps those with `use_ema`.
    """

    built = True

    def __init__(self, optimizers: list):
        # Without the loss scaling, which callbacks don't look behind.
        self.optimizers = [getattr(o, "inner_optimizer", o) for o in optimizers]

    @property
    def iterations(self):
        """The first one's: it counts the steps of `fit`."""
        return self.optimizers[0].iterations

    @property
    def variables(self) -> list:
        """All of their variables."""
        return [variable for optimizer in self.optimizers for variable in optimizer.variables]


class _Averages(keras.callbacks.Callback):
    """At the end of `fit`, puts optimizers' averages (`use_ema`) in place of the weights.

    Keras does it for a model's one optimizer.
    """

    def on_train_end(self, logs=None):
        for name, variables in self.model.optimized_variables().items():
            optimizer = getattr(self.model, name)
            if optimizer.iterations.numpy() > 0:  # else there is no average yet
                optimizer.finalize_variable_values(variables)


class _TerminateOnNaN(keras.callbacks.TerminateOnNaN):
    """Keras's looks at `loss` alone, which is not logged where there are several."""

    def on_batch_end(self, batch, logs=None):
        super().on_batch_end(batch, {"loss": sum((logs or {}).values())})


def for_players(model, callbacks):
    """The callbacks of `fit`, with what Keras does for models of one optimizer alone."""
    averages = _Averages()
    if isinstance(callbacks, keras.callbacks.CallbackList):
        averages.set_model(model)
        chosen = callbacks.callbacks
    else:
        callbacks = chosen = list(tf.nest.flatten([] if callbacks is None else callbacks))
    for callback in chosen:
        if type(callback) is keras.callbacks.TerminateOnNaN:
            callback.__class__ = _TerminateOnNaN
    # First: callbacks that restore weights at the end have the last word.
    if not any(isinstance(callback, _Averages) for callback in chosen):
        chosen.insert(0, averages)
    return callbacks
