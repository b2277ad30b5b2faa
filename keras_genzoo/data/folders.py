"""Pairs, and two kinds of images, from folders of PNG and JPEG files."""

from __future__ import annotations

import pathlib

import tensorflow as tf

from keras_genzoo.core.validation import import_package
from keras_genzoo.data.batching import buffer_of, cached, to_batches
from keras_genzoo.data.pairing import unpaired
from keras_genzoo.data.resizing import check_image_size, resize_image

SUFFIXES = (".png", ".jpg", ".jpeg")
DIRECTIONS = ("a_to_b", "b_to_a")


def folder_pairs(
    directory: str | pathlib.Path,
    split: str = "train",
    *,
    direction: str = "a_to_b",
    batch_size: int = 64,
    image_size: int | tuple[int, int] | None = None,
    channels: int | tuple[int, int] = 3,
    shuffle: bool | None = None,
    first_epoch: int | None = None,
) -> tf.data.Dataset:
    """Builds batches `(source, target)` from a folder of pairs.

    There are two layouts:

    - two folders, `train/source` and `train/target`, whose files belong together if they have the
      same name up to the suffix;
    - one folder of images side by side, as the data sets of pix2pix: `train/1.jpg` has A in its
      left half and B in its right half.

    Args:
        directory: The folder that holds the folder of each split.
        split: The name of the split's folder, such as `"train"`, `"val"` or `"test"`.
        direction: `"a_to_b"` translates sources to targets, and the left half to the right one.
            `"b_to_a"` swaps them.
        batch_size: The number of pairs per batch.
        image_size: An int or `(height, width)`, to which the largest centred part of each image is
            resized. Without it, all pairs must have the same size.
        channels: The number of channels of all images, 1 for gray, 3 for RGB, or 4 for PNG files
            with opacity; or two numbers, for source (left) and target (right).
        shuffle: If true, the pairs are reshuffled every epoch and an incomplete last batch is
            dropped. By default, splits whose name starts with "train" are shuffled.
        first_epoch: If given, the pipeline is an endless stream that begins with this epoch, as in
            `load`.

    Returns:
        A `tf.data.Dataset` of pairs of uint8 images `(batch, height, width, channels)`.

    Raises:
        ValueError: If an argument is invalid, a file has no partner or is no image, or sizes
            differ. The error names the file.

    Example:
    ```python
    import pathlib

    for kind in ("source", "target"):
        folder = pathlib.Path("facades/train", kind)
        folder.mkdir(parents=True)
        for number in range(4):
            keras.utils.save_img(folder / f"{number}.png", np.random.random((32, 48, 3)))
    batches = genzoo.data.folder_pairs("facades", batch_size=2, image_size=32)
    ```
    """
    if direction not in DIRECTIONS:
        raise ValueError(
            f"`direction` must be one of {list(DIRECTIONS)}. Received: direction={direction!r}"
        )
    channels = _check_channels(channels)
    folder = pathlib.Path(directory, split)
    folders = [folder / "source", folder / "target"]
    side_by_side = not any(path.is_dir() for path in folders)
    files = [_image_files(folder)] * 2 if side_by_side else _partners(*folders)
    size = _common_size(files, image_size, side_by_side)
    parts = [
        _read(paths, depth, size, half if side_by_side else None)
        for half, (paths, depth) in enumerate(zip(files, channels, strict=True))
    ]
    dataset = tf.data.Dataset.zip(*(parts if direction == "a_to_b" else parts[::-1]))
    if shuffle is None:
        shuffle = split.startswith("train")
    buffer = buffer_of(dataset) if shuffle else None
    return to_batches(cached(dataset), batch_size, buffer, first_epoch)


def folder_unpaired(
    directory: str | pathlib.Path,
    split: str = "train",
    *,
    batch_size: int = 1,
    image_size: int | tuple[int, int] | None = None,
    channels: int | tuple[int, int] = 3,
    shuffle: bool | None = None,
    first_epoch: int | None = None,
) -> tf.data.Dataset:
    """Builds batches `(a, b)` from two folders of images that need not belong together.

    The folders are `trainA` and `trainB`, `testA` and `testB`, as in the data sets of CycleGAN.

    Args:
        directory: The folder that holds them.
        split: `"train"` or `"test"`.
        batch_size: The number of images of each kind in a batch. The paper takes 1.
        image_size: An int or `(height, width)`, to which the largest centred part of each image is
            resized. Without it, all images of a kind must have the same size.
        channels: The number of channels, as in `folder_pairs`.
        shuffle: Whether to shuffle, by default if the split starts with "train".
        first_epoch: The first epoch of an endless stream, as in `load`.

    Returns:
        A `tf.data.Dataset` of pairs of uint8 batches, as `unpaired` makes it.

    Raises:
        ValueError: If an argument is invalid, a file is no image, or sizes differ.
    """
    kinds = []
    for kind, depth in zip("AB", _check_channels(channels), strict=True):
        files = _image_files(pathlib.Path(directory, split + kind))
        kinds.append(cached(_read(files, depth, _common_size([files], image_size))))
    if shuffle is None:
        shuffle = split.startswith("train")
    return unpaired(*kinds, batch_size, shuffle=shuffle, first_epoch=first_epoch)


