"""CycleGAN on glyphs of two fonts without their pairs, beside the public CycleGAN of Keras.

    python benchmarks/cycle_gan.py [--models ours public public_narrow] [--seconds 300]
        [--seeds 0 1 2] [--picture PNG]

The data are the characters that DejaVu Sans and DejaVu Serif Bold share, 32 x 32 pixels. Half of
the training characters are seen in the one font and the other half in the other, so that no pair
is in the data; the pairs of the test characters tell how good a translation is. Every model trains
for the same number of seconds after its first step. The table holds, for both directions,

- `L1`: the mean absolute difference to the true glyph, beside `copy` (the glyph as it is) and
  `retrieval` (the glyph of the other font whose training partner is nearest: it needs the pairs);
- `kernel`: the kernel distance to the true glyphs in the features of a network that tells eight
  fonts apart.

`public` is the Keras example "CycleGAN", rewritten from its settings in `public_cycle_gan.py`,
which says what differs; `public_narrow` has the filters and blocks of ours.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    models = ("ours", "public", "public_narrow")
    parser.add_argument("--models", nargs="+", choices=models, default=models)
    parser.add_argument("--seconds", type=float, default=300.0, help="of training for each model")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--batch", type=int, default=4, help="of ours; the public one has 1")
    parser.add_argument("--rate", type=float, default=2e-4, help="of ours")
    parser.add_argument("--picture", help="path of a PNG of test glyphs, for the first seed")
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.append(os.path.join(os.path.dirname(__file__), "..", "examples"))

import image_sets
import keras
import numpy as np
import public_cycle_gan
import tensorflow as tf
from deadline import fit

import keras_genzoo as genzoo

FONTS = ("DejaVuSans", "DejaVuSerif-Bold")
JUDGED = (
    *FONTS,
    *("DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold"),
)


def load():
    """Returns the unpaired training glyphs, the training pairs and the test pairs, in [0, 1]."""
    (train_a, train_b), (test_a, test_b) = (
        [side.astype("float32") / 255 for side in pair] for pair in image_sets.glyphs(fonts=FONTS)
    )
    half = len(train_a) // 2
    return (train_a[:half], train_b[half:]), (train_a, train_b), (test_a, test_b)


def font_features():
    """Trains a network that tells eight fonts apart; returns its features, of deviation 1."""
    keras.utils.set_random_seed(0)
    first, *others = JUDGED
    drawn = [image_sets.glyphs(fonts=(first, font))[0] for font in others]
    glyphs = [drawn[0][0], *(pair[1] for pair in drawn)]
    labels = np.repeat(np.arange(len(glyphs)), [len(side) for side in glyphs])
    order = np.random.default_rng(0).permutation(len(labels))
    arrays = np.concatenate(glyphs)[order], labels[order]
    data = tf.data.Dataset.from_tensor_slices(arrays).batch(64)
    classifier = genzoo.metrics.features.train_classifier(data, epochs=5, verbose=0)
    features = genzoo.metrics.features.penultimate(classifier)
    spread = np.std(features.predict(arrays[0][:2000] / np.float32(255), verbose=0))
    return keras.Sequential([features, keras.layers.Rescaling(1 / spread)])


def retrieve(glyphs, known, partners):
    """Returns the partner of the nearest known glyph (by L1) of each glyph."""
    flat = known.reshape(len(known), -1)
    nearest = [np.abs(flat - glyph.reshape(1, -1)).sum(axis=1).argmin() for glyph in glyphs]
    return partners[nearest]


def score(found, truth, features):
    """Returns L1 and kernel distance, each for a to b and for b to a."""
    row = {"l1": [], "kernel": []}
    for images, real in zip(found, truth, strict=True):
        row["l1"].append(round(float(np.abs(images - real).mean()), 4))
        distance = genzoo.metrics.KernelDistance(features)
        distance.update_state(real, np.clip(images, 0, 1))
        row["kernel"].append(round(float(distance.result()["kernel_distance"]), 4))
    return row


def train(name, unpaired, seconds, flags, seed):
    """Trains a model; returns it and its number of steps."""
    keras.utils.set_random_seed(seed)
    if name == "ours":
        model = genzoo.CycleGAN((32, 32, 1))
        model.compile()
        rates = dict.fromkeys(model.players, flags.rate)
        return model, fit(model, batches(unpaired, flags.batch), seconds, rates)
    narrow = {"width": 0.5, "blocks": 3} if name == "public_narrow" else {}
    model = public_cycle_gan.PublicCycleGAN(1, **narrow)
    model.compile()
    return model, fit(model, batches(unpaired, 1), seconds)


def batches(unpaired, size):
    """Returns batches without end."""
    return genzoo.data.unpaired(*unpaired, batch_size=size).repeat()


def main(flags):
    unpaired, known, test = load()
    features, truth = font_features(), test[::-1]
    print(json.dumps({"model": "copy", **score(test, truth, features)}))
    found = [retrieve(x, *sides) for x, sides in zip(test, (known, known[::-1]), strict=True)]
    print(json.dumps({"model": "retrieval", **score(found, truth, features)}), flush=True)
    shown = [*test]
    for seed in flags.seeds:
        for name in flags.models:
            model, steps = train(name, unpaired, flags.seconds, flags, seed)
            directions = ("a_to_b", "b_to_a")
            found = [model.translate(x, d) for x, d in zip(test, directions, strict=True)]
            row = {"model": name, "seed": seed, "steps": steps, **score(found, truth, features)}
            print(json.dumps(row), flush=True)
            if seed == flags.seeds[0]:
                shown += found
    if flags.picture:
        rows = np.concatenate([images[5::23][:20] for images in shown])
        genzoo.plot.save_grid(flags.picture, np.clip(rows, 0, 1), columns=20)


if __name__ == "__main__":
    main(FLAGS)
