"""The recipes of models that translate, on small stand-ins for the images of packages."""

import keras
import numpy as np
import pytest
import recipes
import translation

SIZE = 32


def stand_in(reader, **_):
    """What a reader of image_sets.py returns, of small images of noise."""
    random = np.random.default_rng(0)

    def images(count, channels):
        return random.integers(256, size=(count, SIZE, SIZE, channels), dtype="uint8")

    if reader == "photo_patches":
        return images(16, 3), images(4, 3)
    channels = {"emoji": (1, 3), "glyphs": (1, 1), "brain": (2, 1)}.get(reader, (3, 3))
    return tuple(tuple(images(count, c) for c in channels) for count in (16, 4))


# One of each way to load data and to make a model; the other recipes differ in names alone.
NAMES = [
    "emoji_colors",
    "photo_inpainting",
    "photo_super_resolution",
    "brain_tissues",
    "glyphs",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_trains_and_draws_its_picture(name, run, tmp_path, monkeypatch):
    monkeypatch.setattr(translation, "read", stand_in)
    assert run("--recipe", name, "--epochs", 1) == 0
    directory = tmp_path / "run"
    assert {"model.keras", "samples.png", "history.csv"} <= {p.name for p in directory.iterdir()}
    model = keras.saving.load_model(directory / "model.keras")
    assert type(model).__name__ == recipes.RECIPES[name].model
