"""WGAN: clipped weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import keras

from keras_genzoo import losses
from keras_genzoo.core.optimizers import project
from keras_genzoo.core.validation import check_range
from keras_genzoo.models.dcgan import DCGAN
from keras_genzoo.models.gan import GAN, GANOptions


@keras.saving.register_keras_serializable("keras_genzoo")
class WGAN(GAN):
    """A GAN that estimates the Wasserstein distance with a critic of clipped weights.

    Each step of `fit` is Algorithm 1's: five steps of the critic, each on its own fifth of the
    batch, then one of the generator. For the paper's batches of 64, pass `batch_size=320`.
    Images get DCGAN's networks, vectors multi-layer perceptrons.

    Args:
        data_shape: `(features,)` or `(height, width, channels)`.
        {latent_dim}
        {loss}
        clip_value: After each of its steps, all weights that the critic then trains are clipped to
            [-clip_value, clip_value].
        {num_classes}
        {penalty}
        {critic_steps}
        {options}

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    images, _ = genzoo.data.arrays("digits")
    model = genzoo.WGAN((8, 8, 1), latent_dim=16)
    model.compile()
    model.fit(images, batch_size=320, epochs=1, verbose=0)
    ```

    Reference: Arjovsky, Chintala & Bottou, Wasserstein GAN, ICML 2017. Differs from the paper: the
    generator's step reuses the last critic step's latents. Clipping also bounds the scales and
    shifts of BatchNormalization.
    """

    def __init__(
        self,
        data_shape: Sequence[int],
        latent_dim: int = 128,
        loss: str | losses.AdversarialLoss = "wasserstein",
        *,
        clip_value: float = 0.01,
        num_classes: int | None = None,
        penalty: str | losses.GradientPenalty | None = None,
        critic_steps: int = 5,
        **options: Unpack[GANOptions],
    ):
        check_range("(0, inf)", clip_value=clip_value)
        super().__init__(
            data_shape,
            latent_dim,
            loss,
            num_classes=num_classes,
            penalty=penalty,
            critic_steps=critic_steps,
            **options,
        )
        self.clip_value = clip_value

    default_generator = DCGAN.default_generator
    default_discriminator = DCGAN.default_discriminator

    def update(self, player, objective, tape):
        super().update(player, objective, tape)
        if player == "discriminator_optimizer":
            for weights in self.discriminator.trainable_variables:
                project(self.discriminator_optimizer, weights, self.clip)

    def clip(self, weights):
        """Clips weights to [-clip_value, clip_value]."""
        return keras.ops.clip(weights, -self.clip_value, self.clip_value)

    def default_optimizers(self):
        return {
            "generator_optimizer": keras.optimizers.RMSprop(5e-5),
            "discriminator_optimizer": keras.optimizers.RMSprop(5e-5),
        }
