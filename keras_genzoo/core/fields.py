"""The parts of a batch: each field checks, converts, serves and asserts one of them.

A model declares its fields in the order in which a batch holds them: `(Images(shape),
Labels(10))` for images and their classes, `(Images(a, "source"), Images(b, "target"))` for pairs.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from keras_genzoo.core.validation import check_image_shape, check_positive_int, check_shape

TOLERANCE = 1e-4  # by which rounding may leave [0, 1]
NOISE = 10.0  # by which the noisy images of a denoiser may leave it


class Field:
    """Base class of the fields. Subclass it for a new kind of data.

    Args:
        shape: The shape of one example.
        name: The name used in errors and at endpoints.

    Attributes:
        dtype: The type in a training step and at an endpoint.
        batched: Whether the first axis counts examples.
        absent: Whether the model makes no use of the field. It is then `None` in a step, and no
            endpoint takes it.
    """

    dtype = "float32"
    batched = True
    absent = False

    def __init__(self, shape: Sequence[int], name: str):
        self.shape, self.name = tuple(shape), name

    def check(self, values, argument: str, num_examples: int | None = None) -> None:
        """Checks an array of examples.

        Args:
            values: A NumPy array or eager tensor `(n, *shape)`.
            argument: The name of the user's argument, for the error.
            num_examples: The expected number of examples, if known.

        Raises:
            ValueError: If shape, type, range or number do not fit.
        """
        raise NotImplementedError

    def ignores(self, values) -> bool:
        """Returns True if the model makes no use of these values."""
        return self.absent

    def check_spec(self, spec: tf.TensorSpec, argument: str) -> None:
        """Checks the shape and type that a data set declares; does nothing by default."""

    def convert(self, values) -> tf.Tensor | None:
        """Converts a batch, as users pass it, to the tensor that a training step works on."""
        return tf.cast(self.with_shape(values), self.dtype)

    def clip(self, tensor: tf.Tensor) -> tf.Tensor:
        """Moves numbers that rounding has put outside of the range to its border."""
        return tensor

    def with_shape(self, values) -> tf.Tensor:
        """Returns a batch as a tensor whose static shape is known but for the batch.

        A data set may not know it, such as one of `tf.io.decode_png` or `tf.numpy_function`. What
        is sparse becomes dense here.
        """
        tensor = tf.convert_to_tensor(densify(values))
        if tensor.shape.rank is None or not tensor.shape[1:].is_fully_defined():
            tensor = tf.ensure_shape(tensor, (None, *self.shape))
        return tensor

    def spec(self) -> tf.TensorSpec:
        """Returns the shape and type of a served input."""
        return tf.TensorSpec((None, *self.shape), self.dtype, self.name)

    def conditions(self, tensor: tf.Tensor) -> Iterator[tuple[tf.Tensor, str]]:
        """Yields pairs of a condition on a batch and the message if it does not hold.

        Servers check it for each request, and `unpack` for each batch.
        """
        yield from ()

    def of_any_size(self) -> Field:
        """Returns the field for images of any size; the field itself if it is not of images."""
        return self

    def standard_form(self, values):
        """Returns an array in one form, for a compiled function, if users may pass several."""
        return values

    def describe(self) -> dict:
        """Returns the metadata that an export records."""
        return {"name": self.name, "shape": list(self.shape)}


class Vectors(Field):
    """Float arrays `(batch, *shape)` of any shape, mostly vectors `(batch, features)`.

    Args:
        shape: The shape of one example, mostly `(features,)`.
        name: The field's name.
        bounded: Whether the numbers must lie in [0, 1].
    """

    def __init__(self, shape: Sequence[int], name: str = "data", bounded: bool = False):
        super().__init__(shape, name)
        self.bounded = bounded

    def check_form(self, values, argument, num_examples=None) -> tf.TensorSpec:
        """Checks all but the range of an array, and returns its shape and type."""
        spec = _spec_of(values, argument, self.name)
        self.check_spec(spec, argument)
        _check_number(spec.shape[0], num_examples, argument)
        return spec

    def check(self, values, argument, num_examples=None):
        spec = self.check_form(values, argument, num_examples)
        low, high = _range_of(values)
        if spec.dtype == tf.uint8:
            if high == 1:
                warnings.warn(
                    f"`{argument}` holds no uint8 above 1. uint8 means 0 to 255, so these images "
                    "are black: pass floats if 1 is white.",
                    stacklevel=2,
                )
            return
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(
                f"`{argument}` must be finite. Received: NaN or infinite numbers in an array of "
                f"shape {tuple(spec.shape)}"
            )
        self._check_scale(argument, low, high)
        if self.bounded and (low < -TOLERANCE or high > 1 + TOLERANCE):
            raise ValueError(
                f"`{argument}` must be floats in [0, 1]{self._range_hint}"
                f"{_remedy(argument, low, high)}. "
                f"Received: {spec.dtype.name} in [{low:g}, {high:g}]"
            )

    def check_spec(self, spec, argument):
        if spec.shape.rank is None:
            return
        shape = tuple(spec.shape)
        if len(shape) != len(self.shape) + 1 or not all(map(_fits, shape[1:], self.shape)):
            raise ValueError(
                f"`{argument}` must have the shape {self._wanted_shape()}"
                f"{self._shape_hint(shape)}. Received: shape {shape}"
            )
        if not spec.dtype.is_floating and not self._takes_integers(spec.dtype):
            raise ValueError(
                f"`{argument}` must be {self._wanted_types()}. Received: dtype {spec.dtype.name}"
            )

    _range_hint = ""

    def _check_scale(self, argument, low, high):
        """Raises if the numbers are of another scale than those in training."""

    def _wanted_shape(self):
        return ("batch", *self.shape)

    def _shape_hint(self, shape):
        if len(shape) == len(self.shape) and all(map(_fits, shape, self.shape)):
            return " (add a batch axis: `x[None]`, or batch the data set)"
        return ""

    def _takes_integers(self, dtype):
        # A uint8 means 0 to 255 in an image; in a vector it could mean anything.
        return dtype.is_integer and dtype != tf.uint8 and not self.bounded

    def _wanted_types(self):
        return "floats in [0, 1]" if self.bounded else "floats"

    def conditions(self, tensor):
        if not tensor.dtype.is_floating:
            return
        if self.bounded:
            inside = (tensor >= -TOLERANCE) & (tensor <= 1 + TOLERANCE)  # false for NaN
            yield inside, f"`{self.name}` must lie in [0, 1]."
        else:
            yield tf.math.is_finite(tensor), f"`{self.name}` must be finite."

    def clip(self, tensor):
        return tf.clip_by_value(tensor, 0.0, 1.0) if self.bounded else tensor

    def describe(self):
        return {**super().describe(), "value_range": [0.0, 1.0] if self.bounded else None}


class Images(Vectors):
    """Images `(batch, height, width, channels)`: floats in [0, 1], or uint8 from 0 to 255.

    Args:
        shape: `(height, width, channels)`; `(None, None, channels)` for images of any size.
        name: The field's name.
        bounded: Whether floats must lie in [0, 1]. False allows noisy images to leave it.
    """

    def __init__(self, shape: Sequence[int | None], name: str = "images", bounded: bool = True):
        sizes = tuple(shape) if hasattr(shape, "__iter__") else (shape,)
        if sizes[:2] != (None, None):
            sizes = check_image_shape(shape, "image_shape" if name == "images" else f"{name}_shape")
        super().__init__(sizes, name, bounded)

    _range_hint = ", or uint8, which means 0 to 255"

    def _check_scale(self, argument, low, high):
        if not self.bounded and not -NOISE <= low <= high <= 1 + NOISE:
            raise ValueError(
                f"`{argument}` must be images in [0, 1] with noise, or uint8"
                f"{_remedy(argument, low, high)}. Received: floats in [{low:g}, {high:g}]"
            )

    def conditions(self, tensor):
        if self.bounded or not tensor.dtype.is_floating:
            yield from super().conditions(tensor)
        else:
            near = (tensor >= -NOISE) & (tensor <= 1 + NOISE)  # false for NaN
            yield near, f"`{self.name}` must be images in [0, 1] with noise."

    def of_any_size(self):
        field = copy.copy(self)
        field.shape = (None, None, self.shape[-1])
        return field

    def convert(self, values):
        return images_to_float(self.with_shape(values))

    def _shape_hint(self, shape):
        hint = super()._shape_hint(shape)
        if not hint and len(shape) == 3 and all(map(_fits, shape[1:], self.shape)):
            return " (add a channel axis: `x[..., None]`)"
        return hint

    def _wanted_shape(self):
        names = ("batch", "height", "width", "channels")
        return tuple(size or name for size, name in zip((None, *self.shape), names, strict=True))

    def _takes_integers(self, dtype):
        return dtype == tf.uint8

    def _wanted_types(self):
        return f"{super()._wanted_types()} or uint8"


class Labels(Field):
    """Class labels `(batch,)`, integers in [0, num_classes).

    Args:
        num_classes: The number of classes. `None` for a model that makes no use of labels: it
            ignores labels `(batch,)` and rejects any other second part of a batch.
        name: The field's name.
    """

    dtype = "int32"

    def __init__(self, num_classes: int | None, name: str = "labels"):
        super().__init__((), name)
        if num_classes is not None:
            check_positive_int(num_classes, "num_classes")
        self.num_classes = num_classes
        self.absent = num_classes is None

    def check(self, values, argument, num_examples=None):
        if self.absent:
            return self._check_ignored(values, argument, num_examples)
        if values is None:
            raise ValueError(
                f"`{argument}` must hold the labels of a conditional model, integers in "
                f"[0, {self.num_classes}). Received: {argument}=None"
            )
        refuse_masked(values, argument)
        values = np.asarray(values)
        if num_examples == 0 or values.size == 0:
            raise ValueError(f"`{argument}` must hold at least one label. Received: none")
        if values.ndim != 1 or num_examples not in (None, len(values)):
            count = "n" if num_examples is None else num_examples
            raise ValueError(
                f"`{argument}` must hold one label per example, shape ({count},). "
                f"Received: shape {values.shape}"
            )
        if values.dtype.kind not in "iu":
            raise ValueError(f"`{argument}` must be integers. Received: dtype {values.dtype}")
        if values.min() < 0 or values.max() >= self.num_classes:
            raise ValueError(
                f"`{argument}` must lie in [0, {self.num_classes}). "
                f"Received: labels from {values.min()} to {values.max()}"
            )

    def _check_ignored(self, values, argument, num_examples):
        if values is None:
            return
        values = np.asarray(values)
        if _looks_like_labels(values) and num_examples in (None, len(values)):
            return
        raise ValueError(
            f"`{argument}` must be omitted, or be integer labels of shape (n,), which this model "
            "ignores; it has no use for a target. "
            f"Received: {values.dtype} of shape {values.shape}"
        )

    def convert(self, values):
        return None if self.absent else super().convert(values)

    def conditions(self, tensor):
        if self.absent:
            return
        high = self.num_classes - 1
        tensor = tf.cast(tensor, tf.int64)  # a small type could not hold `high`
        inside = (tensor >= 0) & (tensor <= high)
        yield inside, f"`{self.name}` must lie in [0, {high}]."

    def describe(self):
        return {"name": self.name, "num_classes": self.num_classes}


class Target(Labels):
    """The data that an autoencoder should reconstruct, if they are not its input.

    Labels `(batch,)` are ignored, as by any model without classes.

    Args:
        data: The field of the input, whose shape, type and range the target has.
        name: The field's name.
    """

    def __init__(self, data: Vectors, name: str = "target"):
        super().__init__(None, name)
        self.data = data

    def ignores(self, values):
        if values is None:
            return True
        return _looks_like_labels(values) and tuple(values.shape[1:]) != self.data.shape

    def check(self, values, argument, num_examples=None):
        if self.ignores(values):
            return super().check(values, argument, num_examples)
        self.data.check(values, argument, num_examples)

    def convert(self, values):
        return None if self.ignores(values) else self.data.convert(values)

    def conditions(self, tensor):
        yield from () if self.ignores(tensor) else self.data.conditions(tensor)

    def clip(self, tensor):
        return self.data.clip(tensor)


class Scalar(Field):
    """One number that an endpoint takes, such as a seed; not part of a batch.

    Args:
        name: The field's name.
        dtype: Its type.
    """

    batched = False

    def __init__(self, name: str, dtype: str = "float32"):
        super().__init__((), name)
        self.dtype = dtype

    def spec(self):
        return tf.TensorSpec((), self.dtype, self.name)

    def conditions(self, tensor):
        if tensor.dtype.is_floating:
            yield tf.math.is_finite(tensor), f"`{self.name}` must be finite."


def images_to_float(images) -> tf.Tensor:
    """Converts images to float32; uint8 from 0 to 255 becomes [0, 1]."""
    images = tf.convert_to_tensor(images)
    return tf.cast(images, tf.float32) / (255.0 if images.dtype == tf.uint8 else 1.0)


def _fits(size, wanted) -> bool:
    """Returns True if one of two sizes is unknown or they are equal."""
    return None in (size, wanted) or size == wanted


def _looks_like_labels(values) -> bool:
    """Returns True for integers `(n,)` and `(n, 1)`, and for names `(n,)`."""
    dtype = tf.as_dtype(values.dtype)
    rank = len(values.shape)  # an error for a tensor of unknown rank, which could be anything
    if rank == 1:
        return not dtype.is_floating
    return rank == 2 and values.shape[1] == 1 and dtype.is_integer


def _remedy(argument, low, high) -> str:
    """Returns how numbers of this range get into [0, 1]."""
    if low >= 0 and 2 < high <= 255:
        highest = "255" if high > 128 else "the highest value that it can have"
        return f" (divide it by {highest})"
    if -1 - TOLERANCE <= low < -0.5 and high <= 1 + TOLERANCE:
        return f" (`({argument} + 1) / 2`)"
    if low >= -0.5 and high <= 1.5:
        return f" (`np.clip({argument}, 0, 1)`)"
    return ""


def _range_of(values) -> tuple[float, float]:
    """Returns the lowest and highest number."""
    if not is_sparse(values):
        return float(np.min(values)), float(np.max(values))
    stored = values.values if isinstance(values, tf.SparseTensor) else values.tocoo().data
    # The numbers that are not stored are 0.
    return float(np.min(stored, initial=0)), float(np.max(stored, initial=0))


def is_sparse(values) -> bool:
    """Returns True for a `tf.SparseTensor`, and for SciPy's sparse arrays and matrices."""
    return isinstance(values, tf.SparseTensor) or hasattr(values, "toarray")


