"""`dir(model)`: verbs and attributes, without the methods that steps are written in."""

import copy

import h5py
import keras
import numpy as np
import pytest
from contract.cases import CASES

import keras_genzoo as genzoo
from keras_genzoo.core.completion import Completion


@pytest.fixture(scope="module", params=["VAE, conditional", "GAN", "ConditionalGAN"])
def model(request):
    return CASES[request.param].make()


def test_verbs_are_shown_and_steps_are_not(model):
    names = set(dir(model))
    assert names >= {*model.verbs, *model.players, *model.get_config(), "fit", "save", "export"}
    hidden = {"train_step", "unpack", "objective", "update", "run", "in_batches", "graph_function"}
    hidden |= {"draw_in_parts", "serve_sample", "draw", "add_weight", "stateless_call"}
    assert not names & hidden
    assert all(callable(getattr(model, name)) for name in hidden)


def test_every_hidden_name_is_a_method(model):
    """Keras looks in `dir` for what it saves."""
    for name in {*object.__dir__(model)} - {*dir(model)}:
        assert callable(getattr(model, name))
        assert not isinstance(getattr(model, name), keras.layers.Layer)


def test_methods_of_a_user_are_shown():
    class Mine(genzoo.GAN):
        def train_step(self, data):
            return super().train_step(data)

        def judge(self):
            pass

    assert {"judge", "train_step"} <= set(dir(Mine((2,))))


def layout(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: getattr(item, "shape", None)}))
    return found


def test_files_are_as_without_it(model, tmp_path, monkeypatch):
    model.compile()
    model.save_weights(tmp_path / "with.weights.h5")
    monkeypatch.delattr(Completion, "__dir__")
    model.save_weights(tmp_path / "without.weights.h5")
    assert layout(tmp_path / "with.weights.h5") == layout(tmp_path / "without.weights.h5")


def test_copies_work(model):
    twin = copy.deepcopy(model)
    for a, b in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
