"""Export: a model as a SavedModel with named endpoints, or one endpoint for another runtime."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

import keras_genzoo
from keras_genzoo.files import replacing

FILE_ENDINGS = {"onnx": ".onnx", "litert": ".tflite"}


class Endpoint(NamedTuple):
    """Something that a served model can be asked.

    Attributes:
        function: Maps tensors, in the order of `inputs` but `labels` by name, to one tensor.
        inputs: Names of `Serving.tensor_specs`; the `labels` of a model without classes are None.
        output: The name of the result.
        defaults: Values of inputs that a caller may leave out.
        random: Whether the same inputs may give other results.
    """

    function: Callable
    inputs: tuple[str, ...]
    output: str
    defaults: dict = {}
    random: bool = False

    def __call__(self, tensors: list[tf.Tensor]) -> tf.Tensor:
        """The result; without the labels if the model has no classes."""
        names = [name for name in self.inputs if name != "labels"]
        if len(names) == len(self.inputs):
            return self.function(*tensors)
        *_, labels = tensors if len(tensors) > len(names) else (None,)
        return self.function(*tensors[: len(names)], labels=labels)


class Serving:
    """What `GenerativeModel` knows of serving: the table of its endpoints, and how to write it.

    A family adds its own endpoints to `super().endpoints()`.
    """

    def endpoints(self) -> dict[str, Endpoint]:
        """The endpoints by name; `serving_default` is what servers take unless told."""
        return {}

    @property
    def data_name(self) -> str:
        """What a caller knows the data by."""
        return "images" if len(self.data_shape) == 3 else "data"

    def tensor_specs(self) -> dict[str, tf.TensorSpec]:
        """Shape and type of everything that an endpoint may take."""
        shapes = {
            self.data_name: (tf.float32, (None, *self.data_shape)),
            "latents": (tf.float32, (None, self.latent_dim)),
            "codes": (tf.float32, (None, self.latent_dim)),
            "labels": (tf.int32, (None,)),
            "num_samples": (tf.int32, ()),
            "seed": (tf.int64, ()),
        }
        return {name: tf.TensorSpec(shape, dtype, name) for name, (dtype, shape) in shapes.items()}

    def _taken(self, endpoint):
        """The specs of what an endpoint takes of this model."""
        specs = self.tensor_specs()
        names = [n for n in endpoint.inputs if n != "labels" or self.num_classes is not None]
        return [specs[name] for name in names]

    def export(
        self,
        filepath: str | os.PathLike,
        format: str = "tf_saved_model",
        *,
        version: int | None = None,
        endpoint: str | None = None,
        **kwargs,
    ) -> None:
        """Writes the trained model for servers and other programs; they compute in float32.

        Args:
            filepath: For a SavedModel the directory of the model's versions, in which `1` is made,
                or such a version itself (`"serving/dcgan/1"`). Else a file.
            format: `"tf_saved_model"`: all endpoints, for TensorFlow Serving. `"onnx"` and
                `"litert"`: one of them, for other runtimes, by Keras's own converters.
            version: Of a SavedModel, in place of 1.
            endpoint: For the other formats, in place of `"serving_default"`.
            **kwargs: Those of Keras for the other formats.

        Raises:
            FileExistsError: If the version or the file exists; nothing is overwritten.
            ValueError: If the model was not trained, or an argument does not fit.
        """
        if not self.has_been_trained:
            raise ValueError(
                "`export` is for a trained model: call `fit` or `load_weights` first. "
                f"Received: {type(self).__name__} with its initial weights"
            )
        filepath = os.fspath(filepath)
        if format == "tf_saved_model":
            if endpoint is not None or kwargs.keys() - {"verbose"}:
                names = sorted(kwargs.keys() - {"verbose"}) + ["endpoint"] * (endpoint is not None)
                raise ValueError(f"A SavedModel holds all endpoints. Received: {', '.join(names)}")
            return self._export_saved_model(_version_directory(filepath, version), **kwargs)
        if version is not None:
            raise ValueError(
                f"`version` is for a SavedModel. Received: version={version!r}, format={format!r}"
            )
        self._export_endpoint(filepath, format, endpoint or "serving_default", kwargs)

    def _export_saved_model(self, directory, verbose=False):
        archive = keras.export.ExportArchive()
        with _new(directory) as place, _computing_in_float32(self):
            for name, endpoint in self.endpoints().items():
                specs = self._taken(endpoint)
                archive.add_endpoint(name, self._checking(endpoint, specs), specs)
            archive.write_out(place, verbose=verbose)
            with tf.io.gfile.GFile(os.path.join(place, "assets", "genzoo.json"), "w") as file:
                file.write(json.dumps(self.description(), indent=2) + "\n")

    def _checking(self, endpoint, specs):
        """The function of an endpoint, whose graph refuses what `check_data` would."""

        def served(*tensors):
            checks = [
                check
                for spec, tensor in zip(specs, tensors, strict=True)
                for check in self._assertions(spec.name, tensor)
            ]
            with tf.control_dependencies(checks):
                tensors = [tf.identity(tensor) for tensor in tensors]
            return {endpoint.output: endpoint(tensors)}

        # For the defaults, which a SavedModel keeps.
        served.__signature__ = inspect.Signature(
            inspect.Parameter(
                spec.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=(
                    tf.constant(endpoint.defaults[spec.name], spec.dtype)
                    if spec.name in endpoint.defaults
                    else inspect.Parameter.empty
                ),
            )
            for spec in specs
        )
        return served

    def _assertions(self, name, tensor):
        ranges = {self.data_name: (0.0, 1.0) if self.bounded else None}
        if self.num_classes is not None:
            ranges["labels"] = (0, self.num_classes - 1)
        if ranges.get(name) is None:
            return []
        low, high = ranges[name]
        inside = tf.reduce_all((tensor >= low) & (tensor <= high))  # nor is NaN
        return [tf.debugging.Assert(inside, [f"`{name}` must lie in [{low}, {high}]."])]

    def _export_endpoint(self, filepath, format, name, kwargs):
        if format not in FILE_ENDINGS:
            known = ", ".join(repr(known) for known in ("tf_saved_model", *FILE_ENDINGS))
            raise ValueError(f"`format` must be one of {known}. Received: format={format!r}")
        if not filepath.endswith(FILE_ENDINGS[format]):
            raise ValueError(
                f"`filepath` must end in {FILE_ENDINGS[format]} for format={format!r}. "
                f"Received: filepath={filepath!r}"
            )
        known = [key for key, endpoint in self.endpoints().items() if not endpoint.random]
        if name not in known:
            raise ValueError(
                f"`endpoint` must be one of {', '.join(map(repr, known))} for format={format!r}. "
                f"Received: endpoint={name!r}"
            )
        endpoint = self.endpoints()[name]
        specs = self._taken(endpoint)
        with _new(filepath) as place, _computing_in_float32(self):
            # ONNX has one namespace for what goes in and what comes out.
            clash = format == "onnx" and endpoint.output in [spec.name for spec in specs]
            output = f"reconstructed_{endpoint.output}" if clash else endpoint.output
            network = _Network(endpoint, output)
            # Keras passes a list as one argument.
            signature = [specs if len(specs) > 1 else specs[0]]
            kwargs = {"verbose": False, "input_signature": signature, **kwargs}
            network.export(place, format=format, **kwargs)

    def description(self) -> dict:
        """What `assets/genzoo.json` says of the model."""
        endpoints = {
            name: {"inputs": [s.name for s in self._taken(endpoint)], "output": endpoint.output}
            for name, endpoint in self.endpoints().items()
        }
        return {
            "model": type(self).__name__,
            "name": self.name,
            "data_shape": list(self.data_shape),
            "value_range": [0.0, 1.0] if self.bounded else None,
            "num_classes": self.num_classes,
            "latent_dim": self.latent_dim,
            "endpoints": endpoints,
            "versions": {
                "keras_genzoo": keras_genzoo.__version__,
                "keras": keras.__version__,
                "tensorflow": tf.__version__,
            },
        }


class _Network(keras.Model):
    """An endpoint as what Keras's converters take."""

    def __init__(self, endpoint, output):
        super().__init__(name="endpoint")
        self._endpoint, self._output = endpoint, output
        self.built = True

    def call(self, inputs, training=False):
        tensors = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        return {self._output: self._endpoint(tensors)}


