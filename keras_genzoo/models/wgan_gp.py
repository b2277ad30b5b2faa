"""WGAN-GP: the gradient penalty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import keras

from keras_genzoo import losses
from keras_genzoo.models.dcgan import DCGAN
from keras_genzoo.models.gan import GAN, GANOptions


@keras.saving.register_keras_serializable("keras_genzoo")
class WGANGP(GAN):
    """A Wasserstein GAN whose critic is kept Lipschitz by a gradient penalty.

    Each step of `fit` is Algorithm 1's: five steps of the critic, each on its own fifth of the
    batch, then one of the generator. For the paper's batches of 64, pass `batch_size=320`.
    Images get DCGAN's networks, without BatchNormalization in the critic; vectors get multi-layer
    perceptrons.

    Args:
        data_shape: `(features,)` or `(height, width, channels)`.
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
    points = genzoo.data.ring(8).sample(2_000, seed=0)
    model = genzoo.WGANGP((2,), latent_dim=16)
    model.compile()
    model.fit(points, batch_size=320, epochs=1, verbose=0)
    ```

    Reference: Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017. Differs from
    the paper: no layer normalization in the critic; the generator's step reuses the last critic
    step's latents; images lie in [0, 1] and not in [-1, 1], so that the norm 1 and the weight 10
    are the paper's ½ and 40 (for the paper's own: `GradientPenalty(2.5, target=2)`).
    """

    def __init__(
        self,
        data_shape: Sequence[int],
        latent_dim: int = 128,
        loss: str | losses.AdversarialLoss = "wasserstein",
        *,
        num_classes: int | None = None,
        penalty: str | losses.GradientPenalty | None = "wgan_gp",
        critic_steps: int = 5,
        **options: Unpack[GANOptions],
    ):
        super().__init__(
            data_shape,
            latent_dim,
            loss,
            num_classes=num_classes,
            penalty=penalty,
            critic_steps=critic_steps,
            **options,
        )

    default_generator = DCGAN.default_generator
    default_discriminator = DCGAN.default_discriminator

    def default_optimizers(self):
        return {
            "generator_optimizer": keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9),
            "discriminator_optimizer": keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9),
        }
