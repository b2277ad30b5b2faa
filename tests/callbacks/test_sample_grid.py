import keras
import numpy as np
import pytest
from matplotlib import image as mpl_image

from keras_genzoo.callbacks import SampleGrid, pictures


class Sampler(keras.Model):
    """A minimal generative model: grey level by class (or by draw), nothing to learn."""

    def __init__(self, data_shape, num_classes=None):
        super().__init__()
        self.data_shape = data_shape
        self.num_classes = num_classes
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


class Inverter(keras.Model):
    """A minimal autoencoder without `sample`: it reconstructs the negative."""

    def __init__(self, data_shape):
        super().__init__()
        self.data_shape = data_shape

    def reconstruct(self, x):
        x = x / np.float32(255) if x.dtype == np.uint8 else x
        return 1 - x

    def train_step(self, data):
        return {"loss": keras.ops.zeros(())}


class Halve(keras.layers.Layer):
    calls = 0

    def call(self, inputs, training=False):
        self.calls += 1
        return inputs / 2 if training else inputs


def fit(model, callback, epochs=1):
    model.compile()
    model.fit(np.zeros((2, *model.data_shape)), epochs=epochs, verbose=0, callbacks=[callback])


def read(path):
    return np.rint(255 * mpl_image.imread(path)[..., :3]).astype("uint8")


def cells(grid, rows, columns):
    """Cuts a grid back into its (magnified) images: (rows, columns, height, width, 3)."""
    s = pictures.SEPARATOR
    height = (grid.shape[0] + s) // rows
    width = (grid.shape[1] + s) // columns
    return np.array(
        [
            [
                grid[r * height : (r + 1) * height - s, c * width : (c + 1) * width - s]
                for c in range(columns)
            ]
            for r in range(rows)
        ]
    )


def test_image_grid_pixel_by_pixel(monkeypatch):
    monkeypatch.setattr(pictures, "MIN_WIDTH", 1)
    images = np.array([10, 20, 30], "uint8").reshape(3, 1, 1, 1)
    g = pictures.SEPARATOR_GREY
    expected = [[10, g, g, 20], [g, g, g, g], [g, g, g, g], [30, g, g, g]]
    grid = pictures.image_grid(images, columns=2)
    assert grid.dtype == np.uint8
    np.testing.assert_array_equal(grid, np.repeat(np.array(expected)[..., None], 3, axis=-1))


def test_image_grid_magnifies_by_an_integer_with_nearest_neighbour():
    images = np.arange(6, dtype="uint8").reshape(1, 2, 3, 1)
    grid = pictures.image_grid(images, columns=1)
    assert grid.shape == (2 * 167, 3 * 167, 3)  # 501 is the first multiple of 3 from 500
    np.testing.assert_array_equal(grid, np.kron(images[0], np.ones((167, 167, 3), "uint8")))


def test_image_grid_leaves_large_images_alone():
    image = np.random.default_rng(0).integers(256, size=(1, 4, 600, 3), dtype="uint8")
    np.testing.assert_array_equal(pictures.image_grid(image, columns=1), image[0])


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_image_grid_shows_the_first_channel_in_grey(channels):
    image = np.random.default_rng(0).integers(256, size=(1, 4, 600, channels), dtype="uint8")
    expected = np.repeat(image[0, :, :, :1], 3, axis=-1)
    np.testing.assert_array_equal(pictures.image_grid(image, columns=1), expected)


def test_image_grid_scales_and_clips_floats(monkeypatch):
    monkeypatch.setattr(pictures, "MIN_WIDTH", 1)
    image = np.array([-1, 0, 0.2, 1, 2]).reshape(1, 1, 5, 1)
    assert pictures.image_grid(image, columns=1)[0, :, 0].tolist() == [0, 0, 51, 255, 255]


def test_image_grid_errors():
    with pytest.raises(ValueError, match=r"`images`.*Received: images.shape=\(8, 8, 1\)"):
        pictures.image_grid(np.zeros((8, 8, 1)), columns=1)
    with pytest.raises(ValueError, match=r"`columns`.*Received: columns=0"):
        pictures.image_grid(np.zeros((1, 8, 8, 1)), columns=0)


def test_save_grid_writes_exactly_the_grid(tmp_path):
    images = np.random.default_rng(0).random((5, 6, 7, 3))
    pictures.save_grid(tmp_path / "new" / "grid.png", images, columns=3)
    written = read(tmp_path / "new" / "grid.png")
    np.testing.assert_array_equal(written, pictures.image_grid(images, 3))
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["grid.png"]


