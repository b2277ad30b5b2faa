"""Keras metrics of generated data, most of which compare them with real data.

`PSNR` and `SSIM` compare each image with its counterpart.
"""

from keras_genzoo.metrics import features
from keras_genzoo.metrics.classes import ClassBalance, InceptionScore
from keras_genzoo.metrics.frechet_distance import FrechetDistance
from keras_genzoo.metrics.image_quality import PSNR, SSIM
from keras_genzoo.metrics.kernel_distance import KernelDistance
from keras_genzoo.metrics.precision_recall import PrecisionRecall

__all__ = [
    "PSNR",
    "SSIM",
    "ClassBalance",
    "FrechetDistance",
    "InceptionScore",
    "KernelDistance",
    "PrecisionRecall",
    "features",
]
