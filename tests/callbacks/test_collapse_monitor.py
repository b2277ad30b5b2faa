import csv
import math
import re
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from callbacks.collapse_helpers import (
    GAN_NAMES,
    RING,
    Collapse,
    StateRecorder,
    fill_with_nan,
    fit,
    on_epoch,
    ring_gan,
    ring_monitor,
    small_vae,
)
from callbacks.pictures import red_columns
from contract.runs import assert_equal, values

import keras_genzoo as genzoo
from keras_genzoo.callbacks import CollapseMonitor, collapse_monitor, collapse_rules
from keras_genzoo.core.keras_internals import seed_generators


def test_checks_every_few_epochs_and_starts_anew_in_each_fit():
    model, monitor = small_vae(), ring_monitor(every=2)
    history = fit(model, monitor, epochs=5).history
    assert monitor.history["epoch"] == [2, 4] and len(monitor.history["coverage"]) == 2
    # CSVLogger asks the first epoch for its columns; plots expect an entry an epoch.
    for name in ("diversity", "coverage"):
        first, second = monitor.history[name]
        np.testing.assert_equal(history[name], [np.nan, first, np.nan, second, np.nan])
    fit(model, monitor, initial_epoch=5, epochs=6)
    assert monitor.history["epoch"] == [6] and len(monitor.history["coverage"]) == 1


def test_a_healthy_run_causes_no_warning():
    monitor = ring_monitor()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(ring_gan(), monitor, epochs=6)
    assert monitor.collapsed_at is None and monitor.events == []
    assert min(monitor.history["coverage"]) > 0.3


@pytest.fixture(scope="module")
def collapsing(tmp_path_factory):
    """The traces of a GAN's training that collapses in its third epoch and stops early."""
    keras.utils.set_random_seed(1)
    directory = tmp_path_factory.mktemp("collapsing")
    picture, pictures = directory / "new" / "monitor.png", []
    monitor = ring_monitor(patience=2, picture=picture)
    picture_reader = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: pictures.append((picture.read_bytes(), len(red_columns(picture))))
    )
    logger = keras.callbacks.CSVLogger(directory / "log.csv")
    stopping = keras.callbacks.EarlyStopping("coverage", mode="max", patience=4)
    callbacks = [Collapse(3, 4, 5, 6, 7), monitor, picture_reader, logger, stopping]
    with pytest.warns(UserWarning) as caught:
        history = fit(ring_gan(), *callbacks, epochs=7).history
    with open(directory / "log.csv") as file:
        rows = [*csv.DictReader(file)]
    messages = [str(warning.message) for warning in caught if "epoch" in str(warning.message)]
    return SimpleNamespace(
        monitor=monitor, history=history, rows=rows, messages=messages, pictures=pictures
    )


def test_a_collapse_is_reported_once(collapsing):
    monitor, (message,) = collapsing.monitor, collapsing.messages
    assert monitor.collapsed_at == 3
    best = {name: max(monitor.history[name][:2]) for name in ("diversity", "coverage")}
    epochs = {name: 1 + monitor.history[name].index(value) for name, value in best.items()}
    assert message.startswith(
        "epoch 4: mode collapse since epoch 3: the samples' diversity is 0.00 of the real data's "
        f"(best so far {min(1, best['diversity']):.2f}, epoch "
    )
    covered = f"the samples cover 0.00 of the real data (best so far {best['coverage']:.2f}, epoch "
    assert f"{covered}{epochs['coverage']}). Remedies: " in message
    assert "penalty='r1'" in message and "packing=2" in message


def test_other_callbacks_see_the_numbers(collapsing):
    history, rows = collapsing.history, collapsing.rows
    for name in GAN_NAMES:
        assert history[name] == collapsing.monitor.history[name]
        assert [float(row[name]) for row in rows] == pytest.approx(history[name])
    best = 1 + history["coverage"].index(max(history["coverage"]))
    assert best <= 2 and len(rows) == best + 4  # stopped early


def test_the_picture_is_drawn_at_every_check(collapsing):
    files, red = zip(*collapsing.pictures, strict=True)
    assert len({*files}) == len(files) >= 5
    assert [columns > 0 for columns in red[:5]] == [False, False, False, True, True]


@pytest.mark.parametrize("on_collapse", ["stop", "restore"])
def test_stop_and_restore(on_collapse):
    model, record = ring_gan(), StateRecorder()
    monitor = ring_monitor(patience=2, on_collapse=on_collapse)
    with pytest.warns(UserWarning, match="Training stops"):
        history = fit(model, Collapse(2, 4, 5), record, monitor, epochs=9)
    # One bad check, the second, is no failure; the last good one is the third.
    assert history.epoch == [0, 1, 2, 3, 4] and monitor.collapsed_at == 4
    if on_collapse == "restore":
        assert_equal(record.states[3], record.state())
    assert not np.array_equal(record.states[3][2], record.states[5][2])


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_non_finite_weights_are_reported_at_once(network):
    model, record = ring_gan(penalty=None), StateRecorder()
    monitor = ring_monitor(on_collapse="restore")
    path = getattr(model, network).weights[0].path
    message = f"epoch 2: non-finite values: {path} contains NaN or infinity"
    spoil = on_epoch(2, lambda: fill_with_nan(model, network))
    with pytest.warns(UserWarning, match=message):
        fit(model, record, spoil, monitor, epochs=4, examples=64)
    assert monitor.collapsed_at == 2 and monitor.history["epoch"] == [1, 2]
    assert math.isnan(monitor.history["discriminator_accuracy"][1])
    diversity = monitor.history["diversity"][1]
    # Some processors' ReLU turns NaN into 0, and then all samples are the same.
    assert (math.isnan(diversity) or diversity == 0) == (network == "generator")
    assert_equal(record.states[1], record.state())


