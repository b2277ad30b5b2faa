"""What the discriminator is shown in place of the data: differentiable augmentation, noise.

A GAN's `augmentation=` is any Keras layer that keeps the shape; it is applied to real and generated
data alike, in training only. A layer with `adapt(real_scores)` and `strength` follows the training;
not as a part of another layer, which wouldn't pass the scores on.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops

from keras_genzoo.layers.noise import Noise, place_in_global_batch, sum_over_replicas
from keras_genzoo.ranges import check_positive, check_share


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


def _places(draw, size, low, high):
    """A whole number in [low, high] for each image, and the pixels' indices, to compare."""
    start = tf.floor(low + draw()[:, 0, 0] * (high - low + 1))
    return start, tf.range(size, dtype=tf.float32)[None]


def _translation(images, draw):
    # By matrices that pick rows and columns: those from outside pick nothing, which is black.
    for axis, equation in ((1, "nij,njwc->niwc"), (2, "nij,nhjc->nhic")):
        size = images.shape[axis]
        reach = max(1, round(size / 8))
        shift, indices = _places(draw, size, -reach, reach)
        pick = indices[:, :, None] + shift[:, :, None] == indices[:, None, :]
        images = tf.einsum(equation, tf.cast(pick, images.dtype), images)
    return images


def _cutout(images, draw):
    inside = []
    for axis in (1, 2):
        size = images.shape[axis]
        length = max(1, size // 2)
        # The middle may lie anywhere in the image.
        start, indices = _places(draw, size, -(length // 2), size - 1 - length // 2)
        inside.append((indices >= start) & (indices < start + length))
    hole = inside[0][:, :, None, None] & inside[1][:, None, :, None]
    return tf.where(hole, tf.zeros_like(images), images)


_TRANSFORMS = {"color": _color, "translation": _translation, "cutout": _cutout}


@keras.saving.register_keras_serializable("keras_genzoo")
class DifferentiableAugmentation(keras.layers.Layer):
    """Random changes of images through which gradients reach the generator (DiffAugment).

    `"color"`: brightness by up to a quarter of the range, saturation by a factor in [0, 2),
    contrast by one in [0.5, 1.5). `"translation"`: up to an eighth of the height and width, black
    from outside. `"cutout"`: a black square of half the height and width.

    Args:
        policy: Which of them, in this order.
        probability: With which each of them is applied to an image.
        seed: An int, or `None` for one that follows `keras.utils.set_random_seed`.

    Example:
    ```python
    augmentation = genzoo.layers.DifferentiableAugmentation(("translation", "cutout"))
    model = genzoo.DCGAN((28, 28, 1), augmentation=augmentation)
    ```

    Reference: Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training, NeurIPS
    2020.
    """

    def __init__(
        self,
        policy: Sequence[str] = ("color", "translation", "cutout"),
        probability: float = 1.0,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        listed = isinstance(policy, (list, tuple)) and all(isinstance(p, str) for p in policy)
        if not (listed and {*policy} <= {*_TRANSFORMS}):
            raise ValueError(
                f"`policy` must be a sequence of {[*_TRANSFORMS]}. Received: policy={policy!r}"
            )
        check_share(probability=probability)
        self.policy, self.probability = tuple(policy), probability
        self.noise = Noise(seed)
        self.input_spec = keras.layers.InputSpec(ndim=4)
        self.built = True

    @property
    def strength(self):
        """The probability now."""
        return self.probability

    def call(self, inputs, training=None):
        if not training:
            return inputs
        images, strength = inputs, self.strength

        def draw():
            return self.noise.uniform((ops.shape(inputs)[0], 1, 1, 1))

        for name in self.policy:
            changed = _TRANSFORMS[name](images, draw)
            images = tf.where(draw() < strength, changed, images)
        return images

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {"policy": self.policy, "probability": self.probability, "seed": self.noise.seed}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("keras_genzoo")
class AdaptiveAugmentation(DifferentiableAugmentation):
    """Differentiable augmentation no stronger than the discriminator's overfitting asks for (ADA).

    The probability grows while the mean sign of the real data's scores is over `target`, and falls
    while it is under it: over the `boundary` of the loss a score is positive. (Wasserstein's has
    none.)

    Args:
        policy: As for `DifferentiableAugmentation`.
        target: The mean sign aimed at, 0 (the discriminator can't tell) to 1.
        images: Real images seen while the probability goes from 0 to 1 (the paper's 500,000 are
            for weeks of training).
        seed: An int, or `None` for one that follows `keras.utils.set_random_seed`.

    Example:
    ```python
    augmentation = genzoo.layers.AdaptiveAugmentation(images=50_000)
    model = genzoo.DCGAN((28, 28, 1), augmentation=augmentation)
    ```

    Reference: Karras et al., Training Generative Adversarial Networks with Limited Data, NeurIPS
    2020. Differs from the paper: DiffAugment's transformations; the sign of each batch in place of
    that of four, as a running mean.
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
        check_share(target=target)
        check_positive(images=images)
        self.target, self.images = target, images
        # The probability, and the running mean of the signs.
        self.state = self.add_weight(name="state", shape=(2,), initializer="zeros", trainable=False)

    @property
    def strength(self):
        """The probability now."""
        return tf.convert_to_tensor(self.state)[0]

    def adapt(self, real_scores: tf.Tensor) -> None:
        """Follows the scores of the real data of one step, `(batch,)`."""
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
    """Gaussian noise on real and generated data, which dies away as training goes on.

    It makes the two distributions overlap while they are far from each other: started at the
    distance between modes, it lets the generator find them all before it sees how sharp they are.

    Args:
        stddev: Standard deviation at the start, in units of the data.
        half_life: Real examples seen while it falls to its half.
        seed: An int, or `None` for one that follows `keras.utils.set_random_seed`.

    Example:
    ```python
    model = genzoo.GAN((2,), augmentation=genzoo.layers.InstanceNoise(0.5, half_life=1e5))
    ```

    Reference: Sønderby et al., Amortised MAP Inference for Image Super-resolution, ICLR 2017.
    Differs from the paper: it falls by halves.
    """

    def __init__(self, stddev: float, half_life: float, seed: int | None = None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        check_positive(stddev=stddev, half_life=half_life)
        self.stddev, self.half_life = stddev, half_life
        self.noise = Noise(seed)
        # int64: a float would stop counting at 16 million.
        self.seen = self.add_weight(
            name="seen", shape=(), dtype="int64", initializer="zeros", trainable=False
        )
        self.built = True

    @property
    def strength(self):
        """The standard deviation now."""
        seen = tf.cast(tf.convert_to_tensor(self.seen), tf.float32)
        return self.stddev * 0.5 ** (seen / self.half_life)

    def call(self, inputs, training=None):
        if not training:
            return inputs
        return inputs + self.strength * self.noise.normal(ops.shape(inputs))

    def adapt(self, real_scores: tf.Tensor) -> None:
        """Counts the real examples of one step."""
        _, total = place_in_global_batch(ops.shape(real_scores)[0])
        self.seen.assign_add(tf.cast(total, tf.int64))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {"stddev": self.stddev, "half_life": self.half_life, "seed": self.noise.seed}
        return {**super().get_config(), **config}