def _check_channels(channels) -> tuple[int, int]:
    pair = (channels, channels) if isinstance(channels, int) else tuple(channels)
    if len(pair) != 2 or not set(pair) <= {1, 3, 4}:
        raise ValueError(
            f"`channels` must be 1, 3 or 4, or two of them. Received: channels={channels!r}"
        )
    return pair


def _image_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Lists the images of a folder, sorted by name."""
    files = sorted(folder.glob("*")) if folder.is_dir() else []
    files = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not files:
        received = "a folder without any" if folder.is_dir() else "no such folder"
        raise ValueError(
            f"`directory` must have PNG or JPEG files in {str(folder)!r}. Received: {received}"
        )
    return files


def _partners(source: pathlib.Path, target: pathlib.Path) -> list[list[pathlib.Path]]:
    """Lists the files of two folders so that those of the same name have the same place."""
    files = []
    for folder in (source, target):
        by_name = {}
        for path in _image_files(folder):
            if path.stem in by_name:
                raise ValueError(
                    "`directory` must have one image of each name. "
                    f"Received: {str(path)!r} beside {by_name[path.stem].name!r}"
                )
            by_name[path.stem] = path
        files.append(by_name)
    for mine, others, folder in ((files[0], files[1], target), (files[1], files[0], source)):
        alone = [path for name, path in mine.items() if name not in others]
        if alone:
            more = f" and {len(alone) - 1} more" if len(alone) > 1 else ""
            raise ValueError(
                "`directory` must have a source for each target and a target for each source. "
                f"Received: {str(alone[0])!r}{more} without a partner in {str(folder)!r}"
            )
    return [list(files[0].values()), [files[1][name] for name in files[0]]]


def _common_size(files, image_size, side_by_side: bool = False) -> tuple[int, int]:
    """Checks the sizes of images, whose headers it reads, and returns the one that all get.

    Args:
        files: One or two lists of files. Those at the same place must have the same size.
        image_size: The size that the user wants, or `None` if all must have the same.
        side_by_side: Whether each file holds two images, side by side.
    """
    wanted = None if image_size is None else check_image_size(image_size)
    first = None
    for paths in zip(*files, strict=True):
        sizes = [_size_of(path) for path in paths]
        first = first or sizes[0]
        if sizes[0] != sizes[-1]:
            raise ValueError(
                "`directory` must have sources and targets of the same size. "
                f"Received: {str(paths[0])!r} of {_words(sizes[0])} and {str(paths[-1])!r} of "
                f"{_words(sizes[-1])}"
            )
        if side_by_side and sizes[0][1] % 2:
            raise ValueError(
                "`directory` must have the folders 'source' and 'target', or images of an even "
                f"width, side by side. Received: {str(paths[0])!r} of {_words(sizes[0])}"
            )
        if wanted is None and sizes[0] != first:
            raise ValueError(
                "`image_size` must be given, because the images differ in size. "
                f"Received: {str(paths[0])!r} of {_words(sizes[0])} and {str(files[0][0])!r} of "
                f"{_words(first)}"
            )
    return wanted or (first[0], first[1] // (2 if side_by_side else 1))


def _size_of(path) -> tuple[int, int]:
    image = import_package("PIL.Image", "A folder of images", "pillow")
    try:
        with image.open(path) as file:
            return file.size[::-1]
    except OSError as error:
        raise ValueError(
            f"`directory` must have PNG and JPEG files alone. Received: {str(path)!r}, which "
            "is damaged or no image"
        ) from error


def _words(size) -> str:
    return f"{size[0]} × {size[1]} pixels (height × width)"


def _read(files, channels: int, size: tuple[int, int], half: int | None = None):
    """Returns a data set of the images, or of their left (0) or right (1) halves, in a size."""

    def read(path):
        image = tf.io.decode_image(tf.io.read_file(path), channels, expand_animations=False)
        if half is not None:
            width = tf.shape(image)[1] // 2
            image = image[:, half * width : (half + 1) * width]
        return tf.ensure_shape(resize_image(image, size), (*size, channels))

    dataset = tf.data.Dataset.from_tensor_slices([str(path) for path in files])
    return dataset.map(read, tf.data.AUTOTUNE)
