"""The fully connected autoencoder."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_genzoo import networks
from keras_genzoo.core.validation import check_sizes
from keras_genzoo.models.encoder_decoder import EncoderDecoder


@keras.saving.register_keras_serializable("keras_genzoo")
class Autoencoder(EncoderDecoder):
    """A fully connected autoencoder.

    It is undercomplete if `latent_dim` is smaller than the number of features, overcomplete if it
    is larger, and deep with several `hidden_units`. It minimises the squared error, averaged over
    the features of an example. `fit(x, target)` trains it to map data to others of the same shape,
    such as noisy to clean ones; all autoencoders can.

    Args:
        data_shape: `(features,)` or `(height, width, channels)`.
        latent_dim: The number of dimensions of a code.
        hidden_units: The widths of the encoder's hidden layers; the decoder has them in reverse.
        encoder: Replaces the default network: maps data to codes `(batch, latent_dim)`.
        decoder: Replaces the default network: maps codes to data.
        **kwargs: Passed to Keras, such as `name`.

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    images, _ = genzoo.data.arrays("digits")
    model = genzoo.Autoencoder((8, 8, 1), latent_dim=8)
    model.compile()
    model.fit(images, epochs=2, verbose=0)
    codes = model.encode(images)             # (1437, 8)
    unusual = model.anomaly_score(images)    # (1437,)
    ```

    Reference: Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks,
    Science 313, 2006. Differs from the paper: ReLU networks trained at once by Adam, without
    layer-wise pretraining.
    """

    def __init__(
        self,
        data_shape: Sequence[int],
        latent_dim: int = 32,
        hidden_units: Sequence[int] = (512, 256),
        *,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        **kwargs,
    ):
        super().__init__(data_shape, latent_dim, **kwargs)
        check_sizes(hidden_units=hidden_units)
        self.hidden_units = tuple(hidden_units)
        self.build_networks(encoder, decoder)

    def default_encoder(self):
        return networks.dense_encoder(
            self.data_shape, self.latent_dim, hidden_units=self.hidden_units
        )

    def default_decoder(self):
        return networks.dense_decoder(
            self.data_shape,
            self.latent_dim,
            hidden_units=self.hidden_units[::-1],
            output_activation=self.output_activation,
        )
