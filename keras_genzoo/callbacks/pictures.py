"""Pictures of image batches, of points and of loss curves, as PNG files.

Every file is written beside its place and then renamed: a reader never sees half a picture, and a
write that fails leaves the old picture as it was.
"""

import math
import os
import pathlib

import numpy as np

from keras_genzoo.files import check_directory, replacing

MIN_WIDTH = 500  # pixels; smaller grids are magnified by a whole number
SEPARATOR = 2  # pixels between images
SEPARATOR_GREY = 128


def check_path(path, name):
    """Refuses what can't be the path of a PNG file."""
    path = pathlib.Path(path)
    if path.suffix.lower() != ".png" or path.is_dir():
        raise ValueError(
            f"`{name}` must be the path of a PNG file, which ends in .png. "
            f"Received: {name}={os.fspath(path)!r}"
        )
    check_directory(path.parent, name)


def as_uint8(images):
    """Floats in [0, 1] become 0 to 255 (values outside are clipped); uint8 stays as it is."""
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    return np.rint(255 * np.clip(images, 0, 1)).astype("uint8")


def image_grid(images, columns):
    """Tiles images, row by row, into one picture with thin separators.

    Grids narrower than about 500 pixels are magnified, each pixel to a square.

    Args:
        images: `(n, height, width, channels)`, uint8 or floats in [0, 1]. Three channels are
            colours; of any other number the first is shown in grey.
        columns: The number of images in a row.

    Returns:
        An array `(H, W, 3)`, uint8.
    """
    images = as_uint8(images)
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(
            "`images` must be `(n, height, width, channels)` with n at least 1. "
            f"Received: images.shape={images.shape}"
        )
    if columns < 1:
        raise ValueError(f"`columns` must be at least 1. Received: columns={columns}")
    if images.shape[-1] != 3:
        images = np.repeat(images[..., :1], 3, axis=-1)
    scale = math.ceil(MIN_WIDTH / (columns * images.shape[2]))
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)

    n, height, width, _ = images.shape
    rows = math.ceil(n / columns)
    # Every cell carries its separator below and to the right; the outermost ones are cut off.
    cells = np.full(
        (rows * columns, height + SEPARATOR, width + SEPARATOR, 3), SEPARATOR_GREY, "uint8"
    )
    cells[:n, :height, :width] = images
    cells = cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2)
    grid = cells.reshape(rows * (height + SEPARATOR), columns * (width + SEPARATOR), 3)
    return grid[:-SEPARATOR, :-SEPARATOR]


def save_grid(path, images, columns):
    """Writes `image_grid(images, columns)` to the PNG file `path`."""
    from matplotlib import image

    grid = np.ascontiguousarray(image_grid(images, columns))
    with replacing(path) as temporary:
        image.imsave(temporary, grid, format="png")


def save_scatter(path, points, background=None):
    """Draws points `(n, 2)`, over those of `background` in grey, to the PNG file `path`."""
    figure, axes = _figure()
    if background is not None:
        axes.scatter(*np.transpose(background), s=4, color="0.75", linewidths=0)
    axes.scatter(*np.transpose(points), s=4, color="tab:blue", linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    _save(path, figure)


def save_curves(path, curves):
    """Draws `{name: values by epoch}` to the PNG file `path`.

    A `val_` curve is dashed, in the colour of the curve that it validates.
    """
    figure, axes = _figure()
    names = list(dict.fromkeys(name.removeprefix("val_") for name in curves))
    for name, values in curves.items():
        axes.plot(
            range(1, len(values) + 1),
            values,
            color=f"C{names.index(name.removeprefix('val_'))}",
            linestyle="--" if name.startswith("val_") else "-",
            marker="o" if len(values) == 1 else None,  # one value makes no line
            label=name,
        )
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    if curves:
        figure.legend(loc="outside right upper")
    _save(path, figure)


def save_looks(path, history, failures, title):
    """Draws a `CollapseMonitor`'s history to the PNG file `path`.

    Shares and ratios have an axis in common, and the gradient's norm a logarithmic one.

    Args:
        path: The PNG file.
        history: Lists of equal length by name; those of `"epoch"` are the abscissa.
        failures: Pairs of an epoch and a name, for vertical lines. The first gets its name.
        title: Of the picture.
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
    """Plots over whole decades; zero, which has no logarithm, is a gap."""
    axes.set_yscale("log")
    axes.plot(x, [v if 0 < v < math.inf else math.nan for v in values], "C4", marker=marker)
    logarithms = [math.log10(v) for v in values if 0 < v < math.inf]
    if logarithms:
        low, high = math.floor(min(logarithms)), math.ceil(max(logarithms))
        axes.set_ylim(0.8 * 10.0**low, 1.25 * 10.0 ** max(high, low + 1))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")


def _figure(rows=1):
    """A figure, and its axes one below the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    ratios = [2] + [1] * (rows - 1)
    axes = figure.subplots(rows, sharex=True, squeeze=False, height_ratios=ratios)
    return figure, *axes[:, 0]


def _save(path, figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)
