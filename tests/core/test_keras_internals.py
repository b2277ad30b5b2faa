"""One canary for each private attribute that the library uses; a failure names what moved."""

import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.core import keras_internals


def nested():
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    return keras.Sequential([keras.Input((2,)), inner, keras.layers.GaussianNoise(1.0)])


def test_flatten_layers():
    names = [type(layer).__name__ for layer in keras_internals.flatten_layers(nested())]
    assert names[0] == "Sequential"
    assert {"Dropout", "Dense", "GaussianNoise"} <= {*names}


def test_seed_generators():
    generators = keras_internals.seed_generators(nested())
    assert len(generators) == 2
    assert all(isinstance(g, keras.random.SeedGenerator) for g in generators)


def test_differ_by_replica_keeps_the_numbers_of_a_single_replica():
    first, second = (keras.layers.GaussianNoise(1.0, seed=3) for _ in range(2))
    keras_internals.differ_by_replica(second.seed_generator)
    x = np.zeros((4, 3), "float32")
    np.testing.assert_array_equal(first(x, training=True), second(x, training=True))


def test_activity_losses(two_replicas):
    regularized = {"activity_regularizer": "l2", "kernel_regularizer": "l2"}
    layer = keras.layers.Dense(1, **regularized)
    model = keras.Sequential([keras.Input((2,)), keras.Sequential([layer])])
    for x in (np.ones((4, 2), "float32"), 2 * np.ones((4, 2), "float32")):
        outputs = model(x)
    ((owner, loss),) = keras_internals.activity_losses(model)
    assert owner is layer
    squares = 0.01 * np.square(outputs)  # Keras 3.10 adds them up, later versions average
    assert float(loss) == pytest.approx(squares.mean()) or float(loss) == pytest.approx(
        squares.sum()
    )
    # Each replica finds the loss of its own call, although they take turns within it.
    keras_internals.separate_losses_by_replica(layer)

    def step():
        context = tf.distribute.get_replica_context()
        layer.add_loss(tf.cast(context.replica_id_in_sync_group, tf.float32))
        context.all_reduce("sum", tf.zeros(()))
        return layer.losses[0]

    losses = two_replicas.experimental_local_results(two_replicas.run(tf.function(step)))
    assert [float(loss) for loss in losses] == [0.0, 1.0]


def test_compiled_metrics():
    model = nested()
    model.compile(loss="mse")
    assert keras_internals.compiled_metrics(model) is None
    metric = keras.metrics.MeanSquaredError()
    model.compile(loss="mse", metrics=[metric])
    container = keras_internals.compiled_metrics(model)
    container.build(np.zeros((1, 1)), np.zeros((1, 1)))
    assert container.metrics == [metric]


def test_strategies(two_replicas):
    assert keras_internals.strategy_of_model(nested()) is None
    assert keras_internals.strategy_of_optimizer(keras.optimizers.SGD()) is (
        tf.distribute.get_strategy()
    )
    with two_replicas.scope():
        assert keras_internals.strategy_of_model(nested()) is two_replicas
        assert keras_internals.strategy_of_optimizer(keras.optimizers.SGD()) is two_replicas


def test_average_of_variable():
    variables = [keras.Variable([1.0, 2.0]), keras.Variable([3.0])]
    optimizer = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.75)
    optimizer.build(variables)
    for _ in range(2):
        optimizer.apply([np.ones(2, "float32"), np.ones(1, "float32")])
    average = keras_internals.average_of_variable(optimizer, variables[1])
    np.testing.assert_allclose(average, 0.75 * 2.5 + 0.25 * 2.0)  # 3 -> 2.5 -> 2
    assert keras_internals.average_of_variable(keras.optimizers.SGD(), variables[0]) is None


def test_built_before_fit(digits):
    class Model(keras_internals.BuiltBeforeFit, keras.Model):
        called = []

        def __init__(self):
            super().__init__()
            self.built = True

        def call(self, inputs):
            raise AssertionError("called symbolically")

        def train_step(self, data):
            return {"loss": tf.constant(0.0)}

    assert hasattr(keras.Model, "_maybe_symbolic_build")
    model = Model()
    model.compile()
    model.fit(digits[0][:8], verbose=0)


