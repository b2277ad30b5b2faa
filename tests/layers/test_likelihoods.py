import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_genzoo.layers import BernoulliLikelihood, GaussianLikelihood, likelihoods

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(scale=3, size=(5, 3, 2, 1)).astype("float32")
RATES = 1 / (1 + np.exp(-LOGITS.astype("float64")))


def test_bernoulli_on_binary_data():
    x = RNG.integers(0, 2, LOGITS.shape).astype("float32")
    expected = scipy.stats.bernoulli.logpmf(x, RATES).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(BernoulliLikelihood().log_prob(x, LOGITS), expected, rtol=1e-5)


def test_bernoulli_on_grey_values_is_the_cross_entropy():
    x = RNG.random(LOGITS.shape).astype("float32")
    expected = (x * np.log(RATES) + (1 - x) * np.log1p(-RATES)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(BernoulliLikelihood().log_prob(x, LOGITS), expected, rtol=1e-5)


def test_bernoulli_mean():
    np.testing.assert_allclose(BernoulliLikelihood().mean(LOGITS), RATES, rtol=1e-5)


def test_bernoulli_of_extreme_logits_is_finite():
    log_prob = BernoulliLikelihood().log_prob(tf.ones((1, 2)), tf.constant([[-1e4, 1e4]]))
    np.testing.assert_allclose(log_prob, [-1e4])


@pytest.mark.parametrize("log_stddev", [0.0, -2.0, 1.5])
def test_gaussian_with_its_scale(log_stddev):
    likelihood = GaussianLikelihood()
    likelihood.log_stddev.assign(log_stddev)
    x = RNG.normal(size=LOGITS.shape).astype("float32")
    expected = scipy.stats.norm.logpdf(x, LOGITS, np.exp(log_stddev)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(likelihood.log_prob(x, LOGITS), expected, rtol=1e-5)


def test_the_first_batch_sets_the_gaussian_scale():
    likelihood, mean = GaussianLikelihood(), np.full((100, 3), 2.0, "float32")
    x = mean + RNG.normal(scale=50, size=mean.shape).astype("float32")
    likelihood.update(x, mean)
    best = scipy.stats.norm.fit(x - mean, floc=0)[1]  # of the greatest likelihood
    np.testing.assert_allclose(np.exp(likelihood.log_stddev), best, rtol=1e-5)


def test_the_gaussian_scale_follows_the_errors():
    likelihood, mean = GaussianLikelihood(), np.zeros((50, 2), "float32")
    for scale, tolerance in ((4.0, 0.02), (0.5, 0.1)):
        for _ in range(500):
            likelihood.update(RNG.normal(scale=scale, size=mean.shape), mean)
        assert np.exp(likelihood.log_stddev) == pytest.approx(scale, rel=tolerance)


def test_a_fixed_gaussian_scale():
    likelihood = GaussianLikelihood(stddev=0.2)
    likelihood.update(np.ones((4, 2), "float32"), np.zeros((4, 2), "float32"))
    copy = GaussianLikelihood.from_config(likelihood.get_config())
    assert [np.exp(one.log_stddev) for one in (likelihood, copy)] == pytest.approx([0.2, 0.2])
    with pytest.raises(ValueError, match=r"`stddev` must be positive. Received: stddev=0"):
        GaussianLikelihood(stddev=0)


def test_gaussian_of_exactly_reproduced_data_is_bounded():
    likelihood, x = GaussianLikelihood(), np.ones((1, 2), "float32")
    likelihood.update(x, x)
    np.testing.assert_allclose(likelihood.log_prob(x, x), 2 * (6 - 0.5 * np.log(2 * np.pi)))


def test_the_scale_of_files_in_which_an_optimizer_trained_it():
    likelihood = GaussianLikelihood()
    likelihood.load_own_variables({"0": np.array(-5.0, "float32")})
    # Such files have σ = exp(-6 + softplus(log_stddev + 6)).
    assert float(likelihood.log_stddev) == pytest.approx(-6 + np.log1p(np.e))
    likelihood.update(np.ones((4, 2), "float32"), np.zeros((4, 2), "float32"))
    assert float(likelihood.log_stddev) < -1  # goes on from there


@pytest.mark.parametrize("kind", [BernoulliLikelihood, GaussianLikelihood])
def test_samples_have_the_mean_and_spread_of_the_distribution(kind):
    parameters = np.tile(np.array([-1.5, 0.0, 2.0], "float32"), (20_000, 1))
    likelihood = kind(stddev=0.3) if kind is GaussianLikelihood else kind()
    x = likelihood.sample(parameters, RNG.normal(size=parameters.shape).astype("float32")).numpy()
    mean = parameters[0] if kind is GaussianLikelihood else scipy.special.expit(parameters[0])
    spread = 0.3 if kind is GaussianLikelihood else np.sqrt(mean * (1 - mean))
    np.testing.assert_allclose(x.mean(axis=0), mean, atol=0.015)
    np.testing.assert_allclose(x.std(axis=0), spread * np.ones(3), rtol=0.03)
    if kind is BernoulliLikelihood:
        assert set(np.unique(x)) == {0.0, 1.0}


def test_half_precision_outputs_give_float32():
    half = tf.cast(LOGITS, tf.float16)
    x = RNG.random(LOGITS.shape).astype("float32")
    for likelihood in (BernoulliLikelihood(), GaussianLikelihood()):
        assert likelihood.log_prob(x, half).dtype == likelihood.mean(half).dtype == tf.float32


def test_get():
    assert type(likelihoods.get("bernoulli")) is BernoulliLikelihood
    assert type(likelihoods.get("gaussian")) is GaussianLikelihood
    likelihood = GaussianLikelihood()
    assert likelihoods.get(likelihood) is likelihood


@pytest.mark.parametrize("unknown", ["poisson", None, 1, ["gaussian"]])
def test_unknown(unknown):
    with pytest.raises(ValueError, match=r"`likelihood`.*'bernoulli', 'gaussian'.*Received: "):
        likelihoods.get(unknown)
