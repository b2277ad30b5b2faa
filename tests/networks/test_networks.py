import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import networks
from keras_genzoo.layers import MinibatchStandardDeviation, SpectralNormalization

IMAGES = [
    (1, 1, 1),
    (3, 5, 1),
    (7, 7, 2),
    (8, 8, 1),
    (28, 28, 1),
    (33, 20, 3),
    (64, 64, 3),
]
VECTORS = [(1,), (2,), (30,)]
RNG = np.random.default_rng(0)


def small(build, data_shape):
    """Returns options that keep a network small."""
    parameters = inspect.signature(build).parameters
    if "filters" in parameters or (networks.is_image(data_shape) and "options" in parameters):
        return {"filters": networks.default_filters(data_shape, 4)}
    return {"hidden_units": (8,)}


def layers_of(model, kind):
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]


TO_VECTORS = [
    (networks.encoder, IMAGES + VECTORS),
    (networks.dense_encoder, IMAGES + VECTORS),
    (networks.convolutional_encoder, IMAGES),
]
TO_DATA = [
    (networks.decoder, IMAGES + VECTORS),
    (networks.dense_decoder, IMAGES + VECTORS),
    (networks.convolutional_decoder, IMAGES),
    (networks.generator, IMAGES + VECTORS),
    (networks.dcgan_generator, IMAGES),
]
TO_SCORES = [
    (networks.discriminator, IMAGES + VECTORS),
    (networks.dense_discriminator, IMAGES + VECTORS),
    (networks.dcgan_discriminator, IMAGES),
]


def table(rows):
    cases = [(build, shape) for build, shapes in rows for shape in shapes]
    return pytest.mark.parametrize(
        ("build", "shape"), cases, ids=[f"{build.__name__}-{shape}" for build, shape in cases]
    )


@table(TO_VECTORS)
def test_data_to_vectors(build, shape):
    model = build(shape, 5, **small(build, shape))
    assert model.input_shape == (None, *shape) and model.output_shape == (None, 5)
    outputs = model(tf.constant(RNG.random((2, *shape)), tf.float32))
    assert outputs.shape == (2, 5) and np.isfinite(outputs).all()


@table(TO_DATA)
def test_vectors_to_data(build, shape):
    model = build(shape, 5, **small(build, shape))
    assert model.input_shape == (None, 5) and model.output_shape == (None, *shape)
    outputs = model(tf.constant(RNG.normal(size=(2, 5)), tf.float32))
    assert outputs.shape == (2, *shape) and outputs.dtype == "float32"
    # Every pixel depends on the latents, even at the cropped edges.
    assert np.isfinite(outputs).all() and (outputs[0] != outputs[1]).numpy().mean() > 0.9


@table(TO_SCORES)
def test_data_to_scores(build, shape):
    model = build(shape, **small(build, shape))
    assert model.input_shape == (None, *shape) and model.output_shape == (None, 1)
    outputs = model(tf.constant(RNG.random((2, *shape)), tf.float32))
    assert outputs.shape == (2, 1) and np.isfinite(outputs).all()


@pytest.mark.parametrize("shape", [(7, 7, 2), (8, 8, 1)])
@pytest.mark.parametrize(
    ("build", "options"),
    [
        (networks.generator, {}),
        (networks.decoder, {"output_activation": "sigmoid"}),
        (networks.dense_decoder, {"output_activation": "sigmoid"}),
    ],
)
def test_images_lie_between_0_and_1(build, options, shape):
    model = build(shape, 5, **small(build, shape), **options)
    outputs = model(tf.constant(100 * RNG.normal(size=(20, 5)), tf.float32), training=True)
    assert np.min(outputs) >= 0 and np.max(outputs) <= 1
    outputs = model(tf.constant(1e6 * RNG.normal(size=(20, 5)), tf.float32))
    assert 0 <= np.min(outputs) < 0.1 and 0.9 < np.max(outputs) <= 1


@pytest.mark.parametrize("shape", [(2,), (8, 8, 1)])
@pytest.mark.parametrize(
    ("build", "from_data", "arguments"),
    [
        (networks.encoder, True, (5,)),
        (networks.dense_encoder, True, (5,)),
        (networks.decoder, False, (5,)),
        (networks.dense_decoder, False, (5,)),
        (networks.generator, False, (5,)),
        (networks.discriminator, True, ()),
        (networks.dense_discriminator, True, ()),
    ],
)
def test_labels_change_the_outputs(build, from_data, arguments, shape):
    model = build(shape, *arguments, num_classes=3, **small(build, shape))
    row = RNG.random(shape if from_data else (5,)).astype("float32")
    rows = tf.constant(np.stack([row] * 4))
    outputs = np.reshape(model([rows, tf.constant([0, 1, 2, 1])]), (4, -1))
    np.testing.assert_allclose(outputs[1], outputs[3], atol=1e-6)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(outputs[i] - outputs[j]).max() > 1e-6


