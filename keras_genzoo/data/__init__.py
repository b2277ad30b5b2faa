"""Data sets: bundled images, images of tensorflow-datasets, pairs, and toy distributions."""

from keras_genzoo.data.loading import arrays, load
from keras_genzoo.data.mixtures import GaussianMixture, grid, ring
from keras_genzoo.data.pairing import unpaired

__all__ = ["GaussianMixture", "arrays", "grid", "load", "ring", "unpaired"]
