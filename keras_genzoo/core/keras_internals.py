"""Every private attribute of Keras, TensorFlow and tensorflow-datasets that the library relies on.

Each function says why no public API suffices. `tests/core/test_keras_internals.py` has a test for
each, which names what moved when a new version breaks one of them.
"""

from __future__ import annotations

import contextlib
import types
import weakref
from collections.abc import Iterator

import keras
import tensorflow as tf
from keras.src.trainers import compile_utils
from tensorflow.python.util import _pywrap_util_port

from keras_genzoo.core.replicas import ListPerReplica


def flatten_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Lists a layer and all layers in it, however deep; `Model.layers` stops at the first level."""
    return list(layer._flatten_layers())


def seed_generators(layer: keras.layers.Layer) -> list[keras.random.SeedGenerator]:
    """Lists the seed generators of a layer and all layers in it.

    Keras has no public list of them, and their states are not among the layer's weights.
    """
    return [seed for part in flatten_layers(layer) for seed in part._seed_generators]


class _ReplicaSeedGenerator(keras.random.SeedGenerator):
    def next(self, ordered=True):
        seed = super().next(ordered)
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return seed
        replica = tf.cast(context.replica_id_in_sync_group, seed.dtype)
        return seed + tf.stack([1_000_003 * replica, tf.zeros_like(replica)])


def differ_by_replica(generator: keras.random.SeedGenerator) -> None:
    """Makes a Keras layer (Dropout, ...) draw other numbers on each replica.

    Keras draws the same ones on all of them, and a layer's generator can't be replaced. On the
    first replica, and on a single one, the numbers stay as they were.
    """
    generator.__class__ = _ReplicaSeedGenerator


def archive_of(store):
    """Returns the open `.keras` file that a store of variables reads from, or None.

    Keras first reads the weights of a `.keras` file into memory. If their checksum is wrong, it
    reads them from the file once more, part by part. From Python 3.12 on, `zipfile` checks nothing
    of what is read after jumping forward.
    """
    return getattr(store, "archive", None)


def activity_losses(layer: keras.layers.Layer) -> list[tuple[keras.layers.Layer, tf.Tensor]]:
    """Lists the losses of the last call of a layer, each with the layer in it that added it.

    They come from activity regularizers and `add_loss`. The public `losses` mixes them with the
    regularizers of weights.
    """
    return [(part, loss) for part in flatten_layers(layer) for loss in part._get_own_losses()]


def separate_losses_by_replica(layer: keras.layers.Layer) -> None:
    """Makes a layer keep the losses of its last call for each replica.

    Keras has one list, which the replicas clear and fill in turns.
    """
    layer._losses = ListPerReplica()


def compiled_metrics(model: keras.Model):
    """Returns the container of the metrics given to `compile`, or None.

    `Model.metrics` mixes them with others.
    """
    return model._compile_metrics


def strategy_of_model(model: keras.Model) -> tf.distribute.Strategy | None:
    """Returns the strategy that a model was built under, or None.

    The public `distribute_strategy` is the current strategy for a model that was built under none.
    """
    return model._distribute_strategy


def strategy_of_optimizer(optimizer: keras.optimizers.Optimizer) -> tf.distribute.Strategy:
    """Returns the strategy that an optimizer was made under; Keras has no public name for it."""
    return optimizer._distribution_strategy


def average_of_variable(optimizer: keras.optimizers.Optimizer, variable):
    """Returns the moving average that an optimizer with `use_ema` keeps of a variable, or None.

    The public `optimizer.variables` do not say which average belongs to which variable.
    """
    if not optimizer.use_ema:
        return None
    return optimizer._model_variables_moving_average[optimizer._get_variable_index(variable)]


class BuiltBeforeFit:
    """A mix-in for models whose constructor builds everything, so that `fit` need not.

    Keras would call the model symbolically on the data, which fails for models that take latents,
    and reduce uint8 images over workers, which fails too.
    """

    def _maybe_symbolic_build(self, *args, **kwargs):
        pass


def evaluates_within_fit(arguments: dict) -> bool:
    """Returns True if these are the keyword arguments of an `evaluate` that `fit` called."""
    return bool(arguments.get("_use_cached_eval_dataset"))


def in_order_of_metrics(model: keras.Model, logs: dict) -> list:
    """Lists logs as `evaluate` does, or returns the only one; Keras has no public function."""
    return model._flatten_metrics_in_order(logs)


def keras_is_at_least(*version: int) -> bool:
    """Compares Keras's version, for example with `3, 15`."""
    return tuple(int(part) for part in keras.__version__.split(".")[: len(version)]) >= version


