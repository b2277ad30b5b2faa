"""`sample` for the models that turn latents into data."""

from __future__ import annotations

import random

import numpy as np
import tensorflow as tf

from keras_genzoo.models import checks


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
                labels = tf.random.stateless_uniform(
                    (num_samples,), (seed, 1), 0, self.num_classes, tf.int32
                )
        else:
            num_samples = np.size(labels)
            labels = self.check_labels(labels, num_samples)
        latents = tf.random.stateless_normal((num_samples, self.latent_dim), (seed, 0))
        return self.in_batches(lambda z, y: self.generate(z, y, training=False), latents, labels)
