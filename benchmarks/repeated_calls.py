"""Measures memory and traces over many calls of what people call in a loop.

    python benchmarks/repeated_calls.py [--calls 2000] [--verbs fit sample ...]

Each verb runs in a process of its own. Prints the resident memory after 200 calls and at the end,
and how many graphs were built after the first 200 calls. (Keras's `fit` and `evaluate` build some
at each call for the data set that they make of arrays.)
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

WARM_UP = 200


def resident() -> float:
    """Returns the resident memory of this process, in MB."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def verbs() -> dict:
    """Returns the functions to call, by name."""
    import numpy as np
    import tensorflow as tf

    import keras_genzoo as genzoo

    x = np.random.default_rng(0).random((64, 8, 8, 1), "float32")
    networks = genzoo.networks
    coders = {
        "encoder": networks.convolutional_encoder((8, 8, 1), 8, filters=(4,)),
        "decoder": networks.convolutional_decoder((8, 8, 1), 4, filters=(4,)),
    }
    players = {
        "generator": networks.dcgan_generator((8, 8, 1), 4, filters=(4,)),
        "discriminator": networks.dcgan_discriminator((8, 8, 1), filters=(4,)),
    }
    vae, gan = genzoo.VAE((8, 8, 1), 4, **coders), genzoo.DCGAN((8, 8, 1), 4, **players)
    vae.compile()
    gan.compile()
    judged = genzoo.VAE((8, 8, 1), 4, **coders)
    judged.compile(metrics=[genzoo.metrics.FrechetDistance()])
    points = genzoo.VAE((2,), 2)
    distance, counts = genzoo.metrics.FrechetDistance(), itertools.cycle(range(1, 301))
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(32)
    codes = np.zeros((64, 4), "float32")

    def measure():
        distance.reset_state()
        distance.update_state(x, x[::-1])
        distance.result()

    return {
        "fit, arrays": lambda: vae.fit(x, batch_size=32, verbose=0),
        "fit, data set": lambda: gan.fit(dataset, verbose=0),
        "train_on_batch": lambda: gan.train_on_batch(x),
        "evaluate": lambda: vae.evaluate(x, verbose=0),
        "evaluate with a metric": lambda: judged.evaluate(x, verbose=0),
        "sample": lambda: gan.sample(16),
        "sample of other numbers": lambda: gan.sample(next(counts)),
        "sample(mean=True)": lambda: points.sample(16, mean=True),
        "encode": lambda: vae.encode(x),
        "reconstruct": lambda: vae.reconstruct(x),
        "anomaly_score": lambda: vae.anomaly_score(x),
        "interpolate": lambda: gan.interpolate(codes, codes + 1.0, 4),
        "log_likelihood": lambda: vae.log_likelihood(x, 4),
        "metric": measure,
    }


def measure_one(name: str, calls: int) -> None:
    """Calls a verb many times, and prints what was measured."""
    import tensorflow as tf

    graphs, build = [0], tf.__internal__.FuncGraph.__init__

    def count_and_build(*args, **options):
        graphs[0] += 1
        build(*args, **options)

    tf.__internal__.FuncGraph.__init__ = count_and_build
    call = verbs()[name]
    for _ in range(WARM_UP):
        call()
    gc.collect()
    before, built, start = resident(), graphs[0], time.perf_counter()
    for _ in range(calls - WARM_UP):
        call()
    milliseconds = 1000 * (time.perf_counter() - start) / (calls - WARM_UP)
    gc.collect()
    result = {"before": before, "after": resident(), "graphs": graphs[0] - built}
    print(json.dumps(result | {"milliseconds": milliseconds}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--verbs", nargs="+")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.one:
        measure_one(flags.one, flags.calls)
        return
    print(
        f"| | MB after {WARM_UP} calls | after {flags.calls} | graphs built between | ms a call |"
    )
    print("|---|---|---|---|---|")
    for name in flags.verbs or verbs():
        command = [sys.executable, __file__, "--one", name, "--calls", str(flags.calls)]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            print(run.stderr[-2000:])
            raise SystemExit(1)
        r = json.loads(run.stdout.splitlines()[-1])
        cells = f"{r['before']:.0f} | {r['after']:.0f} | {r['graphs']} | {r['milliseconds']:.1f}"
        print(f"| {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
