"""Sources made from targets, against SciPy, Pillow and numbers worked out by hand."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from PIL import Image

from keras_genzoo.data import sources


@pytest.fixture
def photo():
    """An image (20, 30, 3) with structure on several scales."""
    random = np.random.default_rng(0)
    coarse = random.random((5, 6, 3)).repeat(4, axis=0).repeat(5, axis=1)
    return (0.8 * coarse + 0.2 * random.random((20, 30, 3))).astype("float32")


def luma(image):
    return image @ np.array([0.2989, 0.5870, 0.1140])


def test_edges_are_the_magnitude_of_sobels_gradient(photo):
    gradients = [scipy.ndimage.sobel(luma(photo), axis, mode="mirror") for axis in (0, 1)]
    expected = np.minimum(np.hypot(*gradients) / 4, 1)
    assert expected.max() > 0.4
    result = sources.edges()(photo)
    assert result.shape == (20, 30, 1)
    np.testing.assert_allclose(result[..., 0], expected, atol=1e-5)
    np.testing.assert_allclose(sources.edges(inverted=True)(photo)[..., 0], 1 - expected, atol=1e-5)
    lines = sources.edges(threshold=0.3)(photo)[..., 0]
    far = np.abs(expected - 0.3) > 1e-5
    np.testing.assert_array_equal(lines[far], (expected >= 0.3)[far])


def test_an_edge_between_black_and_white_is_one():
    image = np.zeros((6, 6, 1), "uint8")
    image[:, 3:] = 255
    np.testing.assert_allclose(sources.edges()(image)[2, :, 0], [0, 0, 1, 1, 0, 0], atol=1e-6)


def test_gray_is_the_brightness(photo):
    np.testing.assert_allclose(sources.gray()(photo)[..., 0], luma(photo), atol=1e-4)
    one_channel = photo[..., :1]
    np.testing.assert_array_equal(sources.gray()(one_channel), one_channel)


def test_uint8_means_0_to_255():
    image = np.full((4, 4, 1), 51, "uint8")
    np.testing.assert_allclose(sources.gray()(image), 0.2, atol=1e-7)


@pytest.mark.parametrize("scale", [2, 5])
def test_low_resolution_is_that_of_pillow(photo, scale):
    channels = [Image.fromarray(photo[..., i]) for i in range(3)]
    size = (30 // scale, 20 // scale)
    expected = np.stack([np.array(c.resize(size, Image.BICUBIC)) for c in channels], axis=-1)
    result = sources.low_resolution(scale)(photo)
    np.testing.assert_allclose(result, expected.clip(0, 1), atol=1e-5)
    enlarged = [
        Image.fromarray(c).resize((30, 20), Image.BICUBIC) for c in result.transpose(2, 0, 1)
    ]
    result = sources.low_resolution(scale, enlarged=True)(photo)
    assert result.shape == photo.shape
    # Pillow and TensorFlow differ in the pixels next to the border, which they extrapolate.
    inside = np.s_[2 * scale : -2 * scale, 2 * scale : -2 * scale]
    np.testing.assert_allclose(
        result[inside], np.stack(enlarged, axis=-1).clip(0, 1)[inside], atol=1e-4
    )


@pytest.mark.parametrize("sigma", [0.5, 1.5, 6.0])
def test_blur_is_that_of_scipy(photo, sigma):
    def gaussian(image):
        return scipy.ndimage.gaussian_filter(
            image.astype("float64"), (sigma, sigma, 0), mode="constant", radius=round(4 * sigma)
        )

    expected = gaussian(photo) / gaussian(np.ones_like(photo))
    np.testing.assert_allclose(sources.blurred(sigma)(photo), expected, atol=1e-5)


def test_noise_has_its_deviation_and_stays_in_range():
    image = np.full((200, 200, 1), 0.5, "float32")
    noise = sources.noisy(0.1)(image, seed=3) - 0.5
    assert abs(noise.mean()) < 0.002 and abs(noise.std() - 0.1) < 0.002
    assert (sources.noisy(0.1)(image, seed=4) - 0.5 != noise).any()
    result = sources.noisy(1.0)(image)
    assert result.min() == 0 and result.max() == 1


def masks(count, shape=(32, 48), **options):
    source, image = sources.masked(**options), np.ones((*shape, 3), "float32")
    seeds = tf.data.Dataset.from_tensor_slices([(0, i) for i in range(count)])
    return next(iter(seeds.map(lambda s: source.apply(image, s)[..., 3]).batch(count))).numpy()


@pytest.mark.parametrize("holes", ["any", "rectangles", "strokes"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_masked_keeps_known_pixels_and_fills_holes(photo, holes, dtype):
    image = (255 * photo).astype("uint8") if dtype == "uint8" else photo
    known_values = image / np.float32(255) if dtype == "uint8" else image
    result = sources.masked(holes, fill=0.25)(image, seed=1)
    assert result.shape == (20, 30, 4)
    known = result[..., 3] == 1
    assert 0 < known.mean() < 1 and (result[..., 3][~known] == 0).all()
    np.testing.assert_array_equal(result[known, :3], known_values[known])
    assert (result[~known, :3] == 0.25).all()


@pytest.mark.parametrize("holes", ["any", "rectangles", "strokes"])
@pytest.mark.parametrize("shape", [(8, 8), (32, 48), (50, 9)])
def test_every_image_has_a_hole_and_known_pixels(holes, shape):
    missing = 1 - masks(100, shape, holes=holes).mean(axis=(1, 2))
    assert missing.min() > 0 and missing.max() < 1
    assert 0.03 < missing.mean() < 0.5


def test_rectangles_are_of_one_eighth_to_one_half():
    heights, widths = [], []
    for mask in masks(300, holes="rectangles", max_holes=1):
        rows, columns = (np.flatnonzero((mask == 0).any(axis=axis)) for axis in (1, 0))
        heights.append(rows[-1] - rows[0] + 1)
        widths.append(columns[-1] - columns[0] + 1)
        assert (mask == 0).sum() == heights[-1] * widths[-1]  # it is a full rectangle
    assert min(heights) == 4 and max(heights) == 16  # of 32
    assert min(widths) == 6 and max(widths) == 24  # of 48
    inside = 1 - masks(1000, holes="rectangles", max_holes=1).min(axis=0)
    assert inside[0].any() and inside[-1].any()  # up to the borders
    assert inside[:, 0].any() and inside[:, -1].any()


def test_strokes_are_as_wide_as_their_brush():
    """Erosion by half of the smallest width leaves something, by half of the largest nothing."""
    for mask in masks(30, (128, 128), holes="strokes", max_holes=1):
        distance = scipy.ndimage.distance_transform_edt(np.pad(mask == 0, 1, mode="edge"))
        assert 128 / 32 - 1 < distance.max() < 128 / 16 + 4  # more in a bend of the line


def test_any_draws_both_kinds():
    kinds = []
    for mask in masks(40, holes="any", max_holes=1):
        rows, columns = (np.flatnonzero((mask == 0).any(axis=axis)) for axis in (1, 0))
        box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        kinds.append((mask == 0).sum() == box)
    assert 5 < sum(kinds) < 35


def test_names_and_functions():
    for name, make in sources.NAMED.items():
        assert sources.get(name).random == make().random
    image = np.full((2, 2, 1), 51, "uint8")
    np.testing.assert_allclose(sources.get(lambda x: 1 - x)(image), 0.8, atol=1e-7)
    flip = sources.Source(tf.image.stateless_random_flip_left_right, random=True)
    row = np.array([[[0.0], [1.0]]])
    assert {tuple(flip(row, seed=seed).ravel()) for seed in range(10)} == {(0, 1), (1, 0)}


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: sources.get("edge"), "`source` must be one of.*'edges'.*Received: source='edge'"),
        (lambda: sources.get(sources.edges), "`source` must be one of.*what such a function"),
        (lambda: sources.edges(threshold=1.0), "`threshold`.*Received: threshold=1.0"),
        (lambda: sources.masked("round"), "`holes`.*'strokes'.*Received: holes='round'"),
        (lambda: sources.masked(max_holes=0), "`max_holes`.*Received: max_holes=0"),
        (lambda: sources.masked(fill=2), "`fill`.*Received: fill=2"),
        (lambda: sources.low_resolution(0), "`scale`.*Received: scale=0"),
        (
            lambda: sources.low_resolution(3)(np.zeros((8, 9, 1))),
            "`scale` must divide.*Received: scale=3 and images of 8 × 9 pixels",
        ),
        (lambda: sources.noisy(0), "`stddev`.*Received: stddev=0"),
        (lambda: sources.blurred(-1), "`sigma`.*Received: sigma=-1"),
        (lambda: sources.gray()(np.zeros((8, 8, 4))), "three channels.*Received.*4 channels"),
        (lambda: sources.noisy()(np.zeros((8, 8, 4)), seed=-1), "`seed`.*Received: seed=-1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
