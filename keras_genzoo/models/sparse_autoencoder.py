"""The sparse autoencoder."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_genzoo import networks
from keras_genzoo.core.annealing import Annealed
from keras_genzoo.core.validation import check_range, check_unit_outputs
from keras_genzoo.losses import bernoulli_kl
from keras_genzoo.models.encoder_decoder import EncoderDecoder


@keras.saving.register_keras_serializable("keras_genzoo")
class SparseAutoencoder(EncoderDecoder):
    """An autoencoder whose sigmoid code units are rarely active.

    It adds to the squared error, averaged over the features of an example,
    `kl_weight` Σⱼ KL(target_rate ‖ ρⱼ) + `l1_weight` Σⱼ |aⱼ|, where aⱼ is the activation of unit j
    and ρⱼ its mean over the batch. An activation counts as the probability that its unit is active,
    so that `active_fraction`, the mean activation, is logged for comparison with the target rate.

    Args:
        data_shape: `(features,)` or `(height, width, channels)`; images get convolutional networks.
        latent_dim: The number of units of the code, often larger than the number of features.
        target_rate: The mean activation at which the sparsity costs nothing, in (0, 1).
        kl_weight: The weight of the KL divergence, at least 0.
        l1_weight: The weight of the L1 norm of an example's code, at least 0.
        encoder: Replaces the default network: maps data to activations `(batch, latent_dim)`,
            which must lie in [0, 1] unless `kl_weight` is 0.
        decoder: Replaces the default network: maps codes to data.
        **kwargs: Passed to Keras, such as `name`.

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    images, _ = genzoo.data.arrays("digits")
    model = genzoo.SparseAutoencoder((8, 8, 1), latent_dim=64, target_rate=0.1)
    model.compile()
    model.fit(images, epochs=1, verbose=0)
    ```

    Reference: Ng, Sparse autoencoder, CS294A lecture notes, 2011. Differs from the
    notes: rates are means over the batch and not over the data set, the squared error is a mean (so
    that `kl_weight` is not comparable with their β), there is no weight decay, an L1 term is
    possible, images get convolutions, and Adam trains the weights.
    """

    kl_weight, l1_weight = Annealed("[0, inf)"), Annealed("[0, inf)")

    def __init__(
        self,
        data_shape: Sequence[int],
        latent_dim: int = 256,
        *,
        target_rate: float = 0.05,
        kl_weight: float = 1e-3,
        l1_weight: float = 0.0,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        **kwargs,
    ):
        check_range("(0, 1)", target_rate=target_rate)
        super().__init__(data_shape, latent_dim, **kwargs)
        self.target_rate, self.kl_weight, self.l1_weight = target_rate, kl_weight, l1_weight
        self.build_networks(encoder, decoder)
        if encoder is not None and self.kl_weight > 0:
            check_unit_outputs(encoder, "encoder", {"data": self.data_shape})

    def default_encoder(self):
        return networks.encoder(self.data_shape, self.latent_dim, output_activation="sigmoid")

    log_names = ("loss", "reconstruction_loss", "sparsity_loss", "active_fraction")

    def forward(self, x, labels, target, training):
        activations = self.encode_step(x, labels, training)
        reconstruction = self.decode_step(activations, labels, training)
        error = self.squared_error(target, reconstruction)
        rates = self.batch_mean(activations)
        sparsity = self.kl_weight * bernoulli_kl(self.target_rate, rates)
        sparsity += self.l1_weight * tf.reduce_sum(tf.abs(activations), axis=-1)
        logs = {
            "reconstruction_loss": error,
            "sparsity_loss": sparsity,
            "active_fraction": tf.reduce_mean(activations, axis=-1),
        }
        return error + sparsity, reconstruction, logs
