import csv
import dataclasses
import json
import os
import pathlib

import keras
import numpy as np
import pytest
import recipes
import tensorflow as tf
import tensorflow_datasets as tfds

import keras_genzoo as genzoo

MODELS = [
    "autoencoder",
    "convolutional_autoencoder",
    "sparse_autoencoder",
    "denoising_autoencoder",
    "vae",
    "gan",
    "dcgan",
    "conditional_gan",
    "wgan",
    "wgan_gp",
]
QUICK = ["--model", "autoencoder", "--data", "digits", "--batch-size", "256", "--latent-dim", "4"]


def history(directory):
    with open(directory / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def facts(directory):
    return json.loads((directory / "run.json").read_text())


def contents(directory):
    """Every file of a directory, with what is in it."""
    return {p: p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def test_every_model_is_tested(train):
    assert list(train.MODELS) == MODELS


FASHION = [name for name in recipes.NAMED if name.endswith("fashion_mnist")]


@pytest.mark.slow
@pytest.mark.parametrize("name", FASHION)
def test_a_recipe_has_its_data_and_settings(train, run, tmp_path, name):
    with tfds.testing.mock_data(num_examples=512):
        assert run("--recipe", name, "--epochs", 1) == 0
    directory, recipe = tmp_path / "run", recipes.RECIPES[name]
    settings = facts(directory)["settings"]
    assert (settings["recipe"], settings["data"]) == (name, recipe.data_name)
    assert facts(directory)["steps"] == 512 // recipe.batch_size
    model = keras.saving.load_model(directory / "model.keras")
    assert type(model) is getattr(genzoo, recipe.model) and model.data_shape == (28, 28, 1)
    if isinstance(model, genzoo.GAN):
        assert model.ema_half_life == 10_000 and model.average.seen.numpy() == 512
        rates = [float(getattr(model, n).learning_rate) for n in model.default_optimizers()]
        assert rates == pytest.approx([recipe.learning_rate] * 2)
    assert train.parse(["--recipe", name]).output == pathlib.Path("runs", name)


@pytest.mark.parametrize("name", MODELS)
def test_a_run_leaves_everything(run, tmp_path, name, capsys):
    assert run("--model", name, "--data", "digits", "--epochs", 1) == 0
    directory = tmp_path / "run"
    names = {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()}
    assert names >= {
        "model.keras",
        "saved_model/1/saved_model.pb",
        "samples.png",
        "pictures/epoch_0001.png",
        "history.csv",
        "curves.png",
        "run.json",
        "backup/latest.weights.h5",
    }
    assert not any(part.startswith(".") for name in names for part in pathlib.Path(name).parts)

    model = keras.saving.load_model(directory / "model.keras")
    assert model.data_shape == (8, 8, 1)
    assert tf.saved_model.load(directory / "saved_model" / "1").signatures

    (row,) = history(directory)
    written = facts(directory)
    assert written["status"] == "finished"
    assert written["steps"] == 1437 // written["settings"]["batch_size"]
    assert written["logs"] == pytest.approx(
        {name: float(value) for name, value in row.items() if name != "epoch"}
    )
    assert any(name.startswith("val_") for name in written["logs"])
    assert all(np.isfinite(list(written["logs"].values())))
    assert str(directory / "model.keras") in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vae", "wgan_gp"])
def test_conditional(run, tmp_path, name):
    assert run("--model", name, "--data", "digits", "--epochs", 1, "--conditional") == 0
    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert model.num_classes == 10
    assert model.sample(labels=np.array([3, 1]), seed=0).shape == (2, 8, 8, 1)


def test_flags_reach_the_model(run, tmp_path):
    flags = ["--model", "gan", "--data", "digits", "--epochs", 1]
    assert run(*flags, "--latent-dim", 3, "--loss", "hinge", "--batch-size", 256) == 0
    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert model.latent_dim == 3
    assert isinstance(genzoo.losses.get(model.loss), genzoo.losses.Hinge)
    assert facts(tmp_path / "run")["steps"] == 1437 // 256


def test_the_same_seed_gives_the_same_run(train, tmp_path):
    for name, seed in {"a": 7, "b": 7, "c": 8}.items():
        flags = [*QUICK, "--epochs", "1", "--seed", str(seed), "--output", str(tmp_path / name)]
        assert train.main(flags) == 0
    logs = {name: facts(tmp_path / name)["logs"] for name in "abc"}
    assert logs["a"] == logs["b"] != logs["c"]


def test_a_directory_with_something_in_it_is_refused(run, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    assert run(*QUICK) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("train.py: error: `--output` must be a new or empty directory")
    assert "Received: " + str(tmp_path / "run") in line
    assert run(*QUICK, "--resume") == 2
    assert "no run.json" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_overwrite_replaces_a_run_and_leaves_other_files_alone(run, tmp_path):
    directory = tmp_path / "run"
    assert run(*QUICK, "--epochs", 2, "--every", 1) == 0
    foreign = [
        directory / "notes.txt",
        directory / "pictures" / "epoch_best.png",
        directory / "saved_model" / "7" / "saved_model.pb",
        directory / "backup" / "mine.h5",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    assert run(*QUICK, "--epochs", 1, "--seed", 1, "--overwrite") == 0
    assert all(path.read_text() == "mine" for path in foreign)
    assert len(history(directory)) == 1
    assert not (directory / "pictures" / "epoch_0002.png").exists()
    assert facts(directory)["settings"]["seed"] == 1


def test_resume_goes_on(run, tmp_path, capsys):
    directory = tmp_path / "run"
    assert run(*QUICK, "--epochs", 1, "--resume") == 0  # a new directory: simply starts
    first = history(directory)
    assert b"\r" not in (directory / "history.csv").read_bytes()
    started = facts(directory)["started"]
    assert run(*QUICK, "--epochs", 2, "--resume") == 0
    rows = history(directory)
    assert b"\r" not in (directory / "history.csv").read_bytes()
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert rows[0] == first[0]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    assert facts(directory)["started"] == started
    model = keras.saving.load_model(directory / "model.keras")
    assert int(model.optimizer.iterations) == 2 * (1437 // 256)


def test_resume_of_a_finished_run_writes_the_outputs_again(run, tmp_path, capsys):
    directory = tmp_path / "run"
    assert run(*QUICK, "--epochs", 1) == 0
    before = facts(directory)
    samples = (directory / "samples.png").read_bytes()
    weights = keras.saving.load_model(directory / "model.keras").get_weights()
    for name in ("model.keras", "samples.png", "curves.png"):
        (directory / name).unlink()
    assert run(*QUICK, "--epochs", 1, "--resume") == 0
    assert "Nothing to train: 1 of 1 epochs" in capsys.readouterr().out
    assert len(history(directory)) == 1
    assert facts(directory) == {**before, "ended": facts(directory)["ended"]}
    assert (directory / "samples.png").read_bytes() == samples
    for a, b in zip(
        keras.saving.load_model(directory / "model.keras").get_weights(), weights, strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_resume_after_an_interruption(run, train, tmp_path, monkeypatch, capsys):
    """Killed between the log of epoch 2 and its backup: it is trained again, and logged once."""
    directory = tmp_path / "run"

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(genzoo.callbacks.SampleGrid, "on_epoch_end", interrupt)
        assert run(*QUICK, "--epochs", 3) == 130
        assert "with --resume to" in capsys.readouterr().out
        assert run(*QUICK, "--epochs", 3, "--overwrite") == 130
    assert "with --resume in place of --overwrite to" in capsys.readouterr().out
    assert [row["epoch"] for row in history(directory)] == ["0", "1"]
    assert facts(directory)["status"] == "interrupted"
    assert facts(directory)["ended"] >= facts(directory)["started"]
    assert not (directory / "model.keras").exists()
    assert run(*QUICK, "--epochs", 3, "--resume") == 0
    assert [row["epoch"] for row in history(directory)] == ["0", "1", "2"]


def test_resume_with_other_settings_is_refused(run, tmp_path, capsys):
    assert run(*QUICK, "--epochs", 1) == 0
    before = contents(tmp_path / "run")
    assert run(*QUICK, "--epochs", 2, "--latent-dim", 5, "--resume") == 2
    error = capsys.readouterr().err
    assert "latent_dim=4. Received: latent_dim=5" in error
    assert run("--model", "vae", "--data", "digits", "--resume") == 2
    assert "recipe='autoencoder'. Received: recipe='vae'" in capsys.readouterr().err
    assert contents(tmp_path / "run") == before


@pytest.mark.slow
def test_a_failing_output_leaves_the_old_one(run, tmp_path, monkeypatch):
    directory = tmp_path / "run"
    assert run(*QUICK, "--epochs", 1) == 0
    names = ("model.keras", "saved_model/1/saved_model.pb")
    before = {name: (directory / name).read_bytes() for name in names}

    def fail(self, path, *args, **kwargs):
        pathlib.Path(path).mkdir()
        raise OSError("disk full")

    monkeypatch.setattr(genzoo.Autoencoder, "export", fail)
    with pytest.raises(OSError, match="disk full"):
        run(*QUICK, "--epochs", 2, "--resume")
    assert facts(directory)["status"] == "failed"
    assert (directory / names[1]).read_bytes() == before[names[1]]
    monkeypatch.undo()
    assert run(*QUICK, "--epochs", 2, "--resume") == 0
    assert [p.name for p in (directory / "saved_model").iterdir()] == ["1"]


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--data", "digitz"], "'digitz'"),
        (["--data", "digits", "--batch-size", "5000"], "batch_size=5000"),
        (["--data", "digits", "--model", "gan", "--loss", "love"], "'love'"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(run, tmp_path, capsys, flags, message):
    assert run(*flags) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("train.py: error: ") and message in lines[-1]
    assert not any("Traceback" in line for line in lines)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--model", "dcgun"], "invalid choice: 'dcgun'"),
        (["--epochs", "0"], "a positive integer is needed, not '0'"),
        (["--model", "autoencoder", "--conditional"], "autoencoder has no use for classes"),
        (["--model", "vae", "--loss", "hinge"], "vae is no GAN"),
        (["--overwrite", "--resume"], "not allowed with"),
    ],
)
def test_flags_that_make_no_sense(run, capsys, flags, message):
    with pytest.raises(SystemExit) as error:
        run(*flags)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_a_recipe_takes_no_other_data(run, capsys):
    with pytest.raises(SystemExit):
        run("--recipe", "vae_fashion_mnist", "--data", "digits")
    assert "--data: a recipe has its own" in capsys.readouterr().err


def test_default_output(train):
    assert train.parse(["--data", "a/b:1.0"]).output == pathlib.Path("runs/dcgan_a-b-1.0")


@pytest.mark.parametrize("flag", ["--overwrite", "--resume"])
def test_files_of_others_in_the_saved_model_are_refused(flag, train, tmp_path, capsys):
    arguments = ["--model", "autoencoder", "--data", "digits", "--epochs", "1"]
    arguments += ["--output", str(tmp_path / "run")]
    assert train.main(arguments) == 0
    mine = tmp_path / "run" / "saved_model" / "1" / "warm.txt"
    mine.write_text("mine")
    assert train.main([*arguments, flag]) == 2
    assert "warm.txt" in capsys.readouterr().err
    assert mine.read_text() == "mine"


def test_a_bad_flag_leaves_the_earlier_run_alone(train, tmp_path, capsys):
    output = ["--data", "digits", "--epochs", "1", "--output", str(tmp_path / "run")]
    assert train.main(["--model", "autoencoder", *output]) == 0
    assert train.main(["--model", "wgan", "--batch-size", "3", *output, "--overwrite"]) == 2
    assert "critic_steps" in capsys.readouterr().err
    assert (tmp_path / "run" / "model.keras").exists()
    assert train.main(["--model", "autoencoder", *output, "--resume"]) == 0


def test_a_backup_cut_off_by_a_kill_is_resumed_from_the_one_before(train, tmp_path):
    output = ["--model", "autoencoder", "--data", "digits", "--output", str(tmp_path / "run")]
    assert train.main([*output, "--epochs", "1"]) == 0
    backup = tmp_path / "run" / "backup"
    for name in ("latest.weights.h5", "training_metadata.json"):
        (backup / f"{name}.bkp").write_bytes((backup / name).read_bytes())
    (backup / "training_metadata.json").write_text("")
    assert train.main([*output, "--epochs", "2", "--resume"]) == 0
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 3


def assert_same_model(directory, other):
    a, b = (keras.saving.load_model(run / "model.keras").variables for run in (directory, other))
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, None])
def test_a_kill_between_weights_and_epoch_trains_nothing_twice(train, run, tmp_path, epoch):
    assert train.main([*QUICK, "--epochs", "3", "--output", str(tmp_path / "undisturbed")]) == 0
    assert run(*QUICK, "--epochs", 2) == 0
    progress = tmp_path / "run" / "backup" / "training_metadata.json"
    progress.write_text(json.dumps({"epoch": epoch, "batch": 0})) if epoch else progress.unlink()
    assert run(*QUICK, "--epochs", 3, "--resume") == 0
    assert [row["epoch"] for row in history(tmp_path / "run")] == ["0", "1", "2"]
    assert history(tmp_path / "run") == history(tmp_path / "undisturbed")
    assert_same_model(tmp_path / "run", tmp_path / "undisturbed")


@pytest.mark.slow
def test_damaged_weights_are_replaced_by_those_before(train, run, tmp_path):
    assert train.main([*QUICK, "--epochs", "3", "--output", str(tmp_path / "undisturbed")]) == 0
    assert run(*QUICK, "--epochs", 2) == 0
    weights = tmp_path / "run" / "backup" / "latest.weights.h5"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.warns(UserWarning, match="latest.weights.h5 is damaged"):
        assert run(*QUICK, "--epochs", 3, "--resume") == 0
    assert history(tmp_path / "run") == history(tmp_path / "undisturbed")
    assert_same_model(tmp_path / "run", tmp_path / "undisturbed")


def test_a_backup_of_other_steps_is_refused(run, tmp_path, capsys, monkeypatch):
    assert run(*QUICK, "--epochs", 1) == 0
    before = contents(tmp_path / "run")
    recipe = recipes.RECIPES["autoencoder"]
    monkeypatch.setitem(
        recipes.RECIPES,
        "autoencoder",
        dataclasses.replace(
            recipe,
            data=lambda *args, **kwargs: dataclasses.replace(recipe.data(*args, **kwargs), steps=3),
        ),
    )
    assert run(*QUICK, "--epochs", 2, "--resume") == 2
    assert "after 5 steps. Received: data of 3 steps an epoch" in capsys.readouterr().err
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize("flags", [[], ["--resume"], ["--overwrite"]])
def test_a_directory_in_use_is_refused(run, tmp_path, capsys, flags):
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "run.json").write_text("{}")
    with genzoo.files.locked(directory, "--output"):
        before = contents(directory)
        assert run(*QUICK, *flags) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("train.py: error: `--output` must not be in use by another process")
        assert f"Received: '{directory}', which process {os.getpid()} uses" in line
        assert contents(directory) == before


def test_what_a_killed_process_leaves_does_not_block(run, tmp_path):
    directory = tmp_path / "run"
    (directory / ".new-a1b2c3d4").mkdir(parents=True)
    for place in (directory, directory / ".new-a1b2c3d4"):
        (place / genzoo.files.LOCK).write_text("4194303")
    assert run(*QUICK, "--epochs", 1) == 0
    assert not any(path.name.startswith(".") for path in directory.rglob("*"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"settings": {}}', '{"settings": 1}', "\0\1"])
def test_a_damaged_run_json_is_one_sentence(run, tmp_path, capsys, text):
    assert run(*QUICK, "--epochs", 1) == 0
    (tmp_path / "run" / "run.json").write_text(text)
    before = contents(tmp_path / "run")
    capsys.readouterr()
    assert run(*QUICK, "--epochs", 2, "--resume") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("train.py: error: `--resume` needs the run.json of the earlier run")
    assert f"Received: {tmp_path / 'run' / 'run.json'}, which is damaged" in line
    assert contents(tmp_path / "run") == before
    assert run(*QUICK, "--epochs", 1, "--overwrite") == 0


def test_a_full_disk_is_one_sentence(run, tmp_path, capsys, monkeypatch):
    def fail(self, filepath, overwrite):
        raise OSError(28, "No space left on device", str(filepath))

    monkeypatch.setattr(genzoo.Autoencoder, "save_weights", fail)
    assert run(*QUICK, "--epochs", 2) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("train.py: error: [Errno 28] No space left on device: ")
    assert "latest.weights.h5" in last
    assert facts(tmp_path / "run")["status"] == "failed"


def test_columns_of_the_history(tmp_path):
    """A header stays as it is; what an epoch lacks is "NA"."""
    import run

    logger = run.HistoryFile(tmp_path / "history.csv")
    logger.on_epoch_end(0, {"loss": 0.5, "a": np.float32(0.25)})
    logger.on_epoch_end(1, {"loss": 0.125, "other": 1})
    text = (tmp_path / "history.csv").read_bytes()
    assert text == b"epoch,a,loss\n0,0.25,0.5\n1,NA,0.125\n"


def test_a_damaged_header_of_the_history_is_written_again(tmp_path):
    import run

    path = tmp_path / "history.csv"
    path.write_bytes(b"ep\xffch,a,loss\n0,0.25,0.5\n1,0.5")  # and half a row
    logger = run.HistoryFile(path)
    logger.on_epoch_end(2, {"loss": 0.125, "a": 1})
    assert run.read_history(path) == (
        ["epoch", "a", "loss"],
        [["0", "0.25", "0.5"], ["2", "1.0", "0.125"]],
    )


def test_a_disk_that_is_full_for_a_while_costs_rows_of_the_history_alone(tmp_path, monkeypatch):
    import run

    path = tmp_path / "history.csv"
    logger = run.HistoryFile(path)
    logger.on_epoch_end(0, {"loss": 0.5})
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full_disk)
        with pytest.warns(UserWarning, match=r"history.csv could not be written: .*No space"):
            logger.on_epoch_end(1, {"loss": 0.25})
    logger.on_epoch_end(2, {"loss": 0.125})
    assert path.read_bytes() == b"epoch,loss\n0,0.5\n2,0.125\n"


def full_disk(*paths):
    raise OSError(28, "No space left on device")


DAMAGES = {
    "empty": lambda text: b"",
    "noise": lambda text: bytes(range(256)) * 3,
    "half a row": lambda text: text[: text.rindex(b",")],
    "no header": lambda text: text.split(b"\n", 1)[1],
    "a number": lambda text: text[:-6] + b"\xff\x00x" + text[-3:],
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.filterwarnings("ignore:.*history.csv has")
def test_a_damaged_history_costs_no_model(run, tmp_path, damage):
    directory = tmp_path / "run"
    assert run(*QUICK, "--epochs", 2) == 0
    path = directory / "history.csv"
    damaged = DAMAGES[damage](path.read_bytes())
    for epochs in (2, 3):  # nothing to train, and an epoch to train
        path.write_bytes(damaged)
        (directory / "model.keras").unlink()
        assert run(*QUICK, "--epochs", epochs, "--resume") == 0
        model = keras.saving.load_model(directory / "model.keras")
        assert int(model.optimizer.iterations) == epochs * (1437 // 256)
    assert history(directory)[-1]["epoch"] == "2"
    copy = directory / "history_damaged.csv"
    assert damage == "a number" or copy.read_bytes() == damaged


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("bug")])
def test_the_model_is_saved_before_anything_is_drawn(run, tmp_path, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(genzoo.plot, "save_grid", fail)
    flags = [*QUICK, "--epochs", 1, "--every", 2]
    monkeypatch.setattr(genzoo.callbacks.SampleGrid, "on_train_end", lambda *args: None)
    if isinstance(error, OSError):
        with pytest.warns(UserWarning, match=r"samples\.png could not be written: .*No space"):
            assert run(*flags) == 0
        assert facts(tmp_path / "run")["status"] == "finished"
    else:
        with pytest.raises(RuntimeError, match="bug"):
            run(*flags)
    keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert (tmp_path / "run" / "saved_model" / "1" / "saved_model.pb").exists()


@pytest.mark.slow
def test_a_recipe_of_points(run, tmp_path):
    """Fields and data are the recipe's own: nothing about it is an image."""
    assert run("--recipe", "gan_ring", "--epochs", 1) == 0
    directory = tmp_path / "run"
    assert facts(directory)["settings"]["data"] == "ring"
    model = keras.saving.load_model(directory / "model.keras")
    assert model.data_shape == (2,) and type(model) is genzoo.GAN
    assert (directory / "samples.png").stat().st_size > 0
    assert facts(directory)["steps"] == 50_000 // 128