def test_one_hot_labels_are_not_trained():
    model = networks.decoder((8, 8, 1), 5, num_classes=3, filters=(4,))
    (embedding,) = layers_of(model, keras.layers.Embedding)
    np.testing.assert_array_equal(embedding.embeddings, np.eye(3))
    assert embedding.trainable_variables == []


def test_projection_discriminator():
    """The score is ψ(features) + ⟨features, vector of the class⟩ (Miyato & Koyama, 2018)."""
    model = networks.discriminator((2,), num_classes=3, hidden_units=(4,))
    (embedding,) = layers_of(model, keras.layers.Embedding)
    last = layers_of(model, keras.layers.Dense)[-1]
    features = keras.Model(model.inputs[0], last.input)
    x, labels = tf.constant(RNG.random((6, 2)), tf.float32), [0, 1, 2, 2, 1, 0]
    f = features(x).numpy()
    expected = f @ last.kernel.numpy()[:, 0] + last.bias.numpy()
    expected += (f * embedding.embeddings.numpy()[labels]).sum(axis=1)
    np.testing.assert_allclose(
        model([x, tf.constant(labels)])[:, 0], expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("num_classes", [None, 3])
@table(TO_SCORES)
def test_packs_to_scores(build, shape, num_classes):
    model = build(shape, packing=2, num_classes=num_classes, **small(build, shape))
    *sizes, channels = shape
    data = tf.constant(RNG.random((3, *sizes, 2 * channels)), tf.float32)
    inputs = [data] if num_classes is None else [data, tf.constant([[0, 1], [2, 2], [1, 0]])]
    assert [i.shape[1:] for i in model.inputs] == [i.shape[1:] for i in inputs]
    outputs = model(inputs if num_classes else data)
    assert outputs.shape == (3, 1) and np.isfinite(outputs).all()


def test_projection_of_packs():
    """Each position in a pack has separate vectors, and the features are projected on their sum."""
    model = networks.discriminator((2,), num_classes=3, packing=2, hidden_units=(4,))
    score, projection = layers_of(model, keras.layers.Dense)[1:]
    if score.units != 1:
        score, projection = projection, score
    assert projection.kernel.shape == (6, 4) and not projection.use_bias
    vectors = projection.kernel.numpy().reshape(2, 3, 4)
    features = keras.Model(model.inputs[0], score.input)
    x, labels = tf.constant(RNG.random((5, 4)), tf.float32), RNG.integers(0, 3, (5, 2))
    f = features(x).numpy()
    expected = f @ score.kernel.numpy()[:, 0] + score.bias.numpy()
    expected += (f * (vectors[0, labels[:, 0]] + vectors[1, labels[:, 1]])).sum(axis=1)
    outputs = model([x, tf.constant(labels, tf.int32)])
    np.testing.assert_allclose(outputs[:, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("packing", [1, 2])
@pytest.mark.parametrize("num_classes", [None, 3])
@pytest.mark.parametrize("shape", [(2,), (16, 16, 1)])
def test_spectral_normalization_of_every_layer(shape, num_classes, packing):
    size = {"filters": (4, 4)} if networks.is_image(shape) else {"hidden_units": (4, 4)}
    model = networks.discriminator(
        shape, spectral_normalization=True, num_classes=num_classes, packing=packing, **size
    )
    assert layers_of(model, keras.layers.BatchNormalization) == []
    wrapped = layers_of(model, SpectralNormalization)
    assert len(wrapped) == 3 + (num_classes is not None)
    inner = {id(v) for layer in wrapped for v in layer.layer.trainable_variables}
    assert {id(v) for v in model.trainable_variables} == inner
    # Without BatchNormalization, the layers need biases.
    assert all(layer.layer.use_bias for layer in wrapped[:2])
    plain = networks.discriminator(shape, num_classes=num_classes, packing=packing, **size)
    assert layers_of(plain, SpectralNormalization) == []


@pytest.mark.parametrize("shape", [(2,), (16, 16, 1)])
def test_minibatch_standard_deviation_before_the_last_stage(shape):
    size = {"filters": (4, 6)} if networks.is_image(shape) else {"hidden_units": (4, 6)}
    model = networks.discriminator(shape, minibatch_stddev=2, normalization=False, **size)
    (layer,) = layers_of(model, MinibatchStandardDeviation)
    assert layer.group_size == 2 and layer.output.shape[-1] == 4 + 1
    kinds = (keras.layers.Dense, keras.layers.Conv2D)
    channels = [layer.kernel.shape[-2:] for layer in layers_of(model, kinds)]
    assert channels[1] == (5, 6)
    # A score depends only on the examples of its group.
    x = RNG.random((4, *shape)).astype("float32")
    scores, x[1] = model(x).numpy(), RNG.random(shape)
    changed = np.abs(model(x) - scores)[:, 0]
    assert changed[0] > 1e-6 and np.all(changed[2:] < 1e-6)


def test_normalization():
    shape = (32, 32, 1)
    filters = networks.default_filters(shape, 4)
    options = {"filters": filters}
    with_it = networks.discriminator(shape, **options)
    without = networks.discriminator(shape, normalization=False, **options)
    # The first stage of the discriminator and the last stage of the generator have none.
    assert len(layers_of(with_it, keras.layers.BatchNormalization)) == len(filters) - 1
    assert layers_of(without, keras.layers.BatchNormalization) == []
    generator = networks.generator(shape, 5, **options)
    assert len(layers_of(generator, keras.layers.BatchNormalization)) == len(filters)
    for network in (networks.encoder(shape, 5, **options), networks.decoder(shape, 5, **options)):
        assert len(layers_of(network, keras.layers.BatchNormalization)) == len(filters)


def kernels(model):
    kinds = (keras.layers.Dense, keras.layers.Conv2D, keras.layers.Conv2DTranspose)
    return [layer.kernel.numpy() for layer in layers_of(model, kinds)]


@pytest.mark.parametrize(
    "model",
    [
        networks.dcgan_generator((16, 16, 3), 100, filters=(32, 32, 32)),
        networks.dcgan_discriminator((16, 16, 3), filters=(32, 32, 32)),
    ],
    ids=["generator", "discriminator"],
)
def test_dcgan_weights_are_drawn_with_deviation_0_02(model):
    for kernel in kernels(model):
        if kernel.size > 1_000:
            assert abs(kernel.std() - 0.02) < 0.002
            assert abs(kernel.mean()) < 0.002
    scores = [k for k in kernels(model) if k.size <= 1_000]
    assert all(0.01 < k.std() < 0.03 or k.shape[-1] == 1 for k in scores)


@pytest.mark.parametrize(
    "model",
    [
        networks.dcgan_discriminator((32, 32, 4), filters=(4, 4, 4)),
        networks.dcgan_generator((32, 32, 4), 4, filters=(4, 4, 4)),
        networks.convolutional_encoder((32, 32, 4), 4, filters=(4, 4, 4)),
        networks.convolutional_decoder((32, 32, 4), 4, filters=(4, 4, 4)),
        networks.dense_encoder((8,), 8, hidden_units=(8, 8)),
        networks.dense_decoder((8,), 8, hidden_units=(8, 8)),
        networks.dense_discriminator((8,), hidden_units=(8, 8)),
    ],
    ids=lambda model: model.name,
)
def test_all_layers_have_different_initial_weights(model):
    weights = [kernel.ravel() for kernel in kernels(model)]
    for i, a in enumerate(weights):
        for b in weights[:i]:
            size = min(len(a), len(b))
            assert not np.allclose(a[:size], b[:size])
            assert not np.allclose(a[:size] / a.std(), b[:size] / b.std(), rtol=1e-3)


@pytest.mark.parametrize(
    ("shape", "filters"),
    [
        ((1, 1, 1), (64,)),
        ((3, 5, 1), (64,)),
        ((7, 7, 1), (64,)),
        ((8, 8, 1), (64,)),
        ((28, 28, 1), (64, 128)),
        ((33, 20, 3), (64, 128)),
        ((64, 64, 3), (64, 128, 256, 512)),
        ((128, 256, 3), (64, 128, 256, 512, 512)),
    ],
)
def test_default_filters(shape, filters):
    assert networks.default_filters(shape) == filters
    assert networks.default_filters(shape, 8) == tuple(f // 8 for f in filters)


def test_default_networks_follow_the_shape_of_the_data():
    convolutions = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
    for shape in ((8, 8, 1), (2,)):
        is_image = networks.is_image(shape)
        for model in (
            networks.encoder(shape, 3),
            networks.decoder(shape, 3),
            networks.generator(shape, 3),
            networks.discriminator(shape),
        ):
            assert bool(layers_of(model, convolutions)) is is_image


def test_networks_save_and_load(tmp_path):
    model = networks.generator((7, 5, 2), 3, num_classes=2, filters=(4,))
    model.save(tmp_path / "generator.keras")
    copy = keras.saving.load_model(tmp_path / "generator.keras")
    inputs = [tf.constant(RNG.normal(size=(4, 3)), tf.float32), tf.constant([0, 1, 1, 0])]
    np.testing.assert_array_equal(copy(inputs), model(inputs))
