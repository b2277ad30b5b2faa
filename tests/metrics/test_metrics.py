"""Metrics of generated data, against independent computations on the same features."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract.cases import CASES
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

import keras_genzoo as genzoo
from keras_genzoo import metrics


def gaussians(n=400, d=6, shift=0.0, scale=1.0, seed=0):
    mixing = np.random.default_rng(9).normal(size=(d, d))
    x = np.random.default_rng(seed).normal(size=(n, d)) @ mixing
    return (scale * x + shift).astype("float32")


REAL, FAKE = gaussians(seed=1), gaussians(300, shift=0.3, scale=1.2, seed=2)
METRICS = {
    "FrechetDistance": {},
    "KernelDistance": {"subsets": 10, "subset_size": 100},
    "PrecisionRecall": {"neighbours": 3},
}


def make(name, **options):
    return getattr(metrics, name)(**METRICS[name] | options)


def result(metric, real, generated, batch=None):
    """The result as a plain list of numbers."""
    size = max(len(real), len(generated))
    for start in range(0, size, batch or size):
        part = slice(start, start + (batch or size))
        metric.update_state(real[part], generated[part])
    value = metric.result()
    return [float(v) for v in (value.values() if isinstance(value, dict) else [value])]


def frechet_by_scipy(x, y):
    x, y = x.astype("float64"), y.astype("float64")
    covariances = np.cov(x.T), np.cov(y.T)
    root = sqrtm(covariances[0] @ covariances[1]).real
    gap = np.sum((x.mean(0) - y.mean(0)) ** 2)
    return gap + np.trace(covariances[0] + covariances[1] - 2 * root)


@pytest.fixture(params=[None, 70], ids=["one block", "blocks"])
def blocks(request, monkeypatch):
    """What is worked out in blocks of rows is so for few of them too."""
    if request.param:
        for module in (metrics.kernel_distance, metrics.precision_recall):
            monkeypatch.setattr(module, "BLOCK", request.param)
        monkeypatch.setattr(metrics.frechet_distance, "BLOCK", 4)


def test_frechet_distance_by_scipy(blocks):
    assert result(make("FrechetDistance"), REAL, FAKE)[0] == pytest.approx(
        frechet_by_scipy(REAL, FAKE), rel=1e-6
    )


def test_frechet_distance_of_known_gaussians():
    # Diagonal covariances: |μ|² + Σ (σ - τ)².
    mean, sigma, tau = np.array([3.0, -1.0]), np.array([1.0, 2.0]), np.array([0.5, 2.5])
    value = metrics.frechet_distance.frechet_distance(
        np.zeros(2), np.diag(sigma**2), mean, np.diag(tau**2)
    )
    assert value == pytest.approx(10 + 0.5)


def test_frechet_distance_of_degenerate_features():
    x, y = (np.repeat(a, 2, axis=1) for a in (REAL, FAKE))  # covariances of half the rank
    assert result(make("FrechetDistance"), x, y)[0] == pytest.approx(
        2 * frechet_by_scipy(REAL, FAKE), rel=1e-9
    )
    assert result(make("FrechetDistance"), x, x)[0] == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_one_point():
    x, point = REAL.astype("float64"), np.tile(FAKE[:1], (9, 1))
    expected = np.sum((x.mean(0) - point[0]) ** 2) + np.trace(np.cov(x.T))
    for pair in ((REAL, point), (point, REAL)):
        assert result(make("FrechetDistance"), *pair)[0] == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_survives_a_large_mean():
    shifted = [x.astype("float64") + 1000 for x in (REAL, FAKE)]
    expected = frechet_by_scipy(*(x.astype("float32") for x in shifted))
    assert result(make("FrechetDistance"), *shifted)[0] == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_warns_of_few_examples():
    match = "needs more examples than features: its bias.*Received: 6 examples of 6 features"
    with pytest.warns(UserWarning, match=match):
        result(make("FrechetDistance"), REAL[:6], FAKE[:6])
    with warnings.catch_warnings(action="error"):
        result(make("FrechetDistance"), REAL[:7], FAKE[:7])


def test_bias_of_the_frechet_distance():
    # As the documentation says: upwards, and as 1 over the number of examples.
    few, many = (
        np.mean(
            [
                result(make("FrechetDistance"), *(gaussians(n, seed=2 * i + j) for j in (0, 1)))[0]
                for i in range(20)
            ]
        )
        for n in (100, 400)
    )
    assert 3 < few / many < 5


def test_kernel_distance_by_scikit_learn(blocks):
    size = 300
    kernels = [
        polynomial_kernel(a, b, degree=3, gamma=1 / 6, coef0=1)
        for a, b in ((REAL[:size], REAL[:size]), (FAKE, FAKE), (REAL[:size], FAKE))
    ]
    within = [(k.sum() - np.trace(k)) / (size * (size - 1)) for k in kernels[:2]]
    expected = sum(within) - 2 * kernels[2].mean()
    # One subset that is everything.
    metric = make("KernelDistance", subsets=1, subset_size=size)
    value, deviation = result(metric, REAL[:size], FAKE)
    assert value == pytest.approx(expected, rel=1e-6) and deviation == 0


def test_subsets_that_are_everything_are_compared_once(monkeypatch):
    calls, module = [], metrics.kernel_distance
    whole = module.kernel_distance
    monkeypatch.setattr(module, "kernel_distance", lambda *sets: calls.append(1) or whole(*sets))
    value, deviation = result(make("KernelDistance"), REAL[:90], FAKE[:90])
    assert len(calls) == 1 and deviation == 0
    assert value == pytest.approx(whole(*(x[:90].astype("float64") for x in (REAL, FAKE))))
    result(make("KernelDistance"), REAL[:90], FAKE[:91])
    assert len(calls) == 1 + 10


def test_kernel_distance_is_unbiased():
    values = [
        result(
            make("KernelDistance", subsets=1),
            gaussians(50, seed=2 * i),
            gaussians(50, seed=2 * i + 1),
        )
        for i in range(200)
    ]
    values = np.array(values)[:, 0]
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(200)
    assert (values < 0).any()


def test_precision_recall_by_scikit_learn(blocks):
    k = 3

    def neighbours(x):
        return NearestNeighbors(n_neighbors=k + 1).fit(x)

    def radii(x):
        return neighbours(x).kneighbors(x)[0][:, k]

    distances = np.linalg.norm(REAL[:, None] - FAKE[None], axis=-1)
    in_real, in_fake = distances <= radii(REAL)[:, None], distances <= radii(FAKE)[None]
    expected = [
        in_real.any(0).mean(),
        in_fake.any(1).mean(),
        in_real.sum() / (k * len(FAKE)),
        in_real.any(1).mean(),
    ]
    assert result(make("PrecisionRecall"), REAL, FAKE) == pytest.approx(expected)
    assert 0 < expected[0] < 1 and 0 < expected[1] < 1


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("batch", [1, 7, 100])
def test_batches_make_no_difference(name, batch):
    x, y = REAL[:210], FAKE[:210]
    whole, parts = result(make(name), x, y), result(make(name), x, y, batch)
    np.testing.assert_allclose(parts, whole, rtol=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_compiled_by_xla(name):
    metric = make(name)
    metric.build((None, 6))
    update = tf.function(metric.update_state, jit_compile=True)
    for part in (slice(0, 100), slice(100, 200)):
        update(REAL[part], FAKE[part])
    value = metric.result()
    values = [float(v) for v in (value.values() if isinstance(value, dict) else [value])]
    assert values == pytest.approx(result(make(name), REAL[:200], FAKE[:200]), rel=1e-6)


STORED = {"KernelDistance": {"subsets": 1, "subset_size": 60}, "PrecisionRecall": {}}


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("batch", [1, 7, 60, 100])
def test_the_first_examples_are_kept(name, batch):
    metric = make(name, **STORED[name], max_examples=60)
    expected = result(make(name, **STORED[name]), REAL[:60], FAKE[:60])
    assert result(metric, REAL[:210], FAKE[:210], batch) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", STORED)
def test_storing_costs_what_the_batch_does(name):
    metric = make(name, max_examples=12_345)
    metric.build((None, 6))
    spec = tf.TensorSpec((None, 6))
    graph = tf.function(metric.update_state).get_concrete_function(spec, spec).graph
    shapes = [output.shape for op in graph.get_operations() for output in op.outputs]
    sizes = {size for shape in shapes if shape.rank for size in shape.as_list()}
    assert 6 in sizes and not sizes & {12_345, 12_346}


@pytest.mark.parametrize("name", METRICS)
def test_resetting(name):
    metric = make(name)
    result(metric, FAKE, REAL)
    metric.reset_state()
    assert result(metric, REAL, FAKE) == pytest.approx(result(make(name), REAL, FAKE))


LIMITS = [*((name, {}) for name in METRICS), *((name, {"max_examples": 70}) for name in STORED)]


@pytest.mark.parametrize("name, limit", LIMITS)
@pytest.mark.parametrize("eager", [False, True], ids=["graph", "eager"])
def test_two_replicas(name, limit, eager, two_replicas):
    with two_replicas.scope():
        metric = make(name, **limit)
        metric.build((None, 6))
    # The last batch has a single example: one replica has none.
    data = tf.data.Dataset.from_tensor_slices((REAL[:161], FAKE[:161])).batch(40)

    def update(pair):
        two_replicas.run(metric.update_state, args=pair)

    update = update if eager else tf.function(update)
    for _ in range(2):
        metric.reset_state()
        for pair in two_replicas.experimental_distribute_dataset(data):
            update(pair)
    value = metric.result()
    values = value.values() if isinstance(value, dict) else [value]
    expected = result(make(name, **limit), REAL[:161], FAKE[:161])
    np.testing.assert_allclose([float(v) for v in values], expected, rtol=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_updates_outside_of_the_replicas_are_refused(name, two_replicas):
    match = r"made under a strategy must be called by `strategy.run`.*Received"
    with two_replicas.scope():
        metric = make(name)
        with pytest.raises(ValueError, match=match):
            metric.update_state(REAL, FAKE)
    with pytest.raises(ValueError, match=match):
        metric.update_state(REAL, FAKE)
    # One that was made outside is the process's own.
    metric = make(name)
    metric.build((None, 6))
    with two_replicas.scope():
        values = result(metric, REAL, FAKE)
    assert values == pytest.approx(result(make(name), REAL, FAKE))


def test_missing_modes_lower_recall_and_coverage_but_not_precision():
    mixture = genzoo.data.ring(8)
    real, complete = mixture.sample(800, seed=0), mixture.sample(800, seed=1)
    half = complete[complete[:, 0] > 0]
    whole, missing = (result(make("PrecisionRecall"), real, x) for x in (complete, half))
    assert missing[0] > 0.9 * whole[0]
    assert missing[1] < 0.7 * whole[1] and missing[3] < 0.7 * whole[3]


def test_noise_and_blur_are_ordered(digits):
    images = digits[0].astype("float32") / 255
    real, same = images[::2], images[1::2]
    noise = np.random.default_rng(0).normal(size=same.shape)
    blurred = np.mean([np.roll(same, (i, j), (1, 2)) for i in (0, 1) for j in (0, 1)], axis=0)
    for name in ("FrechetDistance", "KernelDistance"):
        for worse in ([same, same + 0.1 * noise, same + 0.3 * noise], [same, blurred]):
            values = [result(make(name), real, x.astype("float32"))[0] for x in worse]
            assert values == sorted(values) and values[-1] > values[0]


def test_feature_extractor():
    extractor = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    expected = result(make("FrechetDistance"), extractor(REAL).numpy(), extractor(FAKE).numpy())
    metric = make("FrechetDistance", feature_extractor=extractor)
    assert result(metric, REAL, FAKE) == pytest.approx(expected, rel=1e-5)
    copy = metrics.FrechetDistance.from_config(metric.get_config())
    copy.feature_extractor.set_weights(extractor.get_weights())
    assert result(copy, REAL, FAKE) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("kind", [tf.constant, tf.Variable, tuple])
def test_kinds_of_arrays(name, kind):
    metric = make(name)
    metric.update_state(kind(REAL), kind(FAKE))
    logs = [float(value) for value in metric.logs().values()]
    assert logs == pytest.approx(result(make(name), REAL, FAKE))


@pytest.mark.parametrize("name", METRICS)
def test_bad_input(name):
    with pytest.raises(ValueError, match="has seen no data"):
        make(name).result()
    with pytest.raises(ValueError, match="NaN or infinite"):
        result(make(name), np.full_like(REAL, np.nan), FAKE)
    for wrong in (3.0, tf.data.Dataset.from_tensors(REAL)):
        with pytest.raises(ValueError, match=r"`generated` must be an array.*Received: generated="):
            make(name).update_state(REAL, wrong)
    with pytest.raises(ValueError, match=r"`sample_weight` must be None.*Received"):
        make(name).update_state(REAL, FAKE, sample_weight=np.ones(400))
    wrong = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    with pytest.raises(
        ValueError, match=r"`feature_extractor` must map data \(None, 6\).*Received"
    ):
        make(name, feature_extractor=wrong).update_state(REAL, FAKE)


FEWEST = [("FrechetDistance", 2), ("KernelDistance", 2), ("PrecisionRecall", 4)]


@pytest.mark.parametrize("name, fewest", FEWEST)
def test_too_few_validation_data_are_told_of_before_training(name, fewest, digits):
    x, model = digits[0][:32], CASES["GAN"].build()
    model.compile(metrics=[make(name)])
    before = model.generator.get_weights()
    match = rf"`validation_data` must have {fewest} examples or more.*Received: {fewest - 1}"
    with pytest.raises(ValueError, match=match):
        model.fit(x, validation_data=x[: fewest - 1], verbose=0)
    np.testing.assert_array_equal(before[0], model.generator.get_weights()[0])


@pytest.mark.filterwarnings("ignore:frechet_distance needs more examples")
@pytest.mark.parametrize("name, fewest", FEWEST)
def test_too_few_examples(name, fewest):
    too_few = fewest - 1
    with pytest.raises(ValueError, match=f"needs {fewest} examples or more.*Received: {too_few}"):
        result(make(name), REAL, FAKE[:too_few])
    result(make(name), REAL, FAKE[:fewest])


@pytest.mark.parametrize("name", ["GAN", "VAE"])
def test_in_fit(name, digits, tmp_path):
    x = digits[0]
    keras.utils.set_random_seed(0)
    model = CASES[name].build()
    model.compile(metrics=[make(m) for m in METRICS])
    names = {"frechet_distance", "kernel_distance", "kernel_distance_std"}
    names |= {"precision", "recall", "density", "coverage"}
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor="val_frechet_distance", mode="min", save_best_only=True
    )
    history = model.fit(
        x[:320], validation_data=x[320:640], epochs=2, verbose=0, callbacks=[checkpoint]
    ).history
    assert {f"val_{n}" for n in names} <= history.keys()
    assert np.isfinite([history[f"val_{n}"] for n in names]).all()
    logs = model.evaluate(x[320:640], verbose=0, return_dict=True)
    for n in names:
        assert logs[n] == pytest.approx(history[f"val_{n}"][-1], rel=1e-5)
    best = keras.saving.load_model(tmp_path / "best.keras")
    assert best.evaluate(x[320:640], verbose=0, return_dict=True)[
        "frechet_distance"
    ] == pytest.approx(min(history["val_frechet_distance"]), rel=1e-4)


def test_saved_models_forget_metrics_that_share_a_network(digits, tmp_path):
    x = digits[0][:200]
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(5)]
    extractor = keras.Sequential(layers)
    model = CASES["GAN"].build()
    shared = [make(name, feature_extractor=extractor) for name in METRICS]
    model.compile(metrics=[*shared, keras.metrics.MeanSquaredError()])
    expected = model.evaluate(x, verbose=0, return_dict=True)
    model.save(tmp_path / "m.keras")
    match = "without its metrics frechet_distance, kernel_distance, precision_recall, which"
    with pytest.warns(UserWarning, match=match):
        copy = keras.saving.load_model(tmp_path / "m.keras")
    logs = copy.evaluate(x, verbose=0, return_dict=True)
    assert set(logs) == {"generator_loss", "discriminator_loss", "mean_squared_error"}
    assert logs == pytest.approx({name: expected[name] for name in logs}, rel=1e-5)


def judged(name):
    model = CASES[name].build()
    model.compile(metrics=[make(m) for m in METRICS])
    return model


def test_of_a_vae_samples_are_judged(digits):
    x = digits[0][:100]
    model = judged("VAE")
    logs = model.evaluate(x, batch_size=100, verbose=0, return_dict=True)
    noise = genzoo.layers.Noise(0)
    noise.normal((100, model.latent_dim))  # the posterior's
    samples = model.decode(noise.normal((100, model.latent_dim)))
    values = result(make("PrecisionRecall"), x, samples)
    assert [logs[n] for n in metrics.PrecisionRecall().log_names] == pytest.approx(values)
    assert logs["frechet_distance"] == pytest.approx(
        result(make("FrechetDistance"), x, samples)[0], rel=1e-4
    )


def test_of_an_autoencoder_reconstructions_are_judged(digits):
    x = digits[0][:100]
    model = judged("Autoencoder")
    logs = model.evaluate(x, verbose=0, return_dict=True)
    values = result(make("PrecisionRecall"), x, model.reconstruct(x))
    assert [logs[n] for n in metrics.PrecisionRecall().log_names] == pytest.approx(values)


@pytest.mark.parametrize("eager", [False, True], ids=["graph", "eager"])
@pytest.mark.parametrize("name", ["GAN", "VAE", "Autoencoder"])
def test_training_is_not_judged(name, eager, digits):
    x, model = digits[0][:64], CASES[name].build()
    error = keras.metrics.MeanSquaredError()
    model.compile(metrics=[*(make(m) for m in METRICS), error], run_eagerly=eager)
    history = model.fit(x, epochs=1, verbose=0).history
    assert set(history) == {*model.log_names} | ({error.name} if name != "GAN" else set())
    assert all(metric.empty for metric in model.generative_metrics)


@pytest.mark.parametrize("eager", [False, True], ids=["graph", "eager"])
def test_the_result_is_worked_out_once(eager, digits, monkeypatch):
    metric, calls = make("PrecisionRecall"), []
    model = CASES["VAE"].build()
    model.compile(metrics=[metric], run_eagerly=eager)
    compare = metric.compare
    monkeypatch.setattr(metric, "compare", lambda *sets: calls.append(1) or compare(*sets))
    # Batches of fewer examples than can be compared.
    logs = model.evaluate(digits[0][:12], batch_size=3, verbose=0, return_dict=True)
    assert len(calls) == 1 and np.isfinite([*logs.values()]).all()


def test_a_diverged_model_is_no_error_in_fit(digits):
    x, model = digits[0][:64], judged("GAN")
    model.generator.set_weights([np.full_like(w, np.nan) for w in model.generator.get_weights()])
    monitor = genzoo.callbacks.CollapseMonitor(x, on_collapse="stop")
    with pytest.warns(UserWarning, match="NaN or infinite numbers in"):
        history = model.fit(x, validation_data=x, epochs=3, verbose=0, callbacks=[monitor]).history
    names = ["frechet_distance", "kernel_distance", "kernel_distance_std", "coverage"]
    np.testing.assert_array_equal([history[f"val_{n}"] for n in names], np.full((4, 1), np.nan))


@pytest.mark.parametrize("name", METRICS)
def test_large_arrays_go_through_the_extractor_in_batches(name):
    sizes = []

    def extractor(x):
        sizes.append(len(x))
        return x

    metric = make(name, feature_extractor=extractor)
    assert result(metric, REAL, FAKE) == result(make(name), REAL, FAKE)
    # Two zeros come first; the shorter array ends with less than a batch.
    assert sizes == [2, 256, 256, 144, 44]
    metric = make(name, feature_extractor=extractor)
    assert result(metric, REAL, FAKE[:200]) == pytest.approx(
        result(make(name), REAL, FAKE[:200]), rel=1e-9
    )


@pytest.mark.parametrize("name", METRICS)
def test_both_kinds_have_the_same_features(name):
    with pytest.raises(ValueError, match=r"`generated` must have 6 features.*Received: 5, of data"):
        make(name).update_state(REAL, FAKE[:, :5])
    metric = make(name)
    metric.update_state(REAL, FAKE)
    with pytest.raises(ValueError, match=r"`real` must have 6 features.*Received: 4"):
        metric.update_state(REAL[:, :4], FAKE)


@pytest.mark.parametrize(
    "extractor, reason",
    [
        (lambda x: (x, x), "a tuple, not one tensor"),
        (
            lambda x: tf.reduce_mean(x, axis=0, keepdims=True),
            r"it maps data \(2, 6\) to a tensor \(1, 6\)",
        ),
        (tf.reduce_mean, r"it maps data \(2, 6\) to a tensor \(\)"),
    ],
)
def test_extractors_of_something_else(extractor, reason):
    with pytest.raises(ValueError, match=f"one that fails: .*{reason}"):
        make("KernelDistance", feature_extractor=extractor).update_state(REAL, FAKE)


@pytest.mark.parametrize(
    "metric, options, message",
    [
        (metrics.FrechetDistance, {"feature_extractor": "inception"}, "must be a Keras model or"),
        (metrics.PrecisionRecall, {"neighbours": 0}, "`neighbours` must be an integer of 1"),
        (metrics.PrecisionRecall, {"neighbours": 2.5}, "Received: neighbours=2.5"),
        (metrics.PrecisionRecall, {"max_examples": 5}, "`max_examples` must be an integer of 6"),
        (metrics.KernelDistance, {"subset_size": 1}, "`subset_size` must be an integer of 2"),
        (metrics.KernelDistance, {"subsets": -1.5}, "Received: subsets=-1.5"),
        (metrics.KernelDistance, {"seed": "a"}, "Received: seed='a'"),
    ],
)
def test_bad_arguments(metric, options, message):
    with pytest.raises(ValueError, match=message):
        metric(**options)


def test_logs_of_one_name_are_refused():
    model = CASES["GAN"].build()
    twice = [metrics.PrecisionRecall() for _ in range(2)]
    with pytest.raises(ValueError, match=r"`metrics` must have logs of different names.*coverage"):
        model.compile(metrics=twice)
    with pytest.raises(ValueError, match="two of generator_loss"):
        model.compile(metrics=[keras.metrics.MeanSquaredError("generator_loss")])


def test_two_of_a_kind_have_names_of_their_own(digits):
    model, judge = CASES["GAN"].build(), lambda x: tf.ones((tf.shape(x)[0], 2)) / 2
    twice = [metrics.PrecisionRecall(), metrics.PrecisionRecall(name="other")]
    twice += [metrics.ClassBalance(judge), metrics.ClassBalance(judge, name="other_judge")]
    model.compile(metrics=twice)
    logs = model.evaluate(digits[0][:64], verbose=0, return_dict=True)
    assert logs["coverage"] == logs["other_coverage"]
    assert logs["class_entropy"] == logs["other_judge_class_entropy"]
    again = metrics.PrecisionRecall.from_config(twice[1].get_config())
    assert again.log_names == ("other_precision", "other_recall", "other_density", "other_coverage")


def test_images_of_another_range_are_refused():
    images = np.random.default_rng(0).random((20, 8, 8, 1), "float32")
    match = r"`generated` must be images as floats in \[0, 1\], or uint8.*Received: (int|float)"
    integers = (255 * images).astype("int16")
    for wrong in (255 * images, integers, integers.tolist()):
        with pytest.raises(ValueError, match=match):
            metrics.PrecisionRecall().update_state(images, wrong)


def test_samples_that_are_not_finite_have_no_features():
    # Compiled, such a network can make zeros of NaN.
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3)])
    for layer in (keras.layers.ReLU(), keras.layers.MaxPooling2D(), keras.layers.Flatten()):
        network.add(layer)
    data = np.random.default_rng(0).random((6, 8, 8, 1), "float32")
    data[1, 2, 3], data[4, 5, 6] = np.nan, np.inf
    found = tf.function(metrics.FrechetDistance(network).features)(data).numpy()
    assert np.isnan(found).all(axis=1).tolist() == [False, True, False, False, True, False]
    np.testing.assert_allclose(found[[0, 2]], network(data[[0, 2]]), rtol=1e-5, atol=1e-6)


def test_callbacks_know_which_way_is_better(digits):
    model = CASES["GAN"].build()
    model.compile(metrics=[make("FrechetDistance"), make("KernelDistance")])
    stops = [
        keras.callbacks.EarlyStopping(f"val_{name}", patience=5)
        for name in ("frechet_distance", "kernel_distance")
    ]
    x = digits[0][:200]
    model.fit(x, validation_data=x, epochs=1, verbose=0, callbacks=stops)
    assert [stop.monitor_op(1, 2) for stop in stops] == [True, True]


@pytest.mark.parametrize("kind", ["distance", "classifier"])
def test_a_clone_shares_the_network(kind):
    inputs = keras.Input((4,))
    network = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(inputs))
    if kind == "distance":
        metric = metrics.KernelDistance(network, subsets=7, seed=3)
    else:
        metric = metrics.ClassBalance(network)
    copy = metric.clone("other")
    assert type(copy) is type(metric) and copy.feature_extractor is network
    assert copy.name == "other" and all("other" in name for name in copy.log_names)
    config, expected = copy.get_config(), metric.get_config()
    assert {**config, "name": ""} == {**expected, "name": ""}
    x = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    copy.update_state(x[:10], x[10:])
    assert metric.num_features is None  # the states are apart
