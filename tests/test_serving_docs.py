"""docs/serving.md: its snippets run, and what they exported answers what it asks a server."""

import json
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.slow

PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "serving.md").read_text()

# A stand-in for TensorFlow Serving's gRPC, and trainings of two steps.
RUNNER = """
import concurrent.futures, pathlib, sys

import grpc
import keras
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    def Predict(self, request, context):
        versions = pathlib.Path("serving", request.model_spec.name).iterdir()
        loaded = tf.saved_model.load(str(max(versions, key=lambda path: int(path.name))))
        signature = loaded.signatures[request.model_spec.signature_name]
        inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        for key, value in signature(**inputs).items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response

server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
port = server.add_insecure_port("localhost:0")
server.start()

fit = keras.Model.fit
short = {"epochs": 1, "steps_per_epoch": 2, "verbose": 0}
keras.Model.fit = lambda self, *args, **kwargs: fit(self, *args, **kwargs | short)
code = sys.stdin.read()
assert "localhost:8500" in code
names = {}
exec(code.replace("localhost:8500", f"localhost:{port}"), names)
for name, shape in {"pictures": (3, 28, 28, 1), "codes": (2, 16), "scores": (2,)}.items():
    assert names[name].shape == shape, (name, names[name].shape)
vae, unknown = names["vae"], names["test_images"]
assert abs(names["scores"] - vae.anomaly_score(unknown)).max() < 1e-3
assert abs(names["drawn"] - names["dcgan"].sample(2, seed=7)).max() < 1e-5
assert "distance" in names["Typicality"]((28, 28, 1)).endpoints()
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Where the page's snippets were run, one after the other."""
    directory = tmp_path_factory.mktemp("page")
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    process = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input="\n".join(snippets),
        cwd=directory,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return directory


def test_files(directory):
    found = {str(p.parent.relative_to(directory)) for p in directory.rglob("saved_model.pb")}
    assert found == {"serving/dcgan/1", "serving/conditional_gan/3", "serving/vae/20"}
    for name in ("encoder.onnx", "decoder.tflite", "dcgan.onnx"):
        assert (directory / name).stat().st_size > 0


def curls():
    """The commands that send something, and how the answer is said to begin."""
    pattern = r"^(curl -d .*?:predict)\n```\n\n> `(.*?)`"
    for command, answer in re.findall(pattern, PAGE, re.DOTALL | re.MULTILINE):
        _, _, data, url = shlex.split(command.replace("\\\n", " "))
        model = re.search("/models/(.*):predict", url)[1]
        yield pytest.param(model, data, answer.removesuffix("..."), id=f"{model} {data[:60]}")


def rest(directory, model, data):
    """Answers as TensorFlow Serving's REST interface says: by rows or by columns."""
    body = json.loads((directory / data[1:]).read_text() if data.startswith("@") else data)
    (path,) = (directory / "serving" / model).iterdir()
    name = body.get("signature_name", "serving_default")
    signature = tf.saved_model.load(str(path)).signatures[name]
    specs = signature.structured_input_signature[1]
    if "instances" in body:
        rows = body["instances"]
        if not isinstance(rows[0], dict):  # a single input needs no name
            rows = [dict.fromkeys(specs, row) for row in rows]
        inputs = {key: [row[key] for row in rows] for key in specs}
    else:
        inputs = body["inputs"]
    assert inputs.keys() == specs.keys()
    tensors = {k: tf.constant(np.array(inputs[k]), specs[k].dtype) for k in specs}
    try:
        (answer,) = signature(**tensors).values()
    except tf.errors.InvalidArgumentError as error:
        return {"error": str(error)}
    return {"predictions" if "instances" in body else "outputs": answer.numpy().tolist()}


@pytest.mark.parametrize("model, data, answer", curls())
def test_curl(model, data, answer, directory):
    found = rest(directory, model, data)
    assert json.dumps(found).startswith(answer)
    # Not deeper than is said.
    assert answer.startswith('{"error') or json.dumps(found)[len(answer)] in "-0123456789"
    if "error" in found:
        assert "`labels` must lie in [0, 9]." in found["error"]


def test_all_endpoints_are_asked():
    assert len([*curls()]) == 9
