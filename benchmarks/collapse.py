"""A GAN that collapses on little data, and the same with a remedy: what CollapseMonitor sees.

    python benchmarks/collapse.py docs/images

500 points of a ring of eight Gaussians (σ = 0.05), and a strong discriminator: five steps for each
of the generator's. Writes `collapse.png` and `collapse_cured.png`, what the monitor saw, and
`collapse_samples.png`, the last samples of both. A minute or two on two CPU cores.
"""

from __future__ import annotations

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo.files import replacing

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


def draw(path, points, shown):
    """The samples of both over the points in grey."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    for axes, (title, samples) in zip(figure.subplots(1, 2), shown.items(), strict=True):
        axes.scatter(*points.T, s=14, color="0.8", linewidths=0)
        axes.scatter(*samples.T, s=2, color="tab:blue", linewidths=0)
        axes.set(title=title, aspect="equal", xlim=(-1.5, 1.5), ylim=(-1.5, 1.5))
        axes.set_axis_off()
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path, help="of the pictures")
    directory = parser.parse_args().directory
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
    draw(directory / "collapse_samples.png", points, shown)


if __name__ == "__main__":
    main()
