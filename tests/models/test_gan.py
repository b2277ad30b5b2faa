import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import losses, networks
from keras_genzoo.layers import Noise

POINTS = np.random.default_rng(0).normal(size=(96, 2)).astype("float32")
LABELS = np.arange(96, dtype="int32") % 3
LOSSES = ("minimax", "non_saturating", "least_squares", "hinge", "wasserstein")
PENALTIES = (None, "wgan_gp", "dragan", "r1", "r2")


def tiny(model_class=genzoo.GAN, num_classes=None, **options):
    """A model of points with tiny networks."""
    size = {"hidden_units": (4,), "num_classes": num_classes}
    options.setdefault("generator", networks.dense_decoder((2,), 3, **size))
    options.setdefault("discriminator", networks.dense_discriminator((2,), **size))
    return model_class((2,), latent_dim=3, num_classes=num_classes, **options)


def values(variables):
    return [variable.numpy() for variable in variables]


# All pairs of loss and penalty; critic steps and conditioning alternate so that each meets each.
COMBINATIONS = [
    (loss, penalty, (1, 3)[(i + j) % 2], (None, 3)[(i + j // 2) % 2])
    for i, loss in enumerate(LOSSES)
    for j, penalty in enumerate(PENALTIES)
]


@pytest.mark.parametrize(("loss", "penalty", "critic_steps", "num_classes"), COMBINATIONS)
def test_combinations(loss, penalty, critic_steps, num_classes):
    model = tiny(loss=loss, penalty=penalty, critic_steps=critic_steps, num_classes=num_classes)
    # Graphs of many parts are slow to trace: one of each loss and penalty will do.
    model.compile(run_eagerly=LOSSES.index(loss) != PENALTIES.index(penalty))
    before = values(model.trainable_variables)
    labels = None if num_classes is None else LABELS[:32]
    history = model.fit(POINTS[:32], labels, verbose=0).history
    names = {"generator_loss", "discriminator_loss"} | ({"gradient_penalty"} if penalty else set())
    assert set(history) == names
    assert np.isfinite(list(history.values())).all()
    assert model.discriminator_optimizer.iterations == critic_steps
    assert model.generator_optimizer.iterations == 1
    after = values(model.trainable_variables)
    assert np.mean([np.any(a != b) for a, b in zip(after, before, strict=True)]) > 0.5


@pytest.mark.parametrize("model_class", [genzoo.GAN, genzoo.WGAN, genzoo.WGANGP])
def test_every_class_takes_every_part(model_class):
    model = tiny(
        model_class,
        loss=losses.NonSaturating(label_smoothing=0.1),
        penalty=losses.GradientPenalty(2.0, "real", 0.0),
        critic_steps=2,
        num_classes=3,
    )
    model.compile("sgd", "adam", run_eagerly=True)
    history = model.fit(POINTS, LABELS, verbose=0).history
    assert set(history) == {"generator_loss", "discriminator_loss", "gradient_penalty"}


# Critic steps. ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [12, 13, 14])
def test_critic_parts(size):
    model = tiny(critic_steps=3, num_classes=3)
    parts = model.split((tf.constant(POINTS[:size]), tf.constant(LABELS[:size])), 3)
    assert len(parts) == 3
    for k, (x, labels) in enumerate(parts):
        np.testing.assert_array_equal(x, POINTS[:size][k::3])
        np.testing.assert_array_equal(labels, LABELS[:size][k::3])


def test_too_small_a_batch_still_fills_every_part():
    parts = tiny(critic_steps=5).split((tf.constant(POINTS[:2]), None), 5)
    assert [len(x) for x, _ in parts] == [1] * 5
    assert {tuple(row) for x, _ in parts for row in x.numpy()} == {tuple(p) for p in POINTS[:2]}


def spy_on_scores(model, monkeypatch):
    """Records the data and labels of each call of the discriminator."""
    calls, score = [], model.score

    def spy(data, labels, training):
        calls.append((np.array(data), None if labels is None else np.array(labels)))
        return score(data, labels, training)

    monkeypatch.setattr(model, "score", spy)
    return calls


@pytest.mark.parametrize("critic_steps", [1, 2, 5])
def test_critic_steps_see_distinct_data(monkeypatch, critic_steps):
    # A generator that tells all latents apart.
    generator = networks.dense_decoder((2,), 3, hidden_units=(), num_classes=3)
    model = tiny(critic_steps=critic_steps, num_classes=3, generator=generator)
    model.compile(run_eagerly=True)
    calls = spy_on_scores(model, monkeypatch)
    model.fit(POINTS[:20], LABELS[:20], batch_size=20, verbose=0)
    # Real and generated data at each step of the critic, then the generator's step.
    real, generated, (last,) = calls[:-1:2], calls[1:-1:2], calls[-1:]
    assert len(real) == len(generated) == critic_steps
    np.testing.assert_array_equal(last[0], generated[-1][0])
    seen = np.concatenate([data for data, _ in real])
    labels = np.concatenate([labels for _, labels in real])
    # Every example of the batch exactly once, with its own label.
    rows = {tuple(row): label for row, label in zip(POINTS[:20], LABELS[:20], strict=True)}
    assert len(seen) == 20
    assert {tuple(row): label for row, label in zip(seen, labels, strict=True)} == rows
    fakes = np.concatenate([data for data, _ in generated])
    assert len(np.unique(fakes, axis=0)) == 20


def test_a_last_batch_smaller_than_critic_steps():
    model = tiny(genzoo.WGANGP)
    model.compile(run_eagerly=True)
    history = model.fit(POINTS[:34], batch_size=32, verbose=0).history
    assert np.isfinite(list(history.values())).all()
    assert all(np.isfinite(v).all() for v in values(model.variables))
    assert model.discriminator_optimizer.iterations == 10


# The step. ----------------------------------------------------------------------------------------


def linear_gan(critic_steps, penalty=None):
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    discriminator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model = genzoo.GAN(
        (2,),
        3,
        critic_steps=critic_steps,
        penalty=penalty,
        generator=generator,
        discriminator=discriminator,
    )
    model.compile(keras.optimizers.SGD(0.3), keras.optimizers.SGD(0.2))
    return model


@pytest.mark.parametrize("critic_steps", [1, 2])
@pytest.mark.parametrize("penalty", [None, "r1"])
def test_train_step_equals_a_hand_written_one(critic_steps, penalty):
    model, x = linear_gan(critic_steps, penalty), POINTS[:8]
    noise = Noise(model.noise.seed)  # draws the latents that the model will draw
    w, b = (tf.Variable(v) for v in model.generator.get_weights())
    v, c = (tf.Variable(v) for v in model.discriminator.get_weights())
    sums = []
    for k in range(critic_steps):
        real = x[k::critic_steps]
        latents = noise.normal((len(real), 3))
        fake = latents @ w + b
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.softplus(-(real @ v + c)) + tf.nn.softplus(fake @ v + c))
            total = loss + (5 * tf.reduce_sum(v**2) if penalty else 0.0)
        gradients = tape.gradient(total, [v, c])
        sums.append(float(loss))
        for variable, gradient in zip([v, c], gradients, strict=True):
            variable.assign_sub(0.2 * gradient)
    with tf.GradientTape() as tape:
        # The updated discriminator, the same latents.
        loss = tf.reduce_mean(tf.nn.softplus(-((latents @ w + b) @ v + c)))
    gradients = tape.gradient(loss, [w, b])
    for variable, gradient in zip([w, b], gradients, strict=True):
        variable.assign_sub(0.3 * gradient)

    logs = model.fit(x, batch_size=8, shuffle=False, verbose=0).history
    for own, expected in zip(model.generator.get_weights(), [w, b], strict=True):
        np.testing.assert_allclose(own, expected, atol=1e-5)
    for own, expected in zip(model.discriminator.get_weights(), [v, c], strict=True):
        np.testing.assert_allclose(own, expected, atol=1e-5)
    assert logs["generator_loss"][0] == pytest.approx(float(loss), rel=1e-4)
    assert logs["discriminator_loss"][0] == pytest.approx(np.mean(sums), rel=1e-4)


@pytest.mark.parametrize("execution", ["run_eagerly", "jit_compile", None])
@pytest.mark.parametrize("penalty", [None, "r1"])
def test_regularizers_of_activities_add_up_over_passes(execution, penalty, monkeypatch):
    """Those of weights count once in a step of an optimizer."""
    l2, critic_steps = keras.regularizers.L2, 2
    own = keras.layers.Dense(2, activity_regularizer=l2(0.1), kernel_regularizer=l2(0.2))
    generator = keras.Sequential([keras.Input((3,)), own])
    own = keras.layers.Dense(1, activity_regularizer=l2(0.3), kernel_regularizer=l2(0.4))
    discriminator = keras.Sequential([keras.Input((2,)), own])
    options = {"penalty": penalty, "generator": generator, "discriminator": discriminator}
    model, x = genzoo.GAN((2,), 3, critic_steps=critic_steps, **options), POINTS[:16]
    jit = {} if execution is None else {execution: True}
    model.compile(keras.optimizers.SGD(0.3), keras.optimizers.SGD(0.2), **jit)
    # XLA draws other numbers.
    latents = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
    monkeypatch.setattr(model, "draw_latents", lambda batch, noise: tf.constant(latents))
    w, b = (tf.Variable(v) for v in generator.get_weights())
    v, c = (tf.Variable(v) for v in discriminator.get_weights())
    for batch in (x[:8], x[8:]):
        for k in range(critic_steps):
            real = batch[k::critic_steps]
            fake = latents @ w + b
            with tf.GradientTape() as tape:
                scores, fakes = real @ v + c, fake @ v + c
                loss = tf.reduce_mean(tf.nn.softplus(-scores) + tf.nn.softplus(fakes))
                loss += 0.3 * tf.reduce_mean(scores**2) + 0.3 * tf.reduce_mean(fakes**2)
                if penalty:  # at the real data, which are scored again
                    loss += 5 * tf.reduce_sum(v**2) + 0.3 * tf.reduce_mean(scores**2)
                loss += 0.4 * tf.reduce_sum(v**2)
            for variable, gradient in zip([v, c], tape.gradient(loss, [v, c]), strict=True):
                variable.assign_sub(0.2 * gradient)
        with tf.GradientTape() as tape:
            fake = latents @ w + b
            loss = tf.reduce_mean(tf.nn.softplus(-(fake @ v + c)))
            loss += 0.1 * tf.reduce_mean(tf.reduce_sum(fake**2, axis=-1))
            loss += 0.2 * tf.reduce_sum(w**2)
        for variable, gradient in zip([w, b], tape.gradient(loss, [w, b]), strict=True):
            variable.assign_sub(0.3 * gradient)
    model.fit(x, batch_size=8, shuffle=False, verbose=0)
    received = [*generator.get_weights(), *discriminator.get_weights()]
    for value, expected in zip(received, [w, b, v, c], strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-5)
    # Nothing is kept of earlier steps, only the last pass of the last generator's step.
    assert len(model._passes[:]) == 1


def test_evaluation_equals_numpy():
    model, x = linear_gan(1, "r1"), POINTS[:50]
    (w, b), (v, c) = model.generator.get_weights(), model.discriminator.get_weights()
    fake_scores = (Noise(0).normal((50, 3)).numpy() @ w + b) @ v + c
    logs = model.evaluate(x, batch_size=50, verbose=0, return_dict=True)
    expected = {
        "generator_loss": np.logaddexp(0, -fake_scores).mean(),
        "discriminator_loss": (np.logaddexp(0, -(x @ v + c)) + np.logaddexp(0, fake_scores)).mean(),
        "gradient_penalty": 5 * (v**2).sum(),
    }
    assert logs == pytest.approx(expected, rel=1e-4)


def test_logs_are_means_over_the_epoch():
    model = linear_gan(1)
    model.generator_optimizer.learning_rate = model.discriminator_optimizer.learning_rate = 0.0
    x = POINTS[:48]
    noise = Noise(model.noise.seed)
    (w, b), (v, c) = model.generator.get_weights(), model.discriminator.get_weights()
    scores = np.concatenate([(noise.normal((n, 3)).numpy() @ w + b) @ v + c for n in (32, 16)])
    logs = model.fit(x, batch_size=32, shuffle=False, verbose=0).history
    # By example, not by batch.
    assert logs["generator_loss"][0] == pytest.approx(np.logaddexp(0, -scores).mean(), rel=1e-4)


# What the named models set. -----------------------------------------------------------------------


def batch_normalizations(network):
    kind = keras.layers.BatchNormalization
    return [layer for layer in network._flatten_layers() if isinstance(layer, kind)]


def own_critic():
    return keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(4, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1),
        ]
    )


