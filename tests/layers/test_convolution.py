import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.layers import Conv2D, Conv2DTranspose, convolution

KERAS = {Conv2D: keras.layers.Conv2D, Conv2DTranspose: keras.layers.Conv2DTranspose}
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def onednn(monkeypatch):
    """The path for oneDNN is right on all processors, and it is taken."""
    monkeypatch.setattr(convolution, "uses_onednn", lambda: True)
    calls, add = [], convolution._add_patches
    monkeypatch.setattr(convolution, "_add_patches", lambda *args: calls.append(args) or add(*args))
    return calls


def pair(kind, channels, shape, **options):
    """A layer and Keras's with equal weights, for images of few channels on the one side."""
    filters = {Conv2D: 5, Conv2DTranspose: channels}[kind]
    layers = [kind(filters, **options), KERAS[kind](filters, **options)]
    for layer in layers:
        layer.build((None, *shape[1:]))
    rng = np.random.default_rng(1)
    layers[0].set_weights([rng.normal(size=w.shape) for w in layers[0].get_weights()])
    layers[1].set_weights(layers[0].get_weights())
    return layers


def derivatives(layer, x):
    """The output, and derivatives of first, second and third order by input and weights."""
    x = tf.constant(x)
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(x)
        with tf.GradientTape(persistent=True) as middle:
            middle.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = layer(x, training=True)
                loss = tf.reduce_sum(tf.sin(y))
            first = inner.gradient(loss, [x, *layer.trainable_variables])
            norm = tf.add_n([tf.reduce_sum(tf.cos(g)) for g in first])
        second = middle.gradient(norm, [x, *layer.trainable_variables])
        norm = tf.add_n([tf.reduce_sum(tf.square(g)) for g in second])
    return [y, *first, *second, *outer.gradient(norm, [x, *layer.trainable_variables])]


CASES = {
    "4, 2, same": {"kernel_size": 4, "strides": 2, "padding": "same"},
    "4, 2, valid": {"kernel_size": 4, "strides": 2, "padding": "valid"},
    "6, 2, same": {"kernel_size": 6, "strides": 2, "padding": "same"},
    "6, 3, valid": {"kernel_size": 6, "strides": 3, "padding": "valid"},
    "2, 2, same": {"kernel_size": 2, "strides": 2, "padding": "same", "use_bias": False},
    "4, 4, valid": {"kernel_size": 4, "strides": 4, "activation": "tanh"},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KERAS)
def test_values_and_derivatives_are_those_of_keras(kind, channels, options, onednn):
    """Also of images whose size the stride does not divide."""
    for size in ((8, 8), (9, 11)):
        shape = (2, *size, channels if kind is Conv2D else 5)
        ours, theirs = pair(kind, channels, shape, dtype="float64", **options)
        x = RNG.normal(size=shape)
        for a, b in zip(derivatives(ours, x), derivatives(theirs, x), strict=True):
            scale = max(1.0, float(tf.reduce_max(tf.abs(b))))
            np.testing.assert_allclose(a / scale, b / scale, atol=1e-10)
    assert onednn


def test_images_by_hand(onednn):
    """One pixel spreads its kernel; two neighbours overlap by half of it."""
    layer = Conv2DTranspose(1, 4, 2, "valid", use_bias=False)
    layer.build((None, 1, 2, 1))
    kernel = np.arange(16.0).reshape(4, 4)
    layer.set_weights([kernel[..., None, None]])
    expected = np.zeros((4, 6))
    expected[:, :4] += kernel
    expected[:, 2:] += 10 * kernel
    found = layer(np.array([[[[1.0], [10.0]]]], "float32"), training=True)
    np.testing.assert_allclose(found[0, ..., 0], expected)
    assert len(onednn) == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("kind", KERAS)
def test_precision(kind, dtype):
    shape = (2, 8, 8, 1 if kind is Conv2D else 5)
    ours, theirs = pair(kind, 1, shape, kernel_size=4, strides=2, padding="same", dtype=dtype)
    y = ours(np.ones(shape), training=True)
    assert y.dtype == theirs(np.ones(shape)).dtype
    expected = theirs(np.ones(shape))
    np.testing.assert_allclose(tf.cast(y, "float32"), tf.cast(expected, "float32"), atol=0.3)


@pytest.mark.parametrize("kind", KERAS)
def test_any_size_in_one_graph_and_under_xla(kind, onednn):
    channels = 1 if kind is Conv2D else 5
    ours, theirs = pair(kind, 1, (2, 8, 8, channels), kernel_size=4, strides=2, padding="same")
    model = keras.Sequential([keras.Input((None, None, channels)), ours])
    assert model.output_shape == (None, None, None, ours.filters)

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x, training=True)
            loss = tf.reduce_sum(y**2)
        return y, tape.gradient(loss, x)

    signature = [tf.TensorSpec((None, None, None, channels))]
    graph = tf.function(step, input_signature=signature)
    compiled = tf.function(step, jit_compile=True)
    for size in (6, 7):
        x = RNG.normal(size=(3, size, size, channels)).astype("float32")
        for run in (graph, compiled):
            y, gradient = run(tf.constant(x))
            np.testing.assert_allclose(y, theirs(x), atol=1e-4)
            np.testing.assert_allclose(gradient, derivatives_of_squares(theirs, x), atol=1e-3)
    assert onednn


def derivatives_of_squares(layer, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x) ** 2)
    return tape.gradient(loss, x)


def test_unsuited_layers_are_left_to_keras(monkeypatch, onednn):
    shape = (2, 8, 8, 5)
    x = RNG.normal(size=shape).astype("float32")
    unsuited = [
        {"filters": 5, "kernel_size": 4, "strides": 2},  # many channels
        {"filters": 1, "kernel_size": 3, "strides": 2},  # no multiple of the stride
        {"filters": 1, "kernel_size": 4, "strides": 1},
        {"filters": 1, "kernel_size": (4, 2), "strides": 2},
        {"filters": 1, "kernel_size": 4, "strides": 2, "output_padding": 1},
    ]
    for options in unsuited:
        Conv2DTranspose(**options)(x, training=True)
    monkeypatch.setattr(convolution, "uses_onednn", lambda: False)
    Conv2DTranspose(1, 4, 2)(x, training=True)
    assert not onednn


def test_saved_with_weights_and_configuration(tmp_path):
    inputs = keras.Input((8, 8, 1))
    x = Conv2D(3, 4, 2, "same", activation="relu", name="down")(inputs)
    model = keras.Model(inputs, Conv2DTranspose(1, 4, 2, "same")(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("down")) is Conv2D
    x = RNG.normal(size=(2, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(model(x), loaded(x))


@pytest.mark.parametrize("kind", KERAS)
def test_inference_has_the_operation_of_keras(kind, onednn):
    """Converters know no custom gradients, and LiteRT has no `EnsureShape`."""
    layer, theirs = pair(kind, 1, (2, 8, 8, 1), kernel_size=4, strides=2, activation="tanh")
    graphs = [
        tf.function(layer).get_concrete_function(tf.TensorSpec((None, 8, 8, 1)))
        for layer in (layer, theirs)
    ]
    operations = [sorted(node.type for node in graph.graph.get_operations()) for graph in graphs]
    assert operations[0] == operations[1]
    assert not onednn
