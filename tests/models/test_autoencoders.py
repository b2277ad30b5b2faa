import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import networks

IMAGE = (8, 8, 1)


def to_float(images):
    return images.astype("float32") / 255


def mean_image_error(train, test):
    return np.mean((to_float(test) - to_float(train).mean(axis=0)) ** 2)


@pytest.fixture(scope="module")
def trained(digits):
    keras.utils.set_random_seed(1)
    model = genzoo.Autoencoder(IMAGE, 8, (64, 32))
    model.compile(keras.optimizers.Adam(3e-3))
    model.fit(digits[0], batch_size=64, epochs=15, verbose=0)
    return model


def test_it_beats_the_mean_image(trained, digits, test_digits):
    error = np.mean((trained.reconstruct(test_digits[0]) - to_float(test_digits[0])) ** 2)
    assert error < 0.35 * mean_image_error(digits[0], test_digits[0])
    logs = trained.evaluate(test_digits[0], verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(error, rel=1e-4)


def test_anomaly_score(trained, test_digits):
    images = test_digits[0]
    scores = trained.anomaly_score(images)
    errors = (trained.reconstruct(images) - to_float(images)) ** 2
    np.testing.assert_allclose(scores, errors.mean(axis=(1, 2, 3)), rtol=1e-4)
    noise = np.random.default_rng(0).random(images.shape)
    assert trained.anomaly_score(noise).min() > np.quantile(scores, 0.95)
    # The same grey values, each image's pixels in another order.
    shuffled = np.random.default_rng(0).permuted(images.reshape(-1, 64), axis=1)
    shuffled = shuffled.reshape(images.shape)
    assert trained.anomaly_score(shuffled).mean() > 3 * scores.mean()


def test_reconstruct_is_decode_of_encode(trained, test_digits):
    codes = trained.encode(test_digits[0])
    assert codes.shape == (len(test_digits[0]), 8)
    np.testing.assert_allclose(
        trained.decode(codes), trained.reconstruct(test_digits[0]), rtol=1e-5, atol=1e-6
    )


def test_deep_autoencoder_trains(digits):
    model = genzoo.Autoencoder(IMAGE, 8, (64, 64, 48, 48, 32))
    for network in (model.encoder, model.decoder):
        assert sum(isinstance(layer, keras.layers.Dense) for layer in network.layers) == 6
    model.compile()
    model.fit(digits[0], batch_size=64, epochs=15, verbose=0)
    error = model.anomaly_score(digits[0]).mean()
    assert error < 0.6 * mean_image_error(digits[0], digits[0])


def test_convolutional_autoencoder_trains(digits):
    model = genzoo.ConvolutionalAutoencoder(IMAGE, 8, (16, 32))
    assert model.encoder.count_params() > 0
    strides = [
        layer.strides for layer in model.encoder.layers if isinstance(layer, keras.layers.Conv2D)
    ]
    assert strides == [(2, 2), (2, 2)]
    model.compile()
    model.fit(digits[0], batch_size=64, epochs=8, verbose=0)
    error = model.anomaly_score(digits[0]).mean()
    assert error < 0.5 * mean_image_error(digits[0], digits[0])


def test_autoencoder_of_vectors_learns_a_line():
    t = np.random.default_rng(0).normal(size=(512, 1)).astype("float32")
    x = t @ np.array([[3.0, -2.0, 1.0]], "float32") + 5
    model = genzoo.Autoencoder((3,), 1, (16,))
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(x, epochs=30, verbose=0)
    assert model.anomaly_score(x).mean() < 0.05 * x.var(axis=0).mean()


# Sparse. ------------------------------------------------------------------------------------------


def sparse(**options):
    parts = {
        "encoder": networks.encoder((3,), 6, hidden_units=(), output_activation="sigmoid"),
        "decoder": networks.decoder((3,), 6, hidden_units=()),
    }
    return genzoo.SparseAutoencoder((3,), 6, **parts, **options)


def test_sparse_loss_equals_numpy():
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    model = sparse(target_rate=0.1, kl_weight=0.7, l1_weight=0.3)
    model.compile()
    (w, b), (v, c) = model.encoder.get_weights(), model.decoder.get_weights()
    codes = scipy.special.expit(x @ w + b)
    error = ((codes @ v + c - x) ** 2).mean()
    rates = codes.mean(axis=0)
    kl = scipy.special.rel_entr(0.1, rates) + scipy.special.rel_entr(0.9, 1 - rates)
    sparsity = 0.7 * kl.sum() + 0.3 * np.abs(codes).sum(axis=1).mean()
    expected = {
        "loss": error + sparsity,
        "reconstruction_loss": error,
        "sparsity_loss": sparsity,
        "active_fraction": codes.mean(),
    }
    logs = model.evaluate(x, batch_size=20, verbose=0, return_dict=True)
    assert logs == pytest.approx(expected, rel=1e-4)
    # Training's losses are the same, before the update.
    history = model.fit(x, batch_size=20, verbose=0).history
    assert {k: v[0] for k, v in history.items()} == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(
        model.encode(x),
        scipy.special.expit(x @ model.encoder.get_weights()[0] + model.encoder.get_weights()[1]),
        rtol=1e-4,
    )


def test_sparsity_is_learned(digits):
    def fraction(**options):
        keras.utils.set_random_seed(1)
        parts = {
            "encoder": networks.dense_encoder(
                IMAGE, 32, hidden_units=(), output_activation="sigmoid"
            ),
            "decoder": networks.dense_decoder(IMAGE, 32, hidden_units=()),
        }
        model = genzoo.SparseAutoencoder(IMAGE, 32, target_rate=0.1, **parts, **options)
        model.compile(keras.optimizers.Adam(1e-2))
        model.fit(digits[0], batch_size=64, epochs=8, verbose=0)
        return model.encode(digits[0]).mean()

    assert abs(fraction(kl_weight=0.1) - 0.1) < 0.03
    assert fraction(kl_weight=0.0) > 0.2
    assert fraction(kl_weight=0.0, l1_weight=1e-2) < 0.1


# Denoising. ---------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("tests")
class AddOne(keras.layers.Layer):
    """A corruption without randomness, active in training only."""

    def call(self, inputs, training=False):
        return inputs + 1 if training else inputs


def identity():
    return keras.Sequential([keras.Input((3,)), keras.layers.Identity()])


def test_denoising_target_is_the_clean_input():
    model = genzoo.DenoisingAutoencoder(
        (3,),
        3,
        corruption=AddOne(),
        encoder=identity(),
        decoder=keras.Sequential([keras.Input((3,)), keras.layers.Rescaling(1.0)]),
    )
    model.compile()
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    # Both networks pass on what they see, x + 1: wrong by 1.
    assert model.evaluate(x, verbose=0) == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_array_equal(model.reconstruct(x), x)
    np.testing.assert_array_equal(model(x), x)


@pytest.mark.parametrize(
    "corruption",
    [
        None,
        keras.layers.GaussianNoise(0.3),
        keras.layers.Dropout(0.3),
        genzoo.layers.MaskingNoise(0.3),
        genzoo.layers.SaltAndPepper(0.2),
        AddOne(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_corruption_is_any_layer(corruption, digits, tmp_path):
    model = genzoo.DenoisingAutoencoder(
        IMAGE,
        4,
        corruption=corruption,
        encoder=networks.encoder(IMAGE, 4, filters=(4,)),
        decoder=networks.decoder(IMAGE, 4, filters=(4,)),
    )
    if corruption is None:
        assert isinstance(model.corruption, keras.layers.GaussianNoise)
        assert model.corruption.stddev == 0.5
    model.compile()
    assert np.isfinite(model.fit(digits[0][:32], verbose=0).history["loss"]).all()
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert type(copy.corruption) is type(model.corruption)
    assert copy.corruption.get_config() == model.corruption.get_config()


def test_evaluation_of_gaussian_corruption_repeats(digits):
    """As `evaluate` promises: the same noise at every call."""
    model = genzoo.DenoisingAutoencoder(
        IMAGE,
        4,
        encoder=networks.encoder(IMAGE, 4, filters=(4,)),
        decoder=networks.decoder(IMAGE, 4, filters=(4,)),
    )
    model.compile()
    first = model.evaluate(digits[0][:64], verbose=0)
    assert model.evaluate(digits[0][:64], verbose=0) == first


def test_denoising_reduces_the_error(digits, test_digits):
    model = genzoo.DenoisingAutoencoder(
        IMAGE,
        32,
        encoder=networks.dense_encoder(IMAGE, 32, hidden_units=(128,)),
        decoder=networks.dense_decoder(IMAGE, 32, hidden_units=(128,), output_activation="sigmoid"),
    )
    model.compile(keras.optimizers.Adam(2e-3))
    model.fit(digits[0], batch_size=64, epochs=10, verbose=0)
    clean = to_float(test_digits[0])
    noisy = clean + np.random.default_rng(0).normal(scale=0.5, size=clean.shape)
    denoised = model.reconstruct(noisy)  # numbers of any range
    assert np.mean((denoised - clean) ** 2) < 0.25 * np.mean((noisy - clean) ** 2)


def test_bad_corruptions():
    with pytest.raises(ValueError, match=r"`corruption` must be a Keras layer. Received: 0.5"):
        genzoo.DenoisingAutoencoder(IMAGE, corruption=0.5)
    with pytest.raises(ValueError, match=r"`corruption` must keep the shape .*Received: "):
        genzoo.DenoisingAutoencoder(IMAGE, corruption=keras.layers.Flatten())


def test_activity_regularizers_and_an_uneven_last_batch():
    layer = keras.layers.Dense(2, activity_regularizer=keras.regularizers.L2(0.1))
    model = genzoo.Autoencoder((3,), 2, encoder=keras.Sequential([keras.Input((3,)), layer]))
    model.compile()
    x = tf.random.stateless_normal((50, 3), (0, 1)).numpy()
    assert np.isfinite(model.fit(x, epochs=2, verbose=0).history["loss"]).all()
