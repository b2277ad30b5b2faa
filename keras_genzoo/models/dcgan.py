"""DCGAN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import keras

from keras_genzoo import losses, networks
from keras_genzoo.core import validation
from keras_genzoo.models.gan import GAN, GANOptions


@keras.saving.register_keras_serializable("keras_genzoo")
class DCGAN(GAN):
    """A GAN of strided convolutions, for images of any height, width and number of channels.

    The paper's guidelines: strides in place of pooling, BatchNormalization (not at the generator's
    output or the discriminator's input), ReLU and tanh in the generator, leaky ReLU in the
    discriminator, weights drawn from N(0, 0.02²), Adam with learning rate 0.0002 and β₁ = 0.5.

    Args:
        image_shape: `(height, width, channels)`.
        {latent_dim}
        {loss}
        {num_classes}
        {penalty}
        {critic_steps}
        {options}

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    images, _ = genzoo.data.arrays("digits")
    model = genzoo.DCGAN((8, 8, 1), latent_dim=16)
    model.compile()
    model.fit(images, batch_size=64, epochs=1, verbose=0)
    digits = model.sample(16, seed=0)        # (16, 8, 8, 1), in [0, 1]
    ```

    Reference: Radford, Metz & Chintala, Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks, ICLR 2016. Differs from the paper: 4×4 kernels,
    latents from a Gaussian, one batch of them for both players, BatchNormalization with momentum
    0.9, and as many stages as bring the shorter side to at most 7 pixels.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int = 100,
        loss: str | losses.AdversarialLoss = "non_saturating",
        *,
        num_classes: int | None = None,
        penalty: str | losses.GradientPenalty | None = None,
        critic_steps: int = 1,
        **options: Unpack[GANOptions],
    ):
        super().__init__(
            validation.check_image_shape(image_shape),
            latent_dim,
            loss,
            num_classes=num_classes,
            penalty=penalty,
            critic_steps=critic_steps,
            **options,
        )
        self.image_shape = self.data_shape

    def default_generator(self):
        return networks.generator(self.data_shape, self.latent_dim, num_classes=self.num_classes)

    def default_discriminator(self):
        return networks.discriminator(
            self.data_shape,
            num_classes=self.num_classes,
            packing=self.packing,
            # A penalty on the gradient of each example asks for scores that depend on it alone.
            normalization=self.penalty is None,
        )
