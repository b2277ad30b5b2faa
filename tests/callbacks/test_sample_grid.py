import warnings

import keras
import numpy as np
import pytest
from callbacks.pictures import cells, read

import keras_genzoo as genzoo
from keras_genzoo import plot
from keras_genzoo.callbacks import SampleGrid


class Sampler(genzoo.VAE):
    """A VAE whose samples are noise, or grey images whose level is their class; learns nothing."""

    def __init__(self, data_shape, num_classes=None):
        likelihood = "gaussian" if len(data_shape) == 1 else "bernoulli"
        super().__init__(data_shape, 2, likelihood=likelihood, num_classes=num_classes)
        self.calls = []

    def sample(self, num_samples=None, labels=None, seed=None):
        self.calls.append({"num_samples": num_samples, "labels": labels, "seed": seed})
        if labels is None:
            draws = np.random.default_rng(seed).random((num_samples, *self.data_shape))
            return draws.astype("float32")
        levels = np.asarray(labels, "float32") / self.num_classes
        return np.ones((1, *self.data_shape), "float32") * levels[:, None, None, None]

    def train_step(self, data):
        return {"loss": keras.ops.zeros(())}


class Mute(Sampler):
    """A model without verbs."""


Mute.verbs = frozenset()


class Inverting:
    """Reconstructs the negative and learns nothing."""

    def reconstruct(self, x):
        x = x / np.float32(255) if x.dtype == np.uint8 else x
        return 1 - x

    def train_step(self, data):
        return {"loss": keras.ops.zeros(())}


class Inverter(Inverting, genzoo.Autoencoder):
    def __init__(self, data_shape):
        super().__init__(data_shape, 2, (4,))


class DenoisingInverter(Inverting, genzoo.DenoisingAutoencoder):
    def __init__(self, data_shape):
        super().__init__(data_shape, 2, corruption=Halve())
        self.corruption.calls = 0


class Halve(keras.layers.Layer):
    """Halves its inputs in training and counts its calls."""

    calls = 0

    def call(self, inputs, training=False):
        self.calls += 1
        return inputs / 2 if training else inputs


def fit(model, callback, epochs=1):
    labels = None if model.num_classes is None else np.zeros(2, "int32")
    model.compile()
    x = np.zeros((2, *model.data_shape))
    options = {"batch_size": 2, "verbose": 0, "callbacks": [callback]}
    model.fit(x, labels, epochs=epochs, **options)


def test_draws_every_few_epochs_and_the_last(tmp_path):
    model = Sampler((4, 4, 1))
    fit(model, SampleGrid(tmp_path / "p", every=2, num_samples=5), epochs=5)
    names = ["epoch_0002.png", "epoch_0004.png", "epoch_0005.png"]
    assert sorted(p.name for p in (tmp_path / "p").iterdir()) == names
    assert model.calls == 3 * [{"num_samples": 5, "labels": None, "seed": 0}]
    first, _, last = [read(tmp_path / "p" / name) for name in names]
    np.testing.assert_array_equal(first, last)
    np.testing.assert_array_equal(first, plot.grid(model.sample(5, seed=0), 3))


def test_the_last_epoch_is_drawn_once(tmp_path):
    model = Sampler((4, 4, 1))
    fit(model, SampleGrid(tmp_path, every=2), epochs=2)
    assert [p.name for p in tmp_path.iterdir()] == ["epoch_0002.png"]
    assert len(model.calls) == 1


def test_epochs_are_numbered_on_from_the_initial_epoch(tmp_path):
    model = Sampler((4, 4, 1))
    model.compile()
    x = np.zeros((2, 4, 4, 1))
    options = {"batch_size": 2, "verbose": 0, "callbacks": [SampleGrid(tmp_path)]}
    model.fit(x, initial_epoch=6, epochs=8, **options)
    model.fit(x, initial_epoch=8, epochs=8, **options)  # nothing to do
    assert [p.name for p in tmp_path.iterdir()] == ["epoch_0008.png"]


def test_conditional_columns_are_classes(tmp_path):
    model = Sampler((4, 4, 1), num_classes=5)
    fit(model, SampleGrid(tmp_path, num_samples=16, seed=3))
    assert model.calls[0]["seed"] == 3
    grid = cells(read(tmp_path / "epoch_0001.png"), rows=3, columns=5)
    for c in range(5):
        assert (grid[:, c] == 51 * c).all()


@pytest.mark.parametrize(
    "num_classes, num_samples, rows, repeats",
    [(1, 64, 8, 8), (2, 64, 8, 4), (3, 64, 10, 2), (4, 64, 8, 2), (2, 3, 1, 1), (2, 16, 4, 2)],
)
def test_few_classes_have_several_columns(tmp_path, num_classes, num_samples, rows, repeats):
    model = Sampler((4, 4, 1), num_classes=num_classes)
    fit(model, SampleGrid(tmp_path, num_samples=num_samples))
    grid = cells(read(tmp_path / "epoch_0001.png"), rows, num_classes * repeats)
    levels = np.rint(255 * np.arange(num_classes) / num_classes).repeat(repeats)
    np.testing.assert_allclose(grid, np.broadcast_to(levels[None, :, None, None, None], grid.shape))


