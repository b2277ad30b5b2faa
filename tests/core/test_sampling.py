"""`sample`: one graph function in parts, in Python and on a server."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import networks
from keras_genzoo.core.fields import Images, Vectors
from keras_genzoo.core.model import GenerativeModel
from keras_genzoo.core.sampling import Sampling


def gan(num_classes=None):
    size = {"hidden_units": (4,), "num_classes": num_classes}
    parts = {
        "generator": networks.dense_decoder((2,), 3, **size),
        "discriminator": networks.dense_discriminator((2,), **size),
    }
    return genzoo.GAN((2,), 3, num_classes=num_classes, **parts)


@pytest.mark.parametrize("count", [2**31, 10**30])
def test_numbers_that_no_tensor_holds(count):
    with pytest.raises(ValueError, match=r"`num_samples` must be below 2\*\*31"):
        gan().sample(count)


@pytest.mark.parametrize("count", [1, 256, 257, 600])
@pytest.mark.parametrize("num_classes", [None, 3])
def test_served_samples_are_those_of_python(count, num_classes, tmp_path):
    model = gan(num_classes)
    samples = model.sample(count, seed=7)
    assert samples.shape == (count, 2) and samples.dtype == np.float32
    # No part repeats another's latents; where no hidden unit is active, samples are equal.
    assert len(np.unique(samples, axis=0)) > 0.8 * count
    with pytest.warns(UserWarning, match="no training step"):
        model.export(tmp_path / "model")
    request = {"num_samples": tf.constant(count), "seed": tf.constant(7, tf.int64)}
    if num_classes is not None:
        request["labels"] = tf.zeros(0, tf.int32)
    loaded = tf.saved_model.load(str(tmp_path / "model" / "1"))
    served = loaded.signatures["sample"](**request)["data"]
    np.testing.assert_allclose(served, samples, rtol=1e-5, atol=1e-6)


def test_samples_of_a_part_are_worked_out_by_hand():
    model = gan()
    latents = [tf.random.stateless_normal((n, 3), (5, 2 * k)) for k, n in enumerate((256, 44))]
    expected = np.concatenate([model.generator(z) for z in latents])
    np.testing.assert_allclose(model.sample(300, seed=5), expected, rtol=1e-5, atol=1e-6)


def test_one_label_for_all():
    model = gan(3)
    one = model.sample(4, labels=2, seed=1)
    np.testing.assert_array_equal(one, model.sample(labels=[2] * 4, seed=1))
    with pytest.raises(ValueError, match="`num_samples` must be given with a single label"):
        model.sample(labels=2)
    with pytest.raises(ValueError, match=r"must lie in \[0, 3\)"):
        model.sample(4, labels=3)


def test_a_replaced_network_is_compiled_again():
    model = gan()
    before = model.sample(4, seed=1)
    np.testing.assert_array_equal(model.sample(4, seed=1), before)
    model.generator = networks.dense_decoder((2,), 3, hidden_units=(4,))
    assert np.abs(model.sample(4, seed=1) - before).max() > 1e-3


def test_whatever_changes_is_seen():
    class Scaled(genzoo.GAN):
        scale = 1.0

        def generate(self, latents, labels, training):
            return self.scale * super().generate(latents, labels, training)

    model = Scaled((2,), 3)
    before = model.sample(4, seed=0)
    for scale in (2.0, 3.0):  # a new attribute, and a new value of one
        model.scale = scale
        np.testing.assert_allclose(model.sample(4, seed=0), scale * before, rtol=1e-6)

    layers = [keras.Input((3,)), keras.layers.Dense(2)]
    model = genzoo.GAN((2,), 3, generator=keras.Sequential(layers))
    before = model.sample(4, seed=0)
    model.generator.add(keras.layers.Rescaling(2.0))
    np.testing.assert_allclose(model.sample(4, seed=0), 2 * before, rtol=1e-6)
    model.discriminator = len  # whatever it is, sampling does not need it
    np.testing.assert_allclose(model.sample(4, seed=0), 2 * before, rtol=1e-6)

    first = model.sample(3, seed=0)
    model.samples_at_once = 3
    np.testing.assert_allclose(model.sample(4, seed=0)[:3], first, rtol=1e-6)
    assert not np.allclose(model.sample(4, seed=0)[3], model.generator(np.zeros((1, 3))))


def test_a_graph_is_traced_once():
    traces = []

    class Traced(genzoo.GAN):
        def generate(self, latents, labels, training):
            traces.append(training)
            return super().generate(latents, labels, training)

    model = Traced((2,), 3)
    for count in (2, 5, 300):
        model.sample(count)
    model.set_weights(model.get_weights())
    model.sample(2)
    assert traces == [False]


def test_means_and_draws_are_traced_once_each():
    traces = []

    class Traced(genzoo.VAE):
        def draw(self, *args, **options):
            traces.append(options)
            return super().draw(*args, **options)

    model = Traced((2,), 3)
    for _ in range(3):
        drawn, means = model.sample(4, seed=1), model.sample(4, seed=1, mean=True)
    assert not np.allclose(drawn, means)
    np.testing.assert_array_equal(model.sample(4, seed=1), drawn)
    assert traces == [{}, {"mean": True}]


def test_new_weights_are_seen():
    model = gan()
    before = model.sample(4, seed=1)
    model.generator.set_weights([2 * w for w in model.generator.get_weights()])
    assert np.abs(model.sample(4, seed=1) - before).max() > 1e-3


@pytest.mark.parametrize("seed", [-1, 2**31, 1.0, "1", True])
def test_bad_seeds(seed):
    with pytest.raises(ValueError, match="`seed` must be an integer in"):
        gan().sample(2, seed=seed)


class Chain(Sampling, GenerativeModel):
    """Draws by a loop, as Gibbs sampling and autoregressive models do."""

    log_names = ("loss",)
    samples_at_once = 10

    def __init__(self):
        super().__init__(Vectors((2,)))
        self.network = keras.layers.Dense(2)
        self.network.build((None, 2))

    def draw(self, count, labels, seed):
        state = tf.random.stateless_normal((count, 2), seed)
        for step in tf.unstack(tf.random.split(seed, 3)):
            state = 0.5 * state + tf.random.stateless_normal((count, 2), step)
        return state


def test_any_draw_is_sampled_in_parts():
    model = Chain()
    samples = model.sample(25, seed=3)
    assert samples.shape == (25, 2)
    np.testing.assert_allclose(samples[:10], model.sample(10, seed=3), rtol=1e-6)
    assert len(np.unique(samples, axis=0)) == 25
    assert np.isfinite(samples).all() and 0.7 < samples.std() < 1.7


def test_draw_must_return_count_samples():
    class Short(Chain):
        def draw(self, count, labels, seed):
            return tf.zeros((count - 1, 2))

    with pytest.raises(tf.errors.InvalidArgumentError, match="`draw` must return `count` samples"):
        Short().sample(3)


def test_a_score_map_counts_as_its_mean():
    """A PatchGAN's scores `(batch, rows, columns)` count as one number per example."""

    class Patches(GenerativeModel):
        players = {"optimizer": ("network",)}

        def __init__(self):
            super().__init__(Images((4, 4, 1)))
            self.network = keras.layers.Conv2D(1, 2, kernel_regularizer=keras.regularizers.L2(0.1))
            self.network.build((None, 4, 4, 1))

    model = Patches()
    scores = tf.reshape(tf.range(2 * 3 * 3, dtype=tf.float32), (2, 3, 3))
    model.network(tf.zeros((2, 4, 4, 1)))
    (kernel,) = [w for w in model.network.get_weights() if w.ndim == 4]
    expected = np.mean(np.arange(18)) + 0.1 * np.sum(kernel**2) + 2.0
    objective = model.objective("optimizer", scores, None, tf.constant([1.0, 3.0]))
    assert objective.shape == () and float(objective) == pytest.approx(expected, rel=1e-5)
