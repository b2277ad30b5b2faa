"""The data and the arguments of the recipes of models that translate images.

Like recipes.py, this file must load at once: the functions import TensorFlow, and the file does
not. docs/translation.md lists what each recipe learns, and the packages that hold its images.
"""

from __future__ import annotations

import dataclasses
import functools


@functools.cache
def read(reader: str, **options):
    """Calls a function of image_sets.py, once."""
    import image_sets

    return getattr(image_sets, reader)(**options)


def pairs(flags, first_epoch: int, reader: str, source=None, **options):
    """Loads pairs: those that a reader returns, or images and the sources made of them.

    Args:
        flags: The flags of `train.py`.
        first_epoch: The epoch that the run starts at.
        reader: The name of a function of image_sets.py.
        source: The name of a function of `genzoo.data.sources`, which makes sources of images.
        **options: Arguments of the reader.
    """
    import keras_genzoo as genzoo

    sides = read(reader, **options)
    if source is None:
        sides = [(target, given) for given, target in sides]
    else:
        sides = [(images, getattr(genzoo.data.sources, source)()) for images in sides]
    (train, train_source), (test, test_source) = sides
    load = functools.partial(genzoo.data.pairs, batch_size=flags.batch_size)
    return batches(
        train=load(train, train_source, first_epoch=first_epoch),
        steps=len(train) // flags.batch_size,
        test=load(test, test_source, split="test"),
        names=("source", "target"),
    )


def pairs_by_name(flags, first_epoch: int, source: str):
    """Loads images by the name `--data`, as `genzoo.data.load` does, and makes their sources."""
    import keras_genzoo as genzoo

    load = functools.partial(
        genzoo.data.pairs,
        flags.data,
        getattr(genzoo.data.sources, source)(),
        batch_size=flags.batch_size,
    )
    return batches(
        train=load(first_epoch=first_epoch),
        steps=int(load().cardinality()),
        test=load(split="test"),
        names=("source", "target"),
    )


def unpaired(flags, first_epoch: int, reader: str, **options):
    """Loads the pairs of a reader and tears them apart; those to test on stay together."""
    import keras_genzoo as genzoo

    (train_a, train_b), (test_a, test_b) = read(reader, **options)
    half = len(train_a) // 2  # no image has its counterpart in the other half
    a, b = train_a[:half], train_b[half:]
    load = functools.partial(genzoo.data.unpaired, batch_size=flags.batch_size)
    return batches(
        train=load(a, b, first_epoch=first_epoch),
        steps=max(len(a), len(b)) // flags.batch_size,
        test=load(test_a, test_b, shuffle=False),
        names=("a", "b"),
    )


def unpaired_by_name(flags, first_epoch: int, image_size: int):
    """Loads one of CycleGAN's data sets in tensorflow-datasets, by the name `--data`."""
    import keras_genzoo as genzoo

    load = functools.partial(
        genzoo.data.load_unpaired, flags.data, batch_size=flags.batch_size, image_size=image_size
    )
    return batches(
        train=load(first_epoch=first_epoch),
        steps=int(load().cardinality()),
        test=load(split="test"),
        names=("a", "b"),
    )


def brain(flags, first_epoch: int):
    """Loads slices of a brain at half of their size, and the share of each tissue in a pixel."""
    import numpy as np

    import keras_genzoo as genzoo

    def halve(x):
        n, height, width, channels = x.shape
        return x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4)).astype("float32")

    sides = []
    for tissues, image in read("brain"):
        shares = halve(tissues) / 255
        rest = np.clip(1 - shares.sum(axis=-1, keepdims=True), 0, 1)
        sides.append((halve(image) / 255, np.concatenate([rest, shares], axis=-1)))
    (train, maps), (test, test_maps) = sides
    load = functools.partial(genzoo.data.pairs, batch_size=flags.batch_size)
    data = batches(
        train=load(train, maps, first_epoch=first_epoch),
        steps=len(train) // flags.batch_size,
        test=load(test, test_maps, split="test"),
        names=("label_map", "image"),
    )
    label_map = genzoo.fields.LabelMaps(train.shape[1:3], num_classes=3)
    return dataclasses.replace(data, fields=(label_map, data.fields[1]))


