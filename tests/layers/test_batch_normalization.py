import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.core.keras_internals import keras_is_at_least
from keras_genzoo.layers import BatchNormalization

RNG = np.random.default_rng(0)
SHAPES = [(6, 3), (4, 5, 3), (4, 5, 6, 3), (2, 3, 4, 5, 3)]
OPTIONS = {"momentum": 0.9, "epsilon": 1e-3}


def data(shape, mean=2.0, stddev=3.0):
    return RNG.normal(mean, stddev, shape).astype("float32")


def built(kind, shape, **options):
    layer = kind(**OPTIONS, **options)
    layer.build((None, *shape[1:]))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.uniform(0.5, 2.0, w.shape) for w in layer.get_weights()])
    return layer


@pytest.mark.parametrize("shape", SHAPES, ids=len)
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}], ids=str)
def test_outputs_and_moving_statistics(shape, options):
    layer, x = built(BatchNormalization, shape, **options), data(shape)
    weights = {w.name: w.numpy() for w in layer.weights}
    axes = tuple(range(len(shape) - 1))
    mean, variance = x.mean(axes), x.var(axes)
    expected = (x - mean) / np.sqrt(variance + 1e-3) * weights.get("gamma", 1.0)
    expected += weights.get("beta", 0.0)
    np.testing.assert_allclose(layer(x, training=True), expected, rtol=1e-4, atol=1e-5)
    for name, value in (("moving_mean", mean), ("moving_variance", variance)):
        moved = 0.9 * weights[name] + 0.1 * value
        np.testing.assert_allclose(getattr(layer, name), moved, rtol=1e-5)
    moving = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    expected = (x - moving[0]) / np.sqrt(moving[1] + 1e-3) * weights.get("gamma", 1.0)
    expected += weights.get("beta", 0.0)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, moving[0])


def gradients(layer, x):
    """First and second derivatives, by the input and by the trainable weights."""
    x = tf.constant(x)
    with tf.GradientTape() as outer:
        with tf.GradientTape(persistent=True) as inner:
            inner.watch(x)
            loss = tf.reduce_sum(tf.sin(layer(x, training=True)))
        by_input = inner.gradient(loss, x)
        norm = tf.reduce_sum(tf.square(by_input))
    first = inner.gradient(loss, layer.trainable_variables)
    return [by_input, *first, *outer.gradient(norm, layer.trainable_variables)[:1]]


@pytest.mark.parametrize("shape", SHAPES, ids=len)
def test_gradients_of_first_and_second_order_are_those_of_keras(shape):
    ours, keras_ = (built(k, shape) for k in (BatchNormalization, keras.layers.BatchNormalization))
    x = data(shape)
    for mine, its in zip(gradients(ours, x), gradients(keras_, x), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "options, mask",
    [
        ({}, np.array([[1, 1, 0, 1, 0]] * 4, bool)),
        pytest.param(
            {"renorm": True},
            None,
            marks=pytest.mark.skipif(not keras_is_at_least(3, 14), reason="Keras 3.14 has it"),
        ),
        ({"axis": 1}, None),
    ],
    ids=["mask", "renorm", "axis"],
)
def test_what_is_left_to_keras(options, mask):
    x = data((4, 5, 3))
    results = []
    for kind in (BatchNormalization, keras.layers.BatchNormalization):
        layer = built(kind, x.shape, **options)
        results.append([layer(x, training=True, mask=mask), *layer.get_weights()])
    for mine, its in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_frozen_layer_uses_its_moving_statistics():
    layer, x = built(BatchNormalization, (6, 3)), data((6, 3))
    layer.trainable = False
    before = layer.get_weights()
    np.testing.assert_array_equal(layer(x, training=True), layer(x, training=False))
    np.testing.assert_equal(layer.get_weights(), before)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(dtype):
    x = data((8, 6, 6, 3))
    layer, exact = (
        built(BatchNormalization, x.shape, dtype=dtype),
        built(BatchNormalization, x.shape),
    )
    outputs = layer(x, training=True)
    assert outputs.dtype == layer.compute_dtype
    np.testing.assert_allclose(
        tf.cast(outputs, "float32"), exact(x, training=True), rtol=0.02, atol=0.02
    )
    np.testing.assert_allclose(layer.moving_variance, exact.moving_variance, rtol=0.01)
    assert layer.moving_variance.dtype == "float32"


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("shape", [(64, 3), (8, 4, 4, 3)], ids=len)
def test_far_from_zero(shape, compiled):
    """XLA takes the variance as a difference of squares, which here have six digits in common."""
    layer, x = built(BatchNormalization, shape), data(shape, mean=3000.0)
    layer.set_weights([np.ones(3), np.zeros(3), np.zeros(3), np.ones(3)])
    normalize = tf.function(lambda x: layer(x, training=True), jit_compile=compiled)
    axes = tuple(range(len(shape) - 1))
    exact = x.astype("float64")
    expected = (exact - exact.mean(axes)) / np.sqrt(exact.var(axes) + 1e-3)
    np.testing.assert_allclose(normalize(x), expected, atol=2e-3)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * exact.mean(axes), rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * exact.var(axes), rtol=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_of_half_precision_are_left_to_keras(dtype):
    kinds = (BatchNormalization, keras.layers.BatchNormalization)
    ours, theirs = (built(kind, (8, 4, 4, 3), dtype=dtype) for kind in kinds)
    x = data((8, 4, 4, 3))
    np.testing.assert_array_equal(
        *(tf.cast(layer(x, training=True), "float32") for layer in (ours, theirs))
    )


