"""The warnings of `fit`, in every model."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract.cases import BATCH, CASES

import keras_genzoo as genzoo

NAN = r"The log `\w+` is nan in epoch 2: training has diverged.*lower learning rates"


class Poison(keras.callbacks.Callback):
    """Makes every weight NaN after the first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        for variable in self.model.trainable_variables:
            variable.assign(variable * np.nan)


def warnings_of(function):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        function()
    return [str(w.message) for w in found if "diverged" in str(w.message)]


# `fit` is the same for all models: one of each number of optimizers and fields.
KINDS = [name for name in CASES if name.startswith(("Autoencoder", "VAE, c", "DCGAN", "Trans"))]


@pytest.mark.parametrize("name", KINDS)
def test_a_nan_loss_is_never_silent(name):
    case = CASES[name]
    model = case.make()
    data = case.dataset(model, BATCH)
    with pytest.warns(UserWarning, match=NAN):
        history = model.fit(data, epochs=2, verbose=0, callbacks=[Poison()])
    values = [values[-1] for values in history.history.values()]
    assert np.isnan(values).any()  # the logs stay what they are, for other callbacks


def test_there_is_one_warning_for_each_fit():
    model = CASES["Autoencoder"].make()
    data = CASES["Autoencoder"].dataset(model, BATCH)
    last = model.decoder.weights[-1]  # some processors' ReLU would turn NaN into 0
    last.assign(last * np.nan)
    for _ in range(2):
        messages = warnings_of(lambda: model.fit(data, epochs=3, verbose=0))
        assert len(messages) == 1 and "epoch 1" in messages[0]


def test_a_validation_loss_counts_and_keras_lists_of_callbacks_too():
    model = genzoo.Autoencoder((2,), 1, (4,))
    model.compile(keras.optimizers.SGD(0.0))
    x = np.ones((32, 2), "float32")
    huge = np.full((32, 2), 1e30, "float32")  # its square is infinite
    callbacks = keras.callbacks.CallbackList([], add_history=True, model=model, epochs=1)
    with pytest.warns(UserWarning, match="The log `val_loss` is inf in epoch 1"):
        model.fit(x, validation_data=(huge,), verbose=0, callbacks=callbacks)


def test_a_run_that_is_well_has_no_warning():
    model = CASES["VAE, Gaussian, of vectors"].make()
    data = CASES["VAE, Gaussian, of vectors"].dataset(model, 2 * BATCH)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(data, verbose=0)


MODELS = {
    "VAE": lambda: genzoo.VAE((2,), 2),
    "Autoencoder": lambda: genzoo.Autoencoder((2,), 1, (4,)),
    "GAN": lambda: genzoo.GAN((2,), 4),
}
SCALE = r"`x` should have features with standard deviations near 1.*from 0\.0\d* to \d\d\d"


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["array", "dataset", "generator"])
def test_unscaled_vectors(name, kind):
    x = np.random.default_rng(0).normal(scale=[0.03, 450.0], size=(64, 2)).astype("float32")
    model = MODELS[name]()
    model.compile()
    data = {
        "array": lambda: x,
        "dataset": lambda: tf.data.Dataset.from_tensor_slices(x).batch(32),
        "generator": lambda: iter([(x[:32],), (x[32:],)]),
    }[kind]()
    with pytest.warns(UserWarning, match=SCALE):
        model.fit(data, steps_per_epoch=2, verbose=0)
    assert all(optimizer.iterations == 2 for optimizer in optimizers(model))  # no batch is lost


def optimizers(model):
    return [getattr(model, player) for player in model.players]


@pytest.mark.parametrize(
    "x",
    [
        np.c_[np.full(64, 0.1), np.random.default_rng(0).normal(size=64)],  # a constant feature
        np.c_[np.arange(64) == 0, np.random.default_rng(0).normal(scale=9, size=64)],  # a rare one
    ],
)
def test_usual_features_have_no_warning(x):
    model = genzoo.VAE((2,), 2)
    model.compile()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(x.astype("float32"), verbose=0)
