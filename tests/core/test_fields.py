"""Fields: what they refuse, what a step gets, and what a served graph asserts."""

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo.core.fields import Images, Labels, Scalar, Vectors, data_field

IMAGES = np.random.default_rng(0).random((4, 6, 5, 3)).astype("float32")
POINTS = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")


def test_images_are_scaled_only_from_uint8():
    field = Images((6, 5, 3))
    np.testing.assert_array_equal(field.convert(IMAGES), IMAGES)
    bytes_ = np.array([[[[0, 128, 255]] * 5] * 6], "uint8")
    converted = field.convert(bytes_)
    assert converted.dtype == tf.float32
    np.testing.assert_allclose(converted[0, 0, 0], [0, 128 / 255, 1], rtol=1e-6)


def test_vectors_are_never_scaled():
    integers = np.array([[0, 255]])
    np.testing.assert_array_equal(Vectors((2,)).convert(integers), [[0.0, 255.0]])


@pytest.mark.parametrize(
    "field, values, message",
    [
        (Images((6, 5, 3)), 2 * IMAGES, r"`y` must be floats in \[0, 1\]"),
        (Images((6, 5, 1)), IMAGES, r"must have the shape \('batch', 6, 5, 1\)"),
        (Images((6, 5, 3)), IMAGES[0], "add a batch axis"),
        (Images((6, 5, 3)), IMAGES[..., 0], "add a channel axis"),
        (Images((6, 5, 3), "target"), None, "`y` is missing: the model needs its target"),
        (Vectors((2,)), POINTS * np.inf, "`y` must be finite"),
        (Vectors((2,), bounded=True), POINTS, r"`y` must be floats in \[0, 1\]"),
        (Vectors((2,)), np.zeros((4, 2), "uint8"), "`y` must be floats. Received: dtype uint8"),
        (Vectors((2,)), POINTS[:3], "as many examples as the rest of the batch, 4. Received: 3"),
        (Labels(3), np.array([0, 1, 2, 3]), r"must lie in \[0, 3\)"),
        (Labels(3), np.array([0, 1, 2]), r"shape \(4,\)"),
        (Labels(None), POINTS, r"no use for a target. Received: float32 of shape \(4, 2\)"),
        (Labels(None), np.eye(4), r"must be omitted, or be integer labels of shape \(n,\)"),
        (Labels(None), np.zeros(4), r"must be omitted.*Received: float64 of shape \(4,\)"),
        (Labels(None), np.array([1, 2]), "must be omitted"),
    ],
)
def test_what_does_not_fit_is_one_clear_sentence(field, values, message):
    with pytest.raises(ValueError, match=message) as error:
        field.check(values, "y", 4)
    assert "\n" not in str(error.value) and "Received: " in str(error.value)


def test_noisy_images_may_leave_the_range():
    Images((6, 5, 3), bounded=False).check(IMAGES - 0.5, "x")


def test_absent_labels_are_ignored():
    field = Labels(None)
    field.check(np.array([0, 900, -1, 2]), "y", 4)
    field.check(np.array([[0], [9], [1], [3]]), "y", 4)  # as some of Keras's data sets have them
    field.check(None, "y", 4)
    assert field.absent and field.convert(np.array([1])) is None


@pytest.mark.parametrize(
    "field, good, bad",
    [
        (Images((1, 1, 1)), [[[[0.0]]], [[[1.0]]]], [[[[0.5]]], [[[1.01]]]]),
        (Images((1, 1, 1)), [[[[0.5]]]], [[[[np.nan]]]]),
        (Images((1, 1, 1), bounded=False), [[[[-9.0]]]], [[[[np.inf]]]]),
        (Vectors((1,)), [[5.0]], [[-np.inf]]),
        (Labels(3), [0, 2], [0, 3]),
        (Labels(3), [1], [-1]),
        (Scalar("temperature"), 2.0, np.nan),
    ],
)
def test_served_conditions(field, good, bad):
    def holds(values):
        tensor = tf.constant(values, field.dtype)
        assert field.spec().is_compatible_with(tensor)
        return all(bool(tf.reduce_all(ok)) for ok, _ in field.conditions(tensor))

    assert holds(good) and not holds(bad)
    (message,) = [message for _, message in field.conditions(tf.constant(bad, field.dtype))]
    assert f"`{field.name}`" in message


