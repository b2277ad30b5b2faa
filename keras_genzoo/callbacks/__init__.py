"""What people watch during `fit`."""

from keras_genzoo.callbacks.sample_grid import SampleGrid

__all__ = ["SampleGrid"]
