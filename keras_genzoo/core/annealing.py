"""Numbers that people change during training: weights of terms and label smoothing."""

from __future__ import annotations

import inspect
import types
import weakref
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_genzoo.core.options import KERAS_OWN
from keras_genzoo.core.validation import check_range


class Annealed:
    """An attribute whose new value takes effect in a step that was compiled before.

    A `tf.function` keeps the Python numbers that it was traced with. This attribute is read from a
    variable in a graph, and is a float elsewhere. Set it between two calls of `fit` or from a
    callback.

    It may also be a `keras.optimizers.schedules.LearningRateSchedule`, which is evaluated at the
    number of training steps so far. Pass a schedule to the constructor: it can't be exchanged for a
    number later, nor a number for a schedule, nor a compiled schedule for another. Only its value
    at step 0 is checked.

    Args:
        interval: The numbers that it may be, such as `"[0, inf)"`.
        check: A function of the object and a number, which raises if the object can't have it.
    """

    def __init__(self, interval: str, check: Callable[[Any, float], None] | None = None):
        self.interval, self.check = interval, check

    def __set_name__(self, owner, name):
        self.name, self.key = name, f"_annealed_{name}"

    def __get__(self, instance, owner=None) -> Any:
        if instance is None:
            return self
        state = vars(instance).get(self.key)
        if state is None:
            raise AttributeError(self.name)
        if callable(state.value):
            value = state.value(tf.convert_to_tensor(state.steps))
        elif tf.executing_eagerly() or state.variable is None:
            value = state.value
        else:
            value = tf.convert_to_tensor(state.variable)
        return float(value) if tf.executing_eagerly() else value

    def __set__(self, instance, value):
        is_schedule = isinstance(value, keras.optimizers.schedules.LearningRateSchedule)
        number = float(value(0)) if is_schedule else value
        check_range(self.interval, **{self.name: number})
        if self.check is not None:
            self.check(instance, number)
        if self.key not in vars(instance):
            # A namespace, because Keras would save a variable.
            vars(instance)[self.key] = types.SimpleNamespace(
                value=value, variable=None, steps=0, model=None
            )
        state = vars(instance)[self.key]
        if callable(state.value) != is_schedule:
            raise ValueError(
                f"`{self.name}` can't change between a number and a schedule. "
                f"Received: {value!r:.80}"
            )
        if is_schedule and state.variable is not None and value is not state.value:
            raise ValueError(
                f"`{self.name}` can't change to another schedule once the model is compiled. "
                f"Received: {value!r:.80}"
            )
        state.value = value
        if state.variable is not None:
            state.variable.assign(number)

    def prepare(self, instance, steps, model) -> None:
        """Makes the attribute of an object ready to be read in a compiled step.

        Args:
            instance: The object.
            steps: The variable that counts the training steps, for schedules.
            model: The model that takes the steps. Several may share a number, but not a schedule.
        """
        state = vars(instance)[self.key]
        other = None if state.model is None else state.model()
        if other not in (None, model):
            if callable(state.value):
                raise ValueError(
                    f"`{self.name}` follows the steps of one model: make a "
                    f"{type(instance).__name__} with a schedule for each model. "
                    "Received: one in two models"
                )
            return  # its variable is in the other's compiled steps
        state.steps, state.model = steps, weakref.ref(model)
        # Not before: several workers must be connected before the first variable is made.
        state.variable = tf.Variable(
            float(state.value(0)) if callable(state.value) else state.value,
            dtype=tf.float32,
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )


def annealed_of(owner) -> list[Annealed]:
    """Lists the annealed attributes of an object's class."""
    return [a for kind in type(owner).__mro__ for a in vars(kind).values() if type(a) is Annealed]


def stored_value(owner, name: str):
    """Returns an attribute as a configuration stores it: a schedule is not evaluated."""
    names = [attribute.name for attribute in annealed_of(owner)]
    return vars(owner)[f"_annealed_{name}"].value if name in names else getattr(owner, name)


def prepare_annealing(owner, steps, model) -> None:
    """Makes all annealed attributes of an object ready; see `Annealed.prepare`."""
    for attribute in annealed_of(owner):
        attribute.prepare(owner, steps, model)
    if isinstance(owner, Settled):
        vars(owner)["_settled"] = True


class Settled:
    """A mix-in of models and their parts: once a model is compiled, only annealed arguments change.

    A compiled step would keep the old value, and what was built from it would stay.
    """

    def __setattr__(self, name, value):
        if vars(self).get("_settled") and name not in KERAS_OWN:
            annealed = [attribute.name for attribute in annealed_of(self)]
            if name in inspect.signature(type(self)).parameters and name not in annealed:
                raise AttributeError(
                    f"`{name}` can't be changed once a model is compiled, because its steps have "
                    f"the old value: make a new {type(self).__name__}. "
                    f"Received: {name}={value!r:.80}"
                )
        super().__setattr__(name, value)
