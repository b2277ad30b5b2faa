"""Draws the samples of models of mixtures of Gaussians."""

from __future__ import annotations

import os

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_genzoo.files import replacing


def save(path: str | os.PathLike, *rows: tuple[np.ndarray, dict[str, np.ndarray]]) -> None:
    """Saves a PNG; each row has real points, in grey, and under them by title those of models."""
    width, height = max(len(shown) for _, shown in rows), len(rows)
    figure = Figure(figsize=(3 * width, 3.2 * height), layout="constrained")
    panels = figure.subplots(height, width, squeeze=False)
    for line, (real, shown) in zip(panels, rows, strict=True):
        limit = 1.2 * np.abs(real).max()
        for axes, (title, samples) in zip(line, shown.items(), strict=True):
            axes.scatter(*real.T, s=14, color="0.8", linewidths=0)
            axes.scatter(*samples.T, s=2, color="tab:blue", linewidths=0)
            axes.set(title=title, aspect="equal", xlim=(-limit, limit), ylim=(-limit, limit))
            axes.set_axis_off()
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
