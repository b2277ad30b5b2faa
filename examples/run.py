"""The part of `train.py` after its flags: it trains a model, and keeps its files.

It is a module of its own, so that `train.py --help` need not wait for TensorFlow.
"""

import argparse
import contextlib
import csv
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import tempfile
import time
import warnings

import keras
import numpy as np
import tensorflow as tf
from recipes import RECIPES

import keras_genzoo as genzoo
from keras_genzoo.files import LOCK, clear_leftovers, dispensable, locked, replacing

SAVED_MODEL_FILE = re.compile(
    r"(saved_model|fingerprint)\.pb|assets/genzoo\.json|variables/variables\.(index|data-.*)"
)
PICTURE = re.compile(r"epoch_\d{4,}\.png$")


def train(flags: argparse.Namespace, stopwatch: "Stopwatch") -> int:
    """Runs training from start to finish."""
    # First of all: a cluster can only be joined before TensorFlow does anything else.
    make_strategy = STRATEGIES.get(flags.strategy, tf.distribute.get_strategy)
    strategy = make_strategy()
    run = Run(flags.output)
    if not is_chief(strategy):
        # The other workers of a cluster take part, and write nothing.
        model, data, done = prepare(flags, strategy, run)
        fit(model, data, flags, done, verbose=0)
        return 0
    with run.lock():
        run.check(flags)
        # Build everything before anything is written, so that mistakes surface first.
        model, data, done = prepare(flags, strategy, run)
        run.open(settings_of(flags, model), flags, done)
        grid = genzoo.callbacks.SampleGrid(
            run.pictures,
            every=flags.every,
            images=data.examples,
            targets=data.targets,
            seed=flags.seed,
        )
        with run.recording_the_end():
            if flags.resume and not done:
                print(f"No earlier epochs in {flags.output}: training starts anew.")
            if done < flags.epochs:
                print(
                    f"Training {flags.recipe} on {flags.data}, epochs {done + 1} to "
                    f"{flags.epochs}, replicas: {strategy.num_replicas_in_sync}."
                )
                fit(model, data, flags, done, callbacks=[stopwatch, *run.callbacks(grid)])
                measurements = stopwatch.measurements(flags.batch_size)
            else:
                print(f"Nothing to train: {done} of {flags.epochs} epochs are done.")
                grid.set_model(model)
                measurements = {}
            run.write_outputs(model, grid, measurements)
        run.report()
    return 0


def prepare(flags: argparse.Namespace, strategy: tf.distribute.Strategy, run: "Run"):
    """Returns the model with the weights to begin with, its data, and the number of epochs done."""
    keras.utils.set_random_seed(flags.seed)
    recipe = RECIPES[flags.recipe]
    data = recipe.data(flags, first_epoch=0)
    with strategy.scope():
        model = recipe.build(data.fields, flags.latent_dim, flags.loss)
    model.check_training_data(data.train)
    if not flags.resume:
        return model, data, 0
    run.check_settings(settings_of(flags, model))
    done = run.load_backup(model, data.steps)
    if done > flags.epochs:
        raise ValueError(
            f"`--epochs` counts all epochs, and {done} are done. Received: --epochs {flags.epochs}"
        )
    keras.utils.set_random_seed(flags.seed)  # the order of the data, again
    return model, recipe.data(flags, first_epoch=done), done


def settings_of(flags: argparse.Namespace, model: keras.Model) -> dict:
    """Returns the settings that a resumed run must have in common with the earlier one."""
    settings = {
        name: getattr(flags, name) for name in ("recipe", "data", "batch_size", "loss", "seed")
    }
    return settings | {"latent_dim": model.latent_dim, "num_classes": model.num_classes}


def fit(model: keras.Model, data, flags: argparse.Namespace, done: int, **options) -> None:
    """Trains a model for the epochs that are left."""
    model.fit(
        data.train,
        validation_data=data.test,
        steps_per_epoch=data.steps,
        epochs=flags.epochs,
        initial_epoch=done,
        **options,
    )


