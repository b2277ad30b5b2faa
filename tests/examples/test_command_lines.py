"""The command lines of examples/ and benchmarks/: flags are read before TensorFlow is imported."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SCRIPTS = [
    path
    for path in sorted([*ROOT.glob("examples/*.py"), *ROOT.glob("benchmarks/*.py")])
    if "ArgumentParser(" in path.read_text()
]
# To import these would take seconds; here it fails.
RUN = """
import runpy, sys
sys.modules |= {name: None for name in ("keras", "tensorflow", "keras_genzoo")}
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*arguments):
    command = [sys.executable, "-c", RUN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_help_and_typos_do_not_wait_for_tensorflow(path):
    help_, typo = run(path, "--help"), run(path, "--tpyo")
    assert help_.returncode == 0, help_.stderr
    assert help_.stdout.startswith(f"usage: {path.name}")
    assert typo.returncode == 2 and "Traceback" not in typo.stderr
    assert "error: " in typo.stderr.splitlines()[-1]


def test_there_are_command_lines():
    names = {path.name for path in SCRIPTS}
    assert names > {"train.py", "serve_check.py", "throughput.py", "modes.py", "checkouts.py"}


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_tensorflow_is_quiet(path):
    assert 'os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")' in path.read_text()


@pytest.mark.parametrize("level", [None, "0"])
def test_train_keeps_a_log_level_that_is_set(level):
    code = "import os, sys; sys.path.insert(0, 'examples'); import train; "
    code += "print(os.environ['TF_CPP_MIN_LOG_LEVEL'], 'tensorflow' in sys.modules)"
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    environment |= {} if level is None else {"TF_CPP_MIN_LOG_LEVEL": level}
    output = subprocess.check_output(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, text=True
    )
    assert output.split() == [level or "2", "False"]


@pytest.mark.parametrize(
    "flags, message",
    [
        (("modes.py", "picture"), "picture needs the path of a PNG file"),
        (("checkouts.py", "one"), "two paths are needed"),
        (("throughput.py", "--models", "dcgun"), "invalid choice: 'dcgun'"),
        (("super_resolution.py", "--photos", "nowhere"), "nowhere is no directory"),
        (
            ("super_resolution.py", "--photos", ".", "--contenders", "srgan"),
            "srgan starts from ours",
        ),
    ],
)
def test_mistakes_in_benchmarks(flags, message):
    result = run(ROOT / "benchmarks" / flags[0], *flags[1:])
    assert result.returncode == 2 and message in result.stderr.splitlines()[-1]
