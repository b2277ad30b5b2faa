import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import losses

REAL = np.array([-3.0, -0.5, 0.0, 0.7, 1.5, 4.0], "float32")
FAKE = np.array([2.0, -2.0, 0.0, -1.5, 0.3, -4.0], "float32")


def log_sigmoid(s):
    return -np.logaddexp(0, -s)


def log_one_minus_sigmoid(s):
    return -np.logaddexp(0, s)


def cross_entropy(real, fake):
    return -log_sigmoid(real) - log_one_minus_sigmoid(fake)


def minus(fake):
    return -fake


# The papers' formulas for the losses of the discriminator and of the generator.
PAPERS = {
    "minimax": (cross_entropy, log_one_minus_sigmoid),
    "non_saturating": (cross_entropy, lambda fake: -log_sigmoid(fake)),
    "least_squares": (
        lambda real, fake: (real - 1) ** 2 / 2 + fake**2 / 2,
        lambda fake: (fake - 1) ** 2 / 2,
    ),
    "hinge": (
        lambda real, fake: np.maximum(0, 1 - real) + np.maximum(0, 1 + fake),
        minus,
    ),
    "wasserstein": (lambda real, fake: fake - real, minus),
}
CLASSES = {
    "minimax": losses.Minimax,
    "non_saturating": losses.NonSaturating,
    "least_squares": losses.LeastSquares,
    "hinge": losses.Hinge,
    "wasserstein": losses.Wasserstein,
}


def slope(function, at, step=1e-6):
    """Approximates the derivative by central differences in float64."""
    at = at.astype("float64")
    return (function(at + step) - function(at - step)) / (2 * step)


@pytest.mark.parametrize("name", PAPERS)
def test_values(name):
    loss, (discriminator, generator) = losses.get(name), PAPERS[name]
    received = loss.discriminator_loss(tf.constant(REAL), tf.constant(FAKE))
    np.testing.assert_allclose(received, discriminator(REAL, FAKE), rtol=1e-5, atol=1e-6)
    received = loss.generator_loss(tf.constant(FAKE))
    np.testing.assert_allclose(received, generator(FAKE), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PAPERS)
def test_gradients(name):
    loss, (discriminator, generator) = losses.get(name), PAPERS[name]
    real, fake = tf.Variable(REAL), tf.Variable(FAKE)
    with tf.GradientTape(persistent=True) as tape:
        discriminator_loss = loss.discriminator_loss(real, fake)
        generator_loss = loss.generator_loss(fake)
    expected = slope(lambda s: discriminator(s, FAKE.astype("float64")), REAL)
    np.testing.assert_allclose(tape.gradient(discriminator_loss, real), expected, atol=1e-5)
    expected = slope(lambda s: discriminator(REAL.astype("float64"), s), FAKE)
    np.testing.assert_allclose(tape.gradient(discriminator_loss, fake), expected, atol=1e-5)
    expected = slope(generator, FAKE)
    np.testing.assert_allclose(tape.gradient(generator_loss, fake), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
def test_extreme_scores_stay_finite(name):
    loss, scores = losses.get(name), tf.constant([-1e4, 1e4])
    assert np.isfinite(loss.discriminator_loss(scores, scores)).all()
    assert np.isfinite(loss.generator_loss(scores)).all()


def test_the_non_saturating_loss_has_a_gradient_if_the_discriminator_wins():
    scores = tf.Variable([-20.0])  # the discriminator is certain that these are fakes
    with tf.GradientTape(persistent=True) as tape:
        saturating = losses.Minimax().generator_loss(scores)
        other = losses.NonSaturating().generator_loss(scores)
    assert abs(tape.gradient(saturating, scores)[0]) < 1e-6
    np.testing.assert_allclose(tape.gradient(other, scores), [-1.0], rtol=1e-6)


@pytest.mark.parametrize("loss_class", [losses.Minimax, losses.NonSaturating])
def test_label_smoothing_is_one_sided(loss_class):
    smooth, plain = loss_class(label_smoothing=0.1), loss_class()
    # The cross-entropy has the target 0.9 for real examples and 0 for generated ones.
    expected = -0.9 * log_sigmoid(REAL) - 0.1 * log_one_minus_sigmoid(REAL)
    expected = expected - log_one_minus_sigmoid(FAKE)
    received = smooth.discriminator_loss(tf.constant(REAL), tf.constant(FAKE))
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(smooth.generator_loss(FAKE), plain.generator_loss(FAKE))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", [name for name in CLASSES if name != "wasserstein"])
def test_the_boundary_is_the_score_of_an_undecided_discriminator(name, smoothing):
    """Where real and generated data are as dense, the loss is least at the boundary."""
    smoothed = {"label_smoothing": smoothing} if name in ("minimax", "non_saturating") else {}
    loss, scores = CLASSES[name](**smoothed), np.linspace(-4, 4, 80_001)
    values = np.asarray(loss.discriminator_loss(tf.constant(scores), tf.constant(scores)))
    if name == "hinge":  # all of [-1, 1] are least: the boundary is the middle
        values = np.abs(values - 2) + 1e-3 * np.abs(scores)
    assert loss.boundary == pytest.approx(scores[values.argmin()], abs=1e-4)
    if smoothed:
        share = 1 / (1 + np.exp(-loss.boundary))  # half of what it is without smoothing
        assert share == pytest.approx((1 - smoothing) / 2, rel=1e-6)


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5])
def test_bad_label_smoothing(value):
    with pytest.raises(ValueError, match=rf"`label_smoothing`.*Received: .*{value}"):
        losses.NonSaturating(label_smoothing=value)


@pytest.mark.parametrize("name", CLASSES)
def test_get_by_name(name):
    assert type(losses.get(name)) is CLASSES[name]


def test_get_by_object():
    class Custom:
        def discriminator_loss(self, real_scores, fake_scores):
            return fake_scores - real_scores

        def generator_loss(self, fake_scores):
            return -fake_scores

    custom, hinge = Custom(), losses.Hinge()
    assert losses.get(custom) is custom
    assert losses.get(hinge) is hinge


@pytest.mark.parametrize("unknown", ["hing", "", None, 3, ["hinge"]])
def test_unknown_names_list_the_known(unknown):
    with pytest.raises(ValueError, match=r"`loss` must be one of") as error:
        losses.get(unknown)
    assert all(repr(name) in str(error.value) for name in CLASSES)
    assert f"Received: loss={unknown!r}" in str(error.value)


@pytest.mark.parametrize(
    "loss", [*(build() for build in CLASSES.values()), losses.NonSaturating(label_smoothing=0.2)]
)
def test_config_round_trip(loss):
    config = keras.saving.serialize_keras_object(loss)
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(loss)
    assert copy.get_config() == loss.get_config()
    assert vars(copy) == vars(loss)


def test_the_base_class_has_no_formulas():
    with pytest.raises(NotImplementedError):
        losses.AdversarialLoss().discriminator_loss(REAL, FAKE)
    with pytest.raises(NotImplementedError):
        losses.AdversarialLoss().generator_loss(FAKE)
