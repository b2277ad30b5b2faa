import keras
import numpy as np
import pytest
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
    # The scale has a soft lower bound of e⁻⁶.
    stddev = np.exp(-6 + np.logaddexp(0, log_stddev + 6))
    expected = scipy.stats.norm.logpdf(x, LOGITS, stddev).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(likelihood.log_prob(x, LOGITS), expected, rtol=1e-4)
    np.testing.assert_allclose(stddev, np.exp(log_stddev), rtol=0.02)


def test_gaussian_scale_learns_the_spread_of_the_data():
    likelihood, optimizer = GaussianLikelihood(), keras.optimizers.Adam(0.05)
    x = RNG.normal(scale=0.2, size=(500, 2)).astype("float32")
    for _ in range(150):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(likelihood.log_prob(x, tf.zeros_like(x)))
        variables = likelihood.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
    np.testing.assert_allclose(np.exp(likelihood.log_stddev), x.std(), rtol=0.05)


def test_gaussian_of_exactly_reproduced_data_is_bounded():
    likelihood = GaussianLikelihood()
    likelihood.log_stddev.assign(-100.0)
    x = tf.ones((1, 2))
    assert likelihood.log_prob(x, x)[0] < 2 * (6 - 0.9)


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
