"""Files that are written completely or not at all."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def replacing(path: str | os.PathLike, overwrite: bool = True) -> Iterator[pathlib.Path]:
    """Yields a temporary path; the file or directory made there replaces `path` at the end.

    A reader never sees half of it. If the block fails, the old file at `path` stays.

    Args:
        path: The file or directory to write. Missing parents are made.
        overwrite: Whether to replace what is at `path`.

    Raises:
        FileExistsError: If there is something at `path` at the end and `overwrite` is false.
    """
    path = pathlib.Path(os.path.realpath(path))  # a link stays a link
    path.parent.mkdir(parents=True, exist_ok=True)
    # A directory of its own, so that two processes never write to the same file.
    beside = pathlib.Path(tempfile.mkdtemp(prefix=".new-", dir=path.parent))
    try:
        new, old = beside / path.name, beside / "old"
        yield new
        if not overwrite and path.exists():
            raise FileExistsError(
                f"`path` must not exist, and another process has made it. Received: {path}"
            )
        if overwrite and new.is_dir() and path.is_dir():  # which no rename replaces
            os.rename(path, old)
        try:
            os.replace(new, path)
        except OSError:
            if old.exists():
                os.rename(old, path)
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def check_directory(directory: str | os.PathLike, name: str) -> None:
    """Raises ValueError unless files can be written to a directory, which need not exist yet.

    Args:
        directory: The directory.
        name: The name of the argument that it was passed as, for the error.
    """
    directory = pathlib.Path(directory).absolute()
    existing = next(path for path in (directory, *directory.parents) if os.path.exists(path))
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        raise ValueError(
            f"`{name}` must be where files can be written, and {os.fspath(existing)!r} is not. "
            f"Received: {os.fspath(directory)!r}"
        )


VERSION = re.compile("0|[1-9][0-9]{0,17}")  # as TensorFlow Serving reads them


def version_directory(filepath: str, version: int | None) -> str:
    """Returns the directory of a version, a number inside of the model's directory.

    TensorFlow Serving serves the highest one.

    Args:
        filepath: The model's directory, or that of a version.
        version: The version, if `filepath` does not end in one; 1 by default.

    Raises:
        ValueError: If `version` is no such number.
        FileExistsError: If the model's directory is a file, or a SavedModel.
    """
    parent, last = os.path.split(filepath.rstrip("/"))
    if version is not None or not VERSION.fullmatch(last):
        parent, last = filepath, "1" if version is None else str(version)
        if isinstance(version, bool) or not VERSION.fullmatch(last):
            raise ValueError(
                f"`version` must be an integer from 0 on. Received: version={version!r}"
            )
    if tf.io.gfile.exists(parent) and not tf.io.gfile.isdir(parent):
        raise FileExistsError(f"`filepath` must be a directory. Received: the file {parent!r}")
    if tf.io.gfile.exists(os.path.join(parent, "saved_model.pb")):
        raise FileExistsError(
            "`filepath` must be the directory of a model's versions, or a new one. "
            f"Received: {parent!r}, which is a SavedModel"
        )
    return os.path.join(parent, last)


@contextlib.contextmanager
def creating(path: str) -> Iterator[str]:
    """Yields a path to write a file or directory to, which must not exist yet at `path`.

    It is there at the end, complete. An object store is written in place, and cleaned up if the
    block fails.

    Raises:
        FileExistsError: If there is something at `path`.
        PermissionError: If nothing can be written there.
    """
    if tf.io.gfile.exists(path):
        raise FileExistsError(
            f"`filepath` must not exist yet{_next_version(path)}. Received: {path!r}"
        )
    if "://" in path:  # an object store, which can't rename a directory at once
        try:
            yield path
        except BaseException:
            if tf.io.gfile.exists(path):
                tf.io.gfile.rmtree(path)
            raise
        return
    try:
        with replacing(path, overwrite=False) as place:
            yield os.fspath(place)
    except PermissionError as error:
        raise PermissionError(f"`filepath` must be writable. Received: {path!r}") from error


def _next_version(path):
    parent, name = os.path.split(path.rstrip("/"))
    if not VERSION.fullmatch(name):
        return ""
    entries = [entry.rstrip("/") for entry in tf.io.gfile.listdir(parent or ".")]
    versions = [int(entry) for entry in entries if VERSION.fullmatch(entry)]
    return f" (the next version is {max(versions) + 1})"
