"""Compares the speed of `fit` in two checkouts of this repository, in turns in one run.

Each checkout trains the models of `throughput.py` in a process of its own, and so does a
hand-written loop in the first checkout's process; a machine that slows down slows all of them. Run:

    python benchmarks/checkouts.py PATH_OF_THE_OLD PATH_OF_THE_NEW [--rounds 15]
        [--models mlp_gan vae dcgan wgan_gp]

A ratio above 1 says that the new checkout is faster. Ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", help="the old and the new checkout")
    parser.add_argument("--rounds", type=int, default=15)
    models = ("mlp_gan", "vae", "dcgan", "wgan_gp")
    parser.add_argument("--models", nargs="+", choices=models, default=models)
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    FLAGS = parser.parse_args()
    if len(FLAGS.paths) != 2 and not FLAGS.answer:
        parser.error("two paths are needed")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from throughput import STEPS, contest


def answer(name: str) -> None:
    """Runs contenders by the names that come in on standard input; prints their seconds."""
    contenders = contest(name, public_jit=False)
    for line in sys.stdin:
        print("seconds", contenders[line.strip()](STEPS[name]), flush=True)


class Checkout:
    """A process that trains with the library of a checkout."""

    def __init__(self, path: str, name: str):
        paths = os.pathsep.join([os.path.abspath(path), os.path.dirname(os.path.abspath(__file__))])
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--answer", name],
            env=os.environ | {"PYTHONPATH": paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def seconds(self, contender: str) -> float:
        """Lets a contender take its steps, and returns the seconds that it took."""
        self.process.stdin.write(f"{contender}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("seconds "):
                return float(line.split()[1])
        raise RuntimeError(f"The process ended with code {self.process.wait()}.")


def measure(name: str, old_path: str, new_path: str, rounds: int) -> tuple[float, float, float]:
    """Returns the medians of old/new seconds, and of loop/`fit` seconds in old and new."""
    old, new = Checkout(old_path, name), Checkout(new_path, name)
    turns = {"old": (old, "fit"), "new": (new, "fit"), "loop": (old, "loop")}
    rows = []
    for _ in range(rounds + 1):
        rows.append({turn: checkout.seconds(kind) for turn, (checkout, kind) in turns.items()})
    for checkout in (old, new):
        checkout.process.kill()

    def ratio(above, below):  # without the first round, which traces
        return statistics.median(row[above] / row[below] for row in rows[1:])

    return ratio("old", "new"), ratio("loop", "old"), ratio("loop", "new")


def main(flags: argparse.Namespace) -> None:
    if flags.answer:
        return answer(flags.answer)
    print("| model | new / old | old `fit` / loop | new `fit` / loop |\n|---|---|---|---|")
    for name in flags.models:
        ratios = measure(name, *flags.paths, flags.rounds)
        print(f"| {name} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |", flush=True)


if __name__ == "__main__":
    main(FLAGS)
