"""Times the exported `serving_default` beside `model.predict` and the bare call.

    python benchmarks/serving.py             # Markdown, for docs/serving.md

Rounds of all ways in turn, in one process; a row is the median over the rounds. Ratios are worth
more than the times, which are those of one machine.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=20, help="calls of each in a round")
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import keras_genzoo as genzoo

SHAPE = (28, 28, 1)
MODELS = {
    "DCGAN": lambda: genzoo.DCGAN(SHAPE, latent_dim=64),
    "VAE": lambda: genzoo.VAE(SHAPE, latent_dim=16),
}


def ways(model, directory, batch):
    """Returns functions that map one batch, by name; all see the same numbers."""
    endpoint = model.endpoints()["serving_default"]
    (field,) = endpoint.fields
    name, shape = field.name, (batch, *field.shape)
    x = np.random.default_rng(0).random(shape, "float32")
    signature = tf.saved_model.load(os.path.join(directory, "1")).signatures["serving_default"]
    return {
        "exported": lambda: signature(**{name: tf.constant(x)})[endpoint.output].numpy(),
        "`model.predict`": lambda: model.predict(x, batch_size=batch, verbose=0),
        "bare call": lambda: model(tf.constant(x)).numpy(),
    }


def measure(functions, rounds, calls):
    """Returns the seconds a call of each, `(rounds,)`, after a check that all say the same."""
    first, *others = [function() for function in functions.values()]
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-5)
    seconds = {name: [] for name in functions}
    progress = keras.utils.Progbar(rounds, unit_name="round")
    for i in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(calls):
                function()
            seconds[name].append((time.perf_counter() - start) / calls)
        progress.update(i + 1)
    return {name: np.array(values) for name, values in seconds.items()}


def main(flags):
    lines = [
        "| model | batch | way | ms a call | images/s | / `predict`'s ms | / bare call's ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, build in MODELS.items():
        keras.utils.set_random_seed(0)
        model = build()
        model.compile()
        model.fit(np.random.default_rng(0).random((64, *SHAPE), "float32"), verbose=0)
        with tempfile.TemporaryDirectory() as directory:
            model.export(directory)
            for batch in (1, 64):
                seconds = measure(ways(model, directory, batch), flags.rounds, flags.calls)
                for name, values in seconds.items():
                    ratios = [
                        np.median(values / seconds[other])
                        for other in ("`model.predict`", "bare call")
                    ]
                    rate = batch / np.median(values)
                    lines.append(
                        f"| {kind} | {batch} | {name} | {1000 * np.median(values):.2f} "
                        f"| {rate:,.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} |"
                    )
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(FLAGS))
