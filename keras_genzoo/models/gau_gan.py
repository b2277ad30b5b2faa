"""GauGAN: images from semantic label maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from keras_genzoo import losses, networks
from keras_genzoo.core import validation
from keras_genzoo.core.annealing import Annealed
from keras_genzoo.core.fields import Images
from keras_genzoo.core.label_maps import LabelMaps
from keras_genzoo.models.paired_translation import PairedTranslation
from keras_genzoo.serving.endpoints import Endpoint


def _check_features(model, weight):
    if weight != 0 and not model.matches_features:
        raise ValueError(
            "`feature_weight` must stay 0 in a model that was made with 0. "
            f"Received: feature_weight={weight!r}"
        )


@keras.saving.register_keras_serializable("keras_genzoo")
class GauGAN(PairedTranslation):
    """A GAN that makes images from label maps, which modulate each normalization of its generator.

    `fit(label_maps, images)` and `translate(label_maps)` take the class of each pixel, integers
    `(batch, height, width)` in [0, num_classes), or one-hot or soft maps `(batch, height, width,
    num_classes)` in [0, 1]. Give unlabelled pixels a class of their own.

    The generator minimises the adversarial loss, `feature_weight` times the difference of the
    features that the discriminator finds in translation and target, and `content_weight` times the
    content loss, if there is one.

    Logs: `generator_loss`, `feature_loss` and `content_loss` (without their weights, and if there
    are such), `discriminator_loss` (without the penalty), `gradient_penalty` if there is one, and
    the `augmentation_strength` of a layer that changes it.

    Args:
        image_shape: `(height, width, channels)` of the images to train on. The label maps have
            their height and width.
        num_classes: The number of classes of the label maps, at least 2.
        latent_dim: The length of a noise vector that the generator also takes, so that one label
            map has several translations: `translate(label_maps, seed=...)`. Without a seed the
            noise is zero. `None` for a generator without noise.
        generator: A Keras model in place of `networks.spade_generator`. It maps one-hot label maps,
            or `[label_maps, latents]`, to images in [0, 1].
        discriminator: A Keras model in place of `networks.multiscale_discriminator`. It maps
            `[label_maps, images]` to a list for each scale: features, and last scores of patches,
            without an activation. Without `feature_weight`, it may also return scores alone.
        loss: `"minimax"`, `"non_saturating"`, `"least_squares"`, `"hinge"`, `"wasserstein"`, or an
            object of `genzoo.losses`.
        feature_weight: The weight of the feature matching, at least 0.
        content_weight: The weight of the content loss, at least 0.
        content_loss: `None`, `"l1"`, `"l2"`, or a function of `(target, translation)` that returns
            `(batch,)`. The paper adds the absolute errors of five layers of VGG19; a
            `genzoo.losses.FeatureLoss` takes the squared error of one.
        penalty: `None`, `"wgan_gp"`, `"dragan"`, `"r1"`, `"r2"` or a `GradientPenalty`, on the mean
            score of an image by its target.
        augmentation: A layer that changes what the discriminator is shown in training: label maps
            and images alike. Features are matched without it.
        ema_half_life: The number of examples after which a moving average of the generator's
            weights has forgotten half of the old ones. `translate`, evaluation and export then use
            the average.
        adversarial_weight: The weight of the adversarial loss, at least 0.
        **kwargs: `name`, as in Keras.

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    label_maps = np.random.default_rng(0).integers(0, 3, (32, 16, 16))
    photos = np.eye(3, dtype="float32")[label_maps]     # one colour for each class
    model = genzoo.GauGAN((16, 16, 3), num_classes=3)
    model.compile()
    model.fit(label_maps, photos, batch_size=16, epochs=1, verbose=0)
    painted = model.translate(label_maps[:4])           # (4, 16, 16, 3)
    ```

    Reference: Park et al., Semantic Image Synthesis with Spatially-Adaptive Normalization, CVPR
    2019. Differs from the paper: there is no encoder of images, so the noise holds no style of an
    image; there is no content loss unless one is given; normalization uses the statistics of
    training at inference; the noise is added to the features of the label map.
    """

    directions = {"translate": ("generator", "label_map", "target")}

    feature_weight = Annealed("[0, inf)", _check_features)

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int,
        latent_dim: int | None = None,
        *,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        loss: str | losses.AdversarialLoss = "hinge",
        feature_weight: float = 10.0,
        content_weight: float = 10.0,
        content_loss: str | Callable | None = None,
        penalty: str | losses.GradientPenalty | None = None,
        augmentation: keras.layers.Layer | None = None,
        ema_half_life: float | None = None,
        adversarial_weight: float = 1.0,
        **kwargs,
    ):
        target = Images(validation.check_image_shape(image_shape), "target")
        label_map = LabelMaps(target.shape[:2], num_classes, "label_map")
        super().__init__(label_map, target, **kwargs)
        self.image_shape, self.num_classes = target.shape, label_map.num_classes
        if latent_dim is not None:
            validation.check_positive_int(latent_dim, "latent_dim")
        self.latent_dim = latent_dim
        self.set_losses(loss, content_loss, adversarial_weight, content_weight, penalty)
        self.matches_features = feature_weight != 0
        self.feature_weight = feature_weight
        self.set_networks(generator, discriminator, augmentation, ema_half_life)

    def default_generator(self) -> keras.Model:
        """Builds the default generator of residual blocks with `SPADE`."""
        return networks.spade_generator(
            self.data_shape, self.image_shape[-1], latent_dim=self.latent_dim
        )

    def default_discriminator(self) -> keras.Model:
        """Builds the default discriminator of two scales."""
        return networks.multiscale_discriminator(self.image_shape, self.num_classes)

    def default_optimizers(self):
        return {
            "generator_optimizer": keras.optimizers.Adam(1e-4, beta_1=0.0),
            "discriminator_optimizer": keras.optimizers.Adam(4e-4, beta_1=0.0),
        }

    def endpoints(self) -> dict[str, Endpoint]:
        """Adds `translate_soft`, which takes one-hot or soft label maps."""
        endpoints = super().endpoints()
        source = self.source_field("translate")
        step, _, target, *_ = endpoints["translate"]
        soft = Endpoint(step, (Images(source.shape, source.name),), target)
        return {**endpoints, "translate_soft": soft}
