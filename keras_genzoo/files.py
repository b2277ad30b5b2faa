"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def replacing(path: str | os.PathLike, overwrite: bool = True) -> Iterator[pathlib.Path]:
    """Yields a path beside `path`; the file or directory made there takes its place at the end.

    A reader never sees half of it, and if the block fails, what was at `path` stays as it was.
    With `overwrite=False` it also stays, and the block fails, if it came there in the meantime.
    """
    path = pathlib.Path(os.path.realpath(path))  # a link stays a link
    path.parent.mkdir(parents=True, exist_ok=True)
    # A directory of its own, so that two processes never write to the same file.
    beside = pathlib.Path(tempfile.mkdtemp(prefix=".new-", dir=path.parent))
    try:
        new, old = beside / path.name, beside / "old"
        yield new
        if not overwrite and path.exists():
            raise FileExistsError(f"Another process has made it meanwhile. Received: {path}")
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