@pytest.mark.parametrize("critic", [None, own_critic], ids=["default", "own"])
def test_wgan_keeps_its_critics_weights_in_the_clip(critic, tmp_path):
    parts = {} if critic is None else {"discriminator": critic()}
    model = tiny(genzoo.WGAN, clip_value=0.03, **parts)
    optimizer = keras.optimizers.RMSprop(0.1)
    model.compile(discriminator_optimizer=optimizer, run_eagerly=True)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    for trained in (model, copy):
        trained.fit(POINTS, verbose=0)
        largest = [np.abs(v).max() for v in values(trained.discriminator.trainable_variables)]
        assert max(largest) <= 0.03 + 1e-7
        assert max(largest) > 0.02  # they do move to it
        assert max(np.abs(v).max() for v in values(trained.generator.trainable_variables)) > 0.03


def test_clipping_keeps_the_constraints_of_layers():
    critic = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(4, "relu", kernel_constraint="non_neg")]
    )
    critic.add(keras.layers.Dense(1))
    model = tiny(genzoo.WGAN, clip_value=0.03, discriminator=critic)
    model.compile("sgd", keras.optimizers.SGD(1e-6))
    model.fit(POINTS, verbose=0)
    kernel = critic.layers[0].kernel.numpy()
    assert kernel.min() >= 0 and 0 < kernel.max() <= np.float32(0.03)


