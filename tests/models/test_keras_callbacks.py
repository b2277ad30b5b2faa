"""Keras's own callbacks, on models of two optimizers and of one."""

import csv
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract.cases import BATCH, CASES
from contract.runs import assert_equal, state, values
from contract.two_fields import Translator
from keras.callbacks import LambdaCallback, LearningRateScheduler, SwapEMAWeights
from keras.optimizers import Adam, LossScaleOptimizer

import keras_genzoo as genzoo
from keras_genzoo.core import keras_internals

RATES = {"generator_optimizer": 1e-3, "discriminator_optimizer": 4e-3}
LOGGED_RATES = {f"learning_rate_{name}": rate for name, rate in RATES.items()}
MOMENTUM = 0.8
adam = functools.partial(Adam, 1e-2)
namesake = functools.partial(Adam, name="adam")
averaging = functools.partial(Adam, 1e-2, use_ema=True, ema_momentum=MOMENTUM)
halving = LearningRateScheduler(lambda epoch, rate: rate * 0.5)


@pytest.fixture(params=["float32", "mixed_float16"])
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


# The second does on every version what the callbacks of Keras before 3.15 need.
@pytest.fixture(params=["by Keras", "by the library"])
def treated(request, monkeypatch):
    if request.param == "by the library":
        if not keras_internals.callbacks_know_several_optimizers():
            pytest.skip("the same as by this Keras")
        monkeypatch.setattr(keras_internals, "callbacks_know_several_optimizers", lambda: False)


def make(name, optimizer=adam):
    return CASES[name].make(optimizer)


def gan_of_two_rates(optimizer=namesake):
    model = CASES["GAN"].build()
    model.compile(**{name: optimizer(rate) for name, rate in RATES.items()})
    return model


def fit(model, *callbacks, epochs=3, validate=False, **options):
    """Two steps an epoch."""
    data = CASES["GAN"].dataset(model, 2 * BATCH)
    options |= {"callbacks": [*callbacks], "validation_data": data if validate else None}
    return model.fit(data, epochs=epochs, verbose=0, **options)


class Record(keras.callbacks.Callback):
    """Notes each optimizer's weights after every batch, and the model's state after every epoch."""

    def __init__(self):
        super().__init__()
        self.batches, self.epochs, self.states = [], [], []

    def on_train_batch_end(self, batch, logs=None):
        weights = self.model.optimized_variables().items()
        self.batches.append({name: values(variables) for name, variables in weights})

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(values(self.model.weights))
        self.states.append(values(state(CASES["GAN"], self.model)))


def scores(*values):
    """Logs a given number every epoch."""
    return LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(score=values[epoch]))


def assert_moved(first, second):
    pairs = zip(first, second, strict=True)
    assert np.mean([not np.allclose(a, b, atol=1e-5) for a, b in pairs]) > 0.7


def test_a_schedule_starts_from_each_players_rate(policy, treated):
    model = gan_of_two_rates()
    history = fit(model, LearningRateScheduler(lambda epoch, rate: rate * 0.5)).history
    assert {name for name in history if name.startswith("learning_rate")} == {*LOGGED_RATES}
    for name, rate in LOGGED_RATES.items():
        assert history[name] == pytest.approx([rate / 2, rate / 4, rate / 8])
    for name, rate in RATES.items():
        assert float(getattr(model, name).learning_rate) == pytest.approx(rate / 8)
    before = values(model.trainable_variables)
    fit(model, LearningRateScheduler(lambda epoch, rate: 0.0))
    assert_equal(before, values(model.trainable_variables))


def loss_scaled(rate):
    return LossScaleOptimizer(namesake(rate))


# Unless named, Keras counts them: "adam_7", by how many the process has made.
@pytest.mark.parametrize("optimizer", [loss_scaled, Adam])
def test_rates_are_logged_by_player(optimizer):
    history = fit(gan_of_two_rates(optimizer), halving, epochs=1).history
    assert LOGGED_RATES.keys() <= history.keys()


