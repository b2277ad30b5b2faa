"""Measures where the time of a training step goes: the seconds of each kind of operation.

    python benchmarks/step_profile.py [--models vae dcgan wgan_gp mlp_gan] [--steps 20] [--top 15]

Counts what TensorFlow's profiler sees of `fit` on the CPU, with the models and data of
`throughput.py`. Run it on one core to read the seconds as shares of a step:

    TF_NUM_INTRAOP_THREADS=1 taskset -c 0 python benchmarks/step_profile.py
"""

from __future__ import annotations

import argparse
import collections
import os
import pathlib
import re
import tempfile

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["vae", "dcgan"])
    parser.add_argument("--contender", default="fit", choices=("fit", "loop", "public"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--top", type=int, default=15)
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2
from throughput import contest


def seconds_of_operations(directory: pathlib.Path) -> collections.Counter:
    """Sums the durations of the operations in the profile of a directory, by their kind."""
    (path,) = directory.glob("**/*.xplane.pb")
    space = xplane_pb2.XSpace()
    space.ParseFromString(path.read_bytes())
    seconds = collections.Counter()
    for plane in space.planes:
        names = {key: metadata.name for key, metadata in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                # The executor names an operation "path/of/node:Kind".
                kind = re.fullmatch(r"[^:]*[^:/]:([A-Z_]\w+)", names[event.metadata_id])
                if kind:
                    seconds[kind[1]] += event.duration_ps / 1e12
    return seconds


def main(flags) -> None:
    for name in flags.models:
        run = contest(name, public_jit=False)[flags.contender]
        run(flags.steps)
        plain = run(flags.steps)
        with tempfile.TemporaryDirectory() as directory:
            tf.profiler.experimental.start(directory)
            profiled = run(flags.steps)
            tf.profiler.experimental.stop()
            seconds = seconds_of_operations(pathlib.Path(directory))
        per_step = 1000 / flags.steps
        print(f"{name}: {plain * per_step:.1f} ms a step, {profiled * per_step:.1f} profiled")
        for kind, value in seconds.most_common(flags.top):
            print(f"    {value * per_step:8.2f} ms  {kind}")
        print(f"    {seconds.total() * per_step:8.2f} ms  all operations")


if __name__ == "__main__":
    main(FLAGS)
