"""Pictures of images, of points and of curves, as PNG files.

A picture is written under a temporary name and then renamed. A reader never sees half of it, and if
writing fails, the old picture stays.
"""

from __future__ import annotations

import math
import os
import pathlib

import numpy as np

from keras_genzoo.files import check_directory, replacing

MIN_WIDTH = 500  # pixels; smaller grids are magnified by a whole number
SEPARATOR = 2  # pixels between images
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
    """Raises ValueError unless a PNG file can be written to `path`.

    Args:
        path: The path.
        name: The name of the argument that it was passed as, for the error.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() != ".png" or path.is_dir():
        raise ValueError(
            f"`{name}` must be the path of a PNG file, which ends in .png. "
            f"Received: {name}={os.fspath(path)!r}"
        )
    check_directory(path.parent, name)


def as_uint8(images: np.ndarray) -> np.ndarray:
    """Converts floats in [0, 1] to uint8 from 0 to 255; uint8 stays as it is.

    Floats outside of [0, 1] are clipped.
    """
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    return np.rint(255 * np.clip(images, 0, 1)).astype("uint8")


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Tiles images, row by row, into one picture with thin grey separators.

    A grid narrower than 500 pixels is magnified: each pixel becomes a square.

    Args:
        images: `(n, height, width, channels)`, uint8 or floats in [0, 1]. Three channels are red,
            green and blue, and a fourth is opacity; of any other number, the first is drawn in
            grey.
        columns: The number of images in a row.

    Returns:
        A uint8 array `(H, W, 3)`, or `(H, W, 4)` for images of four channels.

    Raises:
        ValueError: If there is no image, or no column.
    """
    images = as_uint8(images)
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(
            "`images` must be `(n, height, width, channels)` with n at least 1. "
            f"Received: images.shape={images.shape}"
        )
    if columns < 1:
        raise ValueError(f"`columns` must be at least 1. Received: columns={columns}")
    if images.shape[-1] not in (3, 4):
        images = np.repeat(images[..., :1], 3, axis=-1)
    scale = math.ceil(MIN_WIDTH / (columns * images.shape[2]))
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)

    n, height, width, channels = images.shape
    rows = math.ceil(n / columns)
    # Every cell has a separator below and to the right; the outermost ones are cut off.
    shape = (rows * columns, height + SEPARATOR, width + SEPARATOR, channels)
    cells = np.full(shape, SEPARATOR_GREY, "uint8")
    cells[..., 3:] = 255  # separators are opaque
    cells[:n, :height, :width] = images
    cells = cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2)
    tiled = cells.reshape(rows * (height + SEPARATOR), columns * (width + SEPARATOR), channels)
    return tiled[:-SEPARATOR, :-SEPARATOR]


def save_grid(path: str | os.PathLike, images: np.ndarray, columns: int) -> None:
    """Writes `grid(images, columns)` to the PNG file `path`."""
    from matplotlib import image

    tiled = np.ascontiguousarray(grid(images, columns))
    with replacing(path) as temporary:
        image.imsave(temporary, tiled, format="png")


def save_points(
    path: str | os.PathLike, points: np.ndarray, background: np.ndarray | None = None
) -> None:
    """Draws points to the PNG file `path`.

    Args:
        path: The PNG file.
        points: `(n, 2)`, drawn in blue.
        background: Other points `(m, 2)`, drawn in grey behind them.
    """
    figure, axes = _figure()
    if background is not None:
        axes.scatter(*np.transpose(background), s=4, color="0.75", linewidths=0)
    axes.scatter(*np.transpose(points), s=4, color="tab:blue", linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    _save(path, figure)


def save_curves(path: str | os.PathLike, curves: dict[str, list[float]]) -> None:
    """Draws curves over the epochs to the PNG file `path`.

    Args:
        path: The PNG file.
        curves: By name, one value for each epoch. A curve whose name begins with `val_` is dashed,
            and has the colour of the curve that it validates.
    """
    figure, axes = _figure()
    names = list(dict.fromkeys(name.removeprefix("val_") for name in curves))
    for name, values in curves.items():
        axes.plot(
            range(1, len(values) + 1),
            values,
            color=f"C{names.index(name.removeprefix('val_'))}",
            linestyle="--" if name.startswith("val_") else "-",
            marker="o" if len(values) == 1 else None,  # a single value makes no line
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
    """Draws the history of a `CollapseMonitor` to the PNG file `path`.

    Shares and ratios have one panel, and the norm of the gradient another, which is logarithmic.

    Args:
        path: The PNG file.
        history: Lists of equal length by name; `"epoch"` gives the horizontal axis.
        failures: Pairs of an epoch and a name, drawn as vertical lines; the first is named.
        title: The title of the picture.
    """
    shares = dict(history)
    epochs, norms = shares.pop("epoch"), shares.pop("generator_gradient_norm", None)
    figure, *axes = _figure(rows=1 if norms is None else 2)
    figure.suptitle(title)
    marker = "." if len(epochs) <= 40 else None
    for name, values in shares.items():
        axes[0].plot(epochs, values, marker=marker, label=name.replace("_", " "))
    highest = max((v for values in shares.values() for v in values if v < math.inf), default=1)
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
        late = 2 * epoch > epochs[0] + epochs[-1]
        axes[0].annotate(
            f"{name}, from epoch {epoch}",
            (epoch, 1.02),
            xycoords=("data", "axes fraction"),
            color="tab:red",
            horizontalalignment="right" if late else "left",
        )
    axes[-1].set_xlabel("epoch")
    if shares:
        figure.legend(loc="outside lower center", ncols=len(shares))
    _save(path, figure)


def _plot_logarithm(axes, x, values, marker):
    """Plots over whole decades; zero, which has no logarithm, leaves a gap."""
    axes.set_yscale("log")
    axes.plot(x, [v if 0 < v < math.inf else math.nan for v in values], "C4", marker=marker)
    logarithms = [math.log10(v) for v in values if 0 < v < math.inf]
    if logarithms:
        low, high = math.floor(min(logarithms)), math.ceil(max(logarithms))
        axes.set_ylim(0.8 * 10.0**low, 1.25 * 10.0 ** max(high, low + 1))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")


def _figure(rows=1):
    """Returns a figure and its axes, one below the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    ratios = [2] + [1] * (rows - 1)
    axes = figure.subplots(rows, sharex=True, squeeze=False, height_ratios=ratios)
    return figure, *axes[:, 0]


def _save(path, figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)
