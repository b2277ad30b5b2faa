"""What autoencoders and VAEs share: encoder → code → decoder, one optimizer, the verbs."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import networks
from keras_genzoo.models import checks
from keras_genzoo.models.generative_model import GenerativeModel
from keras_genzoo.models.serving import Endpoint


class EncoderDecoder(GenerativeModel):
    """Base of the autoencoders; as it stands, the squared error is minimised.

    A subclass calls `build_networks` at the end of its constructor, and overrides what its paper
    does otherwise: most often `losses_and_reconstruction`.
    """

    def __init__(
        self,
        data_shape: Sequence[int],
        latent_dim: int,
        *,
        num_classes: int | None = None,
        **kwargs,
    ):
        super().__init__(data_shape, num_classes, **kwargs)
        self.latent_dim = checks.check_positive_int(latent_dim, "latent_dim")

    def build_networks(self, encoder: keras.Model | None, decoder: keras.Model | None) -> None:
        """Takes the networks given, or the default ones, if they fit the data."""
        self.encoder = self.default_encoder() if encoder is None else encoder
        self.decoder = self.default_decoder() if decoder is None else decoder
        labels = {} if self.num_classes is None else {"labels": ()}
        data, codes = {"data": self.data_shape}, {"codes": (self.latent_dim,)}
        checks.check_network(self.encoder, "encoder", data | labels, (self.encoder_outputs,))
        checks.check_network(self.decoder, "decoder", codes | labels, self.data_shape)
        given = {"encoder": encoder, "decoder": decoder}
        self.remember_initial(*(name for name, network in given.items() if network is None))

    @property
    def encoder_outputs(self) -> int:
        """Numbers that the encoder gives an example."""
        return self.latent_dim

    @property
    def output_activation(self) -> str | None:
        """The default decoder's last activation: it keeps images in [0, 1]."""
        return "sigmoid" if networks.is_image(self.data_shape) else None

    def default_encoder(self) -> keras.Model:
        """The encoder unless one is given."""
        return networks.encoder(self.data_shape, self.encoder_outputs)

    def default_decoder(self) -> keras.Model:
        """The decoder unless one is given."""
        return networks.decoder(
            self.data_shape, self.latent_dim, output_activation=self.output_activation
        )

    def default_optimizers(self):
        return {"optimizer": keras.optimizers.Adam(1e-3)}

    def compile(self, optimizer: str | keras.optimizers.Optimizer | None = None, **options) -> None:
        """Configures training.

        Args:
            optimizer: Any Keras optimizer; Adam with learning rate 0.001 unless given.
            **options: Keras's `metrics` (of the data and its reconstruction), `run_eagerly`,
                `steps_per_execution` and `jit_compile`.
        """
        self._compile({"optimizer": optimizer}, **options)

    log_names = ("loss",)

    def call(self, inputs, training=False):
        """Reconstructs data, or `[data, labels]`; differentiable."""
        x, labels = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        return self.reconstruct_step(x, labels, training)

    def reconstruct_step(self, x, labels, training):
        """Data of data; uint8 images are scaled first."""
        codes = self.encode_step(self.to_float(x), labels, training)
        return self.decode_step(codes, labels, training)

    def encode_step(self, x, labels, training):
        """Codes of float32 data."""
        return self.encoder(x if labels is None else [x, labels], training=training)

    def decode_step(self, codes, labels, training):
        """Data of codes, float32."""
        data = self.decoder(codes if labels is None else [codes, labels], training=training)
        return tf.cast(data, tf.float32)

    def squared_error(self, x, reconstruction):
        """Mean over the numbers of each example, (batch,)."""
        return tf.reduce_mean((x - reconstruction) ** 2, axis=list(range(1, len(x.shape))))

    def losses_and_reconstruction(self, x, labels, training):
        """What is logged, by name (`loss` is minimised), and the reconstruction."""
        reconstruction = self.reconstruct_step(x, labels, training)
        return {"loss": self.squared_error(x, reconstruction)}, reconstruction

    def train_step(self, data):
        x, labels = self.unpack(data)
        with tf.GradientTape() as tape:
            losses, reconstruction = self.losses_and_reconstruction(x, labels, training=True)
            loss = self.mean(losses["loss"])
            loss += self.regularization(self.encoder) + self.regularization(self.decoder)
        self.update("optimizer", loss, tape)
        self.log(**losses)
        return self.compute_metrics(x, x, reconstruction)

    def test_step(self, data):
        x, labels = self.unpack(data)
        losses, reconstruction = self.losses_and_reconstruction(x, labels, training=False)
        self.log(**losses)
        logs = self.compute_metrics(x, x, reconstruction)
        if self.generative_metrics:
            logs |= self.judge(x, self.generated(reconstruction, labels))
        return logs

    def generated(self, reconstruction, labels):
        """What the metrics of generated data judge."""
        return reconstruction

    def encode(self, x: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Codes `(n, latent_dim)` of data `(n, *data_shape)`."""
        labels = self.check_inputs(x, labels)
        return self.in_batches(
            lambda x, y: self.encode_step(self.to_float(x), y, training=False), x, labels
        )

    def decode(self, codes: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Data `(n, *data_shape)` of codes `(n, latent_dim)`."""
        checks.check_data(codes, (self.latent_dim,), bounded=False, name="codes")
        labels = self.check_labels(labels, len(codes))
        return self.in_batches(
            lambda z, y: self.decode_step(tf.cast(z, tf.float32), y, training=False), codes, labels
        )

    def reconstruct(self, x: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """`decode(encode(x))`, `(n, *data_shape)`."""
        labels = self.check_inputs(x, labels)
        return self.in_batches(lambda x, y: self.reconstruct_step(x, y, False), x, labels)

    def anomaly_score(self, x: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """The mean squared error of the reconstruction, `(n,)`; higher is stranger."""
        labels = self.check_inputs(x, labels)
        return self.in_batches(self.anomaly_step, x, labels)

    def anomaly_step(self, x, labels):
        """Anomaly scores of data, `(batch,)`."""
        return self.squared_error(self.to_float(x), self.reconstruct_step(x, labels, False))

    def served_networks(self):
        return [self.encoder, self.decoder]

    def tensor_specs(self):
        codes = tf.TensorSpec((None, self.latent_dim), tf.float32, "codes")
        return super().tensor_specs() | {"codes": codes}

    def endpoints(self):
        def infer(step):
            return functools.partial(step, training=False)

        data = self.data_name
        return {
            "serving_default": Endpoint(infer(self.reconstruct_step), (data, "labels"), data),
            "encode": Endpoint(infer(self.encode_step), (data, "labels"), "codes"),
            "decode": Endpoint(infer(self.decode_step), ("codes", "labels"), data),
            "anomaly_score": Endpoint(self.anomaly_step, (data, "labels"), "scores"),
        }

    def check_inputs(self, x, labels=None) -> tf.Tensor | None:
        """Checks the data given to a verb; returns the labels."""
        return self.check_data(x, labels, bounded=self.bounded_inputs)
