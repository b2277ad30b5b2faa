"""Tests of the metrics against independent computations on the same features."""

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
    """Returns the result as a list of numbers."""
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
    """Makes blocks of rows so small that the test data have several."""
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
    match = "needs more examples than features.*bias.*Received: 6 examples of 6 features"
    with pytest.warns(UserWarning, match=match):
        result(make("FrechetDistance"), REAL[:6], FAKE[:6])
    with warnings.catch_warnings(action="error"):
        result(make("FrechetDistance"), REAL[:7], FAKE[:7])


def test_bias_of_the_frechet_distance():
    # The documentation says that it is upwards and proportional to 1 over the number of examples.
    small_set, large_set = (
        np.mean(
            [
                result(make("FrechetDistance"), *(gaussians(n, seed=2 * i + j) for j in (0, 1)))[0]
                for i in range(20)
            ]
        )
        for n in (100, 400)
    )
    assert 3 < small_set / large_set < 5


def test_kernel_distance_by_scikit_learn(blocks):
    size = 300
    kernels = [
        polynomial_kernel(a, b, degree=3, gamma=1 / 6, coef0=1)
        for a, b in ((REAL[:size], REAL[:size]), (FAKE, FAKE), (REAL[:size], FAKE))
    ]
    within = [(k.sum() - np.trace(k)) / (size * (size - 1)) for k in kernels[:2]]
    expected = sum(within) - 2 * kernels[2].mean()
    # A single subset that holds all examples.
    metric = make("KernelDistance", subsets=1, subset_size=size)
    value, deviation = result(metric, REAL[:size], FAKE)
    assert value == pytest.approx(expected, rel=1e-6) and deviation == 0


def test_sets_no_larger_than_a_subset_are_compared_once(monkeypatch):
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
def test_an_update_does_not_process_all_stored_rows(name):
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


@pytest.mark.slow
@pytest.mark.parametrize("name, limit", LIMITS)
@pytest.mark.parametrize("eager", [False, True], ids=["graph", "eager"])
def test_two_replicas(name, limit, eager, two_replicas):
    with two_replicas.scope():
        metric = make(name, **limit)
        metric.build((None, 6))
    # The last batch has a single example, so one replica has none.
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
def test_updates_outside_of_a_replica_raise(name, two_replicas):
    match = r"created under a strategy must be called by `strategy.run`.*Received"
    with two_replicas.scope():
        metric = make(name)
        with pytest.raises(ValueError, match=match):
            metric.update_state(REAL, FAKE)
    with pytest.raises(ValueError, match=match):
        metric.update_state(REAL, FAKE)
    # A metric that was created outside of the strategy can be updated anywhere.
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
    with pytest.raises(ValueError, match="has received no data"):
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


MIN_EXAMPLES = [("FrechetDistance", 2), ("KernelDistance", 2), ("PrecisionRecall", 4)]


@pytest.mark.parametrize("name, min_examples", MIN_EXAMPLES)
def test_too_few_validation_data_raise_before_training(name, min_examples, digits):
    x, model = digits[0][:32], CASES["GAN"].build()
    model.compile(metrics=[make(name)])
    before = model.generator.get_weights()
    too_few = x[: min_examples - 1]
    match = rf"`validation_data` must have {min_examples} examples .*Received: {len(too_few)}"
    with pytest.raises(ValueError, match=match):
        model.fit(x, validation_data=too_few, verbose=0)
    np.testing.assert_array_equal(before[0], model.generator.get_weights()[0])


@pytest.mark.filterwarnings("ignore:frechet_distance needs more examples")
@pytest.mark.parametrize("name, min_examples", MIN_EXAMPLES)
def test_too_few_examples(name, min_examples):
    too_few = min_examples - 1
    with pytest.raises(
        ValueError, match=f"needs at least {min_examples} real.*Received: {too_few}"
    ):
        result(make(name), REAL, FAKE[:too_few])
    result(make(name), REAL, FAKE[:min_examples])


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


def model_with_metrics(name):
    model = CASES[name].build()
    model.compile(metrics=[make(m) for m in METRICS])
    return model


def test_a_vae_is_evaluated_by_its_samples(digits):
    x = digits[0][:100]
    model = model_with_metrics("VAE")
    logs = model.evaluate(x, batch_size=100, verbose=0, return_dict=True)
    noise = genzoo.layers.Noise(0)
    noise.normal((100, model.latent_dim))  # the noise of the posterior
    samples = model.decode(noise.normal((100, model.latent_dim)))
    values = result(make("PrecisionRecall"), x, samples)
    assert [logs[n] for n in metrics.PrecisionRecall().log_names] == pytest.approx(values)
    assert logs["frechet_distance"] == pytest.approx(
        result(make("FrechetDistance"), x, samples)[0], rel=1e-4
    )


