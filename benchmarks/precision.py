"""Measures speed and quality of half precision beside float32, on images of digits.

    python benchmarks/precision.py [--policies float32 mixed_bfloat16] [--seeds 0 1 2]
        [--data mnist_5k] [--epochs 10]

Trains a VAE and a DCGAN under each policy, each in a process of its own. Prints the steps a second
of `fit` without its first epoch, and on the test split the VAE's evidence lower bound (nats an
image) and the Fréchet distance of the DCGAN's samples in a small classifier's features.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def train(policy: str, seed: int, data: str, epochs: int) -> dict[str, float]:
    """Trains both models; returns their speed and quality."""
    import keras

    import keras_genzoo as genzoo

    keras.utils.set_random_seed(0)  # one judge for all
    judge = genzoo.metrics.features.train_classifier(genzoo.data.load(data))
    features = genzoo.metrics.features.penultimate(judge)
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(seed)
    images, _ = genzoo.data.arrays(data, "train")
    test_images, _ = genzoo.data.arrays(data, "test")
    results = {}
    shape = images.shape[1:]
    for model in (genzoo.VAE(shape), genzoo.DCGAN(shape, 64)):
        name = type(model).__name__
        is_gan = isinstance(model, genzoo.GAN)
        model.compile(metrics=[genzoo.metrics.FrechetDistance(features)] if is_gan else None)
        options = {"batch_size": 64, "verbose": 0}
        model.fit(images, epochs=1, **options)
        start = time.perf_counter()
        model.fit(images, epochs=epochs, **options)
        steps = epochs * -(-len(images) // 64)
        results[f"{name}, steps/s"] = steps / (time.perf_counter() - start)
        logs = model.evaluate(test_images, return_dict=True, verbose=0)
        quality = "frechet_distance" if is_gan else "elbo"
        results[f"{name}, {quality}"] = logs[quality]
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policies", nargs="+", default=["float32", "mixed_bfloat16"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data", default="mnist_5k", help="digits or mnist_5k")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.one:
        print(json.dumps(train(flags.one[0], int(flags.one[1]), flags.data, flags.epochs)))
        return
    runs = {policy: [] for policy in flags.policies}
    for seed in flags.seeds:  # in turns
        for policy, results in runs.items():
            command = [sys.executable, __file__, "--data", flags.data]
            command += ["--epochs", str(flags.epochs)]
            command += ["--one", policy, str(seed)]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            results.append(json.loads(output.splitlines()[-1]))
    print("| |" + "".join(f" {policy} |" for policy in runs))
    print("|---" * (1 + len(runs)) + "|")
    for name in runs[flags.policies[0]][0]:
        cells = []
        for results in runs.values():
            values = [result[name] for result in results]
            cells.append(f"{statistics.mean(values):.2f} ± {statistics.pstdev(values):.2f}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
