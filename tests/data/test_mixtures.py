"""Tests of the toy mixtures against theory and values computed by hand."""

import keras
import numpy as np
import pytest

from keras_genzoo import data


def test_ring_modes_have_the_positions_of_the_papers():
    mixture = data.ring()
    half = np.sqrt(0.5)
    expected = [(1, 0), (half, half), (0, 1), (-half, half)]
    np.testing.assert_allclose(mixture.means[:4], expected, atol=1e-12)
    np.testing.assert_allclose(mixture.means[4:], np.negative(expected), atol=1e-12)
    assert mixture.stddev == 0.01


def test_grid_modes_have_the_positions_of_the_papers():
    mixture = data.grid()
    assert mixture.means.tolist() == [[-4 + 2 * i, -4 + 2 * j] for i in range(5) for j in range(5)]
    assert mixture.stddev == 0.05


@pytest.mark.parametrize(
    "mixture",
    [data.ring(), data.ring(num_modes=3, radius=2.0, stddev=0.5), data.grid()],
    ids=["ring", "wide ring", "grid"],
)
def test_samples_have_the_mixtures_mean_and_covariance(mixture):
    samples = mixture.sample(200_000, seed=0)
    assert samples.shape == (200_000, 2) and samples.dtype == np.float32
    means = mixture.means
    covariance = means.T @ means / len(means) + mixture.stddev**2 * np.eye(2)
    spread = np.sqrt(np.trace(covariance))
    np.testing.assert_allclose(samples.mean(axis=0), 0, atol=0.01 * spread)
    np.testing.assert_allclose(np.cov(samples.T), covariance, atol=0.01 * spread**2)


def test_samples_within_a_mode_have_its_standard_deviation():
    mixture = data.grid()
    samples = mixture.sample(50_000, seed=1)
    distances = np.linalg.norm(samples[:, None] - mixture.means, axis=-1)
    offsets = samples - mixture.means[distances.argmin(axis=1)]
    np.testing.assert_allclose(offsets.std(axis=0), 0.05, rtol=0.02)


def test_seed_fixes_the_samples():
    ring = data.ring()
    np.testing.assert_array_equal(ring.sample(9, seed=3), ring.sample(9, seed=3))
    assert (ring.sample(9, seed=3) != ring.sample(9, seed=4)).any()


def test_without_seed_samples_follow_the_global_seed():
    draws = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        draws.append([data.ring().sample(9), data.ring().sample(9)])
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0][0] != draws[0][1]).any()


def test_dataset_holds_the_sample_in_a_new_order_each_epoch():
    mixture = data.grid()
    dataset = mixture.dataset(num_examples=100, batch_size=10, seed=2)
    assert dataset.element_spec.shape == (10, 2) and dataset.element_spec.dtype == "float32"
    first, second = (np.concatenate(list(dataset.as_numpy_iterator())) for _ in range(2))
    assert (first != second).any()
    expected = np.sort(mixture.sample(100, seed=2), axis=0)
    np.testing.assert_array_equal(np.sort(first, axis=0), expected)
    np.testing.assert_array_equal(np.sort(second, axis=0), expected)


def test_dataset_drops_the_last_partial_batch():
    assert len(data.ring().dataset(num_examples=105, batch_size=10)) == 10


def test_score_of_true_samples_agrees_with_theory():
    ring = data.ring()
    score = ring.score(ring.sample(100_000, seed=0))
    assert score["modes"] == 8
    assert score["high_quality"] == pytest.approx(1 - np.exp(-4.5), abs=1e-3)
    assert score["kl"] == pytest.approx(0, abs=1e-3)


def test_score_of_two_modes_of_four_by_hand():
    mixture = data.GaussianMixture([[0, 0], [10, 0], [0, 10], [10, 10]], stddev=1.0)
    samples = [
        [0.0, 0.0],
        [0.0, 2.9],
        [-3.0, 0.0],  # exactly three standard deviations
        [10.0, 9.0],
        [0.0, 3.1],  # too far
        [2.9, 2.9],  # close along each axis, but too far in the plane
        [5.0, 5.0],
        [np.inf, 0.0],
    ]
    score = mixture.score(np.array(samples))
    assert score["modes"] == 2
    assert score["high_quality"] == 4 / 8
    # 3/4 log(3/4 * 4) + 1/4 log(1/4 * 4)
    assert score["kl"] == pytest.approx(0.75 * np.log(3))


def test_score_of_a_collapsed_and_of_a_perfect_model():
    ring = data.ring(num_modes=8)
    assert ring.score(ring.means) == {"modes": 8, "high_quality": 1.0, "kl": pytest.approx(0)}
    collapsed = ring.score(np.repeat(ring.means[:1], 5, axis=0))
    assert collapsed == {"modes": 1, "high_quality": 1.0, "kl": pytest.approx(np.log(8))}


def test_score_without_a_high_quality_sample():
    assert data.ring().score(np.zeros((3, 2))) == {"modes": 0, "high_quality": 0.0, "kl": np.inf}


def test_mixture_is_immutable():
    ring = data.ring()
    with pytest.raises(AttributeError):
        ring.stddev = 1.0
    with pytest.raises(ValueError):
        ring.means[0] = 0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: data.ring(num_modes=0), "`num_modes`.*Received: num_modes=0"),
        (lambda: data.ring(radius=0), "`radius`.*Received: radius=0"),
        (lambda: data.ring(stddev=0), "`stddev`.*Received: stddev=0"),
        (lambda: data.ring(stddev=np.inf), "`stddev` must be finite. Received: stddev=inf"),
        (lambda: data.ring(radius=np.inf), "`radius` must be finite. Received: radius=inf"),
        (lambda: data.ring(stddev=float("nan")), "`stddev`.*Received: stddev=nan"),
        (lambda: data.grid(num_rows=0), "`num_rows`.*Received: num_rows=0"),
        (lambda: data.grid(spacing=-1), "`spacing`.*Received: spacing=-1"),
        (lambda: data.grid(stddev=-1), "`stddev`.*Received: stddev=-1"),
        (lambda: data.GaussianMixture([1, 2], 1.0), r"`means`.*Received: shape \(2,\)"),
        (lambda: data.GaussianMixture([[np.inf, 2]], 1.0), "`means`.*Received: means="),
        (lambda: data.ring().sample(0), "`num_samples`.*Received: num_samples=0"),
        (lambda: data.ring().dataset(batch_size=0), "`batch_size`.*Received: batch_size=0"),
        (lambda: data.ring().dataset(8, batch_size=9), "`batch_size`.*8.*Received: batch_size=9"),
        (lambda: data.ring().score(np.zeros((4, 3))), r"`samples`.*Received: shape \(4, 3\)"),
        (lambda: data.ring().score(np.zeros((0, 2))), r"`samples`.*Received: shape \(0, 2\)"),
        (lambda: data.ring().score([[0, np.nan], [0, 0]]), "`samples`.*Received: 1 samples"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
