"""Images resized in a pipeline."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_genzoo.core.validation import check_positive_int


def resized(dataset: tf.data.Dataset, image_size: int | tuple[int, int] | None) -> tf.data.Dataset:
    """Resizes the images of a data set of single images, or of tuples that begin with one.

    Args:
        dataset: A data set of uint8 or float images `(height, width, channels)`.
        image_size: An int or `(height, width)`, or `None` to leave the images as they are. The
            largest centred part of this shape is resized, with antialiasing.
    """
    if image_size is None:
        return dataset
    size = check_image_size(image_size)

    def resize(image, *rest):
        image = resize_image(image, size)
        return (image, *rest) if rest else image

    return dataset.map(resize, num_parallel_calls=tf.data.AUTOTUNE)


def resize_image(image, size: tuple[int, int]) -> tf.Tensor:
    """Resizes the largest centred part that has the shape of `size`; keeps the type."""
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    part_height = tf.minimum(height, tf.maximum(width * size[0] // size[1], 1))
    part_width = tf.minimum(width, tf.maximum(height * size[1] // size[0], 1))
    top, left = (height - part_height) // 2, (width - part_width) // 2
    part = image[top : top + part_height, left : left + part_width]
    result = tf.image.resize(part, size, antialias=True)
    if image.dtype.is_integer:
        result = tf.round(result)
    return tf.cast(result, image.dtype)


def check_image_size(image_size) -> tuple[int, int]:
    """Returns `(height, width)` of an int or two."""
    sizes = (image_size, image_size) if isinstance(image_size, (int, np.integer)) else image_size
    if not isinstance(sizes, (tuple, list)) or len(sizes) != 2:
        raise ValueError(
            f"`image_size` must be an int or (height, width). Received: image_size={image_size!r}"
        )
    return tuple(check_positive_int(size, "image_size") for size in sizes)
