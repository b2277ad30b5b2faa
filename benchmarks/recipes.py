"""Measures what the recipes of `examples/train.py` cost and give, beside the public Keras examples.

Run, resume and print (the judge, a classifier of the training images, is trained first):

    python benchmarks/recipes.py run                    # whatever results/recipes.jsonl lacks
    python benchmarks/recipes.py table docs/recipes.md
    python benchmarks/recipes.py picture docs/images/recipes.png

A recipe and the public example (`public_models.py`) train at the same time, on a core each, until
the recipe has done its epochs: they have the same seconds of the same machine. Then 10,000 samples
of each are compared with the 10,000 test images, in the 64 features of the judge's last hidden
layer. A public WGAN-GP is stopped after a whole step, which may take seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("run", help="train and score what is missing")
    names = [f"{name}_fashion_mnist" for name in ("vae", "dcgan", "conditional_gan", "wgan_gp")]
    command.add_argument("--recipes", nargs="+", choices=names, default=names, dest="pairs")
    command.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    command = commands.add_parser("one", help="one run on one core (`run` starts these)")
    command.add_argument("name")
    command.add_argument("seed", type=int)
    command.add_argument("core", type=int)
    command.add_argument("other", type=pathlib.Path, nargs="?")
    for name in ("table", "picture"):
        commands.add_parser(name).add_argument("path", nargs="?" if name == "table" else None)
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))

import keras
import numpy as np
import recipes
from public_models import PUBLIC

import keras_genzoo as genzoo
from keras_genzoo import metrics, plot
from keras_genzoo.files import replacing

# A line a run. The file is part of the repository: all of it takes more than an hour.
RESULTS = pathlib.Path(__file__).with_name("results") / "recipes.jsonl"
RUNS = pathlib.Path("runs", "recipes")  # the judge, logs, pictures
JUDGE = RUNS / "judge.keras"
DATA = "fashion_mnist"

# Each recipe and the public examples that it is compared with.
PAIRS = {
    "vae_fashion_mnist": ("vae", "vae_16"),
    "dcgan_fashion_mnist": ("dcgan",),
    "conditional_gan_fashion_mnist": ("conditional_gan",),
    "wgan_gp_fashion_mnist": ("wgan_gp",),
}


# One run, in a process of its own. ----------------------------------------------------------------


class Clock(keras.callbacks.Callback):
    """Seconds of training from the first step's beginning; stops when another run has ended."""

    def __init__(self, other=None):
        super().__init__()
        self.other, self.steps = other, 0

    def on_train_batch_begin(self, batch, logs=None):
        if self.steps == 0:
            self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        self.seconds = time.perf_counter() - self.start
        if self.other is not None and self.other.exists():
            self.model.stop_training |= self.seconds >= json.loads(self.other.read_text())


def train_recipe(name, seed, clock):
    """Trains the recipe; returns its batch size and a function that samples."""
    keras.utils.set_random_seed(seed)
    recipe = recipes.RECIPES[name]
    conditional = bool(recipe.conditional)
    fields = genzoo.fields.Images((28, 28, 1)), genzoo.fields.Labels(10 if conditional else None)
    model = recipe.build(fields)
    data = genzoo.data.load(recipe.data_name, batch_size=recipe.batch_size, labels=conditional)
    model.fit(data, epochs=recipe.epochs, verbose=2, callbacks=[clock])

    def sample(labels):
        if conditional:
            return model.sample(labels=labels, seed=seed)
        return model.sample(len(labels), seed=seed)

    return recipe.batch_size, conditional, sample


def train_public(name, seed, clock):
    """Trains a public example; returns its batch size and a function that samples."""
    keras.utils.set_random_seed(seed)
    public = PUBLIC[name]()
    data = public.dataset(*genzoo.data.arrays(DATA)).repeat()
    public.model.fit(data, steps_per_epoch=10**6, verbose=0, callbacks=[clock], shuffle=False)

    def sample(labels):
        return public.sample(len(labels), labels if public.conditional else None, seed)

    return public.batch_size, public.conditional, sample


