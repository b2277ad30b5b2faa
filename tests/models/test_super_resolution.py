"""Super-resolution: what it learns, its two forms of `fit`, images of any size."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import networks

RNG = np.random.default_rng(0)


def checkered(count, side, seed=0):
    """Draws images of black and white squares of random size and place."""
    rng = np.random.default_rng(seed)
    sizes, places = rng.integers(4, 9, (count, 1, 1)), rng.integers(0, 16, (2, count, 1, 1))
    rows, columns = np.mgrid[:side, :side]
    squares = (rows + places[0]) // sizes + (columns + places[1]) // sizes
    return (squares % 2)[..., None].astype("float32")


def reduced(large, scale=2):
    size = [side // scale for side in large.shape[1:3]]
    return np.clip(tf.image.resize(large, size, "bicubic", antialias=True), 0, 1)


def small_network(channels=1, scale=2, **options):
    options = {"filters": 8, "blocks": 2, **options}
    return networks.edsr_generator((8, 8, channels), scale, **options)


def build(name="SuperResolution", channels=1, scale=2, **options):
    keras.utils.set_random_seed(0)
    network = small_network(channels, scale)
    if name == "SuperResolution":
        return genzoo.SuperResolution((8, 8, channels), scale, network=network, **options)
    side = 8 * scale
    critic = networks.srgan_discriminator((side, side, channels), filters=(4, 8))
    parts = {"generator": network, "discriminator": critic}
    return genzoo.SRGAN((8, 8, channels), scale, **parts, **options)


def psnr(model, large):
    metric = genzoo.metrics.PSNR(crop=2)
    metric.update_state(large, model.translate(reduced(large)))
    return float(metric.result())


def test_edges_become_sharp():
    """It beats the bicubic interpolation, from which it starts, by far; on images not seen."""
    model = build()
    model.compile(keras.optimizers.Adam(3e-3))
    before = psnr(model, checkered(32, 16, seed=1))
    bicubic = genzoo.metrics.PSNR(crop=2)
    test = checkered(32, 16, seed=1)
    bicubic.update_state(test, genzoo.layers.BicubicUpsampling(2)(reduced(test)))
    model.fit(checkered(256, 16), batch_size=32, epochs=15, verbose=0)
    after = psnr(model, test)
    assert abs(before - float(bicubic.result())) < 1.5
    assert after > float(bicubic.result()) + 6


@pytest.mark.parametrize("name", ["SuperResolution", "SRGAN"])
@pytest.mark.parametrize("form", ["arrays", "a data set", "uint8"])
def test_large_images_alone_are_reduced(name, form):
    """The weights and logs are those of pairs with images reduced before."""
    large = RNG.random((16, 16, 16, 3)).astype("float32")
    if form == "uint8":
        large = (255 * large).round().astype("uint8")
    small = reduced(large / np.float32(255) if form == "uint8" else large)
    results = []
    for data in ((large,), (small, large)):
        model = build(name, 3)
        model.compile()
        options = {"batch_size": 8}
        if form == "a data set":
            data, options = (tf.data.Dataset.from_tensor_slices(data).batch(8),), {}
        history = model.fit(*data, epochs=2, shuffle=False, verbose=0, **options).history
        logs = model.evaluate(*data, verbose=0, return_dict=True, **options)
        results.append((model.get_weights(), history, logs))
    (weights, history, logs), (others, other_history, other_logs) = results
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)
    for key in history:
        np.testing.assert_allclose(history[key], other_history[key], rtol=1e-4)
        assert logs[key] == pytest.approx(other_logs[key], rel=1e-3)


def test_other_forms_of_large_images_alone():
    model = build(channels=3)
    model.compile()
    large = RNG.random((16, 16, 16, 3)).astype("float32")
    logs = [
        model.evaluate(data, batch_size=8, verbose=0)
        for data in (large, (large,), (reduced(large), large))
    ]
    logs.append(model.test_on_batch(large))
    logs.append(model.evaluate((batch for batch in (large[:8], large[8:])), verbose=0))
    np.testing.assert_allclose(logs, logs[0], rtol=1e-4)
    history = model.fit(large, validation_data=(reduced(large), large), batch_size=8, verbose=0)
    assert history.history.keys() == {"loss", "val_loss"}
    model.fit(reduced(large), large, validation_data=large, batch_size=8, verbose=0)


@pytest.mark.parametrize(
    "data, message",
    [
        ((RNG.random((8, 8, 8, 3)),), "16, 16, 3"),
        ((RNG.random((8, 16, 16, 3)), RNG.random((8, 16, 16, 3))), "`x` must have .*8, 8, 3"),
        ((RNG.random((8, 8, 8, 3)), RNG.random((8, 8, 8, 3))), "`y` must have .*16, 16, 3"),
        ((RNG.random((8, 16, 16, 1)),), "16, 16, 3"),
        ((RNG.random((8, 8, 8, 3)), RNG.random((7, 16, 16, 3))), "`y` must hold as many .* 8"),
        ((2 + RNG.random((8, 16, 16, 3)),), r"\[0, 1\]"),
    ],
)
@pytest.mark.parametrize("name", ["SuperResolution", "SRGAN"])
def test_wrong_data(name, data, message):
    model = build(name, 3)
    model.compile()
    with pytest.raises(ValueError, match=message + ".*Received: "):
        model.fit(*data, batch_size=4, verbose=0)
    assert not model.was_trained


def test_wrong_data_in_data_sets():
    model = build(channels=3)
    model.compile()
    small, large = RNG.random((8, 8, 8, 3)), RNG.random((8, 16, 16, 3))
    for data, message in (
        ((small,), "16, 16, 3"),
        ((large, large), "8, 8, 3"),
        ((small, small), "16, 16, 3"),
    ):
        dataset = tf.data.Dataset.from_tensor_slices(data).batch(4)
        with pytest.raises(ValueError, match=f"`x` must have .*{message}.*Received: "):
            model.fit(dataset, verbose=0)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_tiles_equal_the_whole_image(scale):
    model = build(channels=3, scale=scale)
    kernel = model.network.get_layer("sub_pixel").kernel
    kernel.assign(30 * kernel)
    photo = RNG.random((2, 50, 71, 3)).astype("float32")
    whole = model.translate(photo)
    assert whole.shape == (2, 50 * scale, 71 * scale, 3)
    tiles = model.translate(photo, tile=32)
    np.testing.assert_allclose(tiles, whole, atol=1e-5)
    blended = model.translate(photo, tile=32, overlap=4)
    assert np.abs(blended - whole).max() > 1e-5 and np.abs(blended - whole).mean() < 0.05


def test_one_image_does_not_depend_on_the_others():
    model = build(channels=3)
    photos, others = RNG.random((2, 5, 20, 24, 3)).astype("float32")
    others[2] = photos[2]
    np.testing.assert_array_equal(model.translate(photos)[2], model.translate(others)[2])


@pytest.mark.parametrize("name", ["SuperResolution", "SRGAN"])
def test_export_at_two_sizes(name, tmp_path):
    model = build(name, 3)
    model.compile()
    model.fit(RNG.random((8, 16, 16, 3)), batch_size=8, verbose=0)
    model.export(tmp_path / "model")
    serve = tf.saved_model.load(tmp_path / "model" / "1").signatures["serving_default"]
    for size in ((8, 8), (13, 21)):
        images = RNG.random((3, *size, 3)).astype("float32")
        (large,) = serve(source=tf.constant(images)).values()
        np.testing.assert_allclose(large, model.translate(images), atol=1e-5)


@pytest.mark.parametrize("name", ["SuperResolution", "SRGAN"])
def test_moving_average(name):
    model = build(name, ema_half_life=100.0)
    model.compile()
    images = checkered(16, 16)
    model.fit(images, batch_size=8, epochs=3, verbose=0)
    expected = model.average.network(images)
    np.testing.assert_allclose(model.translate(images), expected, atol=1e-6)
    trained = getattr(model, "network" if name == "SuperResolution" else "generator")
    assert np.abs(trained(images) - expected).max() > 1e-4


def test_srgan_starts_from_a_trained_network():
    model = build()
    model.compile(keras.optimizers.Adam(3e-3))
    model.fit(checkered(128, 16), batch_size=32, epochs=3, verbose=0)
    images = reduced(checkered(4, 16, seed=2))
    expected = model.translate(images)
    gan = genzoo.SRGAN((8, 8, 1), 2, generator=model.active_network("network"))
    np.testing.assert_array_equal(gan.translate(images), expected)
    gan.compile()
    gan.fit(checkered(32, 16), batch_size=16, verbose=0)
    assert np.isfinite(gan.translate(images)).all()
    averaged = build(ema_half_life=100.0)
    with pytest.raises(ValueError, match="`generator` must have weights that can be trained"):
        genzoo.SRGAN((8, 8, 1), 2, generator=averaged.active_network("network"))


def test_the_discriminator_of_srgan_sees_large_images_alone():
    gan = genzoo.SRGAN((8, 8, 3), 4)
    assert [tuple(x.shape) for x in gan.discriminator.inputs] == [(None, None, None, 3)]
    assert gan.discriminator.compute_output_shape((1, 32, 32, 3)) == (1, 1)
    assert (gan.adversarial_weight, gan.content_weight) == (1e-3, 1.0)
    kinds = {type(layer).__name__ for layer in gan.discriminator.layers}
    assert "BatchNormalization" in kinds
    penalized = genzoo.SRGAN((8, 8, 3), 2, penalty="r1").discriminator
    assert "BatchNormalization" not in {type(layer).__name__ for layer in penalized.layers}


def test_the_objective_of_srgan():
    """One step by SGD is the gradient of 2 · l2 + 3 · adversarial, by hand."""
    options = {"content_weight": 2.0, "adversarial_weight": 3.0}
    model, copy = (build("SRGAN", **options) for _ in range(2))
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    large = checkered(8, 16)
    model.fit(large, batch_size=8, shuffle=False, verbose=0)
    # First the step of the discriminator, whose update the generator's step sees.
    small = tf.constant(reduced(large))
    with tf.GradientTape() as tape:
        fake = copy.generator(small, training=True)
        real_scores = copy.discriminator(large, training=True)
        fake_scores = copy.discriminator(tf.stop_gradient(fake), training=True)
        loss = tf.reduce_mean(tf.nn.softplus(-real_scores) + tf.nn.softplus(fake_scores))
    variables = copy.discriminator.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        variable.assign_sub(0.1 * gradient)
    with tf.GradientTape() as tape:
        fake = copy.generator(small, training=True)
        scores = copy.discriminator(fake, training=True)
        loss = 3 * tf.reduce_mean(tf.nn.softplus(-scores)) + 2 * tf.reduce_mean((fake - large) ** 2)
    variables = copy.generator.trainable_variables
    gradients = tape.gradient(loss, variables)
    for own, variable, gradient in zip(
        model.generator.trainable_variables, variables, gradients, strict=True
    ):
        np.testing.assert_allclose(own, variable - 0.1 * gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["SuperResolution", "SRGAN"])
@pytest.mark.parametrize("scale", [1, 5, 2.5, True, None])
def test_bad_scale(name, scale):
    with pytest.raises(ValueError, match=r"`scale` must be one of \(2, 3, 4, 8\).*Received: "):
        getattr(genzoo, name)((8, 8, 3), scale)


def test_bad_networks():
    with pytest.raises(ValueError, match=r"`network` must map .*16, 16, 1.*Received: "):
        genzoo.SuperResolution((8, 8, 1), 2, network=small_network(scale=4))
    with pytest.raises(ValueError, match=r"`generator` must map .*16, 16, 1.*Received: "):
        genzoo.SRGAN((8, 8, 1), 2, generator=small_network(scale=4))
    with pytest.raises(ValueError, match=r"`source_shape` must be .*Received: "):
        genzoo.SuperResolution((8,), 2)
    with pytest.raises(ValueError, match=r"`content_loss` must be .*Received: "):
        genzoo.SuperResolution((8, 8, 1), 2, content_loss="l3")


def test_one_default_for_every_scale():
    for scale in (2, 3, 4, 8):
        model = genzoo.SuperResolution((6, 7, 3), scale)
        assert model.translate(RNG.random((1, 5, 4, 3))).shape == (1, 5 * scale, 4 * scale, 3)


def test_generative_metrics_compare_large_images():
    model = build(channels=3)
    model.compile(metrics=[genzoo.metrics.KernelDistance(subsets=2, subset_size=8)])
    logs = model.evaluate(RNG.random((16, 16, 16, 3)), verbose=0, return_dict=True)
    assert np.isfinite(logs["kernel_distance"])
