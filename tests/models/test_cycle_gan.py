"""CycleGAN: what reaches which generator, its pool, and what it learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import networks

RANDOM = np.random.default_rng(0)
SHAPE = (8, 8, 1)


def images(channels=1, count=16):
    return RANDOM.random((count, 8, 8, channels), "float32")


def pixelwise(source, target, name, start="glorot_uniform"):
    """A generator of one number a pixel and channel, so that it can be worked out by hand."""
    layer = keras.layers.Conv2D(target, 1, activation="sigmoid", kernel_initializer=start)
    return keras.Sequential([keras.Input((8, 8, source)), layer], name=name)


def small(channels=1, **options):
    other = (8, 8, channels)
    parts = {
        "a_to_b": pixelwise(1, channels, "a_to_b"),
        "b_to_a": pixelwise(channels, 1, "b_to_a"),
        "a_discriminator": networks.patch_discriminator(SHAPE, filters=(4, 8)),
        "b_discriminator": networks.patch_discriminator(other, filters=(4, 8)),
    }
    return genzoo.CycleGAN(SHAPE, other, **(parts | options))


def test_each_cycle_reaches_both_generators():
    """The public way gives no generator the gradient of the cycle in which it encodes."""
    model = small(2)
    a, b = tf.constant(images()), tf.constant(images(2))
    generators = [*model.a_to_b.trainable_variables, *model.b_to_a.trainable_variables]
    with tf.GradientTape(persistent=True) as tape:
        fake_b, fake_a = model.run("a_to_b", a), model.run("b_to_a", b)
        terms = model.generator_terms(a, b, fake_a, fake_b, training=True)
    # A translation is encoded in one cycle alone, so its gradient is that of the cycle.
    for name, fake in (("a_to_b", fake_b), ("b_to_a", fake_a)):
        outer = tape.gradient(terms["cycle_loss"], fake)
        assert outer is not None, f"{name} gets no gradient of the cycle in which it encodes"
        variables = getattr(model, name).trainable_variables
        encoding = tape.gradient(fake, variables, output_gradients=outer)
        assert all(np.abs(g).max() > 0 for g in encoding)
    fakes = tf.stop_gradient(fake_a), tf.stop_gradient(fake_b)
    with tf.GradientTape() as tape:
        terms = model.generator_terms(a, b, *fakes, training=True)
    decoding = tape.gradient(terms["cycle_loss"], generators)
    assert all(np.abs(g).max() > 0 for g in decoding)


def losses_of_a_step(model, a, b):
    """The generators' terms, by NumPy, before any step."""

    def apply(network, x):
        kernel, bias = (w.numpy() for w in network.trainable_variables)
        return 1 / (1 + np.exp(-(x @ kernel[0, 0] + bias)))

    def error(x, y):
        return np.abs(x - y).mean()

    fake_b, fake_a = apply(model.a_to_b, a), apply(model.b_to_a, b)
    cycle = error(a, apply(model.b_to_a, fake_b)) + error(b, apply(model.a_to_b, fake_a))
    identity = error(b, apply(model.a_to_b, b)) + error(a, apply(model.b_to_a, a))
    return fake_a, fake_b, cycle, identity


def test_a_step_by_hand():
    """The gradient of the generators has both terms of both cycles, and of the identities."""
    model = small(loss="least_squares", cycle_weight=3.0, identity_weight=2.0, pool_size=0)
    generators = keras.optimizers.SGD(1.0)
    model.compile(generators, keras.optimizers.SGD(0.0))
    a, b = images(), images()
    fake_a, fake_b, cycle, identity = losses_of_a_step(model, a, b)
    variables = [*model.a_to_b.trainable_variables, *model.b_to_a.trainable_variables]
    before = [w.numpy() for w in variables]
    real = [model.a_discriminator(a, training=True), model.b_discriminator(b, training=True)]
    fake = [
        model.a_discriminator(fake_a, training=True),
        model.b_discriminator(fake_b, training=True),
    ]
    adversarial = sum(0.5 * np.mean((s - 1) ** 2) for s in fake)
    discriminator = sum(0.5 * np.mean((r - 1) ** 2 + f**2) for r, f in zip(real, fake, strict=True))
    logs = model.train_on_batch(a, b, return_dict=True)
    assert logs["cycle_loss"] == pytest.approx(cycle, rel=1e-5)
    assert logs["identity_loss"] == pytest.approx(identity, rel=1e-5)
    assert logs["generator_loss"] == pytest.approx(adversarial, rel=1e-4)
    assert logs["discriminator_loss"] == pytest.approx(discriminator, rel=1e-4)

    # The step of the generators' weights beside the slope of their objective, by differences.
    steps = [old - new for old, new in zip(before, [w.numpy() for w in variables], strict=True)]
    for index, step in enumerate(steps):
        slopes = []
        for sign in (1, -1):
            for w, old in zip(variables, before, strict=True):
                w.assign(old)
            variables[index].assign(before[index] + sign * 1e-3)
            fake_a, fake_b, cycle, identity = losses_of_a_step(model, a, b)
            scores = (
                model.a_discriminator(fake_a, training=True),
                model.b_discriminator(fake_b, training=True),
            )
            adversarial = sum(0.5 * np.mean((s - 1) ** 2) for s in scores)
            slopes.append(adversarial + 3 * cycle + 2 * identity)
        assert step.sum() == pytest.approx((slopes[0] - slopes[1]) / 2e-3, rel=0.02, abs=1e-3)


