"""Arguments that are given by name or as an object."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def resolve(argument: str, identifier, known: dict[str, Callable], methods: Sequence[str]):
    """What a name stands for, or the object itself.

    Args:
        argument: The argument's name, for the error.
        identifier: What was passed for it.
        known: By name, what makes the object.
        methods: What an object must have.

    Raises:
        ValueError: If it is neither a known name nor such an object.
    """
    if isinstance(identifier, str) and identifier in known:
        return known[identifier]()
    is_object = not isinstance(identifier, (str, type))
    if is_object and all(callable(getattr(identifier, method, None)) for method in methods):
        return identifier
    raise ValueError(
        f"`{argument}` must be one of {sorted(known)}, or an object with "
        f"{' and '.join(f'`{method}`' for method in methods)}. "
        f"Received: {argument}={identifier!r}"
    )
