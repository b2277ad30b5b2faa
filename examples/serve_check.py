"""Prints what a SavedModel can be asked, and asks each thing once. Needs TensorFlow alone.

    python examples/serve_check.py serving/dcgan            # its newest version
    python examples/serve_check.py serving/dcgan/1 --warmup

`--warmup` also keeps the requests as `assets.extra/tf_serving_warmup_requests`, which TensorFlow
Serving sends to itself before it answers others (needs tensorflow-serving-api).
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=pathlib.Path, help="a version, or the directory of versions")
    parser.add_argument("--warmup", action="store_true", help="keep the requests for a warm-up")
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

WARMUP = pathlib.Path("assets.extra", "tf_serving_warmup_requests")
# The scalars that endpoints of the zoo take.
SCALARS = {"num_samples": 2, "seed": 0}


def main(flags: argparse.Namespace) -> int:
    """Asks all endpoints, and returns the exit code: 1 if an endpoint fails."""
    try:
        if flags.warmup:
            check_package()  # before all the work
        path = find_version(flags.path.resolve())
        signatures = load(path).signatures
        if not signatures:
            raise ValueError(f"`path` must have signatures. Received: {path}, which has none")
        requests = {name: request(signature) for name, signature in signatures.items()}
        print(path)
        working = [check(name, signatures[name], inputs) for name, inputs in requests.items()]
        if not all(working):
            return 1
        if flags.warmup:
            write_warmup(path / WARMUP, path.parent.name, requests)
            print(f"{path / WARMUP}: a request an endpoint")
    except (ValueError, OSError, ImportError) as error:
        print(f"serve_check.py: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def check_package() -> None:
    """Raises unless the messages of TensorFlow Serving are installed."""
    try:
        import tensorflow_serving  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "--warmup needs the package tensorflow-serving-api: `pip install "
            f"tensorflow-serving-api`. Received: {error}"
        ) from error


def find_version(path: pathlib.Path) -> pathlib.Path:
    """The path itself if it is a SavedModel, else the highest number in it."""
    if (path / "saved_model.pb").exists():
        return path
    versions = [p for p in path.glob("*/saved_model.pb") if p.parent.name.isdecimal()]
    if not versions:
        raise ValueError(f"`path` must be a SavedModel or hold its versions. Received: {path}")
    return max((p.parent for p in versions), key=lambda p: int(p.name))


def load(path: pathlib.Path):
    """Loads a SavedModel; of damaged files, TensorFlow raises errors of any kind."""
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:
        raise ValueError(
            f"`path` must be a SavedModel whose files are whole. Received: {path}, which "
            f"TensorFlow can't load ({type(error).__name__}: {error})"
        ) from error


def request(signature) -> dict[str, tf.Tensor]:
    """Two examples: random numbers in [0, 1), label 0, empty strings."""
    specs = signature.structured_input_signature[1]
    rng = np.random.default_rng(0)
    inputs = {}
    for name, spec in sorted(specs.items()):
        sizes = [None] if spec.shape.rank is None else spec.shape
        shape = [2 if size is None else size for size in sizes]
        inputs[name] = tf.zeros(shape, spec.dtype)
        if spec.dtype.is_floating:
            inputs[name] = tf.constant(rng.random(shape), spec.dtype)
        elif name in SCALARS and not shape:
            inputs[name] = tf.constant(SCALARS[name], spec.dtype)
    return inputs


def check(name: str, signature, inputs: dict[str, tf.Tensor]) -> bool:
    """Calls an endpoint, and prints what it takes and gives. True if all numbers are finite."""
    print(f"\n{name}")
    for key, spec in sorted(signature.structured_input_signature[1].items()):
        print(f"  takes {key}: {spec.dtype.name} {spec.shape}")
    try:
        signature(**inputs)  # the first call is slower
        start = time.perf_counter()
        outputs = signature(**inputs)
        seconds = time.perf_counter() - start
    except (tf.errors.OpError, TypeError, ValueError) as error:
        print(f"  FAILED: {error}")
        return False
    finite = True
    for key, value in outputs.items():
        span = ""
        if (value.dtype.is_floating or value.dtype.is_integer) and tf.size(value) > 0:
            low, high = float(tf.reduce_min(value)), float(tf.reduce_max(value))
            span = f", {low:.3g} to {high:.3g}"
            finite &= bool(np.isfinite([low, high]).all())
        print(f"  gives {key}: {value.dtype.name} {value.shape}{span}")
    print(f"  in {1000 * seconds:.1f} ms")
    if not finite:
        print("  FAILED: not all numbers are finite")
    return finite


def write_warmup(path: pathlib.Path, model: str, requests: dict) -> None:
    """Writes the requests as TensorFlow Serving reads them; the file is there whole or not."""
    try:
        _write_warmup(path, model, requests)
    except (OSError, tf.errors.OpError) as error:  # they name a temporary file
        reason = error.strerror if isinstance(error, OSError) else error.message
        raise OSError(
            f"`path` must be writable for `--warmup`. Received: {path.parents[1]} ({reason})"
        ) from error


def _write_warmup(path, model, requests):
    from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

    path.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        temporary = os.path.join(directory, path.name)
        with tf.io.TFRecordWriter(temporary) as writer:
            for name, inputs in requests.items():
                protos = {key: tf.make_tensor_proto(value) for key, value in inputs.items()}
                spec = model_pb2.ModelSpec(name=model, signature_name=name)
                predict = predict_pb2.PredictRequest(model_spec=spec, inputs=protos)
                log = prediction_log_pb2.PredictLog(request=predict)
                writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())
        os.replace(temporary, path)


if __name__ == "__main__":
    sys.exit(main(FLAGS))
