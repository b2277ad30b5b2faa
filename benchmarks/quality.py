"""Measures what the README claims of the models' quality, each as a small table.

Run:

    python benchmarks/quality.py reconstruction     # autoencoders beside PCA, denoising, sparsity
    python benchmarks/quality.py likelihood         # the VAE's ELBO and importance-weighted bounds
    python benchmarks/quality.py classes MODEL.keras ...    # does a GAN draw every digit?
    python benchmarks/quality.py labels MODEL.keras ...     # and the digit that was asked for?
    python benchmarks/quality.py ring [--picture docs/images/ring.png]    # modes found

All but the ring use `mnist_5k`, 4,000 images to train and 1,000 to test; numbers are means over
the seeds (`--seeds`), ± their standard deviation.
The judge of samples is scikit-learn's support vector classifier, trained on the 4,000 real images.
"""

from __future__ import annotations

import argparse
import functools
import os
import time

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tables = ("reconstruction", "likelihood", "ring", "classes", "labels")
    parser.add_argument("command", choices=tables)
    parser.add_argument("models", nargs="*", help="classes and labels: saved by examples/train.py")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: 0; ring: 0 to 4")
    parser.add_argument("--epochs", type=int, help="fewer or more than each table's default")
    parser.add_argument("--picture", help="ring: also draw the first seed's samples, to this file")
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import scatter

import keras_genzoo as genzoo

SHAPE = (28, 28, 1)


@functools.cache
def mnist():
    """Returns training images and labels, test images and labels."""
    return (*genzoo.data.arrays("mnist_5k", "train"), *genzoo.data.arrays("mnist_5k", "test"))


def unit(images):
    return images.astype("float32") / 255.0


@functools.cache
def classifier():
    """Returns a support vector classifier of digits, and its accuracy on the test split."""
    from sklearn.svm import SVC

    x, y, x_test, y_test = mnist()
    judge = SVC(C=10.0).fit(unit(x).reshape(len(x), -1), y)
    return judge, judge.score(unit(x_test).reshape(len(x_test), -1), y_test)


def train(model, x, y=None, *, epochs, batch_size=64, rate=None):
    """Fits a model, at a rate that falls to 0 if one is given; returns the seconds it took."""
    optimizer = []
    if rate is not None:
        steps = epochs * len(x) // batch_size
        optimizer = [keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))]
    model.compile(*optimizer)
    start = time.perf_counter()
    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)
    return time.perf_counter() - start


def mean_std(values):
    return f"{np.mean(values):.4g} ± {np.std(values):.2g}"


def psnr(clean, other):
    """Returns the peak signal-to-noise ratio in decibels, the mean over images; the peak is 1."""
    errors = np.mean((clean - other) ** 2, axis=(1, 2, 3))
    return float(np.mean(-10 * np.log10(errors)))


def reconstruction(seeds, epochs):
    from sklearn.decomposition import PCA

    x, _, x_test, _ = mnist()
    clean = unit(x_test)
    flat, flat_test = unit(x).reshape(len(x), -1), clean.reshape(len(clean), -1)
    pca = PCA(32, random_state=0).fit(flat)
    restored = pca.inverse_transform(pca.transform(flat_test))
    baseline = float(np.mean((restored - flat_test) ** 2))
    print("| 32 numbers a code | test mean squared error | below PCA | seconds |")
    print(f"|---|---|---|---|\n| PCA | {baseline:.5f} | | |")
    settings = {"epochs": epochs or 30, "batch_size": 32}
    for cls in (genzoo.Autoencoder, genzoo.ConvolutionalAutoencoder):
        errors, seconds = [], []
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            model = cls(SHAPE, latent_dim=32)
            seconds.append(train(model, x, rate=2e-3, **settings))
            errors.append(np.mean((model.reconstruct(x_test) - clean) ** 2))
        gain = 100 * (1 - np.mean(errors) / baseline)
        print(
            f"| {cls.__name__} | {mean_std(errors)} | {gain:.0f}% | {np.mean(seconds):.0f} |",
            flush=True,
        )

    noisy = clean + np.random.default_rng(0).normal(0, 0.5, clean.shape).astype("float32")
    gains = []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model = genzoo.DenoisingAutoencoder(SHAPE, corruption=keras.layers.GaussianNoise(0.5))
        train(model, x, rate=2e-3, **settings)
        gains.append(psnr(clean, model.reconstruct(noisy)) - psnr(clean, noisy))
    before = psnr(clean, noisy)
    print(f"\nDenoising, σ = 0.5: input {before:.2f} dB, gain {mean_std(gains)} dB", flush=True)

    fractions = []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model = genzoo.SparseAutoencoder(SHAPE, target_rate=0.05)
        train(model, x, rate=2e-3, **settings)
        logs = model.evaluate(x_test, verbose=0, return_dict=True)
        fractions.append(logs["active_fraction"])
        print({name: round(float(value), 5) for name, value in logs.items()})
    print(f"Sparse, target 0.05: active fraction on the test split {mean_std(fractions)}")


