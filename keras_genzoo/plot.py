"""Functions that draw images, points and curves as PNG files.

Each file is written under a temporary name and then renamed. A reader never sees an incomplete
picture, and if the write fails, the old picture stays.
"""

from __future__ import annotations

import math
import os
import pathlib

import numpy as np

from keras_genzoo.core.validation import check_positive_int
from keras_genzoo.files import check_directory, replacing

MIN_WIDTH = 500  # pixels; narrower grids are magnified by an integer factor
SEPARATOR = 2  # the number of pixels between images
SEPARATOR_GREY = 128

__all__ = [
    "as_uint8",
    "check_path",
    "grid",
    "save_curves",
    "save_grid",
    "save_monitor",
    "save_points",
]


def check_path(path: str | os.PathLike, name: str) -> None:
    """Raises a ValueError unless `path` ends in .png and a file can be written there.

    Args:
        path: The path of the picture. Its directory need not exist yet.
        name: The name of the argument that holds the path, for the error message.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() != ".png" or path.is_dir():
        raise ValueError(
            f"`{name}` must be the path of a PNG file, which ends in .png. "
            f"Received: {name}={os.fspath(path)!r}"
        )
    check_directory(path.parent, name)


def as_uint8(images: np.ndarray) -> np.ndarray:
    """Converts images to uint8 in [0, 255].

    Args:
        images: An array of any shape. Floats in [0, 1] are scaled and rounded, and values outside
            of [0, 1] are clipped. A uint8 array is returned unchanged.
    """
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    return np.rint(255 * np.clip(images, 0, 1)).astype("uint8")


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Tiles images row by row into one picture with thin grey separators.

    If the grid is narrower than 500 pixels, it is magnified by an integer factor.

    Args:
        images: An array `(n, height, width, channels)` with n at least 1, uint8 or floats in
            [0, 1]. Three channels are drawn as RGB and four as RGBA. With any other number of
            channels, the first one is drawn in grey.
        columns: The number of images in a row, at least 1.

    Returns:
        A uint8 array `(H, W, 3)`, or `(H, W, 4)` for images of four channels. The separators are
        opaque.

    Raises:
        ValueError: If an argument is invalid.
    """
    images = as_uint8(images)
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(
            "`images` must be `(n, height, width, channels)` with n at least 1. "
            f"Received: images.shape={images.shape}"
        )
    check_positive_int(columns, "columns")
    if images.shape[-1] not in (3, 4):
        images = np.repeat(images[..., :1], 3, axis=-1)
    scale = math.ceil(MIN_WIDTH / (columns * images.shape[2]))
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)

    n, height, width, channels = images.shape
    rows = math.ceil(n / columns)
    # Every cell has a separator below and to the right. The outermost ones are cut off.
    shape = (rows * columns, height + SEPARATOR, width + SEPARATOR, channels)
    cells = np.full(shape, SEPARATOR_GREY, "uint8")
    cells[..., 3:] = 255
    cells[:n, :height, :width] = images
    cells = cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2)
    tiled = cells.reshape(rows * (height + SEPARATOR), columns * (width + SEPARATOR), channels)
    return tiled[:-SEPARATOR, :-SEPARATOR]


def save_grid(path: str | os.PathLike, images: np.ndarray, columns: int) -> None:
    """Writes `grid(images, columns)` to a PNG file.

    Args:
        path: The path of the PNG file. Missing directories are created.
        images: An array `(n, height, width, channels)`, uint8 or floats in [0, 1].
        columns: The number of images in a row, at least 1.

    Raises:
        ValueError: If `images` or `columns` is invalid.
    """
    from matplotlib import image

    tiled = np.ascontiguousarray(grid(images, columns))
    with replacing(path) as temporary:
        image.imsave(temporary, tiled, format="png")


