"""What the tutorials share: flags, data, and where their picture and numbers go."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import pathlib
import re
import sys
import time

import keras
import numpy as np
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo.files import check_directory, replacing

sys.path.append(str(pathlib.Path(__file__).parents[1]))

import image_sets  # noqa: F401 (tutorials import it from here)

OWN_DATA = "mnist_5k"  # what the claims are about
# Lines of prose: comments, and strings that fill a line.
PROSE = re.compile(r"""\s*(#.*|f?".*",?|)""")


class Lesson:
    """One run of a tutorial; makes it repeatable.

    Args:
        name: Its file's, without the ending.
        title: What it is about.
        data: A name for `genzoo.data.arrays`, unless `--data` gives another; None if the tutorial
            makes its own.
        quick: As `--quick`. A notebook's kernel has flags of its own, so there these two are set
            in the cell.
    """

    def __init__(self, name: str, title: str, data: str | None = OWN_DATA, quick: bool = False):
        parser = argparse.ArgumentParser(prog=f"{name}.py", description=title)
        parser.add_argument("--quick", action="store_true", help="see that it runs, learn nothing")
        if data is not None:
            parser.add_argument("--data", default=data, help="any image data of `genzoo.data`")
        parser.add_argument("--output", type=pathlib.Path, help="default: runs/tutorials/NAME")
        flags = parser.parse_args([] if "ipykernel" in sys.modules else None)
        self.name, self.title, self.quick = name, title, quick or flags.quick
        self.data, self.code = getattr(flags, "data", None), code(name)
        self.directory = flags.output or pathlib.Path("runs", "tutorials", name)
        check_directory(self.directory, "--output")
        self.directory.mkdir(parents=True, exist_ok=True)
        self.start = time.perf_counter()
        keras.utils.set_random_seed(0)

    def few(self, full, quick=1):
        """A setting of the full run, or of the quick one."""
        return quick if self.quick else full

    def images(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Training images in [0, 1] and labels, test images and labels.

        Of large data 5,000 and 2,000 are drawn, so that a run takes minutes.
        """
        return (*self._draw("train", self.few(5000, 400)), *self._draw("test", self.few(2000, 200)))

    def _draw(self, split, at_most):
        x, y = genzoo.data.arrays(self.data, split)
        if len(x) > at_most:
            chosen = np.sort(np.random.default_rng(0).permutation(len(x))[:at_most])
            x, y = x[chosen], y[chosen]
        return x.astype("float32") / 255, y

    def fit(self, model, x, y=None, *, epochs: int, rate: float = 2e-3, batch_size: int = 32):
        """Fits a model of one optimizer at a learning rate that falls to 0."""
        batch_size = min(batch_size, len(x))
        steps = self.few(epochs) * math.ceil(len(x) / batch_size)
        schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
        model.compile(keras.optimizers.Adam(schedule))
        model.fit(x, y, batch_size=batch_size, epochs=self.few(epochs), verbose=2)
        return model

    def judge(self, x, y):
        """A small classifier of images, to judge samples by."""
        data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(10_000, seed=0).batch(64)
        return genzoo.metrics.features.train_classifier(data, epochs=self.few(10), verbose=2)

    def finish(self, figure, caption: str, claim: str, checks: dict[str, bool], **numbers) -> None:
        """Saves the picture and the numbers, and fails if the full run doesn't show its claim.

        Args:
            figure: The picture.
            caption: What it shows.
            claim: What was found, a text with the numbers' names in braces.
            checks: Whether what the tutorial says is so, by what it says.
            **numbers: The results.
        """
        results = {
            "name": self.name,
            "title": self.title,
            "code": self.code,
            "numbers": numbers,
            "checks": {text: bool(value) for text, value in checks.items()},
            "data": self.data,
            "quick": self.quick,
            "seconds": round(time.perf_counter() - self.start),
        }
        with replacing(self.directory / "results.json") as temporary:
            temporary.write_text(json.dumps(results, indent=2, default=float) + "\n")
        with replacing(self.directory / "picture.png") as temporary:
            figure.savefig(temporary, format="png", dpi=100)
        print(f"\n{claim.format(**numbers)}\n{self.directory}: picture.png, results.json")
        failed = [text for text, value in checks.items() if not value]
        if failed and not self.quick:
            if self.data in (None, OWN_DATA):
                raise AssertionError(f"{self.name} did not show: {'; '.join(failed)}")
            print(f"Not so on this data: {'; '.join(failed)}")


def code(name: str) -> str | None:
    """A checksum of what a tutorial does, whatever it says; None if it is not a file here."""
    path = pathlib.Path(__file__).with_name(f"{name}.py")
    if not path.exists():
        return None
    lines = [line for line in path.read_text().splitlines() if not PROSE.fullmatch(line)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def draw_rows(axes, rows: dict[str, np.ndarray]) -> None:
    """Draws rows of images, each with its name at the left."""
    columns = len(next(iter(rows.values())))
    grid = genzoo.plot.grid(np.concatenate([*rows.values()]), columns)
    axes.imshow(grid)
    height = len(grid) / len(rows)
    axes.set_yticks([height * (i + 0.5) for i in range(len(rows))], [*rows])
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
