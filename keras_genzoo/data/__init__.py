"""Data sets: bundled images, images of tensorflow-datasets, pairs, and toy distributions."""

from keras_genzoo.data import sources
from keras_genzoo.data.folders import folder_pairs, folder_unpaired
from keras_genzoo.data.loading import arrays, load
from keras_genzoo.data.mixtures import GaussianMixture, grid, ring
from keras_genzoo.data.pairing import load_unpaired, pairs, unpaired

__all__ = [
    "GaussianMixture",
    "arrays",
    "folder_pairs",
    "folder_unpaired",
    "grid",
    "load",
    "load_unpaired",
    "pairs",
    "ring",
    "sources",
    "unpaired",
]
