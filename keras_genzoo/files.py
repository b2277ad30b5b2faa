"""Functions that write files and directories completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import re
import shutil
import tempfile
import warnings
import zlib
from collections.abc import Iterator

import tensorflow as tf

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = ".keras_genzoo.lock"


@contextlib.contextmanager
def replacing(path: str | os.PathLike, overwrite: bool = True) -> Iterator[pathlib.Path]:
    """Yields a temporary path, and moves the file or directory written there to `path` at the end.

    A reader never sees an incomplete file. If the block fails or is interrupted, an old file at
    `path` stays. If the process is killed, its temporary directory stays behind until the next
    file is written beside it; an old directory that had already been moved away is put back then.

    Args:
        path: The path of the file or directory. Missing parent directories are created. If it is a
            symbolic link, the target of the link is replaced.
        overwrite: If false, an existing file or directory at `path` is not replaced.

    Yields:
        The temporary path, in a new directory beside `path`.

    Raises:
        FileExistsError: At the end of the block, if `overwrite` is false and `path` exists.
        OSError: If the disk is full or can't be written to. The error names `path`, and not the
            temporary path.

    Example:
    ```python
    with genzoo.files.replacing("results.json") as temporary:
        temporary.write_text("{}")
    ```
    """
    named = path
    path = pathlib.Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path.parent)
    with _errors_name(named), _temporary_directory(path.parent) as directory:
        new, old = directory / "new" / path.name, directory / "old" / path.name
        new.parent.mkdir()
        old.parent.mkdir()
        yield new
        if not overwrite and path.exists():
            raise FileExistsError(
                f"`path` must not exist, but another process has created it. Received: {path}"
            )
        if overwrite and new.is_dir() and path.is_dir():  # `os.replace` replaces no directories
            os.rename(path, old)
        os.replace(new, path)


@contextlib.contextmanager
def _errors_name(path):
    """Raises errors of the file system with the user's path in place of the temporary one."""
    path = os.fspath(path)
    try:
        yield
    except OSError as error:
        is_ours = _PREFIX in str(error.filename) or _PREFIX in str(error.strerror)
        if is_ours or (error.filename is None and error.errno in _DISK_ERRORS):
            raise OSError(error.errno, os.strerror(error.errno), path) from error
        raise
    except tf.errors.OpError as error:
        if _PREFIX not in error.message:
            raise
        reason = error.message.rpartition(";")[2].partition("[Op:")[0].strip()
        raise OSError(f"{path!r} could not be written: {reason}") from error


# Errors that do not say which file was written.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
_PREFIX = ".new-"


@contextlib.contextmanager
def _temporary_directory(parent):
    """Yields a new directory, which other processes know to be in use."""
    with contextlib.ExitStack() as stack:
        while True:
            directory = pathlib.Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            # Another process may take the directory for a leftover before it is locked.
            with contextlib.suppress(FileNotFoundError, BlockingIOError):
                stack.enter_context(_lock(directory, "path"))
                break
        try:
            yield directory
        finally:
            _put_back_and_delete(directory)


def _put_back_and_delete(directory):
    """Deletes a temporary directory, except for something old that nothing new has replaced."""
    for old in (directory / "old").glob("*"):
        path, new = directory.parent / old.name, directory / "new" / old.name
        if new.exists() and not os.path.lexists(path):  # stopped between the two renames
            os.rename(old, path)
    # The lock goes last: a directory without one is treated as not ours, unless it is empty.
    for part in ("new", "old", ""):
        shutil.rmtree(directory / part, ignore_errors=True)


def clear_leftovers(parent: pathlib.Path) -> None:
    """Deletes what killed processes have left of `replacing` in a directory."""
    for directory in parent.glob(f"{_PREFIX}????????"):
        with contextlib.suppress(OSError):  # in use, or not ours to delete
            if not (directory / LOCK).exists():
                directory.rmdir()  # fails unless it is empty
                continue
            with _lock(directory, "path") as is_locked:
                if is_locked:
                    _put_back_and_delete(directory)


