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


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_noisy_floats_are_clipped_however_strong_the_noise(dtype):
    levels = np.array([-30, -0.1, 0.6, 1.1, 30], dtype)
    assert plot.as_uint8(levels).tolist() == [0, 0, 153, 255, 255]
    assert plot.as_uint8(np.array([0, 10], dtype)).tolist() == [0, 255]
    noise = np.random.default_rng(0).normal(scale=20, size=(2, 8, 8, 1))
    assert set(plot.as_uint8((0.5 + noise).round()).flat) == {0, 255}


def test_bfloat16_and_booleans_are_drawn():
    import ml_dtypes

    assert plot.as_uint8(np.array([0, 0.5, 1], ml_dtypes.bfloat16)).tolist() == [0, 128, 255]
    assert plot.as_uint8(np.array([False, True])).tolist() == [0, 255]
    assert plot.as_uint8(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("draw", [plot.as_uint8, plot.grid])
@pytest.mark.parametrize(
    "levels, dtype, received",
    [
        ([0, 51, 255], "float32", r"divide.*Received: float32 in \[0, 255\]"),
        ([0, 8, 16], "float64", r"divide.*Received: float64 in \[0, 16\]"),
        ([-20, 51, 260], "float32", r"divide.*Received: float32 in \[-20, 260\]"),  # resized
        ([0, 51, 255], "int64", "astype.*Received: dtype int64"),
        ([0, 1, 1], "int32", "astype.*Received: dtype int32"),
        ([0, 51, 255], "uint16", "astype.*Received: dtype uint16"),
        ([0, 1, 1], "complex64", "Received: dtype complex64"),
        ([0, 1, 1], "str", "Received: dtype str"),
        ([0, 1, np.nan], "float32", r"finite.*Received: NaN.*\(1, 1, 3, 1\)"),
        ([0, 1, -np.inf], "float32", r"finite.*Received: NaN or infinite numbers"),
    ],
)
def test_images_on_another_scale_are_refused(draw, levels, dtype, received):
    with pytest.raises(ValueError, match=f"`images` must be .*{received}"):
        draw(np.array(levels).astype(dtype).reshape(1, 1, 3, 1))


@pytest.mark.parametrize("n, columns", [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3), (10, 4)])
def test_columns_default_to_the_square_root_rounded_up(tmp_path, n, columns):
    images = np.random.default_rng(0).random((n, 2, 3, 1))
    plot.save_grid(tmp_path / "grid.png", images)
    expected = plot.grid(images, columns)
    np.testing.assert_array_equal(plot.grid(images), expected)
    np.testing.assert_array_equal(read(tmp_path / "grid.png"), expected)


def test_grid_errors():
    with pytest.raises(ValueError, match=r"`images`.*Received: images.shape=\(2, 8, 0, 1\)"):
        plot.grid(np.zeros((2, 8, 0, 1)))
    with pytest.raises(ValueError, match=r"`images`.*Received: images.shape=\(0, 8, 8, 1\)"):
        plot.grid(np.zeros((0, 8, 8, 1)))
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


