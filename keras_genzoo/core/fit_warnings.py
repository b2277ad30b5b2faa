"""Warnings of `fit`: data on which training works badly, and losses that are lost."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo.core.batches import first_batch, parts_of, yields_batches
from keras_genzoo.core.fields import Images
from keras_genzoo.core.optimizers import surround
from keras_genzoo.layers.standardization import batches_of, feature_statistics

# The largest standard deviation with which default networks and rates train well, and how much
# smaller that of another feature may be. (A rare category, one-hot, has a small one.)
SCALES, MAX_RATIO = (0.01, 100.0), 1e4


class _WarnOfNaN(keras.callbacks.Callback):
    """Warns at the end of the first epoch in which a loss is NaN or infinite.

    It changes nothing else, so that TerminateOnNaN, CollapseMonitor and others can act.
    """

    warned = False

    def on_train_begin(self, logs=None):
        self.warned = False

    def on_epoch_end(self, epoch, logs=None):
        names = [*self.model.log_names, *(f"val_{name}" for name in self.model.log_names)]
        lost = [n for n in names if n in (logs or {}) and not np.all(np.isfinite(logs[n]))]
        if lost and not self.warned:
            self.warned = True
            warnings.warn(
                f"The log `{lost[0]}` is {float(np.ravel(logs[lost[0]])[0])} in epoch {epoch + 1}: "
                "training has diverged, and only weights that were saved before are of use; train "
                "again with lower learning rates or `clipnorm`, or on data of a smaller scale.",
                stacklevel=2,
            )


def with_nan_warning(model, callbacks):
    """Adds a warning of losses that are not finite to the callbacks of `fit`."""
    return surround(model, callbacks, [_WarnOfNaN()])


def warn_of_scales(model, x):
    """Warns if the features of vectors have scales that training copes with badly.

    Returns:
        `x`, to be passed on.
    """
    field = model.data_field
    if model.normalize or isinstance(field, Images) or getattr(field, "bounded", True):
        return x
    if isinstance(x, tf.distribute.DistributedDataset):
        return x
    first = x
    if yields_batches(x):
        first, x = first_batch(x)
    _, mean, stddev = feature_statistics(batches_of(parts_of(first)[0]))
    varying = stddev[stddev > 1e-7 * np.abs(mean)]  # not constant up to rounding
    low, high = (varying.min(), varying.max()) if varying.size else (1.0, 1.0)
    if not SCALES[0] <= high <= SCALES[1] or high > MAX_RATIO * low:
        warnings.warn(
            "`x` should have features with standard deviations near 1: standardize them, for "
            "example by `genzoo.layers.Standardization` or by `normalize=True` of a VAE. "
            f"Received: standard deviations from {low:.3g} to {high:.3g}",
            stacklevel=3,
        )
    return x
