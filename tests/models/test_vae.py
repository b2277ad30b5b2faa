import os
import signal
import threading
import time

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import networks
from keras_genzoo.layers import Noise

IMAGE = (8, 8, 1)


def small_vae(data_shape=IMAGE, latent_dim=3, num_classes=None, **options):
    size = {"hidden_units": (16,), "num_classes": num_classes}
    return genzoo.VAE(
        data_shape,
        latent_dim,
        num_classes=num_classes,
        encoder=networks.dense_encoder(data_shape, 2 * latent_dim, **size),
        decoder=networks.dense_decoder(data_shape, latent_dim, **size),
        **options,
    )


def kl(mean, log_variance):
    stddev = np.exp(log_variance / 2)
    return (-np.log(stddev) + (stddev**2 + mean**2) / 2 - 0.5).sum(axis=-1)


def posterior(model, x, labels=None):
    inputs = x if labels is None else [keras.ops.array(x), keras.ops.array(labels)]
    mean, log_variance = np.split(model.encoder(inputs).numpy(), 2, axis=-1)
    return mean, 5 - np.logaddexp(0, 5 - log_variance)


def log_prob(model, x, latents, labels=None):
    """log p(x | z) by SciPy, for both likelihoods."""
    inputs = [keras.ops.array(latents), keras.ops.array(labels)] if labels is not None else latents
    outputs = model.decoder(inputs).numpy()
    axes = tuple(range(1, x.ndim))
    if model.likelihood.bounded:
        rates = scipy.special.expit(outputs.astype("float64"))
        return (scipy.special.xlogy(x, rates) + scipy.special.xlog1py(1 - x, -rates)).sum(axes)
    return scipy.stats.norm.logpdf(x, outputs, scale(model)).sum(axes)


def scale(model):
    return float(np.exp(model.likelihood.log_stddev.numpy()))


def expected_logs(model, x, epsilon, labels=None):
    mean, log_variance = posterior(model, x, labels)
    latents = mean + np.exp(log_variance / 2) * epsilon
    reconstruction = -log_prob(model, x, latents.astype("float32"), labels).mean()
    divergence = kl(mean, log_variance).mean()
    return {
        "loss": reconstruction + model.beta * divergence,
        "reconstruction_loss": reconstruction,
        "kl_loss": divergence,
        "elbo": -reconstruction - divergence,
    }


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("num_classes", [None, 10])
def test_losses_equal_numpy(likelihood, num_classes, digits):
    x = digits[0][:24].astype("float32") / 255
    labels = None if num_classes is None else digits[1][:24]
    model = small_vae(likelihood=likelihood, beta=3.0, num_classes=num_classes)
    model.compile()
    expected = expected_logs(model, x, Noise(0).normal((24, 3)).numpy(), labels)
    logs = model.evaluate(x, labels, batch_size=24, verbose=0, return_dict=True)
    assert logs == pytest.approx(expected, rel=1e-4)
    epsilon = Noise(model.noise.seed).normal((24, 3)).numpy()
    if likelihood == "gaussian":  # the loss of a step is that of the step's own σ
        mean, log_variance = posterior(model, x, labels)
        latents = mean + np.exp(log_variance / 2) * epsilon
        decoded = model.decoder(latents if labels is None else [latents, labels])
        model.likelihood.log_stddev.assign(0.5 * np.log(np.mean((x - decoded) ** 2)))
    expected = expected_logs(model, x, epsilon, labels)
    history = model.fit(x, labels, batch_size=24, shuffle=False, verbose=0).history
    assert {name: value[0] for name, value in history.items()} == pytest.approx(expected, rel=1e-4)


def test_beta_weighs_the_divergence():
    kinds = {beta: small_vae(beta=beta) for beta in (0.0, 1.0, 4.0)}
    x = np.random.default_rng(0).random((16, *IMAGE)).astype("float32")
    for beta, model in kinds.items():
        model.compile()
        logs = model.evaluate(x, verbose=0, return_dict=True)
        expected = logs["reconstruction_loss"] + beta * logs["kl_loss"]
        assert logs["loss"] == pytest.approx(expected, rel=1e-5)
        assert logs["elbo"] == pytest.approx(-logs["reconstruction_loss"] - logs["kl_loss"])


