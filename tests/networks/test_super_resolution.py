"""Networks that make images larger, and VGG19's features."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import layers, networks

RNG = np.random.default_rng(0)
GENERATORS = {
    "ESPCN": lambda scale, **options: networks.espcn_generator(
        (8, 8, 3), scale, filters=(8, 4), **options
    ),
    "EDSR": lambda scale, **options: networks.edsr_generator(
        (8, 8, 3), scale, filters=8, blocks=2, **options
    ),
}


@pytest.mark.parametrize("interpolation", [False, True])
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("name", GENERATORS)
def test_any_size_to_unit_range(name, scale, interpolation):
    network = GENERATORS[name](scale, interpolation=interpolation)
    for size in ((8, 8), (1, 5), (9, 13)):
        outputs = network(RNG.random((2, *size, 3)))
        assert outputs.shape == (2, scale * size[0], scale * size[1], 3)
        assert np.min(outputs) >= 0 and np.max(outputs) <= 1


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_icnr_starts_as_nearest_neighbour_upsampling(scale):
    """The sub-pixel convolution equals a convolution to one pixel, each repeated as a block."""
    images = RNG.random((2, 5, 6, 4)).astype("float32")
    initializer = networks.ICNR(scale, keras.initializers.GlorotUniform(seed=3))
    sub_pixel = keras.layers.Conv2D(scale**2 * 3, 3, padding="same", kernel_initializer=initializer)
    large = layers.DepthToSpace(scale)(sub_pixel(images))
    one = keras.layers.Conv2D(3, 3, padding="same")
    one.build(images.shape)
    one.kernel.assign(keras.initializers.GlorotUniform(seed=3)(one.kernel.shape))
    nearest = keras.layers.UpSampling2D(scale)(one(images))
    np.testing.assert_allclose(large, nearest, atol=1e-6)
    assert np.std(large) > 0.1


@pytest.mark.parametrize("name", GENERATORS)
def test_the_whole_network_starts_in_blocks(name):
    network = GENERATORS[name](4, interpolation=False)
    blocks = np.reshape(network(RNG.random((1, 6, 6, 3))), (6, 4, 6, 4, 3))
    assert np.ptp(blocks, axis=(1, 3)).max() < 1e-6 < np.std(blocks)


@pytest.mark.parametrize("name", GENERATORS)
def test_interpolation_is_near_the_start(name):
    images = RNG.random((1, 6, 6, 3)).astype("float32")
    bicubic = np.clip(layers.BicubicUpsampling(2)(images), 0, 1)
    assert np.abs(GENERATORS[name](2)(images) - bicubic).mean() < 0.05


def test_residual_scaling_scales_the_residuals():
    """With a scaling of 1/2, twice the last kernel of each block gives the same network."""
    whole, half = (
        networks.edsr_generator((8, 8, 1), 2, filters=4, blocks=2, residual_scaling=factor)
        for factor in (1.0, 0.5)
    )
    half.set_weights(whole.get_weights())
    images = RNG.random((2, 6, 6, 1))
    assert np.abs(whole(images) - half(images)).max() > 1e-6
    convolutions = [layer for layer in half.layers if isinstance(layer, keras.layers.Conv2D)]
    for layer in convolutions[2:6:2]:
        layer.kernel.assign(2 * layer.kernel)
    np.testing.assert_allclose(whole(images), half(images), atol=1e-6)


def test_no_normalization():
    network = networks.edsr_generator((8, 8, 3), 4)
    kinds = {type(layer).__name__ for layer in network.layers}
    assert not any("Normalization" in kind for kind in kinds)
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 2 * 16 + 3 and convolutions[-1].filters == 48


@pytest.mark.parametrize("side, stages", [(4, 1), (8, 2), (16, 3), (96, 4)])
def test_discriminator(side, stages):
    critic = networks.srgan_discriminator((side, side + 1, 3))
    assert critic(RNG.random((2, side, side + 1, 3))).shape == (2, 1)
    assert critic(RNG.random((2, side + 3, side, 3))).shape == (2, 1)
    convolutions = [layer for layer in critic.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.strides[0] for layer in convolutions] == [1, 2] * stages
    assert [layer.filters for layer in convolutions[::2]] == [64, 128, 256, 512][:stages]


def test_vgg_features_are_those_of_keras_preprocessing():
    images = RNG.random((2, 40, 33, 3)).astype("float32")
    network = networks.vgg19_features("block2_conv2", weights=None)
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    vgg = keras.Model(vgg.input, vgg.get_layer("block2_conv2").output)
    vgg.set_weights(network.get_weights())
    expected = vgg(keras.applications.vgg19.preprocess_input(255 * images))
    np.testing.assert_allclose(network(images), expected, rtol=1e-4, atol=1e-3)
    assert np.std(expected) > 1


def test_vgg_features_of_grey_images():
    grey = RNG.random((1, 32, 32, 1)).astype("float32")
    network = networks.vgg19_features("block1_conv2", weights=None, channels=1)
    colour = networks.vgg19_features("block1_conv2", weights=None)
    colour.set_weights(network.get_weights())
    np.testing.assert_allclose(network(grey), colour(np.repeat(grey, 3, -1)), rtol=1e-5, atol=1e-4)


def test_vgg_default_layer_is_the_papers():
    network = networks.vgg19_features(weights=None)
    assert network.compute_output_shape((1, 96, 96, 3)) == (1, 6, 6, 512)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: networks.vgg19_features("conv9", None), "`layer` must be one of"),
        (lambda: networks.vgg19_features(weights=None, channels=2), "`channels` must be 1 or 3"),
        (lambda: networks.edsr_generator((8, 8, 3), 2, blocks=0), "`blocks` must be"),
        (
            lambda: networks.edsr_generator((8, 8, 3), 2, residual_scaling=0.0),
            "`residual_scaling` must lie in",
        ),
        (lambda: networks.espcn_generator((8, 8, 3), 2, filters=8), "`filters` must be"),
        (lambda: networks.srgan_discriminator((8, 8, 3), filters=(0,)), "`filters` must be"),
    ],
)
def test_bad_arguments(build, message):
    with pytest.raises(ValueError, match=message + r".*Received: "):
        build()


def test_gradients_reach_every_weight():
    for build in GENERATORS.values():
        network = build(2)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(network(RNG.random((2, 8, 8, 3))) ** 2)
        gradients = tape.gradient(loss, network.trainable_variables)
        assert all(gradient is not None and np.any(gradient) for gradient in gradients)
