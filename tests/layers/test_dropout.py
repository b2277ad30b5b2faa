"""Dropout that is the same on one replica and on several."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.layers import Dropout


def test_it_drops_scales_and_rests():
    layer, ones = Dropout(0.25), tf.ones((400, 50))
    dropped = layer(ones, training=True).numpy()
    np.testing.assert_allclose(np.unique(dropped), [0.0, 4 / 3], rtol=1e-6)
    # 20,000 draws: the standard error of the fraction is 0.003
    assert abs(np.mean(dropped == 0) - 0.25) < 0.012
    assert abs(np.mean(dropped) - 1.0) < 0.016
    assert not np.array_equal(dropped, layer(ones, training=True))
    np.testing.assert_array_equal(layer(ones), ones)
    np.testing.assert_array_equal(layer(ones, training=False), ones)


def test_its_state_is_saved(tmp_path):
    model = keras.Sequential([keras.Input((8,)), Dropout(0.5)])
    x = tf.ones((4, 8))
    model(x, training=True)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(x, training=True), copy(x, training=True))


def test_replicas_share_what_one_would_draw(two_replicas):
    ones = tf.ones((6, 5))
    with two_replicas.scope():
        layer = Dropout(0.5, seed=3)
    parts = two_replicas.run(lambda: layer(tf.ones((3, 5)), training=True))
    together = np.concatenate(two_replicas.experimental_local_results(parts))
    np.testing.assert_array_equal(together, Dropout(0.5, seed=3)(ones, training=True))


def test_bad_rate():
    with pytest.raises(ValueError, match=r"`rate` must lie in \[0, 1\). Received: rate=1"):
        Dropout(1)