def test_the_discriminator_sees_the_pool():
    model = small(pool_size=20)
    model.compile(run_eagerly=True)
    seen = []
    score = model.score
    model.score = lambda kind, x, training: (
        seen.append((kind, x.numpy())) or score(kind, x, training)
    )
    batches = [(images(count=8), images(count=8)) for _ in range(10)]
    for a, b in batches:
        seen.clear()
        fakes = model.run("a_to_b", tf.constant(a)).numpy()
        model.train_on_batch(a, b)
        shown = [x for kind, x in seen if kind == "b"][1]
        new = [any(np.array_equal(image, fake) for fake in fakes) for image in shown]
    assert int(model.b_pool.count) == 20
    assert 0 < np.mean(new) < 1  # the last batch is shown in part


def test_it_learns_to_invert(digits):
    """Without pairs: the error is well below that of a copy and of a grey image."""
    x = digits[0] / np.float32(255)
    a, b = x[:700], 1 - x[700:1400]
    # From grey: the discriminators alone tell which way to go.
    generators = {name: pixelwise(1, 1, name, "zeros") for name in ("a_to_b", "b_to_a")}
    model = small(identity_weight=0.0, ema_half_life=500.0, **generators)
    model.compile(*(keras.optimizers.Adam(0.02, beta_1=0.5) for _ in range(2)))
    model.fit(genzoo.data.unpaired(a, b, 20), epochs=8, verbose=0)
    test = x[1400:]
    error = np.abs(model.translate(test) - (1 - test)).mean()
    back = np.abs(model.translate(1 - test, "b_to_a") - test).mean()
    assert max(error, back) < 0.3 < np.abs(0.5 - test).mean()


def test_metrics_are_of_each_direction():
    model = small(2)
    distance = genzoo.metrics.FrechetDistance(feature_extractor=keras.layers.Flatten())
    model.compile(metrics=[distance])
    a, b = images(), images(2)
    logs = model.evaluate(a, b, verbose=0, return_dict=True)
    for kind, real, fake in (("a", a, model.translate(b, "b_to_a")), ("b", b, model.translate(a))):
        wanted = distance.clone(kind)
        wanted.build((None, *real.shape[1:]))
        wanted.update_state(real, fake)
        found = logs[f"{kind}_frechet_distance"]
        assert found == pytest.approx(float(wanted.result()), rel=1e-3)


def test_both_directions_are_served(tmp_path):
    model = genzoo.CycleGAN(
        SHAPE,
        (8, 8, 3),
        a_to_b=networks.resnet_generator(SHAPE, 3, filters=4, blocks=1),
        b_to_a=networks.resnet_generator((8, 8, 3), 1, filters=4, blocks=1),
    )
    model.compile()
    model.train_on_batch(images(), images(3))
    served = tf.saved_model.load(model.export(tmp_path / "served")).signatures
    for size in ((8, 8), (19, 33)):
        a, b = (RANDOM.random((2, *size, c), "float32") for c in (1, 3))
        result = served["a_to_b"](a=tf.constant(a))["b"]
        np.testing.assert_allclose(result, model.translate(a), atol=1e-5)
        result = served["b_to_a"](b=tf.constant(b))["a"]
        np.testing.assert_allclose(result, model.translate(b, direction="b_to_a"), atol=1e-5)
        result = served["serving_default"](a=tf.constant(a))["b"]
        np.testing.assert_allclose(result, model.translate(a), atol=1e-5)


def test_a_data_set_of_both_kinds_is_translated_either_way():
    model, a, b = small(), images(), images()
    data = tf.data.Dataset.from_tensor_slices((a, b)).batch(5)
    for direction, x in (("a_to_b", a), ("b_to_a", b)):
        expected = model.translate(x, direction)
        np.testing.assert_allclose(model.translate(data, direction=direction), expected, atol=1e-6)


@pytest.mark.parametrize(
    "act, error",
    [
        (lambda: small().translate(images(), "c_to_a"), r"one of \['a_to_b', 'b_to_a'\]"),
        (lambda: small(2).translate(images(2)), r"`x` must have the shape \('batch', 8, 8, 1\)"),
        (lambda: small(2, identity_weight=1.0), "`identity_weight` must be 0 if the shapes"),
        (
            lambda: small(cycle_weight=keras.optimizers.schedules.CosineDecay(10.0, 5)),
            "`identity_weight` must be given with a schedule",
        ),
        (lambda: small(pool_size=-1), "`pool_size` must be a positive integer"),
        (lambda: small(cycle_weight=-1.0), "`cycle_weight` must be at least 0"),
        (
            lambda: small(2, a_to_b=pixelwise(1, 1, "g")),
            r"`a_to_b` must map source \(None, 8, 8, 1\) to \(None, 8, 8, 2\)",
        ),
        (
            lambda: small(2, a_discriminator=networks.patch_discriminator((8, 8, 2), filters=(4,))),
            r"`a_discriminator` must map data \(None, 8, 8, 1\)",
        ),
        (lambda: genzoo.CycleGAN(SHAPE, (8, 8)), r"`b_shape` must be"),
    ],
)
def test_bad_input(act, error):
    with pytest.raises(ValueError, match=error):
        act()


def test_swapped_kinds_are_refused():
    model = small(2)
    model.compile()
    with pytest.raises(ValueError, match=r"`x` must have the shape \('batch', 8, 8, 1\)"):
        model.fit(images(2), images(1), batch_size=8)
    with pytest.raises(ValueError, match=r"`b of x` must have the shape|`x` must have"):
        model.fit(genzoo.data.unpaired(images(1), images(1), 8))
