import csv
import math
import re
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract import assert_equal, players, values
from matplotlib import image as mpl_image
from scipy.spatial.distance import pdist
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

import keras_genzoo as genzoo
from keras_genzoo import networks
from keras_genzoo.callbacks import (
    CollapseMonitor,
    SampleGrid,
    collapse_measures,
    collapse_monitor,
    collapse_rules,
)
from keras_genzoo.callbacks.collapse_rules import (
    COLLAPSE,
    DISCRIMINATOR_WINS,
    LITTLE,
    SLOW,
    STALLED,
    Rules,
)

RING = genzoo.data.ring(8, stddev=0.2)
GAN_NAMES = ["diversity", "coverage", "discriminator_accuracy", "generator_gradient_norm"]


def ring_gan(**options):
    """A GAN that covers most of the ring after an epoch."""
    model = genzoo.GAN((2,), 8, **{"penalty": "r1", **options})
    model.compile(*(keras.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(2)))
    return model


def small_vae():
    """A quick one."""
    size = {"hidden_units": (8,)}
    encoder, decoder = networks.encoder((2,), 4, **size), networks.decoder((2,), 2, **size)
    model = genzoo.VAE((2,), 2, likelihood="gaussian", encoder=encoder, decoder=decoder)
    model.compile()
    return model


def fit(model, *callbacks, epochs=1, examples=1024, **options):
    points = RING.sample(examples, seed=0)
    options = {"batch_size": 64, "verbose": 0, "callbacks": [*callbacks], **options}
    return model.fit(points, epochs=epochs, **options)


def watch(**options):
    return CollapseMonitor(RING.sample(300, seed=1), **options)


def on_epoch(number, action):
    """A callback that does something at the end of one epoch, counted from 1."""
    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: action() if epoch + 1 == number else None
    )


def poison(model, network):
    weight = getattr(model, network).weights[0]
    weight.assign(weight * np.nan)