@pytest.mark.parametrize(
    "num_classes, num_samples, rows, columns",
    [(10, 64, 6, 10), (5, 64, 10, 5), (100, 64, 3, 20), (10, 1, 1, 10)],
)
def test_conditional_grid_is_bounded(tmp_path, num_classes, num_samples, rows, columns):
    model = Sampler((4, 4, 1), num_classes=num_classes)
    fit(model, SampleGrid(tmp_path, num_samples=num_samples))
    assert model.calls[0]["labels"].tolist() == list(range(columns)) * rows


def test_given_labels_are_drawn(tmp_path):
    model = Sampler((4, 4, 1), num_classes=5)
    fit(model, SampleGrid(tmp_path, labels=[3, 3, 1]))
    assert model.calls[0]["labels"].tolist() == [3, 3, 1]


def test_images_do_not_replace_samples(tmp_path):
    model = Sampler((4, 4, 1))
    fit(model, SampleGrid(tmp_path, images=np.zeros((3, 4, 4, 1))))
    assert model.calls[0]["num_samples"] == 64


@pytest.mark.parametrize("with_background", [False, True])
def test_points_are_scattered(tmp_path, with_background):
    background = np.random.default_rng(0).random((500, 2)) + 2
    model = Sampler((2,))
    fit(model, SampleGrid(tmp_path, images=background if with_background else None))
    assert model.calls[0]["num_samples"] == 2500
    colours = read(tmp_path / "epoch_0001.png").reshape(-1, 3)
    assert (colours == [31, 119, 180]).all(axis=-1).sum() > 1000  # tab:blue, the samples
    grey = (colours == 191).all(axis=-1).sum()  # and a few pixels of anti-aliased text
    assert grey > 200 if with_background else grey < 100


def test_reconstructions_below_their_images(tmp_path):
    images = np.random.default_rng(0).integers(256, size=(40, 4, 4, 1), dtype="uint8")
    fit(Inverter((4, 4, 1)), SampleGrid(tmp_path, images=images, num_samples=35))
    grid = cells(read(tmp_path / "epoch_0001.png"), rows=4, columns=16)
    shown = grid[:, :, ::8, ::8, :1]  # 16 images of 4 pixels are magnified 8 times
    np.testing.assert_array_equal(shown[0::2].reshape(32, 4, 4, 1), images[:32])
    np.testing.assert_array_equal(shown[1::2].reshape(32, 4, 4, 1), 255 - images[:32])


@pytest.mark.parametrize("white", [np.float32(1), np.uint8(255)])
def test_denoising_shows_the_corrupted_images_and_reconstructs_them(tmp_path, white):
    model, images = DenoisingInverter((4, 4, 1)), np.full((3, 4, 4, 1), white)
    fit(model, SampleGrid(tmp_path, images=images, every=1), epochs=2)
    grid = cells(read(tmp_path / "epoch_0002.png"), rows=3, columns=3)
    assert [np.unique(row).tolist() for row in grid] == [[255], [128], [128]]
    assert model.corruption.calls == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9])
def test_a_diverged_model_is_drawn(tmp_path, value):
    class Diverged(Sampler):
        def sample(self, *args, **options):
            return np.full_like(super().sample(*args, **options), value)

    fit(Diverged((4, 4, 1)), SampleGrid(tmp_path, num_samples=1))
    picture = read(tmp_path / "epoch_0001.png")
    np.testing.assert_array_equal(picture, 0 if np.isnan(value) else 255)


def test_points_are_reconstructed(tmp_path):
    fit(Inverter((2,)), SampleGrid(tmp_path, images=np.random.default_rng(0).random((9, 2))))
    assert (tmp_path / "epoch_0001.png").exists()


