"""Pix2Pix: its step by hand, what it shows its discriminator, and what it learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import networks
from keras_genzoo.networks.discriminator_view import PairView

RANDOM = np.random.default_rng(0)


def images(channels, count=16, size=8):
    return RANDOM.random((count, size, size, channels), "float32")


def linear(source, target, name, activation=None):
    inputs = keras.Input((8, 8, source))
    x = keras.layers.Conv2D(target, 1, activation=activation)(inputs)
    return keras.Model(inputs, x, name=name)


def discriminator(channels, penalized=False):
    """Scores each pixel of source and target."""
    inputs = [keras.Input((8, 8, c)) for c in channels]
    x = keras.layers.Concatenate()(inputs)
    return keras.Model(inputs, keras.layers.Conv2D(1, 1)(x))


def small(**options):
    parts = {
        "generator": networks.unet_generator((8, 8, 1), 2, filters=(4, 8), dropout=0.0),
        "discriminator": networks.patch_discriminator((8, 8, 2), 1, filters=(4, 8)),
    }
    return genzoo.Pix2Pix((8, 8, 1), (8, 8, 2), **(parts | options))


def numpy_scores(model, source, target):
    kernel, bias = (w.numpy() for w in model.discriminator.trainable_variables)
    return np.concatenate([source, target], axis=-1) @ kernel[0, 0, :, 0] + bias[0]


def test_a_step_by_hand():
    """The losses of the first batch, and the gradient steps of SGD, by NumPy."""
    model = genzoo.Pix2Pix(
        (8, 8, 1),
        (8, 8, 2),
        generator=linear(1, 2, "g", "sigmoid"),
        discriminator=discriminator((1, 2)),
        content_weight=7.0,
    )
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5))
    source, target = images(1, 4), images(2, 4)
    kernel, bias = (w.numpy() for w in model.generator.trainable_variables)
    fake = 1 / (1 + np.exp(-(source @ kernel[0, 0] + bias)))
    real_scores, fake_scores = (numpy_scores(model, source, x) for x in (target, fake))
    loss = np.logaddexp(0, -real_scores).mean() + np.logaddexp(0, fake_scores).mean()
    before = [w.numpy() for w in model.discriminator.trainable_variables]
    logs = model.train_on_batch(source, target, return_dict=True)
    assert logs["discriminator_loss"] == pytest.approx(loss, rel=1e-5)
    assert logs["content_loss"] == pytest.approx(np.abs(target - fake).mean(), rel=1e-5)

    # d/ds softplus(-s) = sigmoid(s) - 1, d/ds softplus(s) = sigmoid(s)
    real, generated = (np.concatenate([source, x], -1) for x in (target, fake))
    slopes = 1 / (1 + np.exp(-real_scores)) - 1, 1 / (1 + np.exp(-fake_scores))
    gradient = np.mean(slopes[0][..., None] * real + slopes[1][..., None] * generated, (0, 1, 2))
    after = model.discriminator.trainable_variables[0].numpy()
    np.testing.assert_allclose(before[0] - after, 0.5 * gradient[:, None][None, None], rtol=1e-4)

    # The generator sees the discriminator just updated.
    scores = numpy_scores(model, source, fake)
    assert logs["generator_loss"] == pytest.approx(np.logaddexp(0, -scores).mean(), rel=1e-5)
    outer = (1 / (1 + np.exp(-scores)) - 1)[..., None] * after[0, 0, 1:, 0] / scores.size
    outer = outer + 7.0 * np.sign(fake - target) / fake.size
    gradient = np.sum(outer * fake * (1 - fake), axis=(0, 1, 2))
    step = bias - model.generator.trainable_variables[1].numpy()
    np.testing.assert_allclose(step, 0.5 * gradient, rtol=1e-4)


def test_the_weights_of_the_terms_take_effect_when_set():
    source, target = images(1), images(2)
    model = small(content_weight=0.0, adversarial_weight=0.0)
    model.compile()
    before = [w.numpy() for w in model.generator.trainable_variables]
    model.fit(source, target, batch_size=8, verbose=0)
    for old, new in zip(before, model.generator.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new)
    model.content_weight = 1.0
    model.fit(source, target, batch_size=8, verbose=0)
    assert not np.array_equal(before[0], model.generator.trainable_variables[0])


def test_it_learns_to_invert(digits):
    """In 180 steps the error falls well below that of a copy, and of a grey image."""
    x = digits[0][:960] / np.float32(255)
    generator = networks.unet_generator((8, 8, 1), 1, filters=(16, 32), dropout=0.0)
    model = genzoo.Pix2Pix((8, 8, 1), generator=generator)
    model.compile(*(keras.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(2)))
    model.fit(x, 1 - x, batch_size=16, epochs=3, verbose=0)
    test = digits[0][960:] / np.float32(255)
    error = np.abs(model.translate(test) - (1 - test)).mean()
    assert error < 0.15 < np.abs(0.5 - test).mean() < np.abs(2 * test - 1).mean()


def test_a_translation_depends_on_no_other_image():
    source, target = images(1), images(2)
    model = small()
    model.compile()
    model.fit(source, target, batch_size=8, epochs=2, verbose=0)
    first = model.translate(source)
    others = np.concatenate([source[:3], images(1, 13)])
    np.testing.assert_array_equal(model.translate(others)[:3], first[:3])
    np.testing.assert_allclose(model.translate(source[:3]), first[:3], atol=1e-6)
    np.testing.assert_array_equal(model.translate(source), first)


def test_noise_gives_variations():
    model = small(
        latent_dim=3,
        generator=networks.unet_generator((8, 8, 1), 2, filters=(4, 8), latent_dim=3),
    )
    model.compile()
    source = images(1, 4)
    still = model.translate(source)
    np.testing.assert_array_equal(model.translate(source), still)
    variation = model.translate(source, seed=1)
    np.testing.assert_array_equal(model.translate(source, seed=1), variation)
    assert np.abs(model.translate(source, seed=2) - variation).max() > 0
    zeros = tf.zeros((4, 3))
    np.testing.assert_allclose(model([tf.constant(source), zeros]), still, atol=1e-6)
    with pytest.raises(ValueError, match=r"`seed` must be None: .* without `latent_dim`"):
        small().translate(source, seed=1)
    # In a data set, the noise of the second batch is not that of the first.
    twice = model.translate(iter([source, source]), seed=1)
    np.testing.assert_array_equal(twice[:4], variation)
    assert np.abs(twice[4:] - variation).max() > 0


@pytest.mark.parametrize("size", [(8, 8), (21, 13), (40, 64)])
def test_any_size_in_python_and_as_a_saved_model(size, tmp_path):
    model = small()
    model.compile()
    model.fit(images(1), images(2), batch_size=8, verbose=0)
    x = RANDOM.random((2, *size, 1), "float32")
    result = model.translate(x)
    assert result.shape == (2, *size, 2)
    served = tf.saved_model.load(model.export(tmp_path / "served")).signatures["serving_default"]
    np.testing.assert_allclose(served(source=tf.constant(x))["target"], result, atol=1e-5)
    np.testing.assert_allclose(model.translate((255 * x).astype("uint8")), result, atol=0.01)


def test_tiles_equal_the_whole_image():
    model = small()
    model.compile()
    model.fit(images(1), images(2), batch_size=8, verbose=0)
    x = RANDOM.random((2, 70, 51, 1), "float32")
    whole = model.translate(x)
    np.testing.assert_allclose(model.translate(x, tile=32), whole, atol=1e-5)
    blended = model.translate(x, tile=32, overlap=4)
    assert 1e-5 < np.abs(blended - whole).max() < 0.2
    with pytest.raises(ValueError, match="`overlap` needs a `tile`"):
        model.translate(x, overlap=4)


@pytest.mark.parametrize("policy", ["color", "translation", "cutout"])
def test_source_and_target_are_augmented_alike(policy):
    x = tf.constant(images(3))
    augmentation = genzoo.layers.DifferentiableAugmentation((policy,))
    view = PairView((8, 8, 3), (8, 8, 3), augmentation)
    source, target = view(x, x, training=True)
    assert np.abs(source - x).max() > 0
    np.testing.assert_array_equal(source, target)
    np.testing.assert_array_equal(view(x, x)[0], x)  # in training alone
    # A grey source does not take colours from its target.
    source, _ = view(tf.repeat(x[..., :1], 3, axis=-1), x, training=True)
    np.testing.assert_allclose(source[..., 0], source[..., 2], atol=1e-6)


def test_a_layer_of_keras_moves_both():
    x = tf.constant(images(3))
    view = PairView((8, 8, 3), (8, 8, 3), keras.layers.RandomFlip())
    source, target = view(x, x, training=True)
    assert np.abs(source - x).max() > 0
    np.testing.assert_array_equal(source, target)


def test_metrics_compare_translations_with_targets():
    source, target = images(1), images(2)
    distance = genzoo.metrics.FrechetDistance(feature_extractor=keras.layers.Flatten())
    model = small()
    model.compile(metrics=[keras.metrics.MeanAbsoluteError(), distance])
    logs = model.evaluate(source, target, verbose=0, return_dict=True)
    translated = model.translate(source)
    expected = np.abs(target - translated).mean()
    assert logs["mean_absolute_error"] == pytest.approx(expected, rel=1e-5)
    assert logs["content_loss"] == pytest.approx(expected, rel=1e-5)
    distance.reset_state()
    distance.update_state(target, translated)
    assert logs["frechet_distance"] == pytest.approx(float(distance.result()), rel=1e-3)


def fit(source, target):
    model = small()
    model.compile()
    model.fit(source, target, batch_size=8, verbose=0)


@pytest.mark.parametrize(
    "act, error",
    [
        (lambda: fit(images(1), None), "`y` is missing: the model needs its target"),
        (lambda: fit(images(1), images(2, 15)), "as many examples as the rest of the batch, 16"),
        (
            lambda: fit(images(1), images(2, size=9)),
            r"`y` must have the shape \('batch', 8, 8, 2\)",
        ),
        (lambda: fit(images(1), 300 * images(2)), r"`y` must be floats in \[0, 1\]"),
        (lambda: fit(images(3), images(2)), r"`x` must have the shape \('batch', 8, 8, 1\)"),
        (lambda: genzoo.Pix2Pix((8, 8, 1), (9, 8, 1)), "`target_shape` must have the height"),
        (
            lambda: genzoo.Pix2Pix((8, 8)),
            r"`source_shape` must be .*Received: source_shape=\(8, 8\)",
        ),
        (lambda: small(content_weight=-1), "`content_weight` must be at least 0"),
        (lambda: small(content_loss="l3"), r"`content_loss` must be one of \['l1', 'l2'\]"),
        (
            lambda: small(generator=linear(1, 1, "g")),
            r"`generator` must map source \(None, 8, 8, 1\) to \(None, 8, 8, 2\)",
        ),
        (
            lambda: small(discriminator=discriminator((2, 1))),
            r"`discriminator` must map source .* and target",
        ),
        (
            lambda: small(
                loss="wasserstein", augmentation=genzoo.layers.AdaptiveAugmentation(images=100)
            ),
            "`augmentation` must not adapt to the scores of a critic",
        ),
        (lambda: small().translate(images(3)), r"\('batch', 'height', 'width', 1\)"),
        (lambda: small().translate(images(1)[0]), "add a batch axis"),
        (lambda: small().translate(images(1), tile=4), "`tile` must be at least"),
    ],
)
def test_bad_input(act, error):
    with pytest.raises(ValueError, match=error):
        act()
