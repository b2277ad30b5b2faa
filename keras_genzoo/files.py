"""Functions that write files and directories completely or not at all."""

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
    """Yields a temporary path, and moves the file or directory written there to `path` at the end.

    A reader never sees an incomplete file. If the block fails, an old file at `path` stays.

    Args:
        path: The path of the file or directory. Missing parent directories are created. If it is a
            symbolic link, the target of the link is replaced.
        overwrite: If false, an existing file or directory at `path` is not replaced.

    Yields:
        The temporary path, in a new directory beside `path`.

    Raises:
        FileExistsError: At the end of the block, if `overwrite` is false and `path` exists.

    Example:
    ```python
    with genzoo.files.replacing("results.json") as temporary:
        temporary.write_text("{}")
    ```
    """
    path = pathlib.Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each call has a separate directory, so that two processes never write to the same file.
    directory = pathlib.Path(tempfile.mkdtemp(prefix=".new-", dir=path.parent))
    try:
        new, old = directory / path.name, directory / "old"
        yield new
        if not overwrite and path.exists():
            raise FileExistsError(
                f"`path` must not exist, but another process has created it. Received: {path}"
            )
        if overwrite and new.is_dir() and path.is_dir():  # `os.replace` replaces no directories
            os.rename(path, old)
        try:
            os.replace(new, path)
        except OSError:
            if old.exists():
                os.rename(old, path)
            raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def check_directory(directory: str | os.PathLike, name: str) -> None:
    """Raises a ValueError unless files can be written to a directory.

    Args:
        directory: The path of the directory. It need not exist yet.
        name: The name of the argument that holds the path, for the error message.
    """
    directory = pathlib.Path(directory).absolute()
    existing = next(path for path in (directory, *directory.parents) if os.path.exists(path))
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        raise ValueError(
            f"`{name}` must be where files can be written, and {os.fspath(existing)!r} is not. "
            f"Received: {os.fspath(directory)!r}"
        )


# The names of directories that TensorFlow Serving reads as versions.
_VERSION = re.compile("0|[1-9][0-9]{0,17}")


def version_directory(filepath: str, version: int | None) -> str:
    """Returns the directory for a version of a model, such as `model/1`.

    TensorFlow Serving expects each version of a model in a subdirectory whose name is a number, and
    serves the one with the highest number.

    Args:
        filepath: The directory of the model, or of one of its versions.
        version: An integer of at least 0. By default, it is the last part of `filepath` if that is
            a number, and otherwise 1.

    Raises:
        ValueError: If `version` is not such an integer.
        FileExistsError: If the model's directory is a file, or contains a SavedModel itself.
    """
    parent, last = os.path.split(filepath.rstrip("/"))
    if version is not None or not _VERSION.fullmatch(last):
        parent, last = filepath, "1" if version is None else str(version)
        if isinstance(version, bool) or not _VERSION.fullmatch(last):
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
    """Yields a temporary path, and moves the file or directory written there to the new `path`.

    This works like `replacing`, but `path` must not exist. In an object store (a path with "://"),
    which cannot rename a directory in one step, the yielded path is `path` itself. If the block
    fails, it is deleted.

    Args:
        path: The path of the file or directory to create. Errors refer to it as `filepath`.

    Raises:
        FileExistsError: If `path` exists, at the start or at the end of the block.
        PermissionError: If `path` is not writable.
    """
    if tf.io.gfile.exists(path):
        raise FileExistsError(
            f"`filepath` must not exist yet{_next_version(path)}. Received: {path!r}"
        )
    if "://" in path:
        try:
            yield path
        except BaseException:
            if tf.io.gfile.exists(path):
                tf.io.gfile.rmtree(path)
            raise
        return
    try:
        with replacing(path, overwrite=False) as temporary:
            yield os.fspath(temporary)
    except PermissionError as error:
        raise PermissionError(f"`filepath` must be writable. Received: {path!r}") from error


def _next_version(path):
    """Returns a hint for the error message that names the next free version of a model, or ""."""
    parent, name = os.path.split(path.rstrip("/"))
    if not _VERSION.fullmatch(name):
        return ""
    entries = [entry.rstrip("/") for entry in tf.io.gfile.listdir(parent or ".")]
    versions = [int(entry) for entry in entries if _VERSION.fullmatch(entry)]
    return f" (the next version is {max(versions) + 1})"