def test_errors_come_before_training(tmp_path):
    with pytest.raises(
        ValueError, match=r"`images` must be given.*Inverter.*Received: images=None"
    ):
        fit(Inverter((4, 4, 1)), SampleGrid(tmp_path))
    with pytest.raises(ValueError, match=r"`SampleGrid` needs.*Received:.*data_shape=\(7,\)"):
        fit(Sampler((7,)), SampleGrid(tmp_path))
    with pytest.raises(ValueError, match=r"`images` must have.*Received: shape \(3, 5, 5, 1\)"):
        fit(Inverter((4, 4, 1)), SampleGrid(tmp_path, images=np.zeros((3, 5, 5, 1))))
    with pytest.raises(ValueError, match=r"`images` must be.*Received: float64 in \[0, 2\]"):
        images = np.linspace(0, 2, 16).reshape(1, 4, 4, 1)
        fit(DenoisingInverter((4, 4, 1)), SampleGrid(tmp_path, images=images))
    with pytest.raises(ValueError, match=r"`labels` must lie in \[0, 5\).*Received: labels from"):
        fit(Sampler((4, 4, 1), num_classes=5), SampleGrid(tmp_path, labels=[5]))
    with pytest.raises(ValueError, match=r"`reconstruct` or `translate`. Received: Mute"):
        fit(Mute((4, 4, 1)), SampleGrid(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argument", ["every", "num_samples"])
def test_arguments_are_checked(tmp_path, argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be.*Received: {argument}=0"):
        SampleGrid(tmp_path, **{argument: 0})


def test_the_seed_is_checked(tmp_path):
    with pytest.raises(ValueError, match=r"`seed` must be.*Received: seed=-1"):
        SampleGrid(tmp_path, seed=-1)


def test_a_full_disk_is_a_warning(tmp_path, monkeypatch):
    """Training goes on without a picture; the last one is tried again at the end."""
    tried = []

    def fail(path, *args, **kwargs):
        tried.append(path.name)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plot, "save_grid", fail)
    model = Sampler((8, 8, 1))
    model.compile()
    images = np.zeros((32, 8, 8, 1), "float32")
    with pytest.warns(UserWarning, match=r"epoch_0001\.png could not be written: .*No space"):
        model.fit(images, epochs=2, callbacks=[SampleGrid(tmp_path, every=1)], verbose=0)
    assert tried == ["epoch_0001.png", "epoch_0002.png", "epoch_0002.png"]


class Swapper(genzoo.CycleGAN):
    """Translates by inverting, there and back; learns nothing."""

    def __init__(self, a_shape, b_shape):
        parts = {
            name: keras.Sequential([keras.Input((None, None, c)), keras.layers.Conv2D(d, 1)])
            for name, c, d in (("a_to_b", 1, 3), ("b_to_a", 3, 1))
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such networks leave [0, 1]
            super().__init__(a_shape, b_shape, **parts)

    def translate(self, x, direction="a_to_b"):
        x = 1 - np.asarray(x, "float32")
        return x.repeat(3, axis=-1) if direction == "a_to_b" else x[..., :1]

    def train_step(self, data):
        return {"generator_loss": keras.ops.zeros(())}


def test_translations_lie_below_their_sources_and_above_their_targets(tmp_path):
    model = Swapper((8, 8, 1), (8, 8, 3))
    model.compile()
    a = np.linspace(0, 1, 6, dtype="float32")[:, None, None, None] * np.ones(
        (1, 8, 8, 1), "float32"
    )
    b = np.zeros((6, 8, 8, 3), "float32")
    b[..., 2] = 0.6
    grid = SampleGrid(tmp_path, every=1, images=a, targets=b)
    model.fit(a, b, batch_size=3, callbacks=[grid], verbose=0)
    shown = cells(read(tmp_path / "epoch_0001.png"), 4, 6)
    levels = np.round(np.linspace(0, 255, 6))
    np.testing.assert_allclose(shown[0].mean(axis=(1, 2)), levels[:, None] * [1, 1, 1], atol=1)
    np.testing.assert_allclose(
        shown[1].mean(axis=(1, 2)), 255 - levels[:, None] * [1, 1, 1], atol=1
    )
    np.testing.assert_allclose(shown[2].mean(axis=(1, 2)), levels[:, None] * [1, 1, 1], atol=1)
    np.testing.assert_allclose(shown[3].mean(axis=(1, 2)), [[0, 0, 153]] * 6, atol=1)


def test_targets_are_checked(tmp_path):
    x = np.zeros((6, 8, 8, 1), "float32")
    model = Swapper((8, 8, 1), (8, 8, 3))
    model.compile()
    for targets, error in (
        (x, r"`targets` must have the shape \('batch', 8, 8, 3\)"),
        (np.zeros((5, 8, 8, 3), "float32"), "`targets` must hold as many examples"),
    ):
        grid = SampleGrid(tmp_path, images=x, targets=targets)
        with pytest.raises(ValueError, match=error):
            model.fit(x, np.zeros((6, 8, 8, 3), "float32"), callbacks=[grid], batch_size=3)
    grid = SampleGrid(tmp_path, images=x, targets=x)
    with pytest.raises(ValueError, match="`targets` must be given with the `images` of a model"):
        inverter = Inverter((8, 8, 1))
        inverter.compile()
        inverter.fit(x, callbacks=[grid], batch_size=3)


@pytest.mark.parametrize("one_hot", [False, True])
def test_label_maps_are_coloured(tmp_path, one_hot):
    model = genzoo.GauGAN((8, 8, 3), num_classes=3)
    model.compile()
    model.translate = lambda label_maps: np.ones((len(label_maps), 8, 8, 3), "float32")
    label_maps = np.tile(np.arange(3)[:, None, None], (1, 8, 8))
    if one_hot:
        label_maps = np.eye(3, dtype="float32")[label_maps]
    targets = np.zeros((3, 8, 8, 3), "float32")
    grid = SampleGrid(tmp_path, images=label_maps, targets=targets)
    grid.set_model(model)
    grid.on_train_begin()
    grid.draw(tmp_path / "grid.png")
    shown = cells(read(tmp_path / "grid.png"), 3, 3)
    # The first three colours of tab20.
    wanted = [[31, 119, 180], [174, 199, 232], [255, 127, 14]]
    np.testing.assert_allclose(shown[0].mean(axis=(1, 2)), wanted, atol=1)
    assert shown[1].min() == 255 and shown[2].max() == 0