DRAWINGS = {
    "save_grid": (np.zeros((1, 2, 2, 1)),),
    "save_points": (np.zeros((3, 2)),),
    "save_curves": ({"loss": [1.0]},),
    "save_monitor": ({"epoch": [1], "diversity": [1.0]}, [], "title"),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_only_png_files_are_written(tmp_path, name):
    save = getattr(plot, name)
    for path in (tmp_path / "picture.jpg", tmp_path / "picture", tmp_path):
        with pytest.raises(ValueError, match=r"`path` must be .*\.png\. Received: path='"):
            save(path, *DRAWINGS[name])
    assert list(tmp_path.iterdir()) == []
    save(tmp_path / "picture.PNG", *DRAWINGS[name])
    assert [path.name for path in tmp_path.iterdir()] == ["picture.PNG"]


@pytest.fixture
def panels(monkeypatch):
    """The panels of the last figure that was saved."""
    drawn, save = [], plot._save

    def save_and_keep(path, figure):
        save(path, figure)
        drawn[:] = figure.axes

    monkeypatch.setattr(plot, "_save", save_and_keep)
    return drawn


def points_of(panel):
    return [np.asarray(scatter.get_offsets()) for scatter in panel.collections]


def test_points_do_not_hide_the_data(tmp_path, panels):
    data = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    samples = np.repeat(data, 50, axis=0) + np.array([0, 0.5])
    plot.save_points(tmp_path / "points.png", samples, data)
    left, right = panels
    np.testing.assert_array_equal(points_of(left), [data])
    below, above = points_of(right)
    np.testing.assert_array_equal(below, data)
    np.testing.assert_array_equal(above, samples)
    assert left.get_xlim() == right.get_xlim() and left.get_ylim() == right.get_ylim()
    assert [left.get_title(), right.get_title()] == [
        "data: 3 points",
        "model: 150 points, over the data in grey",
    ]
    blue = (read(tmp_path / "points.png") == [31, 119, 180]).all(axis=-1)  # tab:blue
    half = blue.shape[1] // 2
    assert not blue[:, :half].any() and blue[:, half:].sum() >= 3


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (1, 3)])
def test_panels_of_points_fit_into_the_picture(tmp_path, panels, size):
    points = np.random.default_rng(0).uniform(size=(500, 2)) * size
    plot.save_points(tmp_path / "points.png", points, points)
    for panel in panels:
        left, bottom, right, top = panel.get_tightbbox().extents
        assert min(left, bottom, 1000 - right, 500 - top) > 2


def test_points_alone_have_one_panel(tmp_path, panels):
    plot.save_points(tmp_path / "points.png", np.eye(2))
    (panel,) = panels
    np.testing.assert_array_equal(points_of(panel), [np.eye(2)])


def test_save_curves(tmp_path, panels):
    plot.save_curves(tmp_path / "curves.png", {"loss": [2.0, 1.0], "val_loss": [3.0, 1.5]})
    picture = read(tmp_path / "curves.png")
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    loss, val_loss = panels[0].lines
    assert loss.get_xydata().tolist() == [[1, 2], [2, 1]]
    assert val_loss.get_xydata().tolist() == [[1, 3], [2, 1.5]]
    assert [line.get_label() for line in (loss, val_loss)] == ["loss", "val_loss"]
    assert [line.get_linestyle() for line in (loss, val_loss)] == ["-", "--"]
    assert loss.get_color() == val_loss.get_color()
    plot.save_curves(tmp_path / "empty.png", {})
    plot.save_curves(tmp_path / "ragged.png", {"loss": [2.0], "other": [], "more": [1.0, 2.0]})


def test_one_epoch_is_readable(tmp_path, panels):
    history = {"loss": [1.36421], "penalty": [0.0116], "val_loss": [1.36421], "later": []}
    plot.save_curves(tmp_path / "curves.png", history)
    (axes,) = panels
    assert axes.get_xticks().tolist() == [1]
    loss, penalty, val_loss, _ = axes.lines
    assert [line.get_label() for line in axes.lines] == [
        "loss: 1.364",
        "penalty: 0.0116",
        "val_loss: 1.364",
        "later",
    ]
    assert {line.get_linestyle() for line in axes.lines} == {"None"}
    # The point of the validation is a ring around the other one, not in its place.
    assert val_loss.get_color() == loss.get_color() != penalty.get_color()
    assert val_loss.get_fillstyle() == "none" and loss.get_fillstyle() == "full"
    assert val_loss.get_markersize() > loss.get_markersize()


def test_pictures_leave_pyplot_alone(tmp_path):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    plot.save_curves(tmp_path / "curves.png", {"loss": [1.0]})
    plot.save_points(tmp_path / "points.png", np.zeros((3, 2)))
    assert pyplot.get_fignums() == before
