"""Compares super-resolution with bicubic interpolation and the public Keras examples.

Every contender trains for the same time on the same photos, one after the other:

- `ours`: `SuperResolution` with a small EDSR, on large patches alone;
- `espcn`: the Keras example "Image Super-Resolution using an Efficient Sub-Pixel CNN", rewritten
  from its published settings: the luma of 300-pixel patches reduced by `area`, four convolutions,
  squared error, Adam with rate 0.001, batches of 4; the colours are interpolated;
- `edsr`: the Keras example "Enhanced Deep Residual Networks", likewise: 16 blocks of 64 filters,
  absolute error, Adam with rate 0.0001, 16 patches of 96 pixels, flipped and turned;
- `srgan`: `SRGAN`, which starts from the network of `ours` and trains for as long again.

The photos to train on are those of a directory, such as the 15 of the Debian package
`lomiri-wallpapers-16.04`; they are halved, which makes them sharp. The tests are the eight colour
photos of scikit-image, reduced by Pillow's bicubic filter. PSNR is that of 8-bit images, without a
border of `scale` pixels, averaged over the photos: of RGB, and of the luma (16 to 235 of 255, which
is 1.3 dB more than that of 0 to 255). `kernel` is the kernel
distance between the patches of true and enlarged photos, in the features of a network
that tells the training photos apart. Run:

    python benchmarks/super_resolution.py --photos DIRECTORY [--scale 2] [--minutes 5]
        [--contenders ours espcn edsr srgan] [--seed 0] [--picture PNG]
"""

from __future__ import annotations

import argparse
import os
import pathlib
import time

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=pathlib.Path, required=True)
    parser.add_argument("--scale", type=int, choices=(2, 4), default=2)
    parser.add_argument("--minutes", type=float, default=5.0)
    contenders = ("ours", "espcn", "edsr", "srgan")
    parser.add_argument("--contenders", nargs="+", choices=contenders, default=contenders)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--filters", type=int, default=32, help="of ours")
    parser.add_argument("--blocks", type=int, default=4, help="of ours")
    parser.add_argument("--batch", type=int, default=8, help="of ours")
    parser.add_argument("--rate", type=float, default=1e-3, help="of ours, the first one")
    parser.add_argument("--adversarial", type=float, default=0.007, help="the weight in SRGAN")
    parser.add_argument("--picture", type=pathlib.Path, help="a PNG to write details to")
    FLAGS = parser.parse_args()
    if not FLAGS.photos.is_dir():
        parser.error(f"{FLAGS.photos} is no directory")
    if "srgan" in FLAGS.contenders and "ours" not in FLAGS.contenders:
        parser.error("srgan starts from ours, which is needed too")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import skimage.data
import tensorflow as tf
from deadline import fit
from keras import layers
from PIL import Image

import keras_genzoo as genzoo

TESTS = (
    "astronaut",
    "chelsea",
    "coffee",
    "rocket",
    "stereo_motorcycle",
    "hubble_deep_field",
    "immunohistochemistry",
    "retina",
)
PATCH = 32  # pixels of a side, for the kernel distance


# Photos. ------------------------------------------------------------------------------------------


def training_photos(directory):
    """Reads the photos of a directory at half of their size."""
    paths = sorted(p for p in directory.rglob("*") if p.suffix.lower() in (".jpg", ".png"))
    return [np.asarray(Image.open(path).convert("RGB").reduce(2)) for path in paths]