def score(samples, judge):
    """Computes all metrics of samples against the test images."""
    features = metrics.features.penultimate(judge)
    chosen = (
        metrics.FrechetDistance(features),
        metrics.KernelDistance(features),
        metrics.PrecisionRecall(features),
        metrics.ClassBalance(judge),
    )
    real, _ = genzoo.data.arrays(DATA, "test")
    scores = {}
    for metric in chosen:
        metric.update_state(real, samples)
        result = metric.result()
        scores |= result if isinstance(result, dict) else {metric.name: result}
    return {k: float(v) for k, v in scores.items() if not k.startswith("class_share")}


def one(name, seed, core, other):
    """Trains and scores one model on one core, and writes the results to a file."""
    os.sched_setaffinity(0, {core})
    clock = Clock(other)
    train = train_public if name in PUBLIC else train_recipe
    batch_size, conditional, sample = train(name, seed, clock)
    say_seconds(name, seed, clock.seconds)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # from KiB to GiB
    labels = np.arange(10_000) % 10
    samples = sample(labels)
    judge = keras.saving.load_model(JUDGE)
    scores = score(samples, judge)
    if conditional:
        found = judge.predict(samples, verbose=0).argmax(axis=-1)
        scores["label_agreement"] = float(np.mean(found == labels))
    plot.save_grid(stem(name, seed).with_suffix(".png"), samples[:60], columns=10)
    result = {
        "name": name,
        "seed": seed,
        "seconds": clock.seconds,
        "steps": clock.steps,
        "images_per_second": clock.steps * batch_size / clock.seconds,
        "memory": memory,
        "machine": machine(),
        **scores,
    }
    # One write to the end of the file: the other process may add its line meanwhile.
    with open(RESULTS, "ab", buffering=0) as file:
        file.write((json.dumps(result) + "\n").encode())


def say_seconds(name, seed, seconds):
    """Tells the other run of the pair when it has to end."""
    with replacing(stem(name, seed).with_suffix(".seconds")) as temporary:
        temporary.write_text(json.dumps(seconds))


def machine():
    """Returns the processor's name, as Linux knows it."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def stem(name, seed):
    return RUNS / f"{name}-{seed}.x"


# All runs. ----------------------------------------------------------------------------------------


def run(pairs, seeds):
    RUNS.mkdir(parents=True, exist_ok=True)
    if not JUDGE.exists():
        keras.utils.set_random_seed(0)
        data = genzoo.data.load(DATA, batch_size=128)
        metrics.features.train_classifier(data, JUDGE, epochs=6)
    jobs = [(ours, public, s) for s in seeds for ours in pairs for public in PAIRS[ours]]
    progress = keras.utils.Progbar(len(jobs), unit_name="pair")
    for i, (ours, public, seed) in enumerate(jobs):
        run_pair(ours, public, seed)
        progress.update(i + 1)


def run_pair(ours, public, seed):
    """Trains both at once, unless their results exist."""
    found = {(r["name"], r["seed"]): r for results in read().values() for r in results}
    done = {name: (name, seed) in found for name in (ours, public)}
    end = stem(ours, seed).with_suffix(".seconds")
    if done[ours]:
        say_seconds(ours, seed, found[ours, seed]["seconds"])
    else:
        end.unlink(missing_ok=True)
    processes = []
    for core, name in enumerate((ours, public)):
        if not done[name]:
            command = [sys.executable, __file__, "one", name, str(seed), str(core)]
            command += [str(end)] if name == public else []
            log = open(stem(name, seed).with_suffix(".log"), "w")  # noqa: SIM115
            processes.append((name, subprocess.Popen(command, stdout=log, stderr=log)))
    for name, process in processes:
        if process.wait() != 0:
            raise RuntimeError(f"{name} failed: see {stem(name, seed).with_suffix('.log')}")


# What came of them. -------------------------------------------------------------------------------

COLUMNS = {
    "steps": ("steps", "{:,.0f}"),
    "seconds": ("seconds", "{:.0f}"),
    "images_per_second": ("images/s", "{:,.0f}"),
    "memory": ("GiB", "{:.1f}"),
    "frechet_distance": ("Fréchet", "{:.1f}"),
    "kernel_distance": ("kernel", "{:.2f}"),
    "precision": ("precision", "{:.2f}"),
    "recall": ("recall", "{:.2f}"),
    "density": ("density", "{:.2f}"),
    "coverage": ("coverage", "{:.3f}"),
    "class_entropy": ("class entropy, bits", "{:.2f}"),
    "label_agreement": ("label", "{:.2f}"),
}
SPREAD = ("frechet_distance", "kernel_distance", "coverage")  # shown with ± standard deviation


def read():
    """Returns the results by name, a list over the seeds."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    found = {}
    for result in sorted(map(json.loads, lines), key=lambda result: result["seed"]):
        found.setdefault(result["name"], []).append(result)
    return found


