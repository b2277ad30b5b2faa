"""Checks that the first steps of a default VAE on large images are finite, and measures the KL.

    python benchmarks/vae_sizes.py [--steps 15] [--sides 64 128 256]

Ten runs: photos with two seeds at each size, noise with two seeds at 64 and one seed above. The
photos are crops of scikit-learn's two sample images. It prints a table, and fails if a weight or a
log of any step is not finite.
"""

import argparse
import os

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=15)
    sides = (64, 128, 256)
    parser.add_argument("--sides", type=int, nargs="+", choices=sides, default=sides)
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import sklearn.datasets

import keras_genzoo as genzoo

BATCHES = {64: 32, 128: 16, 256: 8}


def photos(count, side, seed):
    """Crops the sample images, uint8."""
    rng = np.random.default_rng(seed)
    pictures = sklearn.datasets.load_sample_images().images
    crops = []
    for i in range(count):
        picture = pictures[i % len(pictures)]
        top, left = (rng.integers(0, size - side + 1) for size in picture.shape[:2])
        crops.append(picture[top : top + side, left : left + side])
    return np.stack(crops)


def noise(count, side, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype="uint8")


class KL(keras.callbacks.Callback):
    """Keeps the KL divergence of each step; the logs are means since the start of an epoch."""

    def __init__(self):
        super().__init__()
        self.values = []

    def on_train_batch_end(self, batch, logs=None):
        mean = float(logs["kl_loss"])
        before = np.sum(self.values) if self.values else 0.0
        self.values.append(mean * (batch + 1) - before)


def run(make, side, seed, steps):
    """Returns the largest KL divergence of the steps, and the last loss; both may be NaN."""
    keras.utils.set_random_seed(seed)
    model, kl = genzoo.VAE((side, side, 3)), KL()
    model.compile()
    x = make(steps * BATCHES[side], side, seed)
    history = model.fit(x, batch_size=BATCHES[side], verbose=0, callbacks=[kl]).history
    finite = all(np.isfinite(weight).all() for weight in model.get_weights())
    return np.max(kl.values) if finite else np.nan, history["loss"][0]


def main(arguments):
    runs = [(photos, side, seed) for side in arguments.sides for seed in (0, 1)]
    runs += [
        (noise, side, seed) for side in arguments.sides for seed in range(2 if side < 128 else 1)
    ]
    print("| data | side | seed | largest KL of a step | mean loss |\n|---|---|---|---|---|")
    results = []
    for make, side, seed in runs:
        results.append(run(make, side, seed, arguments.steps))
        kl, loss = results[-1]
        print(f"| {make.__name__} | {side} | {seed} | {kl:,.1f} | {loss:,.0f} |", flush=True)
    assert np.isfinite(results).all()
    print(f"{len(results)} runs, all finite, largest KL {max(kl for kl, _ in results):,.1f}")


if __name__ == "__main__":
    main(FLAGS)
