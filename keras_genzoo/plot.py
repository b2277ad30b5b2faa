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
MAX_FLOAT = 10  # floats above it are on another scale, unless noise reaches as far below 0

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
            of [0, 1], such as those of noisy images, are clipped. False is black and True white. A
            uint8 array is returned unchanged.

    Raises:
        ValueError: If `images` has another type, is not finite, or is on another scale than
            [0, 1], such as floats from 0 to 255. Such floats reach above 10, and less than half as
            far below 0; noise reaches about as far in both directions.
    """
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    if images.dtype != bool:
        _check_floats(images)
    return np.rint(255 * np.clip(images, 0, 1)).astype("uint8")


def _check_floats(images):
    dtype = images.dtype.name
    if not dtype.startswith(("float", "bfloat")):
        raise ValueError(
            "`images` must be floats in [0, 1] or uint8, which means 0 to 255 (convert other "
            f"integers from 0 to 255 by `images.astype('uint8')`). Received: dtype {dtype}"
        )
    if images.size == 0:
        return
    low, high = float(np.min(images)), float(np.max(images))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(
            "`images` must be finite (a model that makes NaN has diverged, and may need a lower "
            "learning rate). "
            f"Received: NaN or infinite numbers in an array of shape {images.shape}"
        )
    if high > MAX_FLOAT and low > -high / 2:
        raise ValueError(
            "`images` must be floats in [0, 1] or uint8, which means 0 to 255 (divide floats by "
            "the highest value that they can have, such as 255). "
            f"Received: {dtype} in [{low:g}, {high:g}]"
        )


def color_labels(label_maps: np.ndarray) -> np.ndarray:
    """Colours label maps, each class by its place in matplotlib's `tab20`.

    Args:
        label_maps: Classes, integers `(n, height, width)` or `(n, height, width, 1)`, or one-hot
            or soft maps `(n, height, width, num_classes)`, which are shown by their mixture of
            colours.

    Returns:
        Images, float32 `(n, height, width, 3)` in [0, 1].
    """
    from matplotlib import colormaps

    colors = np.array(colormaps["tab20"].colors, "float32")
    label_maps = np.asarray(label_maps)
    if label_maps.ndim == 3 or label_maps.shape[-1] == 1:
        return colors[label_maps.reshape(label_maps.shape[:3]).astype(int) % len(colors)]
    return label_maps @ colors[np.arange(label_maps.shape[-1]) % len(colors)]


def grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Tiles images row by row into one picture with thin grey separators.

    If the grid is narrower than 500 pixels, it is magnified by an integer factor.

    Args:
        images: An array `(n, height, width, channels)` with every size at least 1, uint8 or floats
            in [0, 1]; noisy floats are clipped. Three channels are drawn as RGB and four as RGBA.
            With any other number of channels, the first one is drawn in grey.
        columns: The number of images in a row, at least 1. By default the square root of n, rounded
            up.

    Returns:
        A uint8 array `(H, W, 3)`, or `(H, W, 4)` for images of four channels. The separators are
        opaque.

    Raises:
        ValueError: If an argument is invalid.
    """
    images = as_uint8(images)
    if images.ndim != 4 or images.size == 0:
        raise ValueError(
            "`images` must be `(n, height, width, channels)` with every size at least 1. "
            f"Received: images.shape={images.shape}"
        )
    if columns is None:
        columns = math.ceil(math.sqrt(len(images)))
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


def save_grid(path: str | os.PathLike, images: np.ndarray, columns: int | None = None) -> None:
    """Writes `grid(images, columns)` to a PNG file.

    Args:
        path: The path of the PNG file. Missing directories are created.
        images: An array `(n, height, width, channels)`, uint8 or floats in [0, 1].
        columns: The number of images in a row, at least 1. By default the square root of n, rounded
            up.

    Raises:
        ValueError: If an argument is invalid.

    Example:
    ```python
    images, _ = genzoo.data.arrays("digits", "test")
    genzoo.plot.save_grid("digits.png", images[:64])
    ```
    """
    from matplotlib import image

    check_path(path, "path")
    tiled = np.ascontiguousarray(grid(images, columns))
    with replacing(path) as temporary:
        image.imsave(temporary, tiled, format="png")


def save_points(
    path: str | os.PathLike, points: np.ndarray, background: np.ndarray | None = None
) -> None:
    """Draws a scatter plot of points to a PNG file.

    With data as a background, there are two panels with the same axes: the data alone, where the
    points cannot hide them, and the points over the data.

    Args:
        path: The path of the PNG file. Missing directories are created.
        points: An array `(n, 2)` of a model's points, which are drawn in blue.
        background: An array `(m, 2)` of data to compare them with. They are black in the left
            panel, and grey below the points in the right one.

    Raises:
        ValueError: If `path` is invalid.
    """
    check_path(path, "path")
    figure, *panels = _figure(columns=1 if background is None else 2)
    if background is not None:
        panels[0].scatter(*np.transpose(background), s=4, color="black", linewidths=0)
        panels[0].set_title(f"data: {len(background):,} points")
        panels[1].scatter(*np.transpose(background), s=16, color="0.75", linewidths=0)
        panels[1].set_title(f"model: {len(points):,} points, over the data in grey")
    panels[-1].scatter(*np.transpose(points), s=4, color="tab:blue", linewidths=0)
    for axes in panels:
        axes.set_aspect("equal", adjustable="box" if background is not None else "datalim")
    _save(path, figure)


def save_curves(path: str | os.PathLike, curves: dict[str, list[float]]) -> None:
    """Draws curves over the epochs, such as `fit(...).history`, to a PNG file.

    After one epoch there are points instead of curves, and the legend gives their values.

    Args:
        path: The path of the PNG file. Missing directories are created.
        curves: A dictionary from names to lists with one value per epoch. The curve `val_loss` is
            dashed (its point is hollow) and has the colour of the curve `loss`, and so on.

    Raises:
        ValueError: If `path` is invalid.
    """
    check_path(path, "path")
    figure, axes = _figure()
    names = list(dict.fromkeys(name.removeprefix("val_") for name in curves))
    epochs = max((len(values) for values in curves.values()), default=0)
    for name, values in curves.items():
        is_validation = name.startswith("val_")
        axes.plot(
            range(1, len(values) + 1),
            values,
            color=f"C{names.index(name.removeprefix('val_'))}",
            linestyle="none" if epochs == 1 else "--" if is_validation else "-",
            marker="o" if len(values) == 1 else None,  # one value is not visible as a line
            markersize=9 if is_validation else 6,  # seen around a point at the same place
            fillstyle="none" if is_validation else "full",
            label=f"{name}: {values[0]:.4g}" if epochs == len(values) == 1 else name,
        )
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if epochs == 1:
        axes.set_xticks([1])
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

    Raises:
        ValueError: If `path` is invalid.
    """
    check_path(path, "path")
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


def _figure(rows=1, columns=1):
    """Returns a figure and its panels, either below or beside each other, with common axes."""
    from matplotlib.figure import Figure

    if columns == 1:
        figure = Figure(figsize=(8, 5), layout="constrained")
    else:  # "constrained" would cut off the titles of square panels
        figure = Figure(figsize=(10, 5), layout="compressed")
    ratios = [2] + [1] * (rows - 1)
    panels = figure.subplots(
        rows, columns, sharex=True, sharey=columns > 1, squeeze=False, height_ratios=ratios
    )
    return figure, *panels.flat


def _save(path, figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)
