"""The conditional GAN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import keras

from keras_genzoo import losses
from keras_genzoo.core import validation
from keras_genzoo.models.dcgan import DCGAN
from keras_genzoo.models.gan import GAN, GANOptions


@keras.saving.register_keras_serializable("keras_genzoo")
class ConditionalGAN(GAN):
    """A GAN whose two networks see a label, so that samples of a chosen class can be drawn.

    Images get DCGAN's networks, vectors multi-layer perceptrons. The generator sees the one-hot
    label beside its latents, the discriminator projects its features on a vector of the class.

    Args:
        image_shape: `(height, width, channels)`, or `(features,)`.
        num_classes: Labels are integers in [0, num_classes).
        {latent_dim}
        {loss}
        {penalty}
        {critic_steps}
        {options}

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    images, labels = genzoo.data.arrays("digits")
    model = genzoo.ConditionalGAN((8, 8, 1), num_classes=10, latent_dim=16)
    model.compile()
    model.fit(images, labels, batch_size=64, epochs=1, verbose=0)
    sevens = model.sample(labels=[7] * 4, seed=0)    # (4, 8, 8, 1), in [0, 1]
    ```

    Reference: Mirza & Osindero, Conditional Generative Adversarial Nets, 2014. Differs from the
    paper: convolutions for images, no separate layer for the label, one batch of noise for both
    players, and in the discriminator a projection (Miyato & Koyama, ICLR 2018) instead of
    concatenation.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int,
        latent_dim: int = 100,
        loss: str | losses.AdversarialLoss = "non_saturating",
        *,
        penalty: str | losses.GradientPenalty | None = None,
        critic_steps: int = 1,
        **options: Unpack[GANOptions],
    ):
        super().__init__(
            image_shape,
            latent_dim,
            loss,
            num_classes=validation.check_positive_int(num_classes, "num_classes"),
            penalty=penalty,
            critic_steps=critic_steps,
            **options,
        )
        self.image_shape = self.data_shape

    default_generator = DCGAN.default_generator
    default_discriminator = DCGAN.default_discriminator