def test_clipping_includes_layers_that_are_unfrozen_later():
    critic = networks.dense_discriminator((2,), hidden_units=(4,))
    frozen = next(layer for layer in critic.layers if layer.weights)
    frozen.trainable = False
    model = tiny(genzoo.WGAN, clip_value=0.03, discriminator=critic)
    start = frozen.kernel.numpy()
    model.compile("sgd", "sgd")
    model.fit(POINTS, verbose=0)
    np.testing.assert_array_equal(frozen.kernel, start)  # not clipped, because not trained
    assert np.abs(start).max() > 0.03
    frozen.trainable = True
    model.compile("sgd", "sgd")
    model.fit(POINTS, verbose=0)
    assert np.abs(frozen.kernel.numpy()).max() <= np.float32(0.03)


def test_averages_of_optimizers_are_of_clipped_weights():
    """Algorithm 1 in NumPy, with the average that `use_ema` keeps of the critic's weights."""
    rate, momentum, limit = 0.5, 0.6, 0.1
    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    model = tiny(genzoo.WGAN, clip_value=limit, critic_steps=2, discriminator=critic)
    optimizer = keras.optimizers.SGD(rate, use_ema=True, ema_momentum=momentum)
    model.compile(keras.optimizers.SGD(0.0), optimizer)
    noise, (weights,), average, raw = Noise(model.noise.seed), critic.get_weights(), None, []
    for batch in (POINTS[:16], POINTS[16:32]):
        for real in (batch[0::2], batch[1::2]):
            fake = model.generator(noise.normal((8, 3))).numpy()
            raw.append(weights - rate * (fake.mean(axis=0) - real.mean(axis=0))[:, None])
            weights = np.clip(raw[-1], -limit, limit)
            average = weights if average is None else 0.6 * average + 0.4 * weights
    assert np.abs(raw).max() > 2 * limit  # clipping matters
    model.fit(POINTS[:32], batch_size=16, shuffle=False, verbose=0)
    np.testing.assert_allclose(critic.get_weights()[0], average, atol=1e-6)


