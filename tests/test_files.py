"""Files and directories are written completely or not at all, whatever interrupts or kills it."""

import contextlib
import errno
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading

import pytest
import tensorflow as tf

from keras_genzoo import files

NAME = "old"  # a name that the temporary directory has parts of, too


def write(path, text):
    """Makes a directory with two files."""
    path.mkdir()
    for name in ("a", "b"):
        (path / name).write_text(text)


def read(path):
    return {file.name: file.read_text() for file in path.iterdir()}


def write_file(path, text):
    path.write_text(text)


def read_file(path):
    return path.read_text()


KINDS = {"directory": (write, read), "file": (write_file, read_file)}


class InterruptedAt:
    """Raises KeyboardInterrupt at the n-th line that runs in the block, of the modules below."""

    modules = {files.__file__, contextlib.__file__, shutil.__file__, __file__}

    def __init__(self, n):
        self.left = n

    def __enter__(self):
        sys.settrace(self.trace)
        sys._getframe(1).f_trace = self.trace

    def __exit__(self, *_):
        sys.settrace(None)
        sys._getframe(1).f_trace = None

    def trace(self, frame, event, _):
        if frame.f_code.co_filename not in self.modules:
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self.trace


def replace(path, put, text):
    with files.replacing(path) as temporary:
        put(temporary, text)


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupt_at_any_line_leaves_old_or_new(kind, tmp_path):
    put, get = KINDS[kind]
    path = tmp_path / NAME
    put(path, "0")
    whole = {"0": get(path)}
    interrupt = InterruptedAt(0)
    while interrupt.left <= 0:
        interrupt = InterruptedAt(len(whole))
        text = str(len(whole))
        expected = tmp_path.parent / f"expected_{kind}_{text}"
        put(expected, text)
        whole[text] = get(expected)
        # `shutil.rmtree` may make an OSError of the interrupt, or of that a success.
        with contextlib.suppress(KeyboardInterrupt, OSError), interrupt:
            replace(path, put, text)
        assert get(path) in whole.values()
    assert len(whole) > 100
    assert get(path) == whole[text]
    # What an interrupt within the cleaning has left, the next write clears.
    assert [entry.name for entry in tmp_path.iterdir()] == [NAME]


# Loads `files` alone: TensorFlow takes seconds to import, and is not needed.
LOAD = f"""
import importlib.util, sys, types
sys.modules["tensorflow"] = types.ModuleType("tensorflow")
spec = importlib.util.spec_from_file_location("files", {files.__file__!r})
files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(files)
"""

REPLACES_UNTIL_KILLED = """
import os, pathlib, signal
path, call, number = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
real = getattr(os, call)
def killed(*args, **options):
    global number
    number -= 1
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **options)
setattr(os, call, killed)
with files.replacing(path) as temporary:
    temporary.mkdir()
    (temporary / "a").write_text("new")
    (temporary / "b").write_text("new")
"""


@pytest.mark.parametrize("call, number", [("rename", 1), ("replace", 1), ("unlink", 1)])
def test_the_next_write_clears_up_after_a_kill(call, number, tmp_path):
    """Killed before the first rename, between both, and while the old directory is deleted."""
    path = tmp_path / "model"
    write(path, "old")
    code = LOAD + REPLACES_UNTIL_KILLED
    process = subprocess.run([sys.executable, "-c", code, path, call, str(number)])
    assert process.returncode == -signal.SIGKILL
    assert [*tmp_path.glob(".new-*")]
    replace(tmp_path / "other", write_file, "other")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["model", "other"]
    assert read(path) in ({"a": "old", "b": "old"}, {"a": "new", "b": "new"})


def test_clearing_leaves_alone_what_is_in_use_and_what_is_not_ours(tmp_path):
    mine = tmp_path / ".new-projects"
    mine.mkdir()
    (mine / "thesis.tex").write_text("mine")
    with files.replacing(tmp_path / "a") as first:
        first.write_text("first")
        replace(tmp_path / "b", write_file, "second")
        assert first.read_text() == "first"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".new-projects", "a", "b"]
    assert (mine / "thesis.tex").read_text() == "mine"