def test_non_finite_samples_are_reported_at_once(monkeypatch):
    monkeypatch.setattr(collapse_rules, "LOW_COVERAGE_CHECKS", 1)
    model, monitor = small_vae(), ring_monitor(on_collapse="stop")
    monkeypatch.setattr(model, "sample", lambda n, seed: np.full((n, 2), np.inf))
    with pytest.warns(UserWarning) as caught:
        fit(model, monitor, epochs=2)
    first, second = (str(w.message) for w in caught if "epoch 1" in str(w.message))
    assert re.fullmatch(
        r"epoch 1: non-finite values: the samples .*\. .*: .*\. Training stops\.", first
    )
    assert "low coverage" in second and "stops" not in second
    assert monitor.history["epoch"] == [1]


def test_without_a_good_check_the_start_is_restored():
    model, monitor, record = small_vae(), ring_monitor(on_collapse="restore"), StateRecorder()
    spoil = on_epoch(1, lambda: fill_with_nan(model, "decoder"))
    with pytest.warns(UserWarning, match="with the weights from before training"):
        fit(model, record, spoil, monitor)
    assert_equal(record.states[0], record.state())


def test_a_vae_collapses_too():
    model, monitor = small_vae(), ring_monitor(patience=1)
    model.samples_means = True  # draws from p(x|z) differ by their noise
    best = {"diversity": (1.0, 1)}  # as if it had learned something
    start = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: monitor._rules.best.update(best)
    )
    with pytest.warns(UserWarning, match="mode collapse.*Remedies: .*`beta`"):
        fit(model, start, Collapse(1), monitor)
    assert monitor.collapsed_at == 1


def test_low_coverage_stops_nothing(monkeypatch):
    monkeypatch.setattr(collapse_rules, "LOW_COVERAGE_CHECKS", 1)
    monkeypatch.setattr(collapse_rules, "LEARNED_COVERAGE", 1.1)
    monitor = ring_monitor(on_collapse="stop", patience=9)
    with pytest.warns(UserWarning, match=r"epoch 1: low coverage: .* after 1 checks\. Rem.*\.$"):
        history = fit(small_vae(), monitor, epochs=2)
    assert history.epoch == [0, 1] and monitor.collapsed_at is None and len(monitor.events) == 1


def test_a_critic_has_rules_of_its_own(monkeypatch):
    critics = []
    monkeypatch.setattr(collapse_monitor, "Rules", lambda patience, critic: critics.append(critic))
    monitor = CollapseMonitor(RING.sample(300, seed=1))
    for model in (ring_gan(loss="wasserstein"), ring_gan(), small_vae()):
        monitor.set_model(model)
        monitor.on_train_begin()
    assert critics == [False, True, False, False]  # the first is the constructor's


def noisy_gan():
    """A GAN with every part that draws random numbers or keeps state in training."""
    layers = keras.layers
    norm, drop = layers.BatchNormalization, layers.Dropout
    shape, z = keras.Input((2,)), keras.Input((4,))
    fake = layers.Dense(2)(drop(0.5)(norm()(layers.Dense(8)(z))))
    score = layers.Dense(1)(drop(0.5)(norm()(layers.Dense(8)(shape))))
    parts = {"generator": keras.Model(z, fake), "discriminator": keras.Model(shape, score)}
    parts["augmentation"] = genzoo.layers.InstanceNoise(0.1, half_life=1e4)
    model = genzoo.GAN((2,), 4, penalty="dragan", ema_half_life=100.0, **parts)
    model.compile()
    return model


def test_training_is_the_same_without_the_monitor():
    def state(*callbacks):
        keras.utils.set_random_seed(5)
        model = noisy_gan()
        fit(model, *callbacks, epochs=3, examples=128)
        generators = [generator.state for generator in seed_generators(model)]
        assert len(generators) >= 2
        return values([*model.weights, *model.optimizer.variables, *generators])

    assert_equal(state(), state(ring_monitor(on_collapse="restore")))


def test_replicas(two_replicas):
    def run(strategy):
        keras.utils.set_random_seed(2)
        with strategy.scope():
            model = ring_gan(penalty=None, ema_half_life=100.0)
        monitor, record = ring_monitor(on_collapse="restore"), StateRecorder()
        spoil = on_epoch(2, lambda: fill_with_nan(model, "generator"))
        # Callbacks are in the strategy's cross-replica context if `fit` is called in its scope.
        warning = pytest.warns(UserWarning, match="non-finite.*Training stops .* of epoch 1")
        with strategy.scope(), warning:
            fit(model, record, spoil, monitor, epochs=4, examples=256)
        assert_equal(record.states[1], record.state())
        return monitor.history

    one, two = run(tf.distribute.get_strategy()), run(two_replicas)
    for name, numbers in one.items():
        assert two[name] == pytest.approx(numbers, rel=1e-3, abs=1e-2, nan_ok=True)


def test_watching_warns_of_no_deprecation():
    """NumPy deprecates what `keras.ops.convert_to_numpy` does with a variable."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(small_vae(), ring_monitor(on_collapse="restore"))
    assert [str(w.message) for w in caught if "__array__" in str(w.message)] == []
