"""What every model of the zoo must do, as one table of models and one of properties.

`python tests/contract.py table docs/contract.md` checks all and writes down what it found;
`test_contract.py` checks the same in pytest. A new model is one line in `CASES`.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import pickle
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo import networks

IMAGE = (8, 8, 1)
BATCH = 24


# The models: small ones. ------------------------------------------------------------------------


def compile_zoo(model, optimizer=None, **options):
    """Compiles with one optimizer of the kind for each player; the defaults unless given."""
    chosen = {} if optimizer is None else {n: optimizer() for n in model.default_optimizers()}
    model.compile(**chosen, **options)


def zoo_optimizers(model):
    return [getattr(model, name) for name in model.default_optimizers()]


@dataclasses.dataclass(frozen=True)
class Case:
    """A model to check."""

    build: Callable  # the model, not compiled
    points: bool = False  # data are points, not images
    private_noise: bool = False  # a Keras layer's, not of the place in the batch
    grouped: bool = False  # judged in groups, of the examples that a replica has
    compile: Callable = compile_zoo
    optimizers: Callable = zoo_optimizers

    def dataset(self, model, examples):
        """`examples` in batches of 24; with labels for conditional models."""
        x, labels = genzoo.data.arrays("digits")
        x = genzoo.data.ring(8).sample(examples, seed=0) if self.points else x[:examples]
        conditional = getattr(model, "num_classes", None) is not None
        data = (x, labels[:examples]) if conditional else x
        return tf.data.Dataset.from_tensor_slices(data).batch(BATCH)

    def make(self, optimizer=None, **options):
        """The compiled model."""
        keras.utils.set_random_seed(3)
        model = self.build()
        self.compile(model, optimizer, **options)
        return model


def coders(codes, outputs=None, activation=None, **options):
    """A small encoder and decoder."""
    size = {"filters": (4,), **options}
    encoder = networks.encoder(IMAGE, outputs or codes, output_activation=activation, **size)
    return {"encoder": encoder, "decoder": networks.decoder(IMAGE, codes, **size)}


def players(shape=IMAGE, normalization=True, **options):
    """A small generator and discriminator, convolutional for images."""
    size = {"filters": (4, 8)} if networks.is_image(shape) else {"hidden_units": (8,)}
    critic = networks.discriminator(shape, normalization=normalization, **size, **options)
    return {"generator": networks.generator(shape, 4, **size, **options), "discriminator": critic}


def dense_players():
    activation = {"output_activation": "sigmoid"}
    return {
        "generator": networks.dense_decoder(IMAGE, 4, hidden_units=(8,), **activation),
        "discriminator": networks.dense_discriminator(IMAGE, hidden_units=(8,)),
    }


def denoising(corruption):
    return genzoo.DenoisingAutoencoder(IMAGE, 4, corruption=corruption, **coders(4))


def sparse():
    parts = coders(8, activation="sigmoid")
    return genzoo.SparseAutoencoder(IMAGE, 8, target_rate=0.2, l1_weight=1e-3, **parts)


def gaussian_vae():
    encoder = networks.encoder((2,), 8, hidden_units=(8,))
    decoder = networks.decoder((2,), 4, hidden_units=(8,))
    return genzoo.VAE((2,), 4, likelihood="gaussian", encoder=encoder, decoder=decoder)


def conditional_wgan_gp():
    penalty = genzoo.losses.GradientPenalty(5.0, one_sided=True)
    parts = players(normalization=False, num_classes=10)
    return genzoo.WGANGP(IMAGE, 4, num_classes=10, critic_steps=2, penalty=penalty, **parts)


def packed_dcgan():
    critic = networks.discriminator(IMAGE, filters=(4, 8), packing=2)
    return genzoo.DCGAN(
        IMAGE,
        4,
        packing=2,
        augmentation=genzoo.layers.DifferentiableAugmentation(),
        ema_half_life=100.0,
        generator=players()["generator"],
        discriminator=critic,
    )


def spectral_gan():
    options = {"spectral_normalization": True, "minibatch_stddev": 4, "num_classes": 10}
    critic = networks.discriminator(IMAGE, filters=(4, 8), **options)
    generator = players(num_classes=10)["generator"]
    return genzoo.GAN(IMAGE, 4, "hinge", num_classes=10, generator=generator, discriminator=critic)


def adaptive_dcgan():
    augmentation = genzoo.layers.AdaptiveAugmentation(target=0.0, images=400)
    options = {"critic_steps": 2, "ema_half_life": 100.0}
    return genzoo.DCGAN(IMAGE, 4, augmentation=augmentation, **options, **players())


# By name; what stands before a comma is the class.
CASES = {
    "Autoencoder": Case(lambda: genzoo.Autoencoder(IMAGE, 4, (16,))),
    "ConvolutionalAutoencoder": Case(lambda: genzoo.ConvolutionalAutoencoder(IMAGE, 4, (4,))),
    "SparseAutoencoder": Case(sparse),
    "DenoisingAutoencoder": Case(lambda: denoising(genzoo.layers.MaskingNoise(0.2))),
    "DenoisingAutoencoder, a Keras layer's noise": Case(
        lambda: denoising(keras.layers.GaussianNoise(0.2)), private_noise=True
    ),
    "VAE": Case(lambda: genzoo.VAE(IMAGE, 4, 2.0, **coders(4, 8))),
    "VAE, Gaussian, of vectors": Case(gaussian_vae, points=True),
    "VAE, conditional": Case(
        lambda: genzoo.VAE(IMAGE, 4, num_classes=10, **coders(4, 8, num_classes=10))
    ),
    "GAN": Case(lambda: genzoo.GAN(IMAGE, 4, **dense_players())),
    "GAN, least squares, DRAGAN, of vectors": Case(
        lambda: genzoo.GAN((2,), 4, "least_squares", penalty="dragan", **players((2,))),
        points=True,
    ),
    "GAN, spectral normalization, minibatch standard deviation": Case(spectral_gan, grouped=True),
    "DCGAN": Case(lambda: genzoo.DCGAN(IMAGE, 4, **players())),
    "DCGAN, packed, augmented, averaged": Case(packed_dcgan, grouped=True),
    "DCGAN, adaptive augmentation, two critic steps": Case(adaptive_dcgan),
    "ConditionalGAN": Case(lambda: genzoo.ConditionalGAN(IMAGE, 10, 4, **players(num_classes=10))),
    "WGAN": Case(lambda: genzoo.WGAN(IMAGE, 4, clip_value=0.02, critic_steps=2, **players())),
    "WGANGP": Case(lambda: genzoo.WGANGP(IMAGE, 4, critic_steps=5, **players(normalization=False))),
    "WGANGP, conditional, one-sided": Case(conditional_wgan_gp),
}


# Runs, to be compared. --------------------------------------------------------------------------


def values(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def run(case, strategy=None, **options):
    """Weights and logs after training by SGD on even batches, and after more on ragged ones.

    The last of the ragged batches has one example: of two replicas, one has none. Evaluates,
    samples and saves as well.
    """
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = case.make(functools.partial(keras.optimizers.SGD, 0.002), **options)
    results = {"start": (values(model.variables), {})}
    for name, examples in {"even": 3 * BATCH, "ragged": 2 * BATCH + 1}.items():
        data = case.dataset(model, examples)
        history = model.fit(data, epochs=2, validation_data=data, verbose=0).history
        results[name] = values(model.variables), history
    results["samples"] = model.sample(5, seed=1) if hasattr(model, "sample") else np.zeros(5)
    if strategy:
        results["saving"] = saving_error(case, model)
    return results


def saving_error(case, model):
    """What went wrong when the model was saved and loaded; None if nothing did."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.keras")
        try:
            model.save(path)
            assert_equal(state(case, model), state(case, keras.saving.load_model(path)))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None


