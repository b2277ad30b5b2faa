"""SPADE's generator at any size and at its start, and the discriminator of several scales."""

import numpy as np
import pytest

from keras_genzoo import networks
from keras_genzoo.layers import SPADE, Conv2D, SpectralNormalization

RANDOM = np.random.default_rng(0)


def label_maps(height, width, count=2):
    return np.eye(3, dtype="float32")[RANDOM.integers(0, 3, (count, height, width))]


def small_generator(**options):
    return networks.spade_generator((16, 16, 3), 2, filters=(8, 4, 4), hidden_filters=4, **options)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (17, 30)])
@pytest.mark.parametrize("latent_dim", [None, 5])
def test_generator_of_any_size(size, latent_dim):
    network = small_generator(latent_dim=latent_dim)
    inputs = label_maps(*size)
    if latent_dim is not None:
        inputs = [inputs, RANDOM.normal(size=(2, latent_dim)).astype("float32")]
    images = np.asarray(network(inputs))
    assert images.shape == (2, *size, 2) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1


@pytest.mark.parametrize("side", [1, 4, 8, 16, 64, 128])
def test_default_filters_begin_with_few_pixels(side):
    filters = networks.spade_filters((side, 2 * side, 3))
    assert side // 2 ** (len(filters) - 1) <= 8
    assert list(filters) == sorted(filters, reverse=True)


def test_at_the_start_the_label_map_only_enters_the_first_block():
    """Zero γ and β: the pixels that the first block does not see change nothing."""
    inputs = label_maps(16, 16)
    changed = np.roll(inputs, 1, axis=-1)
    changed[:, 2::4, 2::4] = inputs[:, 2::4, 2::4]  # the middle of each square of 4 x 4 pixels
    network = small_generator()
    np.testing.assert_array_equal(network(inputs), network(changed))
    assert np.abs(network(inputs) - network(np.roll(inputs, 1, axis=-1))).max() > 1e-3
    network = small_generator(modulation_initializer="he_normal")
    assert np.abs(network(inputs) - network(changed)).max() > 1e-3


def test_an_image_does_not_depend_on_its_batch():
    network = small_generator(modulation_initializer="he_normal")
    inputs = label_maps(16, 16, 4)
    network(inputs, training=True)
    np.testing.assert_array_equal(network(inputs)[1:2], network(inputs[1:2]))


def test_blocks():
    """Two SPADE layers in each block, and one more where the number of filters changes."""
    network = small_generator()
    assert len([x for x in network.layers if isinstance(x, SPADE)]) == 3 * 2 + 1
    wrapped = [x for x in network.layers if isinstance(x, SpectralNormalization)]
    assert len(wrapped) == 3 * 2 + 1
    plain = small_generator(spectral_normalization=False, normalization="instance")
    assert not [x for x in plain.layers if isinstance(x, SpectralNormalization)]
    assert plain(label_maps(9, 9)).shape == (2, 9, 9, 2)


@pytest.mark.parametrize("condition", [None, 3])
def test_discriminator_of_two_scales(condition):
    network = networks.multiscale_discriminator((32, 32, 2), condition, filters=(4, 8))
    images = RANDOM.random((2, 32, 32, 2)).astype("float32")
    inputs = images if condition is None else [label_maps(32, 32), images]
    outputs = network(inputs)
    shapes = [[tuple(x.shape[1:]) for x in scale] for scale in outputs]
    assert shapes == [
        [(16, 16, 4), (15, 15, 8), (14, 14, 1)],
        [(8, 8, 4), (7, 7, 8), (6, 6, 1)],
    ]
    # The second scale sees means over 3 x 3 pixels, of which those outside do not count.
    inputs = np.concatenate(inputs, axis=-1) if condition else inputs
    padded = np.pad(inputs, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
    reduced = np.nanmean(windows, axis=(-2, -1))
    if condition:
        reduced = [reduced[..., :3], reduced[..., 3:]]
    scores = network.get_layer("scale_1")(reduced)[-1]
    np.testing.assert_allclose(scores, outputs[1][-1], atol=1e-5)


def test_options_of_the_discriminator():
    def scales(shape, **options):
        return networks.multiscale_discriminator(shape, **options).outputs

    assert len(scales((8, 8, 1))) == 3 and len(scales((16, 16, 1))) == 6
    assert len(scales((64, 64, 1), scales=3)) == 12
    with pytest.raises(ValueError, match="`scales` must be a positive integer"):
        scales((8, 8, 1), scales=0)
    network = networks.multiscale_discriminator((16, 16, 1), spectral_normalization=False)
    kinds = {type(x) for part in network.layers if hasattr(part, "layers") for x in part.layers}
    assert Conv2D in kinds and SpectralNormalization not in kinds
