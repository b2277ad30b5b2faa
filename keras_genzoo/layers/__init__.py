"""Layers that Keras lacks."""

from keras_genzoo.layers.corruption import MaskingNoise, SaltAndPepper
from keras_genzoo.layers.likelihoods import BernoulliLikelihood, GaussianLikelihood
from keras_genzoo.layers.noise import Noise

__all__ = [
    "BernoulliLikelihood",
    "GaussianLikelihood",
    "MaskingNoise",
    "Noise",
    "SaltAndPepper",
]
