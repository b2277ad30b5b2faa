"""What all models of the zoo share: data, noise, updates, logs, optimizers, saving and export."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers import LossScaleOptimizer

from keras_genzoo.layers.noise import Noise, differ_by_replica, place_in_global_batch
from keras_genzoo.models import checks
from keras_genzoo.models.logs import Logs
from keras_genzoo.models.players import Optimizers, for_players
from keras_genzoo.models.saving import Saving
from keras_genzoo.models.serving import Serving
from keras_genzoo.networks import is_image


class GenerativeModel(Logs, Saving, Serving, keras.Model):
    """Base of the zoo.

    A subclass builds its networks in its constructor, sets an attribute for every constructor
    argument, and has `default_optimizers`, `log_names`, `call`, `train_step` and `test_step`.
    """

    # The fewest examples that a batch must hold.
    min_batch = 1

    def __new__(cls, *args, **kwargs):
        model = super().__new__(cls, *args, **kwargs)
        # For `get_config`: what a subclass passes on in its own **kwargs is in no signature.
        model._keywords = tuple(kwargs)
        return model

    def __init__(self, data_shape: Sequence[int], num_classes: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.data_shape = checks.check_shape(data_shape)
        if num_classes is not None:
            checks.check_positive_int(num_classes, "num_classes")
        self.num_classes = num_classes
        self.noise = Noise(name="noise")
        # Evaluation has noise of its own, the same at every call: its results can be compared,
        # and it leaves the training's noise where it was.
        self.evaluation_noise = Noise(seed=0, name="evaluation_noise")
        # Every network is built by the constructor; nothing is left to build from data.
        self.built = True

    @property
    def bounded(self) -> bool:
        """Whether the data must lie in [0, 1]."""
        return is_image(self.data_shape)

    @property
    def _replicas(self) -> int:
        return self.distribute_strategy.num_replicas_in_sync

    def seed_generators(self) -> list[keras.random.SeedGenerator]:
        """The sources of random numbers of Keras's layers (Dropout...) in the networks."""
        layers = self._flatten_layers(include_self=False)
        return [generator for layer in layers for generator in layer._seed_generators]

    # Compiling. ---------------------------------------------------------------------------------

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """The paper's optimizers, by the name of `compile`'s argument."""
        raise NotImplementedError

    def optimized_variables(self) -> dict[str, list]:
        """The variables that each optimizer updates, by the same names."""
        return {"optimizer": self.trainable_variables}

    def _compile(self, optimizers: dict, **options) -> None:
        """Compiles with optimizers by name; None means the default."""
        unknown = options.keys() - {"metrics", "run_eagerly", "steps_per_execution", "jit_compile"}
        if unknown:
            names = ", ".join(f"`{name}`" for name in (*optimizers, "metrics"))
            raise ValueError(
                f"`compile` of a {type(self).__name__} takes {names}, `run_eagerly`, "
                "`steps_per_execution` and `jit_compile`; its loss is the constructor's. "
                f"Received: {sorted(unknown)}"
            )
        self._check_scope()
        self._check_options(options)
        with self.distribute_strategy.scope():
            self._compile_in_scope(optimizers, options)

    def _check_options(self, options):
        steps = options.get("steps_per_execution", 1)
        if not (isinstance(steps, int) and steps >= 1):
            raise ValueError(
                "`steps_per_execution` must be a positive integer. "
                f"Received: steps_per_execution={steps!r}"
            )
        on_tpu = isinstance(self.distribute_strategy, tf.distribute.TPUStrategy)
        if self._replicas > 1 and not on_tpu:
            for name, only in {"steps_per_execution": 1, "jit_compile": False}.items():
                value = options.get(name, only)
                if value != only and (name, value) != ("jit_compile", "auto"):
                    raise ValueError(
                        f"`{name}` must be {only} under a strategy of several replicas, where "
                        f"Keras can do no other. Received: {name}={value!r}"
                    )

    def _compile_in_scope(self, optimizers, options):
        optimizers = {k: keras.optimizers.get(v) for k, v in optimizers.items() if v is not None}
        for name, optimizer in optimizers.items():
            if optimizer._distribution_strategy is not self.distribute_strategy:
                raise ValueError(
                    f"`{name}` must be made in the scope of the model's strategy. "
                    f"Received: one made under {type(optimizer._distribution_strategy).__name__}"
                )
        chosen = self.default_optimizers() | optimizers
        if len({id(optimizer) for optimizer in chosen.values()}) < len(chosen):
            raise ValueError(
                f"{' and '.join(f'`{name}`' for name in chosen)} must be two optimizers: each "
                f"keeps the state of its own network. Received: one object for both"
            )
        # Keras is told of no optimizer and no loss: it would build, wrap and log its own.
        super().compile(optimizer=None, **options)
        self._compile_arguments = dict(options)
        for name, optimizer in chosen.items():
            if len(chosen) > 1:
                # Callbacks log learning rates by it.
                getattr(optimizer, "inner_optimizer", optimizer).name = name
            if self.dtype_policy.name == "mixed_float16" and not isinstance(
                optimizer, LossScaleOptimizer
            ):
                optimizer = LossScaleOptimizer(optimizer)
            # Built now: inside a replica it could not be, and loading fills its variables.
            optimizer.build(self.optimized_variables()[name])
            setattr(self, name, optimizer)
        if "optimizer" not in chosen:
            self.optimizer = Optimizers([getattr(self, name) for name in chosen])
        for generator in self.seed_generators():
            differ_by_replica(generator)
        self.build_metrics()

    # Fitting: what a train_step is made of. -----------------------------------------------------

    def fit(self, x=None, y=None, batch_size=None, *args, **kwargs):
        """Keras's `fit`, after a check of the data.

        Args:
            x: Data `(n, *data_shape)`, or a data set of `data` or `(data, labels)`. Images are
                floats in [0, 1] or uint8.
            y: Integer labels `(n,)`, used by conditional models alone.
            batch_size: Examples a step, 32 unless given. Only for arrays.
            *args: As Keras's.
            **kwargs: As Keras's.

        Raises:
            ValueError: If the data don't fit the model, before any training.
        """
        self._check_scope()
        call = inspect.signature(super().fit).bind(x, y, batch_size, *args, **kwargs)
        arguments = call.arguments
        self._refuse_weights(arguments)
        if not hasattr(x, "shape"):
            arguments["shuffle"] = False  # only arrays can be; Keras warns of its own default
        arguments["y"] = y = self._labels(y)
        arguments["x"] = self.check_data_set(
            x,
            y,
            batch_size,
            at_least=self.min_batch * self._replicas,
            full_batch=True,
            replicas=self._replicas,
        )
        validation = arguments.get("validation_data")
        if validation is not None:
            checks.check_no_weights(validation, "validation_data")
            data, labels, _ = keras.utils.unpack_x_y_sample_weight(validation)
            size = arguments.get("validation_batch_size") or batch_size
            labels = self._labels(labels)
            data = self.check_data_set(data, labels, size, "validation_data")
            self.check_validation_size(data)
            arguments["validation_data"] = data if labels is None else (data, labels)
        if self._several_workers and hasattr(x, "shape") and arguments.get("shuffle", True):
            arguments.update(self._shuffled_alike(x, y, batch_size))
        if isinstance(getattr(self, "optimizer", None), Optimizers):
            arguments["callbacks"] = for_players(self, arguments.get("callbacks"))
        return super().fit(*call.args, **call.kwargs)

    @property
    def _several_workers(self) -> bool:
        return isinstance(self.distribute_strategy, tf.distribute.MultiWorkerMirroredStrategy)

    def _shuffled_alike(self, x, y, batch_size):
        """Arrays as a data set in the same order on all workers, which share each batch.

        Keras would shuffle by each worker's own seed; the noise's is the chief's everywhere.
        """
        data = x if y is None else (x, y)
        dataset = tf.data.Dataset.from_tensor_slices(data).shuffle(
            len(x), seed=int(self.noise.state.numpy()[0])
        )
        dataset = dataset.batch(batch_size or 32)
        return {"x": dataset, "y": None, "batch_size": None, "shuffle": False}

    def _maybe_symbolic_build(self, *args, **kwargs):
        # Everything is built already; Keras would reduce uint8 images over workers, which fails.
        pass

    def _check_scope(self):
        # `distribute_strategy` would give a model that was built under none the present one.
        own, present = self._distribute_strategy, tf.distribute.get_strategy()
        if tf.distribute.has_strategy() and present is not own:
            received = "no strategy" if own is None else f"another {type(own).__name__}"
            raise ValueError(
                "The model must be built and compiled in the scope of the strategy that it is "
                f"fitted under, {type(present).__name__}. Received: a model built under {received}"
            )

    def evaluate(self, x=None, y=None, batch_size=None, *args, **kwargs):
        """Keras's `evaluate`, after a check of the data; the same noise at every call."""
        if not kwargs.get("_use_cached_eval_dataset"):  # checked by fit
            self._check_scope()
            call = inspect.signature(super().evaluate).bind(x, y, batch_size, *args, **kwargs)
            self._refuse_weights(call.arguments)
            y = self._labels(y)
            x = self.check_data_set(x, y, batch_size)
        self.evaluation_noise.reset()
        return super().evaluate(x, y, batch_size, *args, **kwargs)

    def _labels(self, y) -> np.ndarray | None:
        """The labels as an array; None, whatever they are, if the model has no use for them."""
        return None if self.num_classes is None or y is None else np.asarray(y)

    @staticmethod
    def _refuse_weights(arguments: dict) -> None:
        for name in ("class_weight", "sample_weight"):
            value = arguments.get(name)
            if value is not None:
                raise ValueError(f"`{name}` is not supported. Received: {name}={value!r:.50}")

    def check_data_set(self, x, y=None, batch_size=None, name="x", **options):
        """Checks what `fit` or `evaluate` is given, and returns it to be passed on."""
        return checks.check_fit_data(
            x,
            y,
            data_shape=self.data_shape,
            num_classes=self.num_classes,
            bounded=self.bounded,
            batch_size=batch_size,
            name=name,
            **options,
        )

    def unpack(self, data) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The data as float32 and, for a conditional model, the labels."""
        x, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.to_float(x), None if self.num_classes is None else tf.cast(labels, tf.int32)

    def to_float(self, x) -> tf.Tensor:
        """Float32; uint8 images, 0 to 255, are scaled to [0, 1]."""
        x = tf.convert_to_tensor(x)
        scale = 255.0 if x.dtype == tf.uint8 and self.bounded else 1.0
        return tf.cast(x, tf.float32) / scale

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """Mean over the global batch: the replicas' results add up to it, as their gradients do."""
        values = tf.cast(values, tf.float32)
        _, total = place_in_global_batch(keras.ops.shape(values)[0])
        return tf.reduce_sum(values, axis=0) / tf.cast(tf.maximum(total, 1), tf.float32)

    def regularization(self, network: keras.Model) -> tf.Tensor:
        """The network's own losses (its layers' regularizers), to be added to a `mean`."""
        total = tf.add_n(network.losses) if network.losses else tf.zeros(())
        return total / self._replicas

    def update(self, name: str, loss: tf.Tensor, tape: tf.GradientTape) -> None:
        """One step of the optimizer `name` down the gradient of `loss`."""
        optimizer, variables = getattr(self, name), self.optimized_variables()[name]
        # A loss-scaled optimizer divides its scale out again.
        scale = optimizer.scale_loss(tf.ones_like(loss))
        gradients = tape.gradient(loss, variables, output_gradients=scale)
        optimizer.apply(gradients, variables)

    # Verbs. -------------------------------------------------------------------------------------

    def check_data(self, x, labels=None, *, bounded: bool | None = None) -> tf.Tensor | None:
        """Checks data given to a verb; returns its labels as `check_labels` does."""
        checks.check_data(x, self.data_shape, bounded=self.bounded if bounded is None else bounded)
        return self.check_labels(labels, x.shape[0])

    def check_labels(self, labels, num_examples: int) -> tf.Tensor | None:
        """The labels as int32, if the model is conditional; else there must be none."""
        if self.num_classes is not None:
            checks.check_labels(labels, self.num_classes, num_examples, "labels")
            return tf.cast(labels, tf.int32)
        if labels is not None:
            raise ValueError(
                "`labels` must be None: this model was built without `num_classes`. "
                f"Received: labels={labels!r:.50}"
            )
        return None

    @staticmethod
    def in_batches(function: Callable, *arrays, batch_size: int = 256) -> np.ndarray:
        """Applies a function to arrays of examples, part by part; None stays None."""
        parts = []
        for start in range(0, len(arrays[0]), batch_size):
            part = [None if a is None else a[start : start + batch_size] for a in arrays]
            parts.append(np.asarray(function(*part), dtype="float32"))
        return np.concatenate(parts)
