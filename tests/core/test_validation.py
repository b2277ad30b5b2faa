"""Numbers out of their range are refused by name, in every public constructor."""

import inspect
import math

import keras
import numpy as np
import pytest

import keras_genzoo as genzoo
from keras_genzoo.core import validation

# Infinity is a number of these: the state then never changes.
MAY_BE_INFINITE = {"half_life", "ema_half_life", "images"}
MODULES = (genzoo, genzoo.callbacks, genzoo.layers, genzoo.losses, genzoo.metrics, genzoo.data)
# What constructors need besides the argument that is tried.
NEEDED = {
    "data_shape": (2,),
    "image_shape": (8, 8, 1),
    "layer": keras.layers.Dense(2),
    "classifier": keras.layers.Softmax(),
    "rate": 0.5,
    "stddev": 0.5,
    "half_life": 100.0,
    "directory": "samples",
    "real": np.zeros((20, 2), "float32"),
    "means": [[0.0, 0.0]],
    "num_classes": 3,
    "a_shape": (8, 8, 1),
    "source_shape": (8, 8, 1),
    "network": keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()]),
}


def numeric_arguments():
    """Yields (class, argument) for each public constructor and argument that is a number."""
    classes = {
        value
        for module in MODULES
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__.startswith("keras_genzoo")
    }
    for kind in sorted(classes, key=lambda kind: kind.__name__):
        of_keras = getattr(kind.__init__, "__module__", "").startswith("keras.")
        if inspect.isabstract(kind) or kind is genzoo.GenerativeModel or of_keras:
            continue
        for name, parameter in inspect.signature(kind).parameters.items():
            words = {word.strip() for word in str(parameter.annotation).split("|")}
            is_number = isinstance(parameter.default, (int, float))
            is_number = is_number and not isinstance(parameter.default, bool)
            if is_number or words & {"int", "float", "<class 'int'>", "<class 'float'>"}:
                yield pytest.param(kind, name, id=f"{kind.__name__}-{name}")


@pytest.mark.parametrize(("kind", "name"), [*numeric_arguments()])
def test_numbers_are_checked(kind, name):
    parameters = inspect.signature(kind).parameters
    given = {
        key: NEEDED[key]
        for key, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty and key in NEEDED and key != name
    }
    infinite = [] if name in MAY_BE_INFINITE else [math.inf]
    for value in (math.nan, "text", -1, -math.inf, [1.0], True, *infinite):
        with pytest.raises(ValueError, match=rf"`{name}` must .*Received: ") as error:
            kind(**given, **{name: value})
        assert "\n" not in str(error.value)


RANGES = {  # by their ends, what is inside and what is outside
    "[0, 1]": ([0, 0.5, 1, np.float32(0.5)], [-1e-9, 1 + 1e-9]),
    "[0, 1)": ([0, 0.5], [-1e-9, 1]),
    "(0, 1)": ([1e-9, 0.5], [0, 1]),
    "(0, inf]": ([1e-9, math.inf], [0, -1]),
    "(0, inf)": ([1e-9, 1e9], [0, math.inf]),
    "[0, inf)": ([0, 1e9], [-1e-9, math.inf]),
}


@pytest.mark.parametrize("interval", RANGES)
def test_check_range(interval):
    inside, outside = RANGES[interval]
    for value in inside:
        validation.check_range(interval, weight=value)
    for value in [*outside, math.nan, np.float32("nan"), "1", None, True, [0.5]]:
        with pytest.raises(ValueError, match=r"^`weight` must .*Received: weight="):
            validation.check_range(interval, other=inside[0], weight=value)
