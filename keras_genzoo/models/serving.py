"""Export: a model as a SavedModel with named endpoints, or one endpoint for another runtime."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import keras
import tensorflow as tf

from keras_genzoo.files import creating, version_directory
from keras_genzoo.version import __version__

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
    defaults: Mapping = MappingProxyType({})
    random: bool = False

    def __call__(self, tensors: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The result, float32, of tensors by name."""
        given = [tensors[name] for name in self.inputs if name != "labels"]
        labels = {"labels": tensors.get("labels")} if "labels" in self.inputs else {}
        return tf.cast(self.function(*given, **labels), tf.float32)


class Serving:
    """What `GenerativeModel` knows of serving: the table of its endpoints, and how to write it.

    A family adds its own endpoints to `super().endpoints()`, and what is new in their inputs to
    `super().tensor_specs()`.
    """

    _initial_weights = ()

    def endpoints(self) -> dict[str, Endpoint]:
        """The endpoints by name; `serving_default` is what servers take unless told."""
        return {}

    def served_networks(self) -> list[keras.layers.Layer]:
        """The networks that the endpoints call."""
        raise NotImplementedError

    @property
    def data_name(self) -> str:
        """What a caller knows the data by."""
        return "images" if len(self.data_shape) == 3 else "data"

    @property
    def bounded_inputs(self) -> bool:
        """Whether data that the endpoints and verbs take must lie in [0, 1]."""
        return self.bounded

    def tensor_specs(self) -> dict[str, tf.TensorSpec]:
        """Shape and type of everything that an endpoint may take."""
        types = {
            self.data_name: ((None, *self.data_shape), tf.float32),
            "labels": ((None,), tf.int32),
            "num_samples": ((), tf.int32),
            "seed": ((), tf.int64),
        }
        return {name: tf.TensorSpec(*types[name], name) for name in types}

    def _taken(self, endpoint):
        """The specs of what an endpoint takes of this model."""
        specs = self.tensor_specs()
        unknown = set(endpoint.inputs) - specs.keys()
        if unknown:
            raise ValueError(
                "An endpoint's `inputs` must be names of `tensor_specs`, which a subclass may add "
                f"to. Received: {sorted(unknown)}"
            )
        names = [n for n in endpoint.inputs if n != "labels" or self.num_classes is not None]
        return [specs[name] for name in names]

    def remember_initial(self, *names: str) -> None:
        """Remembers the weights of default networks, which are not worth serving."""
        self._initial_weights = tuple((name, checksum(getattr(self, name))) for name in names)

    def export(
        self,
        filepath: str | os.PathLike,
        format: str = "tf_saved_model",
        *,
        version: int | None = None,
        endpoint: str | None = None,
        **kwargs,
    ) -> None:
        """Writes the trained model for servers and other programs.

        They take and give float32, and compute in it where the training's precision was mixed.

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
        initial = [n for n, before in self._initial_weights if checksum(getattr(self, n)) == before]
        if initial:
            raise ValueError(
                "`export` is for a trained model: call `fit` or `load_weights` first. "
                f"Received: {type(self).__name__}, whose {initial[0]} has its initial weights"
            )
        filepath = os.fspath(filepath)
        if not isinstance(filepath, str) or not filepath:
            raise ValueError(f"`filepath` must be a path. Received: filepath={filepath!r}")
        if format == "tf_saved_model":
            unknown = [*(kwargs.keys() - {"verbose"}), *(["endpoint"] if endpoint else [])]
            if unknown:
                raise ValueError(
                    "A SavedModel has all endpoints; its arguments are `version` and `verbose`. "
                    f"Received: {', '.join(sorted(unknown))}"
                )
            return self._export_saved_model(version_directory(filepath, version), **kwargs)
        if version is not None:
            raise ValueError(
                f"`version` is for a SavedModel. Received: version={version!r}, format={format!r}"
            )
        self._export_endpoint(filepath, format, endpoint or "serving_default", kwargs)

    def _export_saved_model(self, directory, verbose=False):
        endpoints = self.endpoints()
        archive = keras.export.ExportArchive()
        for layer in _layers_with_tables(self.served_networks()):
            archive.track(layer)
        with creating(directory) as place, _computing_in_float32(self):
            for name, endpoint in endpoints.items():
                specs = self._taken(endpoint)
                archive.add_endpoint(name, self._checking(endpoint, specs), specs)
            archive.write_out(place, verbose=False)
            with tf.io.gfile.GFile(os.path.join(place, "assets", "genzoo.json"), "w") as file:
                file.write(json.dumps(self.description(), indent=2) + "\n")
        if verbose:
            print(f"{directory}: {', '.join(endpoints)}")

    def _checking(self, endpoint, specs):
        """The function of an endpoint, with a graph that refuses bad input."""

        def served(*values):
            tensors = {spec.name: value for spec, value in zip(specs, values, strict=True)}
            with tf.control_dependencies([*self._assertions(endpoint, tensors)]):
                tensors = {name: tf.identity(tensor) for name, tensor in tensors.items()}
            return {endpoint.output: endpoint(tensors)}

        # For the defaults, which a SavedModel keeps.
        kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
        defaults = {
            spec.name: tf.constant(endpoint.defaults[spec.name], spec.dtype)
            for spec in specs
            if spec.name in endpoint.defaults
        }
        served.__signature__ = inspect.Signature(
            inspect.Parameter(spec.name, kind, default=defaults.get(spec.name, empty))
            for spec in specs
        )
        return served

    def _assertions(self, endpoint, tensors):
        def check(condition, message):
            return tf.debugging.Assert(tf.reduce_all(condition), [message])

        for name, tensor in tensors.items():
            if name == "labels":
                high = self.num_classes - 1
                inside = (tensor >= 0) & (tensor <= high)
                yield check(inside, f"`labels` must lie in [0, {high}].")
            elif name == self.data_name and self.bounded_inputs:
                inside = (tensor >= 0) & (tensor <= 1)  # which NaN isn't
                yield check(inside, f"`{name}` must lie in [0, 1].")
            elif tensor.dtype.is_floating:
                yield check(tf.math.is_finite(tensor), f"`{name}` must be finite.")
        first = next(name for name in tensors if name != "labels")
        if "labels" in tensors and tensors[first].shape.rank:
            sizes = tf.shape(tensors[first])[0], tf.shape(tensors["labels"])[0]
            yield check(sizes[0] == sizes[1], f"`labels` must be as many as `{first}`.")

    def _export_endpoint(self, filepath, format, name, kwargs):
        if format not in FILE_ENDINGS:
            known = ", ".join(repr(known) for known in ("tf_saved_model", *FILE_ENDINGS))
            raise ValueError(f"`format` must be one of {known}. Received: format={format!r}")
        if not filepath.endswith(FILE_ENDINGS[format]):
            raise ValueError(
                f"`filepath` must end in {FILE_ENDINGS[format]} for format={format!r}. "
                f"Received: filepath={filepath!r}"
            )
        endpoints = self.endpoints()
        known = [key for key, endpoint in endpoints.items() if not endpoint.random]
        if name not in known:
            raise ValueError(
                f"`endpoint` must be one of {', '.join(map(repr, known))} for format={format!r}. "
                f"Received: endpoint={name!r}"
            )
        if format == "onnx" and kwargs.keys() - {"verbose", "opset_version"}:  # Keras ignores them
            raise ValueError(
                "format='onnx' takes `opset_version` and `verbose`. "
                f"Received: {', '.join(sorted(kwargs))}"
            )
        if "://" in filepath:
            raise ValueError(
                f"format={format!r} writes to a local file, to be copied. "
                f"Received: filepath={filepath!r}"
            )
        endpoint = endpoints[name]
        specs = self._taken(endpoint)
        with creating(filepath) as place, _computing_in_float32(self):
            # ONNX has one namespace for what goes in and what comes out.
            clash = format == "onnx" and endpoint.output in [spec.name for spec in specs]
            output = f"reconstructed_{endpoint.output}" if clash else endpoint.output
            network = _Network(endpoint, [spec.name for spec in specs], output)
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
            "latent_dim": getattr(self, "latent_dim", None),
            "endpoints": endpoints,
            "versions": {
                "keras_genzoo": __version__,
                "keras": keras.__version__,
                "tensorflow": tf.__version__,
            },
        }


class _Network(keras.Model):
    """An endpoint as what Keras's converters take."""

    def __init__(self, endpoint, inputs, output):
        super().__init__(name="endpoint")
        self._endpoint, self._inputs, self._output = endpoint, inputs, output
        self.built = True

    def call(self, inputs, training=False):
        tensors = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        return {self._output: self._endpoint(dict(zip(self._inputs, tensors, strict=True)))}


def _layers_with_tables(networks):
    """Layers such as `keras.layers.StringLookup`. Tracking others would save weights twice."""
    resource = tf.saved_model.experimental.TrackableResource
    layers = [layer for network in networks for layer in network._flatten_layers()]
    return [la for la in layers if any(isinstance(value, resource) for value in vars(la).values())]


def checksum(network: keras.layers.Layer) -> int:
    """A number that tells the weights of a network from others."""
    values = (tf.convert_to_tensor(weight.value).numpy() for weight in network.weights)
    return functools.reduce(lambda total, value: zlib.crc32(value.tobytes(), total), values, 0)


@contextlib.contextmanager
def _computing_in_float32(model) -> Iterator[None]:
    """Lets layers of mixed precision use 32 bits throughout, which is what all runtimes have."""
    halves = [
        layer
        for layer in model._flatten_layers()
        if layer.dtype_policy.name in ("mixed_float16", "mixed_bfloat16")
    ]
    policies = [layer.dtype_policy for layer in halves]
    try:
        for layer in halves:
            layer.dtype_policy = "float32"
        yield
    finally:
        for layer, policy in zip(halves, policies, strict=True):
            layer.dtype_policy = policy
