"""`model.optimizer` of a model with several optimizers reads and sets like one."""

import warnings

import keras
import numpy as np
import pytest
from keras.optimizers import SGD, Adam

import keras_genzoo as genzoo
from keras_genzoo.core import keras_internals

X = np.random.default_rng(0).normal(size=(16, 2)).astype("float32")


def gan(generator_rate=1e-3, discriminator_rate=1e-3):
    model = genzoo.GAN((2,), latent_dim=2)
    model.compile(SGD(generator_rate), SGD(discriminator_rate))
    return model


def rates(model):
    optimizers = (model.generator_optimizer, model.discriminator_optimizer)
    return [float(optimizer.learning_rate) for optimizer in optimizers]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_the_rate_is_read_and_set(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = gan()
    finally:
        keras.config.set_dtype_policy("float32")
    rate = model.optimizer.learning_rate
    assert float(rate) == float(rate.numpy()) == np.float32(1e-3)
    assert keras.ops.convert_to_numpy(rate) == np.float32(1e-3) and f"{rate:.1e}" == "1.0e-03"
    model.optimizer.learning_rate = 1e-6
    assert rates(model) == pytest.approx([1e-6, 1e-6])


def test_a_rate_of_zero_trains_nothing():
    model = gan()
    model.fit(X, batch_size=8, verbose=0)
    before = [variable.numpy() for variable in model.trainable_variables]
    model.optimizer.learning_rate = 0.0
    model.fit(X, batch_size=8, verbose=0)
    for old, new in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_logger_reads_the_rate_every_epoch():
    model = gan()

    def halve(epoch, logs):
        logs["rate"] = float(model.optimizer.learning_rate)
        model.optimizer.learning_rate *= 0.5

    callback = keras.callbacks.LambdaCallback(on_epoch_end=halve)
    history = model.fit(X, batch_size=8, epochs=3, verbose=0, callbacks=[callback]).history
    assert history["rate"] == pytest.approx([1e-3, 5e-4, 2.5e-4])
    assert rates(model) == pytest.approx([1.25e-4, 1.25e-4])


def test_different_rates_are_not_made_one_in_silence():
    model = gan(1e-3, 4e-3)
    with pytest.warns(UserWarning, match="different ones: 0.001, 0.004.*generator_optimizer.lear"):
        model.optimizer.learning_rate = 1e-4
    assert rates(model) == pytest.approx([1e-4, 1e-4])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.optimizer.learning_rate = 1e-5


def test_a_schedule_that_cannot_be_set_changes_no_rate():
    model = genzoo.GAN((2,), latent_dim=2)
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-2, 10, 0.5)
    model.compile(Adam(1e-3), Adam(schedule))
    with pytest.raises(TypeError, match=r"`optimizer.learn.*`discriminator_optimizer` has one$"):
        model.optimizer.learning_rate = 1e-4
    assert rates(model) == pytest.approx([1e-3, 1e-2])


def test_what_would_have_no_effect_is_refused():
    model = gan()
    with pytest.raises(AttributeError, match=r"`generator_optimizer` and `disc.*Received: 0\.5"):
        model.optimizer.weight_decay = 0.5


def certain(x):
    return keras.ops.softmax(x)


@pytest.mark.parametrize("mode, warns", [("min", True), ("max", False)])
@pytest.mark.parametrize("kind", ["ModelCheckpoint", "ReduceLROnPlateau"])
def test_keras_310_is_told_the_direction_of_a_metric(kind, mode, warns, monkeypatch, tmp_path):
    """Before 3.11, `mode="auto"` is "min" for these callbacks, whatever the metric declares."""
    monkeypatch.setattr(keras_internals, "callbacks_know_directions", lambda: False)
    model = genzoo.GAN((2,), latent_dim=2)
    model.compile(metrics=[genzoo.metrics.InceptionScore(certain)])
    options = {"monitor": "val_inception_score", "mode": mode}
    if kind == "ModelCheckpoint":
        options |= {"filepath": tmp_path / "best.keras", "save_best_only": True}
    callback = getattr(keras.callbacks, kind)(**options)
    if callback.monitor_op is None:
        pytest.skip("this Keras chooses the direction in `fit`")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.evaluate(X, verbose=0, callbacks=[callback])
    told = [w for w in caught if "whose higher values are better" in str(w.message)]
    assert len(told) == warns
