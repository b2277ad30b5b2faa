"""Endpoints: the functions of a served model, with checks of their inputs in the graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import tensorflow as tf

from keras_genzoo.core.fields import Field


class Endpoint(NamedTuple):
    """A function of a served model.

    Attributes:
        function: Maps one tensor for each of `inputs`, in that order, to one tensor. An absent
            field (the labels of a model without classes) is `None`.
        inputs: The fields that it takes, which check what callers send.
        output: The name of the result.
        defaults: The values of inputs that a caller may leave out, by name.
        random: Whether the same inputs may give other results.
    """

    function: Callable
    inputs: tuple[Field, ...]
    output: str
    defaults: Mapping = MappingProxyType({})
    random: bool = False

    @property
    def fields(self) -> list[Field]:
        """The fields that callers send: those of `inputs` that are not absent."""
        return [field for field in self.inputs if not field.absent]

    def __call__(self, tensors: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the result, float32, of tensors by the names of their fields."""
        values = [None if field.absent else tensors[field.name] for field in self.inputs]
        return tf.cast(self.function(*values), tf.float32)

    def served(self) -> Callable:
        """Returns the function for a SavedModel, whose graph refuses bad input."""
        fields = self.fields

        def served(*values):
            # Not every server compares the shape of what it receives with the signature.
            tensors = {
                field.name: tf.ensure_shape(value, field.spec().shape)
                for field, value in zip(fields, values, strict=True)
            }
            with tf.control_dependencies([*self._assertions(tensors)]):
                tensors = {name: tf.identity(tensor) for name, tensor in tensors.items()}
            return {self.output: self(tensors)}

        # A SavedModel keeps the defaults of a signature.
        kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
        defaults = {
            field.name: tf.constant(self.defaults[field.name], field.dtype)
            for field in fields
            if field.name in self.defaults
        }
        served.__signature__ = inspect.Signature(
            inspect.Parameter(field.name, kind, default=defaults.get(field.name, empty))
            for field in fields
        )
        return served

    def _assertions(self, tensors) -> Iterator[tf.Operation]:
        def check(condition, message):
            return tf.debugging.Assert(tf.reduce_all(condition), [message])

        for field in self.fields:
            for condition, message in field.conditions(tensors[field.name]):
                yield check(condition, message)
        first, *others = [field.name for field in self.fields if field.batched] or [None]
        for name in others:
            same = tf.shape(tensors[first])[0] == tf.shape(tensors[name])[0]
            yield check(same, f"`{name}` must be as many as `{first}`.")
