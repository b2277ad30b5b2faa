"""`sample`: one graph function that draws new data, for Python and for servers."""

from __future__ import annotations

import functools
import numbers
import random

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.core.decoding import Decoding
from keras_genzoo.core.fields import Scalar, Vectors
from keras_genzoo.core.validation import check_positive_int, check_seed
from keras_genzoo.serving.endpoints import Endpoint

MAX_SERVED = 10_000  # samples per request, so that callers cannot exhaust a server's memory


class Sampling:
    """The verb `sample` and its endpoint, for models that have a `draw`.

    Attributes:
        samples_at_once: The number of samples in one call of `draw`.
    """

    verbs = frozenset({"sample"})
    samples_at_once = 256

    def draw(self, count: tf.Tensor, labels: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """Draws new data; runs in a graph.

        Args:
            count: The number of samples, a scalar int32.
            labels: For a conditional model the class of each sample, int32 `(count,)`.
            seed: Two integers, as `tf.random.stateless_normal` and similar functions take them. A
                `draw` that needs several seeds makes them by `tf.random.split`.

        Returns:
            Float32 `(count, *data_shape)`.
        """
        raise NotImplementedError

    def sample(
        self,
        num_samples: int | None = None,
        *,
        labels: np.ndarray | int | None = None,
        seed: int | None = None,
    ) -> np.ndarray:
        """Draws new data.

        Args:
            num_samples: The number of samples. A conditional model draws their classes uniformly,
                unless `labels` is given.
            labels: For a conditional model, the class of each sample, integers `(n,)`, in place of
                `num_samples`. With `num_samples`, one int for all of them.
            seed: An int in [0, 2**31). The same one gives the same samples; `None` gives new
                samples each time.

        Returns:
            Float32 `(n, *data_shape)`; images lie in [0, 1].

        Raises:
            ValueError: If neither `num_samples` nor `labels` is given, `num_samples` is given with
                several labels or a single label without it, or labels are out of range.
        """
        return self.sample_with(num_samples, labels, seed)

    def sample_with(self, num_samples, labels, seed, **options) -> np.ndarray:
        """Checks the arguments of `sample`, and draws with options of the model's `draw`."""
        seed = random.SystemRandom().randrange(2**31 - 1) if seed is None else check_seed(seed)
        if isinstance(num_samples, numbers.Integral) and num_samples >= 2**31:
            raise ValueError(
                f"`num_samples` must be below 2**31. Received: num_samples={num_samples}"
            )
        if num_samples is not None and np.ndim(labels) == 0 and labels is not None:
            labels = np.full(check_positive_int(num_samples, "num_samples"), labels)
        elif labels is not None and np.ndim(labels) == 0:
            raise ValueError(
                "`num_samples` must be given with a single label. "
                f"Received: num_samples=None, labels={labels!r}"
            )
        elif (num_samples is None) == (labels is None):
            raise ValueError(
                "`sample` takes either `num_samples` or `labels`. "
                f"Received: num_samples={num_samples!r}, labels={labels!r:.50}"
            )
        if labels is None:
            count = check_positive_int(num_samples, "num_samples")
            if self.num_classes is not None:
                labels = self._draw_labels(count, seed)
        else:
            count = np.size(labels)
            labels = self.check_labels(labels, count)
        draw = self.graph_function("draw_in_parts", **options)
        return draw(tf.constant(count), labels, tf.constant(seed, tf.int64)).numpy()

    def draw_in_parts(self, count, labels, seed, **options) -> tf.Tensor:
        """Calls `draw` for `samples_at_once` samples at a time, each time with another seed.

        Args:
            count: The number of samples, a scalar int32 tensor.
            labels: Int32 `(count,)`, or `None`.
            seed: A scalar int64 tensor.
            **options: Passed to `draw`.
        """

        def add_part(part, drawn):
            start = part * self.samples_at_once
            size = tf.minimum(self.samples_at_once, count - start)
            classes = None if labels is None else labels[start : start + size]
            # Labels are drawn with (seed, 1); the even numbers are for the parts.
            part_seed = tf.stack([seed, tf.cast(2 * part, tf.int64)])
            samples = self.draw(size, classes, part_seed, **options)
            complete = tf.debugging.Assert(
                tf.shape(samples)[0] == size, ["`draw` must return `count` samples."]
            )
            with tf.control_dependencies([complete]):
                return part + 1, drawn.write(part, tf.identity(samples))

        parts = -(-count // self.samples_at_once)
        shape = [None, *self.data_shape]
        drawn = tf.TensorArray(tf.float32, parts, infer_shape=False, element_shape=shape)
        _, drawn = tf.while_loop(
            lambda part, _: part < parts, add_part, (0, drawn), parallel_iterations=1
        )
        samples = drawn.concat()
        samples.set_shape(shape)
        return samples

    def _draw_labels(self, count, seed):
        return tf.random.stateless_uniform((count,), (seed, 1), 0, self.num_classes, tf.int32)

    def endpoints(self) -> dict[str, Endpoint]:
        """Adds `sample` to the endpoints."""
        inputs = (Scalar("num_samples", "int32"), Scalar("seed", "int64"), self.labels_field)
        defaults = {"seed": -1}
        if self.num_classes is not None:
            defaults |= {"num_samples": 0, "labels": []}
        endpoint = Endpoint(self.serve_sample, inputs, self.data_field.name, defaults, random=True)
        return {"sample": endpoint} | super().endpoints()

    def serve_sample(self, num_samples, seed, labels) -> tf.Tensor:
        """Draws as `sample` does. A negative seed, empty labels and 0 samples count as not given.

        Args:
            num_samples: A scalar int32 tensor.
            seed: A scalar int64 tensor.
            labels: Int32 `(n,)`, or `None` if the model is not conditional.
        """
        # Not `tf.random.uniform`: after `keras.utils.set_random_seed`, a server would draw the same
        # numbers whenever it starts.
        fresh = tf.raw_ops.RandomUniformInt(
            shape=tf.constant([], tf.int32),
            minval=tf.constant(0, tf.int64),
            maxval=tf.constant(2**31 - 1, tf.int64),
        )
        seed = tf.where(seed < 0, fresh, seed)
        given = 0 if labels is None else tf.size(labels)
        count = tf.maximum(num_samples, given)
        assertions = [
            tf.debugging.Assert(
                (count > 0) & (count <= MAX_SERVED),
                [f"`num_samples` must lie in [1, {MAX_SERVED}]."],
            ),
            tf.debugging.Assert(
                (given == 0) | (num_samples == 0) | (num_samples == given),
                ["`num_samples` must be 0 or the number of `labels`, if there are any."],
            ),
        ]
        with tf.control_dependencies(assertions):
            count = tf.identity(count)
        if labels is not None:
            drawn = self._draw_labels(count, seed)
            labels = tf.cond(given > 0, lambda: labels, lambda: drawn)
        return self.draw_in_parts(count, labels, seed)


def check_latents(latents, latent_dim: int) -> None:
    """Raises unless something has the shape of latents, for example if it is data."""
    if len(latents.shape) != 2 or latents.shape[1] != latent_dim:
        raise ValueError(
            f"`inputs` must be latents of shape (batch, {latent_dim}); `sample` draws new data. "
            f"Received: shape {tuple(latents.shape)}"
        )


class LatentSampling(Sampling, Decoding):
    """Sampling for models that turn latents from N(0, 1) into data.

    A subclass has `latent_dim`, and `generate(latents, labels, training)`.
    """

    interpolation_path = "spherical"

    def decode_step(self, codes, labels, training):
        """Generates data of given latents."""
        return self.generate(codes, labels, training)

    def draw(self, count, labels, seed):
        latents = tf.random.stateless_normal((count, self.latent_dim), seed)
        return self.generate(latents, labels, training=False)

    def draw_latents(self, batch: tf.Tensor, noise) -> tf.Tensor:
        """Draws one latent vector for each example of a batch, float32 `(batch, latent_dim)`."""
        return noise.normal((keras.ops.shape(batch)[0], self.latent_dim))

    def endpoints(self):
        """Adds `sample` and, as `serving_default`, the data of given latents."""
        latents = Vectors((self.latent_dim,), "latents")
        decode = functools.partial(self.generate, training=False)
        endpoint = Endpoint(decode, (latents, self.labels_field), self.data_field.name)
        return {"serving_default": endpoint} | super().endpoints()