@pytest.mark.parametrize("failing", ["block", "rename"])
def test_a_failing_write_leaves_the_old_picture(tmp_path, monkeypatch, failing):
    path = tmp_path / "grid.png"
    path.write_text("the old picture")

    def fail(*args, **kwargs):
        if failing == "block":
            with open(args[0], "w") as half:
                half.write("half a picture")
        raise OSError("disk full")

    target = "matplotlib.image.imsave" if failing == "block" else "os.replace"
    monkeypatch.setattr(target, fail)
    with pytest.raises(OSError, match="disk full"):
        pictures.save_grid(path, np.zeros((1, 2, 2, 1)), columns=1)
    assert path.read_text() == "the old picture"
    assert list(tmp_path.iterdir()) == [path]


def test_save_curves(tmp_path):
    pictures.save_curves(tmp_path / "curves.png", {"loss": [2.0, 1.0], "val_loss": [3.0]})
    picture = read(tmp_path / "curves.png")
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    pictures.save_curves(tmp_path / "empty.png", {})


def test_pictures_leave_pyplot_alone(tmp_path):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    pictures.save_curves(tmp_path / "curves.png", {"loss": [1.0]})
    pictures.save_scatter(tmp_path / "scatter.png", np.zeros((3, 2)))
    assert pyplot.get_fignums() == before


def test_draws_every_few_epochs_and_the_last(tmp_path):
    model = Sampler((4, 4, 1))
    fit(model, SampleGrid(tmp_path / "p", every=2, num_samples=5), epochs=5)
    names = ["epoch_0002.png", "epoch_0004.png", "epoch_0005.png"]
    assert sorted(p.name for p in (tmp_path / "p").iterdir()) == names
    assert model.calls == 3 * [{"num_samples": 5, "labels": None, "seed": 0}]
    pictures_ = [read(tmp_path / "p" / name) for name in names]
    np.testing.assert_array_equal(pictures_[0], pictures_[2])
    np.testing.assert_array_equal(pictures_[0], pictures.image_grid(model.sample(5, seed=0), 3))


def test_the_last_epoch_is_drawn_once(tmp_path):
    model = Sampler((4, 4, 1))
    fit(model, SampleGrid(tmp_path, every=2), epochs=2)
    assert [p.name for p in tmp_path.iterdir()] == ["epoch_0002.png"]
    assert len(model.calls) == 1


def test_epochs_are_numbered_on_from_the_initial_epoch(tmp_path):
    model = Sampler((4, 4, 1))
    model.compile()
    x = np.zeros((2, 4, 4, 1))
    grid = SampleGrid(tmp_path)
    model.fit(x, initial_epoch=6, epochs=8, verbose=0, callbacks=[grid])
    model.fit(x, initial_epoch=8, epochs=8, verbose=0, callbacks=[grid])  # nothing to do
    assert [p.name for p in tmp_path.iterdir()] == ["epoch_0008.png"]


def test_conditional_columns_are_classes(tmp_path):
    model = Sampler((4, 4, 1), num_classes=5)
    fit(model, SampleGrid(tmp_path, num_samples=16, seed=3))
    assert model.calls[0]["seed"] == 3
    grid = cells(read(tmp_path / "epoch_0001.png"), rows=3, columns=5)
    for c in range(5):
        assert (grid[:, c] == 51 * c).all()


@pytest.mark.parametrize(
    "num_classes, num_samples, rows, columns",
    [(10, 64, 6, 10), (2, 64, 10, 2), (100, 64, 3, 20), (10, 1, 1, 10)],
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


def test_denoising_shows_the_corrupted_images_and_reconstructs_them(tmp_path):
    model = Inverter((4, 4, 1))
    model.corruption = Halve()
    fit(model, SampleGrid(tmp_path, images=np.ones((3, 4, 4, 1)), every=1), epochs=2)
    grid = cells(read(tmp_path / "epoch_0002.png"), rows=3, columns=3)
    assert [np.unique(row).tolist() for row in grid] == [[255], [128], [128]]
    assert model.corruption.calls == 1


def test_points_are_reconstructed(tmp_path):
    fit(Inverter((2,)), SampleGrid(tmp_path, images=np.random.default_rng(0).random((9, 2))))
    assert (tmp_path / "epoch_0001.png").exists()


def test_errors_come_before_training(tmp_path):
    with pytest.raises(ValueError, match=r"`images` is needed.*Inverter.*Received: images=None"):
        fit(Inverter((4, 4, 1)), SampleGrid(tmp_path))
    with pytest.raises(ValueError, match=r"`SampleGrid` draws.*Received:.*data_shape=\(7,\)"):
        fit(Sampler((7,)), SampleGrid(tmp_path))
    with pytest.raises(ValueError, match=r"`images` must be.*Received: images.shape=\(3, 5, 5, 1"):
        fit(Inverter((4, 4, 1)), SampleGrid(tmp_path, images=np.zeros((3, 5, 5, 1))))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argument", ["every", "num_samples"])
def test_arguments_are_checked(tmp_path, argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be.*Received: {argument}=0"):
        SampleGrid(tmp_path, **{argument: 0})
