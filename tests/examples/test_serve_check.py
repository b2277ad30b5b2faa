"""examples/serve_check.py, in processes where there is neither Keras nor this library."""

import pathlib
import shutil
import subprocess
import sys

import pytest
import tensorflow as tf
from contract.cases import CASES
from tensorflow_serving.apis import prediction_log_pb2

SCRIPT = pathlib.Path(__file__).parents[2] / "examples" / "serve_check.py"
ALONE = f"""
import runpy, sys
sys.modules |= {{"keras": None, "keras_genzoo": None}}
sys.argv = ["serve_check.py", *sys.argv[1:]]
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""


def check(*arguments):
    command = [sys.executable, "-c", ALONE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("serving") / "digits"
    model = CASES["VAE, conditional"].make()  # of networks that were given: as if trained
    model.export(path, version=2)
    model.export(path, version=10)
    return path


def test_every_endpoint_is_asked(saved_model):
    run = check(saved_model, "--warmup")
    assert run.returncode == 0, run.stderr
    assert str(saved_model / "10") in run.stdout
    for line in (
        "sample\n  takes labels: int32 (None,)\n  takes num_samples: int32 ()",
        "gives images: float32 (2, 8, 8, 1)",
        "gives codes: float32 (2, 4)",
        "gives scores: float32 (2,)",
    ):
        assert line in run.stdout
    assert run.stdout.count(" ms\n") == 5
    records = tf.data.TFRecordDataset(
        str(saved_model / "10" / "assets.extra" / "tf_serving_warmup_requests")
    )
    logs = [prediction_log_pb2.PredictionLog.FromString(r.numpy()) for r in records]
    requests = {log.predict_log.request.model_spec.signature_name: log for log in logs}
    assert set(requests) == {"serving_default", "sample", "encode", "decode", "anomaly_score"}
    encode = requests["encode"].predict_log.request
    assert encode.model_spec.name == "digits"
    assert tf.make_ndarray(encode.inputs["images"]).shape == (2, 8, 8, 1)


def test_an_endpoint_that_fails(tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, "x")])
    def broken(x):
        with tf.control_dependencies([tf.debugging.Assert(False, ["it is broken"])]):
            return {"y": tf.identity(x)}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, "x")])
    def infinite(x):
        return {"y": x / 0.0}

    module.broken, module.infinite = broken, infinite
    path = tmp_path / "1"
    signatures = {"broken": broken, "infinite": infinite}
    tf.saved_model.save(module, str(path), signatures=signatures)
    run = check(path, "--warmup")
    assert run.returncode == 1, run.stderr
    assert "it is broken" in run.stdout and "not all numbers are finite" in run.stdout
    assert not (path / "assets.extra").exists()


def test_any_saved_model(tmp_path):
    """Strings, truth values, unknown ranks and nothing at all are no failures."""
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec(None, tf.string, "words")])
    def odd(words):
        return {"same": words, "truth": words == "", "nothing": tf.zeros((0, 2))}

    module.odd = odd
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"odd": odd})
    run = check(tmp_path / "1")
    assert run.returncode == 0, run.stderr
    for line in ("gives same: string", "gives truth: bool (2,)", "gives nothing: float32 (0, 2)\n"):
        assert line in run.stdout


def damage(kind, path, saved_model):
    """Makes a directory that is no SavedModel, or not a whole one."""
    if kind == "missing":
        return
    if kind == "a file":
        path.write_text("mine")
        return
    if kind == "empty":
        path.mkdir()
        return
    if kind == "no signatures":
        tf.saved_model.save(tf.Module(), str(path))
        return
    shutil.copytree(saved_model / "10", path)
    graph, index = path / "saved_model.pb", path / "variables" / "variables.index"
    (data,) = path.glob("variables/variables.data*")
    if kind == "cut off":
        graph.write_bytes(graph.read_bytes()[:1000])
    if kind == "empty graph":
        graph.write_bytes(b"")
    if kind == "noise":
        graph.write_bytes(bytes(range(256)) * 9)
    if kind == "no variables":
        shutil.rmtree(path / "variables")
    if kind == "no index":
        index.unlink()
    if kind == "empty index":
        index.write_bytes(b"")
    if kind == "no data":
        data.unlink()
    if kind == "flipped bit":
        content = bytearray(data.read_bytes())
        content[len(content) // 2] ^= 1
        data.write_bytes(content)
    if kind == "short data":
        data.write_bytes(data.read_bytes()[:100])


DAMAGES = ["missing", "a file", "empty", "no signatures", "cut off", "empty graph", "noise"]
DAMAGES += ["no variables", "no index", "empty index", "no data", "flipped bit", "short data"]
MAIN = """
serve_check = runpy.run_path(sys.argv[1])
for path in sys.argv[2:]:
    flags = argparse.Namespace(path=pathlib.Path(path), warmup=False)
    print(f"{path} code {serve_check['main'](flags)}", file=sys.stderr)
"""


@pytest.mark.slow
def test_bad_paths(tmp_path, saved_model):
    """All in one process, which takes seconds to import TensorFlow."""
    for kind in DAMAGES:
        damage(kind, tmp_path / kind, saved_model)
    code = f"import argparse, pathlib, runpy, sys\n{MAIN}"
    command = [sys.executable, "-c", code, SCRIPT, *(tmp_path / kind for kind in DAMAGES)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr  # no traceback
    errors = [line for line in run.stderr.splitlines() if line.startswith("serve_check.py: ")]
    assert len(errors) == len(DAMAGES), run.stderr
    for kind, error in zip(DAMAGES, errors, strict=True):
        assert f"{tmp_path / kind} code 2\n" in run.stderr
        assert error.startswith("serve_check.py: error: `path` must ")
        assert f"Received: {tmp_path / kind}" in error


def test_an_unwritable_place_for_the_warmup(tmp_path, saved_model):
    path = tmp_path / "1"
    shutil.copytree(saved_model / "10", path, ignore=lambda *_: {"assets.extra"})
    (path / "assets.extra").write_text("mine")
    run = check(path, "--warmup")
    assert run.returncode == 2
    last = run.stderr.splitlines()[-1]
    assert last.startswith("serve_check.py: error: `path` must be writable for `--warmup`")
    assert f"Received: {path} (" in last and "Traceback" not in run.stderr