def likelihood(seeds, epochs):
    x, _, x_test, _ = mnist()
    rows = {"ELBO, train": [], "ELBO, test": [], **{f"K = {k}, test": [] for k in (1, 5, 50)}}
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model = genzoo.VAE(SHAPE, latent_dim=16)
        train(model, x, epochs=epochs or 40)
        for name, split in {"ELBO, train": x, "ELBO, test": x_test}.items():
            rows[name].append(model.evaluate(split, verbose=0, return_dict=True)["elbo"])
        for k in (1, 5, 50):
            rows[f"K = {k}, test"].append(model.log_likelihood(x_test, num_samples=k).mean())
    print("| VAE, 16 latents | nats an image |\n|---|---|")
    for name, values in rows.items():
        print(f"| {name} | {mean_std(values)} |")


def classes(paths):
    judge, accuracy = classifier()
    print(f"judge's accuracy on real test images: {accuracy:.3f}")
    print("| model | share of each digit among 1,000 samples, % | smallest |\n|---|---|---|")
    for path in paths:
        samples = keras.saving.load_model(path).sample(1000, seed=0)
        shares = np.bincount(judge.predict(samples.reshape(1000, -1)), minlength=10) / 10
        text = " ".join(f"{share:.1f}" for share in shares)
        print(f"| {path} | {text} | {shares.min():.1f} |")


def labels(paths):
    judge, accuracy = classifier()
    print(f"judge's accuracy on real test images: {accuracy:.3f}")
    print("| model | agreement with the asked label, 1,000 samples |\n|---|---|")
    asked = np.arange(1000) % 10
    for path in paths:
        samples = keras.saving.load_model(path).sample(labels=asked, seed=0)
        print(f"| {path} | {np.mean(judge.predict(samples.reshape(1000, -1)) == asked):.3f} |")


# Steps, and the weight of R1 in them; the learning rate falls to 0 over the last.
PHASES = ((1500, 0.1), (1500, 1e-2), (1500, 1e-3), (1500, 1e-4), (1500, 1e-5), (8000, 1e-6))


def train_on_ring(mixture, seed, annealed):
    """Trains a GAN on the mixture, with or without R1 that starts strong and is weakened."""
    keras.utils.set_random_seed(seed)
    generator = genzoo.networks.dense_decoder((2,), 16, hidden_units=(128, 128, 128))
    critic = genzoo.networks.dense_discriminator((2,), hidden_units=(128, 128, 128))
    model = genzoo.GAN((2,), 16, generator=generator, discriminator=critic)
    data = mixture.dataset(100_000, batch_size=256, seed=seed).repeat()
    for steps, weight in PHASES:
        if annealed:
            model.penalty = genzoo.losses.GradientPenalty(weight=weight, at="real", target=0.0)
        rates = [1e-3] * 2
        if (steps, weight) == PHASES[-1]:
            rates = [keras.optimizers.schedules.CosineDecay(1e-3, steps) for _ in range(2)]
        optimizers = [keras.optimizers.Adam(rate, beta_1=0.5) for rate in rates]
        model.compile(*optimizers, steps_per_execution=50)
        model.fit(data, steps_per_epoch=steps, epochs=1, verbose=0)
    return model


def ring(seeds, picture=None):
    mixture = genzoo.data.ring(8)
    rows = {
        "GAN": False,
        "GAN, R1 annealed": True,
    }
    print(
        "| ring of 8 | modes | % high quality | KL to uniform, nats | seconds |\n"
        "|---|---|---|---|---|"
    )
    shown = {}
    for name, annealed in rows.items():
        scores, seconds = [], []
        for seed in seeds:
            start = time.perf_counter()
            model = train_on_ring(mixture, seed, annealed)
            seconds.append(time.perf_counter() - start)
            samples = model.sample(2500, seed=seed)
            shown.setdefault(name, samples)
            scores.append(mixture.score(samples))
        columns = [[score[key] for score in scores] for key in ("modes", "high_quality", "kl")]
        columns[1] = [100 * share for share in columns[1]]
        cells = " | ".join(mean_std(column) for column in columns)
        print(f"| {name} | {cells} | {np.mean(seconds):.0f} |", flush=True)
    if picture:
        scatter.save(picture, (mixture.sample(2500, seed=0), shown))


def main(flags):
    trained = {f.__name__: f for f in (classes, labels)}
    training = {f.__name__: f for f in (reconstruction, likelihood)}
    if flags.command in trained:
        trained[flags.command](flags.models)
    elif flags.command == "ring":
        ring(flags.seeds or range(5), flags.picture)
    else:
        training[flags.command](flags.seeds or [0], flags.epochs)


if __name__ == "__main__":
    main(FLAGS)
