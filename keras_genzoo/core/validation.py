"""Checks of arguments. Each error is one sentence that ends with what was received."""

from __future__ import annotations

import importlib
import math
import numbers
import operator
import re
import warnings
from collections.abc import Callable, Sequence

import keras
import numpy as np


def check_shape(data_shape: Sequence[int], name: str = "data_shape") -> tuple[int, ...]:
    """Returns `(features,)` or `(height, width, channels)` as a tuple of ints."""
    sizes = tuple(data_shape) if hasattr(data_shape, "__iter__") else ()
    if len(sizes) not in (1, 3) or not all(_is_positive_int(size) for size in sizes):
        raise ValueError(
            f"`{name}` must be (features,) or (height, width, channels), positive integers. "
            f"Received: {name}={data_shape!r}"
        )
    return tuple(int(size) for size in sizes)


def check_image_shape(image_shape: Sequence[int], name: str = "image_shape") -> tuple[int, ...]:
    """Returns `(height, width, channels)` as a tuple of ints."""
    shape = check_shape(image_shape, name)
    if len(shape) != 3:
        raise ValueError(
            f"`{name}` must be (height, width, channels). Received: {name}={image_shape!r}"
        )
    return shape


def check_positive_int(value, name: str) -> int:
    """Returns a positive integer as an int."""
    if not _is_positive_int(value):
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
    return int(value)


def check_sizes(**arguments) -> None:
    """Raises unless every argument is a sequence of positive integers, such as widths of layers."""
    for name, sizes in arguments.items():
        is_sequence = isinstance(sizes, Sequence) and not isinstance(sizes, str)
        if not is_sequence or not all(_is_positive_int(size) for size in sizes):
            raise ValueError(
                f"`{name}` must be a sequence of positive integers, such as (64, 32). "
                f"Received: {name}={sizes!r}"
            )


def check_seed(seed) -> int:
    """Returns an integer that TensorFlow takes as a seed."""
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or not 0 <= seed < 2**31:
        raise ValueError(f"`seed` must be an integer in [0, 2**31). Received: seed={seed!r}")
    return int(seed)


def check_range(interval: str, **arguments: float) -> None:
    """Raises unless every argument is a number in an interval; NaN is in none.

    Args:
        interval: Such as `"[0, 1)"` or `"(0, inf)"`. A round bracket excludes the bound.
        **arguments: Numbers by their names.
    """
    low, high = (float(bound) for bound in interval[1:-1].split(","))
    above = operator.gt if interval[0] == "(" else operator.ge
    below = operator.lt if interval[-1] == ")" else operator.le
    for name, value in arguments.items():
        if not (_is_number(value) and above(value, low) and below(value, high)):
            expected = _RANGES.get(interval, f"lie in {interval}")
            if not _is_number(value):
                expected = f"be a number and {expected}"
            elif value == high == math.inf:
                expected = "be finite"
            raise ValueError(f"`{name}` must {expected}. Received: {name}={value!r}")


_RANGES = {
    "(0, inf]": "be positive",
    "(0, inf)": "be positive",
    "[0, inf)": "be at least 0",
}


def _is_positive_int(value) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 0


def _is_number(value) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def resolve(argument: str, identifier, known: dict[str, Callable], methods: Sequence[str]):
    """Returns the object that a name stands for, or the object itself.

    Args:
        argument: The argument's name, for the error.
        identifier: The value that was passed for it: a name or an object.
        known: A function that makes the object, for each name.
        methods: The methods that an object must have.

    Raises:
        ValueError: If `identifier` is neither a known name nor such an object.
    """
    if isinstance(identifier, str) and identifier in known:
        return known[identifier]()
    is_object = not isinstance(identifier, (str, type))
    if is_object and all(callable(getattr(identifier, method, None)) for method in methods):
        return identifier
    raise ValueError(
        f"`{argument}` must be one of {sorted(known)}, or an object with "
        f"{' and '.join(f'`{method}`' for method in methods)}. "
        f"Received: {argument}={identifier!r}"
    )


def check_network(network, name: str, inputs: dict, output_shape: Sequence[int]) -> None:
    """Checks that a network maps its inputs to `output_shape`; builds it if need be.

    Args:
        network: A Keras model or layer.
        name: The argument's name, for the error.
        inputs: The shape of each input, without the batch, by its name.
        output_shape: The shape of the output, without the batch.
    """
    expected = _expected(name, inputs, output_shape)
    output = _symbolic_outputs(network, name, inputs, expected)
    if tuple(getattr(output, "shape", ())) != (None, *output_shape):
        raise ValueError(f"{expected}. Received: a network of output {_shapes(output)}")


