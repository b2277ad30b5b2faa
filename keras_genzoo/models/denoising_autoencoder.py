"""The denoising autoencoder."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from keras_genzoo.core.fields import data_field
from keras_genzoo.layers.noise import restarted_noise
from keras_genzoo.models.encoder_decoder import EncoderDecoder


@keras.saving.register_keras_serializable("keras_genzoo")
class DenoisingAutoencoder(EncoderDecoder):
    """An autoencoder that learns to restore clean data from corrupted data.

    `fit` and `evaluate` take clean data and corrupt it. `reconstruct(noisy)` denoises; it takes
    numbers of any range, as noise may leave [0, 1].

    Args:
        data_shape: `(features,)` or `(height, width, channels)`; images get convolutional networks.
        latent_dim: The number of dimensions of a code.
        corruption: A Keras layer, called with `training=True`: `keras.layers.GaussianNoise`,
            `genzoo.layers.MaskingNoise`, `genzoo.layers.SaltAndPepper` or any other. `None`:
            Gaussian noise of standard deviation 0.5.
        encoder: Replaces the default network: maps data to codes `(batch, latent_dim)`.
        decoder: Replaces the default network: maps codes to data.
        **kwargs: Passed to Keras, such as `name`.

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    images, _ = genzoo.data.arrays("digits")
    model = genzoo.DenoisingAutoencoder((8, 8, 1), corruption=genzoo.layers.SaltAndPepper(0.2))
    model.compile()
    model.fit(images, epochs=1, verbose=0)
    clean = model.reconstruct(images)
    ```

    Reference: Vincent et al., Extracting and Composing Robust Features with Denoising
    Autoencoders, ICML 2008. Differs from the paper: Gaussian noise by
    default (masking is `genzoo.layers.MaskingNoise`), squared error, untied weights, no stacking.
    """

    verbs = frozenset({"corrupt"})

    def __init__(
        self,
        data_shape: Sequence[int],
        latent_dim: int = 128,
        *,
        corruption: keras.layers.Layer | None = None,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        **kwargs,
    ):
        corruption = keras.layers.GaussianNoise(0.5) if corruption is None else corruption
        if not isinstance(corruption, keras.layers.Layer):
            raise ValueError(f"`corruption` must be a Keras layer. Received: {corruption!r}")
        super().__init__(data_shape, latent_dim, **kwargs)
        corrupted = corruption(keras.KerasTensor((None, *self.data_shape)), training=True)
        if tuple(corrupted.shape) != (None, *self.data_shape):
            raise ValueError(
                f"`corruption` must keep the shape {(None, *self.data_shape)}. "
                f"Received: a layer of output {corrupted.shape}"
            )
        self.corruption = corruption
        self.build_networks(encoder, decoder)

    @property
    def input_field(self):
        """The data as `reconstruct` and the other verbs take them: noise may leave [0, 1]."""
        return data_field(self.data_shape, bounded=False)

    def forward(self, x, labels, target, training):
        # Evaluation corrupts too, because it measures the denoising.
        corrupted = self.corruption(x, training=True)
        reconstruction = self.reconstruct_step(corrupted, labels, training)
        return self.squared_error(target, reconstruction), reconstruction, {}

    def evaluate(self, *args, **kwargs):
        """Keras's `evaluate`; the corruption is the same at every call."""
        with restarted_noise(self.corruption):
            return super().evaluate(*args, **kwargs)

    def corrupt(self, x: np.ndarray) -> np.ndarray:
        """Corrupts data `(n, *data_shape)` as in training; float32 of the same shape."""
        self.data_field.check(x, "x")
        return keras.ops.convert_to_numpy(
            self.corruption(self.data_field.convert(x), training=True)
        )
