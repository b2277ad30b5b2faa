"""Semantic label maps: the class of each pixel, as a field of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_genzoo.core.fields import Images, densify
from keras_genzoo.core.validation import check_positive_int


class LabelMaps(Images):
    """Label maps: the class of each pixel, or the share of each class in it.

    Users pass one of

    - integers `(batch, height, width)` or `(batch, height, width, 1)` in [0, num_classes), as in
      segmentation masks;
    - one-hot or soft maps `(batch, height, width, num_classes)`: floats in [0, 1], or booleans.

    A step works on the second form, as float32. Served endpoints take integers `(batch, height,
    width)`.

    Args:
        sizes: `(height, width)`; `(None, None)` for maps of any size.
        num_classes: The number of classes, at least 2.
        name: The field's name.

    Attributes:
        shape: `(height, width, num_classes)`, the shape in a step.
    """

    def __init__(self, sizes: Sequence[int | None], num_classes: int, name: str = "label_map"):
        check_positive_int(num_classes, "num_classes")
        super().__init__((*sizes, num_classes), name)
        if num_classes < 2:
            raise ValueError(
                f"`num_classes` must be at least 2. Received: num_classes={num_classes}"
            )
        self.num_classes = num_classes

    def standard_form(self, values):
        values = np.asarray(values)
        if not self._holds_classes(values):
            return values.astype("float32", copy=False)
        return values[..., 0] if values.ndim == 4 else values

    def check(self, values, argument, num_examples=None):
        spec = self.check_form(values, argument, num_examples)
        values = self.standard_form(densify(values))
        low, high = np.min(values), np.max(values)
        if self._holds_classes(spec):
            if low < 0 or high >= self.num_classes:
                hint = " (give pixels without a label a class of their own)"
                raise ValueError(
                    f"`{argument}` must be classes in [0, {self.num_classes})"
                    f"{hint if high == 255 or low == -1 else ''}. "
                    f"Received: classes from {low} to {high}"
                )
        else:
            super().check(values, argument, num_examples)

    def check_spec(self, spec, argument):
        if spec.shape.rank is None:
            return
        sizes, wanted = self.shape[:2], (*self.shape[:2], *self._depth(spec))
        if not spec.shape[1:].is_compatible_with(wanted):
            sizes = ", ".join(str(a or b) for a, b in zip(sizes, ("height", "width"), strict=True))
            raise ValueError(
                f"`{argument}` must be label maps: integers of the shape (batch, {sizes}), or "
                f"one-hot floats of the shape (batch, {sizes}, {self.num_classes}). "
                f"Received: {spec.dtype.name} of shape {tuple(spec.shape)}"
            )
        if not (spec.dtype.is_floating or spec.dtype.is_integer or spec.dtype.is_bool):
            raise ValueError(
                f"`{argument}` must be integers, or floats in [0, 1]. "
                f"Received: dtype {spec.dtype.name}"
            )

    def _holds_classes(self, values) -> bool:
        """Returns True for the class of each pixel, False for one-hot and soft maps."""
        return tf.as_dtype(values.dtype).is_integer

    def _depth(self, values) -> tuple[int, ...]:
        """Returns the sizes of the axes after height and width."""
        if not self._holds_classes(values):
            return (self.num_classes,)
        return (1,) if _rank(values) == 4 else ()

    def with_shape(self, values):
        tensor = tf.convert_to_tensor(densify(values))
        if tensor.shape.rank is None and tensor.dtype.is_integer:
            tensor = tf.reshape(tensor, tf.shape(tensor)[:3])  # there may be a last axis of 1
        if tensor.shape.rank is None or not tensor.shape[1:].is_fully_defined():
            depth = self._depth(tensor)
            tensor = tf.ensure_shape(tensor, (None, *self.shape[:2], *depth))
        return tensor

    def convert(self, values):
        tensor = self.with_shape(values)
        if not self._holds_classes(tensor):
            return tf.cast(tensor, tf.float32)
        classes = tensor[..., 0] if tensor.shape.rank == 4 else tensor
        return tf.one_hot(tf.cast(classes, tf.int32), self.num_classes)

    def conditions(self, tensor):
        if self._holds_classes(tensor):
            classes, high = tf.cast(tensor, tf.int64), self.num_classes - 1
            inside = (classes >= 0) & (classes <= high)
            yield inside, f"`{self.name}` must lie in [0, {high}]."
        elif tensor.dtype != tf.bool:
            yield from super().conditions(tf.cast(tensor, tf.float32))

    def spec(self):
        return tf.TensorSpec((None, *self.shape[:2]), tf.int32, self.name)

    def describe(self):
        shape = list(self.shape[:2])
        return {"name": self.name, "shape": shape, "num_classes": self.num_classes}


def _rank(values) -> int | None:
    """Returns the number of axes of an array, tensor or spec, or `None` if it is not known."""
    return tf.TensorShape(values.shape).rank
