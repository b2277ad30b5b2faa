"""SRGAN: super-resolution with a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from keras_genzoo import losses, networks
from keras_genzoo.models.paired_translation import PairedTranslation
from keras_genzoo.models.super_resolution import Enlarging


@keras.saving.register_keras_serializable("keras_genzoo")
class SRGAN(Enlarging, PairedTranslation):
    """A network that enlarges images, trained so that the results look like real large images.

    The generator minimises `content_weight` times the content loss plus `adversarial_weight` times
    the adversarial loss, of a discriminator that sees large images alone. It best starts as the
    network of a `SuperResolution` that was trained for PSNR, whose weights it then changes:

    `genzoo.SRGAN(source_shape, scale, generator=model.network)`

    `fit(small, large)` takes pairs, and `fit(large)` reduces the large images itself. `translate`
    takes images of any size.

    Logs: `generator_loss` and `content_loss` (both without their weights), `discriminator_loss`
    (without the penalty), `gradient_penalty` if there is one, and the `augmentation_strength` of a
    layer that changes it.

    Args:
        source_shape: `(height, width, channels)` of the small patches to train on.
        scale: 2, 3, 4 or 8, the factor of each side.
        generator: A Keras model in place of `networks.edsr_generator`. It maps small images to
            images in [0, 1] of `scale` times the size.
        discriminator: A Keras model in place of `networks.srgan_discriminator`. It maps large
            images to scores without an activation, one for an image or for each patch.
        loss: `"minimax"`, `"non_saturating"`, `"least_squares"`, `"hinge"`, `"wasserstein"`, or an
            object of `genzoo.losses`.
        content_weight: The weight of the content loss, at least 0.
        content_loss: `"l1"`, `"l2"`, or a function of `(target, translation)` that returns
            `(batch,)`. The paper's is
            `genzoo.losses.FeatureLoss(genzoo.networks.vgg19_features(), weight=1 / 12.75**2)`.
        penalty: `None`, `"wgan_gp"`, `"dragan"`, `"r1"`, `"r2"` or a `GradientPenalty`.
        augmentation: A layer that changes what the discriminator is shown in training.
        ema_half_life: The number of examples after which a moving average of the generator's
            weights has forgotten half of the old ones. `translate`, evaluation and export then use
            the average.
        adversarial_weight: The weight of the adversarial loss, at least 0.
        **kwargs: `name`, as in Keras.

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    patches = np.random.default_rng(0).random((16, 32, 32, 3), "float32")
    network = genzoo.networks.edsr_generator((16, 16, 3), 2, filters=16, blocks=2)
    model = genzoo.SRGAN((16, 16, 3), scale=2, generator=network)
    model.compile()
    model.fit(patches, batch_size=8, epochs=1, verbose=0)
    large = model.translate(patches[:4])          # (4, 64, 64, 3)
    ```

    Reference: Ledig et al., Photo-Realistic Single Image Super-Resolution Using a Generative
    Adversarial Network, CVPR 2017. Differs from the paper: the generator is EDSR's, without
    BatchNormalization, because that leaves artefacts; the content is compared in the pixels by
    default, of images in [0, 1], so that the paper's weight of 1 is 4 here; the discriminator
    averages its features over the image.
    """

    conditional = False

    def __init__(
        self,
        source_shape: Sequence[int],
        scale: int = 4,
        *,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        loss: str | losses.AdversarialLoss = "non_saturating",
        content_weight: float = 1.0,
        content_loss: str | Callable = "l2",
        penalty: str | losses.GradientPenalty | None = None,
        augmentation: keras.layers.Layer | None = None,
        ema_half_life: float | None = None,
        adversarial_weight: float = 1e-3,
        **kwargs,
    ):
        source, target = self.enlarging_fields(source_shape, scale)
        super().__init__(source, target, **kwargs)
        self.source_shape, self.scale = source.shape, int(scale)
        self.set_losses(loss, content_loss, adversarial_weight, content_weight, penalty)
        self.set_networks(generator, discriminator, augmentation, ema_half_life)

    def default_generator(self) -> keras.Model:
        """Builds the default EDSR."""
        return networks.edsr_generator(self.source_shape, self.scale)

    def default_discriminator(self) -> keras.Model:
        """Builds the default discriminator; without BatchNormalization if there is a penalty."""
        return networks.srgan_discriminator(
            self.field("target").shape, normalization="batch" if self.penalty is None else None
        )

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(1e-4) for player in self.players}