def test_photos(scale):
    """Lists pairs of small and large test photos, uint8."""
    pairs = []
    for name in TESTS:
        photo = getattr(skimage.data, name)()
        photo = photo[0] if isinstance(photo, tuple) else photo
        height, width = (side // scale * scale for side in photo.shape[:2])
        large = photo[:height, :width]
        pairs.append((resize(large, (height // scale, width // scale)), large))
    return pairs


def resize(image, size):
    """Resizes a uint8 image by Pillow's bicubic filter, which widens with the reduction."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC))


def patches_of(photos, side, count, seed):
    """Cuts patches, and keeps the half of them that has more detail."""
    random, found = np.random.default_rng(seed), []
    areas = np.array([photo.shape[0] * photo.shape[1] for photo in photos])
    for i in random.choice(len(photos), 2 * count, p=areas / areas.sum()):
        top, left = (random.integers(size - side + 1) for size in photos[i].shape[:2])
        found.append(photos[i][top : top + side, left : left + side])
    found = np.stack(found)
    detail = [np.abs(np.diff(patch.astype("int16"), axis=0)).mean() for patch in found]
    return found[np.sort(np.argsort(detail)[count:])]


def batches_of(patches, batch):
    """Yields batches without end, of patches that are flipped and turned at random."""

    def turn(x):
        x = tf.cond(tf.random.uniform(()) < 0.5, lambda: x, lambda: x[:, :, ::-1])
        return tf.image.rot90(x, tf.random.uniform((), maxval=4, dtype=tf.int32))

    data = tf.data.Dataset.from_tensor_slices(patches).shuffle(len(patches)).repeat()
    return data.batch(batch, drop_remainder=True).map(turn).prefetch(2)


# Training. ----------------------------------------------------------------------------------------


def ours(photos, scale, seconds, flags):
    side = 64 if scale == 2 else 96
    shape = (side // scale, side // scale, 3)
    network = genzoo.networks.edsr_generator(
        shape, scale, filters=flags.filters, blocks=flags.blocks
    )
    model = genzoo.SuperResolution(shape, scale, network=network)
    model.compile(keras.optimizers.Adam(flags.rate))
    data = batches_of(patches_of(photos, side, 6000, flags.seed), flags.batch)
    return model, fit(model, data, seconds, {"optimizer": flags.rate})


def srgan(photos, scale, seconds, flags, start):
    side = 64
    shape = (side // scale, side // scale, 3)
    network = keras.models.clone_model(start.network)
    network.set_weights(start.network.get_weights())
    critic = genzoo.networks.srgan_discriminator((side, side, 3), filters=(32, 64, 128))
    model = genzoo.SRGAN(
        shape,
        scale,
        generator=network,
        discriminator=critic,
        content_loss="l1",
        adversarial_weight=flags.adversarial,
    )
    model.compile()
    data = batches_of(patches_of(photos, side, 6000, flags.seed), flags.batch)
    rates = {"generator_optimizer": 2e-4, "discriminator_optimizer": 2e-4}
    return model, fit(model, data, seconds, rates)


def public_espcn(photos, scale, seconds, flags):
    options = {"activation": "relu", "kernel_initializer": "orthogonal", "padding": "same"}
    inputs = keras.Input((None, None, 1))
    x = layers.Conv2D(64, 5, **options)(inputs)
    x = layers.Conv2D(64, 3, **options)(x)
    x = layers.Conv2D(32, 3, **options)(x)
    x = layers.Conv2D(scale**2, 3, **options)(x)
    model = keras.Model(inputs, genzoo.layers.DepthToSpace(scale)(x))
    model.compile(keras.optimizers.Adam(1e-3), "mse", jit_compile=False)

    def pair(x):
        luma = tf.image.rgb_to_yuv(tf.cast(x, tf.float32) / 255)[..., :1]
        return tf.image.resize(luma, (300 // scale, 300 // scale), "area"), luma

    patches = patches_of(photos, 300, 600, flags.seed)
    data = tf.data.Dataset.from_tensor_slices(patches).shuffle(600).repeat().batch(4).map(pair)
    return model, fit(model, data.prefetch(2), seconds)


def public_edsr(photos, scale, seconds, flags):
    inputs = keras.Input((None, None, 3))
    start = x = layers.Conv2D(64, 3, padding="same")(layers.Rescaling(1 / 255)(inputs))
    for _ in range(16):
        y = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
        x = layers.Add()([x, layers.Conv2D(64, 3, padding="same")(y)])
    x = layers.Add()([start, layers.Conv2D(64, 3, padding="same")(x)])
    for _ in range(scale // 2):
        x = genzoo.layers.DepthToSpace(2)(layers.Conv2D(256, 3, padding="same")(x))
    x = layers.Rescaling(255.0)(layers.Conv2D(3, 3, padding="same")(x))
    model = keras.Model(inputs, x)
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([5000], [1e-4, 5e-5])
    model.compile(keras.optimizers.Adam(rate), "mae", jit_compile=False)
    reduce = genzoo.layers.BicubicDownsampling(scale)

    def pair(x):
        x = tf.cast(x, tf.float32)
        return tf.round(255 * reduce(x / 255)), x

    data = batches_of(patches_of(photos, 96, 6000, flags.seed), 16).map(pair)
    return model, fit(model, data, seconds)


# Tests. -------------------------------------------------------------------------------------------


def enlarge_by(name, model):
    """Returns a function from small to large uint8 images."""

    def to_uint8(x):
        return np.clip(np.round(x), 0, 255).astype("uint8")

    def interpolate(small):
        return resize(small, [model * side for side in small.shape[:2]])

    def luma_alone(small):
        luma, *colours = Image.fromarray(small).convert("YCbCr").split()
        luma = to_uint8(255 * run(np.asarray(luma)[None, ..., None] / np.float32(255))[0, ..., 0])
        colours = [colour.resize(luma.shape[::-1], Image.Resampling.BICUBIC) for colour in colours]
        return np.asarray(Image.merge("YCbCr", (Image.fromarray(luma), *colours)).convert("RGB"))

    run = tf.function(model, reduce_retracing=True) if name in ("espcn", "edsr") else None
    if run is not None:
        compiled, run = run, lambda x: compiled(tf.constant(x, tf.float32)).numpy()
    return {
        "bicubic": interpolate,
        "espcn": luma_alone,
        "edsr": lambda small: to_uint8(run(small[None])[0]),
    }.get(name, lambda small: to_uint8(255 * model.translate(small[None])[0]))


def test(name, enlarge, pairs, scale, features):
    """Prints the line of a contender in the table; returns the enlarged photos."""
    metrics = [genzoo.metrics.PSNR(luma=luma, crop=scale) for luma in (False, True)]
    distance = genzoo.metrics.KernelDistance(features)
    enlarge(pairs[0][0])  # compiles
    seconds, results = 0.0, []
    for small, large in pairs:
        start = time.perf_counter()
        result = enlarge(small)
        seconds += time.perf_counter() - start
        for metric in metrics:
            metric.update_state(large[None], result[None])
        distance.update_state(tiles_of(large), tiles_of(result))
        results.append(result)
    pixels = sum(large.shape[0] * large.shape[1] for _, large in pairs) / 1e6
    rgb, luma = (float(metric.result()) for metric in metrics)
    kernel = float(distance.result()["kernel_distance"])
    speed = f"{len(pairs) / seconds:8.2f} {pixels / seconds:8.2f}"
    print(f"{name:8} {rgb:7.2f} {luma:7.2f} {kernel:8.3f} {speed}", flush=True)
    return results


def tiles_of(image):
    """Cuts an image into patches that do not overlap."""
    rows, columns = (side // PATCH for side in image.shape[:2])
    tiles = image[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH, 3)
    return tiles.swapaxes(1, 2).reshape(-1, PATCH, PATCH, 3)


def photo_features(photos, seed):
    """Trains a network that tells patches of the training photos apart; returns its features."""
    patches = [patches_of([photo], PATCH, 400, seed) for photo in photos]
    labels = np.repeat(np.arange(len(photos)), 400)
    order = np.random.default_rng(seed).permutation(len(labels))
    arrays = np.concatenate(patches)[order], labels[order]
    data = tf.data.Dataset.from_tensor_slices(arrays).batch(64)
    classifier = genzoo.metrics.features.train_classifier(data, epochs=5, verbose=0)
    features = genzoo.metrics.features.penultimate(classifier)
    spread = np.std(features.predict(arrays[0] / np.float32(255), verbose=0))
    return keras.Sequential([features, layers.Rescaling(1 / spread)])


def save_picture(path, shown):
    """Saves a detail of the first photo, side by side, as each contender shows it."""
    details = [np.kron(image[40:168, 160:288], np.ones((2, 2, 1), "uint8")) for image in shown]
    Image.fromarray(np.concatenate(details, axis=1)).save(path)


def main(flags):
    keras.utils.set_random_seed(flags.seed)
    photos, pairs = training_photos(flags.photos), test_photos(flags.scale)
    features = photo_features(photos, flags.seed)
    print(f"x{flags.scale}, {flags.minutes:g} minutes, {len(photos)} photos, seed {flags.seed}")
    print("            RGB    luma   kernel images/s     MP/s")
    shown = [test("bicubic", enlarge_by("bicubic", flags.scale), pairs, flags.scale, features)[0]]
    train, models = {"ours": ours, "espcn": public_espcn, "edsr": public_edsr}, {}
    for name in flags.contenders:
        arguments = photos, flags.scale, 60 * flags.minutes, flags
        if name == "srgan":
            model, steps = srgan(*arguments, models["ours"])
        else:
            model, steps = train[name](*arguments)
        models[name] = model
        shown.append(test(name, enlarge_by(name, model), pairs, flags.scale, features)[0])
        print(f"{'':8} {steps} steps, {model.count_params():,} weights", flush=True)
    if flags.picture:
        save_picture(flags.picture, [*shown, pairs[0][1]])


if __name__ == "__main__":
    main(FLAGS)