def multi_worker() -> tf.distribute.Strategy:
    """Joins the cluster of the environment variable TF_CONFIG."""
    text = os.environ.get("TF_CONFIG", "")
    if not names_cluster(text):
        example = {
            "cluster": {"worker": ["host:port", "host:port"]},
            "task": {"type": "worker", "index": 0},
        }
        raise ValueError(
            f"`--strategy multi_worker` needs TF_CONFIG, such as {json.dumps(example)}. "
            f"Received: TF_CONFIG={text!r}"
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def names_cluster(text: str) -> bool:
    """Returns True if a TF_CONFIG has addresses, and the place of this process among them."""
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        addresses = [address for job in jobs.values() for address in job]
        return (
            task["type"] in ("chief", "worker")
            and task["index"] in range(len(jobs[task["type"]]))
            and all(re.fullmatch(r".+:\d+", address) for address in addresses)
            and len({*addresses}) == len(addresses)
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def tpu() -> tf.distribute.Strategy:
    """Connects to the TPU that the environment names."""
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    return tf.distribute.TPUStrategy(resolver)


STRATEGIES = {"mirrored": tf.distribute.MirroredStrategy, "multi_worker": multi_worker, "tpu": tpu}


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns True if this process writes the files: it is the only one, or a cluster's first."""
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True
    has_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)


class Stopwatch(keras.callbacks.Callback):
    """Measures training itself: no validation, no pictures, no backups."""

    def __init__(self):
        super().__init__()
        self.seconds = self.steps = 0
        self.logs = {}

    def on_epoch_begin(self, epoch, logs=None):
        self._begin = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        self._end = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds += self._end - self._begin
        self.logs = {name: float(value) for name, value in logs.items()}

    def measurements(self, batch_size: int) -> dict:
        """Returns the measurements for run.json."""
        return {
            "seconds": round(self.seconds, 3),
            "steps": self.steps,
            "images_per_second": round(self.steps * batch_size / self.seconds, 1),
            "logs": self.logs,
        }


class HistoryFile(keras.callbacks.Callback):
    r"""Appends the logs of each epoch to a CSV file, and warns if it can't be written.

    Keras's CSVLogger ends lines with "\r\n", even on Linux.
    """

    def __init__(self, path: pathlib.Path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch} | {name: float(value) for name, value in logs.items()}
        options = {"restval": "NA", "extrasaction": "ignore", "lineterminator": "\n"}
        with dispensable(self.path):
            header = read_history(self.path)[0]
            text = self.path.read_text("utf-8", "replace") if self.path.exists() else ""
            # The whole file anew, because a full disk could leave half a row.
            with (
                replacing(self.path) as temporary,
                temporary.open("w", encoding="utf-8", newline="") as file,
            ):
                writer = csv.DictWriter(file, header or ["epoch", *sorted(logs)], **options)
                if not header:  # a new file, or a damaged one, whose lines stay below
                    writer.writeheader()
                file.writelines(f"{line}\n" for line in text.splitlines())
                writer.writerow(row)


class Run:
    """The directory of a run: its layout, and how it is begun, resumed and finished."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.model = directory / "model.keras"
        self.saved_model = directory / "saved_model" / "1"
        self.samples = directory / "samples.png"
        self.pictures = directory / "pictures"
        self.history = directory / "history.csv"
        self.curves = directory / "curves.png"
        self.json = directory / "run.json"
        self.backup = directory / "backup"
        self.weights = self.backup / "latest.weights.h5"
        self.older_weights = self.backup / "latest.weights.h5.bkp"
        self.uses_older_weights = False
        self.progress = self.backup / "training_metadata.json"
        self.facts = {}

    @contextlib.contextmanager
    def lock(self):
        """Keeps other processes out; of new directories, those that stay empty are removed."""
        if self.directory.exists() and not self.directory.is_dir():
            raise ValueError(f"`--output` must be a directory. Received: {self.directory}")
        paths = (self.directory, *self.directory.parents)
        new = [path for path in paths if not path.exists()]
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            with locked(self.directory, "--output"):
                yield
        finally:
            with contextlib.suppress(OSError):
                for path in new:
                    path.rmdir()

    def check(self, flags: argparse.Namespace) -> None:
        """Raises unless the directory is empty, or the flags permit what is in it."""
        clear_leftovers(self.directory)
        if all(path.name == LOCK for path in self.directory.iterdir()):
            return
        if flags.resume and not self.json.exists():
            raise ValueError(
                "`--resume` needs the directory of an earlier run, or an empty one. "
                f"Received: {self.directory}, which has other files but no {self.json.name}"
            )
        if flags.overwrite and not self.json.exists():
            raise ValueError(
                "`--overwrite` replaces an earlier run, and nothing else. "
                f"Received: {self.directory}, which has files but no {self.json.name}"
            )
        for folder in (self.pictures, self.backup, self.saved_model):
            if folder.exists() and not folder.is_dir():
                raise ValueError(f"A directory is needed at {folder}. Received: a file")
        foreign = self._foreign_files()
        if foreign:
            raise ValueError(
                f"`--output` has files in {self.saved_model} that this script did not write and "
                f"would lose; move them away. Received: {foreign}"
            )
        if not flags.resume and not flags.overwrite:
            raise ValueError(
                "`--output` must be a new or empty directory, unless you say --overwrite or "
                f"--resume. Received: {self.directory}"
            )

    def open(self, settings: dict, flags: argparse.Namespace, done: int) -> None:
        """Makes the directory ready for training, and writes down what is about to be done."""
        if flags.overwrite:
            self._remove_artifacts()
        if flags.resume:
            self._repair_backup(done)
            self._trim_history(done)
        started = self.facts.get("started", now())
        versions = {
            "python": platform.python_version(),
            **{m.__name__: m.__version__ for m in (keras, tf, np)},
            "keras_genzoo": genzoo.__version__,
        }
        self.record(
            status="running",
            settings=settings,
            epochs=flags.epochs,
            versions=versions,
            started=started,
            ended=None,
        )

    def check_settings(self, settings: dict) -> None:
        """Raises unless the settings are those of the earlier run, if there is one."""
        if not self.json.exists():
            return
        try:
            self.facts = json.loads(self.json.read_text())
            before = {name: self.facts["settings"][name] for name in settings}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                "`--resume` needs the run.json of the earlier run, whole; `--overwrite` starts "
                f"anew. Received: {self.json}, which is damaged ({error!r})"
            ) from error
        for name, value in settings.items():
            if value != before[name]:
                raise ValueError(
                    f"`--resume` needs the settings of the earlier run in {self.directory}, "
                    f"{name}={before[name]!r}. Received: {name}={value!r}"
                )

    def load_backup(self, model: keras.Model, steps: int) -> int:
        """Loads the weights of the last backup, if any; returns the number of epochs they have.

        The weights are written in one step and know their number of training steps. The file of
        the epoch beside them is written later, so a kill may leave it an epoch behind.
        """
        if not self.weights.exists():
            return 0
        try:
            model.load_weights(self.weights)
        except OSError:  # damaged
            if not self.older_weights.exists():
                raise
            with tempfile.TemporaryDirectory() as directory:
                copy = shutil.copy(self.older_weights, pathlib.Path(directory, self.weights.name))
                model.load_weights(copy)
            self.uses_older_weights = True
        taken = int(model.optimizer.iterations.numpy())  # also of several replicas
        if taken % steps:
            raise ValueError(
                f"`--resume` needs the data of the earlier run, but its backup is from after "
                f"{taken} steps. Received: data of {steps} steps an epoch"
            )
        return taken // steps

    def _repair_backup(self, done: int) -> None:
        """Makes the backup what `load_backup` has found, which Keras's callback loads again."""
        if self.uses_older_weights:
            warnings.warn(f"{self.weights} is damaged: using the one before.", stacklevel=2)
            with replacing(self.weights) as temporary:
                shutil.copyfile(self.older_weights, temporary)
        if done:
            with replacing(self.progress) as temporary:
                temporary.write_text(json.dumps({"epoch": done, "batch": 0}))
        else:
            self.progress.unlink(missing_ok=True)

    def _foreign_files(self) -> list[str]:
        """Lists files in the SavedModel's directory that an export does not write."""
        if not self.saved_model.is_dir():
            return []
        paths = (path for path in self.saved_model.rglob("*") if path.is_file())
        names = sorted(str(path.relative_to(self.saved_model)) for path in paths)
        return [name for name in names if not SAVED_MODEL_FILE.fullmatch(name)]

    def callbacks(self, grid: keras.callbacks.Callback) -> list[keras.callbacks.Callback]:
        """Returns the callbacks that write files; the backup is last, so it is never ahead."""
        return [
            HistoryFile(self.history),
            grid,
            keras.callbacks.BackupAndRestore(
                self.backup, double_checkpoint=True, delete_checkpoint=False
            ),
        ]

    def record(self, **facts) -> None:
        """Adds to run.json."""
        self.facts |= facts
        with replacing(self.json) as temporary:
            temporary.write_text(json.dumps(self.facts, indent=2) + "\n")

    @contextlib.contextmanager
    def recording_the_end(self):
        """Adds to run.json how the block has ended, if an error or Ctrl-C ends it."""
        try:
            yield
        except BaseException as error:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            with contextlib.suppress(OSError):  # on a full disk, its own error says more
                self.record(status=status, ended=now())
            raise

    def write_outputs(
        self, model: keras.Model, grid: genzoo.callbacks.SampleGrid, measurements: dict
    ) -> None:
        """Writes the model, then all else; older files stay until the new are complete."""
        model.save(self.model)
        self.record(**measurements)
        with replacing(self.saved_model) as temporary:
            model.export(temporary)
        with dispensable(self.samples):
            grid.draw(self.samples)
        with dispensable(self.curves):
            genzoo.plot.save_curves(self.curves, curves_of(*read_history(self.history)))
        self.record(status="finished", ended=now())

    def report(self) -> None:
        """Prints the paths of the files, and the last logs."""
        for path, meaning in {
            self.model: "for keras.saving.load_model, after `import keras_genzoo`",
            self.saved_model: "for TensorFlow Serving",
            self.samples: "final samples",
            self.pictures: "samples during training",
            self.curves: f"losses, from {self.history.name}",
            self.json: "settings and measurements",
        }.items():
            print(f"{path!s:50s} {meaning}")
        print(
            "  ".join(f"{name}: {value:.4g}" for name, value in self.facts.get("logs", {}).items())
        )

    def _remove_artifacts(self) -> None:
        """Removes the files that this script writes, and nothing else."""
        files = [self.model, self.samples, self.history, self.curves, self.json]
        files += [path for path in self.pictures.glob("epoch_*.png") if PICTURE.match(path.name)]
        for path in (self.weights, self.progress):
            files += [path, path.with_name(f"{path.name}.bkp")]
        for path in files:
            path.unlink(missing_ok=True)
        if self.saved_model.exists():
            shutil.rmtree(self.saved_model)
        for directory in (self.pictures, self.backup, self.saved_model.parent):
            if directory.is_dir() and not any(directory.iterdir()):
                directory.rmdir()

    def _trim_history(self, done: int) -> None:
        """Removes logs from after the last backup, whose epochs are about to be trained again.

        What can't be read is removed too, and the file is kept under another name then.
        """
        if not self.history.exists():
            return
        header, rows = read_history(self.history)
        if len(rows) < done:
            copy = self.history.with_name("history_damaged.csv")
            warnings.warn(
                f"{self.history} has {len(rows)} of {done} epochs; it is kept as {copy}.",
                stacklevel=2,
            )
            shutil.copyfile(self.history, copy)
        rows = [row for row in rows if int(row[0]) < done]
        with (
            replacing(self.history) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            csv.writer(file, lineterminator="\n").writerows([header, *rows] if rows else [])


def read_history(path: pathlib.Path) -> tuple[list[str], list[list[str]]]:
    """Reads the header and the complete rows of a HistoryFile, however damaged it is."""
    text = path.read_text("utf-8", "replace") if path.exists() else ""
    # Line by line, because an open quote would swallow all that follow.
    header, *rows = [next(csv.reader([line])) for line in text.splitlines() if line] or [[]]
    if header[:1] != ["epoch"]:
        return [], []
    return header, [row for row in rows if len(row) == len(header) and row[0].isdecimal()]


def curves_of(header: list[str], rows: list[list[str]]) -> dict[str, list[float]]:
    """Returns the columns of numbers by name, except the epoch."""
    curves = {}
    for name, *column in zip(header, *rows, strict=True):
        with contextlib.suppress(ValueError):  # "NA", or damaged
            if name != "epoch":
                curves[name] = [float(value) for value in column]
    return curves


def now() -> str:
    """Returns the current time in ISO format."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
