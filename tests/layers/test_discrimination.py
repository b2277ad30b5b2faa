import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.core.keras_internals import keras_is_at_least
from keras_genzoo.layers import MinibatchStandardDeviation, SpectralNormalization

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(4, 7)).astype("float32")
IMAGES = RNG.normal(size=(2, 8, 8, 3)).astype("float32")


# Spectral normalization. --------------------------------------------------------------------------


def matrix_product(x, kernel):
    return x @ kernel


def convolution(x, kernel):
    """A convolution without padding, with strides of 2."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.einsum("nhwcij,ijco->nhwo", windows[:, ::2, ::2], kernel)


def rows(ids, table):
    return table[ids]


KINDS = {
    "Dense": (lambda: keras.layers.Dense(5), VECTORS, matrix_product),
    "Conv2D": (lambda: keras.layers.Conv2D(6, 3, 2), IMAGES, convolution),
    "Embedding": (lambda: keras.layers.Embedding(9, 4), np.array([0, 8, 3, 3]), rows),
}


def spectral(layer, shape, scale=3.0):
    """Returns a built layer with spectral normalization and random weights."""
    layer = SpectralNormalization(layer)
    layer.build((None, *shape[1:]))
    for variable in layer.layer.weights:
        variable.assign(scale * RNG.normal(size=variable.shape))
    return layer


def kernel_of(layer):
    inner = layer.layer
    return getattr(inner, "kernel", getattr(inner, "embeddings", None)).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_is_divided_by_its_largest_singular_value(kind):
    build, x, apply = KINDS[kind]
    layer = spectral(build(), x.shape)
    kernel = kernel_of(layer)
    for _ in range(200):
        outputs = layer(x, training=True)
    singular = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
    assert singular > 2
    bias = 0 if kind == "Embedding" else layer.layer.bias.numpy()
    expected = apply(x, kernel / singular) + bias
    np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-4)
    # The kernel itself does not change, and a second call gives the same result.
    np.testing.assert_array_equal(kernel_of(layer), kernel)
    np.testing.assert_allclose(layer(x, training=True), outputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer(x), outputs, rtol=1e-5, atol=1e-6)


def power_iteration(kernel, vector):
    right = vector @ kernel.T
    right /= np.linalg.norm(right)
    left = right @ kernel
    return right, left / np.linalg.norm(left), np.linalg.norm(left)


def test_one_power_iteration_for_each_call_in_training():
    layer = spectral(keras.layers.Dense(5, use_bias=False), VECTORS.shape)
    kernel, vector = kernel_of(layer), layer.vector.numpy()
    for training in (False, None, True, True):
        before = vector
        outputs = layer(VECTORS, training=training)
        _, left, norm = power_iteration(kernel, before)
        np.testing.assert_allclose(outputs, VECTORS @ kernel / norm, rtol=1e-4, atol=1e-5)
        vector = layer.vector.numpy()
        np.testing.assert_allclose(vector, left if training else before, rtol=1e-4, atol=1e-6)
    assert [v.name for v in layer.trainable_variables] == ["kernel"]


def test_the_gradient_goes_through_the_division():
    """It is (G - λ uvᵀ) / σ, with the inner product λ of G and W/σ (Miyato et al., eq. 12)."""
    layer = spectral(keras.layers.Dense(5, use_bias=False), VECTORS.shape)
    kernel, factors = kernel_of(layer), RNG.normal(size=(4, 5)).astype("float32")
    u, v, norm = power_iteration(kernel, layer.vector.numpy())
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(factors * layer(VECTORS, training=True))
    (gradient,) = tape.gradient(loss, layer.trainable_variables)
    plain = VECTORS.T @ factors
    expected = (plain - np.sum(plain * kernel / norm) * u.T @ v) / norm
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-5)
    assert np.abs(gradient - plain / norm).max() > 0.1 * np.abs(gradient).max()


def test_saved_in_a_model(tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = SpectralNormalization(keras.layers.Conv2D(4, 3))(inputs)
    x = SpectralNormalization(keras.layers.Dense(2))(keras.layers.Flatten()(x))
    model = keras.Model(inputs, x)
    model(IMAGES, training=True)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    for training in (False, True, False):
        expected = model(IMAGES, training=training)
        np.testing.assert_array_equal(copy(IMAGES, training=training), expected)
    assert [w.shape for w in copy.trainable_weights] == [(3, 3, 3, 4), (4,), (144, 2), (2,)]
    store = {}
    model.layers[1].save_own_variables(store)
    assert len(store) == 1  # only the vector, because the inner layer saves the kernel


def test_regularizers_of_the_layer():
    options = {"kernel_regularizer": "l2", "activity_regularizer": keras.regularizers.L1(0.5)}
    layer = spectral(keras.layers.Dense(5, **options), VECTORS.shape)
    outputs = layer(VECTORS).numpy()
    # Keras averages activity regularization over the batch since 3.14.
    count = len(outputs) if keras_is_at_least(3, 14) else 1
    expected = [0.01 * np.sum(kernel_of(layer) ** 2), 0.5 * np.abs(outputs).sum() / count]
    np.testing.assert_allclose(sorted(layer.losses), sorted(expected), rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_spectral_normalization_in_half_precision(kind):
    build, x, _ = KINDS[kind]
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = spectral(build(), x.shape)
    finally:
        keras.config.set_dtype_policy("float32")
    full = spectral(build(), x.shape)
    full.set_weights(half.get_weights())
    outputs, expected = half(x, training=True), full(x, training=True)
    assert outputs.dtype == tf.float16
    assert {v.dtype for v in half.variables} == {"float32"}
    np.testing.assert_allclose(outputs, expected, rtol=0.02, atol=0.02)


def test_spectral_normalization_by_xla():
    layer = spectral(keras.layers.Dense(5), VECTORS.shape)
    start = layer.get_weights()
    expected, vector = layer(VECTORS, training=True), layer.vector.numpy()
    layer.set_weights(start)
    compiled = tf.function(lambda x: layer(x, training=True), jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant(VECTORS)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.vector, vector, rtol=1e-4, atol=1e-6)


def test_spectral_normalization_on_replicas(two_replicas, on_replicas):
    with two_replicas.scope():
        layer = spectral(keras.layers.Dense(5), VECTORS.shape)
    alone = spectral(keras.layers.Dense(5), VECTORS.shape)
    alone.set_weights(layer.get_weights())
    for _ in range(2):
        together = on_replicas(lambda x: layer(x, training=True), [VECTORS[:2], VECTORS[2:]])
        expected = alone(VECTORS, training=True)
        np.testing.assert_allclose(together, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.vector.numpy(), alone.vector.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "layer", [keras.layers.ReLU(), keras.layers.SeparableConv2D(2, 3)], ids=["none", "two"]
)
def test_layers_without_a_kernel(layer):
    with pytest.raises(ValueError, match=r"`layer` must have one kernel.*Received: a "):
        SpectralNormalization(layer)(IMAGES)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (keras.layers.Conv2DTranspose(3, 3), (1, 8, 8, 3)),
        (keras.layers.DepthwiseConv2D(3), (1, 8, 8, 3)),
        (keras.layers.LSTM(4), (1, 5, 3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_layers_with_unsuitable_kernels(layer, shape):
    """The last axis of the kernel is not the outputs, or there are two kernels."""
    with pytest.raises(ValueError, match=r"its last axis must be the outputs\. Received: a "):
        SpectralNormalization(layer)(np.zeros(shape, "float32"))


# Minibatch standard deviation. --------------------------------------------------------------------


def deviations(x, group_size):
    """Computes the feature of each example in a loop."""
    feature = []
    for i in range(len(x)):
        start = i - i % group_size
        group = [x[(start + k) % len(x)] for k in range(group_size)]
        feature.append(np.std(np.stack(group), axis=0).mean())
    return feature


def test_minibatch_standard_deviation_by_hand():
    x = np.array([[0, 0], [2, 4], [1, 7], [1, 1]], "float32")
    outputs = MinibatchStandardDeviation(2)(x)
    np.testing.assert_allclose(outputs[:, :2], x)
    np.testing.assert_allclose(outputs[:, 2], [1.5, 1.5, 1.5, 1.5], rtol=1e-3)
    outputs = MinibatchStandardDeviation(4)(x)
    expected = (np.sqrt(0.5) + np.sqrt(7.5)) / 2
    np.testing.assert_allclose(outputs[:, 2], [expected] * 4, rtol=1e-3)


@pytest.mark.parametrize("shape", [(5,), (4, 3, 2)])
@pytest.mark.parametrize(("size", "group_size"), [(8, 4), (8, 2), (7, 4), (3, 4), (1, 3)])
def test_minibatch_standard_deviation_equals_numpy(shape, size, group_size):
    x = RNG.normal(size=(size, *shape)).astype("float32")
    inputs = keras.Input(shape)
    layer = MinibatchStandardDeviation(group_size)
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, *shape[:-1], shape[-1] + 1)
    # Call the layer with a known and with an unknown number of examples.
    unknown = tf.function(model, input_signature=[tf.TensorSpec((None, *shape))])
    expected = np.reshape(deviations(x, group_size), [-1] + [1] * len(shape))
    for outputs in (layer(x), unknown(x)):
        np.testing.assert_array_equal(outputs[..., :-1], x)
        feature = np.broadcast_to(expected, (size, *shape[:-1], 1))
        np.testing.assert_allclose(outputs[..., -1:], feature, atol=2e-4)


@pytest.mark.parametrize("identical", [True, False])
def test_gradient_of_minibatch_standard_deviation(identical):
    x = tf.constant(RNG.normal(size=(4, 3)), tf.float32)
    x = tf.ones_like(x) if identical else x
    with tf.GradientTape() as tape:
        tape.watch(x)
        feature = MinibatchStandardDeviation(2)(x)[:, 3]
    gradient = tape.gradient(feature, x).numpy()
    # The feature is the mean of |a - b| / 2 over three columns, and both examples receive it.
    a, b = x[0::2].numpy(), x[1::2].numpy()
    expected = np.stack([np.sign(a - b) / 3, np.sign(b - a) / 3], axis=1).reshape(4, 3)
    np.testing.assert_allclose(gradient, expected, atol=1e-3)


def test_minibatch_standard_deviation_in_half_precision():
    layer = MinibatchStandardDeviation(2, dtype="mixed_float16")
    x = 1_000 * RNG.normal(size=(4, 3)).astype("float32")  # its squares overflow in float16
    outputs = layer(x)
    assert outputs.dtype == tf.float16
    np.testing.assert_allclose(outputs[:, 3], deviations(x, 2), rtol=0.01)


@pytest.mark.parametrize("group_size", [1, 0, -2, 2.0, "4", None])
def test_bad_group_size(group_size):
    with pytest.raises(ValueError, match=r"`group_size` must be an integer.*Received: group_size="):
        MinibatchStandardDeviation(group_size)


def test_config_round_trip():
    layer = MinibatchStandardDeviation(3, name="m")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (copy.group_size, copy.name) == (3, "m")
    layer = SpectralNormalization(keras.layers.Dense(3, use_bias=False))
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (type(copy.layer), copy.layer.units) == (keras.layers.Dense, 3)
