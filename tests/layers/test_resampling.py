"""Layers that make images larger or smaller, against `tf.image` and by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import layers

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 12)])
@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_bicubic_as_in_tensorflow(scale, size):
    """Also at the borders, where the kernel leaves the image."""
    large_size = [scale * side for side in size]
    small, large = (RNG.random((2, *s, 3)).astype("float32") for s in (size, large_size))
    options = {"method": "bicubic", "antialias": True}
    expected = tf.image.resize(small, large_size, **options)
    np.testing.assert_allclose(layers.BicubicUpsampling(scale)(small), expected, atol=3e-6)
    expected = np.clip(tf.image.resize(large, size, **options), 0, 1)
    np.testing.assert_allclose(layers.BicubicDownsampling(scale)(large), expected, atol=3e-6)


def test_depth_to_space():
    """The first block of four channels becomes a square, row by row; and back it is the same."""
    x = np.arange(2 * 3 * 5 * 8, dtype="float32").reshape(2, 3, 5, 8)
    y = layers.DepthToSpace(2)(x)
    assert y.shape == (2, 6, 10, 2)
    np.testing.assert_array_equal(y[0, :2, :2], [[[0, 1], [2, 3]], [[4, 5], [6, 7]]])
    for scale in (2, 3, 4, 8):
        large = RNG.random((2, 3 * scale, 5 * scale, 3)).astype("float32")
        blocks = large.reshape(2, 3, scale, 5, scale, 3).transpose(0, 1, 3, 2, 4, 5)
        blocks = blocks.reshape(2, 3, 5, -1)
        np.testing.assert_array_equal(layers.DepthToSpace(scale)(blocks), large)
        np.testing.assert_array_equal(tf.nn.space_to_depth(large, scale), blocks)


def test_clipping_passes_gradients_on():
    x = tf.constant([-0.5, 0.0, 0.3, 1.0, 1.7])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layers.ClipToUnit()(x)
    np.testing.assert_array_equal(y, np.clip(x, 0, 1))
    np.testing.assert_array_equal(tape.gradient(y, x), np.ones(5))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_in_a_network_of_any_size(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    try:
        source = keras.Input((None, None, 4))
        x = layers.DepthToSpace(2)(layers.BicubicUpsampling(3)(source))
        x = layers.ClipToUnit()(layers.BicubicDownsampling(2)(x))
        network = keras.Model(source, x)
    finally:
        keras.config.set_dtype_policy("float32")
    assert network.output_shape == (None, None, None, 1)
    assert network.compute_output_shape((2, 4, 6, 4)) == (2, 12, 18, 1)
    images = RNG.random((2, 4, 6, 4)).astype("float32")
    expected = network(images)
    assert expected.shape == (2, 12, 18, 1) and expected.dtype == tf.float32
    network.save(tmp_path / "network.keras")
    copy = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(copy(images), expected)
    compiled = tf.function(network, jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant(images)), expected, atol=1e-5)


def test_bad_scale():
    for layer in (layers.DepthToSpace, layers.BicubicUpsampling, layers.BicubicDownsampling):
        with pytest.raises(ValueError, match="`scale` must be a positive integer"):
            layer(0)
