"""`sample` for the models that turn latents into data."""

from __future__ import annotations

import functools
import random

import numpy as np
import tensorflow as tf

from keras_genzoo.models import checks
from keras_genzoo.models.serving import Endpoint

# Samples that an endpoint gives at once: a server's memory must not be in its callers' hands.
MAX_SERVED = 10_000


class LatentSampling:
    """Draws latents from N(0, 1) and decodes them.

    Needs `latent_dim`, `num_classes` and `generate(latents, labels, training)`.
    """

    def sample(
        self,
        num_samples: int | None = None,
        *,
        labels: np.ndarray | None = None,
        seed: int | None = None,
    ) -> np.ndarray:
        """New data.

        Args:
            num_samples: How many. A conditional model draws their classes uniformly.
            labels: For a conditional model, in place of `num_samples`: the class of each sample,
                integers (n,).
            seed: The same int gives the same samples; `None` gives others each time.

        Returns:
            Float32 `(n, *data_shape)`; images lie in [0, 1].

        Raises:
            ValueError: If neither or both of `num_samples` and `labels` are given, or labels are
                out of range.
        """
        if (num_samples is None) == (labels is None):
            raise ValueError(
                "`sample` takes either `num_samples` or `labels`. "
                f"Received: num_samples={num_samples!r}, labels={labels!r:.50}"
            )
        seed = random.SystemRandom().randrange(2**31 - 1) if seed is None else seed
        if labels is None:
            num_samples = checks.check_positive_int(num_samples, "num_samples")
            if self.num_classes is not None:
                labels = self._random_labels(num_samples, seed)
        else:
            num_samples = np.size(labels)
            labels = self.check_labels(labels, num_samples)
        latents = self._random_latents(num_samples, seed)
        return self.in_batches(lambda z, y: self.generate(z, y, training=False), latents, labels)

    def _random_latents(self, num_samples, seed):
        return tf.random.stateless_normal((num_samples, self.latent_dim), (seed, 0))

    def _random_labels(self, num_samples, seed):
        return tf.random.stateless_uniform((num_samples,), (seed, 1), 0, self.num_classes, tf.int32)

    def tensor_specs(self):
        latents = tf.TensorSpec((None, self.latent_dim), tf.float32, "latents")
        return super().tensor_specs() | {"latents": latents}

    def endpoints(self):
        inputs = ("num_samples", "seed", "labels")
        defaults = {"seed": -1}
        if self.num_classes is not None:
            defaults |= {"num_samples": 0, "labels": []}
        own = {
            "serving_default": Endpoint(
                functools.partial(self.generate, training=False),
                ("latents", "labels"),
                self.data_name,
            ),
            "sample": Endpoint(self.sample_step, inputs, self.data_name, defaults, random=True),
        }
        return own | super().endpoints()

    def sample_step(self, num_samples, seed, labels):
        """`sample` in a graph: a negative seed is none, no labels (or 0 samples) are not given."""
        # Not `tf.random.uniform`: after `keras.utils.set_random_seed` a server would draw the same
        # whenever it starts.
        fresh = tf.raw_ops.RandomUniformInt(
            shape=tf.constant([], tf.int32),
            minval=tf.constant(0, tf.int64),
            maxval=tf.constant(2**31 - 1, tf.int64),
        )
        seed = tf.where(seed < 0, fresh, seed)
        given = 0 if labels is None else tf.size(labels)
        count = tf.maximum(num_samples, given)
        fits = (given == 0) | (num_samples == 0) | (num_samples == given)
        checks = [
            tf.debugging.Assert(
                (count > 0) & (count <= MAX_SERVED),
                [f"`num_samples` must lie in [1, {MAX_SERVED}]."],
            ),
            tf.debugging.Assert(
                fits, ["`num_samples` must be 0 or the number of `labels`, if there are any."]
            ),
        ]
        with tf.control_dependencies(checks):
            count = tf.identity(count)
        if labels is not None:
            drawn = self._random_labels(count, seed)
            labels = tf.cond(given > 0, lambda: labels, lambda: drawn)
        latents = self._random_latents(count, seed)
        return self.generate(latents, labels, training=False)
