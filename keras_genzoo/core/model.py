"""The base of all models: their fields, and the methods that a `train_step` calls."""

from __future__ import annotations

import difflib
import functools
import operator
import os
import types
from collections.abc import Callable
from itertools import repeat

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.core.annealing import Settled
from keras_genzoo.core.batches import BatchCheck, parts_of
from keras_genzoo.core.compiling import Compiling
from keras_genzoo.core.completion import Completion
from keras_genzoo.core.fields import Field, Labels, dense_parts
from keras_genzoo.core.fitting import Fitting
from keras_genzoo.core.keras_internals import BuiltBeforeFit, flatten_layers
from keras_genzoo.core.logs import Logs
from keras_genzoo.core.moving_average import MovingAverage
from keras_genzoo.core.options import KERAS_OWN, expand_options
from keras_genzoo.core.replicas import (
    ListPerReplica,
    global_mean,
    split_global_batch,
    sum_over_replicas,
)
from keras_genzoo.core.saving import Saving
from keras_genzoo.layers.noise import Noise
from keras_genzoo.serving import export
from keras_genzoo.serving.endpoints import Endpoint


class GenerativeModel(
    Settled, Completion, Compiling, Fitting, Logs, Saving, BuiltBeforeFit, keras.Model
):
    """The base of all models.

    A subclass passes its fields to this constructor, builds all networks in its own, and sets an
    attribute for every constructor argument. It has `players`, `default_optimizers`, `log_names`,
    `call`, `train_step` and `test_step`, and declares the `verbs` that it adds to those of its
    bases.

    ```python
    import tensorflow as tf


    @keras.saving.register_keras_serializable("my_models")
    class LinearFlow(genzoo.Sampling, genzoo.GenerativeModel):
        # One linear layer maps data to z, which is distributed as N(0, 1).
        verbs = frozenset({"log_likelihood"})  # Sampling adds "sample"
        players = {"optimizer": ("network",)}
        log_names = ("loss",)

        def __init__(self, data_shape, **kwargs):
            super().__init__(genzoo.fields.Vectors(data_shape), **kwargs)
            (features,) = self.data_shape
            self.network = keras.layers.Dense(features, kernel_initializer="identity")
            self.network.build((None, features))

        def default_optimizers(self):
            return {"optimizer": keras.optimizers.Adam(0.01)}

        def call(self, x, training=False):
            # log p(x) in nats, float32 (batch,)
            z = self.run("network", x, training=training)
            log_normal = -0.5 * tf.reduce_sum(z**2 + np.log(2 * np.pi), axis=-1)
            return log_normal + tf.linalg.slogdet(self.network.kernel)[1]

        def train_step(self, data):
            (x,) = self.unpack(data)
            with tf.GradientTape() as tape:
                loss = -self(x, training=True)
                objective = self.objective("optimizer", loss)
            self.update("optimizer", objective, tape)
            return self.log(loss=loss)

        def test_step(self, data):
            (x,) = self.unpack(data)
            return self.log(loss=-self(x))

        def log_likelihood(self, x):
            self.check_data(x)
            return self.in_batches(self, x)

        def draw(self, count, labels, seed):
            z = tf.random.stateless_normal((count, *self.data_shape), seed)
            return tf.linalg.matmul(z - self.network.bias, tf.linalg.inv(self.network.kernel))


    x = np.random.default_rng(0).normal([1.0, 2.0], [0.5, 3.0], (1000, 2)).astype("float32")
    model = LinearFlow((2,))
    model.compile()
    model.fit(x, epochs=20)
    samples = model.sample(1000, seed=0)
    ```

    Args:
        *fields: The parts of a batch, in their order.
        **kwargs: Passed to Keras, such as `name`.

    Attributes:
        fields: The fields, as they were passed.
        data_field: The first field; `data_shape` is its shape.
        sole_field: The name of the field that a batch may hold alone, if the model can make the
            others from it; `unpack` returns `None` for those.
        labels_field: The field of the labels; absent if the model has none.
        num_classes: The number of classes, or `None`.
        noise: The source of the training's random numbers.
        evaluation_noise: The source of evaluation's random numbers, restarted at every
            `evaluate`.
        verbs: The names of the public methods that the model supports, such as `"sample"`.
    """

    verbs: frozenset[str] = frozenset()
    latent_dim: int | None = None
    sole_field: str | None = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        expand_options(cls)
        after = cls.__mro__[cls.__mro__.index(GenerativeModel) + 1 :]
        late = [base.__name__ for base in after if "verbs" in vars(base)]
        if late:  # its methods would be those of `GenerativeModel`
            raise TypeError(
                f"The bases of {cls.__name__} must have {late[0]} before GenerativeModel. "
                "Received: the other order"
            )
        cls.verbs = frozenset().union(*(vars(base).get("verbs", ()) for base in cls.__mro__))

    def __init__(self, *fields: Field, **kwargs):
        if not fields or not all(isinstance(field, Field) for field in fields):
            raise ValueError(
                "`fields` must be one or more fields, such as `Images((28, 28, 1))`. "
                f"Received: fields={fields!r:.80}"
            )
        self._check_keywords(kwargs)
        super().__init__(**kwargs)
        self.fields = fields
        self.data_field = fields[0]
        labels = [field for field in fields if isinstance(field, Labels)]
        self.labels_field = labels[0] if labels else Labels(None)
        self.data_shape = self.data_field.shape
        self.num_classes = self.labels_field.num_classes
        self.noise = Noise(name="noise")
        # Evaluation draws the same noise at every call, so that its results can be compared, and
        # leaves the training's noise as it is.
        self.evaluation_noise = Noise(seed=0, name="evaluation_noise")
        self.batch_check = BatchCheck()
        self._was_trained = False  # set by `fit` and by loading
        self._passes = ListPerReplica()
        # A namespace, because Keras would save the layers of a list a second time.
        self._graph_functions = types.SimpleNamespace(compiled=[])
        # The constructor builds every network, so that nothing is left to build from data.
        self.built = True

    def _check_keywords(self, keywords):
        known = type(self).__signature__.parameters
        for name in keywords.keys() - {*known, *KERAS_OWN, "trainable"}:
            named = [p.name for p in known.values() if p.kind is not p.VAR_KEYWORD]
            closest = difflib.get_close_matches(name, named)
            hint = f" Did you mean `{closest[0]}`?" if closest else ""
            raise TypeError(
                f"{type(self).__name__} has no argument `{name}`.{hint} "
                f"Its arguments are {', '.join(named)}"
            )

        dtype, policy = keywords.get("dtype"), keras.config.dtype_policy().name
        if isinstance(dtype, str) and dtype != policy:
            raise ValueError(
                "`dtype` must be left out, because it would not reach the networks: call "
                f"`keras.config.set_dtype_policy({dtype!r})` before. Received: dtype={dtype!r}"
            )

    @property
    def expected_fields(self) -> tuple[Field, ...]:
        """The fields that users may pass; with one field, also labels, which are ignored."""
        return self.fields if len(self.fields) > 1 else (*self.fields, self.labels_field)

    def fields_of(self, parts: list) -> tuple[Field, ...]:
        """Returns the fields that the parts of a batch belong to, in their order."""
        if self.sole_field is not None and all(part is None for part in parts[1:]):
            return (self.field(self.sole_field),)
        return self.expected_fields

    @property
    def input_field(self) -> Field:
        """The data as verbs and endpoints take them; by default as `fit` does."""
        return self.data_field

    def input_of(self, parts: list, arguments: dict):
        """Returns the part of a batch that a verb takes, called with these arguments."""
        return parts[0]

    def field(self, name: str = "") -> Field:
        """Returns the field called `name`, or the first field."""
        found = [field for field in self.fields if name in ("", field.name)]
        if not found:
            names = ", ".join(repr(field.name) for field in self.fields)
            raise ValueError(f"`name` must be one of the fields {names}. Received: name={name!r}")
        return found[0]

    def train_step(self, data):
        """Takes one step of training on a batch; returns the logs."""
        raise NotImplementedError(f"{type(self).__name__} must have a `train_step`.")

    def test_step(self, data):
        """Evaluates a batch; returns the logs."""
        raise NotImplementedError(f"{type(self).__name__} must have a `test_step`.")

    # What a step is written in. ------------------------------------------------------------------

    def unpack(self, data) -> tuple:
        """Returns one tensor for each field of a batch; `None` for an absent one.

        A batch that does not fit, such as one of labels out of range, ends the step by an error.
        """
        self.forget_passes()  # those of the step before
        parts = parts_of(data)
        fields = self.fields_of(parts)
        given = dict(zip(fields, parts, strict=False))
        optimizer = getattr(self, next(iter(self.players)), None)
        steps = 0 if optimizer is None else tf.convert_to_tensor(optimizer.iterations)
        tensors, size = {}, None
        for field in fields:
            tensors[field] = self.batch_check.convert(
                field, given.get(field), steps, in_xla=self.compiles_by_xla, size=size
            )
            if size is None and tensors[field] is not None:
                size = tf.shape(tensors[field])[0]
        return tuple(tensors.get(field) for field in self.fields)

    def split(self, batch: tuple, parts: int) -> list[tuple]:
        """Splits a batch into parts of fresh examples; see `replicas.split_global_batch`."""
        return split_global_batch(batch, parts)

    def run(
        self, network: str | Callable, *inputs: tf.Tensor | None, training: bool = False
    ) -> tf.Tensor:
        """Calls a network on its inputs and returns float32, in the structure of its outputs.

        Args:
            network: The name of a network, which outside of training stands for its moving
                average, if it has one; or any Keras layer.
            *inputs: Its inputs. Those that are `None` are left out, and several become a list.
            training: Passed to the network.
        """
        if isinstance(network, str):
            network = self.active_network(network, training)
        inputs = [tensor for tensor in inputs if tensor is not None]
        outputs = network(inputs if len(inputs) > 1 else inputs[0], training=training)
        if training:
            self.record_pass(network, keras.ops.shape(inputs[0])[0])
        return tf.nest.map_structure(lambda tensor: tf.cast(tensor, tf.float32), outputs)

    def batch_mean(self, values: tf.Tensor) -> tf.Tensor:
        """Averages over the global batch; the result is the same on every replica."""
        return sum_over_replicas(global_mean(values))

    def active_network(self, name: str, training: bool = False) -> keras.layers.Layer:
        """Returns the network of a name; outside of training its moving average, if it has one."""
        if not training:
            for average in self._averages():
                if average.network_name == name:
                    return average.network
        return getattr(self, name)

    def update_averages(self, batch: tf.Tensor) -> None:
        """Updates all moving averages after a step on `batch`."""
        for average in self._averages():
            size = keras.ops.shape(batch)[0]
            average.update(getattr(self, average.network_name), size)

    def _averages(self):
        return [layer for layer in self.layers if isinstance(layer, MovingAverage)]

    # Verbs. --------------------------------------------------------------------------------------

    def check_data(self, x, labels=None) -> tf.Tensor | None:
        """Checks the data that a verb was given; returns the labels as `check_labels` does."""
        self.input_field.check(x, "x")
        return self.check_labels(labels, x.shape[0])

    def check_labels(self, labels, num_examples: int) -> tf.Tensor | None:
        """Checks labels and returns them as int32.

        Raises:
            ValueError: If the labels are invalid, or the model is unconditional and received some.
        """
        if self.num_classes is not None:
            self.labels_field.check(labels, "labels", num_examples)
            return tf.cast(labels, tf.int32)
        if labels is not None:
            raise ValueError(
                "`labels` must be None: this model was built without `num_classes`. "
                f"Received: labels={labels!r:.50}"
            )
        return None

    @staticmethod
    def in_batches(function: Callable, *arrays, batch_size: int = 256) -> np.ndarray:
        """Applies a function to arrays of examples by parts; all but the first may be `None`."""
        parts = []
        slices = (repeat(None) if a is None else dense_parts(a, batch_size) for a in arrays)
        for part in zip(*slices, strict=False):
            parts.append(np.asarray(function(*part), dtype="float32"))
        return np.concatenate(parts)

    def graph_function(self, name: str, **options) -> Callable:
        """Returns a method as a graph function, which is compiled again only after a change.

        A change is another layer, however deep, or a new value of any public attribute. Of each
        model, the last four functions are kept, so that one may change an attribute back.

        Args:
            name: The name of the method.
            **options: Keyword arguments of the method that do not change in the function.
        """
        key = (name, *sorted(options.items()))
        public = [value for key, value in vars(self).items() if not key.startswith("_")]
        parts = [*flatten_layers(self), *public]
        for known_key, known, function in self._graph_functions.compiled:
            if (
                known_key == key
                and len(parts) == len(known)
                and all(map(operator.is_, parts, known))
            ):
                return function
        # Wrap it, because TensorFlow would warn of one method compiled for several models.
        function = functools.partial(getattr(self, name), **options)
        function = tf.function(function, reduce_retracing=True)
        compiled = [(key, parts, function), *self._graph_functions.compiled]
        self._graph_functions.compiled = compiled[:4]
        return function

    # Serving. ------------------------------------------------------------------------------------

    def endpoints(self) -> dict[str, Endpoint]:
        """Returns the endpoints by name; servers take `serving_default` unless told otherwise.

        A subclass adds its own to those of `super().endpoints()`.
        """
        return {}

    def served_networks(self) -> list[keras.layers.Layer]:
        """Lists the networks that the endpoints may call: those of the players."""
        names = [name for networks in self.players.values() for name in networks]
        networks = [self.active_network(name) for name in names]
        return [network for network in networks if isinstance(network, keras.layers.Layer)]

    @property
    def was_trained(self) -> bool:
        """True if the model has taken a training step, or its weights come from a file."""
        optimizers = [getattr(self, player, None) for player in self.players]
        return self._was_trained or any(o is not None and o.iterations > 0 for o in optimizers)

    def export(
        self,
        filepath: str | os.PathLike,
        format: str = "tf_saved_model",
        *,
        version: int | None = None,
        endpoint: str | None = None,
        **kwargs,
    ) -> str:
        """Writes the trained model for servers and other programs.

        Exported functions take and return float32, and compute in it even if the model was trained
        in mixed precision. There is a warning if the model was neither trained nor loaded.

        Args:
            filepath: For a SavedModel, the model's directory, in which version 1 is created, or a
                version directory (`"serving/dcgan/1"`). For the other formats, a file.
            format: `"tf_saved_model"`: all endpoints, for TensorFlow Serving. `"onnx"` and
                `"litert"`: one of them, for other runtimes, by Keras's own converters.
            version: The version of a SavedModel, 1 by default.
            endpoint: The endpoint for the other formats, `"serving_default"` by default.
            **kwargs: Passed to Keras's converter for the other formats.

        Returns:
            The path that was written: of a SavedModel, that of the version.

        Raises:
            FileExistsError: If the version or the file exists; nothing is overwritten.
            ValueError: If an argument does not fit.
        """
        return export.export(self, filepath, format, version=version, endpoint=endpoint, **kwargs)