@pytest.fixture(scope="module")
def trained(digits):
    keras.utils.set_random_seed(1)
    model = genzoo.VAE(
        IMAGE,
        8,
        encoder=networks.dense_encoder(IMAGE, 16, hidden_units=(64,)),
        decoder=networks.dense_decoder(IMAGE, 8, hidden_units=(64,)),
    )
    model.compile(keras.optimizers.Adam(3e-3))
    model.fit(digits[0], batch_size=64, epochs=15, verbose=0)
    return model


def test_it_learns(trained, digits, test_digits):
    train, test = (images.astype("float64") / 255 for images in (digits[0], test_digits[0]))
    # Independent pixels at their mean: what a decoder that ignores z can reach.
    rates = train.mean(axis=0).clip(1e-3, 1 - 1e-3)
    baseline = (test * np.log(rates) + (1 - test) * np.log1p(-rates)).sum(axis=(1, 2, 3)).mean()
    logs = trained.evaluate(test_digits[0], verbose=0, return_dict=True)
    assert logs["elbo"] > baseline + 1 and logs["kl_loss"] > 1


def test_evaluation_repeats_and_leaves_the_training_noise(trained, test_digits):
    state = trained.noise.state.numpy()
    first = trained.evaluate(test_digits[0], verbose=0, return_dict=True)
    assert trained.evaluate(test_digits[0], verbose=0, return_dict=True) == first
    np.testing.assert_array_equal(trained.noise.state, state)


def test_the_bound_rises_with_the_number_of_samples(trained, test_digits):
    bounds = [trained.log_likelihood(test_digits[0], k).mean() for k in (1, 5, 50)]
    assert bounds[0] + 0.1 < bounds[1] and bounds[1] + 0.1 < bounds[2]
    elbo = trained.evaluate(test_digits[0], verbose=0, return_dict=True)["elbo"]
    assert bounds[0] == pytest.approx(elbo, abs=0.6)


def test_log_likelihood_repeats_with_its_seed(trained, test_digits):
    x = test_digits[0][:20]
    first = trained.log_likelihood(x, 3, seed=1)
    assert first.shape == (20,) and first.dtype == np.float32
    np.testing.assert_array_equal(trained.log_likelihood(x, 3, seed=1), first)
    assert not np.array_equal(trained.log_likelihood(x, 3, seed=2), first)


def test_log_likelihood_is_traced_once(test_digits):
    traces = []

    class Traced(genzoo.VAE):
        def parameters(self, latents, labels, training):
            traces.append(training)
            return super().parameters(latents, labels, training)

    model, x = Traced((64,), 2), test_digits[0][:8].reshape(8, 64).astype("float32")
    values = [model.log_likelihood(x, k, seed=k).mean() for k in (1, 1, 3, 40, 40)]
    assert len(traces) <= 2  # the second is for any number of draws
    model.log_likelihood(x, 7)
    for mean in (True, False, True, False):
        model.sample(2, seed=0, mean=mean)
    so_far = len(traces)
    assert so_far <= 4
    for mean in (True, False):
        model.sample(3, seed=1, mean=mean)
        model.log_likelihood(x, 9, seed=2)
    assert len(traces) == so_far
    assert values[0] == values[1] and values[3] == values[4] != values[2]


def test_log_likelihood_sees_new_weights_and_layers(test_digits):
    model, x = genzoo.VAE((8, 8, 1), 2), test_digits[0][:8]
    before = model.log_likelihood(x, 2)
    weights = model.decoder.get_weights()
    model.decoder.set_weights([1.5 * w for w in weights])
    changed = model.log_likelihood(x, 2)
    assert not np.allclose(changed, before)
    other = genzoo.VAE((8, 8, 1), 2)
    other.set_weights(model.get_weights())
    model.decoder.set_weights(weights)
    model.decoder = other.decoder
    np.testing.assert_allclose(model.log_likelihood(x, 2), changed, rtol=1e-6)