@functools.cache
def one_replica(case):
    """The run that the others are compared with."""
    return run(case)


def compare(case, other, part):
    """Asserts that the results of two runs are the same."""
    start, _ = one_replica(case)["start"]
    weights, logs = one_replica(case)[part]
    other_weights, other_logs = other[part]
    moved = [not np.array_equal(a, b) for a, b in zip(start, weights, strict=True)]
    assert np.mean(moved) > 0.7  # else there would be nothing to compare
    for a, b in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
    assert logs.keys() == other_logs.keys()
    for name in logs:
        np.testing.assert_allclose(other_logs[name], logs[name], rtol=1e-4, err_msg=name)
    samples = one_replica(case)["samples"]
    np.testing.assert_allclose(other["samples"], samples, rtol=1e-3, atol=1e-4)


def assert_equal(first, second):
    """Asserts that variables are equal bit for bit."""
    assert len(first) == len(second) > 0
    for a, b in zip(values(first), values(second), strict=True):
        np.testing.assert_array_equal(a, b)


def state(case, model):
    """All that a run depends on: weights, noise, and each optimizer's variables."""
    variables = [v for optimizer in case.optimizers(model) for v in optimizer.variables]
    return [*model.variables, *variables]


def name_of(case):
    return next(name for name, other in CASES.items() if other is case)