class Collapse(keras.callbacks.Callback):
    """At the end of some epochs, counted from 1, all latents give the same point."""

    def __init__(self, *epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        kernel = getattr(self.model, "generator", getattr(self.model, "decoder", None)).weights[0]
        if epoch + 1 in self.epochs:
            self.kernel = values([kernel])[0]
            kernel.assign(tf.zeros_like(kernel))
        elif epoch in self.epochs:
            kernel.assign(self.kernel)


class Record(keras.callbacks.Callback):
    """The state after every epoch."""

    def on_train_begin(self, logs=None):
        self.states = [self.state()]

    def on_epoch_end(self, epoch, logs=None):
        self.states.append(self.state())

    def state(self):
        return values([*self.model.weights, *self.model.optimizer.variables])


# The numbers. -----------------------------------------------------------------------------------


def independent_numbers(model, real, labels=None, extractor=lambda x: x):
    """Of the model as it is, by SciPy, scikit-learn and a tape on the variables themselves."""
    of = {"num_samples": len(real)} if labels is None else {"labels": labels}
    samples = model.sample(**of, seed=0)
    real = real / np.float32(255) if real.dtype == np.uint8 else real
    labels = None if labels is None else tf.constant(labels)
    a, b = (np.reshape(extractor(x), (len(x), -1)).astype("float64") for x in (real, samples))
    radii = NearestNeighbors(n_neighbors=6).fit(a).kneighbors(a)[0][:, 5]  # itself is the first
    nearest = NearestNeighbors(n_neighbors=1).fit(b).kneighbors(a)[0][:, 0]
    numbers = [pdist(b).mean() / pdist(a).mean(), np.mean(nearest <= radii)]
    if not hasattr(model, "discriminator"):
        return numbers

    def discriminate(data):
        pack, shown_labels = model.packing, labels
        if pack > 1:  # neighbours side by side in the last axis
            data = tf.concat([data[i::pack] for i in range(pack)], axis=-1)
            shown_labels = None if labels is None else tf.reshape(labels, (-1, pack))
        inputs = data if labels is None else [data, shown_labels]
        return model.discriminator(inputs, training=False)[:, 0]

    latents = tf.random.stateless_normal((len(real), model.latent_dim), (0, 0))
    inputs = latents if labels is None else [latents, labels]
    with tf.GradientTape() as tape:
        fake_scores = discriminate(model.generator(inputs, training=False))
        loss = tf.reduce_mean(model.loss.generator_loss(fake_scores))
    gradients = tape.gradient(loss, [v.value for v in model.generator.trainable_variables])
    scores = np.concatenate([discriminate(real), fake_scores])
    truth = np.repeat([1, 0], len(fake_scores))
    norm = math.sqrt(sum(np.sum(np.square(g.numpy().astype("float64"))) for g in gradients))
    return [*numbers, roc_auc_score(truth, scores), norm]


MODELS = {
    "GAN": lambda: genzoo.GAN((8, 8, 1), 4, "least_squares"),
    "packs of a conditional GAN": lambda: genzoo.ConditionalGAN(
        (8, 8, 1), 10, 4, packing=2, generator=players(num_classes=10)["generator"]
    ),
    "moving average": lambda: genzoo.DCGAN((8, 8, 1), 4, ema_half_life=100.0, **players()),
    "Wasserstein": lambda: genzoo.WGANGP(
        (8, 8, 1), 4, critic_steps=2, **players(normalization=False)
    ),
    "VAE": lambda: genzoo.VAE((8, 8, 1), 4),
    "conditional VAE": lambda: genzoo.VAE((8, 8, 1), 4, num_classes=10),
}


def halves(images):
    """Two features: how bright the upper and the lower half is."""
    return tf.reduce_mean(tf.reshape(images, (-1, 2, 32)), axis=-1)


@pytest.mark.parametrize("name", MODELS)
def test_numbers_agree_with_independent_ones(name, digits):
    model = MODELS[name]()
    model.compile(**{n: keras.optimizers.SGD(1e-5) for n in model.default_optimizers()})
    labels = None if model.num_classes is None else digits[1][:240]
    # Data somewhat like the samples, so that some are covered.
    real = model.sample(240, seed=1) if labels is None else model.sample(labels=labels, seed=1)
    noise = np.random.default_rng(0).normal(size=real.shape)
    real = np.clip(real + np.std(real, axis=0) * noise, 0, 1).astype("float32")
    if name == "GAN":
        real = np.rint(255 * real).astype("uint8")
    monitor = CollapseMonitor(real, labels, halves)
    fit = model.fit(real, labels, batch_size=120, epochs=2, verbose=0, callbacks=[monitor])
    names = GAN_NAMES if hasattr(model, "discriminator") else GAN_NAMES[:2]
    assert [*monitor.history] == ["epoch", *names] and monitor.history["epoch"] == [1, 2]
    assert {n: fit.history[n] for n in names} == {n: monitor.history[n] for n in names}
    expected = independent_numbers(model, real, labels, halves)
    assert [monitor.history[n][-1] for n in names] == pytest.approx(expected, rel=1e-4)
    assert min(expected[:3]) > 0.01 and expected[1] < 1


def test_numbers_of_points_without_an_extractor():
    model, real = ring_gan(penalty=None), RING.sample(200, seed=1)
    monitor = CollapseMonitor(real)
    fit(model, monitor)
    numbers = [monitor.history[name][0] for name in GAN_NAMES]
    assert numbers == pytest.approx(independent_numbers(model, real), rel=1e-4)
    assert 0.01 < numbers[1] < 0.9


def test_measures_at_their_limits():
    points = np.random.default_rng(0).normal(size=(50, 3))
    apart = collapse_measures.told_apart(points[:, 0], points[:, 0] - 100)
    assert apart == 1 and collapse_measures.told_apart(np.ones(3), np.ones(4)) == 0.5
    assert math.isnan(collapse_measures.told_apart(np.ones(3), np.array([1, np.nan])))
    assert collapse_measures.mean_distance(np.ones((5, 3)) * 1e6) == 0
    far = collapse_measures.mean_distance(points * 1e-3 + 1e6)
    assert far == pytest.approx(1e-3 * pdist(points).mean(), rel=1e-5)


def test_at_most_a_thousand_examples_are_drawn(digits):
    images, labels = digits
    monitor = CollapseMonitor(images, labels, seed=3)
    assert monitor.real.shape == (1000, 8, 8, 1)
    # Each image with its own label, and not the first thousand.
    pairs = {(x.tobytes(), y) for x, y in zip(images, labels, strict=True)}
    drawn = [(x.tobytes(), y) for x, y in zip(monitor.real, monitor.labels, strict=True)]
    assert pairs.issuperset(drawn) and len(set(drawn)) > 990
    assert not np.array_equal(monitor.real, images[:1000])
    np.testing.assert_array_equal(CollapseMonitor(images, labels, seed=3).real, monitor.real)


def test_looks_every_few_epochs_and_anew_in_each_fit():
    model, monitor = small_vae(), watch(every=2)
    history = fit(model, monitor, epochs=5).history
    assert monitor.history["epoch"] == [2, 4] and len(monitor.history["coverage"]) == 2
    # CSVLogger asks the first epoch for its columns; plots expect an entry an epoch.
    for name in ("diversity", "coverage"):
        first, second = monitor.history[name]
        np.testing.assert_equal(history[name], [np.nan, first, np.nan, second, np.nan])
    fit(model, monitor, initial_epoch=5, epochs=6)
    assert monitor.history["epoch"] == [6] and len(monitor.history["coverage"]) == 1


# The rules. -------------------------------------------------------------------------------------


def judge(numbers, patience=2, critic=False):
    """Events by epoch, of looks given as (diversity, coverage, accuracy, norm), from epoch 1."""
    rules, told = Rules(patience, critic), {}
    for epoch, look in enumerate(numbers, start=1):
        look = dict(zip(GAN_NAMES, look, strict=False))
        for event in rules.judge({"epoch": epoch, "not_finite": "", **look}):
            told.setdefault(epoch, []).append((event.kind, event.since))
    return told


GOOD, FELL = (0.9, 0.5, 0.7, 1.0), (0.4, 0.5, 0.7, 1.0)
UNCOVERED, UNTRAINED = (0.9, 0.2, 0.7, 1.0), (0.9, 0.0, 0.7, 1.0)
WON = (0.3, 0.02, 1.0, 1.0)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([GOOD] * 30, {}),
        ([GOOD, FELL, FELL, FELL, FELL], {3: [(COLLAPSE, 2)]}),
        ([GOOD, UNCOVERED, UNCOVERED], {3: [(COLLAPSE, 2)]}),
        ([GOOD, UNCOVERED, FELL], {3: [(COLLAPSE, 2)]}),
        ([GOOD, FELL, GOOD, FELL, GOOD, FELL], {}),  # not in a row
        ([GOOD, FELL, FELL, GOOD, FELL, FELL], {3: [(COLLAPSE, 2)], 6: [(COLLAPSE, 5)]}),
        ([UNTRAINED, UNTRAINED, (0.1, 0.0), (0.1, 0.0)], {}),  # nothing was learned yet
        ([UNTRAINED, (0.4, 0.1), (0.3, 0.1), (0.3, 0.1)], {}),  # worse than then, not than before
        ([(9.0, 0.5), (0.6, 0.5), (0.6, 0.5)], {}),  # more diverse than the data is not better
        ([(0.05, 0.0)] * 12, {12: [(COLLAPSE, 11)]}),
        ([(0.15, 0.0)] * 19, {}),
        ([(0.5, 0.05)] * 25, {20: [(LITTLE, 20)]}),
        ([(0.5, 0.05)] * 9 + [(0.5, 0.12)] + [(0.5, 0.07)] * 20, {}),
        # The discriminator wins: nothing improves,
        ([WON] * 12, {11: [(DISCRIMINATOR_WINS, 2)]}),
        ([(0.3 + 0.02 * i, 0.02, 1.0, 1.0) for i in range(15)], {}),
        ([(0.3, 0.02 * i, 1.0, 1.0) for i in range(15)], {}),
        ([WON] * 10 + [(0.3, 0.02, 0.98, 1.0)] + [WON] * 9, {20: [(LITTLE, 20)]}),
        # or the gradient vanishes.
        ([GOOD, (0.9, 0.5, 1.0, 0.009), (0.9, 0.5, 1.0, 0.009)], {3: [(DISCRIMINATOR_WINS, 2)]}),
        ([GOOD, (0.9, 0.5, 0.9, 0.009), (0.9, 0.5, 0.9, 0.009)], {}),
        ([GOOD, (0.9, 0.5, 1.0, 0.02), (0.9, 0.5, 1.0, 0.02)], {}),
        ([GOOD, (0.9, 0.5, 1.0, math.inf), (0.9, 0.5, 1.0, 1.0), (0.9, 0.5, 1.0, 1.0)], {}),
        ([(math.nan,) * 4] * 19, {}),
    ],
)
def test_rules(looks, expected):
    assert (STALLED, SLOW) == (10, 20)
    assert judge(looks) == expected


