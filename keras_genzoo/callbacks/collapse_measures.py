"""What can be measured of a generator and of a discriminator between two epochs."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.metrics.precision_recall import squared_distances
from keras_genzoo.models.gan import GAN

PLAYERS = ("discriminator_accuracy", "generator_gradient_norm")
GRADIENT_BATCH = 256  # examples


def mean_distance(features: np.ndarray) -> float:
    """The mean Euclidean distance of all pairs of features `(n, d)`."""
    centred = features - np.mean(features, axis=0)  # less is lost in the squares
    total = sum(np.sum(np.sqrt(block)) for block in squared_distances(centred, centred))
    return float(total / (len(features) * (len(features) - 1)))


def told_apart(real_scores: np.ndarray, fake_scores: np.ndarray) -> float:
    """The probability that a real example scores higher than a generated one; ties count half."""
    if not (np.isfinite(real_scores).all() and np.isfinite(fake_scores).all()):
        return float("nan")
    fake_scores = np.sort(fake_scores)
    ranks = [np.searchsorted(fake_scores, real_scores, side) for side in ("left", "right")]
    return float(np.mean(ranks) / len(fake_scores))


def generate(model: GAN, latents, labels) -> tf.Tensor:
    """Data by the generator that is trained; those of `model.generate` may be an average's."""
    inputs = latents if labels is None else [latents, labels]
    return tf.cast(model.generator(inputs, training=False), tf.float32)


def score(model: GAN, data, labels) -> tf.Tensor:
    """The discriminator's scores, `(packs,)`."""
    shown, labels = model.present(model.to_float(data), labels, training=False)
    return model.score(shown, labels, training=False)


def gradient_norm(model: GAN, latents, labels) -> float:
    """The global norm of the gradient of the generator's mean loss by its weights."""
    variables = model.generator.trainable_variables
    # Tensors stand in for the variables: outside of replicas, mirrored ones have no gradients.
    weights = [tf.convert_to_tensor(variable.value) for variable in variables]
    with tf.GradientTape() as tape, keras.StatelessScope(zip(variables, weights, strict=True)):
        tape.watch(weights)
        fake = generate(model, latents, labels)
        loss = tf.reduce_mean(model.loss.generator_loss(score(model, fake, labels)))
    # In float16 small gradients are zero without the optimizer's scale.
    scale = model.generator_optimizer.scale_loss(tf.ones(()))
    gradients = tape.gradient(loss, weights, output_gradients=scale)
    return float(tf.linalg.global_norm(gradients) / scale)


def of_players(model: GAN, real, labels, seed: int) -> dict[str, float]:
    """How the game of generator and discriminator stands, on as many samples as real data."""
    latents = tf.random.stateless_normal((len(real), model.latent_dim), (seed, 0))
    fake = model.in_batches(partial(generate, model), latents, labels)
    scores = [model.in_batches(partial(score, model), data, labels) for data in (real, fake)]
    some = None if labels is None else labels[:GRADIENT_BATCH]
    norm = gradient_norm(model, latents[:GRADIENT_BATCH], some)
    return dict(zip(PLAYERS, (told_apart(*scores), norm), strict=True))


def not_finite(variables) -> str:
    """Names the first variable that holds NaN or infinite numbers."""
    for variable in variables:
        value = tf.convert_to_tensor(variable.value)
        if value.dtype.is_floating and not tf.reduce_all(tf.math.is_finite(value)):
            return f"NaN or infinite numbers in {variable.path}"
    return ""
