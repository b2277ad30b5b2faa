import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.layers import MaskingNoise, SaltAndPepper

CLASSES = [MaskingNoise, SaltAndPepper]
X = np.full((200, 100), 0.5, "float32")


def share(values, value):
    return np.mean(np.asarray(values) == value)


def test_masking_noise():
    noisy = MaskingNoise(0.3, seed=1)(X, training=True)
    assert set(np.unique(noisy)) == {0.0, 0.5}  # unlike dropout, nothing is scaled
    assert abs(share(noisy, 0) - 0.3) < 0.02


def test_salt_and_pepper():
    noisy = SaltAndPepper(0.4, seed=1)(X, training=True)
    assert set(np.unique(noisy)) == {0.0, 0.5, 1.0}
    assert abs(share(noisy, 0) - 0.2) < 0.02
    assert abs(share(noisy, 1) - 0.2) < 0.02


@pytest.mark.parametrize("layer", CLASSES)
def test_rates_at_the_ends(layer):
    np.testing.assert_array_equal(layer(0.0)(X, training=True), X)
    assert share(layer(1.0)(X, training=True), 0.5) == 0


@pytest.mark.parametrize("layer", CLASSES)
def test_inactive_outside_training(layer):
    np.testing.assert_array_equal(layer(0.5)(X, training=False), X)
    np.testing.assert_array_equal(layer(0.5)(X), X)


@pytest.mark.parametrize("layer", CLASSES)
def test_each_call_and_each_example_is_corrupted_differently(layer):
    corrupt = layer(0.5, seed=1)
    first, second = corrupt(X, training=True).numpy(), corrupt(X, training=True).numpy()
    assert 0.2 < np.mean(first != second) < 0.8
    assert 0.2 < np.mean(first[0] != first[1]) < 0.8


@pytest.mark.parametrize("layer", CLASSES)
def test_in_a_functional_model_on_images(layer):
    inputs = keras.Input((4, 5, 3))
    model = keras.Model(inputs, layer(0.5)(inputs))
    assert model.output_shape == (None, 4, 5, 3)
    noisy = model(tf.fill((2, 4, 5, 3), 0.5), training=True)
    assert noisy.shape == (2, 4, 5, 3)
    assert 0 < share(noisy, 0.5) < 1


@pytest.mark.parametrize("layer", CLASSES)
def test_config_round_trip(layer):
    original = layer(0.25, seed=3)
    config = keras.saving.serialize_keras_object(original)
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is layer and copy.rate == 0.25
    np.testing.assert_array_equal(copy(X, training=True), original(X, training=True))


@pytest.mark.parametrize("layer", CLASSES)
@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), None])
def test_bad_rate(layer, rate):
    with pytest.raises(ValueError, match=r"`rate` must .*lie in \[0, 1\]. Received: rate="):
        layer(rate)
