"""Layers that change the size of images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.layers import CropLike, PadToMultiple, ReflectionPadding2D


@pytest.mark.parametrize("height, width, multiple", [(5, 7, 4), (8, 4, 4), (3, 2, 16), (1, 6, 4)])
def test_padding_is_numpys_reflection(height, width, multiple):
    images = np.random.default_rng(0).random((2, height, width, 3), "float32")
    padded = PadToMultiple(multiple)(images)
    rows, columns = (-size % multiple for size in (height, width))
    wanted = np.pad(images, ((0, 0), (0, rows), (0, columns), (0, 0)), "reflect")
    np.testing.assert_array_equal(padded, wanted)
    np.testing.assert_array_equal(CropLike()([padded, images]), images)


def test_any_size_in_one_graph():
    inputs = keras.Input((None, None, 1))
    x = keras.layers.MaxPooling2D(4)(PadToMultiple(4)(inputs))
    x = keras.layers.UpSampling2D(8)(x)
    model = keras.Model(inputs, CropLike(2)([x, inputs]))
    assert model.output_shape == (None, None, None, 1)
    traced = tf.function(model, reduce_retracing=True)
    for height, width in ((9, 6), (4, 4), (13, 2)):
        shape = traced(tf.zeros((2, height, width, 1))).shape
        assert shape == (2, 2 * height, 2 * width, 1)
    symbol = model(keras.KerasTensor((None, 9, 6, 1)))
    assert symbol.shape == (None, 18, 12, 1)


def test_reflection_on_all_sides():
    images = np.random.default_rng(0).random((2, 5, 6, 1), "float32")
    wanted = np.pad(images, ((0, 0), (3, 3), (3, 3), (0, 0)), "reflect")
    layer = ReflectionPadding2D(3)
    np.testing.assert_array_equal(layer(images), wanted)
    assert layer(images[:0]).shape == (0, 11, 12, 1)  # a replica without an example
    assert layer.compute_output_shape((None, 5, None, 1)) == (None, 11, None, 1)


@pytest.mark.parametrize("layer", [PadToMultiple(3), CropLike(2), ReflectionPadding2D(2)])
def test_config(layer):
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()


def test_bad_arguments():
    for build in (PadToMultiple, CropLike, ReflectionPadding2D):
        with pytest.raises(ValueError, match=r"must be a positive integer. Received: \w+=0"):
            build(0)
