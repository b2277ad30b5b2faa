"""`decode` and `interpolate`, for models that turn codes into data."""

from __future__ import annotations

import numpy as np

from keras_genzoo.core.fields import Vectors
from keras_genzoo.core.validation import check_positive_int


class Decoding:
    """The verbs of codes: the latents of a GAN, or what an autoencoder encodes to.

    A subclass has `latent_dim` and `decode_step(codes, labels, training)`.

    Attributes:
        interpolation_path: The default path of `interpolate`.
    """

    verbs = frozenset({"decode", "interpolate"})
    interpolation_path = "linear"

    @property
    def codes_field(self) -> Vectors:
        """The codes as `decode` and its endpoint take them."""
        return Vectors((self.latent_dim,), "codes")

    def decode(self, codes: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Decodes codes `(n, latent_dim)` to data `(n, *data_shape)`, float32."""
        self.codes_field.check(codes, "codes")
        labels = self.check_labels(labels, len(codes))
        convert = self.codes_field.convert
        return self.in_batches(lambda z, y: self.decode_step(convert(z), y, False), codes, labels)

    def interpolate(
        self,
        start: np.ndarray,
        end: np.ndarray,
        steps: int = 8,
        *,
        path: str | None = None,
        labels: np.ndarray | None = None,
    ) -> np.ndarray:
        """Decodes codes on the way from some codes to others.

        Args:
            start: Codes `(n, latent_dim)`.
            end: As many codes.
            steps: The number of codes on each way, with both ends; 2 or more.
            path: `"linear"`: along straight lines. `"spherical"`: along arcs around the origin,
                where the codes are as far from it as draws from N(0, 1) are (White, Sampling
                Generative Networks, 2016). By default arcs for models that sample, and lines for
                autoencoders.
            labels: For a conditional model, the class of each way, integers `(n,)`.

        Returns:
            Data, float32 `(n, steps, *data_shape)`.

        Raises:
            ValueError: If an argument does not fit.
        """
        path = self.interpolation_path if path is None else path
        if path not in ("linear", "spherical"):
            raise ValueError(f"`path` must be 'linear' or 'spherical'. Received: path={path!r}")
        if check_positive_int(steps, "steps") < 2:
            raise ValueError(f"`steps` must be 2 or more. Received: steps={steps}")
        self.codes_field.check(start, "start")
        self.codes_field.check(end, "end")
        if len(start) != len(end):
            raise ValueError(
                f"`end` must be as many codes as `start`. Received: {len(end)} and {len(start)}"
            )
        labels = self.check_labels(labels, len(start))
        codes = codes_between(np.asarray(start), np.asarray(end), steps, path)
        decoded = self.decode(
            codes.reshape(-1, self.latent_dim), None if labels is None else np.repeat(labels, steps)
        )
        return decoded.reshape(len(start), steps, *self.data_shape)


def codes_between(start: np.ndarray, end: np.ndarray, steps: int, path: str) -> np.ndarray:
    """Returns codes on the way from `start` to `end`; see `Decoding.interpolate`.

    Where there is no arc, because codes are opposite or the origin itself, the path is a line.

    Returns:
        Float32 `(n, steps, latent_dim)`.
    """
    start, end = (codes.astype("float64")[:, None] for codes in (start, end))
    place = np.linspace(0.0, 1.0, steps)[:, None]
    weights = [1.0 - place, place]
    if path == "spherical":
        lengths = [np.linalg.norm(codes, axis=-1, keepdims=True) for codes in (start, end)]
        product = lengths[0] * lengths[1]
        cosine = np.sum(start * end, axis=-1, keepdims=True) / np.where(product > 0, product, 1.0)
        angle = np.arccos(np.clip(cosine, -1.0, 1.0))
        sine = np.sin(angle)
        is_arc = (product > 0) & (sine > 1e-6)
        weights = [
            np.where(is_arc, np.sin(w * angle) / np.where(is_arc, sine, 1.0), w) for w in weights
        ]
    return (weights[0] * start + weights[1] * end).astype("float32")
