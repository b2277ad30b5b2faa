"""Programs other than this library that compute from an export, and how far they are off.

`python tests/consumers.py table docs/consumers.md` asks all of them about every model of the
contract and writes down the largest differences. `tests/models/test_serving.py` asks about some.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from contract.cases import BATCH, CASES, ZOO

import keras_genzoo as genzoo
from keras_genzoo.files import replacing


def trained(case):
    """Trains a model for three steps, and scales its kernels so that its outputs vary."""
    model = case.make()
    model.fit(case.dataset(model, 3 * BATCH), verbose=0)
    for variable in model.variables:
        if len(variable.shape) > 1 and "kernel" in variable.name:
            kernel = keras.ops.convert_to_numpy(variable)
            variable.assign(0.3 * kernel / kernel.std())
    return model


def questions(model, examples=5, size=(8, 8)):
    """Returns `(inputs, answer)` for each endpoint that is not random.

    The inputs are a dict of arrays by name, the answer is the model's own. A model that translates
    is asked about images of a size.
    """
    if "translate" in model.verbs:
        return questions_of_translations(model, examples, size)
    images, labels = genzoo.data.arrays("digits", "test")
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(examples, model.latent_dim)).astype("float32")
    data = images[:examples].astype("float32") / 255
    if model.data_field.shape == (2,):
        data = genzoo.data.ring(8).sample(examples, seed=1)
    # Verbs of denoising autoencoders take data with noise added.
    if not getattr(model, "input_field", model.data_field).bounded:
        data = data + rng.normal(0, 0.5, data.shape).astype("float32")
    name = model.data_field.name
    values = {name: data, "codes": codes, "latents": codes, "labels": labels[:examples]}
    conditional = model.num_classes is not None
    given = {"labels": labels[:examples]} if conditional else {}
    answers = {
        "encode": lambda: model.encode(data, **given),
        "decode": lambda: model.decode(codes, **given),
        "anomaly_score": lambda: model.anomaly_score(data, **given),
        "serving_default": (
            (lambda: model.reconstruct(data, **given))
            if "reconstruct" in model.verbs
            else (lambda: model([codes, given["labels"]] if conditional else codes).numpy())
        ),
    }
    return {
        name: (
            {field.name: values[field.name] for field in endpoint.fields},
            answers[name](),
        )
        for name, endpoint in model.endpoints().items()
        if not endpoint.random
    }


def questions_of_translations(model, examples, size):
    rng, asked = np.random.default_rng(0), {}
    for name, endpoint in model.endpoints().items():
        inputs = {}
        for field in endpoint.fields:
            spec = field.spec()
            sides = iter(size)  # of images of any size
            shape = [next(sides) if n is None else n for n in spec.shape[1:]]
            if spec.dtype == tf.int32:
                inputs[field.name] = rng.integers(0, 3, (examples, *shape)).astype("int32")
            else:
                inputs[field.name] = rng.random((examples, *shape)).astype("float32")
        asked[name] = inputs, endpoint({k: tf.constant(v) for k, v in inputs.items()}).numpy()
    return asked


# The consumers. Each takes the model (to export it in another format), the path of its SavedModel,
# the questions and a directory to work in, and returns its answers by endpoint.

FRESH = """
import sys

# Keras must not be importable: TensorFlow would import it.
sys.modules |= {"keras": None, "keras_genzoo": None}

import numpy as np
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
asked = np.load(sys.argv[2])
answers = {}
for name, signature in loaded.signatures.items():
    inputs = {k.split("/")[1]: tf.constant(asked[k]) for k in asked if k.split("/")[0] == name}
    if inputs:
        (answers[name],) = signature(**inputs).values()
np.savez(sys.argv[3], **answers)
found = [name for name in sys.modules if name.split(".")[0] in ("keras", "keras_genzoo")]
assert found == ["keras", "keras_genzoo"], found
"""


def fresh_process(model, saved_model, asked, directory):
    inputs, outputs = directory / "inputs.npz", directory / "outputs.npz"
    flat = {f"{name}/{key}": v for name, (given, _) in asked.items() for key, v in given.items()}
    np.savez(inputs, **flat)
    command = [sys.executable, "-c", FRESH, str(saved_model), str(inputs), str(outputs)]
    subprocess.run(command, check=True, cwd=directory, env={**os.environ, "PYTHONPATH": ""})
    with np.load(outputs) as answers:
        return dict(answers)


def openvino(model, saved_model, asked, directory):
    import openvino

    core = openvino.Core()
    # The default depends on the processor: on some it is bfloat16.
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(saved_model), "CPU", options)
    inputs, _ = asked["serving_default"]
    (answer,) = compiled(inputs).values()
    return {"serving_default": answer}


def onnxruntime(model, saved_model, asked, directory):
    import onnxruntime

    answers = {}
    for name, (inputs, _) in asked.items():
        path = directory / f"{name}.onnx"
        model.export(path, format="onnx", endpoint=name)
        session = onnxruntime.InferenceSession(path)
        (answers[name],) = session.run(None, inputs)
    return answers


def litert(model, saved_model, asked, directory):
    from ai_edge_litert.interpreter import Interpreter

    answers = {}
    for name, (inputs, _) in asked.items():
        path = directory / f"{name}.tflite"
        model.export(path, format="litert", endpoint=name)
        run = Interpreter(str(path)).get_signature_runner("serving_default")
        (answers[name],) = run(**inputs).values()
    return answers


CONSUMERS = {
    "TensorFlow alone, a fresh process": fresh_process,
    "OpenVINO": openvino,
    "onnxruntime": onnxruntime,
    "LiteRT": litert,
}


def differences(model, consumer, size=(8, 8)):
    """Returns each endpoint's largest difference, relative where the model's numbers exceed 1."""
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        model.export(directory / "model")
        asked = questions(model, size=size)
        answers = CONSUMERS[consumer](model, directory / "model" / "1", asked, directory)
    for name, answer in answers.items():
        assert np.ptp(asked[name][1]) > 0.01  # else any answer would agree
        assert answer.dtype == np.float32 and answer.shape == asked[name][1].shape
    return {
        name: float(np.max(np.abs(answer - asked[name][1]) / np.maximum(1, np.abs(asked[name][1]))))
        for name, answer in answers.items()
    }


def table(path):
    lines = [
        "# Who computes what the model computes",
        "",
        "The largest difference between what a model of the contract says (`tests/contract/`)",
        "and what another program computes from its export: relative where the numbers exceed 1,",
        "of 5 examples, over all endpoints that are not random (OpenVINO: `serving_default`).",
        "Written by `python tests/consumers.py table docs/consumers.md`.",
        "",
        "| | " + " | ".join(CONSUMERS) + " |",
        "|---" * (len(CONSUMERS) + 1) + "|",
    ]
    progress = keras.utils.Progbar(len(ZOO), unit_name="model")
    for i, name in enumerate(ZOO):
        model = trained(CASES[name])
        largest = [max(differences(model, consumer).values()) for consumer in CONSUMERS]
        assert max(largest) < 1e-5, name
        cells = [f"{difference:.0e}" for difference in largest]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        progress.update(i + 1)
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("table", help="write the table").add_argument("path", type=pathlib.Path)
    tf.get_logger().setLevel("ERROR")
    table(parser.parse_args().path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
