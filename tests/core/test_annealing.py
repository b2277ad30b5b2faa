"""Numbers that are changed during training take effect in steps that were compiled before."""

import keras
import numpy as np
import pytest

import keras_genzoo as genzoo

POINTS = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")


def vae(beta=1.0):
    keras.utils.set_random_seed(0)
    model = genzoo.VAE((2,), 2, beta)
    model.compile(keras.optimizers.SGD(0.0))
    return model


def penalised(weight=10.0, smoothing=0.0):
    keras.utils.set_random_seed(0)
    penalty = genzoo.losses.GradientPenalty(weight, at="real", target=0.0)
    loss = genzoo.losses.NonSaturating(smoothing)
    model = genzoo.GAN((2,), loss=loss, penalty=penalty)
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    return model


def test_beta_takes_effect_between_epochs():
    model = vae()
    for beta in (1.0, 0.25, 3.0):
        model.beta = beta
        logs = {k: v[-1] for k, v in model.fit(POINTS, batch_size=64, verbose=0).history.items()}
        expected = logs["reconstruction_loss"] + beta * logs["kl_loss"]
        assert logs["loss"] == pytest.approx(expected, rel=1e-5)
        assert model.beta == beta and isinstance(model.beta, float)
        assert model.get_config()["beta"] == beta


def test_it_trains_with_the_new_value():
    """The weights are those of a model that had the value from the start."""
    weights = []
    for start in (0.5, 4.0):
        keras.utils.set_random_seed(0)
        model = genzoo.VAE((2,), 2, start)
        model.compile(keras.optimizers.SGD(0.01))
        before = model.get_weights()
        model.fit(POINTS, batch_size=64, verbose=0)
        model.set_weights(before)
        model.beta = 0.5
        model.fit(POINTS, batch_size=64, verbose=0)
        weights.append(model.get_weights())
    for first, second in zip(*weights, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)


def test_weights_of_penalties_and_smoothing_take_effect():
    model = penalised()
    first = model.evaluate(POINTS, batch_size=64, verbose=0, return_dict=True)
    model.penalty.weight = 5.0
    second = model.evaluate(POINTS, batch_size=64, verbose=0, return_dict=True)
    assert second["gradient_penalty"] == pytest.approx(first["gradient_penalty"] / 2, rel=1e-5)
    model.loss.label_smoothing = 0.3
    third = model.evaluate(POINTS, batch_size=64, verbose=0, return_dict=True)
    scores = model.score(POINTS, None, training=False).numpy().mean()
    assert third["discriminator_loss"] - second["discriminator_loss"] == pytest.approx(
        0.3 * scores, abs=1e-5
    )
    assert float(model.loss.boundary) == pytest.approx(np.log(0.7 / 1.3))


def test_a_callback_anneals():
    seen = []

    class Anneal(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.beta = 0.5 * epoch

        def on_epoch_end(self, epoch, logs=None):
            seen.append((logs["loss"] - logs["reconstruction_loss"]) / logs["kl_loss"])

    vae().fit(POINTS, batch_size=64, epochs=4, verbose=0, callbacks=[Anneal()])
    np.testing.assert_allclose(seen, [0.0, 0.5, 1.0, 1.5], atol=1e-4)


@pytest.mark.parametrize("eager", [False, True], ids=["graph", "eager"])
def test_a_schedule_of_the_step(eager, tmp_path):
    ramp = keras.optimizers.schedules.PolynomialDecay(0.0, 8, end_learning_rate=1.0)
    model = vae(ramp)
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=eager)
    twice = np.concatenate([POINTS[:32], POINTS[:32]])  # both batches have the same KL
    history = model.fit(twice, batch_size=32, epochs=3, verbose=0, shuffle=False).history
    loss, reconstruction, kl = (
        np.array(history[name]) for name in ("loss", "reconstruction_loss", "kl_loss")
    )
    # Two steps an epoch; the mean of the weights of both.
    np.testing.assert_allclose((loss - reconstruction) / kl, [1 / 16, 5 / 16, 9 / 16], rtol=1e-3)
    assert model.beta == pytest.approx(6 / 8)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.beta == pytest.approx(6 / 8)  # the steps are loaded too
    assert loaded.get_config()["beta"] == model.get_config()["beta"]


def test_schedules_of_a_penalty_are_saved(tmp_path):
    decay = keras.optimizers.schedules.PolynomialDecay(4.0, 10, end_learning_rate=0.0)
    model = penalised(decay)
    model.fit(POINTS, batch_size=32, verbose=0)
    assert model.penalty.weight == pytest.approx(3.2)
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").penalty.weight == pytest.approx(3.2)