def callbacks_know_several_optimizers() -> bool:
    """Returns True if Keras's callbacks look for `optimizer.optimizers`."""
    return keras_is_at_least(3, 15)


def callbacks_know_directions() -> bool:
    """Returns True if Keras's ModelCheckpoint and ReduceLROnPlateau read `metric_direction`."""
    return keras_is_at_least(3, 11)


def maximized_metrics(metrics: list[keras.metrics.Metric]) -> list[str]:
    """Lists the names of the metrics whose higher values are declared better."""
    return [metric.name for metric in metrics if getattr(metric, "_direction", None) == "up"]


def metric_direction(direction: str):
    """Declares whether higher ("up") or lower ("down") values of a metric's class are better.

    ModelCheckpoint and EarlyStopping read it for `mode="auto"`; Keras has no public name for it.
    """

    def decorate(metric):
        metric._direction = direction
        return metric

    return decorate


class _LogDirections(compile_utils.MetricsList):
    def reset_state(self):
        pass  # the entries are no metrics


def log_directions(directions: dict[str, str]) -> keras.metrics.Metric:
    """Returns a stand-in for `Model.metrics` that tells callbacks the directions of logs.

    For `mode="auto"`, Keras's callbacks look through the metrics of Keras's own containers alone.

    Args:
        directions: "up" or "down", by the names of logs.
    """
    entries = [types.SimpleNamespace(name=n, _direction=d) for n, d in directions.items()]
    return _LogDirections(entries, name="log_directions")


def direction_of(metric: keras.metrics.Metric) -> str | None:
    """Returns the direction that `metric_direction` or Keras has declared for a metric, if any."""
    return getattr(metric, "_direction", None)


@contextlib.contextmanager
def limited_download_retries(retries: int) -> Iterator[None]:
    """Lets tensorflow-datasets give up after a few failed connections.

    It has no setting for this, and waits for minutes where there is no network.
    """
    from tensorflow_datasets.core.download import downloader

    before = downloader.MAX_RETRIES
    downloader.MAX_RETRIES = retries
    try:
        yield
    finally:
        downloader.MAX_RETRIES = before


def download_errors() -> tuple[type[Exception], ...]:
    """Returns the error of tensorflow-datasets for a failed download, which it does not export."""
    from tensorflow_datasets.core.download import DownloadError

    return (DownloadError,)


# The strategies whose collectives models use, keyed by TensorFlow's first collective key.
_USERS: dict[int, weakref.ref] = {}


def claim_collectives(strategy: tf.distribute.Strategy) -> None:
    """Keeps the all-reduces of a `MirroredStrategy` apart from those of others in this process.

    Without it, they clash if a cell of a notebook makes a strategy and runs twice, because
    TensorFlow numbers the all-reduces of each strategy from the same start.

    Raises:
        ValueError: If another strategy, which was made before a model was compiled, has taken the
            same numbers.
    """
    kind = tf.distribute.MirroredStrategy
    start = getattr(getattr(strategy, "extended", None), "_collective_key_base", None)
    if type(strategy) is not kind or start is None or strategy.num_replicas_in_sync == 1:
        return
    user = _USERS.setdefault(start, weakref.ref(strategy))
    if user() is not strategy:
        raise ValueError(
            "`tf.distribute.MirroredStrategy` must be made once and used for all models, or a "
            "second one after a model was compiled under the first: otherwise they clash. "
            "Received: a strategy that was made before the other one's model was compiled"
        )
    # TensorFlow's own tests do the same. A strategy that is made from now on counts from here.
    kind._collective_key_base = max(kind._collective_key_base, start + 100_000)


def uses_onednn() -> bool:
    """Returns True if TensorFlow computes by oneDNN on the CPU.

    The environment variable TF_ENABLE_ONEDNN_OPTS overrules a default that depends on the
    processor, and no public function tells the outcome.
    """
    return _pywrap_util_port.IsMklEnabled()
