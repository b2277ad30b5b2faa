"""The convolutional autoencoder."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_genzoo import networks
from keras_genzoo.core import validation
from keras_genzoo.models.encoder_decoder import EncoderDecoder


@keras.saving.register_keras_serializable("keras_genzoo")
class ConvolutionalAutoencoder(EncoderDecoder):
    """An autoencoder of strided convolutions, for images of any size.

    Args:
        image_shape: `(height, width, channels)`.
        latent_dim: The number of dimensions of a code.
        filters: Filters of the encoder's stages, each of which halves the image; the decoder has
            them in reverse. `None`: 32, doubled a stage, until the shorter side is at most 4.
        encoder: Replaces the default network: maps images to codes `(batch, latent_dim)`.
        decoder: Replaces the default network: maps codes to images.
        **kwargs: Passed to Keras, such as `name`.

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    images, _ = genzoo.data.arrays("digits")
    model = genzoo.ConvolutionalAutoencoder((8, 8, 1), latent_dim=8)
    model.compile()
    model.fit(images, epochs=1, verbose=0)
    restored = model.reconstruct(images)     # (1437, 8, 8, 1), in [0, 1]
    ```

    Reference: Masci et al., Stacked Convolutional Auto-Encoders for Hierarchical Feature
    Extraction, ICANN 2011. Differs from the paper: strides in place of pooling, BatchNormalization,
    trained at once.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int = 32,
        filters: Sequence[int] | None = None,
        *,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        **kwargs,
    ):
        super().__init__(validation.check_image_shape(image_shape), latent_dim, **kwargs)
        self.image_shape = self.data_shape
        filters = networks.autoencoder_filters(self.image_shape) if filters is None else filters
        validation.check_sizes(filters=filters)
        self.filters = tuple(filters)
        self.build_networks(encoder, decoder)

    def default_encoder(self):
        return networks.convolutional_encoder(
            self.image_shape, self.latent_dim, filters=self.filters
        )

    def default_decoder(self):
        return networks.convolutional_decoder(
            self.image_shape,
            self.latent_dim,
            filters=self.filters,
            output_activation=self.output_activation,
        )
