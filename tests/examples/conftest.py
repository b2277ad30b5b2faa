import importlib.util
import pathlib

import pytest


@pytest.fixture(scope="session")
def train():
    """The script as a module."""
    path = pathlib.Path(__file__).parents[2] / "examples" / "train.py"
    spec = importlib.util.spec_from_file_location("train", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(train, tmp_path):
    """Runs a command line into `tmp_path/run`."""
    return lambda *flags: train.main([*map(str, flags), "--output", str(tmp_path / "run")])