def test_a_plateau_reduces_both_rates(policy, treated):
    model = gan_of_two_rates()
    options = {"mode": "min", "factor": 0.5, "patience": 1, "min_delta": 1e9}
    history = fit(model, keras.callbacks.ReduceLROnPlateau("generator_loss", **options)).history
    for name, rate in LOGGED_RATES.items():  # the first epoch is always the best yet
        assert history[name] == pytest.approx([rate, rate, rate / 2])
    for name, rate in RATES.items():
        assert float(getattr(model, name).learning_rate) == pytest.approx(rate / 4)


def averages(steps):
    """The exponential moving averages, from the first step's weights on."""
    result = steps[0]
    for weights in steps[1:]:
        pairs = zip(result, weights, strict=True)
        result = [MOMENTUM * a + (1 - MOMENTUM) * b for a, b in pairs]
    return result


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(
    ("name", "averaged"),
    [("GAN", ["generator_optimizer"]), ("GAN", [*RATES]), ("VAE", ["optimizer"])],
)
def test_weights_end_as_the_averages_where_asked(name, averaged, swap, policy, treated):
    model, record = CASES[name].build(), Record()
    model.compile(**{optimizer: averaging() for optimizer in averaged})
    fit(model, *([SwapEMAWeights(swap_on_epoch=True)] if swap else []), record)
    for optimizer, variables in model.optimized_variables().items():
        # Of the six steps, float16 skips the first ones until the loss scale fits.
        taken = int(getattr(model, optimizer).iterations)
        assert taken == 6 or (policy == "mixed_float16" and taken > 2)
        steps = [weights[optimizer] for weights in record.batches][-taken:]
        if optimizer not in averaged:
            assert_equal(steps[-1], values(variables))
            continue
        assert_moved(averages(steps), steps[-1])
        for variable, average in zip(variables, averages(steps), strict=True):
            np.testing.assert_allclose(variable, average, atol=2e-6)


def test_validation_sees_the_averages_if_swapped(treated):
    model = CASES["GAN"].build()
    model.compile(averaging())
    history = fit(model, SwapEMAWeights(), validate=True).history
    data = CASES["GAN"].dataset(model, 2 * BATCH)
    for name, value in model.evaluate(data, verbose=0, return_dict=True).items():
        assert history[f"val_{name}"][-1] == pytest.approx(value, rel=1e-5)


def test_evaluation_sees_the_averages_if_swapped(treated):
    model, seen = CASES["GAN"].build(), []
    model.compile(averaging())
    fit(model, epochs=1)
    generator = model.optimized_variables()["generator_optimizer"]
    averages = values(generator)
    for variable in generator:
        variable.assign(variable * 2.0)
    twice = values(generator)
    note = LambdaCallback()
    note.on_test_batch_begin = lambda batch, logs=None: seen.append(values(generator))
    data = CASES["GAN"].dataset(model, BATCH)
    model.evaluate(data, verbose=0, callbacks=[SwapEMAWeights(), note])
    for expected, values_then in ((averages, seen[0]), (twice, values(generator))):
        for variable, value in zip(values_then, expected, strict=True):
            np.testing.assert_allclose(variable, value, atol=2e-6)


def test_averages_however_callbacks_are_given():
    model, callback = make("GAN", averaging), keras.callbacks.Callback()
    several = keras.callbacks.CallbackList([callback], model=model)
    for callbacks in (None, callback, (callback,), several):
        model.fit(CASES["GAN"].dataset(model, BATCH), epochs=2, verbose=0, callbacks=callbacks)
        for name, variables in model.optimized_variables().items():
            kept = [v for v in getattr(model, name).variables if "average" in v.path]
            assert_equal(values(kept), values(variables))


