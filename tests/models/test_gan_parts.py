"""What a GAN's discriminator is shown (packing, augmentation), and the averaged generator."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import networks
from keras_genzoo.core.moving_average import MovingAverage
from keras_genzoo.layers import (
    AdaptiveAugmentation,
    DifferentiableAugmentation,
    InstanceNoise,
    Noise,
)

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(64, 2)).astype("float32")
IMAGES = RNG.random((64, 4, 4, 2)).astype("float32")
LABELS = RNG.integers(0, 3, 64).astype("int32")


def values(variables):
    return [variable.numpy() for variable in variables]


def data_of(shape):
    return POINTS if shape == (2,) else IMAGES


def tiny(shape=(2,), num_classes=None, critic=None, hidden_units=(4,), **options):
    """A model with tiny networks, compiled; nothing moves unless the optimizers are set."""
    size = {"hidden_units": hidden_units, "num_classes": num_classes}
    output = {"output_activation": "sigmoid"} if len(shape) == 3 else {}
    options.setdefault("generator", networks.dense_decoder(shape, 3, **size, **output))
    packing = options.get("packing", 1)
    options.setdefault(
        "discriminator", networks.dense_discriminator(shape, packing=packing, **size)
    )
    model = genzoo.GAN(shape, 3, num_classes=num_classes, **options)
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0), run_eagerly=True)
    return model


def spy(model):
    """What the discriminator is shown, call by call."""
    shown, score = [], model.score

    def scores(data, labels, training):
        shown.append((np.array(data), None if labels is None else np.array(labels)))
        return score(data, labels, training)

    model.score = scores
    return shown


# Packing. -----------------------------------------------------------------------------------------


def packs(x, packing):
    """In a loop: the examples of a pack side by side in the last axis."""
    count = -(-len(x) // packing)
    members = [[x[(i * packing + k) % len(x)] for k in range(packing)] for i in range(count)]
    return np.stack([np.concatenate(pack, axis=-1) for pack in members])


@pytest.mark.parametrize("size", [6, 7, 1])
@pytest.mark.parametrize("shape", [(2,), (4, 4, 2)])
def test_the_discriminator_is_shown_packs(shape, size):
    model, x, labels = tiny(shape, 3, packing=3), data_of(shape)[:size], LABELS[:size]
    noise = Noise(model.noise.seed)
    fake = model.generate(noise.normal((size, 3)), tf.constant(labels), training=True).numpy()
    shown = spy(model)
    model.fit(x, labels, batch_size=size, shuffle=False, verbose=0)
    count = -(-size // 3)
    assert len(shown) == 3  # real, fake, and fake in the generator's step
    for (data, classes), expected in zip(shown, (x, fake, fake), strict=True):
        assert data.shape == (count, *shape[:-1], 3 * shape[-1]) and classes.shape == (count, 3)
        np.testing.assert_allclose(data, packs(expected, 3), atol=1e-6)
        np.testing.assert_array_equal(classes, packs(labels[:, None], 3))
    shown.clear()
    model.evaluate(x, labels, batch_size=size, verbose=0)
    np.testing.assert_array_equal(shown[0][0], packs(x, 3))
    fake = model.generate(Noise(0).normal((size, 3)), tf.constant(labels), training=False)
    np.testing.assert_allclose(shown[1][0], packs(fake.numpy(), 3), atol=1e-6)


def test_the_order_of_a_packs_channels():
    packed, _ = tiny((4, 4, 2), packing=2).view(tf.constant(IMAGES[:4]))
    for i in range(2):
        first, second = IMAGES[2 * i], IMAGES[2 * i + 1]
        channels = [first[..., 0], first[..., 1], second[..., 0], second[..., 1]]
        np.testing.assert_array_equal(packed[i], np.stack(channels, axis=-1))


def test_a_penalty_is_of_the_gradient_at_the_whole_pack():
    inputs = keras.Input((4,))
    critic = keras.Model(
        inputs,
        keras.layers.Dense(1)(
            keras.layers.Dense(5, "tanh", kernel_initializer="he_normal")(inputs)
        ),
    )
    model = tiny(packing=2, penalty="r1", discriminator=critic)
    (w, b, v, _), x = critic.get_weights(), packs(POINTS[:6], 2)
    gradient = ((1 - np.tanh(x @ w + b) ** 2) * v[:, 0]) @ w.T
    expected = 5 * np.mean(np.sum(gradient**2, axis=1))
    logs = model.evaluate(POINTS[:6], verbose=0, return_dict=True)
    assert logs["gradient_penalty"] == pytest.approx(expected, rel=1e-4)
    logs = model.fit(POINTS[:6], batch_size=6, shuffle=False, verbose=0).history
    assert logs["gradient_penalty"][0] == pytest.approx(expected, rel=1e-4)


def test_logs_are_means_over_packs():
    critic = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model = tiny(packing=3, loss="wasserstein", discriminator=critic)
    w, b = critic.get_weights()
    fake = model.generate(Noise(0).normal((7, 3)), None, training=False).numpy()
    logs = model.evaluate(POINTS[:7], batch_size=7, verbose=0, return_dict=True)
    real, fake = (np.mean(packs(x, 3) @ w + b) for x in (POINTS[:7], fake))
    expected = {"generator_loss": -fake, "discriminator_loss": fake - real}
    assert logs == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model_class", "options"),
    [
        (genzoo.GAN, {}),
        (genzoo.DCGAN, {"penalty": "r1"}),
        (genzoo.ConditionalGAN, {"num_classes": 10}),
        (genzoo.WGAN, {"critic_steps": 2}),
        (genzoo.WGANGP, {"critic_steps": 2, "num_classes": 10}),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_default_networks_take_packs(digits, tmp_path, model_class, options):
    x, labels = digits[0][:7], digits[1][:7] if "num_classes" in options else None
    model = model_class((8, 8, 1), latent_dim=4, packing=2, **options)
    assert model.discriminator.inputs[0].shape == (None, 8, 8, 2)
    model.compile(run_eagerly=True)
    before = values(model.trainable_variables)
    logs = model.fit(x, labels, batch_size=4, verbose=0).history
    assert np.isfinite([*logs.values()]).all()
    moved = [np.any(a != b) for a, b in zip(values(model.trainable_variables), before, strict=True)]
    assert np.mean(moved) > 0.8  # the last bias cancels out in Wasserstein's loss
    logs = model.evaluate(x, labels, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert copy.packing == 2
    assert copy.evaluate(x, labels, verbose=0, return_dict=True) == pytest.approx(logs, rel=1e-5)
    np.testing.assert_array_equal(copy.sample(3, seed=0), model.sample(3, seed=0))


@pytest.mark.parametrize(
    ("num_classes", "expected"),
    [(None, r"data \(None, 4\) to"), (3, r"data \(None, 4\) and labels \(None, 2\) to")],
)
def test_a_discriminator_of_single_examples_is_refused(num_classes, expected):
    single = networks.dense_discriminator((2,), num_classes=num_classes)
    with pytest.raises(ValueError, match=rf"`discriminator` must map {expected}.*Received: "):
        genzoo.GAN((2,), 3, num_classes=num_classes, packing=2, discriminator=single)


@pytest.mark.parametrize("packing", [0, 1.5, None])
def test_bad_packing(packing):
    with pytest.raises(ValueError, match=r"`packing` must be a positive integer. Received: "):
        genzoo.GAN((2,), packing=packing)


# Augmentation. ------------------------------------------------------------------------------------


class Shift(keras.layers.Layer):
    """Adds 10 in training, and counts its calls."""

    calls = 0

    def call(self, inputs, training=None):
        if training:
            self.calls += 1
        return inputs + 10 if training else inputs


@pytest.mark.parametrize("critic_steps", [1, 2])
def test_all_that_the_discriminator_sees_in_training_is_augmented(critic_steps):
    model = tiny(augmentation=Shift(), critic_steps=critic_steps)
    noise, shown, expected = Noise(model.noise.seed), spy(model), []
    for k in range(critic_steps):
        real = POINTS[k:8:critic_steps]
        fake = model.generate(noise.normal((len(real), 3)), None, training=True).numpy()
        expected += [real, fake]
    model.fit(POINTS[:8], batch_size=8, shuffle=False, verbose=0)
    for (data, _), x in zip(shown, [*expected, fake], strict=True):
        np.testing.assert_allclose(data, x + 10, atol=1e-5)
    shown.clear()
    calls = model.augmentation.calls
    assert calls == 2 * critic_steps + 1
    model.evaluate(POINTS[:8], verbose=0)
    np.testing.assert_array_equal(shown[0][0], POINTS[:8])
    fake = model.generate(Noise(0).normal((8, 3)), None, training=False)
    np.testing.assert_allclose(shown[1][0], fake, atol=1e-5)
    assert np.abs(model.sample(50, seed=0)).max() < 10
    assert model.augmentation.calls == calls


def test_each_showing_is_augmented_anew():
    model = tiny((4, 4, 2), augmentation=DifferentiableAugmentation(("color",)))
    shown = spy(model)
    model.fit(IMAGES[:8], batch_size=8, shuffle=False, verbose=0)
    real, fake, again = (data for data, _ in shown)
    assert not np.allclose(fake, again)  # the same fakes
    gaps = [np.diff(np.sort(x.std(axis=(1, 2, 3)))) for x in (real, fake, again)]
    assert all(gap.min() > 0 for gap in gaps)  # each example for itself


def test_packs_are_of_augmented_examples():
    augmentation = DifferentiableAugmentation(seed=5)
    model = tiny((4, 4, 2), augmentation=augmentation, packing=2)
    shown = spy(model)
    model.fit(IMAGES[:8], batch_size=8, shuffle=False, verbose=0)
    expected = DifferentiableAugmentation(seed=5)(IMAGES[:8], training=True).numpy()
    np.testing.assert_allclose(shown[0][0], packs(expected, 2), atol=1e-6)


def test_the_generator_learns_through_the_augmentation():
    """The gradient of its step, by hand, for a linear critic and a doubling augmentation."""

    class Double(keras.layers.Layer):
        def call(self, inputs, training=None):
            return 2 * inputs if training else inputs

    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model = tiny(
        augmentation=Double(), loss="wasserstein", generator=generator, discriminator=critic
    )
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.0))
    latents, before = Noise(model.noise.seed).normal((8, 3)).numpy(), generator.get_weights()
    model.fit(POINTS[:8], batch_size=8, verbose=0)
    slope = 2 * critic.get_weights()[0].T  # of the score in the generated point
    for a, b, c in zip(generator.get_weights(), before, [latents, np.ones((8, 1))], strict=True):
        expected = 0.1 * np.mean(c[:, :, None] * slope, axis=0)
        np.testing.assert_allclose(a - b, expected.reshape(b.shape), atol=1e-5)


@pytest.mark.parametrize(
    ("augmentation", "strength"),
    [
        (None, None),
        (keras.layers.GaussianNoise(0.1), None),
        (keras.layers.RandomFlip(), None),
        (DifferentiableAugmentation(), None),
        (AdaptiveAugmentation(), 0.0),
        (InstanceNoise(0.5, 16), np.mean([0.5 * 2 ** (-k / 2) for k in range(1, 6)])),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_logs_of_augmentation(augmentation, strength):
    model = tiny((4, 4, 2), augmentation=augmentation)
    shown = spy(model)
    logs = model.fit(IMAGES[:40], batch_size=8, shuffle=False, verbose=0).history
    names = {"generator_loss", "discriminator_loss"}
    assert set(logs) == names | (set() if strength is None else {"augmentation_strength"})
    unchanged = np.array_equal(shown[0][0], IMAGES[:8])
    assert unchanged == (augmentation is None or isinstance(augmentation, AdaptiveAugmentation))
    if strength is not None:
        assert logs["augmentation_strength"][0] == pytest.approx(strength, abs=1e-6)
        logs = model.evaluate(IMAGES[:40], verbose=0, return_dict=True)
        # As it is now, and stays.
        now = 0.5 * 2**-2.5 if strength else 0.0
        assert logs["augmentation_strength"] == pytest.approx(now, abs=1e-6)
        assert float(augmentation.strength) == pytest.approx(now, abs=1e-6)


@pytest.mark.parametrize(
    "augmentation",
    [keras.layers.Cropping2D(1), keras.layers.Flatten(), lambda x: x, "color"],
    ids=["crop", "flatten", "function", "name"],
)
def test_bad_augmentation(augmentation):
    with pytest.raises(ValueError, match=r"`augmentation` must map data \(None, 4, 4, 2\) to \("):
        tiny((4, 4, 2), augmentation=augmentation)


# The averaged generator. --------------------------------------------------------------------------


def normalized_generator():
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dense(2),
        ]
    )


class Snapshots(keras.callbacks.Callback):
    """The raw generator's weights after each step."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.generator.get_weights())


