"""Autoencoders that reconstruct a target other than their input."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo

RNG = np.random.default_rng(0)
CLEAN = RNG.normal(size=(256, 6)).astype("float32")
CLEAN[:, 3:] = CLEAN[:, :3]
NOISY = (CLEAN + RNG.normal(scale=0.5, size=CLEAN.shape)).astype("float32")

MODELS = {
    "Autoencoder": lambda: genzoo.Autoencoder((6,), 3, (16,)),
    "ConvolutionalAutoencoder": lambda: genzoo.ConvolutionalAutoencoder((8, 8, 1), 3),
    "DenoisingAutoencoder": lambda: genzoo.DenoisingAutoencoder((6,), 3),
    "SparseAutoencoder": lambda: genzoo.SparseAutoencoder((6,), 3),
    "VAE": lambda: genzoo.VAE((6,), 3, likelihood="gaussian"),
}


def pair(model):
    if model.data_shape == (6,):
        return NOISY, CLEAN
    images, _ = genzoo.data.arrays("digits")
    return images[:256], 255 - images[:256]  # uint8


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("form", ["arrays", "a data set"])
def test_the_target_is_reconstructed(name, form):
    """The error is that to the target: the same step by hand, with the target in the loss."""
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    model.compile(metrics=[keras.metrics.MeanSquaredError()])
    x, target = pair(model)
    data = (x, target)
    if form == "a data set":
        data = (tf.data.Dataset.from_tensor_slices(data).batch(64),)
    logs = model.evaluate(*data, return_dict=True, verbose=0)
    if name in ("Autoencoder", "ConvolutionalAutoencoder", "SparseAutoencoder"):
        target = target / 255 if target.dtype == np.uint8 else target
        error = np.mean((model.reconstruct(x) - target) ** 2)
        assert logs["mean_squared_error"] == pytest.approx(error, rel=1e-5)
    to_itself = model.evaluate(x, verbose=0, return_dict=True)["mean_squared_error"]
    assert abs(logs["mean_squared_error"] - to_itself) > 0.01 * to_itself


def test_denoising_is_learned():
    """The error to the clean data falls below that of the noise itself, 0.25."""
    keras.utils.set_random_seed(0)
    model = MODELS["Autoencoder"]()
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(NOISY, CLEAN, epochs=60, verbose=0)
    to_clean = np.mean((model.reconstruct(NOISY) - CLEAN) ** 2)
    # The mean of the two noisy copies of each number has half of the noise's variance.
    assert to_clean < 0.16


def test_labels_are_still_ignored():
    losses = []
    for y in (None, np.arange(256) % 10, (np.arange(256) % 10)[:, None]):
        keras.utils.set_random_seed(0)
        model = MODELS["Autoencoder"]()
        model.compile()
        losses.append(model.fit(NOISY, y, verbose=0).history["loss"])
    assert losses[0] == losses[1] == losses[2]


def test_bad_targets():
    model = MODELS["Autoencoder"]()
    model.compile()
    with pytest.raises(ValueError, match=r"`y` must have the shape \('batch', 6\)"):
        model.fit(NOISY, CLEAN[:, :3])
    with pytest.raises(ValueError, match="`y` must hold as many examples"):
        model.fit(NOISY, CLEAN[:100])
    with pytest.raises(ValueError, match="`target of validation_data` must be finite"):
        model.fit(NOISY, CLEAN, validation_data=(NOISY, np.nan * CLEAN))


def test_one_feature_is_no_label():
    model = genzoo.Autoencoder((1,), 1)
    model.compile()
    x, target = np.linspace(0, 1, 64, dtype="float32")[:, None], np.arange(64)[:, None]
    error = np.mean((target - model.reconstruct(x)) ** 2)
    assert model.evaluate(x, target, verbose=0) == pytest.approx(error, rel=1e-4)
