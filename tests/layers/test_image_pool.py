"""The pool of generated images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.layers import ImagePool


def images_of(*values):
    return np.array(values, "float32")[:, None, None, None]


class Reference:
    """The pool image by image, with given draws."""

    def __init__(self, size):
        self.size, self.images = size, []

    def __call__(self, values, draws):
        returned = []
        for value, (chance, place) in zip(values, draws, strict=True):
            if len(self.images) < self.size:
                self.images.append(value)
                returned.append(value)
            elif chance < 0.5:
                slot = int(place * self.size)
                returned.append(self.images[slot])
                self.images[slot] = value
            else:
                returned.append(value)
        return returned


@pytest.mark.parametrize("size, batch", [(50, 1), (4, 7), (3, 3), (5, 16)])
def test_it_does_what_the_loop_over_images_does(size, batch):
    pool, reference = ImagePool((1, 1, 1), size, seed=4), Reference(size)
    draws = ImagePool((1, 1, 1), size, seed=4).noise
    for step in range(40):
        values = np.arange(batch) + step * batch
        wanted = reference(values, draws.uniform((batch, 2)).numpy())
        np.testing.assert_array_equal(pool(images_of(*values))[:, 0, 0, 0], wanted)
    kept = pool.images.numpy()[: len(reference.images), 0, 0, 0]
    np.testing.assert_array_equal(kept, reference.images)
    assert int(pool.count) == len(reference.images)


def test_half_of_the_answers_are_new_and_the_others_are_old():
    ask = tf.function(ImagePool((1, 1, 1), 50))
    new, ages = [], []
    for step in range(2_050):
        answer = int(ask(tf.constant(images_of(step)))[0, 0, 0, 0])
        if step >= 50:
            new.append(answer == step)
            ages.append(step - answer)
    # 2,000 draws: the standard error is 0.011
    assert abs(np.mean(new) - 0.5) < 0.045
    # An image is exchanged with a probability of 1/100 a step, after 100 steps on average.
    old = [age for age in ages if age > 0]
    assert 75 < np.mean(old) < 125


def test_replicas_have_one_pool(two_replicas):
    one = ImagePool((1, 1, 1), 5, seed=2)
    with two_replicas.scope():
        two = ImagePool((1, 1, 1), 5, seed=2)
    for step in range(12):
        batch = images_of(*range(6 * step, 6 * step + 6))

        def replica(batch=batch):
            place = tf.distribute.get_replica_context().replica_id_in_sync_group
            return two(tf.gather(batch, tf.range(3) + 3 * place))

        parts = two_replicas.run(tf.function(replica))
        together = np.concatenate(two_replicas.experimental_local_results(parts))
        np.testing.assert_array_equal(together, one(batch))
    np.testing.assert_array_equal(two.images.numpy(), one.images.numpy())


def test_its_images_are_saved(tmp_path):
    model = keras.Sequential([keras.Input((1, 1, 1)), ImagePool((1, 1, 1), 3)])
    model(images_of(1, 2, 3, 4))
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    for step in range(10):
        np.testing.assert_array_equal(model(images_of(step)), copy(images_of(step)))


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"`size` must be a positive integer. Received: size=0"):
        ImagePool((8, 8, 1), 0)
