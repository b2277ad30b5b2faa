"""Known pixels come back bit for bit, whatever the generator makes of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import data, layers, networks


def masked_images(count=3, shape=(20, 28, 3), dtype="float32"):
    images = np.random.default_rng(0).random((count, *shape), "float32")
    if dtype == "uint8":
        images = (255 * images).astype("uint8")
    source = data.sources.masked()
    return images, np.stack([source(image, seed=i) for i, image in enumerate(images)])


def check_known(result, source):
    """Known pixels are equal bit for bit, and those in holes are not the fill."""
    result, known = np.asarray(result), source[..., 3] == 1
    assert 0.1 < known.mean() < 1
    np.testing.assert_array_equal(result[known], source[known][:, :3])
    assert (result[~known] != 0.5).mean() > 0.9


def small_model(**options):
    shape = (16, 16, 4)
    unet = networks.unet_generator(shape, 3, filters=(8, 8), latent_dim=options.get("latent_dim"))
    return genzoo.Pix2Pix(shape, (16, 16, 3), generator=networks.keep_known(unet), **options)


def test_the_layer_by_hand():
    masked = np.array([[[[0.3, 1.0], [0.5, 0.0], [0.4, 0.25]]]], "float32")
    filled = np.full((1, 1, 3, 1), 0.8, "float32")
    result = layers.KeepKnown()([masked, filled])
    np.testing.assert_allclose(np.ravel(result), [0.3, 0.8, 0.25 * 0.4 + 0.75 * 0.8], rtol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_known_pixels_of_any_size_and_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = small_model()
    finally:
        keras.config.set_dtype_policy(before)
    for shape in ((16, 16, 3), (20, 28, 3), (13, 7, 3)):
        _, source = masked_images(shape=shape)
        check_known(model.translate(source), source)
    _, source = masked_images(1, (90, 70, 3))
    check_known(model.translate(source, tile=48), source)


def test_known_pixels_of_uint8_images():
    images, source = masked_images(dtype="uint8")
    result = small_model().translate(source)
    check_known(result, source)
    known = source[..., 3] == 1
    np.testing.assert_array_equal(np.rint(255 * result[known]), images[known])


def test_after_training_saving_and_export(tmp_path):
    images = np.random.default_rng(1).random((32, 16, 16, 3), "float32")
    model = small_model(ema_half_life=50)
    model.compile()
    model.fit(data.pairs(images, "masked", batch_size=8), epochs=2, verbose=0)
    _, source = masked_images()
    result = model.translate(source)
    check_known(result, source)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.translate(source), result)

    model.export(tmp_path / "saved_model")
    served = tf.saved_model.load(str(tmp_path / "saved_model" / "1")).signatures["serving_default"]
    (answer,) = served(source=tf.constant(source)).values()
    check_known(answer, source)
    np.testing.assert_allclose(answer, result, atol=1e-6)


def test_holes_are_filled_better_by_training():
    """Images of one colour each: the known pixels tell what belongs into the holes."""
    colours = np.random.default_rng(0).random((64, 1, 1, 3), "float32")
    images = colours.repeat(16, axis=1).repeat(16, axis=2)
    model = small_model(adversarial_weight=0.0)
    model.compile(generator_optimizer=keras.optimizers.Adam(3e-3))
    test = data.pairs(images, "masked", batch_size=64, shuffle=False)
    ((source, target),) = test.as_numpy_iterator()
    hole = source[..., 3] == 0
    before = np.abs(source[..., :3] - target)[hole].mean()
    model.fit(data.pairs(images, "masked", batch_size=16), epochs=15, verbose=0)
    result = model.translate(source)
    check_known(result, source)
    assert np.abs(result - target)[hole].mean() < 0.5 * before


def test_noise_changes_holes_alone():
    model = small_model(latent_dim=4)
    _, source = masked_images()
    one, two = (model.translate(source, seed=seed) for seed in (1, 2))
    check_known(one, source)
    assert (one != two).any()


@pytest.mark.parametrize(
    "generator, message",
    [
        (networks.unet_generator((16, 16, 3), 3, filters=(4, 4)), r"one more.*None, 3\), .*3\)\]"),
        (keras.layers.Conv2D(3, 3), "functional Keras model.*Received: <Conv2D"),
        (None, "functional Keras model.*Received: None"),
    ],
)
def test_errors(generator, message):
    with pytest.raises(ValueError, match=message):
        networks.keep_known(generator)
