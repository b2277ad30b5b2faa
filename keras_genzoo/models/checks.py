"""What users pass in is checked before anything is trained; each message is one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf


def check_shape(data_shape: Sequence[int], name: str = "data_shape") -> tuple[int, ...]:
    """`(features,)` or `(height, width, channels)` as a tuple of ints."""
    sizes = tuple(data_shape) if hasattr(data_shape, "__iter__") else ()
    if len(sizes) not in (1, 3) or not all(_is_positive_int(size) for size in sizes):
        raise ValueError(
            f"`{name}` must be (features,) or (height, width, channels), positive integers. "
            f"Received: {name}={data_shape!r}"
        )
    return tuple(int(size) for size in sizes)


def check_image_shape(image_shape: Sequence[int]) -> tuple[int, ...]:
    """`(height, width, channels)` as a tuple of ints."""
    shape = check_shape(image_shape, "image_shape")
    if len(shape) != 3:
        raise ValueError(
            "`image_shape` must be (height, width, channels). "
            f"Received: image_shape={image_shape!r}"
        )
    return shape


def check_positive_int(value, name: str) -> int:
    """A positive int."""
    if not _is_positive_int(value):
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
    return int(value)


def check_seed(seed) -> int:
    """An integer that TensorFlow takes as a seed."""
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or not 0 <= seed < 2**31:
        raise ValueError(f"`seed` must be an integer in [0, 2**31). Received: seed={seed!r}")
    return int(seed)


def _is_positive_int(value) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 0


def check_network(network, name: str, inputs: dict, output_shape: Sequence[int]):
    """Checks that a network maps `inputs` (shapes without the batch, by name) to `output_shape`.

    Builds it if it isn't.
    """
    expected = " and ".join(f"{key} {(None, *shape)}" for key, shape in inputs.items())
    expected = f"`{name}` must map {expected} to {(None, *output_shape)}"
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
        output = network(symbols if len(symbols) > 1 else symbols[0])
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{expected}. Received: a network that fails: {reason}") from error
    if tuple(getattr(output, "shape", ())) != (None, *output_shape):
        received = getattr(output, "shape", type(output).__name__)
        raise ValueError(f"{expected}. Received: a network of output {received}")


def _fits(declared, symbols) -> bool:
    return len(declared) == len(symbols) and all(
        len(a.shape) == len(b.shape)
        and all(i in (None, j) for i, j in zip(a.shape, b.shape, strict=True))
        for a, b in zip(declared, symbols, strict=True)
    )


def check_data(x, data_shape: Sequence[int], *, bounded: bool, name: str = "x") -> None:
    """Checks a batch or a whole array of data: shape, type, range (if `bounded`) and NaN."""
    is_array = hasattr(x, "shape") and hasattr(x, "dtype")
    if not is_array or isinstance(x, (tf.RaggedTensor, tf.SparseTensor)):
        keys = f" of keys {sorted(x)} (tfds: `as_supervised=True`)" if isinstance(x, dict) else ""
        raise ValueError(f"`{name}` must be an array. Received: {type(x).__name__}{keys}")
    shape, dtype = tuple(x.shape), np.dtype(getattr(x.dtype, "as_numpy_dtype", x.dtype))
    _check_spec(shape, dtype, data_shape, bounded, name)
    if shape[0] == 0:
        raise ValueError(f"`{name}` must hold at least one example. Received: shape {shape}")
    if dtype == np.uint8:
        return  # 0 to 255
    low, high = float(np.min(x)), float(np.max(x))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(
            f"`{name}` must be finite. Received: NaN or infinite numbers in an array of "
            f"shape {shape}"
        )
    if bounded and (low < 0 or high > 1):
        hint = " (divide it by 255)" if low >= 0 else ""
        raise ValueError(
            f"`{name}` must be floats in [0, 1], or uint8, which means 0 to 255{hint}. "
            f"Received: {dtype} in [{low:g}, {high:g}]"
        )


def _check_spec(shape, dtype, data_shape, bounded, name):
    rank_fits = len(shape) == len(data_shape) + 1
    if not rank_fits or any(
        size not in (None, wanted) for size, wanted in zip(shape[1:], data_shape, strict=True)
    ):
        hint = ""
        if len(data_shape) == 3 and len(shape) == 3 and shape[1:] == tuple(data_shape)[:2]:
            hint = " (add the axis of channels: `x[..., None]`)"
        elif shape == tuple(data_shape):
            hint = " (add the axis of examples: `x[None]`, or batch the data set)"
        raise ValueError(
            f"`{name}` must have the shape {('batch', *data_shape)}{hint}. Received: shape {shape}"
        )
    is_float = dtype.kind == "f" or "float" in dtype.name
    # uint8 means 0 to 255 in an image; in a vector it could mean anything.
    is_image = len(data_shape) == 3
    is_integer = dtype == np.uint8 if is_image else dtype.kind in "iu" and dtype != np.uint8
    if not is_float and (not is_integer or (bounded and not is_image)):
        wanted = "floats in [0, 1]" if bounded else "floats"
        raise ValueError(
            f"`{name}` must be {wanted}{' or uint8' if is_image else ''}. Received: dtype {dtype}"
        )


def check_labels(labels, num_classes: int, num_examples: int, name: str = "y") -> None:
    """Checks integer labels `(num_examples,)` in [0, num_classes)."""
    if labels is None:
        raise ValueError(
            f"`{name}` must hold the labels of a conditional model, integers in "
            f"[0, {num_classes}). Received: {name}=None"
        )
    labels = np.asarray(labels)
    if num_examples == 0:
        raise ValueError(f"`{name}` must hold at least one label. Received: none")
    if labels.shape != (num_examples,):
        raise ValueError(
            f"`{name}` must hold one label an example, shape ({num_examples},). "
            f"Received: shape {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise ValueError(f"`{name}` must be integers. Received: dtype {labels.dtype}")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"`{name}` must lie in [0, {num_classes}). "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )


def check_no_weights(data, name: str) -> None:
    """Refuses the third part of a tuple."""
    if isinstance(data, (tuple, list)) and len(data) > 2:
        raise ValueError(
            f"`{name}` must hold `data` or `(data, labels)`; weights of samples or classes are "
            f"not supported. Received: {len(data)} parts"
        )


def check_fit_data(
    x,
    y,
    *,
    data_shape,
    num_classes,
    bounded,
    batch_size,
    name="x",
    at_least=1,
    full_batch=False,
    replicas=1,
):
    """Checks what `fit` or `evaluate` was given, and returns it to be passed on.

    Arrays are checked whole; a `tf.data.Dataset`, `PyDataset` or generator by its first batch.

    Args:
        at_least: The fewest examples that one batch must have.
        full_batch: Whether arrays must fill at least one batch.
        replicas: How many share a batch evenly.
    """
    if isinstance(x, tf.distribute.DistributedDataset):
        return x
    options = {"bounded": bounded, "num_classes": num_classes, "data_shape": data_shape}
    if isinstance(x, Iterator):
        first, x = _peek(x)
        _check_batch(first, at_least, replicas, name, **options)
    elif isinstance(x, tf.data.Dataset):
        spec = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
        if isinstance(spec, tf.TensorSpec) and spec.shape.rank is not None:
            dtype = np.dtype(spec.dtype.as_numpy_dtype)
            _check_spec(tuple(spec.shape), dtype, data_shape, bounded, name)
        _check_batch(next(iter(x.take(1)), None), at_least, replicas, name, **options)
    elif isinstance(x, keras.utils.PyDataset):
        _check_batch(x[0] if len(x) else None, at_least, replicas, name, **options)
    else:
        batch_size = batch_size or 32
        _check_shared(batch_size, replicas)
        _check_arrays(x, y, batch_size, at_least, full_batch, name, **options)
    return x


def _peek(iterator):
    first = next(iterator, None)

    def again():
        if first is not None:
            yield first
        yield from iterator

    return first, again()


def _check_batch(batch, at_least, replicas, name, *, data_shape, num_classes, bounded):
    if batch is None:
        raise ValueError(
            f"`{name}` must yield at least one batch: are there fewer examples than a batch "
            "holds? Received: an empty data set"
        )
    check_no_weights(batch, name)
    data, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
    check_data(data, data_shape, bounded=bounded, name=name)
    _check_shared(data.shape[0], replicas)
    _check_at_least(data.shape[0], at_least)
    if num_classes is not None:
        check_labels(labels, num_classes, data.shape[0], f"labels of {name}")


def _check_arrays(
    x, y, batch_size, at_least, full_batch, name, *, data_shape, num_classes, bounded
):
    check_data(x, data_shape, bounded=bounded, name=name)
    if full_batch and x.shape[0] < batch_size:
        raise ValueError(
            f"`{name}` must fill at least one batch of {batch_size}; pass a smaller `batch_size`. "
            f"Received: {x.shape[0]} examples"
        )
    _check_at_least(min(batch_size, x.shape[0]), at_least)
    if num_classes is not None:
        check_labels(y, num_classes, x.shape[0], "y" if name == "x" else f"labels of {name}")


def _check_at_least(size, at_least):
    if size < at_least:
        raise ValueError(
            f"A batch must hold at least {at_least} examples, one for each of the `critic_steps` "
            f"on each replica. Received: batches of {size}"
        )


def _check_shared(size, replicas):
    if size % replicas:
        raise ValueError(
            f"The size of a batch must be a multiple of the {replicas} replicas that share it. "
            f"Received: batches of {size}"
        )
