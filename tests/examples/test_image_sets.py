"""The readers of images in packages, on small stand-ins, and on the packages where they are."""

import importlib.util
import json
import os
import pathlib
import sys
import types

import image_sets
import numpy as np
import pytest
from PIL import Image

needs = {
    name: pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"without {name}")
    for name in ("resvg_py", "dicebear", "dicebear_styles", "nilearn", "nibabel", "skimage")
}
in_npm = pytest.mark.skipif(
    not os.environ.get("GENZOO_DATA"), reason="without GENZOO_DATA, the packages of npm"
)


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def check_pairs(data, *shapes):
    """Checks types and shapes, and that no image is in both training and test data."""
    train, test = data
    for part in (*train, *test):
        assert part.dtype == np.uint8
    for i, shape in enumerate(shapes):
        assert train[i].shape[1:] == test[i].shape[1:] == shape
        assert not {x.tobytes() for x in train[i]} & {x.tobytes() for x in test[i]}
    assert len(train[0]) == len(train[1]) and len(test[0]) == len(test[1])


def square(color, side=6):
    return f'<path fill="{color}" d="M0 0h{side}v{side}h-{side}z"/>'


@pytest.fixture
def fake_resvg(monkeypatch):
    """A renderer of `square`s alone, which fills the image."""

    def svg_to_bytes(svg_string, width, height, background):
        assert background == "white" and 'viewBox="0 0 6 6"' in svg_string
        color = svg_string.split('fill="')[1].split('"')[0].replace("currentColor", "black")
        path = pathlib.Path(os.environ["GENZOO_DATA"], "drawn.png")
        Image.new("RGB", (width, height), color).save(path)
        return path.read_bytes()

    monkeypatch.setitem(sys.modules, "resvg_py", types.SimpleNamespace(svg_to_bytes=svg_to_bytes))


@pytest.fixture
def fake_emoji(tmp_path, monkeypatch, fake_resvg):
    names = [f"{who}{name}" for name in "abcdefghijklmnop" for who in ("man-", "woman-", "")]
    icons = {
        "high-contrast": {name: square(f"#{i:02x}{i:02x}{i:02x}") for i, name in enumerate(names)},
        "flat": {name: square(f"#ff{i:02x}00") for i, name in enumerate(names)},
    }
    icons["flat"]["coloured-only"] = square("#0000ff")
    icons["high-contrast"]["same"], icons["flat"]["same"] = square("#000000"), square("#123456")
    for kind, bodies in icons.items():
        folder = tmp_path / "node_modules" / "@iconify-json" / f"fluent-emoji-{kind}"
        folder.mkdir(parents=True)
        parsed = {name: {"body": body} for name, body in bodies.items()}
        text = json.dumps({"width": 6, "height": 5, "icons": parsed})
        (folder / "icons.json").write_text(text)
    monkeypatch.setenv("GENZOO_DATA", str(tmp_path))


def test_emoji_are_pairs_split_by_group(fake_emoji):
    data = image_sets.emoji(size=8)
    check_pairs(data, (8, 8, 1), (8, 8, 3))
    (lines, colours), (test_lines, _) = data
    assert len(lines) + len(test_lines) == 48  # neither the unpaired nor the repeated one
    assert 0 < len(test_lines) < 24 and len(test_lines) % 3 == 0  # variants are together
    for line, colour in zip(lines, colours, strict=True):
        assert line[0, 0, 0] == colour[0, 0, 1] and colour[0, 0, 0] == 255
    again = image_sets.emoji(size=8)
    np.testing.assert_array_equal(again[1][0], test_lines)


def test_emoji_groups():
    same = {"man-cook", "woman-cook", "cook", "cook-medium-dark"}
    assert {image_sets.emoji_group(name) for name in same} == {"cook"}
    assert image_sets.emoji_group("person-walking-facing-right") == "walking"
    assert image_sets.emoji_group("red-apple") != image_sets.emoji_group("green-apple")


def test_a_missing_npm_package_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_DATA", str(tmp_path))
    for call in (image_sets.emoji, image_sets.globe):
        with pytest.raises(FileNotFoundError, match=r"`npm install --prefix .*`\. Received: no"):
            call()