def test_bad_clip():
    with pytest.raises(ValueError, match=r"`clip_value` must be positive.*Received: clip_value=0"):
        genzoo.WGAN((2,), clip_value=0)


def test_batch_normalization_moves_in_training_alone(digits):
    model = genzoo.DCGAN(
        (8, 8, 1),
        4,
        generator=networks.generator((8, 8, 1), 4, filters=(4, 8)),
        discriminator=networks.discriminator((8, 8, 1), filters=(4, 8)),
    )
    model.compile()
    layers = [batch_normalizations(net) for net in (model.generator, model.discriminator)]
    assert all(layers)
    moving = [w for net in layers for layer in net for w in layer.non_trainable_variables]
    before = values(moving)
    model.evaluate(digits[0][:32], verbose=0)
    model.sample(3)
    for a, b in zip(values(moving), before, strict=True):
        np.testing.assert_array_equal(a, b)
    model.fit(digits[0][:32], verbose=0)
    assert all(np.any(a != b) for a, b in zip(values(moving), before, strict=True))


def test_batch_normalization_of_the_default_networks():
    images = (8, 16, 3)
    assert batch_normalizations(genzoo.DCGAN(images, 4).generator)
    for model in (genzoo.WGAN((16, 16, 1), 4), genzoo.DCGAN((16, 16, 1), 4)):
        assert batch_normalizations(model.discriminator)
    # A penalty on each example's gradient wants scores that depend on it alone.
    for model in (
        genzoo.WGANGP((16, 16, 1), 4),
        genzoo.WGANGP((16, 16, 1), 4, num_classes=3),
        genzoo.DCGAN((16, 16, 1), 4, penalty="r1"),
    ):
        assert batch_normalizations(model.generator)
        assert batch_normalizations(model.discriminator) == []