def test_a_critic_may_be_ahead_but_not_flat():
    assert judge([WON] * 19, critic=True) == {}
    flat = [WON, (0.3, 0.02, 1.0, 0.001), (0.3, 0.02, 1.0, 0.001)]
    assert judge(flat, critic=True) == {3: [(DISCRIMINATOR_WINS, 2)]}


@pytest.mark.parametrize("patience", [1, 3])
def test_patience(patience):
    assert judge([GOOD] + [FELL] * 5, patience) == {patience + 1: [(COLLAPSE, 2)]}


# Runs. ------------------------------------------------------------------------------------------


def test_a_healthy_run_is_not_called():
    monitor = watch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(ring_gan(), monitor, epochs=6)
    assert monitor.collapsed_at is None and monitor.events == []
    assert min(monitor.history["coverage"]) > 0.3


@pytest.fixture(scope="module")
def collapsing(tmp_path_factory):
    """What is left of a GAN's training that collapses in its third epoch, of five."""
    keras.utils.set_random_seed(1)
    directory = tmp_path_factory.mktemp("collapsing")
    picture, pictures = directory / "new" / "monitor.png", []
    monitor = watch(patience=2, picture=picture)
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: pictures.append((picture.read_bytes(), len(red_columns(picture))))
    )
    logger = keras.callbacks.CSVLogger(directory / "log.csv")
    stopping = keras.callbacks.EarlyStopping("coverage", mode="max", patience=4)
    callbacks = [Collapse(3, 4, 5, 6, 7), monitor, look, logger, stopping]
    with pytest.warns(UserWarning) as told:
        history = fit(ring_gan(), *callbacks, epochs=7).history
    with open(directory / "log.csv") as file:
        rows = [*csv.DictReader(file)]
    told = [str(warning.message) for warning in told if "epoch" in str(warning.message)]
    return SimpleNamespace(
        monitor=monitor, history=history, rows=rows, told=told, pictures=pictures
    )