def test_glyphs_of_two_fonts():
    data = image_sets.glyphs()
    check_pairs(data, (32, 32, 1), (32, 32, 1))
    (sans, serif), (test_sans, _) = data
    assert len(sans) > 2000 and 500 < len(test_sans) < 700
    # The figures that published comparisons have to beat.
    assert np.abs(sans / 255 - serif / 255).mean() == pytest.approx(0.0445, abs=0.001)
    assert len(np.unique(sans, axis=0)) == len(sans)
    ink = (sans > 127).mean(axis=(1, 2, 3)), (serif > 127).mean(axis=(1, 2, 3))
    assert np.median(ink[1] / ink[0].clip(1e-3)) > 1.2  # bold


def test_a_glyph_that_does_not_fit_is_left_out():
    import matplotlib
    from PIL import ImageFont

    path = pathlib.Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    font = ImageFont.truetype(str(path), 22)
    assert image_sets.draw_glyph(font, "A", 32).max() == 255
    assert image_sets.draw_glyph(font, " ", 32) is None
    assert (
        image_sets.draw_glyph(font, "\N{ARABIC LIGATURE BISMILLAH AR-RAHMAN AR-RAHEEM}", 8) is None
    )


def test_patches():
    image = np.arange(5 * 7, dtype="uint8").reshape(5, 7, 1)
    disjoint = image_sets.patches(image, 2, 2)
    assert disjoint.shape == (6, 2, 2, 1)
    np.testing.assert_array_equal(disjoint[4, ..., 0], [[16, 17], [23, 24]])
    assert len(image_sets.patches(image, 3, 1)) == 3 * 5
    few = image_sets.patches(image, 2, 2, count=3)
    np.testing.assert_array_equal(few, disjoint[[0, 2, 5]])