@pytest.mark.parametrize("critic_steps", [1, 2])
@pytest.mark.parametrize("half_life", [3.0, 1e6])
def test_the_average_equals_numpy(half_life, critic_steps):
    model = tiny(
        ema_half_life=half_life, critic_steps=critic_steps, generator=normalized_generator()
    )
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5))
    average = [w.astype("float64") for w in model.generator.get_weights()]
    assert len(average) == 8  # the moving mean and variance too
    snapshots, seen = Snapshots(), 0
    x = POINTS[:44]
    model.fit(x, batch_size=16, epochs=2, shuffle=False, verbose=0, callbacks=[snapshots])
    for size, weights in zip([16, 16, 12] * 2, snapshots.weights, strict=True):
        seen += size
        old = 0.5 ** (size / min(half_life, 0.1 * seen))
        average = [old * a + (1 - old) * w for a, w in zip(average, weights, strict=True)]
    assert int(model.average.seen.numpy()) == seen == 88
    for own, expected in zip(model.average.network.get_weights(), average, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)
    raw = model.generator.get_weights()
    distance = [np.abs(a - b).max() for a, b in zip(raw, average, strict=True)]
    assert sum(d > 1e-4 for d in distance) >= 6  # biases before a normalization don't move


@pytest.mark.parametrize("sizes", [[60], [20] * 3, [1] * 60, [50, 10]], ids=str)
def test_the_average_does_not_depend_on_the_batch_size(sizes):
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    average = MovingAverage(network, half_life=30, network_name="generator")
    average.seen.assign(20_000_000)  # far on
    average.network.set_weights([np.ones((1, 1))])
    network.set_weights([np.zeros((1, 1))])
    for size in sizes:
        average.update(network, size)
    np.testing.assert_allclose(average.network.get_weights()[0], [[0.25]], rtol=1e-4)
    assert int(average.seen.numpy()) == 20_000_060