def test_ctrl_c_ends_log_likelihood(test_digits):
    model, x = genzoo.VAE((8, 8, 1), 2), test_digits[0][:64]
    model.log_likelihood(x, 2)
    start = time.perf_counter()
    model.log_likelihood(x, 320)
    patience = time.perf_counter() - start  # one call of 32 draws takes a tenth of it
    # A shell lets programs in the background ignore Ctrl-C; the test would never end.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.perf_counter()
    try:
        with pytest.raises(KeyboardInterrupt):
            model.log_likelihood(x, 10**7)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.perf_counter() - start < 5 + 10 * patience


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("num_classes", [None, 10])
def test_log_likelihood_equals_numpy(likelihood, num_classes, digits):
    x, num_samples = digits[0][:6].astype("float32") / 255, 4
    labels = None if num_classes is None else digits[1][:6]
    model = small_vae(likelihood=likelihood, num_classes=num_classes)
    mean, log_variance = posterior(model, x, labels)
    stddev, noise, weights = np.exp(log_variance / 2), Noise(9), []
    for _ in range(num_samples):
        z = mean + stddev * noise.normal((6, 3)).numpy()
        prior = scipy.stats.norm.logpdf(z).sum(axis=-1)
        proposal = scipy.stats.norm.logpdf(z, mean, stddev).sum(axis=-1)
        weights.append(log_prob(model, x, z, labels) + prior - proposal)
    expected = scipy.special.logsumexp(weights, axis=0) - np.log(num_samples)
    received = model.log_likelihood(x, num_samples, labels=labels, seed=9)
    np.testing.assert_allclose(received, expected, rtol=1e-4)


def exact_linear_vae():
    """A linear decoder with orthogonal columns, and its exact posterior as the encoder."""
    w = np.array([[1.0, 0.5], [2.0, -0.25], [0.0, 1.5], [-1.0, 0.0]], "float32")
    b = np.array([1.0, -1.0, 0.5, 0.0], "float32")
    assert w[:, 0] @ w[:, 1] == 0
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = genzoo.VAE((4,), 2, likelihood="gaussian", encoder=encoder, decoder=decoder)
    model.likelihood.log_stddev.assign(-0.7)
    variance = scale(model) ** 2
    covariance = 1 / (1 + (w**2).sum(axis=0) / variance)  # of q, its diagonal
    kernel = w * covariance / variance
    decoder.set_weights([w.T, b])
    encoder.set_weights(
        [
            np.concatenate([kernel, np.zeros((4, 2))], axis=1),
            # The model's log-variance is 5 - softplus(5 - v).
            np.concatenate([-b @ kernel, 5 - np.log(np.expm1(5 - np.log(covariance)))]),
        ]
    )
    return model, scipy.stats.multivariate_normal(b, w @ w.T + variance * np.eye(4))


def test_the_bound_at_the_exact_posterior_is_the_exact_likelihood():
    model, exact = exact_linear_vae()
    x = np.random.default_rng(0).normal(scale=2, size=(30, 4)).astype("float32")
    for num_samples in (1, 7):
        received = model.log_likelihood(x, num_samples)
        np.testing.assert_allclose(received, exact.logpdf(x), rtol=1e-3, atol=1e-3)
    model.compile()
    many = np.repeat(x, 400, axis=0)
    elbo = model.evaluate(many, batch_size=2_000, verbose=0, return_dict=True)["elbo"]
    assert elbo == pytest.approx(exact.logpdf(x).mean(), abs=0.06)


def test_a_worse_posterior_gives_a_lower_bound():
    model, exact = exact_linear_vae()
    kernel, bias = model.encoder.get_weights()
    model.encoder.set_weights([0.8 * kernel, bias])
    x = exact.rvs(500, random_state=np.random.default_rng(0)).astype("float32")
    bounds = [model.log_likelihood(x, k).mean() for k in (1, 50)]
    assert bounds[0] + 0.1 < bounds[1] < exact.logpdf(x).mean() + 0.05


