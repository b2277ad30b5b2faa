"""Support for several optimizers in one model, where Keras and its callbacks expect one."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from keras_genzoo.core import keras_internals
from keras_genzoo.core.validation import import_package


class OptimizerGroup:
    """The `optimizer` of a model that has several, for code that expects one.

    `learning_rate` can be read and set. For Keras's callbacks, each optimizer keeps its own rate:
    LearningRateScheduler asks its schedule for each one, ReduceLROnPlateau multiplies each, and
    SwapEMAWeights swaps those with `use_ema`.

    Args:
        optimizers: The model's optimizers by name, with or without loss scaling.
    """

    built = True

    def __init__(self, optimizers: dict[str, keras.optimizers.Optimizer]):
        self.names = list(optimizers)
        # Callbacks need the inner optimizers of those with loss scaling.
        self.optimizers = [without_loss_scale(optimizer) for optimizer in optimizers.values()]

    def __setattr__(self, name, value):
        if name not in ("names", "optimizers", "learning_rate"):  # it would have no effect
            raise AttributeError(
                f"`optimizer.{name}` of a model with several optimizers can't be set: set that of "
                f"{' and '.join(f'`{name}`' for name in self.names)}. Received: {value!r:.50}"
            )
        super().__setattr__(name, value)

    @property
    def learning_rate(self) -> tf.Tensor:
        """The rate of the first of `players`. Setting it sets the rates of all."""
        # Not the variable: its `assign` would leave out the others.
        return tf.convert_to_tensor(self.optimizers[0].learning_rate)

    @learning_rate.setter
    def learning_rate(self, value):
        for name, optimizer in zip(self.names, self.optimizers, strict=True):
            if not isinstance(optimizer.learning_rate, keras.Variable):
                raise TypeError(
                    "`optimizer.learning_rate` can't be set if an optimizer has a "
                    f"LearningRateSchedule. Received: {value!r:.50}, where `{name}` has one"
                )
        rates = [float(optimizer.learning_rate) for optimizer in self.optimizers]
        if len({*rates}) > 1:
            warnings.warn(
                f"`optimizer.learning_rate` sets one rate for {' and '.join(self.names)}, which "
                f"had different ones: {', '.join(f'{rate:.3g}' for rate in rates)}. To keep them "
                f"apart, set `model.{self.names[0]}.learning_rate` and so on.",
                stacklevel=2,
            )
        for optimizer in self.optimizers:
            optimizer.learning_rate = value

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


def project(optimizer: keras.optimizers.Optimizer, variable, projection: Callable) -> None:
    """Replaces a variable by its projection on a convex set, after a step of its optimizer.

    The optimizer's average of the variable (`use_ema`) becomes one of projected values. (With a
    Keras constraint, it is an average of the values before the constraint.)

    Args:
        optimizer: The optimizer that took the step.
        variable: One of its variables.
        projection: A function that maps a value to the projected value.
    """
    optimizer = without_loss_scale(optimizer)
    average = keras_internals.average_of_variable(optimizer, variable)
    before = tf.convert_to_tensor(variable.value)
    projected = projection(before)
    variable.assign(projected)
    if average is not None:
        # The first step sets the average to the variable.
        is_later = tf.cast(optimizer.iterations > 1, projected.dtype)
        change = (1.0 - is_later * optimizer.ema_momentum) * (projected - before)
        average.assign(projection(tf.convert_to_tensor(average.value) + change))


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


# Keras's callbacks for models with one optimizer, and their hooks.
_ONE_OPTIMIZER = (
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.SwapEMAWeights,
)
_HOOKS = [f"on_{part}_{end}" for part in ("train", "epoch", "test") for end in ("begin", "end")]


class _OnePlayer:
    """A model with several optimizers, as a callback sees it that knows of one only."""

    def __init__(self, model, name):
        vars(self).update(
            model=model,
            optimizer=without_loss_scale(getattr(model, name)),
            trainable_variables=model.optimized_variables()[name],
        )

    def __getattr__(self, name):
        return getattr(self.model, name)

    def __setattr__(self, name, value):
        setattr(self.model, name, value)


def _call_for_each_player(callback, hook, *args, **kwargs):
    """Calls a callback's hook for each optimizer, each time from the same state."""
    model = callback.model
    if not isinstance(model.optimizer, OptimizerGroup):
        return hook(callback, *args, **kwargs)
    views = [_OnePlayer(model, name) for name in model.optimizer.names]
    if isinstance(callback, keras.callbacks.SwapEMAWeights):
        views = [view for view in views if view.optimizer.use_ema] or views[:1]
    state, logs = dict(vars(callback)), kwargs.get("logs", args[-1] if args else None) or {}
    for view in views:
        vars(callback).update(state)
        callback.set_model(view)
        hook(callback, *args, **kwargs)
        if "learning_rate" in logs:
            logs[f"learning_rate_{view.optimizer.name}"] = logs.pop("learning_rate")
    callback.set_model(model)