def _version_directory(filepath, version):
    """The directory to make: TensorFlow Serving looks for numbers in a model's directory."""
    if version is None:
        last = os.path.basename(filepath.rstrip("/"))
        if last.isdecimal():
            return filepath
        version = 1
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise ValueError(f"`version` must be an integer from 0 on. Received: version={version!r}")
    return os.path.join(filepath, str(version))


@contextlib.contextmanager
def _new(path) -> Iterator[str]:
    """Yields a path beside; what was made there gets its name at the end, whole or not at all."""
    if tf.io.gfile.exists(path):
        raise FileExistsError(
            f"`filepath` must not exist yet{_next_version(path)}. Received: {path!r}"
        )
    if "://" in path:  # an object store, which can't rename a directory at once
        yield path
        return
    with replacing(path, overwrite=False) as place:
        yield os.fspath(place)


def _next_version(path):
    parent, name = os.path.split(path.rstrip("/"))
    if not name.isdecimal():
        return ""
    entries = [entry.rstrip("/") for entry in tf.io.gfile.listdir(parent or ".")]
    versions = [int(entry) for entry in entries if entry.isdecimal()]
    return f" (the next version is {max(versions) + 1})"


@contextlib.contextmanager
def _computing_in_float32(model) -> Iterator[None]:
    """Lets layers that compute in 16 bits use 32, which is what all runtimes have."""
    halves = [
        layer
        for layer in model._flatten_layers()
        if layer.compute_dtype in ("float16", "bfloat16") and layer.quantization_mode is None
    ]
    policies = [layer.dtype_policy for layer in halves]
    try:
        for layer in halves:
            layer.dtype_policy = "float32"
        yield
    finally:
        for layer, policy in zip(halves, policies, strict=True):
            layer.dtype_policy = policy