def distinct():
    """A model whose average is far from its generator."""
    model = tiny(ema_half_life=100.0)
    model.average.network.set_weights([1 + 2 * w for w in model.generator.get_weights()])
    return model


def test_what_uses_the_average(tmp_path):
    model = distinct()
    latents = tf.constant(RNG.normal(size=(8, 3)), tf.float32)
    averaged, raw = model.average.network(latents).numpy(), model.generator(latents).numpy()
    assert np.abs(averaged - raw).min() > 0.01
    np.testing.assert_allclose(model(latents), averaged, atol=1e-5)
    np.testing.assert_allclose(model(latents, training=True), raw, atol=1e-5)
    latents = tf.random.stateless_normal((8, 3), (5, 0))
    np.testing.assert_allclose(model.sample(8, seed=5), model.average.network(latents), atol=1e-5)
    model.export(tmp_path / "export")
    exported = tf.saved_model.load(str(tmp_path / "export" / "1"))
    served = exported.serving_default(latents)["data"]
    np.testing.assert_allclose(served, model.average.network(latents), atol=1e-5)
    # Evaluation, with its metrics, but not training.
    shown = spy(model)
    model.evaluate(POINTS[:8], verbose=0)
    fake = model.average.network(Noise(0).normal((8, 3)))
    np.testing.assert_allclose(shown[1][0], fake, atol=1e-5)
    shown.clear()
    fake = model.generator(Noise(model.noise.seed).normal((8, 3)))
    model.fit(POINTS[:8], batch_size=8, verbose=0)
    for data, _ in shown[1:]:
        np.testing.assert_allclose(data, fake, atol=1e-5)


