"""Networks that turn images into images, and discriminators of patches."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import networks


@pytest.mark.parametrize("shape", [(32, 32, 3), (33, 50, 1), (7, 5, 4), (1, 1, 2)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
def test_unet_keeps_any_size(shape, channels, upsampling):
    network = networks.unet_generator(shape, channels, filters=(4, 8), upsampling=upsampling)
    for size in (shape[:2], (20, 9)):
        images = np.random.default_rng(0).random((2, *size, shape[-1]), "float32")
        result = network(images).numpy()
        assert result.shape == (2, *size, channels) and result.dtype == np.float32
        assert result.min() >= 0 and result.max() <= 1


@pytest.mark.parametrize("shape", [(32, 32, 3), (21, 34, 1)])
def test_resnet_keeps_any_size(shape):
    network = networks.resnet_generator(shape, 2, filters=4, blocks=1)
    for size in (shape[:2], (20, 9)):
        result = network(np.zeros((2, *size, shape[-1]), "float32")).numpy()
        assert result.shape == (2, *size, 2)
        assert result.min() >= 0 and result.max() <= 1


def test_the_papers_networks():
    """Parameters by hand: kernels and biases, and two numbers a channel for normalization."""
    assert networks.unet_filters((256, 256, 3)) == (64, 128, 256, 512, 512, 512, 512, 512)
    assert networks.unet_filters((64, 80, 3)) == (32, 64, 128, 256, 256)
    unet = networks.unet_generator((256, 256, 3), 3)
    widths = (64, 128, 256, 512, 512, 512, 512, 512)
    down = sum(16 * a * b for a, b in zip((3, *widths[:-1]), widths, strict=True))
    outputs = (512, 512, 512, 512, 256, 128, 64, 3)
    inputs = (512, *(2 * width for width in outputs[:-1]))
    up = sum(16 * a * b for a, b in zip(inputs, outputs, strict=True))
    biases = 64 + 512 + 3  # the first, the innermost and the last stage have no normalization
    gammas = 2 * (sum(widths[1:-1]) + sum(outputs[:-1]))
    trained = sum(np.prod(v.shape) for v in unet.trainable_variables)
    assert trained == down + up + biases + gammas

    resnet = networks.resnet_generator((256, 256, 3), 3)
    kernels = 49 * 3 * 64 + 9 * 64 * 128 + 9 * 128 * 256 + 9 * 2 * 9 * 256 * 256
    kernels += 16 * 256 * 128 + 16 * 128 * 64 + 49 * 64 * 3
    assert sum(np.prod(v.shape) for v in resnet.trainable_variables) == kernels + 3


@pytest.mark.parametrize(
    "filters, field", [((64, 128, 256, 512), 70), ((8, 16, 32), 34), ((8, 16), 16)]
)
def test_a_patch_is_as_large_as_the_paper_says(filters, field):
    """The pixels that a score depends on, by its gradient."""
    network = networks.patch_discriminator(
        (160, 160, 1), filters=[min(f, 16) for f in filters], normalization=None
    )
    images = tf.Variable(tf.random.stateless_uniform((1, 160, 160, 1), (1, 2)))
    with tf.GradientTape() as tape:
        scores = network(images)
        row, column = scores.shape[1] // 2, scores.shape[2] // 2
        score = scores[0, row, column, 0]
    gradient = tape.gradient(score, images).numpy()[0, :, :, 0]
    for axis in (0, 1):
        seen = np.flatnonzero(np.abs(gradient).max(axis=axis))
        assert seen[-1] - seen[0] + 1 == field
    default = networks.patch_discriminator((256, 256, 3), 3)
    assert default.compute_output_shape([(None, 256, 256, 3)] * 2) == (None, 30, 30, 1)


def test_normalization_of_instances_is_that_of_each_image():
    x = np.random.default_rng(0).normal(size=(3, 5, 6, 2)).astype("float32")
    inputs = keras.Input((None, None, 2))
    from keras_genzoo.networks.translation import normalize

    network = keras.Model(inputs, normalize(inputs, "instance"))
    assert not network.weights
    mean, variance = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(network(x), (x - mean) / np.sqrt(variance + 1e-5), atol=1e-5)


def test_dropout_is_of_training_alone():
    network = networks.unet_generator((16, 16, 1), 1, filters=(4, 8, 8), normalization=None)
    x = np.random.default_rng(0).random((2, 16, 16, 1), "float32")
    np.testing.assert_array_equal(network(x), network(x))
    assert np.abs(network(x, training=True) - network(x, training=True)).max() > 0


def test_noise_reaches_the_result():
    network = networks.unet_generator((16, 16, 1), 1, filters=(4, 8, 8), latent_dim=3)
    x, z = np.zeros((1, 16, 16, 1), "float32"), np.eye(3, dtype="float32")
    results = [network([x, z[i : i + 1]]).numpy() for i in range(3)]
    assert np.abs(results[0] - results[1]).max() > 0


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"`normalization` must be one of .*'layer'"):
        networks.unet_generator((16, 16, 1), 1, normalization="layer")
    with pytest.raises(ValueError, match="`upsampling` must be one of"):
        networks.unet_generator((16, 16, 1), 1, upsampling="bilinear")
    with pytest.raises(ValueError, match="`filters` must be a sequence of positive integers"):
        networks.patch_discriminator((16, 16, 1), filters=(0, 2))