def prepare_callbacks(model, callbacks) -> None:
    """Lets Keras's callbacks for one optimizer treat each of several, as newer ones do.

    Warns of a callback that minimizes a metric whose higher values are better: before 3.11,
    Keras's `mode="auto"` does.

    Raises:
        ImportError: If there is a `TensorBoard` without the package, which would fail later.
    """
    for callback in _given(callbacks):
        if isinstance(callback, keras.callbacks.TensorBoard):
            import_package("tensorboard", "The callback `TensorBoard`")
        if not keras_internals.callbacks_know_directions():
            _warn_of_direction(model, callback)
        if keras_internals.callbacks_know_several_optimizers():
            continue
        for name in _HOOKS if isinstance(callback, _ONE_OPTIMIZER) else ():
            hook = getattr(type(callback), name)
            setattr(callback, name, functools.partial(_call_for_each_player, callback, hook))


def _warn_of_direction(model, callback):
    metrics = [*model.generative_metrics, *model.data_metrics]
    best = keras_internals.maximized_metrics(metrics)
    monitor = getattr(callback, "monitor", "").removeprefix("val_")
    # EarlyStopping chooses its direction later, and knows this one.
    direction = getattr(callback, "monitor_op", None)
    if monitor in best and direction is not None and direction(0.0, 1.0):
        warnings.warn(
            f"{type(callback).__name__} minimizes {callback.monitor}, whose higher values are "
            f'better: Keras {keras.__version__} needs `mode="max"`.',
            stacklevel=3,
        )


def _given(callbacks) -> list[keras.callbacks.Callback]:
    """Lists the callbacks that a user gave: none, one, several, or a `CallbackList`."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks.callbacks
    return tf.nest.flatten(callbacks or [])


def with_optimizer_callbacks(model, callbacks):
    """Adds to the callbacks of `fit` what Keras does for models with one optimizer only.

    Args:
        model: A model with several optimizers.
        callbacks: The callbacks that the user gave, which stay as they are.

    Returns:
        A new list of callbacks, or a new `CallbackList` around one.
    """
    # Averages come first, so that callbacks that restore weights at the end run later.
    first, last = [_AverageWeights()], []
    if any(isinstance(c, keras.callbacks.TerminateOnNaN) for c in _given(callbacks)):
        last = [_TerminateOnNaN()]
    return surround(model, callbacks, first, last)


def surround(model, callbacks, first: list, last: Sequence = ()):
    """Adds callbacks before and after those of the user, which stay as they are.

    Returns:
        A new list of callbacks, or a new `CallbackList` around one.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):  # which is itself a callback
        return keras.callbacks.CallbackList(
            [*first, callbacks, *last], model=model, **(callbacks.params or {})
        )
    return [*first, *tf.nest.flatten(callbacks or []), *last]