def test_metrics_see_the_average():
    model = distinct()
    model.compile(metrics=[keras.metrics.MeanSquaredError()])
    logs = model.evaluate(POINTS[:8], verbose=0, return_dict=True)
    expected = np.mean((model.average.network(Noise(0).normal((8, 3))) - POINTS[:8]) ** 2)
    assert logs["mean_squared_error"] == pytest.approx(expected, rel=1e-4)


def test_optimizers_leave_the_average_alone():
    model = distinct()
    model.compile("adam", "adam")
    averages = {id(variable) for variable in model.average.variables}
    assert len(averages) == 5
    for name, variables in model.optimized_variables().items():
        assert not averages & {id(variable) for variable in variables}
        # Adam's two moments of each, an iteration and a learning rate.
        assert len(getattr(model, name).variables) == 2 * len(variables) + 2
    assert not averages & {id(variable) for variable in model.trainable_variables}


def test_a_resumed_run_is_the_same(tmp_path):
    def make():
        keras.utils.set_random_seed(4)
        model = tiny(ema_half_life=50.0, generator=normalized_generator())
        model.compile("adam", "adam")
        return model

    model, path = make(), tmp_path / "model.keras"
    options = {"batch_size": 16, "shuffle": False, "verbose": 0}
    model.fit(POINTS, **options)
    model.save(path)
    copy = keras.saving.load_model(path)
    assert copy.ema_half_life == 50.0
    np.testing.assert_array_equal(copy.sample(5, seed=0), model.sample(5, seed=0))
    weights = make()
    weights.fit(POINTS[:16], **options)  # other weights, and optimizers with a state
    model.save_weights(tmp_path / "model.weights.h5")
    weights.load_weights(tmp_path / "model.weights.h5")
    for other in (copy, weights):
        assert int(other.average.seen.numpy()) == 64
    for m in (model, copy, weights):
        m.fit(POINTS, **options)
    for other in (copy, weights):
        for a, b in zip(model.variables, other.variables, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("half_life", [0, -1.0, float("nan"), "a", True])
def test_bad_half_life(half_life):
    with pytest.raises(ValueError, match=r"`ema_half_life` must .*be positive. Received: ema_half"):
        tiny(ema_half_life=half_life)


class Subclassed(keras.Model):
    """Latents (and labels) to points; not a graph of layers."""

    def __init__(self, units, num_classes=None, **kwargs):
        super().__init__(**kwargs)
        self.units, self.num_classes = units, num_classes
        self.hidden, self.outputs = keras.layers.Dense(units), keras.layers.Dense(2)
        self.normalization = keras.layers.BatchNormalization()
        if num_classes:
            self.embedding = keras.layers.Embedding(num_classes, 3)

    def call(self, inputs, training=False):
        if self.num_classes:
            latents, labels = inputs
            inputs = latents + self.embedding(labels)
        return self.outputs(self.normalization(self.hidden(inputs), training=training))


class WithConfig(Subclassed):
    def get_config(self):
        config = {"units": self.units, "num_classes": self.num_classes}
        return {**super().get_config(), **config}


def unregistered():
    """A graph with a layer that Keras could not find again by its name."""

    class Local(keras.layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(shape=input_shape[-1:], initializer="ones")

        def call(self, inputs):
            return self.scale * inputs

    inner = keras.Sequential([keras.Input((4,)), Local(), keras.layers.Dense(2)])
    inputs = keras.Input((3,))
    return keras.Model(inputs, inner(keras.layers.Dense(4)(inputs)))


def not_built():
    return keras.Sequential(
        [keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    )


GENERATORS = {
    "subclassed": lambda: WithConfig(4),
    "subclassed, conditional": lambda: WithConfig(4, num_classes=3),
    "unregistered layer": unregistered,
    "not built": not_built,
}


@pytest.mark.parametrize("name", GENERATORS)
def test_generators_of_ones_own(name):
    generator = GENERATORS[name]()
    num_classes = 3 if "conditional" in name else None
    model = tiny(ema_half_life=1e6, num_classes=num_classes, generator=generator)
    start = generator.get_weights()
    for a, b in zip(model.average.network.get_weights(), start, strict=True):
        np.testing.assert_array_equal(a, b)
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5), run_eagerly=True)
    model.fit(POINTS[:40], LABELS[:40], batch_size=20, verbose=0)
    for a, b, c in zip(
        model.average.network.get_weights(), generator.get_weights(), start, strict=True
    ):
        # Moved, and close to the generator: half of the old is forgotten within two images.
        assert np.any(b != c) <= np.any(a != c) and np.abs(a - b).max() < 0.05
    assert model.sample(5).shape == (5, 2)


def test_a_generator_that_cannot_be_copied():
    model = tiny(generator=Subclassed(keras.layers.Dense(4).units))  # well without an average
    assert model.average is None
    words = r"`generator` must have a working `get_config`.*`ema_half_life`"
    with pytest.raises(ValueError, match=words):
        tiny(ema_half_life=10.0, generator=Subclassed(4))


# All of it together. ------------------------------------------------------------------------------

SPECTRAL = {"spectral_normalization": True, "minibatch_stddev": 3}
COMBINATIONS = {
    "packing, r1, hinge": ({"loss": "hinge", "penalty": "r1", "packing": 2}, {}),
    "spectral, minibatch, classes": ({"num_classes": 3, "ema_half_life": 20.0}, SPECTRAL),
    "adaptive, average, critic steps": (
        {
            "augmentation": lambda: AdaptiveAugmentation(("translation",), images=100),
            "ema_half_life": 20.0,
            "critic_steps": 2,
        },
        {},
    ),
    "packs of classes, noise, dragan, minibatch": (
        {
            "augmentation": lambda: InstanceNoise(0.3, 100),
            "packing": 2,
            "num_classes": 3,
            "penalty": "dragan",
        },
        SPECTRAL,
    ),
    "wasserstein, packing, augmentation": (
        {
            "augmentation": lambda: DifferentiableAugmentation(probability=0.5),
            "loss": "wasserstein",
            "penalty": "wgan_gp",
            "packing": 2,
            "critic_steps": 2,
        },
        {},
    ),
}


@pytest.mark.parametrize(
    ("name", "execution"),
    [(name, "run_eagerly") for name in COMBINATIONS]
    + [pytest.param(name, "jit_compile", marks=pytest.mark.slow) for name in COMBINATIONS],
)
def test_combinations(name, execution):
    options, parts = COMBINATIONS[name]
    options = {k: v() if callable(v) else v for k, v in options.items()}
    shape, num_classes = (4, 4, 2), options.get("num_classes")
    # Dense ones: XLA takes long over convolutions, and the contract has some.
    size = {"hidden_units": (4, 4), "num_classes": num_classes}
    generator = networks.dense_decoder(shape, 3, output_activation="sigmoid", **size)
    packing = options.get("packing", 1)
    critic = networks.dense_discriminator(shape, packing=packing, **size, **parts)
    model = genzoo.GAN(shape, 3, generator=generator, discriminator=critic, **options)
    model.compile("adam", "adam", **{execution: True})
    assert getattr(model, execution) is True
    before = [values(network.trainable_variables) for network in (generator, critic)]
    logs = model.fit(IMAGES[:24], LABELS[:24], batch_size=12, verbose=0).history
    assert np.isfinite([*logs.values()]).all()
    for network, start in zip((generator, critic), before, strict=True):
        after = values(network.trainable_variables)
        assert all(np.isfinite(v).all() for v in after)
        # The last bias cancels out in some losses.
        assert np.sum([np.all(a == b) for a, b in zip(after, start, strict=True)]) <= 1
    if "augmentation_strength" in logs:
        layer = options["augmentation"]
        (followed,) = (v for v in layer.variables if v is not layer.noise.state)
        assert np.any(followed.numpy() != 0)
    if model.average is not None:
        distance = [
            np.abs(a - b).max()
            for a, b in zip(
                values(model.average.network.weights), values(generator.weights), strict=True
            )
        ]
        assert 0 < max(distance) < 0.1


def test_adaptation_by_the_boundary_of_the_loss():
    """Least squares has its targets at 0 and 1: an undecided discriminator says one half."""
    augmentation = genzoo.layers.AdaptiveAugmentation(target=0.0, images=1000.0)
    seen = []
    augmentation.adapt = seen.append
    critic = networks.dense_discriminator((8, 8, 1), hidden_units=(4,))
    for loss, boundary in (("least_squares", 0.5), ("hinge", 0.0), ("minimax", 0.0)):
        model = tiny((8, 8, 1), loss=loss, augmentation=augmentation, discriminator=critic)
        x = tf.constant(RNG.random((4, 8, 8, 1)), tf.float32)
        model.compile("sgd", "sgd", run_eagerly=True)
        scores = model.score(x, None, training=False)
        model.fit(x, batch_size=4, verbose=0)
        np.testing.assert_allclose(seen[-1], scores - boundary, atol=1e-6)


def test_adaptation_follows_label_smoothing():
    """With smoothing, an undecided discriminator's scores are negative; the mean sign is then 0."""
    augmentation, seen = genzoo.layers.AdaptiveAugmentation(images=1000.0), []
    augmentation.adapt = seen.append
    loss = genzoo.losses.NonSaturating(label_smoothing=0.2)
    model = tiny((8, 8, 1), loss=loss, augmentation=augmentation)
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0), run_eagerly=True)
    x = tf.constant(RNG.random((4, 8, 8, 1)), tf.float32)
    scores = model.score(x, None, training=False)
    model.fit(x, batch_size=4, verbose=0)
    np.testing.assert_allclose(seen[-1], scores - np.log(0.8 / 1.2), atol=1e-6)


def test_a_critic_adapts_nothing():
    augmentation = genzoo.layers.AdaptiveAugmentation()
    with pytest.raises(ValueError, match=r"must not adapt to the scores of a critic.*Wasserstein"):
        genzoo.WGANGP((8, 8, 1), 4, augmentation=augmentation)
    with pytest.raises(ValueError, match="must not adapt to the scores of a critic"):
        genzoo.DCGAN((8, 8, 1), 4, "wasserstein", augmentation=augmentation)
