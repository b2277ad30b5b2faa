"""Ranges of numbers that users pass in."""

from __future__ import annotations

import numbers


def check_positive(**arguments: float) -> None:
    """Refuses what is no number over 0; infinite ones, as a half-life that never ends, are some."""
    for name, value in arguments.items():
        if not (_is_number(value) and value > 0):
            raise ValueError(f"`{name}` must be positive. Received: {name}={value!r}")


def check_share(**arguments: float) -> None:
    """Refuses what is no number from 0 to 1."""
    for name, value in arguments.items():
        if not (_is_number(value) and 0 <= value <= 1):
            raise ValueError(f"`{name}` must lie in [0, 1]. Received: {name}={value!r}")


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
