"""Callbacks for `fit`: pictures of samples, and warnings of mode collapse."""

from keras_genzoo.callbacks.collapse_monitor import CollapseMonitor
from keras_genzoo.callbacks.sample_grid import SampleGrid

__all__ = ["CollapseMonitor", "SampleGrid"]
