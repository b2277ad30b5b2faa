"""The fields that a model declares as the parts of its batches."""

from keras_genzoo.core.fields import Field, Images, Labels, Scalar, Vectors

__all__ = ["Field", "Images", "Labels", "Scalar", "Vectors"]