def densify(values):
    """Returns the dense array or tensor of a sparse one, and anything else as it is."""
    if not is_sparse(values):
        return values
    if isinstance(values, tf.SparseTensor):
        return tf.sparse.to_dense(in_order_of_rows(values))
    return values.toarray()


def in_order_of_rows(values):
    """Returns a sparse array so that it can be sliced by examples, and anything else as it is.

    Keras needs it for the arrays of `fit`, too.
    """
    if isinstance(values, tf.SparseTensor):
        return tf.sparse.reorder(values)
    return values.tocsr() if is_sparse(values) else values


def dense_parts(array, size: int) -> Iterator:
    """Yields `size` examples of an array at a time; of a sparse one, each part is made dense."""
    if not is_sparse(array):
        yield from (array[start : start + size] for start in range(0, len(array), size))
        return
    array = in_order_of_rows(array)
    for start in range(0, array.shape[0], size):
        if isinstance(array, tf.SparseTensor):
            first = [start] + [0] * (len(array.shape) - 1)
            yield densify(tf.sparse.slice(array, first, [size, *array.shape[1:]]))
        else:
            yield densify(array[start : start + size])


def data_field(data_shape: Sequence[int], bounded: bool | None = None) -> Vectors:
    """Returns `Images` for a shape `(height, width, channels)`, `Vectors` for `(features,)`.

    Args:
        data_shape: The shape of one example.
        bounded: Whether floats must lie in [0, 1]. By default images must and vectors need not.
    """
    shape = check_shape(data_shape)
    kind = Images if len(shape) == 3 else Vectors
    return kind(shape) if bounded is None else kind(shape, bounded=bounded)


