"""Another backend of Keras is one sentence, whether that backend is installed or not."""

import os
import subprocess
import sys

import pytest

# A stand-in for a Keras whose other backend is installed.
IMPORTED = """
import sys, types
keras = types.ModuleType("keras")
keras.config = types.SimpleNamespace(backend=lambda: {backend!r})
sys.modules["keras"] = keras
import keras_genzoo
"""


def run(code, backend):
    environment = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("backend", ["jax", "torch", "openvino"])
@pytest.mark.parametrize("is_imported", [False, True])
def test_another_backend_is_one_sentence(backend, is_imported):
    code = IMPORTED.format(backend=backend) if is_imported else "import keras_genzoo"
    result = run(code, "" if is_imported else backend)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "ImportError: keras_genzoo needs the TensorFlow backend of Keras: set the environment "
        "variable KERAS_BACKEND to 'tensorflow' before Keras is imported. "
        f"Received: the backend {backend!r}"
    )
    assert "tensorflow" not in result.stderr.split("ImportError")[0]  # nothing else failed before


@pytest.mark.parametrize("backend", ["", "tensorflow"])
def test_tensorflow_is_taken(backend):
    result = run("import keras_genzoo.backend; print('fine')", backend)
    assert result.stdout == "fine\n", result.stderr
