"""Export of trained models: endpoints for TensorFlow Serving, and files for other runtimes."""

from keras_genzoo.serving.endpoints import Endpoint

__all__ = ["Endpoint"]