def test_an_autoencoder_is_evaluated_by_its_reconstructions(digits):
    x = digits[0][:100]
    model = model_with_metrics("Autoencoder")
    logs = model.evaluate(x, verbose=0, return_dict=True)
    values = result(make("PrecisionRecall"), x, model.reconstruct(x))
    assert [logs[n] for n in metrics.PrecisionRecall().log_names] == pytest.approx(values)


@pytest.mark.parametrize("eager", [False, True], ids=["graph", "eager"])
@pytest.mark.parametrize("name", ["GAN", "VAE", "Autoencoder"])
def test_training_does_not_update_the_metrics(name, eager, digits):
    x, model = digits[0][:64], CASES[name].build()
    error = keras.metrics.MeanSquaredError()
    model.compile(metrics=[*(make(m) for m in METRICS), error], run_eagerly=eager)
    history = model.fit(x, epochs=1, verbose=0).history
    assert set(history) == {*model.log_names} | ({error.name} if name != "GAN" else set())
    assert all(metric.empty for metric in model.generative_metrics)


@pytest.mark.parametrize("eager", [False, True], ids=["graph", "eager"])
def test_the_result_is_computed_once(eager, digits, monkeypatch):
    metric, calls = make("PrecisionRecall"), []
    model = CASES["VAE"].build()
    model.compile(metrics=[metric], run_eagerly=eager)
    compare = metric.compare
    monkeypatch.setattr(metric, "compare", lambda *sets: calls.append(1) or compare(*sets))
    # The batches have fewer examples than the metric needs.
    logs = model.evaluate(digits[0][:12], batch_size=3, verbose=0, return_dict=True)
    assert len(calls) == 1 and np.isfinite([*logs.values()]).all()


def test_a_diverged_model_is_no_error_in_fit(digits):
    x, model = digits[0][:64], model_with_metrics("GAN")
    model.generator.set_weights([np.full_like(w, np.nan) for w in model.generator.get_weights()])
    monitor = genzoo.callbacks.CollapseMonitor(x, on_collapse="stop")
    with pytest.warns(UserWarning, match="contains? NaN or infinity"):
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
    # `build` passes two zeros first. Then 400 and 300 examples follow in turn.
    assert sizes == [2, 256, 256, 144, 44]
    metric = make(name, feature_extractor=extractor)
    assert result(metric, REAL, FAKE[:200]) == pytest.approx(
        result(make(name), REAL, FAKE[:200]), rel=1e-9
    )


@pytest.mark.parametrize("name", METRICS)
def test_all_data_must_have_the_same_features(name):
    with pytest.raises(
        ValueError, match=r"`generated` must have 6 features.*Received: 5, from data"
    ):
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
def test_invalid_outputs_of_the_extractor(extractor, reason):
    with pytest.raises(ValueError, match=f"one that fails: .*{reason}"):
        make("KernelDistance", feature_extractor=extractor).update_state(REAL, FAKE)


@pytest.mark.parametrize(
    "metric, options, message",
    [
        (metrics.FrechetDistance, {"feature_extractor": "inception"}, "must be a Keras model or"),
        (
            metrics.PrecisionRecall,
            {"neighbours": 0},
            "`neighbours` must be an integer of at least 1",
        ),
        (metrics.PrecisionRecall, {"neighbours": 2.5}, "Received: neighbours=2.5"),
        (
            metrics.PrecisionRecall,
            {"max_examples": 5},
            "`max_examples` must be an integer of at least 6",
        ),
        (
            metrics.KernelDistance,
            {"subset_size": 1},
            "`subset_size` must be an integer of at least 2",
        ),
        (metrics.KernelDistance, {"subsets": -1.5}, "Received: subsets=-1.5"),
        (metrics.KernelDistance, {"seed": "a"}, "Received: seed='a'"),
    ],
)
def test_bad_arguments(metric, options, message):
    with pytest.raises(ValueError, match=message):
        metric(**options)


def test_two_logs_with_the_same_name_raise():
    model = CASES["GAN"].build()
    twice = [metrics.PrecisionRecall() for _ in range(2)]
    with pytest.raises(ValueError, match=r"`metrics` must have logs of different names.*coverage"):
        model.compile(metrics=twice)
    with pytest.raises(ValueError, match="two of generator_loss"):
        model.compile(metrics=[keras.metrics.MeanSquaredError("generator_loss")])


