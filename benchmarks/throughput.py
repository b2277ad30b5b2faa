"""Times steps of `fit` beside a hand-written loop and the way of the public Keras examples.

Three contenders train the same networks, with the same optimizers, on the same batches:

- `fit`: the zoo's model, compiled with its defaults (the MLP GAN with `steps_per_execution=50`);
- `loop`: the same mathematics in one `tf.function` and a Python loop over the data set;
- `public`: a `keras.Model` with a `train_step` as the Keras code examples write it: `compile()`
  with Keras's defaults, a fake batch for each player, the discriminator on real and fake data
  together, for WGAN-GP a fake batch for each critic step, and Keras's BatchNormalization.

They take turns, so that a machine that slows down slows all of them. Run:

    python benchmarks/throughput.py [--rounds 15] [--models mlp_gan vae dcgan wgan_gp]
        [--public-jit]

`--public-jit` adds a column in which the public way is compiled by XLA, as Keras did by default
before it learned to leave XLA off on CPUs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    models = ("mlp_gan", "vae", "dcgan", "wgan_gp")
    parser.add_argument("--models", nargs="+", choices=models, default=models)
    parser.add_argument("--public-jit", action="store_true")
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf

import keras_genzoo as genzoo

IMAGE, POINT = (28, 28, 1), (2,)


def adam(rate=2e-4, **options):
    return keras.optimizers.Adam(rate, **{"beta_1": 0.5, **options})


def bce(target, logits):
    return tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(tf.shape(logits), target), logits)
    )


# The networks and optimizers of each contest. -----------------------------------------------------


def mlp_gan_parts():
    shape = POINT
    return (
        genzoo.networks.dense_decoder(shape, 16, hidden_units=(128, 128)),
        genzoo.networks.dense_discriminator(shape, hidden_units=(128, 128)),
        16,
    )


def dcgan_parts():
    return genzoo.networks.generator(IMAGE, 64), genzoo.networks.discriminator(IMAGE), 64


def wgan_gp_parts():
    critic = genzoo.networks.discriminator(IMAGE, normalization=False)
    return genzoo.networks.generator(IMAGE, 64), critic, 64


def vae_parts():
    return genzoo.networks.encoder(IMAGE, 32), genzoo.networks.decoder(IMAGE, 16), 16


def with_keras_layers(networks):
    """Clones networks with Keras's own layers in place of the zoo's faster ones."""

    def clone(layer):
        config, name = layer.get_config(), type(layer).__name__
        if name == "BatchNormalization":
            config["synchronized"] = False
        return getattr(keras.layers, name, type(layer)).from_config(config)

    return [keras.models.clone_model(network, clone_function=clone) for network in networks]


def scaled(x):
    return tf.cast(x, tf.float32) / 255.0 if x.dtype == tf.uint8 else x


# Hand-written steps. -----------------------------------------------------------------------------


def apply(optimizer, tape, loss, variables):
    optimizer.apply(tape.gradient(loss, variables), variables)


def gan_loop_step(generator, discriminator, latent_dim):
    g_opt, d_opt = adam(), adam()
    g_opt.build(generator.trainable_variables)
    d_opt.build(discriminator.trainable_variables)

    def step(x):
        x = scaled(x)
        with tf.GradientTape() as g_tape:
            fake = generator(tf.random.normal((tf.shape(x)[0], latent_dim)), training=True)
            with g_tape.stop_recording():
                with tf.GradientTape() as d_tape:
                    d_loss = bce(1.0, discriminator(x, training=True))
                    d_loss += bce(0.0, discriminator(tf.stop_gradient(fake), training=True))
                apply(d_opt, d_tape, d_loss, discriminator.trainable_variables)
            g_loss = bce(1.0, discriminator(fake, training=True))
        apply(g_opt, g_tape, g_loss, generator.trainable_variables)
        return g_loss, d_loss

    return step


def penalty(critic, real, fake):
    alpha = tf.random.uniform((tf.shape(real)[0], 1, 1, 1))
    points = real + alpha * (fake - real)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        scores = critic(points, training=True)
    squares = tf.reduce_sum(tape.gradient(scores, points) ** 2, axis=(1, 2, 3))
    return 10.0 * tf.reduce_mean((tf.sqrt(squares + 1e-12) - 1.0) ** 2)


def wgan_gp_loop_step(generator, critic, latent_dim):
    options = {"rate": 1e-4, "beta_1": 0.0, "beta_2": 0.9}
    g_opt, d_opt = adam(**options), adam(**options)
    g_opt.build(generator.trainable_variables)
    d_opt.build(critic.trainable_variables)

    def step(x):
        x = scaled(x)
        for k in range(5):
            real = x[k::5]
            with tf.GradientTape() as g_tape:
                fake = generator(tf.random.normal((tf.shape(real)[0], latent_dim)), training=True)
            constant = tf.stop_gradient(fake)
            with tf.GradientTape() as d_tape:
                distance = tf.reduce_mean(critic(constant, training=True)) - tf.reduce_mean(
                    critic(real, training=True)
                )
                d_loss = distance + penalty(critic, real, constant)
            apply(d_opt, d_tape, d_loss, critic.trainable_variables)
        with g_tape:
            g_loss = -tf.reduce_mean(critic(fake, training=True))
        apply(g_opt, g_tape, g_loss, generator.trainable_variables)
        return g_loss, d_loss

    return step


def vae_losses(encoder, decoder, x, noise):
    mean, log_variance = tf.split(encoder(x, training=True), 2, axis=-1)
    log_variance = 5.0 - tf.nn.softplus(5.0 - log_variance)  # bounded, as the zoo's
    logits = decoder(mean + tf.exp(0.5 * log_variance) * noise(tf.shape(mean)), training=True)
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(x, logits)
    reconstruction = tf.reduce_mean(tf.reduce_sum(cross_entropy, axis=(1, 2, 3)))
    divergence = tf.exp(log_variance) + mean**2 - 1.0 - log_variance
    return reconstruction, tf.reduce_mean(0.5 * tf.reduce_sum(divergence, axis=-1))


def vae_loop_step(encoder, decoder, _):
    optimizer = keras.optimizers.Adam(1e-3)
    variables = encoder.trainable_variables + decoder.trainable_variables
    optimizer.build(variables)

    def step(x):
        with tf.GradientTape() as tape:
            reconstruction, kl = vae_losses(encoder, decoder, scaled(x), tf.random.normal)
            loss = reconstruction + kl
        apply(optimizer, tape, loss, variables)
        return reconstruction, kl

    return step


# The public way. ---------------------------------------------------------------------------------


class PublicGAN(keras.Model):
    def __init__(self, generator, discriminator, latent_dim):
        super().__init__()
        self.generator, self.discriminator, self.latent_dim = generator, discriminator, latent_dim
        self.seed_generator = keras.random.SeedGenerator(1337)

    def compile(self, d_optimizer, g_optimizer, **options):
        super().compile(**options)
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.d_tracker = keras.metrics.Mean(name="d_loss")
        self.g_tracker = keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self):
        return [self.d_tracker, self.g_tracker]

    def draw(self, x):
        shape = (keras.ops.shape(x)[0], self.latent_dim)
        return self.generator(keras.random.normal(shape, seed=self.seed_generator), training=True)

    def step_on(self, optimizer, loss_of, variables):
        with tf.GradientTape() as tape:
            loss = loss_of()
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    def train_step(self, real):
        real = scaled(real)
        both = tf.concat([self.draw(real), real], axis=0)
        count = tf.shape(real)[0]
        labels = tf.concat([tf.ones((count, 1)), tf.zeros((count, 1))], axis=0)

        def d_loss_of():
            logits = self.discriminator(both, training=True)
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
            return tf.reduce_mean(losses)

        def g_loss_of():
            return bce(0.0, self.discriminator(self.draw(real), training=True))

        d_loss = self.step_on(self.d_optimizer, d_loss_of, self.discriminator.trainable_weights)
        g_loss = self.step_on(self.g_optimizer, g_loss_of, self.generator.trainable_weights)
        return self.logs(d_loss, g_loss)

    def logs(self, d_loss, g_loss):
        self.d_tracker.update_state(d_loss)
        self.g_tracker.update_state(g_loss)
        return {"d_loss": self.d_tracker.result(), "g_loss": self.g_tracker.result()}


class PublicWGANGP(PublicGAN):
    def train_step(self, x):
        x = scaled(x)
        critic = self.discriminator
        for k in range(5):
            real = x[k::5]  # the published one takes one batch five times; equal work is compared

            def d_loss_of(real=real):
                fake = self.draw(real)
                distance = tf.reduce_mean(critic(fake, training=True)) - tf.reduce_mean(
                    critic(real, training=True)
                )
                return distance + penalty(critic, real, fake)

            d_loss = self.step_on(self.d_optimizer, d_loss_of, critic.trainable_weights)

        def g_loss_of():
            return -tf.reduce_mean(critic(self.draw(real), training=True))

        g_loss = self.step_on(self.g_optimizer, g_loss_of, self.generator.trainable_weights)
        return self.logs(d_loss, g_loss)


class PublicVAE(keras.Model):
    def __init__(self, encoder, decoder, _):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.seed_generator = keras.random.SeedGenerator(1337)
        names = ("loss", "reconstruction_loss", "kl_loss")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]

    @property
    def metrics(self):
        return self.trackers

    def noise(self, shape):
        return keras.random.normal(shape, seed=self.seed_generator)

    def train_step(self, x):
        with tf.GradientTape() as tape:
            reconstruction, kl = vae_losses(self.encoder, self.decoder, scaled(x), self.noise)
            loss = reconstruction + kl
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        for tracker, value in zip(self.trackers, (loss, reconstruction, kl), strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


# Contenders: functions that take a number of steps and return the seconds they took. ------------


def run_fit(model, dataset):
    def run(steps):
        start = time.perf_counter()
        model.fit(dataset.take(steps), verbose=0)
        return time.perf_counter() - start

    return run


def run_loop(step, dataset):
    step = tf.function(step)

    def run(steps):
        start = time.perf_counter()
        for x in dataset.take(steps):
            logs = step(x)
        [float(value) for value in logs]
        return time.perf_counter() - start

    return run


def contest(name, public_jit):
    """Returns the contenders of one model."""
    parts = {
        "mlp_gan": mlp_gan_parts,
        "vae": vae_parts,
        "dcgan": dcgan_parts,
        "wgan_gp": wgan_gp_parts,
    }[name]
    batch = 320 if name == "wgan_gp" else 64
    if name == "mlp_gan":
        dataset = genzoo.data.ring(8).dataset(100_000, batch_size=batch)
    else:
        dataset = genzoo.data.load("mnist_5k", batch_size=batch, labels=False)
    dataset = dataset.repeat()
    first, second, latent_dim = parts()
    pair = {"generator": first, "discriminator": second}
    if name == "vae":
        ours = genzoo.VAE(IMAGE, latent_dim, encoder=first, decoder=second)
        loop, public = vae_loop_step, PublicVAE
    elif name == "wgan_gp":
        ours = genzoo.WGANGP(IMAGE, latent_dim, **pair)
        loop, public = wgan_gp_loop_step, PublicWGANGP
    else:
        model = genzoo.GAN if name == "mlp_gan" else genzoo.DCGAN
        ours = model(POINT if name == "mlp_gan" else IMAGE, latent_dim, **pair)
        loop, public = gan_loop_step, PublicGAN
    ours.compile(steps_per_execution=50 if name == "mlp_gan" else 1)
    contenders = {"fit": run_fit(ours, dataset), "loop": run_loop(loop(*parts()), dataset)}
    for column, jit in {"public": "auto", "public_xla": True}.items():
        if jit is True and not public_jit:
            continue
        *networks, latent_dim = parts()
        model = public(*with_keras_layers(networks), latent_dim)
        if name == "vae":
            model.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=jit)
        else:
            options = {"rate": 1e-4, "beta_1": 0.0, "beta_2": 0.9} if name == "wgan_gp" else {}
            model.compile(adam(**options), adam(**options), jit_compile=jit)
        contenders[column] = run_fit(model, dataset)
    return contenders


STEPS = {"mlp_gan": 1000, "vae": 60, "dcgan": 40, "wgan_gp": 16}


def measure(name, rounds, public_jit):
    """Returns medians: each contender's steps a second, and the rounds' ratios to `fit`."""
    contenders, steps = contest(name, public_jit), STEPS[name]
    for run in contenders.values():
        run(steps)  # traces, and warms up
    seconds = {column: [] for column in contenders}
    for _ in range(rounds):
        for column, run in contenders.items():
            seconds[column].append(run(steps))
    speed = {column: steps / statistics.median(times) for column, times in seconds.items()}
    ratios = {
        column: statistics.median(
            other / ours for other, ours in zip(times, seconds["fit"], strict=True)
        )
        for column, times in seconds.items()
        if column != "fit"
    }
    return speed, ratios


def main(arguments):
    columns = ["loop", "public"] + ["public_xla"] * arguments.public_jit
    print("| model | fit, steps/s | " + " | ".join(f"{c}, steps/s" for c in columns), end=" | ")
    print(" | ".join(f"fit / {c}" for c in columns) + " |")
    print("|---" * (2 + 2 * len(columns)) + "|")
    for name in arguments.models:
        speed, ratios = measure(name, arguments.rounds, arguments.public_jit)
        cells = [f"{speed[c]:.1f}" for c in ["fit", *columns]] + [
            f"{ratios[c]:.2f}" for c in columns
        ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(FLAGS)
