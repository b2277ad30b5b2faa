"""Vectors of mean 0 and standard deviation 1, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_genzoo.core.fields import dense_parts, densify


@keras.saving.register_keras_serializable("keras_genzoo")
class Standardization(keras.layers.Layer):
    """Shifts and scales each feature to mean 0 and standard deviation 1 over some data.

    Before `adapt` it returns data as they are. Unlike those of `keras.layers.Normalization`, its
    statistics are variables, which graphs that were traced before `adapt` read too.

    Args:
        data_shape: The shape of one example, mostly `(features,)`.

    Example:
    ```python
    table = np.random.default_rng(0).normal([5.0, 0.0], [100.0, 0.1], (1000, 2))
    layer = genzoo.layers.Standardization((2,))
    layer.adapt(table)
    standard = layer(table)
    same = layer.invert(standard)
    ```
    """

    def __init__(self, data_shape: Sequence[int], **kwargs):
        # Float32, because half precision can't hold the numbers of a table.
        super().__init__(**{**kwargs, "dtype": "float32"}, trainable=False)
        self.data_shape = tuple(data_shape)
        self.mean = self.add_weight(name="mean", shape=self.data_shape, initializer="zeros")
        self.stddev = self.add_weight(name="stddev", shape=self.data_shape, initializer="ones")
        self.count = self.add_weight(name="count", shape=(), initializer="zeros")
        self.built = True

    @property
    def adapted(self) -> bool:
        """True if the statistics are those of some data."""
        return bool(self.count.numpy() > 0)

    def adapt(self, data) -> None:
        """Sets the statistics to those of data. Constant features are only shifted.

        Args:
            data: An array `(n, *data_shape)`, or a `tf.data.Dataset` or `PyDataset` of batches that
                ends; of a tuple, the first part counts.

        Raises:
            ValueError: If `data` is something else, holds numbers that are not finite, or a
                feature that float32 hardly resolves.
        """
        count, mean, stddev = feature_statistics(batches_of(data))
        if count == 0:
            raise ValueError("`data` must hold at least one example. Received: none")
        if not np.isfinite(stddev).all():
            raise ValueError("`data` must be finite. Received: NaN or infinite numbers")
        constant = stddev <= 1e-7 * np.abs(mean)  # up to rounding
        coarse = np.flatnonzero(~constant & (stddev < 1e-5 * np.abs(mean)))
        if coarse.size:
            raise ValueError(
                "`data` must not vary by less than 1e-5 of its mean, which float32 hardly "
                "resolves: subtract a constant first, as from times in seconds. "
                f"Received: such features at {coarse[:5].tolist()}"
            )
        self.mean.assign(mean)
        self.stddev.assign(np.where(constant, 1.0, stddev))
        self.count.assign(count)

    def call(self, x):
        return (ops.cast(x, self.compute_dtype) - self.mean) / self.stddev

    def invert(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the data that the layer maps to `x`, float32."""
        return ops.cast(x, "float32") * self.stddev + self.mean

    def log_jacobian(self) -> tf.Tensor:
        """Returns log |det dz/dx|, to be added to a log-density of the standardized data."""
        return -ops.sum(ops.log(ops.convert_to_tensor(self.stddev)))

    def get_config(self):
        return {**super().get_config(), "data_shape": self.data_shape}


def feature_statistics(batches: Iterator) -> tuple[int, np.ndarray, np.ndarray]:
    """Returns the number of examples, and the mean and standard deviation of each feature."""
    count, mean, squares = 0, 0.0, 0.0
    for batch in batches:
        batch = np.asarray(batch, "float64")
        size, center = len(batch), batch.mean(axis=0)
        shift, total = center - mean, count + size
        squares = squares + ((batch - center) ** 2).sum(axis=0) + shift**2 * (count * size / total)
        mean, count = mean + shift * (size / total), total
    return count, mean, np.sqrt(squares / max(count, 1))


def batches_of(data) -> Iterator:
    """Yields the first part of each batch of a data set, or an array part by part."""
    is_array = hasattr(data, "shape")
    if is_array:
        return dense_parts(data, 4096)
    if isinstance(data, keras.utils.PyDataset) and data.num_batches is not None:
        batches = (data[i] for i in range(data.num_batches))
    elif isinstance(data, tf.data.Dataset) and data.cardinality() != tf.data.INFINITE_CARDINALITY:
        batches = data
    else:
        raise ValueError(
            "`data` that features are standardized by must be an array or a data set that ends; "
            "call `adapt` of the model's `standardization` with an array before `fit`. "
            f"Received: {type(data).__name__}"
        )
    return (densify(b[0] if isinstance(b, (tuple, list)) else b) for b in batches)