def test_a_collapse_is_told_once(collapsing):
    monitor, (message,) = collapsing.monitor, collapsing.told
    assert monitor.collapsed_at == 3
    best = {name: max(monitor.history[name][:2]) for name in ("diversity", "coverage")}
    epochs = {name: 1 + monitor.history[name].index(value) for name, value in best.items()}
    assert message.startswith(
        "epoch 4: mode collapse since epoch 3: the samples' diversity is 0.00 of the real data's "
        f"(best so far {min(1, best['diversity']):.2f}, epoch "
    )
    covered = f"the samples cover 0.00 of the real data (best so far {best['coverage']:.2f}, epoch "
    assert f"{covered}{epochs['coverage']}). Remedies: " in message
    assert "penalty='r1'" in message and "packing=2" in message


def test_other_callbacks_see_the_numbers(collapsing):
    history, rows = collapsing.history, collapsing.rows
    for name in GAN_NAMES:
        assert history[name] == collapsing.monitor.history[name]
        assert [float(row[name]) for row in rows] == pytest.approx(history[name])
    best = 1 + history["coverage"].index(max(history["coverage"]))
    assert best <= 2 and len(rows) == best + 4  # stopped early


def test_the_picture_is_drawn_at_every_look(collapsing):
    files, red = zip(*collapsing.pictures, strict=True)
    assert len({*files}) == len(files) >= 5
    assert [columns > 0 for columns in red[:5]] == [False, False, False, True, True]


