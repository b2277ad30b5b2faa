"""The base of the autoencoders: their step, verbs and endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import networks
from keras_genzoo.core import validation
from keras_genzoo.core.batches import over_data_sets
from keras_genzoo.core.decoding import Decoding
from keras_genzoo.core.fields import Labels, Target, data_field
from keras_genzoo.core.model import GenerativeModel
from keras_genzoo.serving.endpoints import Endpoint


class EncoderDecoder(Decoding, GenerativeModel):
    """The base of the autoencoders; by default it minimises the squared error.

    A subclass calls `build_networks` at the end of its constructor, and overrides what its paper
    changes: most often `forward`.

    Args:
        data_shape: `(features,)` or `(height, width, channels)`.
        latent_dim: The number of dimensions of a code.
        num_classes: The number of classes, if the networks also see a label.
        bounded: Whether the data must lie in [0, 1]; by default images must and vectors need not.
        **kwargs: Passed to Keras, such as `name`.
    """

    verbs = frozenset({"encode", "reconstruct", "anomaly_score"})
    players = {"optimizer": ("encoder", "decoder")}
    log_names = ("loss",)

    def __init__(
        self,
        data_shape: Sequence[int],
        latent_dim: int,
        *,
        num_classes: int | None = None,
        bounded: bool | None = None,
        **kwargs,
    ):
        field = data_field(data_shape, bounded)
        second = Target(field) if num_classes is None else Labels(num_classes)
        super().__init__(field, second, **kwargs)
        self.latent_dim = validation.check_positive_int(latent_dim, "latent_dim")

    def build_networks(self, encoder: keras.Model | None, decoder: keras.Model | None) -> None:
        """Sets the given or default networks and checks their shapes."""
        self.encoder = self.default_encoder() if encoder is None else encoder
        self.decoder = self.default_decoder() if decoder is None else decoder
        labels = {} if self.num_classes is None else {"labels": ()}
        data, codes = {"data": self.data_shape, **labels}, {"codes": (self.latent_dim,), **labels}
        validation.check_network(self.encoder, "encoder", data, (self.encoder_outputs,))
        validation.check_network(self.decoder, "decoder", codes, self.data_shape)
        validation.check_raw_outputs(decoder, "decoder", codes, getattr(self, "likelihood", None))

    @property
    def encoder_outputs(self) -> int:
        """The number of the encoder's outputs for an example."""
        return self.latent_dim

    @property
    def output_activation(self) -> str | None:
        """The default decoder's last activation, which keeps images in [0, 1]."""
        return "sigmoid" if networks.is_image(self.data_shape) else None

    def default_encoder(self) -> keras.Model:
        """Builds the default encoder."""
        return networks.encoder(self.data_shape, self.encoder_outputs)

    def default_decoder(self) -> keras.Model:
        """Builds the default decoder."""
        return networks.decoder(
            self.data_shape, self.latent_dim, output_activation=self.output_activation
        )

    def default_optimizers(self):
        return {"optimizer": keras.optimizers.Adam(1e-3)}

    def compile(
        self, optimizer: str | keras.optimizers.Optimizer | None = None, *others, **options
    ) -> None:
        """Configures training.

        Args:
            optimizer: Any Keras optimizer; Adam with learning rate 0.001 by default.
            *others: Refused.
            **options: Keras's `metrics` (of the data and its reconstruction), `run_eagerly`,
                `steps_per_execution` and `jit_compile`.
        """
        super().compile(optimizer, *others, **options)

    def call(self, inputs, training=False):
        """Reconstructs data, or `[data, labels]`; differentiable."""
        x, labels = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        return self.reconstruct_step(x, labels, training)

    def reconstruct_step(self, x, labels, training):
        """Reconstructs data, which may be uint8 images."""
        codes = self.encode_step(self.data_field.convert(x), labels, training)
        return self.decode_step(codes, labels, training)

    def encode_step(self, x, labels, training):
        """Encodes float32 data."""
        return self.run("encoder", x, labels, training=training)

    def decode_step(self, codes, labels, training):
        """Decodes codes to float32 data."""
        return self.run("decoder", codes, labels, training=training)

    def squared_error(self, x, reconstruction):
        """Averages the squared error over the features of each example, `(batch,)`."""
        return tf.reduce_mean((x - reconstruction) ** 2, axis=list(range(1, len(x.shape))))

    def forward(self, x, labels, target, training):
        """Passes a batch through the model.

        Args:
            x: Data `(batch, *data_shape)`.
            labels: Their classes, `(batch,)`, or `None`.
            target: The data that the model should reconstruct; `x` itself if the user passed none.
            training: Passed to the networks.

        Returns:
            The loss `(batch,)` that is minimised, the reconstruction, and further logs by name.
        """
        reconstruction = self.reconstruct_step(x, labels, training)
        return self.squared_error(target, reconstruction), reconstruction, {}

    def unpack_target(self, data) -> tuple:
        """Returns the data, their labels or `None`, and what should be reconstructed."""
        x, second = self.unpack(data)
        if self.num_classes is not None:
            return x, second, x
        return x, None, x if second is None else second

    def train_step(self, data):
        x, labels, target = self.unpack_target(data)
        with tf.GradientTape() as tape:
            loss, reconstruction, logs = self.forward(x, labels, target, training=True)
            objective = self.objective("optimizer", loss)
        self.update("optimizer", objective, tape)
        self.log(loss=loss, **logs)
        return self.compute_metrics(x, target, reconstruction)

    def test_step(self, data):
        x, labels, target = self.unpack_target(data)
        loss, reconstruction, logs = self.forward(x, labels, target, training=False)
        self.log(loss=loss, **logs)
        results = self.compute_metrics(x, target, reconstruction)
        if self.generative_metrics:
            generated = self.generated(reconstruction, labels)
            results |= self.update_generative_metrics(target, generated)
        return results

    def generated(self, reconstruction, labels):
        """Returns the data that the generative metrics compare with real data."""
        return reconstruction

    @over_data_sets
    def encode(self, x: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Encodes data `(n, *data_shape)`, or a data set of them, to codes `(n, latent_dim)`."""
        labels, convert = self.check_data(x, labels), self.data_field.convert
        return self.in_batches(lambda x, y: self.encode_step(convert(x), y, False), x, labels)

    @over_data_sets
    def reconstruct(self, x: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Encodes and decodes data `(n, *data_shape)`; float32 of the same shape."""
        labels = self.check_data(x, labels)
        return self.in_batches(lambda x, y: self.reconstruct_step(x, y, False), x, labels)

    @over_data_sets
    def anomaly_score(self, x: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Returns a score of each example, float32 `(n,)`; higher is stranger.

        It is the mean squared error of the reconstruction. Of a `VAE` it is -log p(x|z) at the
        posterior's mean plus the KL divergence, in nats.
        """
        labels = self.check_data(x, labels)
        return self.in_batches(self.anomaly_step, x, labels)

    def anomaly_step(self, x, labels):
        """Returns the anomaly scores of data, `(batch,)`."""
        x = self.data_field.convert(x)
        return self.squared_error(x, self.reconstruct_step(x, labels, training=False))

    def endpoints(self):
        """Adds an endpoint for each verb; `serving_default` reconstructs."""
        data = (self.input_field, self.labels_field)
        codes = (self.codes_field, self.labels_field)
        name = self.data_field.name
        return {
            "serving_default": Endpoint(partial(self.reconstruct_step, training=False), data, name),
            "encode": Endpoint(partial(self.encode_step, training=False), data, "codes"),
            "decode": Endpoint(partial(self.decode_step, training=False), codes, name),
            "anomaly_score": Endpoint(self.anomaly_step, data, "scores"),
        } | super().endpoints()
