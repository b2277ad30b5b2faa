"""A picture of what the model makes, every few epochs."""

import math
import pathlib

import keras
import numpy as np

from keras_genzoo.callbacks import pictures
from keras_genzoo.files import check_directory

POINTS = 2500  # of a scatter plot
MAX_CLASSES = 20  # columns of a conditional grid
MAX_ROWS = 10  # rows of a conditional grid
MAX_COLUMNS = 16  # columns of a grid of reconstructions


class SampleGrid(keras.callbacks.Callback):
    """Writes a picture of the model's samples every few epochs and after the last one.

    The files are `directory/epoch_0005.png` and so on. The seed is the same each time, so the
    pictures show the same latents as the model learns. What is drawn depends on the model:

    - images: a grid of samples; of a conditional model, one class a column;
    - points, `data_shape == (2,)`: a scatter plot of 2,500 samples, over `images` in grey;
    - a model without `sample` (an autoencoder): rows of `images`, of corrupted images if the model
      corrupts its input, and of reconstructions.

    Args:
        directory: Where the pictures go. It is created if need be.
        every: Epochs between two pictures.
        num_samples: Images in a picture, at most.
        images: Data for models that reconstruct, as they take it: floats in [0, 1] or uint8.
        labels: Classes for a conditional model to draw, instead of every class a few times.
        seed: Integer seed of the samples.

    Raises:
        ValueError: If a number is below 1, or nothing can be written there.

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

    def __init__(self, directory, *, every=5, num_samples=64, images=None, labels=None, seed=0):
        super().__init__()
        for name, value in {"every": every, "num_samples": num_samples}.items():
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        check_directory(directory, "directory")
        self.directory = pathlib.Path(directory)
        self.every = every
        self.num_samples = num_samples
        self.images = None if images is None else np.asarray(images)
        self.labels = None if labels is None else np.asarray(labels)
        self.seed = seed
        self._epoch = self._drawn_epoch = 0
        self._corrupted = None

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

    def draw(self, path):
        """Draws the model as it is now to the PNG file `path`."""
        if tuple(self.model.data_shape) == (2,):
            pictures.save_scatter(path, self._points(), background=self.images)
        elif hasattr(self.model, "sample"):
            pictures.save_grid(path, *self._samples())
        else:
            pictures.save_grid(path, *self._reconstructions())

    def _draw_epoch(self):
        self.draw(self.directory / f"epoch_{self._epoch:04d}.png")
        self._drawn_epoch = self._epoch

    def _check_model(self):
        shape = tuple(self.model.data_shape)
        if len(shape) != 3 and shape != (2,):
            raise ValueError(
                "`SampleGrid` draws images `(height, width, channels)` and points `(2,)`. "
                f"Received: a model with data_shape={shape}"
            )
        if not hasattr(self.model, "sample") and self.images is None:
            raise ValueError(
                f"`images` is needed: a {type(self.model).__name__} draws no samples, so the "
                "picture shows reconstructions of images. Received: images=None"
            )
        if self.images is not None and (len(self.images) == 0 or self.images.shape[1:] != shape):
            raise ValueError(
                f"`images` must be `(n, *data_shape)` with data_shape={shape} and n at least 1. "
                f"Received: images.shape={self.images.shape}"
            )

        if self.images is not None and hasattr(self.model, "check_data"):
            any_labels = None if self._num_classes is None else np.zeros(len(self.images), "int32")
            self.model.check_data(self.images, any_labels)
        if self.labels is not None and hasattr(self.model, "check_labels"):
            self.model.check_labels(self.labels, self.labels.size)
        self.directory.mkdir(parents=True, exist_ok=True)

    @property
    def _num_classes(self):
        return getattr(self.model, "num_classes", None)

    def _points(self):
        if not hasattr(self.model, "sample"):
            return self.model.reconstruct(self.images[:POINTS])
        if self._num_classes is None:
            return self.model.sample(POINTS, seed=self.seed)
        classes = np.arange(self._num_classes) if self.labels is None else self.labels
        return self.model.sample(labels=np.resize(classes, POINTS), seed=self.seed)

    def _samples(self):
        """The samples and the number of columns."""
        if self._num_classes is None:
            images = self.model.sample(self.num_samples, seed=self.seed)
            return images, math.ceil(math.sqrt(len(images)))
        if self.labels is not None:
            labels, columns = self.labels, math.ceil(math.sqrt(len(self.labels)))
        else:
            columns = min(self._num_classes, MAX_CLASSES)
            rows = min(max(self.num_samples // columns, 1), MAX_ROWS)
            labels = np.tile(np.arange(columns), rows)
        return self.model.sample(labels=labels, seed=self.seed), columns

    def _reconstructions(self):
        """Rows of images with their reconstructions below, and the number of columns."""
        images = self.images[: self.num_samples]
        columns = min(len(images), MAX_COLUMNS)
        images = images[: len(images) // columns * columns]
        parts = [images]
        if hasattr(self.model, "corruption"):
            parts.append(self._corrupt(images))
        parts.append(self.model.reconstruct(parts[-1]))
        # (parts, rows, columns, ...) -> (rows, parts, columns, ...): a row of each in turn.
        stack = np.stack([pictures.as_uint8(part) for part in parts])
        stack = stack.reshape(len(parts), -1, columns, *images.shape[1:]).swapaxes(0, 1)
        return stack.reshape(-1, *images.shape[1:]), columns

    def _corrupt(self, images):
        """The images corrupted as in training, once: every picture shows the same ones."""
        if self._corrupted is None:
            scaled = images / np.float32(255) if images.dtype == np.uint8 else images
            corrupted = self.model.corruption(scaled.astype("float32"), training=True)
            self._corrupted = keras.ops.convert_to_numpy(corrupted)
        return self._corrupted
