"""Pix2Pix on four jobs, beside the same generator without its discriminator and simple baselines.

    GENZOO_DATA=DIRECTORY python benchmarks/translation.py emoji [--seconds 600] [--seed 0]
        [--models gan l1] [--picture PNG]

`gan` is `Pix2Pix`, and `l1` the same with `adversarial_weight=0`; each trains for the same number
of seconds after its first step. `examples/image_sets.py` reads the images from packages. The jobs:

- `emoji`: line drawings of 32 x 32 pixels to the same emoji in colour. Baselines: `copy`, and
  `nearest`, the colours of the training emoji whose lines are nearest.
- `colors`: photos of 64 x 64 pixels from their luma. Baseline: `grey`, the luma itself.
- `inpainting`: photos with holes. Baselines: `mean` of the known pixels, and `biharmonic`, what
  scikit-image fills them with. L1 and PSNR are of the missing pixels alone.
- `edges`: photos from their edges. Baseline: `copy`.

The table holds the mean absolute difference to the true image (L1, of values from 0 to 1), PSNR in
dB, the kernel distance to the true images, and the gradient energy: the mean square of the
differences of neighbouring pixels over that of the true images, below 1 for blurred images. The
features of the kernel distance are those of a network that tells by how many quarter turns a
training image was turned (Gidaris et al., ICLR 2018), divided by their standard deviation.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", choices=("emoji", "colors", "inpainting", "edges"))
    parser.add_argument("--models", nargs="+", choices=("gan", "l1"), default=("gan", "l1"))
    parser.add_argument("--seconds", type=float, default=600.0, help="of training for each model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=5e-4, help="the first learning rate")
    parser.add_argument("--content-weight", type=float, default=100.0)
    parser.add_argument("--upsampling", choices=("transposed", "nearest"), default="transposed")
    parser.add_argument("--picture", help="path of a PNG of test images")
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.append(os.path.join(os.path.dirname(__file__), "..", "examples"))

import image_sets
import keras
import numpy as np
import tensorflow as tf
from deadline import fit

import keras_genzoo as genzoo

SOURCES = {
    "colors": genzoo.data.sources.gray,
    "inpainting": genzoo.data.sources.masked,
    "edges": genzoo.data.sources.edges,
}


def load(job):
    """Returns the training and the test pairs, floats in [0, 1]."""
    if job == "emoji":
        sides = image_sets.emoji()
        return tuple(tuple(x.astype("float32") / 255 for x in pair) for pair in sides)
    sets = image_sets.photo_patches()
    pairs = []
    for images, split in zip(sets, ("train", "test"), strict=True):
        data = genzoo.data.pairs(images, SOURCES[job](), split=split, batch_size=256)
        batches = [(source.numpy(), target.numpy()) for source, target in data]
        sides = map(np.concatenate, zip(*batches, strict=True))
        pairs.append(tuple(tf.image.convert_image_dtype(x, tf.float32).numpy() for x in sides))
    return tuple(pairs)


def batches(job, pairs, flags):
    """Returns batches without end; half of the pairs are mirrored, and holes are always new."""
    source, target = pairs

    def mirror(source, target):
        both = tf.image.random_flip_left_right(tf.concat([source, target], axis=-1))
        return tf.split(both, [source.shape[-1], target.shape[-1]], axis=-1)

    if job == "inpainting":
        return genzoo.data.pairs(target, SOURCES[job](), batch_size=flags.batch).repeat()
    data = tf.data.Dataset.from_tensor_slices((source, target)).shuffle(len(source), flags.seed)
    data = data.repeat().map(lambda *pair: tuple(mirror(*pair)))
    return data.batch(flags.batch, drop_remainder=True).prefetch(2)


def build(name, job, source_shape, target_shape, flags):
    unet = genzoo.networks.unet_generator(
        source_shape, target_shape[-1], upsampling=flags.upsampling
    )
    if job == "inpainting":
        unet = genzoo.networks.keep_known(unet)
    options = {"content_weight": flags.content_weight, "generator": unet}
    if name == "l1":
        options |= {"adversarial_weight": 0.0}
    else:
        options |= {"augmentation": genzoo.layers.DifferentiableAugmentation(("translation",))}
    model = genzoo.Pix2Pix(source_shape, target_shape, **options)
    model.compile(*(keras.optimizers.Adam(flags.rate, beta_1=0.5) for _ in range(2)))
    return model


# Baselines. ---------------------------------------------------------------------------------------


def baselines(job, train, test):
    source = test[0]
    if job == "inpainting":
        return fill(source)
    copy = np.repeat(source, 3, axis=-1)
    if job != "emoji":
        return {"grey" if job == "colors" else "copy": copy}
    known = train[0].reshape(len(train[0]), -1)
    nearest = [np.abs(known - x.reshape(1, -1)).sum(axis=1).argmin() for x in source]
    return {"copy": copy, "nearest": train[1][nearest]}


def fill(source):
    """Fills holes by the mean of the known pixels, and by biharmonic functions."""
    from skimage.restoration import inpaint_biharmonic

    mean, biharmonic = [], []
    for image in source:
        pixels, known = image[..., :-1], image[..., -1:] > 0.5
        mean.append(np.where(known, pixels, pixels[known[..., 0]].mean(axis=0)))
        filled = inpaint_biharmonic(pixels, ~known[..., 0], channel_axis=-1)
        biharmonic.append(np.clip(filled, 0, 1))
    return {"mean": np.stack(mean), "biharmonic": np.stack(biharmonic).astype("float32")}


# Scores. ------------------------------------------------------------------------------------------


def turn_features(images):
    """Trains a network that tells quarter turns; returns its features, of deviation 1."""
    keras.utils.set_random_seed(0)
    turned = np.concatenate([np.rot90(images[k::4], k, axes=(1, 2)) for k in range(4)])
    labels = np.repeat(np.arange(4), [len(images[k::4]) for k in range(4)])
    order = np.random.default_rng(0).permutation(len(labels))
    data = tf.data.Dataset.from_tensor_slices((turned[order], labels[order])).batch(64)
    classifier = genzoo.metrics.features.train_classifier(data, epochs=8, verbose=0)
    features = genzoo.metrics.features.penultimate(classifier)
    spread = np.std(features.predict(images[:1000], verbose=0))
    return keras.Sequential([features, keras.layers.Rescaling(1 / spread)])


def energy(images):
    """Returns the mean square of the differences of neighbouring pixels."""
    return sum(np.mean(np.diff(images, axis=axis) ** 2) for axis in (1, 2))


def score(images, test, job, features):
    source, target = test
    counted = np.ones_like(target)
    if job == "inpainting":
        counted *= source[..., -1:] < 0.5
    distance = genzoo.metrics.KernelDistance(features)
    distance.update_state(target, np.clip(images, 0, 1))
    square = np.sum(counted * (images - target) ** 2) / counted.sum()
    return {
        "l1": round(float(np.sum(counted * np.abs(images - target)) / counted.sum()), 4),
        "psnr": round(float(-10 * np.log10(square)), 2),
        "kernel": round(float(distance.result()["kernel_distance"]), 4),
        "energy": round(float(energy(images) / energy(target)), 3),
    }


def main(flags):
    train, test = load(flags.job)
    features, shown = turn_features(train[1]), [test[0][..., :3], test[1]]
    shown[0] = np.broadcast_to(shown[0], test[1].shape)
    print(f"{flags.job}: {len(train[0])} training pairs, {len(test[0])} test pairs", flush=True)
    for name, images in baselines(flags.job, train, test).items():
        print(json.dumps({"model": name, **score(images, test, flags.job, features)}), flush=True)
        shown.append(images)
    for name in flags.models:
        keras.utils.set_random_seed(flags.seed)
        model = build(name, flags.job, train[0].shape[1:], train[1].shape[1:], flags)
        rates = dict.fromkeys(model.players, flags.rate)
        steps = fit(model, batches(flags.job, train, flags), flags.seconds, rates)
        images = model.translate(test[0])
        row = {"model": name, "seed": flags.seed, "steps": steps}
        print(json.dumps({**row, **score(images, test, flags.job, features)}), flush=True)
        shown.append(images)
    if flags.picture:
        step = max(len(test[0]) // 12, 1)
        rows = np.concatenate([images[step // 2 :: step][:12] for images in shown])
        genzoo.plot.save_grid(flags.picture, np.clip(rows, 0, 1), columns=12)


if __name__ == "__main__":
    main(FLAGS)
