"""Trains a GAN that collapses on little data, and the same with a remedy, under CollapseMonitor.

    python benchmarks/collapse.py docs/images

500 points of a ring of eight Gaussians (σ = 0.05), and a strong discriminator: five steps for each
of the generator's. Writes `collapse.png` and `collapse_cured.png`, what the monitor saw, and
`collapse_samples.png`, the last samples of both. A minute or two on two CPU cores.
"""

from __future__ import annotations

import argparse
import os
import pathlib

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path, help="of the pictures")
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import scatter
import tensorflow as tf

import keras_genzoo as genzoo

RING = genzoo.data.ring(stddev=0.05)
EXAMPLES, EPOCHS, BATCH = 500, 40, 250
RUNS = {
    "collapse": {},
    "collapse_cured": {"penalty": genzoo.losses.GradientPenalty(weight=0.1, at="real", target=0.0)},
}


def train(points, monitor, **remedy):
    keras.utils.set_random_seed(0)
    networks = genzoo.networks
    model = genzoo.GAN(
        (2,),
        latent_dim=16,
        critic_steps=5,
        generator=networks.dense_decoder((2,), 16, hidden_units=(128, 128)),
        discriminator=networks.dense_discriminator((2,), hidden_units=(128, 128)),
        **remedy,
    )
    model.compile(keras.optimizers.Adam(1e-3, beta_1=0.5), keras.optimizers.Adam(1e-3, beta_1=0.5))
    # An epoch is fifty rounds through the points.
    data = tf.data.Dataset.from_tensor_slices(points).repeat(50).shuffle(50 * len(points))
    model.fit(data.batch(BATCH), epochs=EPOCHS, callbacks=[monitor], verbose=0)
    return model


def main(directory):
    directory.mkdir(parents=True, exist_ok=True)
    points, fresh = RING.sample(EXAMPLES, seed=0), RING.sample(1000, seed=1)
    shown = {}
    for name, remedy in RUNS.items():
        monitor = genzoo.callbacks.CollapseMonitor(fresh)
        model = train(points, monitor, **remedy)
        monitor.draw(directory / f"{name}.png")
        samples = model.sample(2500, seed=0)
        shown["with R1" if remedy else "without a penalty"] = samples
        last = {key: round(float(values[-1]), 2) for key, values in monitor.history.items()}
        print(f"{name}: {last}\n  {RING.score(samples)}", flush=True)
        for event in monitor.events:
            print(f"  {event}", flush=True)
    scatter.save(directory / "collapse_samples.png", (points, shown))


if __name__ == "__main__":
    main(FLAGS.directory)
