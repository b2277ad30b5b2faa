import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from callbacks.collapse_helpers import fit, ring_gan
from contract.cases import players
from contract.runs import assert_equal, values

import keras_genzoo as genzoo
from keras_genzoo.callbacks import CollapseMonitor, SampleGrid

POINTS = np.random.default_rng(0).random((20, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "`every` must be a positive integer. Received: every=0"),
        ({"patience": 1.5}, "`patience` must be a positive integer. Received: patience=1.5"),
        ({"on_collapse": "halt"}, "`on_collapse` must be .*Received: on_collapse='halt'"),
        ({"feature_extractor": 3}, "`feature_extractor` must be .*Received: feature_extractor=3"),
        ({"real": POINTS[:5]}, r"`real` must be .* 6 or more .*Received: shape \(5, 2\)"),
        ({"real": None}, r"`real` must be .*Received: shape \(\)"),
        ({"seed": -1}, r"`seed` must be an integer in .*Received: seed=-1"),
        ({"seed": None}, r"`seed` must be an integer in .*Received: seed=None"),
        ({"picture": "a/monitor"}, "`picture` must be .*Received: picture='a/monitor'"),
        ({"labels": [1, 2]}, r"`labels` must hold .* 20 examples.*Received: shape \(2,\)"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        CollapseMonitor(**{"real": POINTS, **arguments})


def test_paths_that_cannot_be_written_raise_at_construction(tmp_path, monkeypatch):
    def refuse(dir):
        raise PermissionError

    (tmp_path / "file").write_text("")
    for make in (
        lambda path: CollapseMonitor(POINTS, picture=path / "monitor.png"),
        lambda path: SampleGrid(path),
    ):
        make(tmp_path / "new" / "newer")
        with pytest.raises(ValueError, match=r"files can be written, and '.*file' is not"):
            make(tmp_path / "file" / "new")
        with monkeypatch.context() as patch:
            patch.setattr("tempfile.TemporaryFile", refuse)
            with pytest.raises(ValueError, match=r"files can be written, and .* is not. Received"):
                make(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def extractor_of(value):
    return lambda data: tf.fill((tf.shape(data)[0], 1), value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"real": POINTS[:, :1]}, r"`real` must have the shape \('batch', 2\).*Received: shape"),
        ({"real": POINTS * np.nan}, "`real` must be finite.*Received: NaN"),
        ({"real": 0 * POINTS}, "`real` must hold different .*Received: .* mean distance of 0.0"),
        ({"feature_extractor": extractor_of(1.0)}, "`real` must hold different .*Received: .*0.0"),
        ({"feature_extractor": extractor_of(math.nan)}, "finite features. Received: .*nan"),
        ({"feature_extractor": keras.layers.Conv2D(1, 3)}, "`feature_extractor` must map .*Rec"),
        ({"labels": [0] * 20}, "`labels` must be None: .*Received: labels="),
    ],
)
def test_errors_come_before_training(arguments, message):
    model = ring_gan()
    before = values(model.weights)
    with pytest.raises(ValueError, match=message):
        fit(model, CollapseMonitor(**{"real": POINTS, **arguments}))
    assert_equal(before, values(model.weights))


def test_a_conditional_model_needs_labels(digits):
    model = genzoo.ConditionalGAN((8, 8, 1), 10, 4, **players(num_classes=10))
    model.compile()
    with pytest.raises(ValueError, match=r"`labels` must hold the labels.*Received: labels=None"):
        model.fit(digits[0], digits[1], verbose=0, callbacks=[CollapseMonitor(digits[0])])


def test_models_without_sample_raise(digits):
    model = genzoo.Autoencoder((8, 8, 1), 4, (8,))
    model.compile()
    message = "`CollapseMonitor` needs a model of .* that has `sample`. Received: Autoencoder"
    with pytest.raises(ValueError, match=message):
        model.fit(digits[0], verbose=0, callbacks=[CollapseMonitor(digits[0])])


@pytest.mark.parametrize("make", [CollapseMonitor, lambda data: SampleGrid("unused", images=data)])
def test_other_keras_models_raise(make):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile(loss="mse")
    with pytest.raises(ValueError, match=r"needs a model of keras_genzoo .*Received: Sequential"):
        model.fit(POINTS, POINTS, verbose=0, callbacks=[make(POINTS)])
