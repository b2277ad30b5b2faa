import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_genzoo import losses

MEAN = np.array([[0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [0.1, 0.0, -3.0]], "float32")
LOG_VARIANCE = np.array([[0.0, 0.0, 0.0], [-1.0, 0.5, -3.0], [1.0, -0.2, 0.0]], "float32")


def test_gaussian_kl_of_the_prior_is_zero():
    assert losses.gaussian_kl(MEAN, LOG_VARIANCE)[0] == 0


def test_gaussian_kl_closed_form():
    # log(1/σ) + (σ² + μ²) / 2 - 1/2
    stddev = np.exp(LOG_VARIANCE / 2)
    expected = (-np.log(stddev) + (stddev**2 + MEAN**2) / 2 - 0.5).sum(axis=1)
    received = losses.gaussian_kl(tf.constant(MEAN), tf.constant(LOG_VARIANCE))
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)


def test_gaussian_kl_equals_a_monte_carlo_estimate():
    posterior = scipy.stats.norm(MEAN, np.exp(LOG_VARIANCE / 2))
    samples = posterior.rvs(size=(200_000, *MEAN.shape), random_state=np.random.default_rng(0))
    ratios = (posterior.logpdf(samples) - scipy.stats.norm.logpdf(samples)).sum(axis=-1)
    estimate, error = ratios.mean(axis=0), ratios.std(axis=0) / np.sqrt(len(ratios))
    received = losses.gaussian_kl(tf.constant(MEAN), tf.constant(LOG_VARIANCE))
    assert (np.abs(received - estimate) <= 4 * error + 1e-6).all()


def test_bernoulli_kl():
    rates = np.array([[0.05, 0.5, 0.9], [0.2, 0.01, 0.3]], "float32")
    for target in (0.05, 0.3):
        expected = scipy.special.rel_entr(target, rates)
        expected = (expected + scipy.special.rel_entr(1 - target, 1 - rates)).sum(axis=-1)
        np.testing.assert_allclose(
            losses.bernoulli_kl(target, tf.constant(rates)), expected, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("rate", [0.0, 1e-13, 1e-9, 1 - 6e-8, 1.0])
def test_bernoulli_kl_pulls_dead_and_saturated_units_back(rate):
    rates = tf.Variable([rate])
    with tf.GradientTape() as tape:
        divergence = losses.bernoulli_kl(0.05, rates)
    # KL(t ‖ ρ) has the slope (1 - t) / (1 - ρ) - t / ρ, here with numbers of at least 1e-12.
    low, high = max(np.float32(rate), 1e-12), max(np.float32(1) - np.float32(rate), 1e-12)
    expected = 0.05 * np.log(0.05 / low) + 0.95 * np.log(0.95 / high)
    assert float(divergence) == pytest.approx(expected, rel=1e-4)
    assert float(tape.gradient(divergence, rates)[0]) == pytest.approx(
        0.95 / high - 0.05 / low, rel=1e-4
    )
