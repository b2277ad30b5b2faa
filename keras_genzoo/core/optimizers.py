"""Support for several optimizers in one model, where Keras and its callbacks expect one."""

from __future__ import annotations

import keras
import tensorflow as tf


class OptimizerGroup:
    """The `optimizer` that Keras's callbacks see on a model that has several.

    Each optimizer keeps its own learning rate: LearningRateScheduler asks its schedule for each
    one, ReduceLROnPlateau multiplies each, and SwapEMAWeights swaps those with `use_ema`.

    Args:
        optimizers: The model's optimizers, with or without loss scaling.
    """

    built = True

    def __init__(self, optimizers: list):
        # Callbacks need the inner optimizers of those with loss scaling.
        self.optimizers = [without_loss_scale(optimizer) for optimizer in optimizers]

    @property
    def iterations(self):
        """The count of the first of `players`, which is the number of steps of `fit`."""
        return self.optimizers[0].iterations

    @property
    def variables(self) -> list:
        """The variables of all optimizers."""
        return [variable for optimizer in self.optimizers for variable in optimizer.variables]


def without_loss_scale(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Returns the optimizer inside a `LossScaleOptimizer`, or the optimizer itself."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer.inner_optimizer
    return optimizer


class _AverageWeights(keras.callbacks.Callback):
    """Replaces the weights by the optimizers' averages (`use_ema`) at the end of `fit`.

    Keras does this itself for a model with one optimizer.
    """

    def on_train_end(self, logs=None):
        for name, variables in self.model.optimized_variables().items():
            optimizer = getattr(self.model, name)
            if optimizer.iterations.numpy() > 0:  # otherwise there is no average yet
                optimizer.finalize_variable_values(variables)


class _TerminateOnNaN(keras.callbacks.TerminateOnNaN):
    """Stops at a NaN in any log.

    Keras's callback looks at `loss` alone, which a model with several optimizers does not log.
    """

    def on_batch_end(self, batch, logs=None):
        super().on_batch_end(batch, {"loss": sum((logs or {}).values())})


def with_optimizer_callbacks(model, callbacks):
    """Adds to the callbacks of `fit` what Keras does for models with one optimizer only.

    Args:
        model: A model with several optimizers.
        callbacks: The callbacks that the user gave, which stay as they are.

    Returns:
        A new list of callbacks, or a new `CallbackList` around one.
    """
    is_list = isinstance(callbacks, keras.callbacks.CallbackList)
    given = tf.nest.flatten(callbacks or [])
    # Averages come first, so that callbacks that restore weights at the end run later.
    chosen = [_AverageWeights(), *given]
    for callback in callbacks.callbacks if is_list else given:
        if isinstance(callback, keras.callbacks.TerminateOnNaN):
            chosen.append(_TerminateOnNaN())
            break
    if is_list:  # a `CallbackList` is itself a callback
        return keras.callbacks.CallbackList(chosen, model=model, **(callbacks.params or {}))
    return chosen
