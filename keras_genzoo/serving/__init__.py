"""Export of trained models: endpoints for TensorFlow Serving, and files for other runtimes."""

from keras_genzoo.core.fields import Images, Labels, Scalar, Vectors
from keras_genzoo.serving.endpoints import Endpoint

__all__ = ["Endpoint", "Images", "Labels", "Scalar", "Vectors"]