@pytest.mark.parametrize("on_collapse", ["stop", "restore"])
def test_stop_and_restore(on_collapse):
    model, record = ring_gan(), Record()
    monitor = watch(patience=2, on_collapse=on_collapse)
    with pytest.warns(UserWarning, match="Training stops"):
        history = fit(model, Collapse(2, 4, 5), record, monitor, epochs=9)
    # One bad look, the second, is forgiven; the last good one is the third.
    assert history.epoch == [0, 1, 2, 3, 4] and monitor.collapsed_at == 4
    if on_collapse == "restore":
        assert_equal(record.states[3], record.state())
    assert not np.array_equal(record.states[3][2], record.states[5][2])


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_weights_that_are_not_finite_are_told_at_once(network):
    model, monitor, record = ring_gan(penalty=None), watch(on_collapse="restore"), Record()
    told = (
        f"epoch 2: not finite: NaN or infinite numbers in {getattr(model, network).weights[0].path}"
    )
    spoil = on_epoch(2, lambda: poison(model, network))
    with pytest.warns(UserWarning, match=told):
        fit(model, record, spoil, monitor, epochs=4, examples=64)
    assert monitor.collapsed_at == 2 and monitor.history["epoch"] == [1, 2]
    assert math.isnan(monitor.history["discriminator_accuracy"][1])
    assert math.isnan(monitor.history["diversity"][1]) == (network == "generator")
    assert_equal(record.states[1], record.state())


def test_samples_that_are_not_finite_are_told_at_once(monkeypatch):
    monkeypatch.setattr(collapse_rules, "SLOW", 1)
    model, monitor = small_vae(), watch(on_collapse="stop")
    monkeypatch.setattr(model, "sample", lambda n, seed: np.full((n, 2), np.inf))
    with pytest.warns(UserWarning) as told:
        fit(model, monitor, epochs=2)
    first, second = (str(w.message) for w in told if "epoch 1" in str(w.message))
    assert re.fullmatch(r"epoch 1: not finite: .* in samples\. .*: .*\. Training stops\.", first)
    assert "little" in second and "stops" not in second
    assert monitor.history["epoch"] == [1]


def test_without_a_good_look_the_start_is_restored():
    model, monitor, record = small_vae(), watch(on_collapse="restore"), Record()
    spoil = on_epoch(1, lambda: poison(model, "decoder"))
    with pytest.warns(UserWarning, match="with the weights from before training"):
        fit(model, record, spoil, monitor)
    assert_equal(record.states[0], record.state())


def test_a_vae_collapses_too():
    model, monitor = small_vae(), watch(patience=1)
    best = {"diversity": (1.0, 1)}  # as if it had learned
    start = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: monitor._rules.best.update(best)
    )
    with pytest.warns(UserWarning, match="mode collapse.*Remedies: .*`beta`"):
        fit(model, start, Collapse(1), monitor)
    assert monitor.collapsed_at == 1


def test_little_coverage_stops_nothing(monkeypatch):
    monkeypatch.setattr(collapse_rules, "SLOW", 1)
    monkeypatch.setattr(collapse_rules, "LEARNED", 1.1)
    monitor = watch(on_collapse="stop", patience=9)
    with pytest.warns(
        UserWarning, match=r"epoch 1: little is covered: .* after 1 looks\. Rem.*\.$"
    ):
        history = fit(small_vae(), monitor, epochs=2)
    assert history.epoch == [0, 1] and monitor.collapsed_at is None and len(monitor.events) == 1