def _expected(name, inputs, output_shape) -> str:
    """Returns what a network must do, as the beginning of an error."""
    expected = " and ".join(f"{key} {(None, *shape)}" for key, shape in inputs.items())
    return f"`{name}` must map {expected} to {(None, *output_shape)}"


def _symbolic_outputs(network, name, inputs, expected):
    """Calls a network on symbols, which builds it; raises if that fails."""
    if not isinstance(network, keras.layers.Layer):
        raise ValueError(f"{expected} and be a Keras model. Received: {name}={network!r}")
    symbols = [
        keras.KerasTensor((None, *shape), dtype="int32" if key == "labels" else "float32")
        for key, shape in inputs.items()
    ]
    # Functional models accept other sizes where theirs are unknown, and flatten other structures:
    # compare with their declared inputs first.
    declared = getattr(network, "inputs", None)
    if declared is not None and not _fits(declared, symbols):
        shapes = ", ".join(str(symbol.shape) for symbol in declared)
        raise ValueError(f"{expected}. Received: a network of input {shapes}")
    try:
        return network(symbols if len(symbols) > 1 else symbols[0])
    except Exception as error:
        lines = [re.sub("\x1b\\[\\d*m", "", line).strip() for line in str(error).splitlines()]
        lines = [line for line in lines if line and not line.startswith("Exception encountered")]
        reason = lines[0] if lines else type(error).__name__
        raise ValueError(f"{expected}. Received: a network that fails: {reason}") from error


def score_maps(outputs) -> list:
    """Lists the scores among the outputs of a discriminator.

    Args:
        outputs: The scores, or a list for each of several scales, whose last are the scores.
    """
    if not isinstance(outputs, (list, tuple)):
        return [outputs]
    return [scale[-1] if isinstance(scale, (list, tuple)) else scale for scale in outputs]


def check_score_network(network, name: str, inputs: dict, features: bool = False) -> None:
    """Checks that a network maps its inputs to scores, of examples or of patches.

    Args:
        network: A Keras model or layer. It may return scores of several scales, with features; see
            `score_maps`.
        name: The argument's name, for the error.
        inputs: The shape of each input, without the batch, by its name.
        features: Whether it must return features of each scale, for feature matching.
    """
    expected = _expected(name, inputs, (1,))
    outputs = _symbolic_outputs(network, name, inputs, expected)
    if features and not _have_features(outputs):
        raise ValueError(
            f"`{name}` must return a list for each scale, of features and last the scores, unless "
            f"`feature_weight` is 0. Received: a network of output {_shapes(outputs)}"
        )
    for scores in score_maps(outputs):
        shape = tuple(getattr(scores, "shape", ()))
        if len(shape) not in (2, 4) or shape[-1] != 1:
            raise ValueError(
                f"{expected}, or to scores of patches. "
                f"Received: a network of output {_shapes(scores)}"
            )
        if 0 in shape:
            raise ValueError(
                f"`{name}` must leave at least one patch of an image. Received: a network of "
                f"output {shape}; pass fewer `filters`"
            )


def _have_features(outputs) -> bool:
    """Returns True if a discriminator returns features with the scores of each scale."""
    scales = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return all(isinstance(scale, (list, tuple)) and len(scale) > 1 for scale in scales)


def _shapes(outputs) -> str:
    """Describes the shape of a tensor, or of the tensors in a list."""
    if isinstance(outputs, (list, tuple)):
        return "[" + ", ".join(map(_shapes, outputs)) + "]"
    return str(getattr(outputs, "shape", type(outputs).__name__))


def check_adaptation(view, loss) -> None:
    """Raises if an augmentation adapts to scores that have no boundary between real and fake."""
    if view.adapts and getattr(loss, "boundary", 0.0) is None:
        raise ValueError(
            "`augmentation` must not adapt to the scores of a critic, which have no boundary "
            f"between real and generated. Received: a {type(view.augmentation).__name__} with "
            f"loss={type(loss).__name__}"
        )


def _fits(declared, symbols) -> bool:
    return len(declared) == len(symbols) and all(
        len(a.shape) == len(b.shape)
        and all(i in (None, j) for i, j in zip(a.shape, b.shape, strict=True))
        for a, b in zip(declared, symbols, strict=True)
    )


