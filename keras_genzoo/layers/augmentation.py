"""Augmentations of a discriminator's inputs: random transformations of images, and noise.

`GAN(augmentation=...)` takes any Keras layer that keeps the shape of its input. The model applies
it to real and generated data alike, in training only. If the layer has a `strength` and a method
`adapt(real_scores)`, the model calls that method after each step of the discriminator, so that the
strength can follow the training. The model does not find such a layer inside another one, for
example in a `keras.Sequential`.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops

from keras_genzoo.core.replicas import place_in_global_batch, sum_over_replicas
from keras_genzoo.core.validation import check_range
from keras_genzoo.layers.noise import Noise

# The functions below transform `images`, (batch, height, width, channels). Each call of `draw`
# returns a new random number in [0, 1) for each image, (batch, 1, 1, 1).


def _brightness(images, draw):
    return images + (draw() - 0.5) / 2


def _saturation(images, draw):
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    return grey + 2 * draw() * (images - grey)


def _contrast(images, draw):
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (0.5 + draw()) * (images - mean)


def _color(images, draw):
    return _contrast(_saturation(_brightness(images, draw), draw), draw)


def _draw_integers(draw, low, high):
    """Draws an integer in [low, high] for each image, as float32 `(batch, 1)`."""
    return tf.floor(low + draw()[:, 0, 0] * (high - low + 1))


def _pixel_indices(size):
    """Returns 0, 1, ..., size - 1, as float32 `(1, size)`."""
    return tf.range(size, dtype=tf.float32)[None]


def _translation(images, draw):
    # Multiplication with a matrix of zeros and ones selects the rows, and another one the columns.
    # A row that comes from outside of the image is all zeros, which is black.
    for axis, equation in ((1, "nij,njwc->niwc"), (2, "nij,nhjc->nhic")):
        size = images.shape[axis]
        max_shift = max(1, round(size / 8))
        shift, indices = _draw_integers(draw, -max_shift, max_shift), _pixel_indices(size)
        selection = indices[:, :, None] + shift[:, :, None] == indices[:, None, :]
        images = tf.einsum(equation, tf.cast(selection, images.dtype), images)
    return images


def _cutout(images, draw):
    inside = []
    for axis in (1, 2):
        size = images.shape[axis]
        length = max(1, size // 2)
        # The centre of the hole may lie anywhere in the image.
        start = _draw_integers(draw, -(length // 2), size - 1 - length // 2)
        indices = _pixel_indices(size)
        inside.append((indices >= start) & (indices < start + length))
    hole = inside[0][:, :, None, None] & inside[1][:, None, :, None]
    return tf.where(hole, tf.zeros_like(images), images)


_TRANSFORMATIONS = {"color": _color, "translation": _translation, "cutout": _cutout}


@keras.saving.register_keras_serializable("keras_genzoo")
class DifferentiableAugmentation(keras.layers.Layer):
    """Differentiable random transformations of images (DiffAugment).

    The transformations, for images `(batch, height, width, channels)` in [0, 1], are:

    - `"color"` adds up to ±0.25 to the brightness and multiplies the saturation by a factor in
      [0, 2) and the contrast by a factor in [0.5, 1.5).
    - `"translation"` shifts the image by up to an eighth of its height and width and fills the gap
      with black.
    - `"cutout"` blackens a rectangle of half the image's height and width.

    The layer is active in training only. It takes images, or a list of images of one size (the
    source and the target of a pair), which it changes alike.

    Args:
        policy: The names of the transformations, in the order in which they are applied.
        probability: The probability, in [0, 1], that a transformation is applied to an image. Each
            transformation is decided independently.
        seed: An integer, or `None` for a random seed that follows `keras.utils.set_random_seed`.

    Example:
    ```python
    augmentation = genzoo.layers.DifferentiableAugmentation(("translation", "cutout"))
    model = genzoo.DCGAN((28, 28, 1), augmentation=augmentation)
    ```

    Reference: Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training, NeurIPS
    2020.
    """

    takes_pairs = True

    def __init__(
        self,
        policy: Sequence[str] = ("color", "translation", "cutout"),
        probability: float = 1.0,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        is_sequence = isinstance(policy, (list, tuple)) and all(isinstance(p, str) for p in policy)
        if not (is_sequence and {*policy} <= {*_TRANSFORMATIONS}):
            raise ValueError(
                f"`policy` must be a sequence of {[*_TRANSFORMATIONS]}. Received: policy={policy!r}"
            )
        check_range("[0, 1]", probability=probability)
        self.policy, self.probability = tuple(policy), probability
        self.noise = Noise(seed)
        self.built = True

    @property
    def strength(self):
        """The probability that a transformation is applied to an image."""
        return self.probability

    def call(self, inputs, training=None):
        is_list = isinstance(inputs, (list, tuple))
        first, *others = inputs if is_list else [inputs]
        if not training:
            return inputs
        numbers = []  # those of the first images, which are used again for the others
        first = self._transform(first, iter(()), numbers)
        others = [self._transform(images, iter(numbers), []) for images in others]
        return [first, *others] if is_list else first

    def _transform(self, images, known, drawn):
        """Transforms images by numbers that are known, or else drawn and appended to a list."""

        def draw():
            numbers = next(known, None)
            if numbers is None:
                numbers = self.noise.uniform((ops.shape(images)[0], 1, 1, 1))
                drawn.append(numbers)
            return numbers

        for name in self.policy:
            transformed = _TRANSFORMATIONS[name](images, draw)
            images = tf.where(draw() < self.strength, transformed, images)
        return images

    def compute_output_shape(self, input_shape):
        # Not an `input_spec`, by which Keras would refuse a list.
        if not isinstance(input_shape, list) and len(input_shape) != 4:
            raise ValueError(
                "`inputs` must be images (batch, height, width, channels). "
                f"Received: shape {tuple(input_shape)}"
            )
        return input_shape

    def get_config(self):
        config = {"policy": self.policy, "probability": self.probability, "seed": self.noise.seed}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("keras_genzoo")
class AdaptiveAugmentation(DifferentiableAugmentation):
    """Differentiable augmentation whose probability follows the discriminator's overfitting (ADA).

    A discriminator that overfits gives nearly all real images positive scores. The probability
    therefore grows while the mean sign of these scores is above `target`, and falls while it is
    below. The scores are relative to the loss's `boundary`, so a Wasserstein loss, which has none,
    cannot be used with this layer.

    Args:
        policy: The names of the transformations, as for `DifferentiableAugmentation`.
        target: The desired mean sign of the scores, from 0 (the discriminator only guesses) to 1.
        images: The number of real images after which the probability can have grown from 0 to 1.
            The paper's 500,000 suits weeks of training.
        seed: An integer, or `None` for a random seed that follows `keras.utils.set_random_seed`.

    Example:
    ```python
    augmentation = genzoo.layers.AdaptiveAugmentation(images=50_000)
    model = genzoo.DCGAN((28, 28, 1), augmentation=augmentation)
    ```

    Reference: Karras et al., Training Generative Adversarial Networks with Limited Data, NeurIPS
    2020. Differs from the paper: the transformations are those of DiffAugment, and the sign is a
    running mean over all batches instead of the mean of four batches.
    """

    def __init__(
        self,
        policy: Sequence[str] = ("color", "translation", "cutout"),
        target: float = 0.6,
        images: float = 500_000,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(policy, 0.0, seed, **kwargs)
        check_range("[0, 1]", target=target)
        check_range("(0, inf]", images=images)
        self.target, self.images = target, images
        # The probability and the running mean of the signs.
        self.state = self.add_weight(name="state", shape=(2,), initializer="zeros", trainable=False)

    @property
    def strength(self):
        """The current probability that a transformation is applied to an image."""
        return tf.convert_to_tensor(self.state)[0]

    def adapt(self, real_scores: tf.Tensor) -> None:
        """Updates the probability after a step of the discriminator.

        Args:
            real_scores: The scores of the step's real images minus the loss's boundary, `(batch,)`.
        """
        sums = [tf.reduce_sum(tf.sign(real_scores)), tf.cast(tf.size(real_scores), tf.float32)]
        total, count = tf.unstack(sum_over_replicas(tf.stack(sums)))
        probability, sign = tf.unstack(tf.convert_to_tensor(self.state))
        sign += 0.25 * (total / tf.maximum(count, 1.0) - sign)
        probability += tf.sign(sign - self.target) * count / self.images
        self.state.assign(tf.stack([tf.clip_by_value(probability, 0.0, 1.0), sign]))

    def get_config(self):
        config = super().get_config()
        del config["probability"]
        return {**config, "target": self.target, "images": self.images}


@keras.saving.register_keras_serializable("keras_genzoo")
class InstanceNoise(keras.layers.Layer):
    """Gaussian noise that decays during training.

    Noise on real and generated data makes the two distributions overlap, even if they are far from
    each other. With an initial standard deviation as large as the distance between the modes, the
    generator finds all modes before it learns how sharp they are. The layer is active in training
    only.

    Args:
        stddev: The initial standard deviation, in units of the data. Positive.
        half_life: The number of real examples after which the standard deviation has halved.
            Positive; infinity keeps the noise constant.
        seed: An integer, or `None` for a random seed that follows `keras.utils.set_random_seed`.

    Example:
    ```python
    model = genzoo.GAN((2,), augmentation=genzoo.layers.InstanceNoise(0.5, half_life=1e5))
    ```

    Reference: Sønderby et al., Amortised MAP Inference for Image Super-resolution, ICLR 2017.
    Differs from the paper: the standard deviation decays exponentially.
    """

    def __init__(self, stddev: float, half_life: float, seed: int | None = None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        check_range("(0, inf)", stddev=stddev)
        check_range("(0, inf]", half_life=half_life)
        self.stddev, self.half_life = stddev, half_life
        self.noise = Noise(seed)
        # An int64, because float32 cannot count beyond 16 million.
        self.seen = self.add_weight(
            name="seen", shape=(), dtype="int64", initializer="zeros", trainable=False
        )
        self.built = True

    @property
    def strength(self):
        """The current standard deviation."""
        seen = tf.cast(tf.convert_to_tensor(self.seen), tf.float32)
        return self.stddev * 0.5 ** (seen / self.half_life)

    def call(self, inputs, training=None):
        if not training:
            return inputs
        return inputs + self.strength * self.noise.normal(ops.shape(inputs))

    def adapt(self, real_scores: tf.Tensor) -> None:
        """Counts the real examples of a step of the discriminator.

        Args:
            real_scores: The scores of the step's real examples, `(batch,)`. Their values are not
                used.
        """
        _, total = place_in_global_batch(ops.shape(real_scores)[0])
        self.seen.assign_add(tf.cast(total, tf.int64))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {"stddev": self.stddev, "half_life": self.half_life, "seed": self.noise.seed}
        return {**super().get_config(), **config}
