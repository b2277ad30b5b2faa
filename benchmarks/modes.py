"""Counts the modes that GANs find of two mixtures of Gaussians: the table of docs/modes.md.

Run, resume and print:

    python benchmarks/modes.py run                      # whatever results/modes.jsonl lacks
    python benchmarks/modes.py run --seeds 0 2 4 6 8    # a part of it, beside the others
    python benchmarks/modes.py table                    # Markdown
    python benchmarks/modes.py picture docs/images/modes.png

VEEGAN's protocol: a ring of 8 (σ = 0.01) and a grid of 25 (σ = 0.05); of 2,500 samples, those
within 3σ of a mode are of high quality, and a mode is found if it has one. All rows have the same
networks, three hidden layers of 128 and two latents, and see as many real points: 10,000 steps of
the discriminator on 256 each, at a learning rate that falls to 0. Rows that end in "long" take
eight times as many. Each run keeps to one core; its seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import time

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("run", "table", "picture"))
    parser.add_argument("path", nargs="?", help="picture: the PNG file")
    mixtures = ("ring", "grid")
    parser.add_argument("--mixtures", nargs="+", choices=mixtures, default=mixtures)
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[*range(10)])
    FLAGS = parser.parse_args()
    if FLAGS.command == "picture" and FLAGS.path is None:
        parser.error("picture needs the path of a PNG file")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import scatter
import tensorflow as tf

import keras_genzoo as genzoo

# A line a run. The file is part of the repository: all of it takes three hours of one core.
RESULTS = pathlib.Path(__file__).with_name("results") / "modes.jsonl"
STEPS, BATCH, LATENT, UNITS = 10_000, 256, 2, (128, 128, 128)
MIXTURES = {"ring": genzoo.data.ring(8), "grid": genzoo.data.grid(5)}


def instance_noise(scale, steps, halvings):
    """Makes noise as large as the gaps between modes, halved so often that it ends far below σ."""
    return genzoo.layers.InstanceNoise(scale / 2, half_life=BATCH * steps / halvings)


def r1(weight):
    return genzoo.losses.GradientPenalty(weight=weight, at="real", target=0.0)


# What each row changes: arguments of the GAN, those of its discriminator under "critic".
ROWS = {
    "minimax": {"loss": "minimax"},
    "non-saturating": {},
    "least squares": {"loss": "least_squares"},
    "hinge": {"loss": "hinge"},
    "WGAN": {"model": genzoo.WGAN},
    "WGAN-GP": {"model": genzoo.WGANGP},
    "DRAGAN": {"penalty": "dragan"},
    "R1, weight 0.1": {"penalty": r1(0.1)},
    "PacGAN2": {"packing": 2},
    "PacGAN4": {"packing": 4},
    "minibatch stddev": {"critic": {"minibatch_stddev": 32}},
    "spectral norm": {"critic": {"spectral_normalization": True}},
    "VAE": {"model": genzoo.VAE},
    "instance noise": {"noise": 30},
    "noise + minibatch stddev": {"noise": 30, "critic": {"minibatch_stddev": 32}},
    "non-saturating, long": {"steps": 8 * STEPS},
    "noise, stddev, two rates, long": {
        "noise": 15,
        "critic": {"minibatch_stddev": 32},
        "rates": (1e-3, 2e-3),
        "steps": 8 * STEPS,
    },
}


# Rows of the picture, whose first seed keeps samples.
SHOWN = ("non-saturating", "WGAN-GP", "R1, weight 0.1", "PacGAN4", [*ROWS][-1])


def make(
    mixture,
    model=genzoo.GAN,
    critic=None,
    noise=None,
    rates=(1e-3, 1e-3),
    steps=STEPS,
    **options,
):
    """Returns the compiled model of a row, and the batch and steps of its `fit`."""
    networks = genzoo.networks
    scale = float(np.abs(mixture.means).max())
    decoder = keras.Sequential(
        [
            networks.dense_decoder((2,), LATENT, hidden_units=UNITS),
            keras.layers.Rescaling(scale),
        ]
    )
    if model is genzoo.VAE:
        encoder = networks.dense_encoder((2,), 2 * LATENT, hidden_units=UNITS)
        # σ starts at the scale of the data, where the posterior would collapse on the prior.
        beta = keras.optimizers.schedules.PolynomialDecay(0.0, int(0.4 * steps), 1.0)
        model = model((2,), LATENT, beta, encoder=encoder, decoder=decoder)
        model.compile(keras.optimizers.Adam(decay(1e-3, steps)), steps_per_execution=50)
        return model, BATCH, steps
    if noise:
        options["augmentation"] = instance_noise(scale, steps, noise)
    discriminator = networks.dense_discriminator(
        (2,), hidden_units=UNITS, packing=options.get("packing", 1), **critic or {}
    )
    model = model((2,), LATENT, generator=decoder, discriminator=discriminator, **options)
    steps //= model.critic_steps
    for_players = [
        # The paper's optimizer: with momentum, it says, clipped critics became unstable.
        keras.optimizers.RMSprop(decay(5e-4, steps * n))
        if isinstance(model, genzoo.WGAN)
        else keras.optimizers.Adam(decay(rate, steps * n), beta_1=0.5)
        for n, rate in zip((1, model.critic_steps), rates, strict=True)
    ]
    model.compile(*for_players, steps_per_execution=50)
    return model, BATCH * model.critic_steps, steps


def decay(rate, steps):
    return keras.optimizers.schedules.CosineDecay(rate, steps)


def run(name, row, seed):
    """Trains one model and scores its samples, which the picture's runs keep."""
    mixture = MIXTURES[name]
    keras.utils.set_random_seed(seed)
    model, batch, steps = make(mixture, **ROWS[row])
    data = mixture.dataset(100_000, batch_size=batch, seed=seed).repeat()
    start = time.process_time()
    model.fit(data, steps_per_epoch=steps, epochs=1, verbose=0)
    seconds = time.process_time() - start
    samples = model.sample(2500, seed=seed)
    result = {"mixture": name, "row": row, "seed": seed, "seconds": round(seconds, 1)}
    result |= mixture.score(samples)
    if row in SHOWN and seed == 0:
        result["samples"] = samples[:600].round(3).tolist()
    return result