def test_encode_gives_the_posteriors_mean(trained, test_digits):
    x = test_digits[0][:5]
    mean, _ = posterior(trained, x.astype("float32") / 255)
    np.testing.assert_allclose(trained.encode(x), mean, rtol=1e-4, atol=1e-5)


def test_verbs_of_images_stay_in_range(trained, test_digits):
    for data in (trained.sample(50, seed=0), trained.reconstruct(test_digits[0][:50])):
        assert data.min() >= 0 and data.max() <= 1 and data.std() > 0.1


def test_anomaly_score(trained, test_digits):
    x = test_digits[0]
    floats = x.astype("float32") / 255
    mean, log_variance = posterior(trained, floats)
    expected = kl(mean, log_variance) - log_prob(trained, floats, mean)
    scores = trained.anomaly_score(x)
    np.testing.assert_allclose(scores, expected, rtol=1e-3)
    noise = np.random.default_rng(0).random(x.shape)
    assert trained.anomaly_score(noise).mean() > scores.mean() + 10


def test_the_gaussian_scale_is_fitted_and_saved(tmp_path):
    x = np.random.default_rng(0).normal(scale=0.1, size=(256, 2)).astype("float32")
    model = small_vae((2,))
    model.compile()
    model.fit(x, epochs=15, verbose=0)
    assert scale(model) < 0.3
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert scale(copy) == scale(model)


def test_conditional(digits):
    """Classes whose images differ in brightness only: the label decides what is drawn."""
    labels = np.arange(512, dtype="int32") % 2
    x = np.where(labels[:, None], 0.9, 0.1) * np.ones((512, 4))
    x = x.reshape(512, 2, 2, 1).astype("float32")
    model = small_vae((2, 2, 1), 2, num_classes=2)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(x, labels, epochs=10, verbose=0)
    dark, bright = (model.sample(labels=[label] * 50, seed=0).mean() for label in (0, 1))
    assert dark < 0.3 and bright > 0.7
    right = model.log_likelihood(x[:50], 5, labels=labels[:50])
    wrong = model.log_likelihood(x[:50], 5, labels=1 - labels[:50])
    assert right.mean() > wrong.mean() + 1
    assert model.anomaly_score(x[:50], labels[:50]).mean() < -wrong.mean()


def test_own_likelihood_object():
    likelihood = genzoo.layers.GaussianLikelihood()
    assert small_vae(likelihood=likelihood).likelihood is likelihood


def test_bad_beta():
    with pytest.raises(ValueError, match=r"`beta` must be at least 0. Received: beta=-1"):
        genzoo.VAE((2,), beta=-1)


def test_layers_that_a_subclass_adds_are_trained():
    class Deeper(genzoo.Autoencoder):
        def __init__(self):
            super().__init__((2,), 2, (4,))
            self.last = keras.layers.Dense(2)
            self.last.build((None, 2))

        def decode_step(self, codes, labels, training):
            return self.last(super().decode_step(codes, labels, training))

    model = Deeper()
    model.compile()
    before = model.last.get_weights()
    x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    model.fit(x, verbose=0)
    assert all(np.any(a != b) for a, b in zip(before, model.last.get_weights(), strict=True))


def test_a_likelihood_need_not_be_a_layer():
    class UnitGaussian:
        bounded = False

        def log_prob(self, x, parameters):
            return -0.5 * tf.reduce_sum((x - parameters) ** 2, axis=-1)

        def mean(self, parameters):
            return parameters

    model = genzoo.VAE((2,), 2, likelihood=UnitGaussian())
    model.compile()
    x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    assert np.isfinite(model.fit(x, verbose=0).history["loss"]).all()
    assert model.sample(3, seed=0).shape == (3, 2)


def linear_vae(features, latent_dim, **options):
    layers = keras.layers
    encoder = keras.Sequential([keras.Input((features,)), layers.Dense(2 * latent_dim)])
    decoder = keras.Sequential([keras.Input((latent_dim,)), layers.Dense(features)])
    return genzoo.VAE((features,), latent_dim, encoder=encoder, decoder=decoder, **options)