def test_evaluates_within_fit():
    seen = []

    class Model(keras.Sequential):
        def evaluate(self, *args, **kwargs):
            seen.append(keras_internals.evaluates_within_fit(kwargs))
            return super().evaluate(*args, **kwargs)

    model = Model([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    x, y = np.zeros((4, 2)), np.zeros((4, 1))
    model.fit(x, y, validation_data=(x, y), verbose=0)
    model.evaluate(x, y, verbose=0)
    assert seen == [True, False]


@pytest.mark.parametrize("direction, best", [("up", 2), ("down", 0)])
def test_metric_direction(direction, best, tmp_path):
    """ModelCheckpoint chooses by the direction, without being told."""
    if not keras_internals.keras_is_at_least(3, 11):
        pytest.skip("Keras 3.10 asks for `mode`")

    @keras_internals.metric_direction(direction)
    class Score(keras.metrics.MeanMetricWrapper):
        pass

    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile(loss="mse", metrics=[Score(lambda y, p: p, name="own_score")])
    saved = []
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor="own_score", save_best_only=True
    )
    checkpoint.set_model(model)
    x = np.zeros((2, 1))
    model.fit(x, x, verbose=0)  # builds the metrics
    checkpoint.on_train_begin()
    for epoch, value in enumerate((1.0, 1.5, 2.0)):
        before = checkpoint.best
        checkpoint.on_epoch_end(epoch, {"own_score": value})
        if checkpoint.best != before:
            saved.append(epoch)
    assert saved[-1] == best


@pytest.mark.parametrize(("direction", "best"), [("up", "greater"), ("down", "less")])
def test_log_directions(direction, best):
    """EarlyStopping finds them among the model's metrics; resetting these changes nothing."""

    class Model(keras.Sequential):
        @property
        def metrics(self):
            return [*super().metrics, keras_internals.log_directions({"own_log": direction})]

    model = Model([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    model.reset_metrics()
    stopping = keras.callbacks.EarlyStopping("val_own_log")
    stopping.set_model(model)
    stopping.on_train_begin()
    stopping.on_epoch_end(0, {"val_own_log": 1.0})
    assert stopping.monitor_op is getattr(keras.ops, best)


def test_direction_of():
    assert keras_internals.direction_of(keras.metrics.BinaryAccuracy()) == "up"
    assert keras_internals.direction_of(keras.metrics.Mean()) is None


def test_limited_download_retries():
    from tensorflow_datasets.core.download import downloader

    before = downloader.MAX_RETRIES
    with keras_internals.limited_download_retries(2):
        assert downloader.MAX_RETRIES == 2
    assert downloader.MAX_RETRIES == before > 2


def test_download_errors():
    assert all(issubclass(error, Exception) for error in keras_internals.download_errors())


def test_archive_of(tmp_path):
    found = []

    @keras.saving.register_keras_serializable("test")
    class Spy(keras.layers.Dense):
        def load_own_variables(self, store):
            found.append(keras_internals.archive_of(store))
            super().load_own_variables(store)

    model = keras.Sequential([keras.Input((2,)), Spy(1)])
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    model.load_weights(tmp_path / "m.keras")  # from the file, without a copy in memory
    model.load_weights(tmp_path / "m.weights.h5")
    assert isinstance(found[0], zipfile.ZipFile) and found[1] is None


def test_maximized_metrics():
    """EarlyStopping reads the same attribute of Keras's own metrics."""
    metrics = [keras.metrics.BinaryAccuracy("accuracy"), keras.metrics.MeanSquaredError()]
    assert keras_internals.maximized_metrics(metrics) == ["accuracy"]


def test_versions():
    assert keras_internals.keras_is_at_least(3, 10)
    assert not keras_internals.keras_is_at_least(4, 0)


def test_uses_onednn():
    """The variable overrules the default, which depends on the processor."""
    code = "from keras_genzoo.core import keras_internals; print(keras_internals.uses_onednn())"
    for value, expected in {"0": "False", "1": "True"}.items():
        environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": value}
        command = [sys.executable, "-c", code]
        output = subprocess.run(command, env=environment, capture_output=True, text=True).stdout
        assert output.split() == [expected]


def test_callbacks_know_several_optimizers():
    """The first version whose callbacks look for `optimizer.optimizers`."""
    code = keras.callbacks.LearningRateScheduler.on_epoch_begin.__code__
    knows = "optimizers" in (*code.co_names, *code.co_consts)
    assert keras_internals.callbacks_know_several_optimizers() == knows


def test_claimed_collectives_are_those_of_one_strategy(two_replicas):
    keras_internals.claim_collectives(two_replicas)
    keras_internals.claim_collectives(two_replicas)
    later = [tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]) for _ in range(2)]
    starts = [strategy.extended._collective_key_base for strategy in (two_replicas, *later)]
    assert starts[0] < starts[1] == starts[2]
    keras_internals.claim_collectives(later[0])
    with pytest.raises(ValueError, match="must be made once"):
        keras_internals.claim_collectives(later[1])
    keras_internals.claim_collectives(
        tf.distribute.get_strategy()
    )  # one replica has no all-reduces
