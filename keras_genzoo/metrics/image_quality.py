"""Metrics that compare each image with its counterpart: PSNR and SSIM."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_genzoo.core import keras_internals
from keras_genzoo.core.fields import images_to_float, refuse_masked
from keras_genzoo.metrics.base import check_image_range

LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)  # of red, green and blue in [0, 1]
SSIM_WINDOW = 11


class ImageMetric(keras.metrics.Mean):
    """Base class of the metrics that compare each image with its counterpart.

    The result is the mean over all images. `update_state(y_true, y_pred)` takes images `(batch,
    height, width, channels)`, floats in [0, 1] or uint8, of any sizes from batch to batch.

    A subclass implements `compare(first, second)`.

    Args:
        luma: Whether to compare the luma Y of ITU-R BT.601 of colour images, which is 16 to 235 of
            255, in place of red, green and blue. It is that of scikit-image's `rgb2ycbcr`, and what
            papers on super-resolution report.
        crop: The width of the border that is left out, in pixels. Papers leave out as many as the
            factor of the super-resolution.
        name: The name of the metric and of its log.

    Attributes:
        min_size: The fewest pixels of a side that can be compared.
    """

    min_size = 1

    def __init__(self, luma: bool = False, crop: int = 0, name: str | None = None, **kwargs):
        super().__init__(name=name, **kwargs)
        if isinstance(crop, bool) or not isinstance(crop, int) or crop < 0:
            raise ValueError(f"`crop` must be an integer of at least 0. Received: crop={crop!r}")
        self.luma, self.crop = luma, crop

    def compare(self, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """Compares images in [0, 1] with others, float32 `(batch, height, width, channels)`.

        Returns:
            One number for each image, `(batch,)`.
        """
        raise NotImplementedError

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds images.

        Args:
            y_true: The true images.
            y_pred: As many others, of the same size.
            sample_weight: The weight of each image, `(batch,)`.

        Raises:
            ValueError: If the images do not fit.
        """
        for name, images in {"y_true": y_true, "y_pred": y_pred}.items():
            refuse_masked(images, name)
            if not tf.is_symbolic_tensor(images):
                check_image_range(name, images)
        images = [self._prepare(images_to_float(images)) for images in (y_true, y_pred)]
        if not images[0].shape.is_compatible_with(images[1].shape):
            raise ValueError(
                "`y_true` and `y_pred` must have the same shape. "
                f"Received: {tuple(y_true.shape)} and {tuple(y_pred.shape)}"
            )
        return super().update_state(self.compare(*images), sample_weight)

    def _prepare(self, images):
        """Crops images, and takes their luma."""
        shape = tuple(images.shape)
        smallest = 2 * self.crop + self.min_size
        if len(shape) != 4 or any(size is not None and size < smallest for size in shape[1:3]):
            raise ValueError(
                f"`{self.name}` needs images (batch, height, width, channels) of {smallest} pixels "
                f"or more. Received: images {shape}"
            )
        if self.luma and shape[-1] != 3:
            raise ValueError(f"`luma` needs images of 3 channels. Received: images {shape}")
        if self.crop:
            images = images[:, self.crop : -self.crop, self.crop : -self.crop]
        if self.luma:
            images = 16 / 255 + tf.reduce_sum(images * LUMA, axis=-1, keepdims=True)
        return images

    def get_config(self):
        return {**super().get_config(), "luma": self.luma, "crop": self.crop}


@keras_internals.metric_direction("up")
@keras.saving.register_keras_serializable("keras_genzoo")
class PSNR(ImageMetric):
    """The peak signal-to-noise ratio in decibels: -10 log₁₀ of the mean squared error of an image.

    The ratio of each image is averaged, as papers do. Two equal images have an infinite one.

    Args:
        luma: Whether to compare the luma of colour images; see `ImageMetric`.
        crop: The width of the border that is left out, in pixels.
        name: The name of the metric and of its log.

    Example:
    ```python
    psnr = genzoo.metrics.PSNR(luma=True, crop=4)
    psnr.update_state(np.zeros((1, 32, 32, 3)), np.full((1, 32, 32, 3), 0.1))
    decibels = float(psnr.result())      # 21.3
    ```
    """

    def __init__(self, luma=False, crop=0, name="psnr", **kwargs):
        super().__init__(luma, crop, name, **kwargs)

    def compare(self, first, second):
        error = tf.reduce_mean((first - second) ** 2, axis=(1, 2, 3))
        return -10 * tf.math.log(error) / tf.math.log(10.0)


@keras_internals.metric_direction("up")
@keras.saving.register_keras_serializable("keras_genzoo")
class SSIM(ImageMetric):
    """The structural similarity of images, which is 1 for equal ones.

    It is that of `tf.image.ssim`: Gaussian windows of 11 pixels and a standard deviation of 1.5,
    averaged over the channels and over all windows that lie inside the image.

    Args:
        luma: Whether to compare the luma of colour images; see `ImageMetric`.
        crop: The width of the border that is left out, in pixels.
        name: The name of the metric and of its log.

    Example:
    ```python
    ssim = genzoo.metrics.SSIM()
    images = np.random.default_rng(0).random((4, 32, 32, 3))
    ssim.update_state(images, images)
    similarity = float(ssim.result())      # 1.0
    ```

    Reference: Wang et al., Image Quality Assessment: From Error Visibility to Structural
    Similarity, IEEE Transactions on Image Processing 13(4), 2004.
    """

    min_size = SSIM_WINDOW

    def __init__(self, luma=False, crop=0, name="ssim", **kwargs):
        super().__init__(luma, crop, name, **kwargs)

    def compare(self, first, second):
        return tf.image.ssim(first, second, max_val=1.0, filter_size=SSIM_WINDOW)