# The properties. Each check raises unless the model has it; NotImplemented: it does not apply. --


def check_replicas(case):
    """Two replicas end with the weights and logs of one."""
    result = replicas().result(case)
    if case.private_noise:
        return NotImplemented
    compare(case, result, "even")
    assert result["saving"] is None, result["saving"]


def check_ragged(case):
    """The same where a last batch is shared unevenly, and where a replica has no example."""
    result = replicas().result(case)
    if case.private_noise or case.grouped:
        assert all(np.isfinite(weights).all() for weights in result["ragged"][0])
        return NotImplemented
    compare(case, result, "ragged")


def check_workers(case):
    """Two processes end with the weights and logs of one, both."""
    results = [worker.result(case) for worker in workers_of(case)]
    for part in ("even", "ragged"):
        assert_equal(results[0][part][0], results[1][part][0])
        assert results[0][part][1] == results[1][part][1]
        if not (case.private_noise or (case.grouped and part == "ragged")):
            compare(case, results[0], part)
        assert results[0]["saving"] is None, results[0]["saving"]
    return NotImplemented if case.private_noise else None


def check_fresh_data(case):
    """The steps of a critic see other examples, and together the whole batch."""
    model = case.make(run_eagerly=True)
    if getattr(model, "critic_steps", 1) == 1:
        return NotImplemented
    seen, step = [], model.discriminator_step
    model.discriminator_step = lambda real, *rest: seen.append(real.numpy()) or step(real, *rest)
    data = case.dataset(model, BATCH)
    model.fit(data, verbose=0)
    batch = next(iter(data))
    batch, _ = model.unpack(batch)
    assert len(seen) == model.critic_steps
    rows = [np.reshape(x, (len(x), -1)) for x in (batch, np.concatenate(seen))]
    np.testing.assert_array_equal(*(x[np.lexsort(x.T)] for x in rows))
    return None


