"""The denoising autoencoder."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_genzoo.models.encoder_decoder import EncoderDecoder


@keras.saving.register_keras_serializable("keras_genzoo")
class DenoisingAutoencoder(EncoderDecoder):
    """An autoencoder that is shown corrupted data and asked for the clean one.

    `fit` and `evaluate` take clean data and corrupt it; `reconstruct(noisy)` denoises, and so
    takes numbers of any range.

    Args:
        data_shape: `(features,)` or `(height, width, channels)`; images get convolutional networks.
        latent_dim: Numbers in a code.
        corruption: A Keras layer, called with `training=True`: `keras.layers.GaussianNoise`,
            `genzoo.layers.MaskingNoise`, `genzoo.layers.SaltAndPepper` or any other. `None`:
            Gaussian noise of standard deviation 0.5.
        encoder: Replaces the default network: maps data to codes `(batch, latent_dim)`.
        decoder: Replaces the default network: maps codes to data.
        **kwargs: Keras's own, such as `name`.

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
    Autoencoders, ICML 2008. Differs from the paper: squared error, no stacking.
    """

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

    def losses_and_reconstruction(self, x, labels, training):
        # Corrupted in evaluation too: what is measured is the denoising.
        corrupted = self.corruption(x, training=True)
        reconstruction = self.reconstruct_step(corrupted, labels, training)
        return {"loss": self.squared_error(x, reconstruction)}, reconstruction

    def evaluate(self, *args, **kwargs):
        """Keras's `evaluate`; the same corruption at every call."""
        # The corruption's seeds are its only integers. They start anew, and go on afterwards where
        # training left them.
        seeds = [v for v in self.corruption.variables if "int" in v.dtype]
        before = [seed.numpy() for seed in seeds]
        for seed in seeds:
            seed.assign(keras.ops.zeros_like(seed))
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            for seed, state in zip(seeds, before, strict=True):
                seed.assign(state)

    bounded_inputs = False
