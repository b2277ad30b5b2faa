"""Data sets: bundled images, images of tensorflow-datasets, and toy distributions."""

from keras_genzoo.data.loading import arrays, load
from keras_genzoo.data.mixtures import GaussianMixture, grid, ring

__all__ = ["GaussianMixture", "arrays", "grid", "load", "ring"]