def check_reload(case):
    """Saved after two of four epochs, loaded and trained on: as if never interrupted."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "{epoch}.keras")
        model = case.make(averaging_adam)
        data = case.dataset(model, 2 * BATCH)
        model.fit(data, epochs=4, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(path)])
        copy = keras.saving.load_model(path.format(epoch=2))  # nothing is said of the classes
        copy.fit(data, initial_epoch=2, epochs=4, verbose=0)
    assert type(copy) is type(model)
    for own, restored in zip(case.optimizers(model), case.optimizers(copy), strict=True):
        assert restored.get_config() == own.get_config()
    assert_equal(state(case, model), state(case, copy))
    if hasattr(model, "sample"):
        np.testing.assert_array_equal(model.sample(3, seed=1), copy.sample(3, seed=1))


def check_resume(case):
    """Killed in mid-epoch, and resumed from the backup: as if never interrupted."""
    result = resumed().result(case)
    assert result["resumed_at"] == 2
    assert_equal(*result["states"])


def check_precision(policy, case):
    """Trains at this precision: finite, all weights, each optimizer loss-scaled if need be."""
    keras.config.set_dtype_policy(policy)
    try:
        model = case.make()
        before = values(model.trainable_variables)
        logs = model.fit(case.dataset(model, 2 * BATCH), epochs=3, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite([*logs.values()]).all()
    after = values(model.trainable_variables)
    assert all(np.isfinite(weights).all() for weights in after)
    assert np.mean([np.any(a != b) for a, b in zip(after, before, strict=True)]) > 0.9
    dtypes = [layer.compute_dtype for layer in model._flatten_layers() if hasattr(layer, "kernel")]
    assert policy.removeprefix("mixed_") in dtypes
    if policy == "mixed_float16":
        check_loss_scale(case, model)


def check_loss_scale(case, model):
    """An overflow halves the scale of each optimizer, which is saved, and changes no weight."""
    for optimizer in case.optimizers(model):
        scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        assert scaled, f"{optimizer.name} has no loss scale"
        optimizer.dynamic_scale.assign(3e38)  # any float16 gradient overflows
    scales = [float(optimizer.dynamic_scale) for optimizer in case.optimizers(model)]
    weights = values(model.trainable_variables)
    model.fit(case.dataset(model, BATCH), verbose=0)
    for optimizer, scale in zip(case.optimizers(model), scales, strict=True):
        assert float(optimizer.dynamic_scale) <= scale / 2  # a half for each step
    assert_equal(weights, values(model.trainable_variables))
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.keras")
        model.save(path)
        assert_equal(state(case, model), state(case, keras.saving.load_model(path)))


def check_xla(case):
    """Every step compiles by XLA, with static shapes; without noise, to the same numbers."""
    model = case.make(jit_compile=True)
    plain = case.make(jit_compile=False)
    assert model.jit_compile and not plain.jit_compile
    data = case.dataset(model, 2 * BATCH)
    random = [variable for variable in model.variables if "int" in variable.dtype]
    before = values(random)
    logs = model.fit(data, verbose=0).history
    assert np.isfinite([*logs.values()]).all()
    drawn = any(np.any(a != b) for a, b in zip(values(random), before, strict=True))
    assert np.isfinite(model.evaluate(data, verbose=0)).all()
    if not drawn:  # XLA draws other noise from the same seed
        plain.fit(data, verbose=0)
        for a, b in zip(plain.trainable_variables, model.trainable_variables, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-3)


def check_eager(case):
    """`run_eagerly=True` takes the same steps."""
    compare(case, run(case, run_eagerly=True), "even")


def check_executions(case):
    """So does `steps_per_execution`."""
    compare(case, run(case, steps_per_execution=2), "even")


PROPERTIES = {
    "2 replicas = 1": check_replicas,
    "ragged batches": check_ragged,
    "fresh critic data": check_fresh_data,
    "reload exact": check_reload,
    "float16": functools.partial(check_precision, "mixed_float16"),
    "bfloat16": functools.partial(check_precision, "mixed_bfloat16"),
    "XLA": check_xla,
    "eager": check_eager,
    "steps per execution": check_executions,
    "2 workers = 1": check_workers,
    "kill and resume exact": check_resume,
}


# Jobs: processes that run in the background. -----------------------------------------------------

SCRIPT = __file__  # what they run


class Job:
    """A process that leaves its results in a file."""

    def __init__(self, command, **environment):
        self.directory = tempfile.TemporaryDirectory()
        self.output = pathlib.Path(self.directory.name, "results")
        self.log = pathlib.Path(self.directory.name, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, SCRIPT, command, self.output],
                env=os.environ | environment,
                stdout=log,
                stderr=log,
            )

    @functools.cached_property
    def results(self):
        """What it found, when it has ended."""
        code = self.process.wait(timeout=1200)
        assert code == 0, self.log.read_text()[-3000:]
        return pickle.loads(self.output.read_bytes())

    def result(self, case):
        """What it found of one model."""
        result = self.results[name_of(case)]
        assert not isinstance(result, str), result
        return result


@functools.cache
def resumed():
    """The job of the runs that are killed and resumed."""
    return Job("resume")


# TensorFlow's oneDNN kernels, for CPUs alone, fail for the convolutions of a replica that has no
# example (2.21).
WITHOUT_ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "0"}


@functools.cache
def replicas():
    """The job of two mirrored replicas."""
    return Job("mirror", **WITHOUT_ONEDNN)


@functools.cache
def workers(first=0):
    """The jobs of a cluster's two workers, from this model of the table on."""
    options = {"CONTRACT_FIRST": str(first), **WITHOUT_ONEDNN}
    return [Job("work", TF_CONFIG=config, **options) for config in cluster_configs()]


def workers_of(case):
    """The jobs that reached this model: one that fails ends a job, and another goes on."""
    first, jobs = 0, workers()
    while not all(name_of(case) in job.results for job in jobs):
        first += min(len(job.results) for job in jobs)
        jobs = workers(first)
    return jobs


