"""Functions that read the pictures of the tests."""

import numpy as np
from matplotlib import image

from keras_genzoo import plot

RED = (214, 39, 40)  # tab:red


def read(path):
    """Reads a PNG file as `(height, width, 3)`, uint8."""
    return np.rint(255 * image.imread(path)[..., :3]).astype("uint8")


def red_columns(path):
    """Finds the columns of pixels that hold a red line."""
    return np.flatnonzero((read(path) == RED).all(axis=-1).sum(axis=0) > 100)


def cells(grid, rows, columns):
    """Cuts a grid into its magnified images: `(rows, columns, height, width, 3)`."""
    s = plot.SEPARATOR
    height = (grid.shape[0] + s) // rows
    width = (grid.shape[1] + s) // columns
    return np.array(
        [
            [
                grid[r * height : (r + 1) * height - s, c * width : (c + 1) * width - s]
                for c in range(columns)
            ]
            for r in range(rows)
        ]
    )
