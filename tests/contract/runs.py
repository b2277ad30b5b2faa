"""The training runs that the contract compares, and the comparisons."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
import threading

import keras
import numpy as np

from contract.cases import BATCH

# An optimizer with more state than most: moments, and an average of the weights.
averaging_adam = functools.partial(keras.optimizers.Adam, 1e-3, use_ema=True, ema_momentum=0.8)


def values(variables):
    """Copies variables to NumPy arrays."""
    return [np.array(keras.ops.convert_to_tensor(v).numpy()) for v in variables]


def state(case, model):
    """Lists everything that a run depends on: weights, noise, each optimizer's variables."""
    variables = [v for optimizer in case.optimizers(model) for v in optimizer.variables]
    return [*model.variables, *variables]


def assert_equal(first, second):
    """Asserts that two lists of variables or arrays are equal bit for bit."""
    assert len(first) == len(second) > 0
    for a, b in zip(values(first), values(second), strict=True):
        np.testing.assert_array_equal(a, b)


# One replica, several, or several workers. ------------------------------------------------------


def run(case, strategy=None, **options):
    """Trains by SGD on even batches and then on ragged ones; evaluates, samples and saves.

    The last ragged batch holds one example, so that of two replicas one has none.

    Args:
        case: The case to train.
        strategy: The `tf.distribute` strategy to train under. `None` for one replica.
        **options: Further arguments of `compile`.

    Returns:
        A dict. `"start"`, `"even"` and `"ragged"` hold `(weights, logs)` at the start and after
        each part, `"samples"` some samples, and `"saving"`, under a strategy, the error of
        `saving_error`.
    """
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = case.make(functools.partial(keras.optimizers.SGD, 0.002), **options)
    results = {"start": (values(model.variables), {})}
    for name, examples in {"even": 3 * BATCH, "ragged": 2 * BATCH + 1}.items():
        data = case.dataset(model, examples)
        history = model.fit(data, epochs=2, validation_data=data, verbose=0).history
        results[name] = values(model.variables), history
    samples = "sample" in case.verbs(model)
    results["samples"] = model.sample(5, seed=1) if samples else np.zeros(5)
    if strategy:
        results["saving"] = saving_error(case, model)
    return results


def saving_error(case, model):
    """Saves and loads the model, and returns what went wrong; `None` if nothing did."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.keras")
        try:
            model.save(path)
            assert_equal(state(case, model), state(case, keras.saving.load_model(path)))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None


@functools.cache
def one_replica(case):
    """Returns the run on one replica, with which the others are compared."""
    return run(case)


def compare(case, other, part):
    """Asserts that a run gave the same results as the run on one replica.

    Args:
        case: The case that was trained.
        other: The results of `run`.
        part: The part of the run to compare, `"even"` or `"ragged"`.
    """
    start, _ = one_replica(case)["start"]
    weights, logs = one_replica(case)[part]
    other_weights, other_logs = other[part]
    moved = [not np.array_equal(a, b) for a, b in zip(start, weights, strict=True)]
    assert np.mean(moved) > 0.7  # else there would be nothing to compare
    for a, b in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
    assert logs.keys() == other_logs.keys()
    for name in logs:
        np.testing.assert_allclose(other_logs[name], logs[name], rtol=1e-4, err_msg=name)
    samples = one_replica(case)["samples"]
    np.testing.assert_allclose(other["samples"], samples, rtol=1e-3, atol=1e-4)


# A run that is killed and resumed. --------------------------------------------------------------


class Pause(keras.callbacks.Callback):
    """Halts training in the middle of the third epoch, for good.

    Attributes:
        reached: The event that training has come to this point.
    """

    def __init__(self):
        super().__init__()
        self.reached = threading.Event()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == (2, 1):
            self.reached.set()
            threading.Event().wait()


class FirstEpoch(keras.callbacks.Callback):
    """Notes the epoch in which `fit` begins."""

    def on_train_begin(self, logs=None):
        self.epoch = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch if self.epoch is None else self.epoch


def fit_with_backup(case, directory, callback):
    """Trains for four epochs with a backup after each, or continues from the backup."""
    model = case.make(averaging_adam)
    backup = keras.callbacks.BackupAndRestore(directory, delete_checkpoint=False)
    data = case.dataset(model, 2 * BATCH)
    model.fit(data, epochs=4, verbose=0, callbacks=[backup, callback])
    return model


def fit_until_pause(case, directory):
    """Trains in a thread that halts in the middle of the third epoch, and leaves it there."""
    pause = Pause()
    arguments = (case, directory, pause)
    thread = threading.Thread(target=fit_with_backup, args=arguments, daemon=True)
    thread.start()
    while thread.is_alive() and not pause.reached.wait(1):
        pass  # a model that fails here fails again when it is resumed, and is reported then


def resume(case, directory):
    """Resumes a killed run, and trains the same model once more without interruption.

    Returns:
        A dict: `"resumed_at"` is the epoch in which the killed run resumed, `"states"` the final
        states of both runs.
    """
    first = FirstEpoch()
    model = fit_with_backup(case, directory, first)
    undisturbed = case.make(averaging_adam)
    undisturbed.fit(case.dataset(undisturbed, 2 * BATCH), epochs=4, verbose=0)
    states = [values(state(case, m)) for m in (model, undisturbed)]
    return {"resumed_at": first.epoch, "states": states}


# The critic steps of a run. ---------------------------------------------------------------------


def record_critic_steps(model, data):
    """Trains on `data` for one epoch.

    Returns:
        `(parts, scored)`: the data of the parts that batches were split into, and all data that
        the discriminator scored.
    """
    split, score = model.split, model.score
    parts, scored = [], []

    def recording_split(*arguments):
        result = split(*arguments)
        parts.extend(real.numpy() for real, *_ in result)
        return result

    def recording_score(data, *arguments, **options):
        scored.append(data.numpy())
        return score(data, *arguments, **options)

    model.split, model.score = recording_split, recording_score
    model.fit(data, verbose=0)
    return parts, scored


def sorted_rows(x):
    """Flattens each example, and sorts the examples."""
    x = np.reshape(x, (len(x), -1))
    return x[np.lexsort(x.T)]