def save_points(
    path: str | os.PathLike, points: np.ndarray, background: np.ndarray | None = None
) -> None:
    """Draws a scatter plot of points to a PNG file.

    Args:
        path: The path of the PNG file. Missing directories are created.
        points: An array `(n, 2)` of points, which are drawn in blue.
        background: An array `(m, 2)` of other points, such as the data that a model was trained on.
            They are drawn in grey below the first ones.
    """
    figure, axes = _figure()
    if background is not None:
        axes.scatter(*np.transpose(background), s=4, color="0.75", linewidths=0)
    axes.scatter(*np.transpose(points), s=4, color="tab:blue", linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    _save(path, figure)


def save_curves(path: str | os.PathLike, curves: dict[str, list[float]]) -> None:
    """Draws curves over the epochs, such as `fit(...).history`, to a PNG file.

    Args:
        path: The path of the PNG file. Missing directories are created.
        curves: A dictionary from names to lists with one value per epoch. The curve `val_loss` is
            dashed and has the colour of the curve `loss`, and so on.
    """
    figure, axes = _figure()
    names = list(dict.fromkeys(name.removeprefix("val_") for name in curves))
    for name, values in curves.items():
        axes.plot(
            range(1, len(values) + 1),
            values,
            color=f"C{names.index(name.removeprefix('val_'))}",
            linestyle="--" if name.startswith("val_") else "-",
            marker="o" if len(values) == 1 else None,  # one value is not visible as a line
            label=name,
        )
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    if curves:
        figure.legend(loc="outside right upper")
    _save(path, figure)


def save_monitor(
    path: str | os.PathLike, history: dict[str, list], failures: list[tuple[int, str]], title: str
) -> None:
    """Draws the history of a `CollapseMonitor` to a PNG file.

    The upper panel shows all curves but the norm of the generator's gradient, which has a separate
    panel with a logarithmic axis.

    Args:
        path: The path of the PNG file. Missing directories are created.
        history: A dictionary from names to lists of equal length. `"epoch"` is the horizontal axis.
        failures: Pairs `(epoch, name)`, which are drawn as vertical lines. The first one is
            labelled with its name.
        title: The title of the picture.
    """
    curves = dict(history)
    epochs, norms = curves.pop("epoch"), curves.pop("generator_gradient_norm", None)
    figure, *axes = _figure(rows=1 if norms is None else 2)
    figure.suptitle(title)
    marker = "." if len(epochs) <= 40 else None
    for name, values in curves.items():
        axes[0].plot(epochs, values, marker=marker, label=name.replace("_", " "))
    highest = max((v for values in curves.values() for v in values if v < math.inf), default=1)
    axes[0].set_ylim(-0.03, 1.03 * max(1, highest))
    if norms is not None:
        _plot_logarithm(axes[1], epochs, norms, marker)
        axes[1].set_ylabel("generator's\ngradient norm")
    for panel in axes:
        for epoch, _ in failures:
            panel.axvline(epoch, color="tab:red", linestyle="--")
        panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        panel.grid(alpha=0.3)
    for epoch, name in failures[:1]:
        is_late = 2 * epoch > epochs[0] + epochs[-1]
        axes[0].annotate(
            f"{name}, from epoch {epoch}",
            (epoch, 1.02),
            xycoords=("data", "axes fraction"),
            color="tab:red",
            horizontalalignment="right" if is_late else "left",
        )
    axes[-1].set_xlabel("epoch")
    if curves:
        figure.legend(loc="outside lower center", ncols=len(curves))
    _save(path, figure)


def _plot_logarithm(axes, x, values, marker):
    """Plots values on a logarithmic axis of whole decades. Values without a logarithm are gaps."""
    axes.set_yscale("log")
    axes.plot(x, [v if 0 < v < math.inf else math.nan for v in values], "C4", marker=marker)
    logarithms = [math.log10(v) for v in values if 0 < v < math.inf]
    if logarithms:
        low, high = math.floor(min(logarithms)), math.ceil(max(logarithms))
        axes.set_ylim(0.8 * 10.0**low, 1.25 * 10.0 ** max(high, low + 1))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")


def _figure(rows=1):
    """Returns a figure and its axes, which lie below each other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    ratios = [2] + [1] * (rows - 1)
    axes = figure.subplots(rows, sharex=True, squeeze=False, height_ratios=ratios)
    return figure, *axes[:, 0]


def _save(path, figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)
