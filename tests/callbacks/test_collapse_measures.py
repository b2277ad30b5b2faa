import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from callbacks.collapse_helpers import GAN_NAMES, RING, fit, ring_gan
from contract.cases import players
from scipy.spatial.distance import pdist
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

import keras_genzoo as genzoo
from keras_genzoo.callbacks import CollapseMonitor, collapse_measures


def independent_numbers(model, real, labels=None, extractor=lambda x: x):
    """Measures the model by SciPy, scikit-learn and a gradient tape on the variables."""
    options = {"num_samples": len(real)} if labels is None else {"labels": labels}
    samples = model.sample(**options, seed=0)
    real = real / np.float32(255) if real.dtype == np.uint8 else real
    labels = None if labels is None else tf.constant(labels)
    a, b = (np.reshape(extractor(x), (len(x), -1)).astype("float64") for x in (real, samples))
    radii = NearestNeighbors(n_neighbors=6).fit(a).kneighbors(a)[0][:, 5]  # itself is the first
    nearest = NearestNeighbors(n_neighbors=1).fit(b).kneighbors(a)[0][:, 0]
    numbers = [pdist(b).mean() / pdist(a).mean(), np.mean(nearest <= radii)]
    if not isinstance(model, genzoo.GAN):
        return numbers

    def discriminate(data):
        pack, pack_labels = model.packing, labels
        if pack > 1:  # neighbours side by side in the last axis
            data = tf.concat([data[i::pack] for i in range(pack)], axis=-1)
            pack_labels = None if labels is None else tf.reshape(labels, (-1, pack))
        inputs = data if labels is None else [data, pack_labels]
        return model.discriminator(inputs, training=False)[:, 0]

    latents = tf.random.stateless_normal((len(real), model.latent_dim), (0, 0))
    inputs = latents if labels is None else [latents, labels]
    with tf.GradientTape() as tape:
        fake_scores = discriminate(model.generator(inputs, training=False))
        loss = tf.reduce_mean(model.loss.generator_loss(fake_scores))
    gradients = tape.gradient(loss, [v.value for v in model.generator.trainable_variables])
    scores = np.concatenate([discriminate(real), fake_scores])
    truth = np.repeat([1, 0], len(fake_scores))
    norm = math.sqrt(sum(np.sum(np.square(g.numpy().astype("float64"))) for g in gradients))
    return [*numbers, roc_auc_score(truth, scores), norm]


MODELS = {
    "GAN": lambda: genzoo.GAN((8, 8, 1), 4, "least_squares"),
    "packs of a conditional GAN": lambda: genzoo.ConditionalGAN(
        (8, 8, 1), 10, 4, packing=2, generator=players(num_classes=10)["generator"]
    ),
    "moving average": lambda: genzoo.DCGAN((8, 8, 1), 4, ema_half_life=100.0, **players()),
    "Wasserstein": lambda: genzoo.WGANGP(
        (8, 8, 1), 4, critic_steps=2, **players(normalization=False)
    ),
    "VAE": lambda: genzoo.VAE((8, 8, 1), 4),
    "conditional VAE": lambda: genzoo.VAE((8, 8, 1), 4, num_classes=10),
}


def halves(images):
    """Returns two features: the mean brightness of the upper and of the lower half."""
    return tf.reduce_mean(tf.reshape(images, (-1, 2, 32)), axis=-1)


@pytest.mark.parametrize("name", MODELS)
def test_numbers_agree_with_independent_ones(name, digits):
    model = MODELS[name]()
    model.compile(**{n: keras.optimizers.SGD(1e-5) for n in model.default_optimizers()})
    labels = None if model.num_classes is None else digits[1][:240]
    # Data somewhat like the samples, so that some are covered.
    real = model.sample(240, seed=1) if labels is None else model.sample(labels=labels, seed=1)
    noise = np.random.default_rng(0).normal(size=real.shape)
    real = np.clip(real + np.std(real, axis=0) * noise, 0, 1).astype("float32")
    if name == "GAN":
        real = np.rint(255 * real).astype("uint8")
    monitor = CollapseMonitor(real, labels, halves)
    fit = model.fit(real, labels, batch_size=120, epochs=2, verbose=0, callbacks=[monitor])
    names = GAN_NAMES if isinstance(model, genzoo.GAN) else GAN_NAMES[:2]
    assert [*monitor.history] == ["epoch", *names] and monitor.history["epoch"] == [1, 2]
    assert {n: fit.history[n] for n in names} == {n: monitor.history[n] for n in names}
    expected = independent_numbers(model, real, labels, halves)
    assert [monitor.history[n][-1] for n in names] == pytest.approx(expected, rel=1e-4)
    assert min(expected[:3]) > 0.01 and expected[1] < 1


def test_numbers_of_points_without_an_extractor():
    model, real = ring_gan(penalty=None), RING.sample(200, seed=1)
    monitor = CollapseMonitor(real)
    fit(model, monitor)
    numbers = [monitor.history[name][0] for name in GAN_NAMES]
    assert numbers == pytest.approx(independent_numbers(model, real), rel=1e-4)
    assert 0.01 < numbers[1] < 0.9


def test_measures_at_their_limits():
    points = np.random.default_rng(0).normal(size=(50, 3))
    apart = collapse_measures.roc_auc(points[:, 0], points[:, 0] - 100)
    assert apart == 1 and collapse_measures.roc_auc(np.ones(3), np.ones(4)) == 0.5
    assert math.isnan(collapse_measures.roc_auc(np.ones(3), np.array([1, np.nan])))
    assert collapse_measures.mean_pairwise_distance(np.ones((5, 3)) * 1e6) == 0
    far = collapse_measures.mean_pairwise_distance(points * 1e-3 + 1e6)
    assert far == pytest.approx(1e-3 * pdist(points).mean(), rel=1e-5)


def test_at_most_a_thousand_examples_are_drawn(digits):
    images, labels = digits
    monitor = CollapseMonitor(images, labels, seed=3)
    assert monitor.real.shape == (1000, 8, 8, 1)
    # Each image with its own label, and not the first thousand.
    pairs = {(x.tobytes(), y) for x, y in zip(images, labels, strict=True)}
    drawn = [(x.tobytes(), y) for x, y in zip(monitor.real, monitor.labels, strict=True)]
    assert pairs.issuperset(drawn) and len(set(drawn)) > 990
    assert not np.array_equal(monitor.real, images[:1000])
    np.testing.assert_array_equal(CollapseMonitor(images, labels, seed=3).real, monitor.real)
