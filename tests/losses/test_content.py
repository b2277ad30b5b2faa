"""Losses of content, against NumPy; networks of features inside saved models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import losses, networks

RNG = np.random.default_rng(0)
TARGET, FAKE = RNG.random((2, 5, 16, 16, 3)).astype("float32")


def features(channels=3):
    network = [keras.Input((None, None, channels)), keras.layers.Conv2D(4, 3, strides=2)]
    return keras.Sequential([*network, keras.layers.BatchNormalization()])


def test_pixels():
    expected = np.abs(TARGET - FAKE).mean((1, 2, 3))
    np.testing.assert_allclose(losses.l1(TARGET, FAKE), expected, rtol=1e-5)
    expected = ((TARGET - FAKE) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(losses.l2(TARGET, FAKE), expected, rtol=1e-5)
    assert losses.get_content("l1") is losses.l1 and losses.get_content(abs) is abs


def test_features_of_a_linear_network():
    """The features are differences of neighbours, worked out by slices."""
    kernel = np.zeros((1, 2, 3, 1), "float32")
    kernel[0, :, 0, 0] = -1, 1
    layer = keras.layers.Conv2D(1, (1, 2), use_bias=False)
    network = keras.Sequential([keras.Input((None, None, 3)), layer])
    layer.set_weights([kernel])
    loss = losses.FeatureLoss(network, weight=0.5, pixel_weight=2.0)
    first, second = (np.diff(x[..., 0], axis=2) for x in (TARGET, FAKE))
    expected = 0.5 * ((first - second) ** 2).mean((1, 2))
    expected += 2.0 * ((TARGET - FAKE) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(loss(TARGET, FAKE), expected, rtol=1e-5)


def test_the_network_of_features_is_not_trained():
    network = features()
    before = network.get_weights()
    loss = losses.FeatureLoss(network)
    model = genzoo.SuperResolution((8, 8, 3), 2, network=small_network(), content_loss=loss)
    model.compile(keras.optimizers.Adam(1e-2))
    start = model.network.get_weights()
    first, *_, last = model.fit(TARGET, batch_size=5, epochs=30, verbose=0).history["loss"]
    assert last < 0.9 * first
    for a, b in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(np.any(a != b) for a, b in zip(model.network.get_weights(), start, strict=True))


def small_network():
    return networks.espcn_generator((8, 8, 3), 2, filters=(4,))


def build(name, loss):
    """Builds a small model, without dropout, so that a copy trains alike."""
    if name == "SuperResolution":
        return genzoo.SuperResolution((8, 8, 3), 2, network=small_network(), content_loss=loss)
    if name == "SRGAN":
        critic = networks.srgan_discriminator((16, 16, 3), filters=(4, 8))
        parts = {"generator": small_network(), "discriminator": critic}
        return genzoo.SRGAN((8, 8, 3), 2, content_loss=loss, **parts)
    generator = networks.unet_generator((16, 16, 3), 3, filters=(4, 8), dropout=0.0)
    critic = networks.patch_discriminator((16, 16, 3), 3, filters=(4, 8))
    parts = {"generator": generator, "discriminator": critic}
    return genzoo.Pix2Pix((16, 16, 3), content_loss=loss, **parts)


@pytest.mark.parametrize("name", ["SuperResolution", "SRGAN", "Pix2Pix"])
def test_saved_with_their_weights(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = build(name, losses.FeatureLoss(features(), 0.7, pixel_weight=0.1))
    model.compile()
    data = (FAKE, TARGET) if name == "Pix2Pix" else (TARGET,)
    model.fit(*data, batch_size=5, verbose=0)
    model.save(tmp_path / "model.keras")
    keras.utils.set_random_seed(1)
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(copy.content_loss, losses.FeatureLoss)
    assert (copy.content_loss.weight, copy.content_loss.pixel_weight) == (0.7, 0.1)
    np.testing.assert_array_equal(copy.content_loss(TARGET, FAKE), model.content_loss(TARGET, FAKE))
    logs = model.evaluate(*data, verbose=0, return_dict=True)
    assert copy.evaluate(*data, verbose=0, return_dict=True) == pytest.approx(logs, rel=1e-6)
    histories = [
        m.fit(*data, batch_size=5, epochs=2, shuffle=False, verbose=0).history
        for m in (model, copy)
    ]
    for name in histories[0]:
        assert histories[0][name] == pytest.approx(histories[1][name], rel=1e-5)


def test_vgg_features_in_srgan():
    network = networks.vgg19_features("block2_conv2", weights=None)
    loss = losses.FeatureLoss(network, weight=1 / 12.75**2)
    model = build("SRGAN", loss)
    model.compile()
    logs = model.fit(TARGET, batch_size=5, verbose=0).history
    assert np.isfinite(logs["content_loss"]).all()
    gradient_reaches_pixels(loss)


def gradient_reaches_pixels(loss):
    fake = tf.constant(FAKE)
    with tf.GradientTape() as tape:
        tape.watch(fake)
        value = loss(TARGET, fake)
    assert np.abs(tape.gradient(value, fake)).max() > 0


def test_unfit_networks():
    with pytest.raises(ValueError, match=r"`content_loss` must map .*Received: "):
        build("SRGAN", losses.FeatureLoss(features(1)))
    grey = networks.vgg19_features(weights=None, channels=1)
    with pytest.raises(ValueError, match=r"`content_loss` must map .*Received: "):
        build("SuperResolution", losses.FeatureLoss(grey))
    with pytest.raises(ValueError, match=r"`content_loss` must be one of .*Received: "):
        losses.get_content("l3")
