"""Pix2pix: translation of images, learned from pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from keras_genzoo import losses, networks
from keras_genzoo.core import validation
from keras_genzoo.models.paired_translation import PairedTranslation, pair_fields


@keras.saving.register_keras_serializable("keras_genzoo")
class Pix2Pix(PairedTranslation):
    """A conditional GAN that translates images, learned from pairs of a source and a target.

    The generator minimises the adversarial loss plus `content_weight` times the difference between
    translation and target; the discriminator sees source and target side by side.

    Logs: `generator_loss` and `content_loss` (both without their weights), `discriminator_loss`
    (without the penalty), `gradient_penalty` if there is one, and the `augmentation_strength` of a
    layer that changes it.

    Args:
        source_shape: `(height, width, channels)` of the images to train on.
        target_shape: The same of the targets, whose channels may differ; by default as the source.
        generator: A Keras model in place of the U-Net. It maps sources, or `[sources, latents]`,
            to images in [0, 1]. If results show a fine grid, pass a
            `networks.unet_generator(..., upsampling="nearest")`.
        discriminator: A Keras model in place of the PatchGAN. It maps `[sources, targets]` to
            scores without an activation, one for an image, `(batch, 1)`, or for each patch,
            `(batch, rows, columns, 1)`.
        loss: `"minimax"`, `"non_saturating"`, `"least_squares"`, `"hinge"`, `"wasserstein"`, or an
            object of `genzoo.losses`.
        content_weight: The weight of the content loss, at least 0.
        content_loss: `"l1"`, `"l2"`, or a function of `(target, translation)` that returns
            `(batch,)`, such as a `genzoo.losses.FeatureLoss`.
        penalty: `None`, `"wgan_gp"`, `"dragan"`, `"r1"`, `"r2"` or a `GradientPenalty`, on the mean
            score of an image by its target.
        augmentation: A layer that changes what the discriminator is shown in training: source and
            target alike, real and generated ones.
        ema_half_life: The number of examples after which a moving average of the generator's
            weights has forgotten half of the old ones. `translate`, evaluation and export then use
            the average.
        latent_dim: The length of a noise vector that the generator also takes, so that one source
            has several translations. The paper found that the generator ignores such noise.
        adversarial_weight: The weight of the adversarial loss; 0 leaves the content loss alone.
        **kwargs: `name`, as in Keras.

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    photos = np.random.default_rng(0).random((64, 32, 32, 3), "float32")
    grey = photos.mean(axis=-1, keepdims=True)
    model = genzoo.Pix2Pix((32, 32, 1), (32, 32, 3))
    model.compile()
    model.fit(grey, photos, batch_size=16, epochs=1, verbose=0)
    colored = model.translate(grey[:4])          # (4, 32, 32, 3)
    ```

    Reference: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR
    2017. Differs from the paper: dropout is off at inference and normalization uses the statistics
    of training, so that a translation depends on its source alone; the discriminator's loss is not
    halved; images lie in [0, 1], where the paper's weight of 100 for the content is 200.
    """

    def __init__(
        self,
        source_shape: Sequence[int],
        target_shape: Sequence[int] | None = None,
        *,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        loss: str | losses.AdversarialLoss = "non_saturating",
        content_weight: float = 100.0,
        content_loss: str | Callable = "l1",
        penalty: str | losses.GradientPenalty | None = None,
        augmentation: keras.layers.Layer | None = None,
        ema_half_life: float | None = None,
        latent_dim: int | None = None,
        adversarial_weight: float = 1.0,
        **kwargs,
    ):
        source, target = pair_fields(source_shape, target_shape)
        super().__init__(source, target, **kwargs)
        self.source_shape, self.target_shape = source.shape, target.shape
        if latent_dim is not None:
            validation.check_positive_int(latent_dim, "latent_dim")
        self.latent_dim = latent_dim
        self.set_losses(loss, content_loss, adversarial_weight, content_weight, penalty)
        self.set_networks(generator, discriminator, augmentation, ema_half_life)

    def default_generator(self) -> keras.Model:
        """Builds the default U-Net."""
        return networks.unet_generator(
            self.source_shape, self.target_shape[-1], latent_dim=self.latent_dim
        )

    def default_discriminator(self) -> keras.Model:
        """Builds the default PatchGAN; without BatchNormalization if there is a penalty."""
        return networks.patch_discriminator(
            self.target_shape,
            self.source_shape[-1],
            normalization="batch" if self.penalty is None else None,
        )
