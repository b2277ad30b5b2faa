"""Times steps of Pix2Pix and CycleGAN on 64 x 64 images beside hand-written loops.

    python benchmarks/translation_speed.py [--rounds 9] [--models pix2pix cycle_gan] [--batch 4]

`fit` and `loop` train the same networks with the same losses, optimizers and images, the loop in
one `tf.function`; `public`, for CycleGAN, is the Keras example of `public_cycle_gan.py` with the
filters and blocks of ours. They take turns, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import argparse
import os
import statistics

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    models = ("pix2pix", "cycle_gan")
    parser.add_argument("--models", nargs="+", choices=models, default=models)
    parser.add_argument("--batch", type=int, default=4)
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from public_cycle_gan import PublicCycleGAN
from throughput import adam, apply, bce, run_fit, run_loop

import keras_genzoo as genzoo

SHAPE = (64, 64, 3)
STEPS = {"pix2pix": 20, "cycle_gan": 6}


def distance(a, b):
    return tf.reduce_mean(tf.abs(a - b))


def pix2pix_loop_step():
    generator = genzoo.networks.unet_generator(SHAPE, 3)
    discriminator = genzoo.networks.patch_discriminator(SHAPE, 3)
    g_opt, d_opt = adam(), adam()
    g_opt.build(generator.trainable_variables)
    d_opt.build(discriminator.trainable_variables)

    def step(source, target):
        with tf.GradientTape() as g_tape:
            fake = generator(source, training=True)
        constant = tf.stop_gradient(fake)
        with tf.GradientTape() as d_tape:
            d_loss = bce(1.0, discriminator([source, target], training=True))
            d_loss += bce(0.0, discriminator([source, constant], training=True))
        apply(d_opt, d_tape, d_loss, discriminator.trainable_variables)
        with g_tape:
            g_loss = bce(1.0, discriminator([source, fake], training=True))
            g_loss += 100.0 * distance(target, fake)
        apply(g_opt, g_tape, g_loss, generator.trainable_variables)
        return g_loss, d_loss

    return step


def squares(value, scores):
    return tf.reduce_mean((scores - value) ** 2)


def cycle_gan_loop_step():
    networks = genzoo.networks
    a_to_b, b_to_a = (networks.resnet_generator(SHAPE, 3) for _ in range(2))
    judge_a, judge_b = (
        networks.patch_discriminator(SHAPE, normalization="instance") for _ in range(2)
    )
    pool_a, pool_b = (genzoo.layers.ImagePool(SHAPE, 50) for _ in range(2))
    g_variables = a_to_b.trainable_variables + b_to_a.trainable_variables
    d_variables = judge_a.trainable_variables + judge_b.trainable_variables
    g_opt, d_opt = adam(), adam()
    g_opt.build(g_variables)
    d_opt.build(d_variables)

    def judge(judge, real, fake):
        scores = judge(real, training=True), judge(fake, training=True)
        return 0.5 * (squares(1.0, scores[0]) + squares(0.0, scores[1]))

    def step(a, b):
        with tf.GradientTape() as g_tape:
            fake_b, fake_a = a_to_b(a, training=True), b_to_a(b, training=True)
        older_a, older_b = pool_a(tf.stop_gradient(fake_a)), pool_b(tf.stop_gradient(fake_b))
        with tf.GradientTape() as d_tape:
            d_loss = judge(judge_a, a, older_a) + judge(judge_b, b, older_b)
        apply(d_opt, d_tape, d_loss, d_variables)
        with g_tape:
            g_loss = squares(1.0, judge_a(fake_a, training=True))
            g_loss += squares(1.0, judge_b(fake_b, training=True))
            cycle = distance(a, b_to_a(fake_b, training=True))
            cycle += distance(b, a_to_b(fake_a, training=True))
            identity = distance(a, b_to_a(a, training=True))
            identity += distance(b, a_to_b(b, training=True))
            g_loss += 10.0 * cycle + 5.0 * identity
        apply(g_opt, g_tape, g_loss, g_variables)
        return g_loss, d_loss

    return step


def contest(name, batch):
    """Returns the contenders of one model."""
    images = np.random.default_rng(0).random((2, 16 * batch, *SHAPE), "float32")
    dataset = tf.data.Dataset.from_tensor_slices(tuple(images)).batch(batch).repeat()
    ours = genzoo.Pix2Pix(SHAPE) if name == "pix2pix" else genzoo.CycleGAN(SHAPE)
    ours.compile()
    step = pix2pix_loop_step() if name == "pix2pix" else cycle_gan_loop_step()
    contenders = {
        "fit": run_fit(ours, dataset),
        "loop": run_loop(lambda pair: step(*pair), dataset),
    }
    if name == "cycle_gan":
        public = PublicCycleGAN(SHAPE[-1], width=0.5, blocks=6)
        public.compile()
        contenders["public"] = run_fit(public, dataset)
    return contenders


def main(flags):
    print("| model | contender | steps/s | fit / contender |\n|---|---|---|---|")
    for name in flags.models:
        contenders, steps = contest(name, flags.batch), STEPS[name]
        for run in contenders.values():
            run(steps)  # traces, and warms up
        seconds = {contender: [] for contender in contenders}
        for _ in range(flags.rounds):
            for contender, run in contenders.items():
                seconds[contender].append(run(steps))
        for contender, times in seconds.items():
            ratios = [other / ours for other, ours in zip(times, seconds["fit"], strict=True)]
            speed = steps / statistics.median(times)
            print(f"| {name} | {contender} | {speed:.2f} | {statistics.median(ratios):.2f} |")


if __name__ == "__main__":
    main(FLAGS)
