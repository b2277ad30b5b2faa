"""Computes the Fréchet distance of 10,000 examples of 2,048 features in three ways.

    python benchmarks/metrics.py [--rounds 3] [--features 2048] [--examples 10000]

Ours takes the features in batches, as `evaluate` does; the others have all of them at once. What is
timed is the means and covariances, and then the distance. The ways take turns in one process, on
the same features; the table has medians, and the processors' own seconds in brackets. Where others
use the machine, threads that wait for each other make those of the clock long: set
OPENBLAS_NUM_THREADS=1 and TF_NUM_INTRAOP_THREADS=1, and look at the seconds in brackets.
"""

from __future__ import annotations

import argparse
import os
import time

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--examples", type=int, default=10_000)
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import scipy.linalg
import tensorflow as tf

from keras_genzoo.metrics import FrechetDistance
from keras_genzoo.metrics.frechet_distance import frechet_distance

BATCH = 256


def features(examples, count):
    """Draws correlated features, real and generated, whose variances fall as a power of rank."""
    random = np.random.default_rng(0)
    directions = np.linalg.qr(random.normal(size=(count, count)))[0]
    mixing = directions * np.arange(1, count + 1)[:, None] ** -0.5
    turned = mixing + 0.01 * random.normal(size=mixing.shape) * mixing.std()
    real = random.normal(size=(examples, count)) @ mixing + 0.4
    generated = 1.1 * random.normal(size=(examples, count)) @ turned + 0.42
    return real.astype("float32"), generated.astype("float32")


def streamed(real, generated):
    """Computes the moments with the library."""
    metric = FrechetDistance()
    metric.build(real.shape)
    update = tf.function(metric.update_state, reduce_retracing=True)
    for start in range(0, len(real), BATCH):
        update(*(tf.constant(x[start : start + BATCH]) for x in (real, generated)))
    return [moment for sums in metric.sums for moment in metric.moments(sums)]


def at_once(real, generated):
    """Computes the moments with NumPy."""
    moments = []
    for x in (real, generated):
        moments += [np.mean(x, axis=0, dtype="float64"), np.cov(x, rowvar=False)]
    return moments


def by_root(mean_1, covariance_1, mean_2, covariance_2):
    """Takes SciPy's square root of the product."""
    root = scipy.linalg.sqrtm(covariance_1 @ covariance_2).real
    return np.sum((mean_1 - mean_2) ** 2) + np.trace(covariance_1 + covariance_2 - 2 * root)


def by_eigenvalues(mean_1, covariance_1, mean_2, covariance_2):
    """Takes the eigenvalues of the product, which is not symmetric: torchmetrics's formula."""
    root = np.sqrt(np.linalg.eigvals(covariance_1 @ covariance_2).astype(complex)).real.sum()
    gap = np.sum((mean_1 - mean_2) ** 2)
    return gap + np.trace(covariance_1) + np.trace(covariance_2) - 2 * root


WAYS = {
    f"ours, in batches of {BATCH}": (streamed, frechet_distance),
    "`np.cov` and `scipy.linalg.sqrtm`": (at_once, by_root),
    "`np.cov` and `np.linalg.eigvals`": (at_once, by_eigenvalues),
}


def clocks():
    """Returns the time of day, and that of the processors, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def run(moments, distance, data):
    """Returns the seconds of the two parts and of both, `(3, 2)`, and the distance."""
    start = clocks()
    found = moments(*data)
    middle = clocks()
    value = distance(*found)
    end = clocks()
    return np.stack([middle - start, end - middle, end - start]), value


def main(flags):
    data = features(flags.examples, flags.features)
    runs = {way: [] for way in WAYS}
    small = [x[:100, :20] for x in data]
    for functions in WAYS.values():
        run(*functions, small)  # loads libraries
    for _ in range(flags.rounds):
        for way, functions in WAYS.items():
            runs[way].append(run(*functions, data))
    print(f"{flags.examples} x {flags.features}, {flags.rounds} rounds, {os.cpu_count()} cores\n")
    print("| way | moments, s | distance, s | together, s | / ours | value |")
    print("|---" * 6 + "|")
    ours = None
    for way, results in runs.items():
        seconds = np.median([taken for taken, _ in results], axis=0)
        ours = seconds[-1] if ours is None else ours
        cells = [f"{clock:.2f} ({cpu:.2f})" for clock, cpu in seconds]
        ratio, cpu_ratio = seconds[-1] / ours
        cells += [f"{ratio:.1f} ({cpu_ratio:.1f})", f"{results[0][1]:.9g}"]
        print(f"| {way} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(FLAGS)
