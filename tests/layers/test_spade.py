"""SPADE against its formula in NumPy, its start, its statistics, and replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import signal

from keras_genzoo.layers import SPADE, BatchNormalization

RANDOM = np.random.default_rng(0)
X = (2 + 3 * RANDOM.normal(size=(4, 4, 6, 5))).astype("float32")
CLASSES = RANDOM.integers(0, 3, (4, 8, 12))
LABELS = np.eye(3, dtype="float32")[CLASSES]


def convolve(images, layer):
    """Convolves with zeros around the images, one sum over channels at a time."""
    kernel, bias = (np.asarray(w) for w in layer.get_weights())
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    result = np.zeros((*images.shape[:3], kernel.shape[-1]))
    for n, o in np.ndindex(len(images), kernel.shape[-1]):
        result[n, ..., o] = bias[o] + sum(
            signal.correlate2d(padded[n, ..., c], kernel[..., c, o], "valid")
            for c in range(kernel.shape[2])
        )
    return result


def spade_in_numpy(layer, x, mean, variance):
    labels = LABELS[:, 1::2, 1::2]  # the nearest pixel of each block of four, as TensorFlow counts
    both = convolve(np.maximum(convolve(labels, layer.hidden), 0), layer.modulation)
    gamma, beta = both[..., : x.shape[-1]], both[..., x.shape[-1] :]
    return (x - mean) / np.sqrt(variance + 1e-5) * (1 + gamma) + beta


@pytest.mark.parametrize("normalization, axes", [("batch", (0, 1, 2)), ("instance", (1, 2))])
def test_formula(normalization, axes):
    layer = SPADE(7, normalization=normalization, modulation_initializer="glorot_uniform")
    outputs = layer([X, LABELS], training=True)
    mean, variance = X.mean(axes, keepdims=True), X.var(axes, keepdims=True)
    expected = spade_in_numpy(layer, X, mean, variance)
    np.testing.assert_allclose(outputs, expected, atol=2e-4)


def test_running_statistics_at_inference():
    layer = SPADE(7, momentum=0.75, modulation_initializer="glorot_uniform")
    layer([X, LABELS], training=True)
    outputs = layer([X, LABELS], training=False)
    mean, variance = 0.25 * X.mean((0, 1, 2)), 0.75 + 0.25 * X.var((0, 1, 2))
    np.testing.assert_allclose(outputs, spade_in_numpy(layer, X, mean, variance), atol=2e-4)
    alone = layer([X[:1], LABELS[:1]], training=False)
    np.testing.assert_array_equal(alone[0], outputs[0])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("normalization", ["batch", "instance"])
def test_zero_start_equals_plain_normalization(normalization, training):
    """Bit for bit; without the 1 of 1 + γ, the output would be zero."""
    plain = {"epsilon": 1e-5, "center": False, "scale": False}
    plain = (
        BatchNormalization(momentum=0.9, **plain)
        if normalization == "batch"
        else keras.layers.GroupNormalization(-1, **plain)
    )
    outputs = SPADE(7, normalization=normalization)([X, LABELS], training=training)
    options = {"training": training} if normalization == "batch" else {}
    np.testing.assert_array_equal(outputs, plain(X, **options))
    assert np.abs(outputs).max() > 1


def test_a_step_moves_the_zero_start():
    layer = SPADE(7)
    layer.build([X.shape, LABELS.shape])
    target = X[..., :1] * LABELS[:, ::2, ::2, :1]
    optimizer = keras.optimizers.Adam(0.01)
    losses = []
    for _ in range(60):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((layer([X, LABELS], training=True) - target) ** 2)
        losses.append(float(loss))
        optimizer.apply(tape.gradient(loss, layer.trainable_weights), layer.trainable_weights)
    assert losses[-1] < 0.7 * losses[0]
    assert len(layer.trainable_weights) == 4  # kernel and bias of two convolutions


def test_replicas_equal_one(on_replicas, two_replicas):
    with two_replicas.scope():
        layer = SPADE(7, modulation_initializer=keras.initializers.RandomNormal(seed=1))
        layer.build([X.shape, LABELS.shape])
        layer.hidden.set_weights([0.1 + 0 * layer.hidden.kernel, layer.hidden.bias])
    single = SPADE.from_config(layer.get_config())
    single.build([X.shape, LABELS.shape])
    single.set_weights([w.numpy() for w in layer.weights])
    joined = np.concatenate([X, LABELS[:, ::2, ::2]], axis=-1)

    def apply(values):
        return layer([values[..., :5], values[..., 5:]], training=True)

    outputs = on_replicas(apply, [joined[:1], joined[1:]])
    np.testing.assert_allclose(
        outputs, single([X, joined[..., 5:]], training=True), rtol=1e-4, atol=1e-5
    )
    for a, b in zip(layer.weights, single.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_config_and_mistakes():
    layer = SPADE(7, 5, "instance", 0.5, 1e-3, "he_normal")
    copy = SPADE.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy([X, LABELS]).shape == X.shape
    with pytest.raises(ValueError, match="`normalization` must be one of"):
        SPADE(normalization="layer")
    with pytest.raises(ValueError, match="`hidden_filters` must be a positive integer"):
        SPADE(0)


def test_half_precision():
    layer = SPADE(7, dtype="mixed_float16")
    outputs = layer([X, LABELS], training=True)
    assert outputs.dtype == tf.float16
    np.testing.assert_allclose(outputs, SPADE(7)([X, LABELS], training=True), atol=5e-3)