def test_settings_of_the_papers():
    dcgan, wgan, wgan_gp = (
        build((2,), 3) if build is not genzoo.DCGAN else build((8, 8, 1), 3)
        for build in (genzoo.DCGAN, genzoo.WGAN, genzoo.WGANGP)
    )
    for model in (dcgan, wgan, wgan_gp):
        model.compile()
    for optimizer in (dcgan.generator_optimizer, dcgan.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert (float(optimizer.learning_rate), optimizer.beta_1) == (pytest.approx(2e-4), 0.5)
    for optimizer in (wgan.generator_optimizer, wgan.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.RMSprop)
        assert float(optimizer.learning_rate) == pytest.approx(5e-5)
    for optimizer in (wgan_gp.generator_optimizer, wgan_gp.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert float(optimizer.learning_rate) == pytest.approx(1e-4)
        assert (optimizer.beta_1, optimizer.beta_2) == (0.0, 0.9)
    assert (wgan.critic_steps, wgan_gp.critic_steps, dcgan.critic_steps) == (5, 5, 1)
    assert (wgan.clip_value, wgan_gp.penalty.weight) == (0.01, 10)
    assert wgan_gp.penalty.at == "interpolates" and wgan.penalty is None
    assert type(dcgan.loss) is losses.NonSaturating
    assert type(wgan.loss) is type(wgan_gp.loss) is losses.Wasserstein


def test_networks_follow_the_data():
    def convolutional(network):
        kinds = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
        return any(isinstance(layer, kinds) for layer in network._flatten_layers())

    for build in (genzoo.WGAN, genzoo.WGANGP):
        assert convolutional(build((8, 8, 1), 3).generator)
        assert not convolutional(build((2,), 3).generator)
    gan = genzoo.GAN((8, 8, 1), 3)
    assert not convolutional(gan.generator) and not convolutional(gan.discriminator)
    assert convolutional(genzoo.ConditionalGAN((8, 8, 1), 3, 3).discriminator)


def test_one_optimizer_for_both_is_refused():
    optimizer = keras.optimizers.Adam()
    with pytest.raises(ValueError, match=r"`generator_optimizer`.*must be different optimizers"):
        tiny().compile(optimizer, optimizer)


def test_each_optimizer_moves_its_own_network():
    model = tiny()
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.1))
    generator, discriminator = (
        values(n.trainable_variables) for n in (model.generator, model.discriminator)
    )
    model.fit(POINTS[:32], verbose=0)
    for a, b in zip(values(model.generator.trainable_variables), generator, strict=True):
        np.testing.assert_array_equal(a, b)
    after = values(model.discriminator.trainable_variables)
    assert any(np.any(a != b) for a, b in zip(after, discriminator, strict=True))
