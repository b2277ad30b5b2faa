"""An installation: type checkers find the package, and it needs few others."""

import configparser
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[1]
USE = """
import keras_genzoo as genzoo

model = genzoo.DCGAN((28, 28, 1))
reveal_type(model)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, because a build writes beside it."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(
        ROOT / "keras_genzoo", copy / "keras_genzoo", ignore=shutil.ignore_patterns("__pycache__")
    )
    return copy


@pytest.fixture(scope="module")
def editable(project, tmp_path_factory):
    """The wheel that `pip install -e .` installs, unpacked in an environment without TensorFlow."""
    wheels = tmp_path_factory.mktemp("wheels")
    build = f"from setuptools import build_meta; build_meta.build_editable({str(wheels)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=project, check=True, capture_output=True)
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(*wheels.glob("*.whl")) as wheel:
        wheel.extractall(packages)
    return environment, packages


def test_an_editable_install_is_a_path(editable, project):
    """An import hook would do for Python, but editors and type checkers do not run it."""
    _, packages = editable
    assert [file.name for file in packages.glob("*finder*")] == []
    (path,) = packages.glob("*.pth")
    assert pathlib.Path(path.read_text().strip()).resolve() == project.resolve()


def test_mypy_follows_an_editable_install(editable, tmp_path):
    pytest.importorskip("mypy")
    environment, _ = editable
    (tmp_path / "use.py").write_text(USE)
    arguments = ["--python-executable", environment / "bin" / "python", "--cache-dir", os.devnull]
    process = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments, "use.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "keras_genzoo.models.dcgan.DCGAN" in process.stdout


def requirements(text):
    """The names of packages in a list of setup.cfg."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {re.match(r"[\w-]+", line)[0] for line in lines}


def test_requirements():
    """Few packages are needed, and the tests' extra has what the tests import."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    needed = requirements(config["options"]["install_requires"])
    assert needed == {
        "keras",
        "matplotlib",
        "tensorflow",
        "tensorflow-datasets",
        # What tensorflow-datasets needs.
        "importlib_resources",
        "tensorflow-metadata",
    }
    extras = config["options.extras_require"]
    examples, test = (requirements(extras[name]) for name in ("examples", "test"))
    assert examples == {"mlxtend", "scikit-learn", "scipy"}
    assert not [name for name in extras if "_" in name], "older pips do not find such an extra"
    assert "keras_genzoo[examples]" in extras["test"]
    assert {"mypy", "onnxruntime", "setuptools", "tensorflow-serving-api", "tf2onnx"} <= test