def _spec_of(values, argument, name) -> tf.TensorSpec:
    """Returns the shape and type of an array."""
    if values is None:
        raise ValueError(f"`{argument}` is missing: the model needs its {name}. Received: None")
    is_array = hasattr(values, "shape") and hasattr(values, "dtype")
    refuse_masked(values, argument)
    if not is_array or isinstance(values, tf.RaggedTensor):
        is_dict = isinstance(values, dict)
        keys = f" of keys {sorted(values)} (tfds: `as_supervised=True`)" if is_dict else ""
        if hasattr(values, "to_numpy"):  # a DataFrame
            keys = f"; pass `{argument}.to_numpy()`"
        raise ValueError(
            f"`{argument}` must be an array, the model's {name}. "
            f"Received: {type(values).__name__}{keys}"
        )
    try:
        dtype = tf.as_dtype(values.dtype)
    except TypeError as error:
        raise ValueError(f"`{argument}` must be floats. Received: dtype {values.dtype}") from error
    return tf.TensorSpec(tuple(values.shape), dtype)


def refuse_masked(values, argument: str) -> None:
    """Raises if an array is masked: its masked values would be used."""
    if isinstance(values, np.ma.MaskedArray):
        raise ValueError(
            f"`{argument}` must not be a masked array, whose masked values would be used: "
            f"fill it first (`{argument}.filled(value)`). Received: a masked array"
        )


def _check_number(received, expected, argument):
    if received == 0:
        raise ValueError(f"`{argument}` must hold at least one example. Received: none")
    if expected not in (None, received):
        raise ValueError(
            f"`{argument}` must hold as many examples as the rest of the batch, {expected}. "
            f"Received: {received}"
        )
