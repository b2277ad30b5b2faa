import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.layers import Standardization

RNG = np.random.default_rng(0)
TABLE = RNG.normal([3.0, -200.0, 1e-3], [1.0, 500.0, 1e-4], (1000, 3))


class Batches(keras.utils.PyDataset):
    num_batches = 10

    def __getitem__(self, index):
        return TABLE[100 * index : 100 * (index + 1)], np.zeros(100)


SOURCES = {
    "array": lambda: TABLE,
    "uneven batches": lambda: tf.data.Dataset.from_tensor_slices(TABLE).batch(300),
    "with labels": lambda: tf.data.Dataset.from_tensor_slices((TABLE, np.zeros(1000))).batch(7),
    "PyDataset": Batches,
}


@pytest.mark.parametrize("source", SOURCES)
def test_it_standardizes_and_inverts(source):
    layer = Standardization((3,))
    x = TABLE.astype("float32")
    np.testing.assert_array_equal(layer(x), x)
    assert not layer.adapted and layer.log_jacobian() == 0
    layer.adapt(SOURCES[source]())
    assert layer.adapted
    expected = (TABLE - TABLE.mean(axis=0)) / TABLE.std(axis=0)
    np.testing.assert_allclose(layer(x), expected, atol=1e-3)
    np.testing.assert_allclose(layer.invert(layer(x)), TABLE, rtol=1e-4, atol=1e-3)
    determinant = np.linalg.slogdet(np.diag(1 / TABLE.std(axis=0)))[1]
    assert float(layer.log_jacobian()) == pytest.approx(determinant, rel=1e-5)


def test_a_constant_feature_is_shifted_only():
    layer = Standardization((2,))
    layer.adapt(np.full((3000, 2), 0.1, "float32"))
    np.testing.assert_allclose(layer(np.array([[0.1, 2.1]], "float32")), [[0.0, 2.0]], atol=1e-6)


def test_half_precision_stays_outside():
    layer = Standardization((1,), dtype="mixed_float16")
    layer.adapt(np.array([[1e6], [3e6]]))
    np.testing.assert_allclose(layer(np.array([[3e6]], "float32")), [[1.0]])


def test_data_without_an_end_are_refused():
    def generator():
        yield TABLE

    endless = tf.data.Dataset.from_tensor_slices(TABLE).repeat().batch(5)
    for data in (generator(), endless):
        with pytest.raises(ValueError, match=r"`data` .* data set that ends.*Received: "):
            Standardization((3,)).adapt(data)
    with pytest.raises(ValueError, match=r"`data` must be finite. Received: NaN"):
        Standardization((3,)).adapt(TABLE * np.nan)


def test_integers_are_standardized():
    table = np.array([[1, 10], [3, 30]])
    layer = Standardization((2,))
    layer.adapt(table)
    np.testing.assert_allclose(layer(table), [[-1, -1], [1, 1]])


def test_features_that_float32_hardly_resolves_are_refused():
    times = 1.7e9 + 10.0 * np.arange(64)
    data = np.stack([np.arange(64.0), times], axis=1)
    with pytest.raises(ValueError, match=r"subtract a constant first.*Received: .* at \[1\]"):
        Standardization((2,)).adapt(data)
    Standardization((2,)).adapt(data - [0.0, 1.7e9])


def test_no_data_are_refused():
    with pytest.raises(ValueError, match="`data` must hold at least one example"):
        Standardization((2,)).adapt(tf.data.Dataset.from_tensor_slices(np.zeros((0, 2))).batch(4))
