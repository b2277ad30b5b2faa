"""Grey and white matter to T1: GauGAN, Pix2Pix, the public GauGAN of Keras and linear regression.

    pip install nilearn
    python benchmarks/gaugan.py --models gaugan public pix2pix --seconds 300

The data are the MNI152 template and its tissue maps, which come with nilearn: one brain, averaged
over many people. 135 axial slices are split into blocks of 15, of which two are for tests. A label
map holds the shares of grey matter, white matter and the rest in each pixel. Every model trains for
the same number of seconds after its first step, and is scored by

- the PSNR of the T1 slices that it makes of the test slices' label maps, beside linear regression
  of the two maps;
- how well a classifier of pixels, trained on real T1 slices, reads the labels back: accuracy, and
  the mean over classes of intersection over union (mIoU).

`gaugan_l1` also has the mean absolute error as content loss. `public` is the Keras example "GauGAN
for conditional image generation", rewritten from its settings in `public_gaugan.py`, which says
what differs; `public_narrow` has an eighth of its filters.
"""

from __future__ import annotations

import argparse
import json
import os

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    models = ("gaugan", "gaugan_l1", "public", "public_narrow", "pix2pix")
    parser.add_argument("--models", nargs="+", choices=models, default=models)
    parser.add_argument("--seconds", type=float, default=300.0, help="of training for each model")
    parser.add_argument("--size", type=int, default=64, help="side of the slices in pixels")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=1e-4, help="of GauGAN's generator")
    parser.add_argument("--picture", help="path of a PNG of the test slices")
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import public_gaugan
import tensorflow as tf
from deadline import fit

import keras_genzoo as genzoo

FIRST, SLICES, BLOCK, TEST_BLOCKS = 13, 135, 15, (1, 5)


def load(size=None):
    """Returns label maps and T1 slices for training, and the same for tests.

    Args:
        size: The side of square slices in pixels, or `None` for slices as they are.
    """
    from nilearn import datasets

    names = ("gm_template", "wm_template", "template")
    grey, white, t1 = (
        getattr(datasets, f"load_mni152_{name}")(resolution=1).get_fdata()[
            :, :, FIRST : FIRST + SLICES
        ]
        for name in names
    )
    volumes = np.stack([grey, white, t1], axis=-1).transpose(2, 1, 0, 3)[:, ::-1]
    if size is not None:
        side = max(volumes.shape[1:3])
        volumes = tf.image.resize_with_crop_or_pad(volumes, side, side)
        volumes = tf.image.resize(volumes, (size, size), "area").numpy()
    volumes = np.clip(volumes, 0, 1).astype("float32")
    rest = np.clip(1 - volumes[..., :1] - volumes[..., 1:2], 0, 1)
    labels = np.concatenate([volumes[..., :2], rest], axis=-1)
    is_test = np.isin(np.arange(SLICES) // BLOCK, TEST_BLOCKS)
    t1 = volumes[..., 2:]
    return (labels[~is_test], t1[~is_test]), (labels[is_test], t1[is_test])


def psnr(target, translation):
    """Returns the PSNR of all pixels of all slices together, in dB."""
    return -10 * float(np.log10(np.mean((target - np.clip(translation, 0, 1)) ** 2)))


def regress(train, test):
    """Returns what linear regression of the two maps, and a constant, make of the test slices."""

    def features(labels):
        return np.concatenate([labels[..., :2], np.ones_like(labels[..., :1])], axis=-1)

    weights = np.linalg.lstsq(
        features(train[0]).reshape(-1, 3), train[1].reshape(-1, 1), rcond=None
    )[0]
    return features(test[0]) @ weights, np.full_like(test[1], train[1].mean())


def reader(train, seed):
    """Trains a small network that reads the class of each pixel from a T1 slice."""
    keras.utils.set_random_seed(seed)
    convolution = {"kernel_size": 3, "padding": "same", "activation": "relu"}
    network = keras.Sequential(
        [
            keras.Input((None, None, 1)),
            keras.layers.Conv2D(16, **convolution),
            keras.layers.Conv2D(16, **convolution),
            keras.layers.Conv2D(3, 1, activation="softmax"),
        ]
    )
    network.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    network.fit(train[1], train[0].argmax(axis=-1), batch_size=8, epochs=40, verbose=0)
    return network


def read_back(network, labels, images):
    """Returns the accuracy and mIoU of the labels that a reader finds in images."""
    truth, found = labels.argmax(axis=-1), network.predict(images, verbose=0).argmax(axis=-1)
    ious = [
        np.sum((truth == c) & (found == c)) / np.sum((truth == c) | (found == c)) for c in range(3)
    ]
    return float(np.mean(truth == found)), float(np.mean(ious))


def build(name, size, batch, rate):
    """Builds and compiles a model; all but GauGAN with the default optimizers."""
    shape = (size, size, 1)
    if name.startswith("public"):
        return public_gaugan.build(size, batch, width=1.0 if name == "public" else 0.125)
    if name == "pix2pix":
        model = genzoo.Pix2Pix((size, size, 3), shape)
        model.compile()
        return model
    options = {"content_loss": "l1", "content_weight": 100.0} if name == "gaugan_l1" else {}
    model = genzoo.GauGAN(shape, 3, **options)
    model.compile(*(keras.optimizers.Adam(factor * rate, beta_1=0.0) for factor in (1, 4)))
    return model


def score(name, train, test, network, flags):
    """Trains one model and returns its row of the table, and its translations."""
    keras.utils.set_random_seed(flags.seed)
    model = build(name, flags.size, flags.batch, flags.rate)
    data = tf.data.Dataset.from_tensor_slices(train).shuffle(len(train[0]), flags.seed).repeat()
    data = data.batch(flags.batch, drop_remainder=True)
    steps = fit(model, data, flags.seconds)
    images = model.translate(test[0])
    accuracy, miou = read_back(network, test[0], images)
    row = {"model": name, "steps": steps, "psnr": psnr(test[1], images)}
    return {**row, "accuracy": accuracy, "miou": miou}, images


def main(flags):
    full_train, full_test = load()
    for name, images in zip(("linear", "constant"), regress(full_train, full_test), strict=True):
        print(json.dumps({"model": f"{name}, full size", "psnr": psnr(full_test[1], images)}))
    train, test = load(flags.size)
    network, shown = reader(train, flags.seed), [test[1]]
    for name, images in zip(
        ("linear", "constant", "real"), (*regress(train, test), test[1]), strict=True
    ):
        accuracy, miou = read_back(network, test[0], images)
        quality = {} if name == "real" else {"psnr": psnr(test[1], images)}
        print(json.dumps({"model": name, **quality, "accuracy": accuracy, "miou": miou}))
    for name in flags.models:
        row, images = score(name, train, test, network, flags)
        print(json.dumps(row), flush=True)
        shown.append(images)
    if flags.picture:
        rows = np.concatenate([images[::4][:8] for images in shown])
        genzoo.plot.save_grid(flags.picture, np.clip(rows, 0, 1), columns=8)


if __name__ == "__main__":
    main(FLAGS)
