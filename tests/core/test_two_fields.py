"""The base of a model of two fields; the contract has its distribution and resuming."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract.two_fields import SOURCE, Translator

import keras_genzoo as genzoo
from keras_genzoo.core.keras_internals import keras_is_at_least

RNG = np.random.default_rng(0)
X = RNG.random((48, *SOURCE)).astype("float32")
Y = np.concatenate([X, 1 - X], axis=-1)


@pytest.fixture
def model():
    model = Translator()
    model.compile()
    return model


def test_targets_arrive_in_every_form(model):
    """The discriminator's loss of targets is worked out from its scores of them."""
    expected = np.mean(0.5 * (model.score(Y, False) - 1) ** 2)
    fake = model.translate(X)
    expected += np.mean(0.5 * model.score(fake, False) ** 2)
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    for arguments in ((X, Y), (batches,)):
        logs = model.evaluate(*arguments, **OPTIONS)
        assert logs["discriminator_loss"] == pytest.approx(expected, rel=1e-4)
    bytes_ = model.evaluate(np.rint(255 * X).astype("uint8"), Y, **OPTIONS)
    assert bytes_["discriminator_loss"] == pytest.approx(expected, rel=1e-2)


OPTIONS = {"verbose": 0, "return_dict": True}


@pytest.mark.parametrize(
    "y, message",
    [
        (None, "`y` is missing: the model needs its target. Received: None"),
        (Y[..., :1], r"`y` must have the shape \('batch', 8, 8, 2\)"),
        (Y[:40], "`y` must hold as many examples"),
        (255 * Y, r"`y` must be floats in \[0, 1\]"),
        (np.zeros(48, "int32"), "`y` must have the shape"),
    ],
)
def test_targets_that_do_not_fit(model, y, message):
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, verbose=0)
    with pytest.raises(ValueError, match="target of validation_data"):
        model.fit(X, Y, validation_data=X if y is None else (X, y), verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_data_set_without_targets(model):
    with pytest.raises(ValueError, match="`target of x` is missing"):
        model.fit(tf.data.Dataset.from_tensor_slices(X).batch(16), verbose=0)


def test_each_optimizer_has_its_networks(model):
    variables = model.optimized_variables()
    assert len(variables["generator_optimizer"]) == 4  # two kernels and two biases
    ids = {id(v) for vs in variables.values() for v in vs}
    assert ids == {id(v) for v in model.trainable_variables}
    with pytest.raises(ValueError, match="takes `generator_optimizer`, `discriminator_optimizer`"):
        model.compile(optimizer="adam")


def test_any_network_may_have_an_average(model):
    start = [w.copy() for w in model.forward.get_weights()]
    model.fit(X, Y, batch_size=48, epochs=1, verbose=0)
    # After 48 examples the half-life is a tenth of them: 2^-10 of the old weights remain.
    for old, new, average in zip(
        start, model.forward.get_weights(), model.average.network.get_weights(), strict=True
    ):
        np.testing.assert_allclose(average, new + (old - new) / 1024, atol=1e-6)
    np.testing.assert_allclose(
        model.translate(X[:2]), model.average.network(X[:2]), rtol=1e-5, atol=1e-6
    )


def test_metrics_of_a_pair_have_its_name(model, tmp_path):
    metric = genzoo.metrics.FrechetDistance(lambda x: tf.reduce_mean(x, axis=(1, 2)))
    model.compile(metrics=[metric, keras.metrics.MeanAbsoluteError(name="error")])
    logs = model.evaluate(X, Y, **OPTIONS)
    assert set(logs) == {*model.log_names, "target_frechet_distance", "error"}
    alone = genzoo.metrics.FrechetDistance(lambda x: tf.reduce_mean(x, axis=(1, 2)))
    fake = model.translate(X)
    alone.update_state(Y, fake)
    assert logs["target_frechet_distance"] == pytest.approx(float(alone.result()), rel=1e-3)
    assert logs["error"] == pytest.approx(np.abs(Y - fake).mean(), rel=1e-4)
    # A second evaluation starts anew.
    again = model.evaluate(X, Y, **OPTIONS)
    assert again["target_frechet_distance"] == pytest.approx(logs["target_frechet_distance"])


def test_unknown_pairs_are_refused(model):
    model.compile(metrics=[genzoo.metrics.FrechetDistance(lambda x: x[:, 0, 0])])
    with pytest.raises(ValueError, match=r"`pair` must be one of \['target'\]"):
        model.update_generative_metrics(Y[:4], Y[:4], "tarrget")
    model.generated_pairs = ("tarrget",)
    with pytest.raises(ValueError, match="must be one of the fields 'source', 'target'"):
        model.compile(metrics=[genzoo.metrics.FrechetDistance(lambda x: x[:, 0, 0])])


def test_it_learns(model):
    model.compile(*(keras.optimizers.Adam(0.02) for _ in model.players))
    history = model.fit(X, Y, batch_size=16, epochs=60, verbose=0).history["cycle_loss"]
    assert history[-1] < 0.8 * history[0]


def test_served(model, tmp_path):
    model.fit(X, Y, verbose=0)
    model.export(tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model" / "1")).signatures["serving_default"]
    answer = served(source=tf.constant(X[:3]))["target"]
    np.testing.assert_allclose(answer, model.translate(X[:3]), rtol=1e-5, atol=1e-6)
    if keras_is_at_least(3, 13):
        # An endpoint may be the model itself.
        model.export(tmp_path / "model.tflite", format="litert")
        assert (tmp_path / "model.tflite").stat().st_size > 0
    with pytest.raises(tf.errors.InvalidArgumentError, match="`source` must lie in"):
        served(source=tf.constant(2 * X[:3]))