def fake_package(folder, name, monkeypatch):
    """An installed package without content."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return folder / name


def test_photos_and_their_patches(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    for i in range(3):
        save(tmp_path / f"photo{i}_by_x.jpg", random.integers(0, 256, (64, 96, 3), dtype="uint8"))
    save(tmp_path / "umang_by_x.jpg", np.zeros((64, 96, 3), "uint8"))  # no photo
    data = fake_package(tmp_path / "pip", "skimage", monkeypatch) / "data"
    for name in image_sets.TEST_PHOTOS.values():
        save(data / name, random.integers(0, 256, (20, 30, 3), dtype="uint8"))
    train, test = image_sets.photos(str(tmp_path))
    assert [image.shape for image in train] == [(32, 48, 3)] * 3
    assert len(test) == 8 and test["coffee"].shape == (20, 30, 3)
    train, test = image_sets.photo_patches(8, str(tmp_path), reduce=4)
    assert train.shape == (3 * 3 * 5, 8, 8, 3) and test.shape == (8 * 2 * 3, 8, 8, 3)
    with pytest.raises(FileNotFoundError, match=r"`apt-get install lomiri.*Received: no photos in"):
        image_sets.photos(str(tmp_path / "pip"))


def test_globe_keeps_land_and_splits_by_sectors(tmp_path):
    folder = tmp_path / "node_modules" / "three-globe" / "example" / "img"
    meridians = np.arange(256, dtype="uint8") * np.ones((128, 256), "uint8")
    day = np.stack(
        [meridians, np.arange(128, dtype="uint8")[:, None] + 0 * meridians, meridians], -1
    )
    save(folder / "earth-blue-marble.jpg", day)
    save(folder / "earth-night.jpg", day // 2)
    water = np.zeros((64, 128), "uint8")
    water[:, 64:] = 255  # the right half is sea
    save(folder / "earth-water.png", water)
    data = image_sets.globe(size=8, directory=str(tmp_path))
    check_pairs(data, (8, 8, 3), (8, 8, 3))
    (day, night), (test_day, _) = data
    assert np.abs(day / 2 - night).mean() < 3
    assert day[..., 0].max() < 136  # land alone
    sectors = {part: set((x[:, 4, 4, 0] // 16).tolist()) for part, x in ((0, day), (1, test_day))}
    assert sectors == {0: {0, 1, 2, 4, 5, 6}, 1: {3, 7}}
    rows = np.concatenate([day, test_day])[:, 4, 4, 1]
    assert rows.min() > 12 and rows.max() < 110  # no polar ice


def test_brain_is_split_by_blocks_of_slices(tmp_path, monkeypatch):
    fake_package(tmp_path, "nilearn", monkeypatch)
    planes = np.arange(189, dtype="uint8") * np.ones((197, 233, 1), "uint8")
    values = {"gm": planes, "wm": 0 * planes, "t1": 255 - planes}
    monkeypatch.setattr(
        image_sets, "read_nifti", lambda path: values[path.name.split("_")[2]], raising=True
    )
    (maps, t1), (test_maps, test_t1) = image_sets.brain()
    assert maps.shape == (105, 224, 192, 2) and t1.shape == (105, 224, 192, 1)
    assert test_maps.shape == (30, 224, 192, 2) and test_t1.shape == (30, 224, 192, 1)
    assert test_maps[:, 0, 0, 0].tolist() == [*range(65, 80), *range(125, 140)]
    np.testing.assert_array_equal(t1[..., 0], 255 - maps[..., 0])


@pytest.mark.parametrize(
    "reader, package",
    [("faces", "dicebear-styles"), ("brain", "nilearn"), ("photos", "scikit-image")],
)
def test_a_missing_python_package_is_one_sentence(reader, package, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    save(tmp_path / "photo_by_x.jpg", np.zeros((8, 8, 3), "uint8"))
    arguments = (str(tmp_path),) if reader == "photos" else ()
    with pytest.raises(ImportError, match=f"^`{reader}` needs the package {package}: `pip install"):
        getattr(image_sets, reader)(*arguments)


def test_without_a_renderer(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(
        ImportError, match=r"^Drawing an SVG needs the package resvg-py: `pip install resvg-py`"
    ):
        image_sets.render("<svg/>", 8)


# On the packages themselves.


@needs["resvg_py"]
def test_an_svg_is_drawn_on_white():
    svg = image_sets.icon_svg(
        {"width": 4, "icons": {"x": {"body": '<path fill="#ff0000" d="M0 0h2v4h-2z"/>'}}}, "x"
    )
    image = image_sets.render(svg.replace("0 0 16 16", "0 0 4 4"), 8)
    assert image.shape == (8, 8, 3)
    assert image[4, 1].tolist() == [255, 0, 0] and image[4, 6].tolist() == [255, 255, 255]


@in_npm
@needs["resvg_py"]
def test_real_emoji():
    data = image_sets.emoji(32)
    check_pairs(data, (32, 32, 1), (32, 32, 3))
    (lines, _), (test_lines, test_colours) = data
    assert len(lines) > 1200 and len(test_lines) > 250
    copy = np.abs(test_lines / 255 - test_colours / 255).mean()
    assert copy == pytest.approx(0.279, abs=0.01)


@in_npm
def test_real_globe():
    data = image_sets.globe()
    check_pairs(data, (64, 64, 3), (64, 64, 3))
    (day, night), (test_day, _) = data
    assert len(day) > 300 and len(test_day) > 80
    assert day.mean() > 2 * night.mean()


@needs["resvg_py"]
@needs["dicebear"]
@needs["dicebear_styles"]
def test_real_faces_differ_by_their_glasses():
    data = image_sets.faces(32, 20, 6)
    check_pairs(data, (32, 32, 3), (32, 32, 3))
    (without, glasses), _ = data
    differs = (without != glasses).any(axis=-1)
    assert (differs.mean(axis=(1, 2)) > 0).all() and differs.mean() < 0.1
    assert not differs[:, 20:].any()  # but not the clothes


@needs["nilearn"]
@needs["nibabel"]
def test_real_brain():
    (maps, t1), (test_maps, test_t1) = image_sets.brain()
    design = [np.c_[x.reshape(-1, 2) / 255, np.ones(x[..., 0].size)] for x in (maps, test_maps)]
    weights = np.linalg.lstsq(design[0], t1.ravel() / 255, rcond=None)[0]
    error = np.mean((design[1] @ weights - test_t1.ravel() / 255) ** 2)
    assert -10 * np.log10(error) == pytest.approx(27.41, abs=0.05)


@needs["skimage"]
def test_real_photos(tmp_path):
    save(tmp_path / "photo_by_x.jpg", np.zeros((8, 8, 3), "uint8"))
    _, test = image_sets.photos(str(tmp_path))
    assert test["astronaut"].shape == (512, 512, 3) and test["retina"].shape == (1411, 1411, 3)
    assert all(image.dtype == np.uint8 and image.shape[-1] == 3 for image in test.values())