def table(path):
    found = read()
    heads = [head for head, _ in COLUMNS.values()]
    lines = ["| | " + " | ".join(heads) + " | seeds |", "|---" * (len(heads) + 2) + "|"]
    for ours, others in PAIRS.items():
        for name in (ours, *others):
            if name not in found:
                continue
            cells = []
            for column, (_, text) in COLUMNS.items():
                values = [result.get(column, np.nan) for result in found[name]]
                cell = text.format(np.mean(values)) if np.isfinite(values).all() else "–"
                if column in SPREAD:
                    cell += " ± " + text.format(np.std(values))
                cells.append(cell)
            shown = f"`{name}`" if name == ours else f"public {name}"
            seeds = ", ".join(str(result["seed"]) for result in found[name])
            lines.append(f"| {shown} | {' | '.join(cells)} | {seeds} |")
    machines = {result["machine"] for results in found.values() for result in results}
    text = INTRODUCTION.format(machine=", ".join(sorted(machines))) + "\n".join(lines) + "\n"
    if path is None:
        print(text)
    else:
        with replacing(path) as temporary:
            temporary.write_text(text)


INTRODUCTION = """# Recipes

`python examples/train.py --recipe NAME` trains a model and logs its losses: the recipes below on
the full Fashion-MNIST, 60,000 images, and `gan_ring` on points ([modes.md](modes.md)). The table
says what that costs and gives, beside the public Keras example of
the same model with its published settings (re-created in `benchmarks/public_models.py`), for the
same seconds on the same machine. Made by `python benchmarks/recipes.py run`, which trains both at
once, on one CPU core each (of an {machine}), and `python benchmarks/recipes.py table
docs/recipes.md`: means over the seeds named, ± their standard deviation.

10,000 samples are compared with the 10,000 test images in the 64 features of a small classifier's
last hidden layer (91% right on the test images). Values from other features are not comparable with
these. Lower is better for the Fréchet and the kernel distance, higher for the others; class
entropy is at most 3.32 bits. `label`: samples of a conditional model that the classifier takes
for the class asked for. GiB: the most memory that the process had. Other jobs ran beside these, and
the machine's speed varied by a factor of two: compare seconds and images/s within a pair. Minutes
of one core are little for the public GANs, whose pages train for much longer.

![Samples of each](images/recipes.png)

Four rows a pair, two of the recipe above two of the public example: VAE, DCGAN, conditional GAN (a
class a column), WGAN-GP; seed 0 (`python benchmarks/recipes.py picture docs/images/recipes.png`).

"""


def picture(path, seed=0):
    """Draws a row of samples of each model, ours above the public one."""
    from matplotlib import image

    rows = []
    for ours, others in PAIRS.items():
        for name in (ours, others[0]):
            grid = image.imread(stem(name, seed).with_suffix(".png"))[..., :3]
            rows.append(grid[: grid.shape[0] // 6 * 2])
    with replacing(path) as temporary:
        image.imsave(temporary, np.concatenate(rows), format="png")


def main(flags):
    flags = vars(flags)
    command = {"run": run, "one": one, "table": table, "picture": picture}[flags.pop("command")]
    command(**flags)


if __name__ == "__main__":
    main(FLAGS)