def test_two_metrics_of_the_same_class_have_different_logs(digits):
    model, classifier = CASES["GAN"].build(), lambda x: tf.ones((tf.shape(x)[0], 2)) / 2
    twice = [metrics.PrecisionRecall(), metrics.PrecisionRecall(name="other")]
    twice += [metrics.ClassBalance(classifier), metrics.ClassBalance(classifier, name="third")]
    model.compile(metrics=twice)
    logs = model.evaluate(digits[0][:64], verbose=0, return_dict=True)
    assert logs["coverage"] == logs["other_coverage"]
    assert logs["class_entropy"] == logs["third_class_entropy"]
    again = metrics.PrecisionRecall.from_config(twice[1].get_config())
    assert again.log_names == ("other_precision", "other_recall", "other_density", "other_coverage")


def test_images_of_another_range_raise():
    images = np.random.default_rng(0).random((20, 8, 8, 1), "float32")
    match = r"`generated` must be images as floats in \[0, 1\], or as uint8.*Received: (int|float)"
    integers = (255 * images).astype("int16")
    for wrong in (255 * images, integers, integers.tolist()):
        with pytest.raises(ValueError, match=match):
            metrics.PrecisionRecall().update_state(images, wrong)


def test_features_of_non_finite_samples_are_nan():
    # A compiled network of these layers can map NaN to zeros.
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3)])
    for layer in (keras.layers.ReLU(), keras.layers.MaxPooling2D(), keras.layers.Flatten()):
        network.add(layer)
    data = np.random.default_rng(0).random((6, 8, 8, 1), "float32")
    data[1, 2, 3], data[4, 5, 6] = np.nan, np.inf
    features = tf.function(metrics.FrechetDistance(network).features)(data).numpy()
    assert np.isnan(features).all(axis=1).tolist() == [False, True, False, False, True, False]
    np.testing.assert_allclose(features[[0, 2]], network(data[[0, 2]]), rtol=1e-5, atol=1e-6)


def test_callbacks_infer_that_smaller_is_better(digits):
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
    assert metric.num_features is None  # the original metric has not changed


def test_a_clone_needs_no_config_of_the_network():
    class WithoutConfig(keras.layers.Layer):
        def __init__(self, factor, offsets):
            super().__init__()
            self.factor, self.offsets = factor, offsets

        def call(self, x):
            return self.factor * x + tf.constant(self.offsets)

    network = WithoutConfig(2.0, np.zeros(6, "float32"))
    with pytest.raises(NotImplementedError):
        metrics.PrecisionRecall(network).get_config()
    metric = metrics.PrecisionRecall(network, neighbours=3)
    copy = metric.clone("copy")
    assert copy.feature_extractor is metric.feature_extractor is network
    assert result(copy, REAL, FAKE) == pytest.approx(result(metric, REAL, FAKE))


def test_images_in_the_range_of_tanh_raise():
    metric = metrics.FrechetDistance()
    images = np.random.default_rng(0).random((40, 2, 2, 1)).astype("float32")
    with pytest.raises(ValueError, match=r"`generated` must be.*\(generated \+ 1\) / 2"):
        metric.update_state(images, 2 * images - 1)
    noisy = images + np.random.default_rng(1).normal(scale=0.5, size=images.shape)
    metric.update_state(images, noisy)


def test_uint8_that_are_no_images_raise():
    vectors = np.random.default_rng(0).integers(0, 255, (40, 3), "uint8")
    with pytest.raises(ValueError, match="`real` must be floats, because it does not hold images"):
        metrics.FrechetDistance().update_state(vectors, vectors)


def test_extractors_of_numpy_are_refused_before_training():
    def extractor(data):
        return np.asarray(data) ** 2

    points = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    model = genzoo.GAN((2,))
    with pytest.raises(ValueError, match="`feature_extractor` must be made of functions of Keras"):
        model.compile(metrics=[metrics.FrechetDistance(extractor)])
    model.compile(metrics=[metrics.FrechetDistance(extractor)], run_eagerly=True)
    logs = model.evaluate(points, verbose=0, return_dict=True)
    assert np.isfinite(logs["frechet_distance"])


def test_endless_data_sets_are_refused():
    images = np.zeros((8, 4, 4, 1), "uint8")
    endless = tf.data.Dataset.from_tensors((images, np.zeros(8, "int32"))).repeat()
    with pytest.raises(ValueError, match="`dataset` must end: leave out its `repeat"):
        metrics.features.train_classifier(endless)