def test_a_callback_list_of_a_class_of_its_own_is_called():
    class Counting(keras.callbacks.CallbackList):
        epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1
            super().on_epoch_end(epoch, logs)

    model = make("GAN", averaging)
    record = Record()
    callbacks = Counting([record], add_history=True, model=model)
    history = model.fit(
        CASES["GAN"].dataset(model, BATCH), epochs=2, verbose=0, callbacks=callbacks
    )
    assert callbacks.epochs == 2 and len(record.epochs) == 2
    assert history.epoch == [0, 1] and len(history.history["generator_loss"]) == 2


def test_no_epoch_changes_nothing():
    model = make("GAN", averaging)
    before = values(model.weights)
    fit(model, epochs=0)
    assert_equal(before, values(model.weights))


@pytest.mark.parametrize("optimizer", [adam, averaging])
@pytest.mark.parametrize("name", ["GAN", "VAE"])
def test_the_best_epochs_weights_have_the_last_word(name, optimizer):
    model, record = make(name, optimizer), Record()
    options = {"mode": "min", "patience": 2, "restore_best_weights": True}
    stop = keras.callbacks.EarlyStopping("score", **options)
    history = fit(model, scores(3.0, 1.0, 2.0, 2.0, 0.0), record, stop, epochs=5)
    assert history.epoch == [0, 1, 2, 3]
    assert_moved(record.epochs[1], record.epochs[3])
    assert_equal(record.epochs[1], values(model.weights))


@pytest.mark.parametrize("file", ["best.keras", "best.weights.h5"])
def test_the_best_checkpoint_holds_both_optimizers(file, tmp_path):
    model, record, weights_only = make("GAN", averaging), Record(), "weights" in file
    options = {"mode": "min", "save_best_only": True, "save_weights_only": weights_only}
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / file, "score", **options)
    fit(model, scores(2.0, 1.0, 3.0), record, checkpoint)
    if weights_only:
        copy = make("GAN", averaging)
        copy.load_weights(tmp_path / file)
    else:
        copy = keras.saving.load_model(tmp_path / file)
    assert [int(getattr(copy, name).iterations) for name in RATES] == [4, 4]
    assert_equal(record.states[1], values(state(CASES["GAN"], copy)))


def scalars(directory):
    """What TensorBoard's files hold: for each tag, its steps and values."""
    tags = {}
    for file in directory.glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                steps = tags.setdefault(value.tag, {})
                steps[event.step] = tf.make_ndarray(value.tensor)
    return {tag: ([*steps], [*steps.values()]) for tag, steps in tags.items()}


def test_tensorboard_has_losses_rates_and_speed(tmp_path):
    pytest.importorskip("tensorboard")
    model = gan_of_two_rates()
    board = keras.callbacks.TensorBoard(tmp_path, histogram_freq=1, write_steps_per_second=True)
    history = fit(model, halving, board, validate=True).history
    assert LOGGED_RATES.keys() | {"generator_loss", "val_generator_loss"} <= history.keys()
    train, validation = scalars(tmp_path / "train"), scalars(tmp_path / "validation")
    for name, expected in history.items():
        written = validation if name.startswith("val_") else train
        steps, logged = written[f"epoch_{name.removeprefix('val_')}"]
        assert steps == [0, 1, 2] and logged == pytest.approx(expected)
    assert validation["evaluation_generator_loss_vs_iterations"][0] == [2, 4, 6]
    speeds = train["epoch_steps_per_second"][1]
    assert len(speeds) == 3 and min(speeds) > 0
    histograms = {tag.removesuffix("/histogram") for tag in train if tag.endswith("/histogram")}
    name = "path" if keras_internals.keras_is_at_least(3, 11) else "name"  # as Keras has it
    assert histograms >= {getattr(variable, name) for variable in model.trainable_variables}


def test_csv_columns(tmp_path):
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = fit(gan_of_two_rates(), halving, logger, validate=True).history
    losses = {"generator_loss", "discriminator_loss"}
    columns = losses | {f"val_{name}" for name in losses} | LOGGED_RATES.keys()
    with open(tmp_path / "log.csv") as file:
        rows = [*csv.DictReader(file)]
    assert [*rows[0]] == ["epoch", *sorted(columns)]
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    for name in columns:
        assert [float(row[name]) for row in rows] == pytest.approx(history[name])