def run_all(mixtures, rows, seeds):
    # Two of these, each on a core of its own, are quicker than one on both.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    RESULTS.parent.mkdir(exist_ok=True)
    jobs = [(m, row, seed) for seed in seeds for m in mixtures for row in rows]
    progress = keras.utils.Progbar(len(jobs), unit_name="run")
    for i, (mixture, row, seed) in enumerate(jobs):
        if (mixture, row, seed) not in {(r["mixture"], r["row"], r["seed"]) for r in results()}:
            line = json.dumps(run(mixture, row, seed)) + "\n"
            # One write to the end of the file: another process may add its lines meanwhile.
            with open(RESULTS, "ab", buffering=0) as file:
                file.write(line.encode())
        progress.update(i + 1)


def results():
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return [json.loads(line) for line in lines]


def mean_std(values, digits):
    finite = [value for value in values if np.isfinite(value)]
    if len(finite) < len(values):
        return f"∞ ({len(values) - len(finite)} of {len(values)})"
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"


def table():
    found = results()
    for name, mixture in MIXTURES.items():
        print(
            f"| {name} of {len(mixture.means)} | modes | % high quality | KL to uniform, nats "
            "| seconds | seeds |\n|---|---|---|---|---|---|"
        )
        for row in ROWS:
            cells = [r for r in found if (r["mixture"], r["row"]) == (name, row)]
            if not cells:
                continue
            quality = [100 * r["high_quality"] for r in cells]
            print(
                f"| {row} | {mean_std([r['modes'] for r in cells], 1)} | {mean_std(quality, 1)} "
                f"| {mean_std([r['kl'] for r in cells], 2)} "
                f"| {np.mean([r['seconds'] for r in cells]):.0f} | {len(cells)} |"
            )
        print()


def picture(path):
    """Draws the first seed's samples of some rows, over the data in grey."""
    found = {(r["mixture"], r["row"]): np.array(r["samples"]) for r in results() if "samples" in r}
    rows = [
        (mixture.sample(600, seed=0), {row: found[name, row] for row in SHOWN})
        for name, mixture in MIXTURES.items()
    ]
    scatter.save(path, *rows)


def main(flags):
    unknown = {*(flags.rows or ())} - {*ROWS}
    if unknown:
        parser.error(f"argument --rows: {sorted(unknown)} are not among {[*ROWS]}")
    if flags.command == "run":
        run_all(flags.mixtures, flags.rows or ROWS, flags.seeds)
    elif flags.command == "table":
        table()
    else:
        picture(flags.path)
    return 0


if __name__ == "__main__":
    sys.exit(main(FLAGS))