def batches(train, steps: int, test, names: tuple[str, str]):
    """Returns the data of a run, with 32 pairs for pictures."""
    import numpy as np
    from recipes import Data

    import keras_genzoo as genzoo

    first = list(test.unbatch().take(32).as_numpy_iterator())
    examples, targets = (np.stack(part) for part in zip(*first, strict=True))
    shapes = (examples.shape[1:], targets.shape[1:])
    fields = [genzoo.fields.Images(s, name) for s, name in zip(shapes, names, strict=True)]
    return Data(train, steps, test, tuple(fields), examples, targets)


def unet(source_shape, target_shape, *_):
    """Makes the arguments of a Pix2Pix whose images show no grid."""
    import keras_genzoo as genzoo

    network = genzoo.networks.unet_generator(source_shape, target_shape[-1], upsampling="nearest")
    return {"generator": network}


def inpainting(source_shape, target_shape, *_):
    """Makes the arguments of a Pix2Pix that keeps the pixels that are known."""
    import keras_genzoo as genzoo

    network = unet(source_shape, target_shape)["generator"]
    return {"generator": genzoo.networks.keep_known(network)}


def super_resolution(source, target):
    """Makes a model that enlarges images."""
    import keras_genzoo as genzoo

    return genzoo.SuperResolution(source.shape, target.shape[0] // source.shape[0])


def gaugan(label_map, image):
    """Makes a small GauGAN, which also learns from the absolute error."""
    import keras_genzoo as genzoo

    return genzoo.GauGAN(
        image.shape, label_map.num_classes, content_loss="l1", content_weight=100.0
    )


# By name: the arguments of `recipes.Recipe`. 1,000 to 5,000 small images in a few minutes,
# but for `fashion_edges` and `horse2zebra`, which are larger.
RECIPES = {
    "emoji_colors": {
        "model": "Pix2Pix",
        "data_name": "emoji",
        "data": functools.partial(pairs, reader="emoji"),
        "arguments": unet,
        "epochs": 60,
        "batch_size": 16,
    },
    "photo_colors": {
        "model": "Pix2Pix",
        "data_name": "photo_patches",
        "data": functools.partial(pairs, reader="photo_patches", source="gray"),
        "arguments": unet,
        "epochs": 10,
        "batch_size": 16,
    },
    "photo_inpainting": {
        "model": "Pix2Pix",
        "data_name": "photo_patches",
        "data": functools.partial(pairs, reader="photo_patches", source="masked"),
        "arguments": inpainting,
        "epochs": 10,
        "batch_size": 16,
    },
    "photo_edges": {
        "model": "Pix2Pix",
        "data_name": "photo_patches",
        "data": functools.partial(pairs, reader="photo_patches", source="edges"),
        "arguments": unet,
        "epochs": 10,
        "batch_size": 16,
    },
    "fashion_edges": {
        "model": "Pix2Pix",
        "data_name": "fashion_mnist",
        "data": functools.partial(pairs_by_name, source="edges"),
        "epochs": 2,
        "batch_size": 32,
    },
    "photo_super_resolution": {
        "model": "SuperResolution",
        "data_name": "photo_patches",
        "data": functools.partial(pairs, reader="photo_patches", source="low_resolution"),
        "make": super_resolution,
        "epochs": 10,
        "batch_size": 16,
        "learning_rate": 5e-4,
    },
    "brain_tissues": {
        "model": "GauGAN",
        "data_name": "brain",
        "data": brain,
        "make": gaugan,
        "epochs": 40,
        "batch_size": 4,
    },
    "globe_night": {
        "model": "Pix2Pix",
        "data_name": "globe",
        "data": functools.partial(pairs, reader="globe"),
        "arguments": unet,
        "epochs": 60,
        "batch_size": 8,
    },
    "glyphs": {
        "model": "CycleGAN",
        "data_name": "glyphs",
        "data": functools.partial(unpaired, reader="glyphs"),
        "epochs": 20,
        "batch_size": 4,
    },
    "glasses": {
        "model": "CycleGAN",
        "data_name": "faces",
        "data": functools.partial(unpaired, reader="faces"),
        "epochs": 20,
        "batch_size": 4,
    },
    "horse2zebra": {
        "model": "CycleGAN",
        "data_name": "cycle_gan/horse2zebra",
        "data": functools.partial(unpaired_by_name, image_size=256),
        "epochs": 200,
        "batch_size": 1,
    },
}
