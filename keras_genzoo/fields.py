"""The fields that a model declares as the parts of its batches."""

from keras_genzoo.core.fields import Field, Images, Labels, Scalar, Vectors
from keras_genzoo.core.label_maps import LabelMaps

__all__ = ["Field", "Images", "LabelMaps", "Labels", "Scalar", "Vectors"]
