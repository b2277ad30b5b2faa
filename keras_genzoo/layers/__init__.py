"""Layers that Keras does not provide."""

from keras_genzoo.layers.activation import LeakyReLU
from keras_genzoo.layers.augmentation import (
    AdaptiveAugmentation,
    DifferentiableAugmentation,
    InstanceNoise,
)
from keras_genzoo.layers.batch_normalization import BatchNormalization
from keras_genzoo.layers.convolution import Conv2D, Conv2DTranspose
from keras_genzoo.layers.corruption import MaskingNoise, SaltAndPepper
from keras_genzoo.layers.discrimination import MinibatchStandardDeviation, SpectralNormalization
from keras_genzoo.layers.dropout import Dropout
from keras_genzoo.layers.image_pool import ImagePool
from keras_genzoo.layers.keep_known import KeepKnown
from keras_genzoo.layers.likelihoods import BernoulliLikelihood, GaussianLikelihood
from keras_genzoo.layers.noise import Noise
from keras_genzoo.layers.resampling import (
    BicubicDownsampling,
    BicubicUpsampling,
    ClipToUnit,
    DepthToSpace,
)
from keras_genzoo.layers.sizes import CropLike, PadToMultiple, ReflectionPadding2D
from keras_genzoo.layers.spade import SPADE
from keras_genzoo.layers.standardization import Standardization

__all__ = [
    "SPADE",
    "AdaptiveAugmentation",
    "BatchNormalization",
    "BernoulliLikelihood",
    "BicubicDownsampling",
    "BicubicUpsampling",
    "ClipToUnit",
    "Conv2D",
    "Conv2DTranspose",
    "CropLike",
    "DepthToSpace",
    "DifferentiableAugmentation",
    "Dropout",
    "GaussianLikelihood",
    "ImagePool",
    "InstanceNoise",
    "KeepKnown",
    "LeakyReLU",
    "MaskingNoise",
    "MinibatchStandardDeviation",
    "Noise",
    "PadToMultiple",
    "ReflectionPadding2D",
    "SaltAndPepper",
    "SpectralNormalization",
    "Standardization",
]
