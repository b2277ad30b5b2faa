"""GauGAN: what it learns, its losses by hand, what it takes and refuses, tiles and export."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import networks

SHAPE = (16, 16, 3)
RANDOM = np.random.default_rng(0)
MAPS = RANDOM.integers(0, 3, (64, 4, 4)).repeat(4, axis=1).repeat(4, axis=2)
COLOURS = np.array([[0.9, 0.1, 0.2], [0.2, 0.8, 0.3], [0.1, 0.3, 0.7]], "float32")
PHOTOS = COLOURS[MAPS]
ONE_HOT = np.eye(3, dtype="float32")[MAPS]


def build(latent_dim=None, *, eager=False, **options):
    keras.utils.set_random_seed(0)
    networks_ = {
        "generator": networks.spade_generator(
            SHAPE, 3, latent_dim, filters=(8, 8), hidden_filters=8
        ),
        "discriminator": networks.multiscale_discriminator(SHAPE, 3, filters=(4, 8)),
    }
    model = genzoo.GauGAN(SHAPE, 3, latent_dim, **{**networks_, **options})
    model.compile(run_eagerly=eager)
    return model


def activate(model):
    """Gives γ and β of all SPADE layers random numbers, so that labels matter."""
    random = np.random.default_rng(1)
    for layer in model.generator.layers:
        if isinstance(layer, genzoo.layers.SPADE):
            kernel = layer.modulation.kernel
            kernel.assign(0.3 * random.normal(size=kernel.shape))
    return model


def test_it_learns_the_colours_of_classes():
    model = build()
    model.compile(keras.optimizers.Adam(2e-3, beta_1=0.0), keras.optimizers.Adam(4e-4, beta_1=0.0))
    model.fit(MAPS, PHOTOS, batch_size=16, epochs=40, verbose=0)
    error = np.abs(model.translate(MAPS) - PHOTOS).mean()
    constant = np.abs(PHOTOS.mean(axis=(0, 1, 2)) - PHOTOS).mean()
    assert error < 0.4 * constant


def test_losses_by_hand():
    model = activate(build(content_loss="l1"))
    logs = model.evaluate(MAPS, PHOTOS, batch_size=64, verbose=0, return_dict=True)
    fake = model.generator(ONE_HOT).numpy()
    judged = [
        [[x.numpy() for x in scale] for scale in model.discriminator([ONE_HOT, images])]
        for images in (PHOTOS, fake)
    ]
    real_scores, fake_scores = ([scale[-1] for scale in outputs] for outputs in judged)
    assert len(real_scores) == 2
    expected = {
        # The paper's hinge loss, the mean over patches and then over the two scales.
        "discriminator_loss": np.mean([np.maximum(0, 1 - s).mean() for s in real_scores])
        + np.mean([np.maximum(0, 1 + s).mean() for s in fake_scores]),
        "generator_loss": np.mean([-s.mean() for s in fake_scores]),
        "feature_loss": 0.5
        * sum(
            np.abs(a - b).mean()
            for real, other in zip(*judged, strict=True)
            for a, b in zip(real[:-1], other[:-1], strict=True)
        ),
        "content_loss": np.abs(fake - PHOTOS).mean(),
    }
    assert logs == pytest.approx(expected, rel=1e-4)


def gradient_of_generator(**weights):
    model = activate(build(content_loss="l1", **weights))
    optimizers = [keras.optimizers.SGD(1.0), keras.optimizers.SGD(0.0)]
    model.compile(*optimizers, run_eagerly=True)
    before = [v.numpy() for v in model.generator.trainable_variables]
    model.fit(MAPS[:8], PHOTOS[:8], batch_size=8, shuffle=False, verbose=0)
    return [b - v.numpy() for b, v in zip(before, model.generator.trainable_variables, strict=True)]


def test_the_generator_minimises_the_weighted_sum():
    weights = ("adversarial_weight", "feature_weight", "content_weight")
    parts = [gradient_of_generator(**{w: float(w == one) for w in weights}) for one in weights]
    total = gradient_of_generator(adversarial_weight=2.0, feature_weight=3.0, content_weight=4.0)
    for whole, *terms in zip(total, *parts, strict=True):
        expected = sum(factor * term for factor, term in zip((2, 3, 4), terms, strict=True))
        np.testing.assert_allclose(whole, expected, atol=2e-4 * (1 + np.abs(expected).max()))
    assert all(max(np.abs(term).max() for term in part) > 1e-4 for part in parts)


def test_features_of_targets_have_no_gradient():
    real, fake = ([[tf.Variable(RANDOM.random((2, 3, 3, 4))), tf.Variable(x)]] for x in (1.0, 2.0))
    with tf.GradientTape() as tape:
        loss = genzoo.losses.feature_matching(real, fake)
    assert loss.shape == (2,)
    gradients = tape.gradient(loss, [real[0][0], fake[0][0], fake[0][1]])
    assert gradients[0] is None and gradients[1] is not None and gradients[2] is None


def test_forms_of_label_maps_are_the_same():
    model = activate(build())
    expected = model.translate(MAPS)
    logs = model.evaluate(MAPS, PHOTOS, verbose=0)
    for maps in (MAPS.astype("uint8"), MAPS[..., None], ONE_HOT, ONE_HOT == 1):
        np.testing.assert_array_equal(model.translate(maps), expected)
        assert model.evaluate(maps, PHOTOS, verbose=0) == pytest.approx(logs, rel=1e-5)
    data = tf.data.Dataset.from_tensor_slices((MAPS, PHOTOS)).batch(16)
    np.testing.assert_allclose(model.translate(data), expected, atol=1e-6)
    np.testing.assert_allclose(model(tf.constant(MAPS)), expected, atol=1e-6)
    assert set(model.evaluate(data, verbose=0, return_dict=True)) == set(model.log_names)
    halfway = model.translate(0.5 * ONE_HOT + 1 / 6)
    assert np.abs(halfway - expected).max() > 1e-3


def test_noise_gives_variations_only_if_asked():
    model = activate(build(latent_dim=4))
    plain = model.translate(MAPS[:4])
    np.testing.assert_array_equal(model.translate(MAPS[:4]), plain)
    varied = model.translate(MAPS[:4], seed=1)
    np.testing.assert_array_equal(model.translate(MAPS[:4], seed=1), varied)
    assert np.abs(varied - plain).max() > 1e-3
    assert np.abs(model.translate(MAPS[:4], seed=2) - varied).max() > 1e-3
    same = np.repeat(MAPS[:1], 2, axis=0)
    assert np.abs(np.diff(model.translate(same, seed=1), axis=0)).max() > 1e-3
    with pytest.raises(ValueError, match=r"`seed` must be None: .*latent_dim"):
        build().translate(MAPS, seed=1)


def test_any_size_and_tiles():
    model = activate(build())
    model.generator(ONE_HOT, training=True)  # moves the running statistics
    large = RANDOM.integers(0, 3, (1, 75, 90))
    whole = model.translate(large)
    assert whole.shape == (1, 75, 90, 3)
    for maps in (large, np.eye(3, dtype="float32")[large]):
        np.testing.assert_allclose(model.translate(maps, tile=48), whole, atol=1e-5)
    np.testing.assert_array_equal(model.translate(MAPS[:1]), model.translate(MAPS)[:1])


@pytest.mark.parametrize(
    "maps, photos, message",
    [
        (MAPS + 1, PHOTOS, r"`x` must be classes in \[0, 3\). Received: classes from 1 to 3"),
        (np.where(MAPS == 2, 255, MAPS), PHOTOS, "give pixels without a label a class of their"),
        (ONE_HOT[..., :2], PHOTOS, r"one-hot floats of the shape \(batch, 16, 16, 3\)"),
        (MAPS[:, :8], PHOTOS, r"integers of the shape \(batch, 16, 16\), or.* shape \(64, 8, 16\)"),
        (MAPS.astype("float32"), PHOTOS, r"Received: float32 of shape \(64, 16, 16\)"),
        (MAPS, PHOTOS[:, :8], r"`y` must have the shape \('batch', 16, 16, 3\)"),
        (MAPS, PHOTOS[:32], "as many examples as the rest of the batch, 64. Received: 32"),
        (MAPS, None, "`y` is missing: the model needs its target"),
        (PHOTOS, MAPS, "`y` must have the shape"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_training(maps, photos, message):
    model = build()
    with pytest.raises(ValueError, match=message) as error:
        model.fit(maps, photos, verbose=0)
    assert "\n" not in str(error.value) and model.generator_optimizer.iterations == 0


def test_a_late_batch_that_does_not_fit_is_refused():
    maps = MAPS.copy()
    maps[-1] = 7
    data = tf.data.Dataset.from_tensor_slices((maps, PHOTOS)).batch(16)
    with pytest.raises(ValueError, match=r"`label_map` must lie in \[0, 2\].*after 3 steps"):
        build().fit(data, verbose=0)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"generator": networks.spade_generator((16, 16, 4), 3)}, "`generator` must map label_map"),
        (
            {"discriminator": networks.patch_discriminator(SHAPE, 3, filters=(4,))},
            r"a list for each scale.*`feature_weight` is 0\. Received: a network of output \(None",
        ),
        (
            {"discriminator": networks.multiscale_discriminator(SHAPE, 3, filters=4 * (4,))},
            "a network that fails: Computed output size would be",
        ),
        ({"feature_weight": -1.0}, "`feature_weight` must be at least 0"),
        ({"latent_dim": 0}, "`latent_dim` must be a positive integer"),
    ],
)
def test_arguments_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message) as error:
        build(**options)
    assert "Received: " in str(error.value)


def test_classes_and_shape_are_checked():
    with pytest.raises(ValueError, match="`num_classes` must be at least 2"):
        genzoo.GauGAN(SHAPE, 1)
    with pytest.raises(ValueError, match="`image_shape` must be "):
        genzoo.GauGAN((16,), 3)


def test_scores_that_end_in_a_sigmoid_are_refused():
    inner = networks.multiscale_discriminator(SHAPE, 3, filters=(4, 8))
    outputs = [[*scale[:-1], keras.ops.sigmoid(scale[-1])] for scale in inner(inner.inputs)]
    with pytest.raises(ValueError, match="must end without an activation such as a sigmoid"):
        build(discriminator=keras.Model(inner.inputs, outputs))


def test_a_plain_discriminator_without_feature_matching():
    patches = networks.patch_discriminator(SHAPE, 3, filters=(4, 8))
    model = build(
        discriminator=patches, feature_weight=0, penalty="r1", content_loss="l2", eager=True
    )
    history = model.fit(MAPS, PHOTOS, verbose=0).history
    names = {"generator_loss", "content_loss", "discriminator_loss", "gradient_penalty"}
    assert set(history) == names and np.isfinite(list(history.values())).all()


def test_features_are_matched_without_augmentation():
    """The augmentation would change translation and target differently."""

    class Noise(keras.layers.Layer):
        def call(self, images, training=False):
            return images + tf.random.normal(tf.shape(images))

    # Without spectral normalization, which changes a little from call to call.
    critic = networks.multiscale_discriminator(
        SHAPE, 3, filters=(4, 8), spectral_normalization=False
    )
    model = build(augmentation=Noise(), discriminator=critic)
    condition, fake = tf.constant(ONE_HOT[:4]), tf.constant(PHOTOS[:4])
    terms = model.generator_terms(condition, fake, fake, training=True)
    np.testing.assert_allclose(terms["feature_loss"], 0, atol=1e-3)


def test_features_of_another_network_as_content():
    features = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])
    model = build(content_loss=genzoo.losses.FeatureLoss(features), eager=True)
    assert "content_loss" in model.fit(MAPS, PHOTOS, verbose=0).history


def test_saving(tmp_path):
    model = build(latent_dim=4, ema_half_life=100.0, eager=True)
    model.fit(MAPS, PHOTOS, batch_size=32, verbose=0)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy.translate(MAPS, seed=1), model.translate(MAPS, seed=1))


def test_export_at_two_sizes(tmp_path):
    model = activate(build())
    with pytest.warns(UserWarning, match="has taken no training step"):
        path = model.export(tmp_path / "model")
    signatures = tf.saved_model.load(path).signatures
    for maps in (MAPS[:2], RANDOM.integers(0, 3, (2, 9, 21))):
        expected = model.translate(maps)
        for name in ("serving_default", "translate"):
            answer = signatures[name](label_map=tf.constant(maps, tf.int32))["target"]
            np.testing.assert_allclose(answer, expected, atol=1e-5)
        soft = tf.one_hot(maps, 3)
        answer = signatures["translate_soft"](label_map=soft)["target"]
        np.testing.assert_allclose(answer, expected, atol=1e-5)
    for bad in (MAPS[:2] + 1, MAPS[:2] - 1):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"must lie in \[0, 2\]"):
            signatures["translate"](label_map=tf.constant(bad, tf.int32))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must lie in \[0, 1\]"):
        signatures["translate_soft"](label_map=2 * soft)