def test_a_critic_is_judged_as_one(monkeypatch):
    judged = []
    monkeypatch.setattr(collapse_monitor, "Rules", lambda patience, critic: judged.append(critic))
    monitor = CollapseMonitor(RING.sample(300, seed=1))
    for model in (ring_gan(loss="wasserstein"), ring_gan(), small_vae()):
        monitor.set_model(model)
        monitor.on_train_begin()
    assert judged == [False, True, False, False]  # the first is the constructor's


def noisy_gan():
    """With everything that draws or keeps something in training."""
    layers = keras.layers
    norm, drop = layers.BatchNormalization, layers.Dropout
    shape, z = keras.Input((2,)), keras.Input((4,))
    fake = layers.Dense(2)(drop(0.5)(norm()(layers.Dense(8)(z))))
    score = layers.Dense(1)(drop(0.5)(norm()(layers.Dense(8)(shape))))
    parts = {"generator": keras.Model(z, fake), "discriminator": keras.Model(shape, score)}
    parts["augmentation"] = genzoo.layers.InstanceNoise(0.1, half_life=1e4)
    model = genzoo.GAN((2,), 4, penalty="dragan", ema_half_life=100.0, **parts)
    model.compile()
    return model


def test_training_is_the_same_without():
    def state(*callbacks):
        keras.utils.set_random_seed(5)
        model = noisy_gan()
        fit(model, *callbacks, epochs=3, examples=128)
        generators = [generator.state for generator in model.seed_generators()]
        assert len(generators) >= 2
        return values([*model.weights, *model.optimizer.variables, *generators])

    assert_equal(state(), state(watch(on_collapse="restore")))


def test_replicas(two_replicas):
    def run(strategy):
        keras.utils.set_random_seed(2)
        with strategy.scope():
            model = ring_gan(penalty=None, ema_half_life=100.0)
        monitor, record = watch(on_collapse="restore"), Record()
        spoil = on_epoch(2, lambda: poison(model, "generator"))
        # Callbacks are in the strategy's cross-replica context if `fit` is called in its scope.
        told = pytest.warns(UserWarning, match="not finite.*Training stops .* of epoch 1")
        with strategy.scope(), told:
            fit(model, record, spoil, monitor, epochs=4, examples=256)
        assert_equal(record.states[1], record.state())
        return monitor.history

    one, two = run(tf.distribute.get_strategy()), run(two_replicas)
    for name, numbers in one.items():
        assert two[name] == pytest.approx(numbers, rel=1e-3, abs=1e-2, nan_ok=True)


# The picture. -----------------------------------------------------------------------------------

RED = (214, 39, 40)  # tab:red


def read(path):
    return np.rint(255 * mpl_image.imread(path)[..., :3]).astype("uint8")


def red_columns(path):
    return np.flatnonzero((read(path) == RED).all(axis=-1).sum(axis=0) > 100)


@pytest.mark.parametrize("epoch", [2, 9])
def test_draw(tmp_path, epoch):
    monitor = watch()
    monitor.set_model(small_vae())
    monitor.draw(tmp_path / "empty.png")
    numbers = {name: list(np.linspace(1.5, 0, 11)) for name in GAN_NAMES}
    monitor.history = {"epoch": [*range(11)], **numbers}
    monitor.draw(tmp_path / "good.png")
    event = Rules(1, False).judge(
        {"epoch": epoch, "not_finite": "NaN", **dict.fromkeys(GAN_NAMES, 1.0)}
    )
    monitor.events = event
    monitor.draw(tmp_path / "bad.png")
    assert len(red_columns(tmp_path / "good.png")) == 0
    column = red_columns(tmp_path / "bad.png").mean()
    # The axes begin after the labels, at about a tenth, and have margins.
    assert column / 800 == pytest.approx(0.16 + 0.8 * epoch / 10, abs=0.04)