def test_one_value_has_no_variance():
    layer = BatchNormalization(momentum=0.5)
    outputs = layer(np.full((1, 3), 7.0, "float32"), training=True)
    np.testing.assert_allclose(outputs, np.zeros((1, 3)), atol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, [0.5] * 3)
    np.testing.assert_allclose(layer.moving_mean, [3.5] * 3)


def test_files_of_weights_are_those_of_keras(tmp_path):
    models = []
    for kind in (BatchNormalization, keras.layers.BatchNormalization):
        models.append(keras.Sequential([keras.Input((4, 4, 3)), built(kind, (1, 4, 4, 3))]))
    ours, its = models
    its.layers[0].set_weights([w + 1.0 for w in its.get_weights()])
    its.save_weights(tmp_path / "model.weights.h5")
    ours.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_equal(ours.get_weights(), its.get_weights())
    assert ours.layers[0].get_config().keys() == its.layers[0].get_config().keys()


# Replicas. ----------------------------------------------------------------------------------------


def over_replicas(strategy, layer, parts):
    """Each replica's outputs and gradient by its input, of a loss over the global batch."""

    def step():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        x = parts[tf.get_static_value(replica)]
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=True)
            loss = tf.reduce_sum(tf.sin(outputs))
        return outputs, tape.gradient(loss, x)

    function = tf.function(lambda: strategy.run(step))
    results = [strategy.experimental_local_results(value) for value in function()]
    return [np.concatenate(values) for values in results], function


@pytest.mark.parametrize("sizes", [(4, 4), (5, 3), (8, 0)], ids=str)
@pytest.mark.parametrize("mean", [2.0, 1000.0])
def test_replicas_normalize_over_the_global_batch(two_replicas, sizes, mean):
    x = data((8, 5, 3), mean=mean)
    with two_replicas.scope():
        layer = built(BatchNormalization, x.shape, synchronized=True)
        # As after some steps: near the mean of the data.
        layer.moving_mean.assign([mean] * 3)
    parts = [tf.constant(x[: sizes[0]]), tf.constant(x[sizes[0] :])]
    (outputs, by_input), _ = over_replicas(two_replicas, layer, parts)
    reference = built(BatchNormalization, x.shape)
    reference.moving_mean.assign([mean] * 3)
    whole = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(whole)
        expected = reference(whole, training=True)
        loss = tf.reduce_sum(tf.sin(expected))
    np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(by_input, tape.gradient(loss, whole), rtol=1e-3, atol=1e-3)
    for mine, its in zip(layer.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-4)


def test_one_all_reduce_in_each_direction(two_replicas):
    with two_replicas.scope():
        layer = built(BatchNormalization, (8, 3), synchronized=True)
    parts = [tf.constant(data((4, 3)))] * 2
    _, function = over_replicas(two_replicas, layer, parts)
    graph = function.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    assert sum(n.op == "CollectiveReduceV2" for n in nodes) == 2 * 2  # two replicas


def test_unsynchronized_replicas_have_statistics_of_their_own(two_replicas):
    x = data((8, 3))
    with two_replicas.scope():
        layer = built(BatchNormalization, x.shape)
    (outputs, _), _ = over_replicas(two_replicas, layer, [tf.constant(x[:4]), tf.constant(x[4:])])
    expected = [built(BatchNormalization, x.shape)(part, training=True) for part in (x[:4], x[4:])]
    np.testing.assert_allclose(outputs, np.concatenate(expected), rtol=1e-4, atol=1e-5)