@pytest.mark.slow
@pytest.mark.parametrize("units", [1.0, 1000.0])
def test_a_linear_gaussian_model_is_found(units, tmp_path):
    """Probabilistic PCA, whose samples and likelihood are known; also of an unscaled table."""
    rng = np.random.default_rng(0)
    w = np.array([[2.0, 0.0], [1.0, 0.5], [0.0, -1.5], [-1.0, 1.0], [0.5, 1.0]])
    w *= 3.0 / np.sqrt((w**2).sum(axis=1, keepdims=True))  # features of one scale
    exact = scipy.stats.multivariate_normal(np.arange(5.0), w @ w.T + 0.5**2 * np.eye(5))
    x = exact.rvs(4096, random_state=rng)
    # In other units, log p(x) is lower by their logarithm.
    scales = np.array([1.0, units, 1.0, 1.0, 1 / units])
    keras.utils.set_random_seed(0)
    model = linear_vae(5, 2, normalize=units != 1)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.03, 1280)))
    data = (x * scales).astype("float32")
    model.fit(data, batch_size=64, epochs=20, verbose=0)
    received = model.log_likelihood(data[:1000], 50).mean()
    expected = exact.logpdf(x[:1000]).mean() - np.log(scales).sum()
    assert received == pytest.approx(expected, abs=0.08)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    for one in (model, copy):
        samples = one.sample(20_000, seed=0) / scales
        np.testing.assert_allclose(samples.mean(axis=0), np.arange(5.0), atol=0.2)
        np.testing.assert_allclose(samples.std(axis=0), np.sqrt(9.25) * np.ones(5), rtol=0.08)
        means = one.sample(20_000, seed=0, mean=True) / scales
        np.testing.assert_allclose((samples - means).std(axis=0), 0.5 * np.ones(5), rtol=0.08)
        np.testing.assert_allclose(one.reconstruct(data[:500]) / scales, x[:500], atol=3)


def test_samples_draw_from_the_likelihood_with_the_same_latents():
    model, exact = exact_linear_vae()
    samples, means = (model.sample(50_000, seed=1, mean=mean) for mean in (None, True))
    np.testing.assert_array_equal(model.sample(50_000, seed=1), samples)
    np.testing.assert_allclose(np.cov(samples.T), exact.cov, atol=0.1)
    np.testing.assert_allclose(np.cov(means.T), exact.cov - scale(model) ** 2 * np.eye(4), atol=0.1)
    residuals = (samples - means) / scale(model)
    assert scipy.stats.kstest(residuals.ravel()[::7], "norm").pvalue > 0.01
    assert abs(np.corrcoef(residuals[:, 0], means[:, 0])[0, 1]) < 0.02


