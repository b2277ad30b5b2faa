"""The variational autoencoder."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import networks
from keras_genzoo.core.annealing import Annealed
from keras_genzoo.core.batches import over_data_sets
from keras_genzoo.core.sampling import LatentSampling
from keras_genzoo.core.validation import check_positive_int, check_seed, check_shape
from keras_genzoo.layers import likelihoods
from keras_genzoo.losses import gaussian_kl
from keras_genzoo.models.encoder_decoder import EncoderDecoder


@keras.saving.register_keras_serializable("keras_genzoo")
class VAE(LatentSampling, EncoderDecoder):
    """A variational autoencoder, and with `num_classes` a class-conditional one.

    It minimises `beta` KL(q(z|x) ‖ p(z)) - E[log p(x|z)], with p(z) = N(0, 1) and a Gaussian
    posterior q of diagonal covariance. All logs are in nats per example: `loss`,
    `reconstruction_loss` (-log p(x|z)), `kl_loss` and `elbo` (for β = 1, minus the loss).

    Args:
        data_shape: `(features,)` or `(height, width, channels)`; images get convolutional networks.
        latent_dim: The number of dimensions of z.
        beta: The weight of the KL divergence (Higgins et al., β-VAE, ICLR 2017), or a schedule of
            it. If `kl_loss` falls to 0, z is not used: let β rise from 0 (Bowman et al., 2016).
        likelihood: p(x|z): `"bernoulli"` for data in [0, 1], the default for images; `"gaussian"`
            with a fitted standard deviation, the default for vectors; or an object like those of
            `genzoo.layers`.
        normalize: Whether the networks see each feature of a vector with mean 0 and standard
            deviation 1 over the data of the first `fit`. All results are in the data's own units.
        num_classes: The number of classes, if encoder and decoder also see a label (Kingma et al.,
            2014). The verbs then take `labels`.
        encoder: Replaces the default network: maps data (or `[data, labels]`) to the posterior's
            mean and log-variance side by side, `(batch, 2 * latent_dim)`.
        decoder: Replaces the default network: maps latents (or `[latents, labels]`) to the
            likelihood's parameters: logits (Bernoulli) or means (Gaussian).
        **kwargs: Passed to Keras, such as `name`.

    Attributes:
        samples_means: Whether `sample`, its endpoint and metrics take E[x|z] and not a draw from
            p(x|z). By default true for images and Bernoulli likelihoods; it is not saved.

    Raises:
        ValueError: If an argument or a network's shape does not fit.

    Example:
    ```python
    images, _ = genzoo.data.arrays("digits")
    model = genzoo.VAE((8, 8, 1), latent_dim=4)
    model.compile()
    model.fit(images, epochs=1, verbose=0)
    new = model.sample(16, seed=0)                                # (16, 8, 8, 1), in [0, 1]
    bound = model.log_likelihood(images[:100], num_samples=10)    # (100,), nats
    ```

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, ICLR 2014. Differs from the
    paper: ReLU networks, convolutional with BatchNormalization for images, trained by Adam; one
    fitted standard deviation for the Gaussian likelihood; a bounded log-variance.
    """

    verbs = frozenset({"log_likelihood"})
    players = {"optimizer": ("likelihood", "encoder", "decoder")}
    log_names = ("loss", "reconstruction_loss", "kl_loss", "elbo")
    beta = Annealed("[0, inf)")

    def __init__(
        self,
        data_shape: Sequence[int],
        latent_dim: int = 16,
        beta: float = 1.0,
        likelihood: str | keras.layers.Layer | None = None,
        *,
        normalize: bool = False,
        num_classes: int | None = None,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        **kwargs,
    ):
        shape = check_shape(data_shape, "data_shape")
        likelihood = likelihoods.get(likelihoods.usual(shape) if likelihood is None else likelihood)
        density = likelihoods.Density(likelihood, shape, normalize)
        bounded = True if density.bounded else None
        super().__init__(data_shape, latent_dim, num_classes=num_classes, bounded=bounded, **kwargs)
        self.beta, self.likelihood, self.normalize = beta, likelihood, normalize
        self.density, self.standardization = density, density.standardization
        self.samples_means = density.samples_means
        self.build_networks(encoder, decoder)

    @property
    def encoder_outputs(self):
        return 2 * self.latent_dim

    @property
    def output_activation(self):
        # A Bernoulli likelihood takes logits.
        return None if self.density.bounded else super().output_activation

    def default_encoder(self):
        return networks.encoder(self.data_shape, self.encoder_outputs, num_classes=self.num_classes)

    def default_decoder(self):
        return networks.decoder(
            self.data_shape,
            self.latent_dim,
            num_classes=self.num_classes,
            output_activation=self.output_activation,
        )

    def posterior(self, x, labels=None, training=False):
        """Returns the mean and log-variance of q(z|x), both float32 `(batch, latent_dim)`.

        `x` are data as `fit` takes them; a conditional model also takes their labels.
        """
        return self.posterior_step(self.data_field.convert(x), labels, training)

    def posterior_step(self, x, labels, training):
        """Returns the posterior of float32 data."""
        statistics = self.run("encoder", self.density.standardize(x), labels, training=training)
        mean, log_variance = tf.split(statistics, 2, axis=-1)
        # Softly bounded by 5: in the first steps, its exponential might otherwise overflow.
        return mean, 5.0 - tf.nn.softplus(5.0 - log_variance)

    def encode_step(self, x, labels, training):
        return self.posterior_step(x, labels, training)[0]

    def decode_step(self, codes, labels, training):
        return self.density.mean(self.parameters(codes, labels, training))

    def parameters(self, latents, labels, training):
        """Returns the parameters of p(x|z)."""
        return self.run("decoder", latents, labels, training=training)

    generate = decode_step

    def draw_data(self, latents, labels, normal, mean):
        """Draws from p(x|z), or returns E[x|z]; `normal(shape)` draws from N(0, 1)."""
        if mean:
            return self.generate(latents, labels, training=False)
        parameters = self.parameters(latents, labels, training=False)
        return self.density.sample(parameters, normal(keras.ops.shape(parameters)))

    def draw(self, count, labels, seed, mean=None):
        mean = self.samples_means if mean is None else mean
        latents = tf.random.stateless_normal((count, self.latent_dim), seed)
        normal = functools.partial(tf.random.stateless_normal, seed=tf.random.split(seed, 1)[0])
        return self.draw_data(latents, labels, normal, mean)

    def generated(self, reconstruction, labels):
        """Returns samples, as many as reconstructions and of the same labels."""
        latents = self.draw_latents(reconstruction, self.evaluation_noise)
        noise = self.evaluation_noise.normal
        return self.draw_data(latents, labels, noise, self.samples_means)

    def sample(
        self,
        num_samples: int | None = None,
        *,
        labels: np.ndarray | int | None = None,
        seed: int | None = None,
        mean: bool | None = None,
    ) -> np.ndarray:
        """Draws z from N(0, 1) and then x from p(x|z); takes what all models take, and `mean`.

        Args:
            mean: Whether to return E[x|z] in place of the draw; `samples_means` by default.
        """
        options = {} if mean is None else {"mean": bool(mean)}
        return self.sample_with(num_samples, labels, seed, **options)

    def forward(self, x, labels, target, training):
        noise = self.noise if training else self.evaluation_noise
        mean, log_variance = self.posterior_step(x, labels, training)
        epsilon = noise.normal(keras.ops.shape(mean))
        latents = mean + tf.exp(0.5 * log_variance) * epsilon
        parameters = self.parameters(latents, labels, training)
        if training:
            self.density.update(target, parameters)
        reconstruction_loss = -self.density.log_prob(target, parameters)
        kl = gaussian_kl(mean, log_variance)
        logs = {
            "reconstruction_loss": reconstruction_loss,
            "kl_loss": kl,
            "elbo": -reconstruction_loss - kl,
        }
        loss = reconstruction_loss + self.beta * kl
        return loss, self.density.mean(parameters), logs

    def anomaly_step(self, x, labels):
        x = self.data_field.convert(x)
        mean, log_variance = self.posterior_step(x, labels, False)
        parameters = self.parameters(mean, labels, training=False)
        return gaussian_kl(mean, log_variance) - self.density.log_prob(x, parameters)

    @over_data_sets
    def log_likelihood(
        self,
        x: np.ndarray,
        num_samples: int = 64,
        labels: np.ndarray | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """Returns the importance-weighted bound log 1/K Σₖ p(x|zₖ) p(zₖ) / q(zₖ|x), zₖ ~ q(z|x).

        It is `(n,)`, in nats. In expectation it rises with K to log p(x); K = 1 gives the ELBO.

        Args:
            x: Data `(n, *data_shape)`, or a data set of them.
            num_samples: K.
            labels: For a conditional model, integers `(n,)`.
            seed: The same int gives the same estimate.

        Reference: Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016.
        """
        labels, count = self.check_data(x, labels), check_positive_int(num_samples, "num_samples")
        seed, firsts = tf.constant(check_seed(seed), tf.int32), itertools.count(0, count)
        step = self.graph_function("importance_step")

        def bound(x, labels):
            x, first = self.data_field.convert(x), next(firsts)
            total = tf.fill((len(x),), -math.inf)
            for start in range(first, first + count, 32):  # Ctrl-C waits for one call at most
                draws = tf.range(start, min(start + 32, first + count))
                total = step(x, labels, total, seed, draws)
            return total - math.log(count)

        return self.in_batches(bound, x, labels)

    def importance_step(self, x, labels, total, seed, draws):
        """Adds the importance weights p(x, z) / q(z|x) of more draws to `total`, in logarithms."""
        mean, log_variance = self.posterior_step(x, labels, False)
        for draw in draws:
            epsilon = tf.random.stateless_normal(tf.shape(mean), tf.stack([seed, draw]))
            latents = mean + tf.exp(0.5 * log_variance) * epsilon
            parameters = self.parameters(latents, labels, training=False)
            # log p(z) - log q(z|x), in which the constants cancel.
            log_ratio = 0.5 * tf.reduce_sum(epsilon**2 + log_variance - latents**2, axis=-1)
            log_weight = self.density.log_prob(x, parameters) + log_ratio
            total = keras.ops.logaddexp(total, log_weight)
        return total
