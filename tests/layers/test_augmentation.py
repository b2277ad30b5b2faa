import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import networks
from keras_genzoo.layers import (
    AdaptiveAugmentation,
    DifferentiableAugmentation,
    InstanceNoise,
    Noise,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.random((60, 16, 8, 3)).astype("float32")
ONES = np.ones((500, 16, 8, 1), "float32")
TRANSFORMS = ("color", "translation", "cutout")


def augment(images, *policy, **options):
    layer = DifferentiableAugmentation(policy, seed=3, **options)
    return layer(images, training=True).numpy()


# The transformations. -----------------------------------------------------------------------------


def test_color_equals_numpy():
    """The expected values follow the paper's code, which is for images in [-1, 1]."""
    noise = Noise(3)  # draws the same numbers as the layer
    brightness, saturation, contrast = (noise.uniform((60, 1, 1, 1)).numpy() for _ in range(3))
    x = 2 * IMAGES - 1
    x = x + (brightness - 0.5)
    mean = x.mean(axis=3, keepdims=True)
    x = (x - mean) * (2 * saturation) + mean
    mean = x.mean(axis=(1, 2, 3), keepdims=True)
    x = (x - mean) * (contrast + 0.5) + mean
    np.testing.assert_allclose(augment(IMAGES, "color"), (x + 1) / 2, atol=1e-5)


def test_brightness_changes_by_up_to_a_quarter():
    # Saturation and contrast do not change uniform grey images.
    shift = augment(np.full((2_000, 2, 2, 3), 0.5, "float32"), "color") - 0.5
    assert shift.std(axis=(1, 2, 3)).max() < 1e-6
    assert scipy.stats.kstest(shift[:, 0, 0, 0], "uniform", (-0.25, 0.5)).pvalue > 1e-3


def shifted(image, down, right):
    """Returns the image shifted by so many pixels, with zeros in the gap."""
    height, width, _ = image.shape
    padded = np.pad(image, ((height, height), (width, width), (0, 0)))
    return padded[height - down : 2 * height - down, width - right : 2 * width - right]


@pytest.mark.parametrize(("shape", "down", "right"), [((16, 8, 2), 2, 1), ((7, 20, 1), 1, 2)])
def test_translation_shifts_by_up_to_an_eighth(shape, down, right):
    image = RNG.random(shape).astype("float32")
    outputs = augment(np.stack([image] * 400), "translation")
    places = [(i, j) for i in range(-down, down + 1) for j in range(-right, right + 1)]
    counts = [np.sum((outputs == shifted(image, *place)).all(axis=(1, 2, 3))) for place in places]
    assert sum(counts) == 400
    assert scipy.stats.chisquare(counts).pvalue > 1e-3  # all shifts are equally frequent


@pytest.mark.parametrize("shape", [(16, 8, 3), (7, 9, 1)])
def test_cutout_is_a_black_rectangle(shape):
    height, width, _ = shape
    image = 0.1 + RNG.random(shape).astype("float32")
    outputs = augment(np.stack([image] * 1_000), "cutout")
    black = (outputs == 0).all(axis=3)
    np.testing.assert_array_equal(outputs[~black], np.broadcast_to(image, outputs.shape)[~black])
    for axis, size in ((2, height), (1, width)):
        side = black.any(axis=axis)
        lengths, half = side.sum(axis=1), size // 2
        # The hole is complete, or an edge of the image cuts off at most half of it.
        assert set(lengths) == set(range((half + 1) // 2, half + 1))
        inside = ~side[:, 0] & ~side[:, -1]
        assert set(lengths[inside]) == {half} and inside.mean() > 0.2
        starts = np.diff(side.astype(int), axis=1) == 1
        assert starts.sum(axis=1).max() == 1  # the hole is contiguous
        # Every pixel can lie in a hole, and those in the centre do so more often.
        frequency = side.mean(axis=0)
        assert frequency.min() > 0.15
        assert frequency[size // 2] == pytest.approx(half / size, abs=0.06)
    rectangle = black.any(axis=2)[:, :, None] & black.any(axis=1)[:, None]
    np.testing.assert_array_equal(black, rectangle)


def test_transformations_are_applied_in_the_order_of_the_policy():
    # The colour of the hole changes only if cutout is applied before the colour.
    assert (augment(ONES, "color", "cutout") == 0).any()
    assert not (augment(ONES, "cutout", "color") == 0).all(axis=3).any()
    np.testing.assert_array_equal(augment(IMAGES), IMAGES)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", ["color", "cutout"])
def test_probability(name, probability):
    changed = (augment(ONES, name, probability=probability) != ONES).any(axis=(1, 2, 3))
    assert changed.mean() == pytest.approx(probability, abs=0.07 * (0 < probability < 1))


def test_transformations_are_independent():
    changed = augment(ONES, "color", "cutout", probability=0.5)
    color = (changed.max(axis=(1, 2, 3)) != 1).mean()
    cutout = (changed.min(axis=(1, 2, 3)) == 0).mean()
    both = ((changed.max(axis=(1, 2, 3)) != 1) & (changed.min(axis=(1, 2, 3)) == 0)).mean()
    np.testing.assert_allclose([color, cutout, both], [0.5, 0.5, 0.25], atol=0.07)


def test_gradients_reach_the_images():
    weights = RNG.normal(size=IMAGES.shape).astype("float32")
    for name in TRANSFORMS:
        layer, images = DifferentiableAugmentation((name,), seed=3), tf.constant(IMAGES)
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(weights * layer(images, training=True))
        gradient = tape.gradient(loss, images).numpy()
        layer.noise.reset()
        # The transformations are affine, so a finite difference is exact.
        direction = RNG.normal(size=IMAGES.shape).astype("float32")
        moved = layer(images + direction, training=True)
        layer.noise.reset()
        change = np.sum(weights * (moved - layer(images, training=True)), axis=(1, 2, 3))
        np.testing.assert_allclose((gradient * direction).sum(axis=(1, 2, 3)), change, atol=1e-2)
        assert np.abs(gradient).max(axis=(1, 2, 3)).min() > 0.1


CLASSES = {
    "differentiable": lambda: DifferentiableAugmentation(seed=3),
    "instance noise": lambda: InstanceNoise(0.5, 1_000, seed=3),
}


@pytest.mark.parametrize("build", CLASSES.values(), ids=CLASSES)
def test_inactive_outside_training(build):
    for options in ({}, {"training": False}):
        np.testing.assert_array_equal(build()(IMAGES, **options), IMAGES)
    assert not np.allclose(build()(IMAGES, training=True), IMAGES)


@pytest.mark.parametrize("build", CLASSES.values(), ids=CLASSES)
def test_replicas_augment_together_as_one(two_replicas, on_replicas, build):
    with two_replicas.scope():
        layer = build()
    alone = build()
    for _ in range(2):
        together = on_replicas(lambda x: layer(x, training=True), [IMAGES[:30], IMAGES[30:]])
        np.testing.assert_allclose(together, alone(IMAGES, training=True), atol=1e-6)


@pytest.mark.parametrize("build", CLASSES.values(), ids=CLASSES)
def test_xla(build):
    layer = build()
    compiled = tf.function(lambda x: layer(x, training=True), jit_compile=True)
    assert np.isfinite(compiled(tf.constant(IMAGES))).all()


@pytest.mark.parametrize("policy", ["color", ("colour",), ("cutout", 1), 3])
def test_bad_policy(policy):
    with pytest.raises(ValueError, match=r"`policy` must be a sequence of \['color'.*Received: "):
        DifferentiableAugmentation(policy)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan"), "a"])
def test_bad_probability(probability):
    with pytest.raises(ValueError, match=r"`probability` must .*lie in \[0, 1\]. Received: "):
        DifferentiableAugmentation(probability=probability)


def test_vectors_raise():
    with pytest.raises(ValueError, match=r"`augmentation` must map data .*`inputs` must be images"):
        genzoo.GAN((2,), 3, augmentation=DifferentiableAugmentation())


@pytest.mark.parametrize(
    "layer",
    [
        DifferentiableAugmentation(("cutout",), 0.3, seed=5),
        AdaptiveAugmentation(("cutout",), 0.3, 1_000, seed=5),
        InstanceNoise(0.3, 1_000, seed=5),
    ],
    ids=lambda layer: layer.name,
)
def test_config_round_trip(layer):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer) and copy.get_config() == layer.get_config()
    np.testing.assert_array_equal(copy(IMAGES, training=True), layer(IMAGES, training=True))


# Adaptive augmentation. ---------------------------------------------------------------------------


def test_adaptation_equals_numpy():
    layer = AdaptiveAugmentation(target=0.2, images=300)
    probability = sign = 0.0
    seen = []
    for step in range(60):
        scores = RNG.normal(np.sin(step / 5), 0.5, size=RNG.integers(1, 40)).astype("float32")
        layer.adapt(tf.constant(scores))
        sign = 0.75 * sign + 0.25 * np.sign(scores).mean()
        probability += np.sign(sign - 0.2) * len(scores) / 300
        probability = min(max(probability, 0.0), 1.0)
        assert float(layer.strength) == pytest.approx(probability, abs=1e-5)
        seen.append(probability)
    assert min(seen) == 0 and max(seen) == 1 and len(set(seen)) > 20


def test_the_probability_changes_with_every_batch():
    layer = AdaptiveAugmentation(images=100)  # target 0.6
    strengths = []
    for score, steps in ((1.0, 13), (-1.0, 14)):
        for _ in range(steps):
            layer.adapt(tf.fill((20,), score))
            strengths.append(float(layer.strength))
    # The running mean exceeds 0.6 from the fourth step on. Then it drops below 0.6 at once.
    rising = [0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1]
    falling = [0.8, 0.6, 0.4, 0.2, *[0] * 10]
    np.testing.assert_allclose(strengths, rising + falling, atol=1e-6)


@pytest.mark.parametrize("probability", [0.0, 0.4, 1.0])
def test_transformations_have_the_adapted_probability(probability):
    layer = AdaptiveAugmentation(("cutout",), seed=3)
    layer.state.assign([probability, 0.0])
    changed = (layer(ONES, training=True) != ONES).numpy().any(axis=(1, 2, 3))
    assert changed.mean() == pytest.approx(probability, abs=0.07 * (0 < probability < 1))


@pytest.mark.parametrize("sizes", [(10, 10), (15, 5), (20, 0)])
def test_replicas_adapt_together_as_one(two_replicas, on_replicas, sizes):
    options = {"target": 0.1, "images": 100}
    with two_replicas.scope():
        layer = AdaptiveAugmentation(**options)
    alone = AdaptiveAugmentation(**options)

    def adapt(scores):
        # The size is unknown in the graph, as in the last batch of a data set.
        layer.adapt(tf.raw_ops.PlaceholderWithDefault(input=scores, shape=(None,)))
        return layer.strength[None]

    for _ in range(3):
        scores = RNG.normal(0.7, 1.0, size=20).astype("float32")
        alone.adapt(tf.constant(scores))
        together = on_replicas(adapt, np.split(scores, [sizes[0]]))
        np.testing.assert_allclose(together, [alone.strength] * 2, atol=1e-6)
    np.testing.assert_allclose(layer.state.numpy(), alone.state.numpy(), atol=1e-6)
    assert alone.strength > 0


@pytest.mark.parametrize(
    "options",
    [{"target": 1.2}, {"target": -0.1}, {"images": 0}, {"images": float("nan")}],
    ids=str,
)
def test_bad_arguments_of_adaptive_augmentation(options):
    (name,) = options
    with pytest.raises(ValueError, match=rf"`{name}` must.*Received: {name}="):
        AdaptiveAugmentation(**options)


# Instance noise. ----------------------------------------------------------------------------------


def test_the_noise_halves_with_every_half_life():
    layer = InstanceNoise(0.5, half_life=20, seed=3)
    for seen, expected in ((0, 0.5), (20, 0.25), (30, 0.125 * 2**0.5), (60, 0.0625)):
        layer.adapt(tf.zeros((seen - int(layer.seen.numpy()),)))
        assert float(layer.strength) == pytest.approx(expected, abs=1e-6)
        noise = (layer(IMAGES, training=True) - IMAGES).numpy().ravel()
        assert noise.std() == pytest.approx(expected, rel=0.02)
        assert abs(noise.mean()) <= 0.02 * expected
        assert scipy.stats.kstest(noise[:5_000] / expected, "norm").pvalue > 1e-3


def test_an_infinite_half_life_keeps_the_noise():
    layer, zeros = InstanceNoise(0.5, half_life=float("inf"), seed=3), np.zeros((500, 4), "float32")
    spreads = [np.std(layer(zeros, training=True)) for _ in range(3)]
    assert spreads == pytest.approx([0.5] * 3, rel=0.1)


@pytest.mark.parametrize(
    "options",
    [
        {"stddev": 0, "half_life": 10},
        {"stddev": float("nan"), "half_life": 10},
        {"half_life": -1, "stddev": 0.1},
        {"stddev": "a", "half_life": 10},
    ],
    ids=str,
)
def test_bad_arguments_of_instance_noise(options):
    name = next(iter(options))
    with pytest.raises(ValueError, match=rf"`{name}` must .*be positive. Received: {name}="):
        InstanceNoise(**options)


# In a model. --------------------------------------------------------------------------------------


def gan(augmentation, **options):
    parts = {
        "generator": networks.dense_decoder((4, 4, 1), 3, hidden_units=()),
        "discriminator": networks.dense_discriminator(
            (4, 4, 1), hidden_units=(), packing=options.get("packing", 1)
        ),
    }
    model = genzoo.GAN((4, 4, 1), 3, augmentation=augmentation, **parts, **options)
    model.compile(run_eagerly=True)
    return model


@pytest.mark.parametrize("options", [{}, {"critic_steps": 2}, {"packing": 2}], ids=str)
def test_each_step_of_the_discriminator_counts_its_examples(options):
    model = gan(InstanceNoise(0.5, 1_000), **options)
    model.fit(IMAGES[:20, :4, :4, :1], batch_size=8, epochs=2, verbose=0)  # 8, 8 and 4 examples
    assert int(model.augmentation.seen.numpy()) == 40
    model.evaluate(IMAGES[:20, :4, :4, :1], verbose=0)
    assert int(model.augmentation.seen.numpy()) == 40

    model = gan(AdaptiveAugmentation(images=1_000, target=0.0), **options)
    before = float(model.augmentation.strength)
    model.score = lambda data, *_, **__: (
        1.0 + 0 * tf.reduce_sum(model.discriminator(data), axis=1)
    )  # certain that all data are real
    model.fit(IMAGES[:20, :4, :4, :1], batch_size=8, verbose=0)
    assert before == 0 and float(model.augmentation.strength) == pytest.approx(0.02)


@pytest.mark.parametrize("sizes", [(4, 4), (5, 2)])
def test_replicas_count_together(two_replicas, on_replicas, sizes):
    with two_replicas.scope():
        layer = InstanceNoise(0.5, 100)

    def adapt(scores):
        layer.adapt(tf.raw_ops.PlaceholderWithDefault(input=scores, shape=(None,)))
        return layer.strength[None]

    together = on_replicas(adapt, [np.zeros(size, "float32") for size in sizes])
    np.testing.assert_allclose(together, [0.5 * 0.5 ** (sum(sizes) / 100)] * 2, rtol=1e-5)


@pytest.mark.parametrize(
    "build",
    [
        lambda: AdaptiveAugmentation(images=100, target=0.0),
        lambda: InstanceNoise(0.5, 1_000),
    ],
    ids=["adaptive", "instance noise"],
)
def test_saved_with_the_model(build, tmp_path):
    model = gan(build())
    model.fit(IMAGES[:, :4, :4, :1], batch_size=8, verbose=0)
    model.augmentation.adapt(tf.ones((16,)))
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert float(copy.augmentation.strength) == float(model.augmentation.strength) > 0
    x = IMAGES[:, :4, :4, :1]
    expected = model.augmentation(x, training=True)
    np.testing.assert_array_equal(copy.augmentation(x, training=True), expected)
    assert not np.allclose(expected, x)
    copy.augmentation.adapt(tf.ones((16,)))
    model.augmentation.adapt(tf.ones((16,)))
    for a, b in zip(copy.augmentation.variables, model.augmentation.variables, strict=True):
        np.testing.assert_array_equal(a, b)
