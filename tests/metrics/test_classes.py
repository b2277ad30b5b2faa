"""Tests of the metrics of a classifier against values computed by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import data, metrics
from keras_genzoo.metrics import ClassBalance, FrechetDistance, InceptionScore, features


def probabilities(x):
    """A classifier whose inputs are its probabilities. Rows of zeros become uniform."""
    return tf.where(tf.reduce_all(x == 0, axis=-1, keepdims=True), 0.25, x)


ROWS = np.random.default_rng(0).dirichlet(np.ones(4), size=60).astype("float32")


def run(metric, rows, batch=None):
    batch = batch or len(rows)
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        metric.update_state(part, part)
    return metric.result()


@pytest.mark.parametrize("batch", [None, 7])
def test_inception_score(batch):
    p = ROWS.astype("float64")
    divergences = np.sum(p * np.log(p / p.mean(axis=0)), axis=1)
    score = run(InceptionScore(probabilities), ROWS, batch)
    assert float(score) == pytest.approx(np.exp(divergences.mean()), rel=1e-6)


def test_inception_score_of_extremes():
    certain = np.eye(4, dtype="float32")
    assert float(run(InceptionScore(probabilities), certain)) == pytest.approx(4)
    assert float(run(InceptionScore(probabilities), certain[[0, 0]])) == pytest.approx(1)


@pytest.mark.parametrize("batch", [None, 3])
def test_class_balance(batch):
    rows = np.eye(4, dtype="float32")[[0, 0, 1, 1, 1, 3, 3, 3]]
    result = {k: float(v) for k, v in run(ClassBalance(probabilities), rows, batch).items()}
    shares = np.array([2, 3, 3]) / 8
    assert result == pytest.approx(
        {
            "class_entropy": -np.sum(shares * np.log2(shares)),
            "missing_classes": 1,
            "class_share_0": 0.25,
            "class_share_1": 0.375,
            "class_share_2": 0,
            "class_share_3": 0.375,
        }
    )


@pytest.mark.parametrize("name", ["InceptionScore", "ClassBalance"])
def test_outputs_that_are_not_probabilities_raise(name):
    metric = getattr(metrics, name)
    logits = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    match = r"`classifier` must map data \(None, 4\) to probabilities, which add up to 1. Received"
    with pytest.raises(ValueError, match=match):
        metric(logits).build((None, 4))
    # The zeros do not reveal these: the first has a wrong sum, the second a negative value.
    for wrong in (2 * ROWS, ROWS + np.float32([1, -1, 0, 0])):
        match = r"`classifier` of \w+ must return probabilities.* for 60 of 60 examples"
        with pytest.raises(ValueError, match=match):
            run(metric(probabilities), wrong)


@pytest.mark.parametrize("name", ["InceptionScore", "ClassBalance"])
def test_bad_input(name):
    metric = getattr(metrics, name)
    for wrong in (None, "classifier"):
        with pytest.raises(ValueError, match=r"`classifier` must be.*Received: classifier="):
            metric(wrong)
    with pytest.raises(ValueError, match="has received no data"):
        metric(probabilities).result()
    with pytest.raises(
        ValueError, match=r"needs at least 1 real and 1 generated example\. Received: 0"
    ):
        without_data = metric(probabilities)
        without_data.update_state(ROWS, ROWS[:0])
        without_data.result()
    with pytest.raises(ValueError, match="NaN or infinite"):
        run(metric(probabilities), np.full_like(ROWS, np.nan))


def test_two_replicas(two_replicas):
    with two_replicas.scope():
        metrics = [InceptionScore(probabilities), ClassBalance(probabilities)]
        for metric in metrics:
            metric.build((None, 4))
    batches = tf.data.Dataset.from_tensor_slices(ROWS[:50]).batch(20)
    for metric in metrics:
        update = tf.function(lambda x, m=metric: two_replicas.run(m.update_state, args=(x, x)))
        for x in two_replicas.experimental_distribute_dataset(batches):
            update(x)
        values, expected = metric.result(), run(type(metric)(probabilities), ROWS[:50])
        if isinstance(values, dict):
            values, expected = [*values.values()], [*expected.values()]
        np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_train_classifier(tmp_path, test_digits):
    path = tmp_path / "classifier.keras"
    keras.utils.set_random_seed(0)
    classifier = features.train_classifier(data.load("digits"), path, epochs=8, verbose=0)
    images, labels = test_digits[0].astype("float32") / 255, test_digits[1]
    predictions = classifier.predict(images, verbose=0)
    assert np.mean(predictions.argmax(axis=1) == labels) > 0.93
    # An existing file must match the data set, and can be loaded without one.
    with pytest.raises(ValueError, match=r"`path` must hold a classifier of data \(4, 4, 1\)"):
        other = tf.data.Dataset.from_tensors((np.zeros((2, 4, 4, 1)), np.array([0, 9])))
        features.train_classifier(other, path)
    again = features.train_classifier(None, path)
    np.testing.assert_array_equal(again.predict(images, verbose=0), predictions)
    codes = features.penultimate(classifier)(images).numpy()
    assert codes.shape == (len(images), 64)
    kernel, bias = classifier.layers[-1].get_weights()
    logits = codes @ kernel + bias
    np.testing.assert_allclose(keras.ops.softmax(logits), predictions, rtol=1e-3, atol=1e-5)

    balance = ClassBalance(classifier)
    balance.update_state(images, images)
    counts = np.bincount(predictions.argmax(axis=1), minlength=10) / len(images)
    result = balance.result()
    assert [float(result[f"class_share_{i}"]) for i in range(10)] == pytest.approx(counts)


def test_invalid_arguments_of_feature_extractors(tmp_path):
    images, labels = np.zeros((8, 8, 8, 1), "uint8"), np.arange(8)

    def dataset(*parts):
        return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])

    for wrong in (
        images,
        dataset(images).batch(4),
        dataset(images, labels),  # no batches
        dataset(images, np.eye(8)).batch(4),  # one-hot
        dataset(images, labels.astype("float32")).batch(4),
        dataset(images.astype("int32"), labels).batch(4),
        dataset({"image": images, "label": labels}).batch(4),
    ):
        with pytest.raises(ValueError, match=r"`dataset` must be a tf.data.Dataset.*Received"):
            features.train_classifier(wrong)
    for wrong, received in (
        (dataset(255.0 * np.ones((8, 8, 8, 1), "float32"), labels), r"float32 in \[255, 255\]"),
        (dataset(images, labels - 1), "a label of -1"),
        (dataset(images[:0], labels[:0]), "an empty one"),
    ):
        with pytest.raises(ValueError, match=f"`dataset` must hold.*Received: {received}"):
            features.train_classifier(wrong.batch(4))
    for wrong in (None, keras.Sequential([keras.layers.Dense(3)])):
        with pytest.raises(ValueError, match=r"`classifier` must be a Keras model.*Received"):
            features.penultimate(wrong)
    for wrong in ((64, 64), None):
        with pytest.raises(ValueError, match=r"`image_shape` must be \(height, width, channels\)"):
            features.inception(wrong)
    with pytest.raises(
        ValueError, match=r"`path` must end in .keras. Received: path='.*classifier.h5'"
    ):
        features.train_classifier(dataset(images, labels).batch(4), tmp_path / "classifier.h5")


@pytest.mark.parametrize("place", ["/proc", "a_file"])
def test_a_classifier_that_cannot_be_saved_is_not_trained(place, tmp_path, monkeypatch):
    (tmp_path / "a_file").touch()
    monkeypatch.setattr(keras.Sequential, "fit", None)
    images, labels = np.zeros((8, 8, 8, 1), "uint8"), np.arange(8)
    dataset = tf.data.Dataset.from_tensors((images, labels))
    with pytest.raises(ValueError, match=r"`path` must be where files can be written.*Received: "):
        features.train_classifier(dataset, tmp_path / place / "c.keras")
    with pytest.raises(ValueError, match=r"`path` must not be a directory. Received: "):
        (tmp_path / "d.keras").mkdir()
        features.train_classifier(dataset, tmp_path / "d.keras")


def test_a_trained_classifier_survives_a_full_disk(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", fail)
    images, labels = np.zeros((8, 8, 8, 1), "uint8"), np.arange(8)
    dataset = tf.data.Dataset.from_tensors((images, labels))
    with pytest.warns(UserWarning, match=r"c\.keras could not be written: .*No space"):
        model = features.train_classifier(dataset, tmp_path / "c.keras", epochs=1, verbose=0)
    assert model.output_shape == (None, 8)
    assert [*tmp_path.iterdir()] == []


def test_inception():
    network = features.inception((28, 28, 1), resize=True, weights=None)
    x = np.random.default_rng(0).random((2, 28, 28, 1)).astype("float32")
    assert network(x).shape == (2, 2048)
    assert not network.trainable_variables
    for shape, match in (((28, 28, 1), "unless `resize=True`"), ((99, 99, 2), "channels")):
        with pytest.raises(ValueError, match=match):
            features.inception(shape, weights=None)
    with pytest.raises(ValueError, match="`feature_extractor` must map"):
        FrechetDistance(network).update_state(np.zeros((2, 8, 8, 1)), np.zeros((2, 8, 8, 1)))