def cluster_configs():
    """A TF_CONFIG for each of two workers on this machine."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for s in sockets:
            s.bind(("localhost", 0))
        addresses = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        for index in range(2)
    ]


def run_all(strategy, output):
    """All models, one after the other; of one that fails, the error."""
    results = {}
    for name, case in list(CASES.items())[int(os.environ.get("CONTRACT_FIRST", 0)) :]:
        try:
            results[name] = run(case, strategy)
        except Exception as error:
            results[name] = f"{type(error).__name__}: {error}"
            if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
                break  # the other worker waits for it
    output.write_bytes(pickle.dumps(results))


def work(output):
    """One worker of a cluster."""
    run_all(tf.distribute.MultiWorkerMirroredStrategy(), output)


def mirror(output):
    """Two replicas in one process: two logical devices of the CPU."""
    devices = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    # One strategy for all models: a second one would use the first's collectives again.
    run_all(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), output)


class Pause(keras.callbacks.Callback):
    """Stands still, for ever, in the midst of the third epoch."""

    def __init__(self):
        super().__init__()
        self.reached = threading.Event()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == (2, 1):
            self.reached.set()
            threading.Event().wait()


class FirstEpoch(keras.callbacks.Callback):
    """Notes where `fit` begins."""

    def on_train_begin(self, logs=None):
        self.epoch = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch if self.epoch is None else self.epoch


averaging_adam = functools.partial(keras.optimizers.Adam, 1e-3, use_ema=True, ema_momentum=0.8)


def backed_up_fit(case, directory, callback):
    model = case.make(averaging_adam)
    backup = keras.callbacks.BackupAndRestore(directory, delete_checkpoint=False)
    data = case.dataset(model, 2 * BATCH)
    model.fit(data, epochs=4, verbose=0, callbacks=[backup, callback])
    return model


def be_killed(directory):
    """Trains every model up to the midst of its third epoch, and then kills the process."""
    for i, case in enumerate(CASES.values()):
        pause = Pause()
        arguments = (case, directory / str(i), pause)
        thread = threading.Thread(target=backed_up_fit, args=arguments, daemon=True)
        thread.start()
        while thread.is_alive() and not pause.reached.wait(1):
            pass  # a model that fails will fail again when it is to be resumed
    os.kill(os.getpid(), signal.SIGKILL)


def resume_one(case, directory):
    """Where a killed run resumed, and its state in the end beside an undisturbed run's."""
    first = FirstEpoch()
    model = backed_up_fit(case, directory, first)
    undisturbed = case.make(averaging_adam)
    undisturbed.fit(case.dataset(undisturbed, 2 * BATCH), epochs=4, verbose=0)
    states = [values(state(case, m)) for m in (model, undisturbed)]
    return {"resumed_at": first.epoch, "states": states}


def resume(output):
    """Has all models killed, resumes them, and trains them once more without a pause."""
    backups = output.with_name("backups")
    process = subprocess.run([sys.executable, SCRIPT, "be_killed", backups], check=False)
    assert process.returncode == -signal.SIGKILL
    results = {}
    for i, (name, case) in enumerate(CASES.items()):
        try:
            results[name] = resume_one(case, backups / str(i))
        except Exception as error:
            results[name] = f"{type(error).__name__}: {error}"
    output.write_bytes(pickle.dumps(results))


# The table. --------------------------------------------------------------------------------------


def table():
    """The Markdown table of all models and properties, and a list of what failed."""
    replicas(), workers(), resumed()
    failures = []
    lines = ["| | " + " | ".join(PROPERTIES) + " |", "|---" * (1 + len(PROPERTIES)) + "|"]
    for name, case in CASES.items():
        cells = []
        for title, check in PROPERTIES.items():
            try:
                cells.append("–" if check(case) is NotImplemented else "yes")
            except Exception as error:
                cells.append("**no**")
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                reason = re.sub("\x1b\\[[0-9]*m", "", reason)  # Keras's bold letters
                failures.append(f"- {name}, {title}: {reason:.200}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return "\n".join(lines), failures


HEADER = """# The contract

What every model of the zoo was seen to do, in one run of `python tests/contract.py table
docs/contract.md` on two CPU cores; a dash where a property does not apply. `tests/contract.py` says
what each column means, and `tests/test_contract.py` checks the same. The models are small ones, the
replicas two logical devices of a CPU, the workers two processes on one machine (both with
`TF_ENABLE_ONEDNN_OPTS=0`: see [distribution](distribution.md)); on a GPU or TPU nothing was run.
Weights are compared to 1e-5 relative (1e-6 absolute), logs to 1e-4; "exact" is bit for bit. XLA
draws other noise from the same seed: numbers are compared for the models without noise.
"""


def main(cases=None, script=__file__, header=HEADER):
    """The command line; the arguments put another table of models in place of this one."""
    global CASES, SCRIPT
    CASES, SCRIPT = cases or CASES, script
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    jobs = {f.__name__: f for f in (mirror, work, resume, be_killed)}
    parser.add_argument("command", choices=["table", *jobs])
    parser.add_argument("output", type=pathlib.Path)
    flags = parser.parse_args()
    if flags.command in jobs:
        jobs[flags.command](flags.output)
        return 0
    lines, failures = table()
    reasons = ["", "```text", *failures, "```"] if failures else []
    flags.output.write_text("\n".join([header, lines, *reasons, ""]))
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