def test_the_endpoint_and_metrics_take_draws_too(tmp_path):
    model, _ = exact_linear_vae()
    model.compile()
    model.export(tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model" / "1")).signatures["sample"]
    served = served(num_samples=tf.constant(300), seed=tf.constant(4, tf.int64))["data"]
    np.testing.assert_allclose(served, model.sample(300, seed=4), rtol=1e-4, atol=1e-5)
    model.evaluation_noise.reset()
    generated = model.generated(tf.zeros((5_000, 4)), None)
    np.testing.assert_allclose(np.std(generated, axis=0), model.sample(5_000).std(0), rtol=0.06)


def test_images_are_sampled_as_means_unless_draws_are_wanted():
    for likelihood in ("bernoulli", "gaussian"):
        model = small_vae(likelihood=likelihood)
        default, draws = model.sample(20, seed=0), model.sample(20, seed=0, mean=False)
        np.testing.assert_array_equal(default, model.sample(20, seed=0, mean=True))
        assert np.std(draws - default) > 0.1 and draws.min() >= 0 and draws.max() <= 1


def test_vectors_default_to_the_gaussian_likelihood():
    assert type(genzoo.VAE((2,)).likelihood) is genzoo.layers.GaussianLikelihood
    assert type(genzoo.VAE(IMAGE).likelihood) is genzoo.layers.BernoulliLikelihood
    model = genzoo.VAE((2,), 2, likelihood="bernoulli")
    with pytest.raises(ValueError, match=r"`x` must be floats in \[0, 1\]"):
        model.log_likelihood(np.full((3, 2), 2.0, "float32"))


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.filterwarnings("ignore:`x` should have features")
def test_an_unscaled_table(normalize):
    rng = np.random.default_rng(0)
    scales = 10.0 ** np.linspace(-3, 3, 30)
    x = (scales * (5 + rng.normal(size=(512, 1)) + rng.normal(size=(512, 30)))).astype("float32")
    model = genzoo.VAE((30,), 2, normalize=normalize)
    model.compile()
    history = model.fit(x, epochs=3, verbose=0).history
    assert np.isfinite(list(history.values())).all()
    if normalize:
        independent = scipy.stats.norm.logpdf(x, x.mean(axis=0), x.std(axis=0)).sum(axis=1)
        assert model.log_likelihood(x).mean() > independent.mean()
        np.testing.assert_allclose(model.sample(2_000, seed=0).mean(0), x.mean(0), rtol=0.1)


def test_normalization_is_adapted_once_and_needs_unbounded_vectors():
    model = genzoo.VAE((2,), 2, normalize=True)
    model.compile()
    x = np.random.default_rng(0).normal(7, 3, (64, 2)).astype("float32")
    model.fit(x, verbose=0)
    model.fit(x * 100, verbose=0)
    np.testing.assert_allclose(model.standardization.mean, x.mean(axis=0), rtol=1e-5)
    for arguments in ({"data_shape": IMAGE}, {"data_shape": (2,), "likelihood": "bernoulli"}):
        with pytest.raises(ValueError, match=r"`normalize` must be False for data in \[0, 1\]"):
            genzoo.VAE(**arguments, normalize=True)


def test_the_log_variance_is_bounded_everywhere():
    """An encoder whose log-variances overflow: all that reads them must stay finite."""
    model = small_vae()
    model.encoder.layers[-1].bias.assign([0, 0, 0, 1e4, 1e4, 1e4])
    x = np.random.default_rng(0).random((16, *IMAGE)).astype("float32")
    model.compile()
    mean, log_variance = model.posterior(x)
    np.testing.assert_allclose(log_variance, 5.0, atol=1e-3)
    logs = model.evaluate(x, verbose=0, return_dict=True)
    divergence = kl(mean.numpy(), np.full(mean.shape, 5.0)).mean()
    assert logs["kl_loss"] == pytest.approx(divergence, rel=1e-3)
    for values in (model.log_likelihood(x, 3), model.anomaly_score(x), model.reconstruct(x)):
        assert np.isfinite(values).all()


def test_replicas_fit_one_gaussian_scale(two_replicas):
    scales = []
    for scope in (tf.distribute.get_strategy(), two_replicas):
        with scope.scope():
            keras.utils.set_random_seed(0)
            model = small_vae((3,), normalize=True)
            model.compile(keras.optimizers.SGD(1e-3))
        x = np.random.default_rng(0).normal(3, [1, 2, 3], (64, 3)).astype("float32")
        model.fit(x, batch_size=16, shuffle=False, epochs=2, verbose=0)
        scales.append(scale(model))
    assert scales[1] == pytest.approx(scales[0], rel=1e-5)


def test_the_posterior_takes_data_as_fit_does(test_digits):
    model, images = genzoo.VAE((8, 8, 1), 3), test_digits[0][:6]
    assert images.dtype == np.uint8
    for its, floats in zip(model.posterior(images), model.posterior(images / 255.0), strict=True):
        np.testing.assert_allclose(its, floats, rtol=1e-4, atol=1e-5)


def test_one_batch_does_not_tell_the_statistics():
    model = genzoo.VAE((3,), 2, normalize=True)
    model.compile()
    x = np.random.default_rng(0).normal(50, 9, (64, 3)).astype("float32")
    with pytest.raises(ValueError, match="`train_on_batch` needs the statistics of all data"):
        model.train_on_batch(x)
    model.standardization.adapt(x)
    assert np.isfinite(model.train_on_batch(x)).all()