def test_the_field_of_a_shape():
    assert type(data_field((8, 8, 1))) is Images and data_field((8, 8, 1)).bounded
    assert type(data_field((2,))) is Vectors and not data_field((2,)).bounded
    assert data_field((2,), bounded=True).bounded
    with pytest.raises(ValueError, match="`data_shape` must be"):
        data_field((8, 8))


@pytest.mark.parametrize("form", ["arrays", "data set", "generator", "validation"])
def test_a_target_without_use_is_refused(form):
    model = genzoo.GAN((2,))
    model.compile()
    before = model.get_weights()
    batches = tf.data.Dataset.from_tensors((POINTS, POINTS))
    calls = {
        "arrays": lambda: model.fit(POINTS, POINTS, batch_size=4),
        "data set": lambda: model.fit(batches),
        "generator": lambda: model.fit(iter([(POINTS, POINTS)])),
        "validation": lambda: model.fit(POINTS, batch_size=4, validation_data=(POINTS, POINTS)),
    }
    with pytest.raises(ValueError, match="no use for a target"):
        calls[form]()
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "scale, offset, remedy",
    [
        (255, 0, r" \(divide it by 255\)\."),
        (16, 0, r" \(divide it by the highest value that it can have\)\."),
        (2, -1, r" \(`\(y \+ 1\) / 2`\)\."),
        (1.4, -0.2, r" \(`np.clip\(y, 0, 1\)`\)\."),
        (9, -4, "0 to 255. Received"),
    ],
)
def test_the_remedy_fits_the_range(scale, offset, remedy):
    values = scale * np.linspace(0, 1, 90, dtype="float32").reshape(1, 6, 5, 3) + offset
    with pytest.raises(ValueError, match=remedy):
        Images((6, 5, 3)).check(values, "y")


def test_rounding_is_tolerated_and_clipped():
    model = genzoo.Autoencoder((6, 5, 3), 2, (4,))
    values = IMAGES.copy()
    values[0, 0, 0] = 1.0000002, -0.00001, 0.5
    Images((6, 5, 3)).check(values, "y")
    (x, target) = model.unpack((values, values))
    np.testing.assert_array_equal(x[0, 0, 0], [1.0, 0.0, 0.5])
    np.testing.assert_array_equal(target, x)


def test_uint8_of_zeros_and_ones_is_black():
    with pytest.warns(UserWarning, match="`y` holds no uint8 above 1.*pass floats"):
        Images((6, 5, 3)).check(np.ones((4, 6, 5, 3), "uint8"), "y")


def test_masked_arrays_are_refused():
    with pytest.raises(ValueError, match=r"must not be a masked array.*`y.filled\(value\)`"):
        Vectors((2,)).check(np.ma.masked_invalid(POINTS * [1, np.nan]), "y")


def test_shapes_that_a_data_set_does_not_know():
    def unknown(x):
        return tf.numpy_function(lambda x: x, [x], tf.float32)

    known = genzoo.Autoencoder((6, 5, 3), 2, (4,))
    x, target = tf.function(lambda x: known.unpack((unknown(x), x)))(IMAGES)
    assert x.shape == target.shape == IMAGES.shape
    shapes = []
    tf.function(lambda x: shapes.extend(known.unpack(unknown(x))[:1]))(IMAGES)
    assert shapes[0].shape.as_list() == [None, 6, 5, 3]


def test_noisy_images_are_of_the_scale_of_images():
    """The noise of a denoiser's input leaves [0, 1], and an undivided image leaves it by far."""
    field = Images((6, 5, 3), bounded=False)
    field.check(IMAGES + np.random.default_rng(1).normal(0, 1, IMAGES.shape), "x")
    with pytest.raises(ValueError, match=r"with noise, or uint8 \(divide it by 255\)\. Rec"):
        field.check(255 * IMAGES, "x")


def test_a_data_frame_is_told_what_to_pass():
    class DataFrame:
        shape = (4, 2)

        def to_numpy(self):
            raise AssertionError

    with pytest.raises(ValueError, match=r"Received: DataFrame; pass `x\.to_numpy\(\)`$"):
        Vectors((2,)).check(DataFrame(), "x")
