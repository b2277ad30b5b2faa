import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.layers import LeakyReLU


def derivatives(layer, x):
    """The output, and what first and second derivatives make of it."""
    x = tf.constant(x)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y**3)
        first = inner.gradient(loss, x)
        norm = tf.reduce_sum(first**2)
    return [y, first, outer.gradient(norm, x)]


@pytest.mark.parametrize("slope", [0.2, 0.0, 1.5])
def test_values_and_derivatives_by_hand(slope):
    x = np.array([-2.0, -0.5, 0.5, 3.0], "float32")
    factor = np.where(x > 0, 1.0, slope)
    expected = [factor * x, 3 * factor**3 * x**2, 36 * factor**6 * x**3]
    for value, by_hand in zip(derivatives(LeakyReLU(slope), x), expected, strict=True):
        np.testing.assert_allclose(value, by_hand, rtol=1e-5)


def test_inference_has_the_operation_of_keras():
    """A SavedModel with custom gradients prints warnings where it is loaded."""
    graph = tf.function(LeakyReLU(0.2)).get_concrete_function(tf.TensorSpec((None, 3))).graph
    types = {node.type for node in graph.get_operations()}
    assert "LeakyRelu" in types and "IdentityN" not in types


def test_saved_with_its_slope():
    config = keras.saving.serialize_keras_object(LeakyReLU(0.1))
    assert keras.saving.deserialize_keras_object(config).negative_slope == 0.1


CODE = """
import numpy as np
import keras_genzoo as genzoo

images = np.random.default_rng(0).random((8, 16, 16, 3), "float32")
for model, data in (
    (genzoo.DCGAN((16, 16, 3), 4), [images]),
    (genzoo.Pix2Pix((16, 16, 3)), [images, images]),
):
    model.compile()
    model.fit(*data, batch_size=8, verbose=0)
print("done")
"""


def test_tensorflow_fuses_the_networks_without_an_error():
    """With Keras's layer, TensorFlow prints "remapper failed" where it computes by oneDNN."""
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "1"}
    command = [sys.executable, "-c", CODE]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.stdout == "done\n", run.stderr
    assert "remapper" not in run.stderr
