"""Sparse vectors, of SciPy and of TensorFlow: they are made dense a batch at a time."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

import keras_genzoo as genzoo

RNG = np.random.default_rng(0)
DENSE = (RNG.random((96, 20)) * (RNG.random((96, 20)) < 0.1)).astype("float32")
X = scipy.sparse.csr_array(DENSE)
KINDS = {
    "csr": X.tocsr(),
    "csc": X.tocsc(),
    "coo": X.tocoo(),
    "lil": X.tolil(),
    "matrix": scipy.sparse.csr_matrix(X),
    "SparseTensor": tf.sparse.from_dense(DENSE),
}
OPTIONS = {"verbose": 0, "shuffle": False, "epochs": 2}


def autoencoder():
    keras.utils.set_random_seed(1)
    model = genzoo.Autoencoder((20,), 4)
    model.compile()
    return model


@pytest.fixture(scope="module")
def expected():
    model = autoencoder()
    return model, model.fit(DENSE, validation_data=(DENSE,), **OPTIONS).history


@pytest.mark.parametrize("kind", KINDS)
def test_fit_takes_the_same_steps(kind, expected):
    x, model = KINDS[kind], autoencoder()
    assert model.fit(x, validation_data=(x,), **OPTIONS).history == expected[1]
    for a, b in zip(model.get_weights(), expected[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["csr", "SparseTensor"])
def test_generative_metrics_of_validation_data(kind):
    model = autoencoder()
    model.compile(metrics=[genzoo.metrics.FrechetDistance()])
    logs = model.fit(KINDS[kind], validation_data=(KINDS[kind],), **OPTIONS).history
    assert np.isfinite(logs["val_frechet_distance"]).all()
    with pytest.raises(ValueError, match="`validation_data` must have 2 examples or more"):
        model.fit(DENSE, validation_data=(X.tocsr()[:1],), **OPTIONS)


@pytest.mark.parametrize("kind", KINDS)
def test_verbs_and_evaluate(kind, expected):
    x, model = KINDS[kind], expected[0]
    assert model.evaluate(x, verbose=0) == model.evaluate(DENSE, verbose=0)
    for verb in (model.encode, model.reconstruct, model.anomaly_score):
        np.testing.assert_array_equal(verb(x), verb(DENSE))
    if kind in ("csr", "SparseTensor"):  # Keras itself takes no others
        np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(DENSE, verbose=0))
    assert model.test_on_batch(x) == model.test_on_batch(DENSE)
    np.testing.assert_array_equal(
        autoencoder().train_on_batch(x), autoencoder().train_on_batch(DENSE)
    )


def test_data_sets(expected):
    model = autoencoder()
    data = tf.data.Dataset.from_tensor_slices(KINDS["SparseTensor"]).batch(32)
    assert model.fit(data, validation_data=data, **OPTIONS).history == expected[1]
    np.testing.assert_allclose(model.encode(data), model.encode(DENSE), rtol=1e-4, atol=1e-6)


def test_targets_and_labels():
    histories = []
    for x in (DENSE, KINDS["csr"]):
        model = autoencoder()
        histories.append(model.fit(x, x, **OPTIONS).history)
    assert histories[0] == histories[1]
    keras.utils.set_random_seed(1)
    gan = genzoo.ConditionalGAN((20,), num_classes=3)
    gan.compile()
    gan.fit(KINDS["csr"], np.arange(96) % 3, verbose=0)


def test_normalize_and_log_likelihood():
    results = []
    for x in (DENSE, KINDS["csr"]):
        keras.utils.set_random_seed(1)
        model = genzoo.VAE((20,), 2, normalize=True)
        model.compile()
        model.fit(x, **OPTIONS)
        results.append(model.log_likelihood(x, 2))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5)


def test_parts_are_dense_and_in_order():
    """More examples than verbs take at once."""
    x = scipy.sparse.csr_array(np.tile(DENSE, (7, 1)))
    model = autoencoder()
    for kind in (x.tocoo(), tf.sparse.from_dense(x.toarray())):
        np.testing.assert_array_equal(model.encode(kind), model.encode(x.toarray()))


@pytest.mark.parametrize("kind", ["csr", "SparseTensor"])
def test_they_are_checked(kind):
    x = DENSE.copy()
    x[3, 4] = np.nan
    x = scipy.sparse.csr_array(x) if kind == "csr" else tf.sparse.from_dense(x)
    with pytest.raises(ValueError, match=r"`x` must be finite\. Received: NaN"):
        autoencoder().fit(x)
    with pytest.raises(ValueError, match=r"`x` must have the shape \('batch', 20\).*\(96, 19\)"):
        y = DENSE[:, :19]
        autoencoder().encode(
            scipy.sparse.csr_array(y) if kind == "csr" else tf.sparse.from_dense(y)
        )
    vae = genzoo.VAE((20,), 2, likelihood="bernoulli")
    with pytest.raises(ValueError, match=r"floats in \[0, 1\] \(divide it by 255\).*in \[0, 19"):
        y = 200 * KINDS["csr"]
        vae.anomaly_score(y if kind == "csr" else tf.sparse.from_dense(y.toarray()))


def test_all_zero_and_empty():
    model = autoencoder()
    assert model.encode(scipy.sparse.csr_array((3, 20), dtype="float32")).shape == (3, 4)
    with pytest.raises(ValueError, match="at least one example"):
        model.encode(scipy.sparse.csr_array((0, 20), dtype="float32"))