def test_a_failing_picture_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "monitor.png"
    path.write_text("the old picture")

    def fail(self, place, *args, **kwargs):
        with open(place, "w") as half:
            half.write("half a picture")
        raise OSError("disk full")

    monkeypatch.setattr("matplotlib.backends.backend_agg.FigureCanvasAgg.print_png", fail)
    monitor = watch()
    monitor.set_model(small_vae())
    with pytest.raises(OSError, match="disk full"):
        monitor.draw(path)
    assert path.read_text() == "the old picture" and [*tmp_path.iterdir()] == [path]


# Bad input. -------------------------------------------------------------------------------------

POINTS = np.random.default_rng(0).random((20, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "`every` must be a positive integer. Received: every=0"),
        ({"patience": 1.5}, "`patience` must be a positive integer. Received: patience=1.5"),
        ({"on_collapse": "halt"}, "`on_collapse` must be .*Received: on_collapse='halt'"),
        ({"feature_extractor": 3}, "`feature_extractor` must be .*Received: feature_extractor=3"),
        ({"real": POINTS[:5]}, r"`real` must be .* 6 or more .*Received: shape \(5, 2\)"),
        ({"real": None}, r"`real` must be .*Received: shape \(\)"),
        ({"seed": -1}, r"`seed` must be an integer in .*Received: seed=-1"),
        ({"seed": None}, r"`seed` must be an integer in .*Received: seed=None"),
        ({"picture": "a/monitor"}, "`picture` must be .*Received: picture='a/monitor'"),
        ({"labels": [1, 2]}, r"`labels` must hold .* 20 examples.*Received: shape \(2,\)"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        CollapseMonitor(**{"real": POINTS, **arguments})


def test_a_picture_that_cannot_be_written_is_refused_first(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for make in (
        lambda path: CollapseMonitor(POINTS, picture=path / "monitor.png"),
        lambda path: SampleGrid(path),
    ):
        make(tmp_path / "new" / "newer")
        with pytest.raises(ValueError, match=r"files can be written, and '.*file' is not"):
            make(tmp_path / "file" / "new")
        with monkeypatch.context() as patch:
            patch.setattr("os.access", lambda path, mode: path != tmp_path)
            with pytest.raises(ValueError, match=r"files can be written, and .* is not. Received"):
                make(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def extractor_of(value):
    return lambda data: tf.fill((tf.shape(data)[0], 1), value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"real": POINTS[:, :1]}, r"`real` must have the shape \('batch', 2\).*Received: shape"),
        ({"real": POINTS * np.nan}, "`real` must be finite.*Received: NaN"),
        ({"real": 0 * POINTS}, "`real` must hold different .*Received: .* mean distance of 0.0"),
        ({"feature_extractor": extractor_of(1.0)}, "`real` must hold different .*Received: .*0.0"),
        ({"feature_extractor": extractor_of(math.nan)}, "finite features. Received: .*nan"),
        ({"feature_extractor": keras.layers.Conv2D(1, 3)}, "`feature_extractor` must map .*Rec"),
        ({"labels": [0] * 20}, "`labels` must be None: .*Received: labels="),
    ],
)
def test_errors_come_before_training(arguments, message):
    model = ring_gan()
    before = values(model.weights)
    with pytest.raises(ValueError, match=message):
        fit(model, CollapseMonitor(**{"real": POINTS, **arguments}))
    assert_equal(before, values(model.weights))


def test_labels_of_a_conditional_model_are_needed(digits):
    model = genzoo.ConditionalGAN((8, 8, 1), 10, 4, **players(num_classes=10))
    model.compile()
    with pytest.raises(ValueError, match=r"`labels` must hold the labels.*Received: labels=None"):
        model.fit(digits[0], digits[1], verbose=0, callbacks=[CollapseMonitor(digits[0])])


def test_models_that_cannot_sample_are_refused(digits):
    model = genzoo.Autoencoder((8, 8, 1), 4, (8,))
    model.compile()
    message = "`CollapseMonitor` must watch a model with `sample`. Received: Autoencoder"
    with pytest.raises(ValueError, match=message):
        model.fit(digits[0], verbose=0, callbacks=[CollapseMonitor(digits[0])])
