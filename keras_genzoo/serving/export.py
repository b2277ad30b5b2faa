"""Export: a model as a SavedModel with named endpoints, or one endpoint for another runtime."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Iterator

import keras
import tensorflow as tf

from keras_genzoo.core.keras_internals import flatten_layers, keras_is_at_least
from keras_genzoo.core.validation import import_package
from keras_genzoo.files import creating, version_directory
from keras_genzoo.version import __version__

FILE_ENDINGS = {"onnx": ".onnx", "litert": ".tflite"}


def export(model, filepath, format="tf_saved_model", *, version=None, endpoint=None, **kwargs):
    """Writes a model for servers and other programs; see `GenerativeModel.export`."""
    filepath = os.fspath(filepath)
    if not isinstance(filepath, str) or not filepath:
        raise ValueError(f"`filepath` must be a path. Received: filepath={filepath!r}")
    if format == "tf_saved_model":
        unknown = [*(kwargs.keys() - {"verbose"}), *(["endpoint"] if endpoint else [])]
        if unknown:
            raise ValueError(
                "A SavedModel contains all endpoints and takes only `version` and `verbose`. "
                f"Received: {', '.join(sorted(unknown))}"
            )
        _warn_if_untrained(model)
        return _export_saved_model(model, version_directory(filepath, version), **kwargs)
    if version is not None:
        raise ValueError(
            f"`version` is for a SavedModel. Received: version={version!r}, format={format!r}"
        )
    name = endpoint or "serving_default"
    _check_endpoint_arguments(model, filepath, format, name, kwargs)
    _warn_if_untrained(model)
    _export_endpoint(model, filepath, format, name, kwargs)
    return filepath


def description(model) -> dict:
    """Returns the facts that `assets/genzoo.json` holds."""
    endpoints = {
        name: {"inputs": [f.name for f in endpoint.fields], "output": endpoint.output}
        for name, endpoint in model.endpoints().items()
    }
    first = model.data_field.describe()
    return {
        "model": type(model).__name__,
        "name": model.name,
        "data_shape": list(model.data_shape),
        "value_range": first.get("value_range"),
        "num_classes": model.num_classes,
        "latent_dim": model.latent_dim,
        "fields": [field.describe() for field in model.fields if not field.absent],
        "endpoints": endpoints,
        "versions": {
            "keras_genzoo": __version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
    }


def _warn_if_untrained(model):
    if not model.was_trained:
        warnings.warn(
            f"This {type(model).__name__} has taken no training step: its weights are the initial "
            "ones. Call `fit` or `load_weights` before `export`.",
            stacklevel=4,
        )


def _export_saved_model(model, directory, verbose=False):
    endpoints = model.endpoints()
    archive = keras.export.ExportArchive()
    for layer in _layers_with_tables(model.served_networks()):
        archive.track(layer)
    with creating(directory) as place, _computing_in_float32(model):
        for name, endpoint in endpoints.items():
            specs = [field.spec() for field in endpoint.fields]
            archive.add_endpoint(name, endpoint.served(), specs)
        archive.write_out(place, verbose=False)
        with tf.io.gfile.GFile(os.path.join(place, "assets", "genzoo.json"), "w") as file:
            file.write(json.dumps(description(model), indent=2) + "\n")
    if verbose:
        print(f"{directory}: {', '.join(endpoints)}")
    return directory


def _check_endpoint_arguments(model, filepath, format, name, kwargs):
    if format not in FILE_ENDINGS:
        known = ", ".join(repr(known) for known in ("tf_saved_model", *FILE_ENDINGS))
        raise ValueError(f"`format` must be one of {known}. Received: format={format!r}")
    if format == "litert" and not keras_is_at_least(3, 13):
        raise ValueError(
            "format='litert' needs Keras 3.13 or later: pip install -U keras. "
            f"Received: Keras {keras.__version__}"
        )
    if not filepath.endswith(FILE_ENDINGS[format]):
        raise ValueError(
            f"`filepath` must end in {FILE_ENDINGS[format]} for format={format!r}. "
            f"Received: filepath={filepath!r}"
        )
    known = [key for key, endpoint in model.endpoints().items() if not endpoint.random]
    if name not in known:
        raise ValueError(
            f"`endpoint` must be one of {', '.join(map(repr, known))} for format={format!r}. "
            f"Received: endpoint={name!r}"
        )
    if format == "onnx" and kwargs.keys() - {"verbose", "opset_version"}:  # Keras ignores them
        raise ValueError(
            "format='onnx' takes `opset_version` and `verbose`. "
            f"Received: {', '.join(sorted(kwargs.keys() - {'verbose', 'opset_version'}))}"
        )
    if format == "onnx":
        import_package("tf2onnx", "format='onnx'")
    if "://" in filepath:
        raise ValueError(
            f"format={format!r} writes to a local file; copy it afterwards. "
            f"Received: filepath={filepath!r}"
        )


def _export_endpoint(model, filepath, format, name, kwargs):
    endpoint = model.endpoints()[name]
    specs = [field.spec() for field in endpoint.fields]
    with creating(filepath) as place, _computing_in_float32(model):
        # ONNX has one namespace for inputs and outputs.
        clash = format == "onnx" and endpoint.output in [spec.name for spec in specs]
        output = f"reconstructed_{endpoint.output}" if clash else endpoint.output
        network = _EndpointModel(endpoint, [spec.name for spec in specs], output)
        # Keras passes a list as one argument.
        signature = [specs if len(specs) > 1 else specs[0]]
        kwargs = {"verbose": False, "input_signature": signature, **kwargs}
        network.export(place, format=format, **kwargs)


class _EndpointModel(keras.Model):
    """An endpoint as a model, which Keras's converters take."""

    def __init__(self, endpoint, inputs, output):
        super().__init__(name="endpoint")
        # A function, because Keras would wrap an endpoint, which is a tuple, and break it.
        self._compute = lambda tensors: endpoint(tensors)
        self._inputs, self._output = inputs, output
        self.built = True

    def call(self, inputs, training=False):
        tensors = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        return {self._output: self._compute(dict(zip(self._inputs, tensors, strict=True)))}


def _layers_with_tables(networks):
    """Lists layers such as `keras.layers.StringLookup`.

    An archive has to track their tables. To track other layers would save their weights twice.
    """
    resource = tf.saved_model.experimental.TrackableResource
    layers = [layer for network in networks for layer in flatten_layers(network)]
    return [
        layer
        for layer in layers
        if any(isinstance(value, resource) for value in vars(layer).values())
    ]


@contextlib.contextmanager
def _computing_in_float32(model) -> Iterator[None]:
    """Lets layers of mixed precision use 32 bits throughout, which all runtimes have."""
    halves = [
        layer
        for layer in flatten_layers(model)
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
