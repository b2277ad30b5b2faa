"""Label maps: the forms that users pass, what is refused, and what a served graph asserts."""

import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.fields import LabelMaps

FIELD = LabelMaps((2, 3), 4)
MAPS = np.random.default_rng(0).integers(0, 4, (5, 2, 3))
ONE_HOT = np.eye(4, dtype="float32")[MAPS]
SOFT = 0.5 * ONE_HOT + 0.125


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
def test_classes_become_one_hot(dtype):
    for values in (MAPS.astype(dtype), MAPS.astype(dtype)[..., None], tf.constant(MAPS, dtype)):
        FIELD.check(values, "x", 5)
        converted = FIELD.convert(values)
        assert converted.dtype == tf.float32
        np.testing.assert_array_equal(converted, ONE_HOT)


@pytest.mark.parametrize("values", [ONE_HOT, SOFT, ONE_HOT == 1])
def test_one_hot_and_soft_maps_stay_as_they_are(values):
    FIELD.check(values, "x")
    np.testing.assert_array_equal(FIELD.convert(values), values.astype("float32"))
    assert FIELD.convert(values).dtype == tf.float32


@pytest.mark.parametrize(
    "values, message",
    [
        (MAPS + 1, r"classes in \[0, 4\). Received: classes from 1 to 4"),
        (MAPS - 1, r"a class of their own\). Received: classes from -1 to 2"),
        (np.where(MAPS == 3, 255, MAPS), "give pixels without a label a class of their own"),
        (
            ONE_HOT[..., :3],
            r"one-hot floats of the shape \(batch, 2, 3, 4\). .* shape \(5, 2, 3, 3\)",
        ),
        (MAPS[:, :, :2], r"integers of the shape \(batch, 2, 3\), or.*int64 of shape \(5, 2, 2\)"),
        (MAPS[0], r"int64 of shape \(2, 3\)"),
        (MAPS.astype("float32"), r"must be label maps: .*float32 of shape \(5, 2, 3\)"),
        (2 * ONE_HOT, r"`x` must be floats in \[0, 1\]"),
        (ONE_HOT.astype("uint8"), r"Received: uint8 of shape \(5, 2, 3, 4\)"),
        (ONE_HOT * np.nan, "`x` must be finite"),
        (ONE_HOT.astype("complex64"), "Received: dtype complex64"),
        (MAPS[:0], "at least one example"),
        (MAPS[:4], "as many examples as the rest of the batch, 5. Received: 4"),
        (None, "`x` is missing: the model needs its label_map"),
    ],
)
def test_what_does_not_fit_is_one_clear_sentence(values, message):
    with pytest.raises(ValueError, match=message) as error:
        FIELD.check(values, "x", 5)
    assert "\n" not in str(error.value) and "Received: " in str(error.value)


@pytest.mark.parametrize("classes", [1, 0, 2.5])
def test_the_number_of_classes_is_checked(classes):
    with pytest.raises(ValueError, match="Received"):
        LabelMaps((2, 3), classes)


@pytest.mark.parametrize(
    "values, holds",
    [
        (MAPS, True),
        (MAPS.astype("uint8") + 250, False),
        (MAPS - 1, False),
        (SOFT, True),
        (2 * SOFT, False),
        (SOFT * np.nan, False),
        (ONE_HOT == 1, True),
    ],
)
def test_conditions_of_a_graph(values, holds):
    conditions = [tf.reduce_all(c).numpy() for c, _ in FIELD.conditions(tf.constant(values))]
    assert all(conditions) == holds


def test_data_sets_of_unknown_sizes():
    forms = [(MAPS, 3 * (None,)), (ONE_HOT, 4 * (None,)), (MAPS[..., None], 4 * (None,))]
    for values, shape in [*forms, *((values, None) for values, _ in forms)]:
        step = tf.function(FIELD.convert, input_signature=[tf.TensorSpec(shape, values.dtype)])
        np.testing.assert_array_equal(step(values), ONE_HOT)
        FIELD.check_spec(tf.TensorSpec(shape, values.dtype), "x")
    with pytest.raises(ValueError, match=r"shape \(None, None, 7, 4\)"):
        FIELD.check_spec(tf.TensorSpec((None, None, 7, 4), tf.float32), "x")


def test_any_size():
    field = FIELD.of_any_size()
    assert field.shape == (None, None, 4) and FIELD.shape == (2, 3, 4)
    field.check(MAPS[:, :, :2], "x")
    np.testing.assert_array_equal(field.convert(MAPS[:, :, :2]), ONE_HOT[:, :, :2])
    with pytest.raises(ValueError, match=r"\(batch, height, width, 4\)"):
        field.check(ONE_HOT[..., :3], "x")
    assert field.spec() == tf.TensorSpec((None, None, None), tf.int32, "label_map")


def test_what_an_export_records():
    assert FIELD.describe() == {"name": "label_map", "shape": [2, 3], "num_classes": 4}