@contextlib.contextmanager
def locked(directory: str | os.PathLike, name: str) -> Iterator[bool]:
    """Keeps a directory to this process, as long as others ask for its lock too.

    The lock ends with the process, however that ends.

    Args:
        directory: An existing directory.
        name: The name of the argument that holds the path, for the error message.

    Yields:
        Whether it is locked: Windows and some network file systems have no such locks.

    Raises:
        BlockingIOError: If another process has the lock.
    """
    with _lock(directory, name) as has_lock:
        try:
            yield has_lock
        finally:
            pathlib.Path(directory, LOCK).unlink(missing_ok=True)


@contextlib.contextmanager
def _lock(directory, name):
    """Like `locked`, but leaves the file behind."""
    path = pathlib.Path(directory, LOCK)
    with contextlib.ExitStack() as stack:
        is_current = False
        while not is_current:
            file = stack.enter_context(open(path, "ab+", buffering=0))
            has_lock = _lock_file(file, directory, name)
            # The one who had the lock may have deleted the file after it was opened here.
            with contextlib.suppress(FileNotFoundError):
                is_current = os.path.samestat(os.stat(path), os.fstat(file.fileno()))
        yield has_lock


def _lock_file(file, directory, name):
    """Locks an open file and writes the process's number to it; returns False if it can't."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise BlockingIOError(
            f"`{name}` must not be in use by another process. Received: "
            f"{os.fspath(directory)!r}, which process {file.read().decode() or '?'} uses"
        ) from error
    except OSError:
        return False
    with contextlib.suppress(OSError):  # on a full disk, the lock counts all the same
        file.truncate(0)
        file.write(f"{os.getpid()}".encode())
    return True


@contextlib.contextmanager
def dispensable(path: str | os.PathLike) -> Iterator[None]:
    """Warns if a file can't be written in this block, because the disk is full for example.

    This is for files that hours of training must not end for.

    Args:
        path: The path of the file, for the warning.
    """
    try:
        yield
    except OSError as error:
        warnings.warn(f"{os.fspath(path)} could not be written: {error}", stacklevel=3)


def check_directory(directory: str | os.PathLike, name: str) -> None:
    """Raises a ValueError unless files can be written to a directory.

    Args:
        directory: The path of the directory. It need not exist yet.
        name: The name of the argument that holds the path, for the error message.
    """
    directory = pathlib.Path(directory).absolute()
    existing = next(path for path in (directory, *directory.parents) if os.path.exists(path))
    try:
        with tempfile.TemporaryFile(dir=existing):  # permissions alone do not tell everything
            pass
    except OSError as error:
        raise ValueError(
            f"`{name}` must be where files can be written, and {os.fspath(existing)!r} is not. "
            f"Received: {os.fspath(directory)!r}"
        ) from error


# The last bytes of a file with a checksum. Readers of HDF5 ignore what follows the content.
_CHECKSUM = re.compile(rb"\nkeras_genzoo crc32 ([0-9a-f]{8})\n")
_CHECKSUM_BYTES = 29


def add_checksum(path: str | os.PathLike) -> None:
    """Appends a checksum to a file of a format whose readers ignore it."""
    checksum = _crc32(path, os.path.getsize(path))
    with open(path, "ab") as file:
        file.write(b"\nkeras_genzoo crc32 %08x\n" % checksum)


def check_checksum(path: str | os.PathLike) -> None:
    """Raises an OSError if a file ends in a checksum and it is not that of the file."""
    size = os.path.getsize(path) - _CHECKSUM_BYTES
    with open(path, "rb") as file:
        file.seek(max(size, 0))
        found = _CHECKSUM.fullmatch(file.read())
    if found and int(found[1], 16) != _crc32(path, size):
        raise OSError("its checksum is wrong, because some of its bytes have changed")


def _crc32(path, size):
    """Computes the checksum of the first `size` bytes of a file."""
    checksum = 0
    with open(path, "rb") as file:
        while chunk := file.read(min(size, 2**20)):
            checksum, size = zlib.crc32(chunk, checksum), size - len(chunk)
    return checksum


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
    return f" (the next one is `version={max(versions) + 1}`)"
