"""A callback that draws a model's samples during `fit`."""

from __future__ import annotations

import math
import os
import pathlib

import numpy as np
from keras.callbacks import Callback

from keras_genzoo import plot
from keras_genzoo.core import validation
from keras_genzoo.core.label_maps import LabelMaps
from keras_genzoo.core.model import GenerativeModel
from keras_genzoo.files import check_directory, dispensable

SCATTERED_POINTS = 2500
MAX_CLASSES = 20  # columns of a conditional grid
MAX_ROWS = 10  # rows of a conditional grid
MAX_COLUMNS = 16  # columns of a grid of reconstructions


class SampleGrid(Callback):
    """Writes a picture of the model's samples every few epochs and after the last one.

    The files are `directory/epoch_0005.png` and so on. All pictures use the same seed, so they show
    how the samples of the same latents change as the model learns. The content depends on the
    model:

    - For images, a grid of samples. A conditional model has one column for each class, up to 20
      classes, or several if the classes are few.
    - For points, `data_shape == (2,)`, a scatter plot of 2,500 samples over `images` in grey.
    - For a model without `sample`, such as an autoencoder, rows of `images` with their
      reconstructions below. A denoising model also shows the corrupted images that it
      reconstructs.
    - For a model that translates, rows of source `images`, with their translations and the
      `targets` below. A `CycleGAN` also shows the translations back; label maps are coloured.

    Args:
        directory: The directory of the pictures. It is created if it does not exist.
        every: The number of epochs from one picture to the next.
        num_samples: The number of samples, or of images to reconstruct. A grid with columns for
            each class has as many full rows as this allows, but at least one and at most ten.
        images: Data to reconstruct or to translate, or points for the background of a scatter
            plot. Images are floats in [0, 1] or uint8.
        targets: For a model that translates, what the translations of `images` should be.
        labels: The classes to draw with a conditional model. By default every class is drawn a few
            times.
        seed: An integer seed for the samples, or None for different ones in each picture.

    Raises:
        ValueError: If an argument is invalid or the directory is not writable, and at the start of
            training if the model cannot be drawn.

    Example:
    ```python
    import os
    import tempfile

    import keras_genzoo as genzoo

    images, _ = genzoo.data.arrays("digits", "train")
    model = genzoo.VAE((8, 8, 1), latent_dim=2)
    model.compile()
    with tempfile.TemporaryDirectory() as directory:
        grid = genzoo.callbacks.SampleGrid(directory, every=1)
        model.fit(images, epochs=2, callbacks=[grid], verbose=0)
        print(sorted(os.listdir(directory)))  # ['epoch_0001.png', 'epoch_0002.png']
    ```
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        *,
        every: int = 5,
        num_samples: int = 64,
        images: np.ndarray | None = None,
        targets: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        seed: int | None = 0,
    ):
        super().__init__()
        check_directory(directory, "directory")
        self.directory = pathlib.Path(directory)
        self.every = validation.check_positive_int(every, "every")
        self.num_samples = validation.check_positive_int(num_samples, "num_samples")
        self.images = None if images is None else np.asarray(images)
        self.targets = None if targets is None else np.asarray(targets)
        self.labels = None if labels is None else np.asarray(labels)
        self.seed = None if seed is None else validation.check_seed(seed)
        self._epoch = self._drawn_epoch = 0
        self._corrupted_images = None

    def on_train_begin(self, logs=None):
        self._check_model()
        self._epoch = self._drawn_epoch = 0

    def on_epoch_end(self, epoch, logs=None):
        self._epoch = epoch + 1
        if self._epoch % self.every == 0:
            self._draw_epoch()

    def on_train_end(self, logs=None):
        if self._epoch != self._drawn_epoch:
            self._draw_epoch()

    def draw(self, path: str | os.PathLike) -> None:
        """Draws the model in its present state to the PNG file `path`."""
        if tuple(self.model.data_shape) == (2,):
            plot.save_points(path, self._points(), background=self.images)
        else:
            drawn = self._samples if "sample" in self.model.verbs else self._reconstructions
            images, columns = drawn()
            plot.save_grid(path, _as_uint8(images), columns)

    def _draw_epoch(self):
        path = self.directory / f"epoch_{self._epoch:04d}.png"
        with dispensable(path):
            self.draw(path)
            self._drawn_epoch = self._epoch

    def _check_model(self):
        model, kind = self.model, type(self.model).__name__
        is_known = isinstance(model, GenerativeModel)
        if not is_known or not {"sample", "reconstruct", "translate"}.intersection(model.verbs):
            raise ValueError(
                "`SampleGrid` needs a model of keras_genzoo that has `sample`, `reconstruct` or "
                f"`translate`. Received: {kind}"
            )
        shape = tuple(model.data_shape)
        if len(shape) != 3 and shape != (2,):
            raise ValueError(
                "`SampleGrid` needs a model of images `(height, width, channels)` or of points "
                f"`(2,)`. Received: a {kind} with data_shape={shape}"
            )
        if "sample" not in model.verbs and self.images is None:
            raise ValueError(
                f"`images` must be given because a {kind} has no `sample`, so its picture shows "
                "what it makes of them. Received: images=None"
            )
        if self.images is not None:
            field = model.input_field if "translate" in model.verbs else model.data_field
            field.check(self.images, "images")
        if self.targets is not None:
            if "translate" not in model.verbs or self.images is None:
                raise ValueError(
                    "`targets` must be given with the `images` of a model that translates. "
                    f"Received: a {kind}, {'no ' if self.images is None else ''}images and targets"
                )
            model.generated_field.check(self.targets, "targets", len(self.images))
        if self.labels is not None:
            model.check_labels(self.labels, self.labels.size)
        self.directory.mkdir(parents=True, exist_ok=True)

    def _points(self):
        model = self.model
        if "sample" not in model.verbs:
            return model.reconstruct(self.images[:SCATTERED_POINTS])
        if model.num_classes is None:
            return model.sample(SCATTERED_POINTS, seed=self.seed)
        classes = np.arange(model.num_classes) if self.labels is None else self.labels
        return model.sample(labels=np.resize(classes, SCATTERED_POINTS), seed=self.seed)

    def _samples(self):
        """Returns samples and the number of columns to show them in."""
        num_classes = self.model.num_classes
        if num_classes is None:
            samples = self.model.sample(self.num_samples, seed=self.seed)
            return samples, math.ceil(math.sqrt(len(samples)))
        if self.labels is not None:
            labels, columns = self.labels, math.ceil(math.sqrt(len(self.labels)))
        else:
            classes = np.arange(min(num_classes, MAX_CLASSES))
            # Few classes get several columns each: one each would make a narrow and high picture.
            row = np.repeat(classes, max(math.isqrt(self.num_samples) // len(classes), 1))
            columns = len(row)
            labels = np.tile(row, min(max(self.num_samples // columns, 1), MAX_ROWS))
        return self.model.sample(labels=labels, seed=self.seed), columns

    def _reconstructions(self):
        """Returns rows of images, each above its reconstructions, and the number of columns."""
        images = self.images[: self.num_samples]
        columns = min(len(images), MAX_COLUMNS)
        images = images[: len(images) // columns * columns]
        parts = [images]
        if "translate" in self.model.verbs:
            is_label_map = isinstance(self.model.data_field, LabelMaps)
            shown = plot.color_labels(images) if is_label_map else images
            parts = [shown, *self._translations(images)]
        else:
            if "corrupt" in self.model.verbs:
                parts.append(self._corrupt_once(images))
            parts.append(self.model.reconstruct(parts[-1]))
        stack = np.stack(_of_one_shape([_as_uint8(part) for part in parts]))
        # (parts, rows * columns, ...) -> (rows, parts, columns, ...): part after part in each row.
        shape = stack.shape[2:]
        stack = stack.reshape(len(parts), -1, columns, *shape).swapaxes(0, 1)
        return stack.reshape(-1, *shape), columns

    def _translations(self, images):
        """Lists translations, translations back, if there is a way back, and targets."""
        translated = self.model.translate(images)
        parts = [translated]
        if len(self.model.directions) > 1:
            parts.append(self.model.translate(translated, direction=[*self.model.directions][1]))
        return parts if self.targets is None else [*parts, self.targets[: len(images)]]

    def _corrupt_once(self, images):
        """Corrupts the images at the first call; later pictures show the same corrupted images."""
        if self._corrupted_images is None:
            self._corrupted_images = self.model.corrupt(images)
        return self._corrupted_images


def _of_one_shape(parts):
    """Brings images to the largest size, by repeating pixels, and to as many colours.

    Further channels than three, such as that of a mask, are not shown.
    """
    height, width = (max(part.shape[axis] for part in parts) for axis in (1, 2))
    channels = 3 if any(part.shape[3] > 1 for part in parts) else 1
    shown = []
    for part in parts:
        rows, columns = (np.arange(n) * part.shape[i] // n for i, n in ((1, height), (2, width)))
        part = part[:, rows][:, :, columns]
        part = part[..., :3] if part.shape[3] > 2 else part[..., :1].repeat(channels, axis=3)
        shown.append(part)
    return shown


def _as_uint8(images):
    """Converts images to uint8, also those of a diverged model.

    They must not end the training: other callbacks may restore the model.
    """
    images = np.asarray(images)
    return images if images.dtype == np.uint8 else plot.as_uint8(np.nan_to_num(images).clip(0, 1))
