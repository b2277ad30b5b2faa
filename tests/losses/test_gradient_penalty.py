import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import losses
from keras_genzoo.losses import GradientPenalty

REAL = np.array([[1.0, 2.0], [-1.0, 0.5], [3.0, -2.0]], "float32")
FAKE = np.array([[0.0, 1.0], [2.0, 2.0], [-1.0, -1.0]], "float32")
W = np.array([3.0, -4.0], "float32")  # its norm is 5
A = np.array([[2.0, 0.5], [0.5, -1.0]], "float32")


class Numbers:
    """A source of noise that returns given numbers and records the requested shapes."""

    def __init__(self, uniform=None, normal=None):
        self.numbers = {"uniform": uniform, "normal": normal}
        self.shapes = []

    def _draw(self, kind, shape):
        self.shapes.append((kind, tuple(int(size) for size in shape)))
        return tf.reshape(tf.constant(self.numbers[kind], tf.float32), shape)

    def uniform(self, shape):
        return self._draw("uniform", shape)

    def normal(self, shape):
        return self._draw("normal", shape)


def linear(points):
    return tf.linalg.matvec(points, W)


def quadratic(points):
    return 0.5 * tf.reduce_sum(points * tf.matmul(points, A), axis=-1)


def penalty_of(points, target=1.0, weight=10.0):
    """The penalty of the quadratic critic, whose gradient at x is A x."""
    return weight * (np.linalg.norm(points @ A, axis=1) - target) ** 2


ALPHA = np.array([0.25, 0.5, 0.9], "float32")


def test_linear_critic():
    penalty = GradientPenalty()(linear, REAL, FAKE, Numbers(ALPHA))
    np.testing.assert_allclose(penalty, [10 * (5 - 1) ** 2] * 3, rtol=1e-5)
    penalty = GradientPenalty(weight=0.5, target=2.0)(linear, REAL, FAKE, Numbers(ALPHA))
    np.testing.assert_allclose(penalty, [0.5 * (5 - 2) ** 2] * 3, rtol=1e-5)


def test_at_interpolates_with_one_number_per_pair():
    noise = Numbers(ALPHA)
    penalty = GradientPenalty()(quadratic, tf.constant(REAL), tf.constant(FAKE), noise)
    points = REAL + ALPHA[:, None] * (FAKE - REAL)
    np.testing.assert_allclose(penalty, penalty_of(points), rtol=1e-5)
    assert noise.shapes == [("uniform", (3, 1))]


@pytest.mark.parametrize(("at", "points"), [("real", REAL), ("fake", FAKE)])
def test_at_data(at, points):
    noise = Numbers()
    penalty = GradientPenalty(at=at)(quadratic, tf.constant(REAL), tf.constant(FAKE), noise)
    np.testing.assert_allclose(penalty, penalty_of(points), rtol=1e-5)
    assert noise.shapes == []


def test_at_perturbed_real():
    normal = np.array([[1.0, -1.0], [0.5, 2.0], [0.0, -0.3]], "float32")
    noise = Numbers(normal=normal)
    penalty = GradientPenalty(at="perturbed_real")(
        quadratic, tf.constant(REAL), tf.constant(FAKE), noise
    )
    np.testing.assert_allclose(penalty, penalty_of(REAL + 0.5 * REAL.std() * normal), rtol=1e-5)
    assert noise.shapes == [("normal", REAL.shape)]


def test_target_zero():
    penalty = GradientPenalty(at="real", target=0, weight=3.0)(
        quadratic, tf.constant(REAL), tf.constant(FAKE), Numbers()
    )
    np.testing.assert_allclose(penalty, penalty_of(REAL, target=0, weight=3.0), rtol=1e-5)


def test_one_sided():
    small, large = np.float32(0.1) * REAL, np.float32(10) * REAL
    penalty = GradientPenalty(at="real", one_sided=True)
    assert (np.linalg.norm(small @ A, axis=1) < 1).all()
    np.testing.assert_array_equal(penalty(quadratic, tf.constant(small), small, None), [0, 0, 0])
    received = penalty(quadratic, tf.constant(large), large, None)
    np.testing.assert_allclose(received, penalty_of(large), rtol=1e-5)
    # The two-sided penalty also applies to small norms.
    received = GradientPenalty(at="real")(quadratic, tf.constant(small), small, None)
    np.testing.assert_allclose(received, penalty_of(small), rtol=1e-4)


def test_images_norm_over_all_axes_but_the_batch():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 3, 2)).astype("float32")
    real, fake = rng.normal(size=(2, 5, 4, 3, 2)).astype("float32")
    noise = Numbers(rng.random(5))

    def critic(images):
        return tf.einsum("bhwc,hwc->b", images, weights)

    penalty = GradientPenalty()(critic, tf.constant(real), tf.constant(fake), noise)
    expected = 10 * (np.sqrt((weights**2).sum()) - 1) ** 2
    np.testing.assert_allclose(penalty, [expected] * 5, rtol=1e-5)
    assert noise.shapes == [("uniform", (5, 1, 1, 1))]


