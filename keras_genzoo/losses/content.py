"""Losses of content: how far a translation is from its target, image by image.

Every loss is a function of `(target, translation)`, images `(batch, height, width, channels)` in
[0, 1], and returns one number for each image, `(batch,)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from keras_genzoo.core.annealing import Annealed, Settled, stored_value
from keras_genzoo.core.validation import check_network, resolve


@keras.saving.register_keras_serializable("keras_genzoo")
def l1(target: tf.Tensor, translation: tf.Tensor) -> tf.Tensor:
    """Returns the mean absolute error of each image, `(batch,)`."""
    return tf.reduce_mean(tf.abs(target - translation), axis=(1, 2, 3))


@keras.saving.register_keras_serializable("keras_genzoo")
def l2(target: tf.Tensor, translation: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared error of each image, `(batch,)`."""
    return tf.reduce_mean((target - translation) ** 2, axis=(1, 2, 3))


@keras.saving.register_keras_serializable("keras_genzoo")
class FeatureLoss(Settled, keras.layers.Layer):
    """The mean squared error of the features that a network finds in two images.

    The network stays as it is: it is not trained.

    Args:
        network: A Keras model that maps images in [0, 1] to features of any shape, such as
            `genzoo.networks.vgg19_features()`.
        weight: The factor of the features' error.
        pixel_weight: The factor of the squared error of the pixels, which is added.
        **kwargs: Passed to Keras.

    Example:
    ```python
    features = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(8, 3)])
    loss = genzoo.losses.FeatureLoss(features)
    ```

    Reference: Johnson, Alahi & Fei-Fei, Perceptual Losses for Real-Time Style Transfer and
    Super-Resolution, ECCV 2016.
    """

    weight, pixel_weight = Annealed("[0, inf)"), Annealed("[0, inf)")

    def __init__(
        self, network: keras.Model, weight: float = 1.0, pixel_weight: float = 0.0, **kwargs
    ):
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        self.network, self.weight, self.pixel_weight = network, weight, pixel_weight
        self.network.trainable = False
        self.built = True

    def check(self, image_shape: Sequence[int]) -> None:
        """Raises unless the network takes images of this shape."""
        try:
            features_shape = self.network.compute_output_shape((None, *image_shape))[1:]
        except Exception:  # the check below says what is wrong
            features_shape = ("features",)
        check_network(self.network, "content_loss", {"images": image_shape}, features_shape)

    def call(self, target, translation):
        features = [
            tf.cast(self.network(images, training=False), tf.float32)
            for images in (target, translation)
        ]
        axes = list(range(1, len(features[0].shape)))
        error = self.weight * tf.reduce_mean((features[0] - features[1]) ** 2, axis=axes)
        return error + self.pixel_weight * l2(target, translation)

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        weights = {
            name: keras.saving.serialize_keras_object(stored_value(self, name))
            for name in ("weight", "pixel_weight")
        }
        return {**super().get_config(), "network": network, **weights}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


def feature_matching(target_outputs: Sequence, outputs: Sequence) -> tf.Tensor:
    """Returns how far the features of a discriminator are from those of the targets, `(batch,)`.

    The mean absolute errors of the stages are added up, and averaged over the scales. No gradient
    reaches the targets' features.

    Args:
        target_outputs: What a discriminator returns for targets: for each scale a list of features
            `(batch, height, width, channels)`, and last the scores, which do not count.
        outputs: The same for translations.

    Reference: Wang et al., High-Resolution Image Synthesis and Semantic Manipulation with
    Conditional GANs, CVPR 2018, eq. 4.
    """
    errors = [
        l1(tf.stop_gradient(target), features)
        for target_scale, scale in zip(target_outputs, outputs, strict=True)
        for target, features in zip(target_scale[:-1], scale[:-1], strict=True)
    ]
    return tf.add_n(errors) / len(outputs)


def get(identifier: str | Callable) -> Callable:
    """Returns the content loss with a given name, or the function itself.

    Args:
        identifier: `"l1"`, `"l2"`, or a function of `(target, translation)`, such as a
            `FeatureLoss`, which returns `(batch,)`.

    Raises:
        ValueError: If `identifier` is neither.
    """
    known = {"l1": lambda: l1, "l2": lambda: l2}
    return resolve("content_loss", identifier, known, ("__call__",))
