"""Functions that measure a generator and a discriminator between two epochs of training."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.metrics.precision_recall import squared_distances
from keras_genzoo.models.gan import GAN

ADVERSARIAL_NAMES = ("discriminator_accuracy", "generator_gradient_norm")
GRADIENT_EXAMPLES = 256


def mean_pairwise_distance(features: np.ndarray) -> float:
    """Returns the mean Euclidean distance over all pairs of rows of `features`, `(n, d)`."""
    # Centred features have smaller squares, so that differences of squares lose fewer digits.
    centred = features - np.mean(features, axis=0)
    total = sum(np.sum(np.sqrt(block)) for block in squared_distances(centred, centred))
    return float(total / (len(features) * (len(features) - 1)))


def roc_auc(real_scores: np.ndarray, fake_scores: np.ndarray) -> float:
    """Returns the probability that a real example scores higher than a generated one.

    This is the area under the ROC curve; ties count half. It is NaN if any score is not finite.
    """
    if not (np.isfinite(real_scores).all() and np.isfinite(fake_scores).all()):
        return float("nan")
    fake_scores = np.sort(fake_scores)
    ranks = [np.searchsorted(fake_scores, real_scores, side) for side in ("left", "right")]
    return float(np.mean(ranks) / len(fake_scores))


def generate_without_averaging(model: GAN, latents, labels) -> tf.Tensor:
    """Maps latents to data with the generator in training.

    `model.generate(..., training=False)` would use the moving average of the weights instead.
    """
    return model.run(model.generator, latents, labels)


def discriminator_scores(model: GAN, data, labels) -> tf.Tensor:
    """Returns the discriminator's scores of data, one for each pack of examples."""
    data = model.data_field.convert(data)
    return model.score(*model.view(data, labels, training=False), training=False)


def generator_gradient_norm(model: GAN, latents, labels) -> float:
    """Returns the global norm of the generator's gradient, that of its mean loss."""
    variables = model.generator.trainable_variables
    # Outside a replica the variables of a distributed model have no gradients: use tensors instead.
    weights = [tf.convert_to_tensor(variable.value) for variable in variables]
    with tf.GradientTape() as tape, keras.StatelessScope(zip(variables, weights, strict=True)):
        tape.watch(weights)
        fake = generate_without_averaging(model, latents, labels)
        loss = tf.reduce_mean(model.loss.generator_loss(discriminator_scores(model, fake, labels)))
    # Without the optimizer's loss scale, small gradients would be zero in float16.
    scale = model.generator_optimizer.scale_loss(tf.ones(()))
    gradients = tape.gradient(loss, weights, output_gradients=scale)
    return float(tf.linalg.global_norm(gradients) / scale)


def adversarial_numbers(model: GAN, real, labels, seed: int) -> dict[str, float]:
    """Measures the balance between generator and discriminator.

    Args:
        model: A compiled GAN.
        real: Real data. As many examples are generated.
        labels: The labels of a conditional model, or None.
        seed: The seed of the latents.

    Returns:
        The discriminator's accuracy and the norm of the generator's gradient, by name.
    """
    latents = tf.random.stateless_normal((len(real), model.latent_dim), (seed, 0))
    generate = partial(generate_without_averaging, model)
    score = partial(discriminator_scores, model)
    fake = model.in_batches(generate, latents, labels)
    accuracy = roc_auc(*(model.in_batches(score, data, labels) for data in (real, fake)))
    first_labels = None if labels is None else labels[:GRADIENT_EXAMPLES]
    norm = generator_gradient_norm(model, latents[:GRADIENT_EXAMPLES], first_labels)
    return dict(zip(ADVERSARIAL_NAMES, (accuracy, norm), strict=True))


def describe_non_finite(variables) -> str:
    """Names the first variable that contains NaN or infinity; returns "" if there is none."""
    for variable in variables:
        value = tf.convert_to_tensor(variable.value)
        if value.dtype.is_floating and not tf.reduce_all(tf.math.is_finite(value)):
            return f"{variable.path} contains NaN or infinity"
    return ""