@pytest.mark.parametrize("name", ["VAE", "GAN"])
def test_not_a_number_ends_training_at_once(name):
    model, record = make(name), Record()

    def poison(epoch, logs):
        for variable in model.trainable_variables if epoch == 1 else ():
            variable.assign(variable * np.nan)

    poisonous = LambdaCallback(on_epoch_begin=poison)
    history = fit(model, poisonous, record, keras.callbacks.TerminateOnNaN())
    assert history.epoch == [0, 1] and len(record.batches) == 3


@pytest.mark.parametrize("name", ["GAN", "VAE"])
def test_epochs_are_counted_on(name):
    seen = []
    schedule = LearningRateScheduler(lambda epoch, rate: seen.append(epoch) or rate * 0.5)
    history = fit(make(name), schedule, initial_epoch=3, epochs=5)
    assert history.epoch == [3, 4] and {*seen} == {3, 4}
    rates = [logged for name, logged in history.history.items() if "learning_rate" in name]
    assert len(rates) == (2 if name == "GAN" else 1)
    assert all(logged == pytest.approx([1e-2 / 2, 1e-2 / 4]) for logged in rates)


@pytest.mark.parametrize("name", ["GAN", "VAE"])
@pytest.mark.parametrize("weight", [{"class_weight": {0: 2.0}}, {"sample_weight": np.ones(4)}])
def test_weights_of_examples_are_refused_by_name(name, weight):
    (argument,) = weight
    with pytest.raises(ValueError, match=f"`{argument}` is not supported. Received: {argument}="):
        make(name).fit(np.zeros((4, 8, 8, 1)), verbose=0, **weight)


# `mode="auto"`. -----------------------------------------------------------------------------------

DIRECTIONS = {
    "GAN": (
        lambda: genzoo.GAN((2,), penalty="r1"),
        {"generator_loss": "less", "discriminator_loss": "less", "gradient_penalty": "less"},
    ),
    "VAE": (
        lambda: genzoo.VAE((2,)),
        {"loss": "less", "reconstruction_loss": "less", "kl_loss": "less", "elbo": "greater"},
    ),
    "SparseAutoencoder": (
        lambda: genzoo.SparseAutoencoder((2,)),
        {"sparsity_loss": "less", "active_fraction": None},
    ),
    "metrics": (
        lambda: genzoo.GAN((2,)),
        {"frechet_distance": "less", "coverage": "greater", "precision": "greater"},
    ),
    "pairs": (
        Translator,
        {
            "cycle_loss": "less",
            "target_frechet_distance": "less",
            "target_precision_recall_recall": "greater",
        },
    ),
}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_callbacks_know_the_directions_of_logs(name):
    build, directions = DIRECTIONS[name]
    model = build()
    model.compile(metrics=[genzoo.metrics.FrechetDistance(), genzoo.metrics.PrecisionRecall()])
    for log, expected in directions.items():
        stopping = keras.callbacks.EarlyStopping(f"val_{log}")
        stopping.set_model(model)
        stopping.on_train_begin()
        if expected is None:
            with pytest.raises(ValueError, match="Pass `mode"):
                stopping.on_epoch_end(0, {f"val_{log}": 1.0})
            continue
        stopping.on_epoch_end(0, {f"val_{log}": 1.0})
        assert stopping.monitor_op is getattr(keras.ops, expected), log


def test_early_stopping_by_the_generators_loss():
    model = genzoo.GAN((2,))
    model.compile()
    x = np.random.default_rng(0).normal(size=(32, 2)).astype("float32")
    model.fit(
        x,
        epochs=2,
        validation_data=x,
        verbose=0,
        callbacks=[keras.callbacks.EarlyStopping("val_generator_loss")],
    )