def test_a_directory_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    path = tmp_path / "model"
    write(path, "old")

    def fail(*args):
        raise OSError("Input/output error")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="Input/output"):
        replace(path, write, "new")
    assert read(path) == {"a": "old", "b": "old"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_writers_in_parallel_leave_each_other_alone(tmp_path):
    errors = []

    def work(name):
        try:
            for i in range(50):
                replace(tmp_path / name, write, f"{name}{i}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {entry.name for entry in tmp_path.iterdir()} == {*"abcd"}
    assert read(tmp_path / "c") == {"a": "c49", "b": "c49"}


LOCKS = """
with files.locked(sys.argv[1], "output"):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_refused_beside_a_living_process_and_ends_with_it(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", LOAD + LOCKS, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "locked\n"
    message = rf"`output` must not be in use.*Received: '{tmp_path}', which process {process.pid} "
    with pytest.raises(BlockingIOError, match=message), files.locked(tmp_path, "output"):
        pass
    process.kill()
    process.wait()
    assert [entry.name for entry in tmp_path.iterdir()] == [files.LOCK]  # left behind, but stale
    with files.locked(tmp_path, "output") as is_locked:
        assert is_locked
    assert [*tmp_path.iterdir()] == []


def test_file_systems_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    with files.locked(tmp_path, "output") as is_locked:
        assert not is_locked
    replace(tmp_path / "a", write_file, "a")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("place", ["/proc", "a_file"])
def test_directories_are_checked_by_writing(place, tmp_path):
    """The superuser has all permissions, but not everything can be written to."""
    (tmp_path / "a_file").touch()
    directory = pathlib.Path(tmp_path, place, "new")
    with pytest.raises(ValueError, match=r"`path` must be where files can be written.*Received: "):
        files.check_directory(directory, "path")


def test_dispensable_files_are_a_warning(tmp_path):
    message = r"a\.png could not be written: .*No space"
    with pytest.warns(UserWarning, match=message) as caught, files.dispensable("a.png"):
        raise OSError(28, "No space left on device")
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="mistake"), files.dispensable("a.png"):
        raise ValueError("mistake")


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("error", [FULL, OSError(errno.EROFS, "Read-only file system")])
def test_errors_of_the_disk_name_the_path_that_was_given(error, tmp_path):
    path = tmp_path / "mine.txt"
    with pytest.raises(OSError) as raised, files.replacing(path) as temporary:
        raise error
    assert raised.value.errno == error.errno and raised.value.filename == str(path)
    with pytest.raises(PermissionError) as raised, files.replacing(path) as temporary:
        raise PermissionError(errno.EACCES, "Permission denied", str(temporary))
    assert str(raised.value) == f"[Errno 13] Permission denied: {str(path)!r}"
    with pytest.raises(OSError) as raised, files.replacing(path) as temporary:
        raise tf.errors.OutOfRangeError(None, None, f"{temporary}; File too large [Op:SaveV2]")
    assert str(raised.value) == f"{str(path)!r} could not be written: File too large"


def test_a_directory_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def fail(path, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "mkdir", fail)
    with pytest.raises(PermissionError) as raised, files.replacing(tmp_path / "mine.txt"):
        pass
    assert raised.value.filename == str(tmp_path / "mine.txt")


@pytest.mark.parametrize(
    "error",
    [
        OSError("bug"),
        FileNotFoundError(errno.ENOENT, "No such file", "other.txt"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        tf.errors.InvalidArgumentError(None, None, "bug"),
    ],
)
def test_other_errors_stay_as_they_are(error, tmp_path):
    with pytest.raises(type(error)) as raised, files.replacing(tmp_path / "mine.txt"):
        raise error
    assert raised.value is error
