"""`fit` and `evaluate` of any number of fields, and what they refuse before training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo.fields import Labels, Vectors


class Sums(genzoo.GenerativeModel):
    """Has three fields and notes what a step receives."""

    log_names = ("loss",)

    def __init__(self):
        super().__init__(Vectors((2,), "left"), Vectors((3,), "right"), Labels(4))
        self.network = keras.layers.Dense(1)
        self.network.build((None, 2))

    def default_optimizers(self):
        return {"optimizer": keras.optimizers.SGD(0.1)}

    def train_step(self, data):
        return self.test_step(data)

    def test_step(self, data):
        left, right, labels = self.unpack(data)
        total = tf.reduce_sum(left) + 10 * tf.reduce_sum(right)
        return self.log(loss=total + 100 * tf.cast(tf.reduce_sum(labels), tf.float32))


LEFT = np.ones((8, 2), "float32")
RIGHT = np.ones((8, 3), "float32")
LABELS = np.array([0, 1, 2, 3] * 2)
TOTAL = 16 + 10 * 24 + 100 * 12.0


def batches(*parts):
    return tf.data.Dataset.from_tensor_slices(parts).batch(8)


@pytest.fixture
def sums():
    model = Sums()
    model.compile()
    return model


@pytest.mark.parametrize(
    "arguments",
    [
        ((LEFT, RIGHT, LABELS),),
        (LEFT, (RIGHT, LABELS)),
        (batches(LEFT, RIGHT, LABELS),),
        (batches(LEFT, (RIGHT, LABELS)),),
    ],
    ids=["a tuple", "x and a tuple", "a data set", "a nested data set"],
)
def test_three_fields_arrive(sums, arguments):
    validation = arguments if len(arguments) == 2 else arguments[0]
    history = sums.fit(*arguments, verbose=0, **size(arguments))
    assert history.history["loss"] == [TOTAL]
    history = sums.fit(*arguments, validation_data=validation, verbose=0, **size(arguments))
    assert history.history["val_loss"] == [TOTAL]
    assert sums.evaluate(*arguments, verbose=0, **size(arguments)) == TOTAL


def size(arguments):
    return {} if isinstance(arguments[0], tf.data.Dataset) else {"batch_size": 8}


@pytest.mark.parametrize(
    "x, y, message",
    [
        ((LEFT, RIGHT), None, r"`labels of x` must hold the labels"),
        ((LEFT, RIGHT[:4], LABELS), None, "`right of x` must hold as many examples"),
        ((LEFT, RIGHT, LABELS, LABELS), None, r"must hold \(left, right, labels\)"),
        (LEFT, None, "`right of x` is missing: the model needs its right"),
        (batches(LEFT, RIGHT), None, r"`labels of x` must hold the labels"),
        (batches(LEFT, RIGHT, LABELS), LABELS, "`y` must be omitted if `x` is a data set"),
    ],
)
def test_what_does_not_fit_is_refused(sums, x, y, message):
    with pytest.raises(ValueError, match=message):
        sums.fit(x, y, batch_size=8 if isinstance(x, tuple) else None)
    if y is None:
        with pytest.raises(ValueError, match=message.replace("of x", "of validation_data")):
            sums.fit((LEFT, RIGHT, LABELS), batch_size=8, validation_data=x)


def test_validation_data_are_arrays_or_a_data_set():
    model = genzoo.Autoencoder((2,))
    model.compile()
    with pytest.raises(ValueError, match="`validation_data` must be arrays or one data set"):
        model.fit(LEFT, batch_size=8, validation_data=(batches(LEFT), LABELS))


def test_pydatasets_that_are_iterators_or_endless():
    class Endless(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return (LEFT,)

        def __next__(self):  # as Keras's image generators have it
            raise AssertionError

        def __iter__(self):
            return self

    model = genzoo.Autoencoder((2,), 2, (4,))
    model.compile()
    history = model.fit(Endless(), steps_per_epoch=3, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_evaluate_returns_floats():
    model = Sums()
    model.compile()
    results = model.evaluate(batches(LEFT, RIGHT, LABELS), verbose=0, return_dict=True)
    assert {name: type(value) for name, value in results.items()} == {"loss": float}
    several = model.evaluate(batches(LEFT, RIGHT, LABELS), verbose=0)
    assert {type(value) for value in tf.nest.flatten(several)} == {float}