@pytest.mark.parametrize("target", [0.0, 1.0])
@pytest.mark.parametrize("one_sided", [False, True])
def test_a_flat_critic_gives_finite_gradients(target, one_sided):
    weights = tf.Variable(np.zeros(2, "float32"))
    penalty = GradientPenalty(target=target, one_sided=one_sided)
    with tf.GradientTape() as tape:
        values = penalty(
            lambda x: tf.linalg.matvec(x, weights), tf.constant(REAL), FAKE, Numbers(ALPHA)
        )
    assert np.isfinite(values).all()
    assert np.isfinite(tape.gradient(values, weights)).all()


def test_gradient_of_the_penalty():
    weights, factor, norm = tf.Variable(W), 10.0, 5.0
    with tf.GradientTape() as tape:
        penalty = GradientPenalty(weight=factor)(
            lambda x: tf.linalg.matvec(x, weights), tf.constant(REAL), FAKE, Numbers(ALPHA)
        )
        loss = tf.reduce_mean(penalty)
    # d/dw λ (|w| - 1)² = 2 λ (|w| - 1) w / |w|.
    expected = 2 * factor * (norm - 1) * W / norm
    np.testing.assert_allclose(tape.gradient(loss, weights), expected, rtol=1e-5)


def test_gradient_of_the_penalty_with_target_zero():
    weights = tf.Variable(W)
    with tf.GradientTape() as tape:
        penalty = losses.get_penalty("r1")(
            lambda x: tf.linalg.matvec(x, weights), tf.constant(REAL), FAKE, Numbers()
        )
        loss = tf.reduce_mean(penalty)
    np.testing.assert_allclose(tape.gradient(loss, weights), 2 * 5.0 * W, rtol=1e-5)


def test_float16_critic():
    def critic(points):
        return tf.linalg.matvec(tf.cast(points, tf.float16), tf.constant(W, tf.float16))

    penalty = GradientPenalty()(critic, tf.constant(REAL), tf.constant(FAKE), Numbers(ALPHA))
    assert penalty.dtype == tf.float32
    np.testing.assert_allclose(penalty, [160] * 3, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "at", "target", "weight"),
    [
        ("wgan_gp", "interpolates", 1, 10),
        ("dragan", "perturbed_real", 1, 10),
        ("r1", "real", 0, 5),
        ("r2", "fake", 0, 5),
    ],
)
def test_by_name(name, at, target, weight):
    penalty = losses.get_penalty(name)
    assert (penalty.at, penalty.target, penalty.weight) == (at, target, weight)
    assert not penalty.one_sided


def test_by_object():
    penalty = GradientPenalty(weight=2.0)
    assert losses.get_penalty(penalty) is penalty
    assert losses.get_penalty(None) is None


@pytest.mark.parametrize("unknown", ["gp", 10, ["r1"]])
def test_unknown_names_list_the_known(unknown):
    with pytest.raises(ValueError, match=r"`penalty` must be one of") as error:
        losses.get_penalty(unknown)
    assert all(repr(name) in str(error.value) for name in ("wgan_gp", "dragan", "r1", "r2"))


@pytest.mark.parametrize(
    "arguments",
    [{"at": "middle"}, {"weight": -1.0}, {"target": -1.0}, {"weight": float("nan")}],
    ids=str,
)
def test_bad_arguments(arguments):
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: "):
        GradientPenalty(**arguments)


def test_config_round_trip():
    penalty = GradientPenalty(weight=2.0, at="fake", target=0.5, one_sided=True)
    config = keras.saving.serialize_keras_object(penalty)
    assert vars(keras.saving.deserialize_keras_object(config)) == vars(penalty)


@pytest.mark.parametrize(
    ("paper", "here"),
    [
        ((5.0, "real", 0.0), (1.25, "real", 0.0)),  # R1 of γ = 10
        ((20.0, "fake", 0.0), (5.0, "fake", 0.0)),  # R2 of γ = 40
        ((10.0, "interpolates", 1.0), (2.5, "interpolates", 2.0)),
        ((40.0, "interpolates", 0.5), (10.0, "interpolates", 1.0)),
    ],
    ids=str,
)
def test_the_table_of_images_in_two_ranges(paper, here):
    """A critic of data u in [-1, 1], and the same one of x = (u + 1) / 2 in [0, 1]."""
    real, fake = (tf.constant((u + 1) / 2) for u in (REAL, FAKE))
    expected = GradientPenalty(*paper)(
        quadratic, tf.constant(REAL), tf.constant(FAKE), Numbers(ALPHA)
    )
    received = GradientPenalty(*here)(lambda x: quadratic(2 * x - 1), real, fake, Numbers(ALPHA))
    np.testing.assert_allclose(received, expected, rtol=1e-4)
    points = {"real": REAL, "fake": FAKE}.get(paper[1], REAL + ALPHA[:, None] * (FAKE - REAL))
    weight, _, target = paper
    np.testing.assert_allclose(expected, penalty_of(points, target, weight), rtol=1e-4)
