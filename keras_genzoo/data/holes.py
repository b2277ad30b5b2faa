"""Random holes in images, for inpainting.

Reference: Yu et al., Free-Form Image Inpainting with Gated Convolution, ICCV 2019, for the strokes.
"""

from __future__ import annotations

import math

import tensorflow as tf

PARTS = 6  # of the line that a brush follows


def draw_holes(size, kind: str, max_holes: int, seed) -> tf.Tensor:
    """Draws holes.

    Args:
        size: The height and width of the image, an int32 tensor.
        kind: A key of `HOLES`.
        max_holes: The largest number of holes; there is at least one.
        seed: An int64 tensor of two numbers that determines the holes.

    Returns:
        A bool tensor `(height, width)`, which is true in holes.
    """
    seeds = tf.random.experimental.stateless_split(seed, 3)
    count = tf.random.stateless_uniform((), seeds[0], 1, max_holes + 1, tf.int32)
    if kind != "any":
        return HOLES[kind](size, count, seeds[1])
    return tf.cond(
        tf.random.stateless_uniform((), seeds[2]) < 0.5,
        lambda: _rectangles(size, count, seeds[1]),
        lambda: _strokes(size, count, seeds[1]),
    )


def _rectangles(size, count, seed):
    """Draws rectangles of 1/8 to 1/2 of the height and width, all inside the image."""
    numbers = tf.random.stateless_uniform((4, count), seed)
    inside = tf.ones((1, 1, 1), tf.bool)
    for axis in (0, 1):
        length = tf.cast(size[axis], tf.float32)
        side = tf.maximum(tf.round((1 + 3 * numbers[axis]) / 8 * length), 1.0)
        first = tf.floor(numbers[2 + axis] * (length - side + 1))
        places = tf.range(length)
        within = (places >= first[:, None]) & (places < (first + side)[:, None])
        inside &= tf.expand_dims(within, 2 - axis)
    return tf.reduce_any(inside, axis=0)


def _strokes(size, count, seed):
    """Draws strokes of a round brush along lines of `PARTS` parts.

    Each part of a line is 1/8 to 1/3 of the shorter side long and turns by up to 72 degrees, now to
    the left and now to the right.
    """
    numbers = tf.random.stateless_uniform((5, count, PARTS), seed)
    sizes = tf.cast(size, tf.float32)
    shorter = tf.reduce_min(sizes)
    start = tf.stack([numbers[0, :, 0], numbers[1, :, 0]], axis=-1) * sizes
    signs = tf.constant([(-1.0) ** i for i in range(PARTS)])
    turns = signs * numbers[2] * (2 * math.pi / 5)
    angles = 2 * math.pi * numbers[3, :, :1] + tf.cumsum(turns, axis=1)
    steps = (1 / 8 + (1 / 3 - 1 / 8) * numbers[4]) * shorter
    moves = steps[..., None] * tf.stack([tf.sin(angles), tf.cos(angles)], axis=-1)
    corners = start[:, None] + tf.concat([0 * moves[:, :1], tf.cumsum(moves, axis=1)], axis=1)
    radius = tf.maximum((1 + numbers[0, :, 1]) / 32 * shorter, 0.75)
    begins, ends = (tf.reshape(points, (-1, 2)) for points in (corners[:, :-1], corners[:, 1:]))
    return _near_lines(begins, ends, tf.repeat(radius, PARTS), sizes)


def _near_lines(begins, ends, radius, sizes):
    """Finds the pixels that are no farther than `radius` from any of n lines."""
    y, x = (tf.range(sizes[0]) + 0.5)[:, None], tf.range(sizes[1]) + 0.5
    from_y, from_x = y - begins[:, :1, None], x - begins[:, 1:, None]
    step_y, step_x = tf.unstack((ends - begins)[..., None, None], axis=1)
    along = (from_y * step_y + from_x * step_x) / (step_y**2 + step_x**2)
    along = tf.clip_by_value(along, 0.0, 1.0)
    squares = (from_y - along * step_y) ** 2 + (from_x - along * step_x) ** 2
    return tf.reduce_any(squares <= radius[:, None, None] ** 2, axis=0)


HOLES = {"any": None, "rectangles": _rectangles, "strokes": _strokes}
