"""`decode` and `interpolate` of models with codes."""

import numpy as np
import pytest
from scipy.spatial import geometric_slerp

import keras_genzoo as genzoo
from keras_genzoo.core.decoding import codes_between

RNG = np.random.default_rng(0)


def codes(count, dim=4):
    return RNG.normal(size=(count, dim)).astype("float32")


def test_arcs_are_those_of_scipy():
    start, end = codes(1, 5), codes(1, 5)
    start, end = (np.float64(c) / np.linalg.norm(np.float64(c)) for c in (start, end))
    expected = geometric_slerp(start[0], end[0], np.linspace(0, 1, 7))
    between = codes_between(start, end, 7, "spherical")
    assert between.shape == (1, 7, 5) and between.dtype == np.float32
    np.testing.assert_allclose(between[0], expected, atol=1e-6)


def test_lines_have_equal_steps():
    between = codes_between(np.array([[0.0, 2.0]]), np.array([[1.0, 0.0]]), 5, "linear")
    expected = [[0, 2], [0.25, 1.5], [0.5, 1], [0.75, 0.5], [1, 0]]
    np.testing.assert_allclose(between[0], expected)


@pytest.mark.parametrize("end", [[3.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]], ids=str)
def test_arcs_between_parallel_codes_are_lines(end):
    start = np.array([[1.0, 0.0]])
    arc = codes_between(start, np.array([end]), 5, "spherical")
    np.testing.assert_allclose(arc, codes_between(start, np.array([end]), 5, "linear"), atol=1e-5)


def test_draws_from_the_prior_stay_as_far_from_the_origin():
    start, end = codes(500, 64), codes(500, 64)
    half = {path: codes_between(start, end, 3, path)[:, 1] for path in ("linear", "spherical")}
    length = {path: np.mean(np.linalg.norm(c, axis=1)) for path, c in half.items()}
    assert length["spherical"] == pytest.approx(8, abs=0.1)  # the square root of 64
    assert length["linear"] == pytest.approx(8 / np.sqrt(2), abs=0.1)


@pytest.mark.parametrize(
    "model",
    [genzoo.GAN((2,), 4), genzoo.VAE((2,), 4), genzoo.Autoencoder((2,), 4)],
    ids=lambda model: type(model).__name__,
)
def test_ends_are_the_decoded_codes(model):
    start, end = codes(3), codes(3)
    data = model.interpolate(start, end, steps=6)
    assert data.shape == (3, 6, 2) and data.dtype == np.float32
    np.testing.assert_allclose(data[:, 0], model.decode(start), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(data[:, -1], model.decode(end), rtol=1e-4, atol=1e-6)
    default = "linear" if type(model) is genzoo.Autoencoder else "spherical"
    other = {"linear": "spherical", "spherical": "linear"}[default]
    np.testing.assert_array_equal(model.interpolate(start, end, 6, path=default), data)
    assert not np.allclose(model.interpolate(start, end, 6, path=other), data)


def test_a_gan_decodes_latents_as_it_does_when_called():
    model, latents = genzoo.GAN((2,), 4), codes(5)
    np.testing.assert_allclose(model.decode(latents), model(latents), rtol=1e-5)


def test_each_way_has_its_class():
    model = genzoo.ConditionalGAN((8, 8, 1), num_classes=3, latent_dim=4)
    start, end, labels = codes(2), codes(2), np.array([0, 2])
    data = model.interpolate(start, end, 3, labels=labels)
    np.testing.assert_allclose(data[:, 0], model.decode(start, labels), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(data[:, 2], model.decode(end, labels), rtol=1e-4, atol=1e-6)
    assert not np.allclose(data[1, 0], model.decode(start, labels[::-1])[1])


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"steps": 1}, "`steps` must be 2 or more. Received: steps=1"),
        ({"steps": 2.5}, "`steps` must be a positive integer"),
        ({"path": "arc"}, "`path` must be 'linear' or 'spherical'. Received: path='arc'"),
        ({"end": codes(3)}, "`end` must be as many codes as `start`. Received: 3 and 2"),
        ({"end": codes(2, 5)}, r"`end`.*\(2, 5\)"),
        ({"start": [[1.0] * 4] * 2}, "`start`.*list"),
        ({"labels": [1, 2]}, "`labels` must be None"),
    ],
    ids=str,
)
def test_bad_arguments(arguments, words):
    model = genzoo.GAN((2,), 4)
    with pytest.raises((TypeError, ValueError), match=words):
        model.interpolate(**{"start": codes(2), "end": codes(2)} | arguments)
