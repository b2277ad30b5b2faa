"""Batches of every form, and the check of each batch within a step."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from python_data import Batches

import keras_genzoo as genzoo

IMAGES = np.random.default_rng(0).random((64, 6, 5, 1)).astype("float32")
LABELS = np.arange(64) % 3


def later(bad):
    """Returns data sets whose fourth batch of 16 is bad in one number."""
    images, labels = IMAGES.copy(), LABELS.copy()
    if bad == "label":
        labels[-1] = -1
    else:
        images[-1, 0, 0, 0] = bad
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(16)


def conditional_vae():
    model = genzoo.VAE((6, 5, 1), 2, num_classes=3)
    return model


MESSAGES = {
    "label": r"`labels` must lie in \[0, 2\]\. Received: other values in a batch",
    np.nan: r"`images` must lie in \[0, 1\]\. Received: other values in a batch",
    254.0: r"`images` must lie in \[0, 1\]\. Received: other values in a batch",
}


@pytest.mark.parametrize("bad", MESSAGES, ids=str)
@pytest.mark.parametrize("eager", [False, True], ids=["graph", "eager"])
def test_a_later_batch_is_refused_before_it_trains(bad, eager):
    model = conditional_vae()
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=eager)
    with pytest.raises(ValueError, match=MESSAGES[bad] + ", after 3 steps of training$"):
        model.fit(later(bad), verbose=0)
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_few_examples_are_one_batch():
    model = genzoo.Autoencoder((6, 5, 1), 2, (4,))
    model.compile()
    model.fit(IMAGES[:20], verbose=0)
    assert model.optimizer.iterations == 1


FIRST = IMAGES[:8]
UNLIKE = {
    "another type": [((FIRST * 255).astype("uint8"),), (FIRST,)],
    "another size": [(FIRST,), (FIRST[:, :5],)],
    "one target": [(FIRST, FIRST), (FIRST, FIRST[:1])],
    "no target": [(FIRST, FIRST), (FIRST,)],
    "a mask": [(FIRST,), (np.ma.array(FIRST, mask=FIRST > 0.5),)],
}


@pytest.mark.parametrize("batches", UNLIKE.values(), ids=UNLIKE)
@pytest.mark.parametrize("kind", [Batches, lambda batches: (batch for batch in batches)])
def test_later_batches_are_like_the_first(kind, batches):
    """Keras casts to the type of the first batch: floats to uint8, and labels to integers."""
    model = genzoo.ConvolutionalAutoencoder((6, 5, 1), 2, (4,))
    model.compile()
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"`x` must .*Received: ") as error:
            method(kind(batches), verbose=0)
        assert "\n" not in str(error.value)
    model.fit(kind([(FIRST, FIRST), (FIRST[:3], FIRST[:3])]), verbose=0)


def test_a_later_target_of_one_example_is_not_broadcast():
    batches = UNLIKE["one target"]
    spec = tf.TensorSpec((None, 6, 5, 1))
    data = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=(spec, spec))
    model = genzoo.ConvolutionalAutoencoder((6, 5, 1), 2, (4,))
    model.compile()
    with pytest.raises(ValueError, match="`target` must hold as many examples as the rest of a"):
        model.fit(data, verbose=0)


def test_masked_labels_are_refused():
    masked = np.ma.array(LABELS, mask=LABELS == 2)
    model = conditional_vae()
    model.compile()
    for call in (lambda: model.fit(IMAGES, masked), lambda: model.sample(labels=masked)):
        with pytest.raises(ValueError, match="must not be a masked array"):
            call()
    points = IMAGES.reshape(64, -1)
    with pytest.raises(ValueError, match="`generated` must not be a masked array"):
        genzoo.metrics.FrechetDistance().update_state(points, np.ma.array(points))


def test_an_endless_data_set_needs_a_number_of_steps():
    model = genzoo.Autoencoder((6, 5, 1), 2, (4,))
    model.compile()
    batches = tf.data.Dataset.from_tensor_slices(IMAGES).batch(16).repeat()
    with pytest.raises(ValueError, match="`steps` must be given with an endless"):
        model.evaluate(batches, verbose=0)
    with pytest.raises(ValueError, match="`validation_steps` must be given with an endless"):
        model.fit(IMAGES, validation_data=batches, verbose=0)
    with pytest.raises(ValueError, match="`steps_per_epoch` must be given with an endless"):
        model.fit(batches, verbose=0)
    model.fit(batches, steps_per_epoch=3, verbose=0)
    assert model.optimizer.iterations == 3


def test_a_later_batch_of_an_evaluation_is_refused():
    model = conditional_vae()
    model.compile()
    with pytest.raises(ValueError, match=MESSAGES["label"] + ", after 0 steps of training"):
        model.evaluate(later("label"), verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("bad", MESSAGES, ids=str)
def test_xla_counts_what_it_cannot_stop(bad):
    model = conditional_vae()
    model.compile(jit_compile=True)
    with pytest.raises(ValueError, match=MESSAGES[bad] + ", in 1 of this epoch$"):
        model.fit(later(bad), epochs=2, verbose=0)
    assert model.optimizer.iterations == 4
    assert all(np.isfinite(w).all() for w in model.get_weights())
    model.evaluate(IMAGES, LABELS, verbose=0)  # the count starts again


def test_replicas_refuse_it(two_replicas):
    with two_replicas.scope():
        model = conditional_vae()
        model.compile()
    with pytest.raises(ValueError, match=MESSAGES["label"]):
        model.fit(later("label"), verbose=0)


def test_batches_of_ones_own_are_checked():
    model = genzoo.GAN((6, 5, 1))
    model.compile()
    for call in (model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match="divide it by 255"):
            call(255 * IMAGES)
        with pytest.raises(ValueError, match="`sample_weight` is not supported"):
            call(IMAGES, sample_weight=np.ones(64))
    with pytest.raises(ValueError, match="`class_weight` is not supported"):
        model.train_on_batch(IMAGES, class_weight={0: 1.0})
    logs = model.train_on_batch(IMAGES, return_dict=True)
    assert set(logs) == {"generator_loss", "discriminator_loss"}


def test_a_batch_of_ones_own_has_generative_metrics():
    model = genzoo.GAN((2,))
    model.compile(metrics=[genzoo.metrics.FrechetDistance()])
    points = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    logs = model.test_on_batch(points, return_dict=True)
    expected = model.evaluate(points, batch_size=64, return_dict=True, verbose=0)
    assert set(logs) == set(expected) and np.isfinite(logs["frechet_distance"])
    model.reset_metrics()
    assert len(model.test_on_batch(points)) == len(expected)


@pytest.mark.parametrize("form", ["arrays", "tuples", "lists", "a data set"])
def test_generators_of_every_form(form):
    batches = {
        "arrays": iter([IMAGES[:16], IMAGES[16:32]]),
        "tuples": iter([(IMAGES[:16], LABELS[:16])] * 2),
        "lists": iter([[IMAGES[:16], LABELS[:16]]] * 2),
        "a data set": iter(later(0.5)),
    }[form]
    model = genzoo.Autoencoder((6, 5, 1), 2, (4,))
    model.compile()
    model.fit(batches, verbose=0)
    assert model.optimizer.iterations == (4 if form == "a data set" else 2)


@pytest.mark.parametrize("conditional", [False, True])
def test_verbs_take_data_sets(conditional):
    model = genzoo.VAE((6, 5, 1), 2, num_classes=3 if conditional else None)
    labels = LABELS if conditional else None
    data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(24)
    for verb in (model.encode, model.reconstruct, model.anomaly_score):
        expected = verb(IMAGES) if labels is None else verb(IMAGES, labels)
        np.testing.assert_allclose(verb(data), expected, rtol=1e-5, atol=1e-5)
    assert model.log_likelihood(data, num_samples=2).shape == (64,)
    assert model.log_likelihood(data, 2).shape == (64,)
    if conditional:
        with pytest.raises(ValueError, match="`labels` must be omitted if `x` is a data set"):
            model.encode(data, LABELS)
    generator = iter([IMAGES[:10], IMAGES[10:]])
    if not conditional:
        np.testing.assert_allclose(model.encode(generator), model.encode(IMAGES), rtol=1e-4)
    with pytest.raises(ValueError, match="`x` must end"):
        model.encode(data.repeat())
    with pytest.raises(ValueError, match="`x` must yield at least one batch"):
        model.encode(data.take(0))


def test_on_batch_returns_what_evaluate_does():
    for model in (genzoo.Autoencoder((6, 5, 1), 2, (4,)), genzoo.VAE((6, 5, 1), 2)):
        model.compile(metrics=[keras.metrics.MeanSquaredError()])
        expected = model.evaluate(IMAGES, batch_size=64, verbose=0)
        model.evaluation_noise.reset()
        np.testing.assert_allclose(model.test_on_batch(IMAGES), expected, rtol=1e-5)
    alone = genzoo.Autoencoder((6, 5, 1), 2, (4,))
    alone.compile()
    assert alone.test_on_batch(IMAGES) == pytest.approx(alone.evaluate(IMAGES, verbose=0))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64"])
def test_many_classes_and_small_types_of_labels(dtype):
    model = genzoo.ConditionalGAN((6, 5, 1), num_classes=300, latent_dim=2)
    model.compile()
    model.fit(later_labels(dtype, 100), verbose=0)
    with pytest.raises(ValueError, match=r"must lie in \[0, 299\]"):
        model.fit(later_labels("int64", 300), verbose=0)


def later_labels(dtype, second):
    """Two batches; the labels of the second are `second`."""
    labels = np.repeat([2, second], 16).astype(dtype)
    return tf.data.Dataset.from_tensor_slices((IMAGES[:32], labels)).batch(16)
