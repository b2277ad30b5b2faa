import numpy as np
import pytest
from callbacks.pictures import read
from matplotlib import image

from keras_genzoo import plot


def test_grid_pixel_by_pixel(monkeypatch):
    monkeypatch.setattr(plot, "MIN_WIDTH", 1)
    images = np.array([10, 20, 30], "uint8").reshape(3, 1, 1, 1)
    g = plot.SEPARATOR_GREY
    expected = [[10, g, g, 20], [g, g, g, g], [g, g, g, g], [30, g, g, g]]
    grid = plot.grid(images, columns=2)
    assert grid.dtype == np.uint8
    np.testing.assert_array_equal(grid, np.repeat(np.array(expected)[..., None], 3, axis=-1))


def test_grid_magnifies_by_an_integer_with_nearest_neighbour():
    images = np.arange(6, dtype="uint8").reshape(1, 2, 3, 1)
    grid = plot.grid(images, columns=1)
    assert grid.shape == (2 * 167, 3 * 167, 3)  # 501 is the first multiple of 3 from 500
    np.testing.assert_array_equal(grid, np.kron(images[0], np.ones((167, 167, 3), "uint8")))


def test_grid_leaves_large_images_alone():
    image = np.random.default_rng(0).integers(256, size=(1, 4, 600, 3), dtype="uint8")
    np.testing.assert_array_equal(plot.grid(image, columns=1), image[0])


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_grid_shows_the_first_channel_in_grey(channels):
    image = np.random.default_rng(0).integers(256, size=(1, 4, 600, channels), dtype="uint8")
    expected = np.repeat(image[0, :, :, :1], 3, axis=-1)
    np.testing.assert_array_equal(plot.grid(image, columns=1), expected)


def test_four_channels_are_drawn_with_opacity(tmp_path, monkeypatch):
    monkeypatch.setattr(plot, "MIN_WIDTH", 1)
    images = np.random.default_rng(0).integers(256, size=(2, 3, 4, 4), dtype="uint8")
    grid = plot.grid(images, columns=2)
    assert grid.shape == (3, 4 + plot.SEPARATOR + 4, 4)
    np.testing.assert_array_equal(grid[:, :4], images[0])
    np.testing.assert_array_equal(grid[:, -4:], images[1])
    grey = plot.SEPARATOR_GREY
    assert (grid[:, 4 : 4 + plot.SEPARATOR] == (grey, grey, grey, 255)).all()
    plot.save_grid(tmp_path / "grid.png", images, columns=2)
    saved = image.imread(tmp_path / "grid.png")
    np.testing.assert_array_equal(np.rint(255 * saved).astype("uint8"), grid)


def test_grid_scales_and_clips_floats(monkeypatch):
    monkeypatch.setattr(plot, "MIN_WIDTH", 1)
    image = np.array([-1, 0, 0.2, 1, 2]).reshape(1, 1, 5, 1)
    assert plot.grid(image, columns=1)[0, :, 0].tolist() == [0, 0, 51, 255, 255]


def test_grid_errors():
    with pytest.raises(ValueError, match=r"`images`.*Received: images.shape=\(8, 8, 1\)"):
        plot.grid(np.zeros((8, 8, 1)), columns=1)
    with pytest.raises(ValueError, match=r"`columns`.*Received: columns=0"):
        plot.grid(np.zeros((1, 8, 8, 1)), columns=0)


def test_save_grid_writes_exactly_the_grid(tmp_path):
    images = np.random.default_rng(0).random((5, 6, 7, 3))
    plot.save_grid(tmp_path / "new" / "grid.png", images, columns=3)
    written = read(tmp_path / "new" / "grid.png")
    np.testing.assert_array_equal(written, plot.grid(images, 3))
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
        plot.save_grid(path, np.zeros((1, 2, 2, 1)), columns=1)
    assert path.read_text() == "the old picture"
    assert list(tmp_path.iterdir()) == [path]


def test_save_curves(tmp_path):
    plot.save_curves(tmp_path / "curves.png", {"loss": [2.0, 1.0], "val_loss": [3.0]})
    picture = read(tmp_path / "curves.png")
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    plot.save_curves(tmp_path / "empty.png", {})


def test_pictures_leave_pyplot_alone(tmp_path):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    plot.save_curves(tmp_path / "curves.png", {"loss": [1.0]})
    plot.save_points(tmp_path / "points.png", np.zeros((3, 2)))
    assert pyplot.get_fignums() == before