def test_replicas_see_it(two_replicas):
    with two_replicas.scope():
        model = vae()
    for beta in (1.0, 0.25):
        model.beta = beta
        logs = {k: v[-1] for k, v in model.fit(POINTS, batch_size=64, verbose=0).history.items()}
        expected = logs["reconstruction_loss"] + beta * logs["kl_loss"]
        assert logs["loss"] == pytest.approx(expected, rel=1e-5)


def test_bad_values_change_nothing():
    model = vae(0.5)
    for value in (-1.0, float("nan"), "much", keras.Variable(1.0), None):
        with pytest.raises(ValueError, match=r"`beta` must be .*at least 0\. Received"):
            model.beta = value
    with pytest.raises(ValueError, match="`beta` can't change between a number and a schedule"):
        model.beta = keras.optimizers.schedules.ExponentialDecay(1.0, 10, 0.5)
    assert model.beta == 0.5


def test_weights_of_sparsity_take_effect():
    keras.utils.set_random_seed(0)
    model = genzoo.SparseAutoencoder((2,), 4, kl_weight=1.0)
    model.compile()
    first = model.evaluate(POINTS, batch_size=64, verbose=0, return_dict=True)["sparsity_loss"]
    model.kl_weight = 0.25
    second = model.evaluate(POINTS, batch_size=64, verbose=0, return_dict=True)["sparsity_loss"]
    assert second == pytest.approx(first / 4, rel=1e-5)


def test_two_models_share_a_penalty():
    """Its new weight takes effect in the steps of both."""
    penalty = genzoo.losses.GradientPenalty(1.0, at="real", target=0.0)
    models = [genzoo.GAN((2,), penalty=penalty) for _ in range(2)]
    seen = []
    for model in models:
        model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
        model.evaluate(POINTS, batch_size=64, verbose=0)  # traced before the other compiles
    for penalty.weight in (2.0, 6.0):
        logs = [m.evaluate(POINTS, batch_size=64, verbose=0, return_dict=True) for m in models]
        seen.append([log["gradient_penalty"] for log in logs])
    np.testing.assert_allclose(seen[1], 3 * np.array(seen[0]), rtol=1e-5)


def test_schedules_belong_to_one_model_and_stay():
    constant = keras.optimizers.schedules.PiecewiseConstantDecay([10], [5.0, 5.0])
    other = keras.optimizers.schedules.PiecewiseConstantDecay([10], [1.0, 1.0])
    first = penalised(constant)
    first.compile()
    second = genzoo.GAN((2,), penalty=first.penalty)
    with pytest.raises(ValueError, match="`weight` follows the steps of one model"):
        second.compile()
    with pytest.raises(ValueError, match="`weight` can't change to another schedule"):
        first.penalty.weight = other
    first.penalty.weight = constant


def test_parts_cannot_change_after_compile():
    model = penalised()
    with pytest.raises(AttributeError, match=r"`target` can't be changed.*GradientPenalty"):
        model.penalty.target = 1.0
    vae = genzoo.VAE((2,), 2, likelihood=genzoo.layers.GaussianLikelihood(1.0))
    vae.compile()
    with pytest.raises(AttributeError, match="`stddev` can't be changed"):
        vae.likelihood.stddev = 0.1
    shapes = ((16, 16, 1), (16, 16, 3))
    with pytest.raises(ValueError, match="`identity_weight` must be 0 if the shapes"):
        genzoo.CycleGAN(*shapes).identity_weight = 1.0
    with pytest.raises(ValueError, match="`feature_weight` must stay 0"):
        genzoo.GauGAN((16, 16, 3), 2, feature_weight=0.0).feature_weight = 1.0


def test_the_weight_of_features_takes_effect():
    features = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3)])
    loss = genzoo.losses.FeatureLoss(features)
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Dense(1, "sigmoid")])
    scores = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
    judge = keras.Model(scores, keras.layers.Dense(1)(keras.layers.Concatenate()(scores)))
    model = genzoo.Pix2Pix((8, 8, 1), generator=network, discriminator=judge, content_loss=loss)
    model.compile()
    images = np.random.default_rng(0).random((4, 8, 8, 1), "float32")
    errors = []
    for loss.weight in (1.0, 3.0):
        logs = model.evaluate(images, images, verbose=0, return_dict=True)
        errors.append(logs["content_loss"])
    assert errors[1] == pytest.approx(3 * errors[0], rel=1e-5)
    assert loss.get_config()["weight"] == 3.0


def test_other_arguments_cannot_change_after_compile():
    """A compiled step would keep the old value, silently."""
    model = penalised()
    other = genzoo.losses.GradientPenalty(1.0)
    for name, value in {"penalty": other, "critic_steps": 2, "generator": model.generator}.items():
        with pytest.raises(AttributeError, match=f"`{name}` can't be changed once .* a new GAN"):
            setattr(model, name, value)
    assert model.penalty.weight == 10.0
    model = genzoo.VAE((2,), 2)
    model.beta = 2.0
    model.trainable = False
    model.note = "mine"