def import_package(module: str, purpose: str, package: str | None = None):
    """Imports a module of a package that an installation may lack.

    Args:
        module: The module's name.
        purpose: What needs it, as the error's subject.
        package: The package's name for pip, if it is not the module's.

    Raises:
        ImportError: With the command that installs the package.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = package or module
        raise ImportError(
            f"{purpose} needs the package {package}: `pip install {package}`. Received: {error}"
        ) from error


def check_raw_outputs(network, name: str, inputs: dict, receiver) -> None:
    """Raises if a network ends in a sigmoid or tanh, but its outputs must take any value.

    Args:
        network: A network that `check_network` has accepted. `None`, for a default one, is right.
        name: The argument's name, for the error.
        inputs: The shape of each input, without the batch, by its name.
        receiver: A loss or likelihood. If its `takes_raw_outputs` is true, the network's outputs
            are logits or a critic's values.
    """
    if network is None or not getattr(receiver, "takes_raw_outputs", False):
        return
    outputs = _probe(network, inputs)
    values, extreme = np.concatenate(outputs), outputs[-1]
    low, high = values.min(initial=0), values.max(initial=0)
    # Enlarged weights drive a sigmoid to 0 or 1, and a tanh to -1 or 1. Outputs that happen to be
    # small stay between them, or never change.
    with np.errstate(invalid="ignore"):  # infinite outputs of half precision
        distance = np.abs(extreme - np.round(extreme))
    saturated = extreme.size > 0 and np.mean(distance < 0.01) > 0.5
    if -1 <= low < high <= 1 and values.min() < values.max() and saturated:
        raise ValueError(
            f"`{name}` must end without an activation such as a sigmoid, because "
            f"{type(receiver).__name__} takes raw outputs (logits, or the values of a critic). "
            f"Received: a network whose outputs stay in [{round(low)}, {round(high)}]"
        )


def check_unit_outputs(network, name: str, inputs: dict) -> None:
    """Raises if the outputs of a network leave [0, 1]; see `check_raw_outputs`."""
    values = np.concatenate(_probe(network, inputs))
    if values.min(initial=0) < 0 or values.max(initial=0) > 1:
        raise ValueError(
            f"`{name}` must end in an activation with values in [0, 1], such as a sigmoid. "
            f"Received: a network of outputs outside of it, such as {_outside(values):.3g}"
        )


def warn_of_outputs_outside_unit(network, name: str, inputs: dict) -> None:
    """Warns if a network of images, as it is, has outputs outside of [0, 1].

    A linear network may learn to stay inside, so this is no error.
    """
    if network is None:
        return
    values = _probe(network, inputs)[0]
    if values.min(initial=0) < -1e-3 or values.max(initial=0) > 1 + 1e-3:
        warnings.warn(
            f"`{name}` should map to images in [0, 1]: end it in a sigmoid, or in tanh followed by "
            "`keras.layers.Rescaling(0.5, 0.5)`. "
            f"Received: a network of outputs outside of it, such as {_outside(values):.3g}",
            stacklevel=4,
        )


def _outside(values):
    return values[np.argmax(np.abs(values - 0.5))]


def _probe(network, inputs) -> list[np.ndarray]:
    """Returns outputs for random inputs: of the network as it is, and twice of an enlarged one.

    Enlarged weights and inputs show the bounds of the last activation, if it has any, also where
    the network is not a graph of layers. NaN are left out.
    """
    random, outputs = np.random.default_rng(0), []
    for scale in (1.0, 10.0, 1e4):
        batch = [
            np.zeros((8, *shape), "int32")
            if key == "labels"
            else (scale * random.normal(size=(8, *shape))).astype("float32")
            for key, shape in inputs.items()
        ]
        variables = network.trainable_variables
        enlarged = [(variable, min(scale, 30.0) * variable) for variable in variables]
        try:
            with keras.StatelessScope(enlarged):  # the variables do not change
                values = network(batch if len(batch) > 1 else batch[0], training=False)
            values = [keras.ops.convert_to_numpy(v).ravel() for v in score_maps(values)]
            values = np.concatenate(values).astype("float32")
        except Exception:  # a network may refuse such numbers, which tells nothing about its output
            values = np.zeros(0, "float32")
        outputs.append(values[~np.isnan(values)])
    return outputs
