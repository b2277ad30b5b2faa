import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_genzoo.core.replicas import sum_over_replicas
from keras_genzoo.layers import Noise


def test_statistics():
    noise = Noise(seed=1)
    normal, uniform = noise.normal((20_000,)).numpy(), noise.uniform((20_000,)).numpy()
    assert normal.dtype == uniform.dtype == np.float32
    assert scipy.stats.kstest(normal, "norm").pvalue > 1e-3
    assert scipy.stats.kstest(uniform, "uniform").pvalue > 1e-3
    assert uniform.min() >= 0 and uniform.max() < 1


def test_every_draw_is_new():
    noise = Noise(seed=1)
    draws = np.stack([noise.normal((50,)) for _ in range(5)])
    assert len(np.unique(draws)) == draws.size


def test_the_seed_determines_the_numbers():
    np.testing.assert_array_equal(Noise(3).normal((4, 2)), Noise(3).normal((4, 2)))
    assert not np.array_equal(Noise(3).normal((4, 2)), Noise(4).normal((4, 2)))


def test_reset():
    noise = Noise(seed=1)
    first, second = noise.normal((3,)).numpy(), noise.normal((3,)).numpy()
    noise.reset()
    np.testing.assert_array_equal(noise.normal((3,)), first)
    np.testing.assert_array_equal(noise.normal((3,)), second)


def test_set_random_seed():
    def draw():
        return Noise().normal((4,)).numpy(), Noise().normal((4,)).numpy()

    keras.utils.set_random_seed(5)
    first, second = draw()
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(draw(), (first, second))
    assert not np.array_equal(first, second)  # two sources have different seeds
    keras.utils.set_random_seed(6)
    assert not np.array_equal(draw()[0], first)


def test_a_graph_draws_new_numbers_in_every_call():
    noise = Noise(seed=1)
    draw = tf.function(lambda: noise.normal((3,)))
    graph = [draw().numpy() for _ in range(3)]
    noise.reset()
    np.testing.assert_array_equal(graph, [noise.normal((3,)) for _ in range(3)])


class Drawing(keras.Model):
    def __init__(self, noise=None, **kwargs):
        super().__init__(**kwargs)
        self.noise = Noise() if noise is None else noise
        self.built = True

    def call(self, inputs):
        return inputs + self.noise.normal(keras.ops.shape(inputs))

    def get_config(self):
        return {"noise": keras.saving.serialize_keras_object(self.noise)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["noise"]))


def test_a_loaded_source_continues(tmp_path):
    model = Drawing()
    model(tf.zeros((3, 2)))
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras", {"Drawing": Drawing})
    assert copy.noise.seed == model.noise.seed
    expected = model(tf.zeros((3, 2)))
    np.testing.assert_array_equal(copy(tf.zeros((3, 2))), expected)
    assert np.abs(expected).min() > 0


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_replicas_draw_the_same_numbers_as_one(two_replicas, on_replicas, kind):
    with two_replicas.scope():
        noise = Noise(seed=7)
    alone = Noise(seed=7)
    zeros = np.zeros((4, 3), "float32")
    for _ in range(3):
        together = on_replicas(lambda x: getattr(noise, kind)(keras.ops.shape(x)), [zeros, zeros])
        np.testing.assert_array_equal(together, getattr(alone, kind)((8, 3)))


@pytest.mark.parametrize("sizes", [(4, 1), (1, 4), (3, 0)])
def test_uneven_batches(two_replicas, on_replicas, sizes):
    with two_replicas.scope():
        noise = Noise(seed=7)
    batches = [np.zeros((size, 3), "float32") for size in sizes]

    def draw(x):
        # The size is unknown in the graph, as in the last batch of a data set.
        x = tf.ensure_shape(tf.raw_ops.PlaceholderWithDefault(input=x, shape=(None, 3)), (None, 3))
        return noise.normal(keras.ops.shape(x))

    together = on_replicas(draw, batches)
    np.testing.assert_array_equal(together, Noise(seed=7).normal((sum(sizes), 3)))


def test_sum_over_replicas(on_replicas):
    batches = [np.array([1.0], "float32"), np.array([5.0], "float32")]
    np.testing.assert_array_equal(on_replicas(sum_over_replicas, batches), [6, 6])
    np.testing.assert_array_equal(sum_over_replicas(tf.constant(2.0)), 2)


def test_config_round_trip():
    noise = Noise(seed=11, name="z")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(noise))
    assert (copy.seed, copy.name) == (11, "z")
    assert copy.trainable_variables == []
