"""Large images, a tile at a time."""

import keras
import numpy as np
import pytest

from keras_genzoo import networks
from keras_genzoo.core.tiling import Tiling

RANDOM = np.random.default_rng(0)


def network(multiple=1, scale=1, layers=2):
    """Convolutions of three pixels with a margin of `layers`."""
    inputs = keras.Input((None, None, 2))
    x = inputs
    for _ in range(layers):
        x = keras.layers.Conv2D(3, 3, padding="same", activation="relu")(x)
    x = keras.layers.Conv2D(3, 1)(x)
    return keras.Model(inputs, keras.layers.UpSampling2D(scale)(x) if scale > 1 else x)


def tiling_of(model, scale=1):
    return Tiling(lambda images: model(images).numpy(), model, model.input_shape[-1], scale)


@pytest.mark.parametrize("layers, scale", [(0, 1), (1, 1), (3, 1), (2, 2), (1, 3)])
def test_the_margin_is_that_of_the_convolutions(layers, scale):
    assert tiling_of(network(layers=layers, scale=scale), scale).margin == layers


@pytest.mark.parametrize("layers, scale", [(2, 1), (3, 2)])
@pytest.mark.parametrize("tile", [9, 16, 31, 200])
@pytest.mark.parametrize("overlap", [None, 8])
def test_tiles_equal_the_whole_image(layers, scale, tile, overlap):
    model = network(layers=layers, scale=scale)
    image = RANDOM.random((61, 40, 2), "float32")
    result = tiling_of(model, scale).apply(image, tile, overlap)
    np.testing.assert_allclose(result, model(image[None])[0], atol=1e-6)


def test_tiles_of_a_network_that_pads_begin_where_it_may():
    model = networks.unet_generator((32, 32, 2), 3, filters=(4, 8, 8))
    tiling = tiling_of(model)
    assert tiling.multiple == 8
    image = RANDOM.random((150, 99, 2), "float32")
    whole = model(image[None]).numpy()[0]
    result = tiling.apply(image, 2 * tiling.margin + 19)
    np.testing.assert_allclose(result, whole, atol=1e-6)
    # One pixel less than the margin is not enough.
    tiling.margin -= 8
    assert np.abs(tiling.apply(image, 2 * tiling.margin + 19) - whole).max() > 1e-6


@pytest.mark.parametrize("scale", [1, 4])
def test_each_pixel_comes_from_the_tile_where_it_lies_deepest(scale):
    tiling = tiling_of(network())
    tiling.margin, tiling.scale = 3, scale
    places = tiling._places(20, tile=12, overlap=8)
    assert [(start, end) for start, end, _ in places] == [(0, 12), (4, 16), (8, 20)]
    # Eight pixels lie in two tiles or three; the borders of the image are no edges.
    chosen = [start + np.flatnonzero(w)[[0, -1]] // scale for start, _, w in places]
    np.testing.assert_array_equal(chosen, [[0, 7], [8, 11], [12, 19]])
    for _, _, weights in places:
        assert set(weights) <= {0.0, 1.0}


def test_a_smaller_overlap_is_blended():
    """Each tile is constant, and differs from the next: the result must have no step."""
    tiling = tiling_of(network())
    tiling.margin = 10
    level = iter(range(100))
    tiling.function = lambda tile: np.full((*tile.shape[:3], 1), next(level), "float32")
    result = tiling.apply(np.zeros((16, 64, 2), "float32"), tile=16, overlap=8)
    # Seven tiles in a row, 8 pixels from one to the next, so 1/8 from pixel to pixel.
    np.testing.assert_allclose(np.diff(result[0, :, 0]).max(), 1 / 8, rtol=1e-5)
    assert result[0, 0, 0] == 0 and result[0, -1, 0] == 6
    np.testing.assert_array_equal(result, np.broadcast_to(result[:1], result.shape))


def test_no_tile_is_larger_than_asked_for():
    sizes = []
    tiling = tiling_of(network())
    function = tiling.function
    tiling.function = lambda tile: sizes.append(tile.shape[1:3]) or function(tile)
    tiling.apply(np.zeros((200, 150, 2), "float32"), tile=32)
    assert np.max(sizes) == 32 and len(sizes) > 30


def test_a_network_that_sees_the_whole_image_has_no_margin():
    inputs = keras.Input((None, None, 2))
    x = keras.layers.GroupNormalization(-1)(keras.layers.Conv2D(2, 3, padding="same")(inputs))
    tiling = tiling_of(keras.Model(inputs, x))
    assert tiling.margin is None
    with pytest.raises(ValueError, match=r"`overlap` must be given, .*whole image.*overlap=None"):
        tiling.apply(np.zeros((64, 64, 2), "float32"), 32)
    assert tiling.apply(np.zeros((64, 64, 2), "float32"), 32, 4).shape == (64, 64, 2)


@pytest.mark.parametrize(
    "tile, overlap, error",
    [
        (4, None, "`tile` must be at least 5 for an overlap of 4 .*margin of 2.*Received: tile=4"),
        (0, None, "`tile` must be a positive integer"),
        (16, -1, "`overlap` must be an integer of at least 0. Received: -1"),
        (16, 2.0, "`overlap` must be an integer of at least 0. Received: 2.0"),
        (16, 16, "`tile` must be at least 17 for an overlap of 16"),
    ],
)
def test_bad_arguments(tile, overlap, error):
    with pytest.raises(ValueError, match=error):
        tiling_of(network()).apply(np.zeros((64, 64, 2), "float32"), tile, overlap)
