"""The properties that the contract checks: one function each, and their table."""

from __future__ import annotations

import dataclasses
import functools
import os
import tempfile
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from contract.cases import BATCH
from contract.runs import (
    assert_equal,
    averaging_adam,
    compare,
    record_critic_steps,
    run,
    sorted_rows,
    state,
    values,
)
from keras_genzoo.core import keras_internals
from keras_genzoo.core.model import GenerativeModel


class NotApplicable(Exception):
    """Raised by a check of a property that the model cannot have; the message says why."""


# Properties of runs in the background. ----------------------------------------------------------


def check_replicas(case, result):
    """Two replicas end with the weights and logs of one."""
    if case.private_noise:
        raise NotApplicable("a Keras layer draws other noise on each replica")
    compare(case, result, "even")
    assert result["saving"] is None, result["saving"]


def check_ragged(case, result):
    """So they do when the last batch is shared unevenly, or leaves one of them no example."""
    if case.private_noise or case.grouped:
        assert all(np.isfinite(weights).all() for weights in result["ragged"][0])
        if case.grouped:
            raise NotApplicable("uneven shares of a batch make other groups of examples")
        raise NotApplicable("a Keras layer draws other noise on each replica")
    compare(case, result, "ragged")


def check_workers(case, results):
    """Both of two workers end with the weights and logs of one process."""
    first, second = results
    for part in ("even", "ragged"):
        assert_equal(first[part][0], second[part][0])
        assert first[part][1] == second[part][1]
        if not (case.private_noise or (case.grouped and part == "ragged")):
            compare(case, first, part)
        assert first["saving"] is None, first["saving"]
    if case.private_noise:
        raise NotApplicable("a Keras layer draws other noise on each worker")


def check_resume(case, result):
    """A run killed in mid-epoch resumes from its backup, and ends as if never interrupted."""
    assert result["resumed_at"] == 2
    assert_equal(*result["states"])


# Properties of training. ------------------------------------------------------------------------


def check_fresh_data(case):
    """Each critic step of a batch sees other examples, and together they see the whole batch."""
    model = case.make(run_eagerly=True)
    if getattr(model, "critic_steps", 1) == 1:
        raise NotApplicable("the discriminator takes one step a batch")
    data = case.dataset(model, BATCH)
    parts, scored = record_critic_steps(model, data)
    batch, *_ = model.unpack(next(iter(data)))
    assert len(parts) == model.critic_steps
    np.testing.assert_array_equal(sorted_rows(np.concatenate(parts)), sorted_rows(batch))
    if model.augmentation is None and model.packing == 1:
        scored = iter(scored)  # read on from part to part, since the steps take them in order
        for part in parts:
            found = any(np.array_equal(part, x) for x in scored)
            assert found, "a part of the batch did not reach the discriminator"


def check_reload(case):
    """A model saved after two of four epochs, loaded and trained on, ends as if never saved."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "{epoch}.keras")
        model = case.make(averaging_adam)
        data = case.dataset(model, 2 * BATCH)
        model.fit(data, epochs=4, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(path)])
        copy = keras.saving.load_model(path.format(epoch=2))  # without custom objects
        copy.fit(data, initial_epoch=2, epochs=4, verbose=0)
    assert type(copy) is type(model)
    for optimizer, restored in zip(case.optimizers(model), case.optimizers(copy), strict=True):
        assert restored.get_config() == optimizer.get_config()
    assert_equal(state(case, model), state(case, copy))
    if "sample" in case.verbs(model):
        np.testing.assert_array_equal(model.sample(3, seed=1), copy.sample(3, seed=1))


def check_precision(policy, case):
    """The model trains under a dtype policy: losses stay finite, and almost all weights move."""
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
    layers = keras_internals.flatten_layers(model)
    dtypes = [layer.compute_dtype for layer in layers if hasattr(layer, "kernel")]
    assert policy.removeprefix("mixed_") in dtypes
    if policy == "mixed_float16":
        check_loss_scale(case, model)


def check_loss_scale(case, model):
    """An overflow halves each optimizer's loss scale, which is saved, and changes no weight."""
    for optimizer in case.optimizers(model):
        scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        assert scaled, f"{optimizer.name} has no loss scale"
        optimizer.dynamic_scale.assign(3e38)  # any float16 gradient overflows
    scales = [float(optimizer.dynamic_scale) for optimizer in case.optimizers(model)]
    weights = values(model.trainable_variables)
    model.fit(case.dataset(model, BATCH), verbose=0)
    for optimizer, scale in zip(case.optimizers(model), scales, strict=True):
        assert float(optimizer.dynamic_scale) <= scale / 2  # halved at each step
    assert_equal(weights, values(model.trainable_variables))
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.keras")
        model.save(path)
        assert_equal(state(case, model), state(case, keras.saving.load_model(path)))


def check_xla(case):
    """XLA compiles every step, with static shapes; without noise, to the same numbers."""
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
    """`steps_per_execution=2` takes the same steps."""
    compare(case, run(case, steps_per_execution=2), "even")


def check_export(case):
    """Exported endpoints compute what the model computes."""
    model = case.make()
    if not isinstance(model, GenerativeModel):
        raise NotApplicable("it declares no endpoints")
    model.fit(case.dataset(model, BATCH), verbose=0)
    with tempfile.TemporaryDirectory() as directory:
        model.export(directory)
        loaded = tf.saved_model.load(os.path.join(directory, "1"))
    rng = np.random.default_rng(0)
    for name, endpoint in model.endpoints().items():
        if name == "sample":
            (answer,) = loaded.signatures[name](**sample_request(model)).values()
            expected = model.sample(5, seed=1)
        else:
            inputs = {field.name: example(field, rng) for field in endpoint.fields}
            (answer,) = loaded.signatures[name](**inputs).values()
            expected = endpoint(inputs)
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5, err_msg=name)


def example(field, rng):
    """Makes five examples that a field of an endpoint accepts."""
    spec = field.spec()
    sizes = [5, *(size or 13 for size in spec.shape[1:])]  # any size, if it is not known
    if spec.dtype == tf.int32:
        return tf.constant(rng.integers(field.num_classes, size=sizes), tf.int32)
    return tf.constant(rng.random(sizes), tf.float32)


def sample_request(model):
    """Asks for five samples of seed 1, of classes that the server draws."""
    request = {"num_samples": tf.constant(5), "seed": tf.constant(1, tf.int64)}
    return request if model.num_classes is None else {**request, "labels": tf.zeros(0, tf.int32)}


@dataclasses.dataclass(frozen=True)
class Property:
    """A property that a model can have.

    Attributes:
        check: Takes a case and, if there is a job, its result for the case. Raises
            `NotApplicable`, or another exception if the model lacks the property.
        job: The background job that the check needs, a key of `jobs.JOBS`.
    """

    check: Callable
    job: str | None = None


PROPERTIES = {
    "2 replicas = 1": Property(check_replicas, "replicas"),
    "ragged batches": Property(check_ragged, "replicas"),
    "fresh critic data": Property(check_fresh_data),
    "reload exact": Property(check_reload),
    "float16": Property(functools.partial(check_precision, "mixed_float16")),
    "bfloat16": Property(functools.partial(check_precision, "mixed_bfloat16")),
    "XLA": Property(check_xla),
    "eager": Property(check_eager),
    "steps per execution": Property(check_executions),
    "export": Property(check_export),
    "2 workers = 1": Property(check_workers, "workers"),
    "kill and resume exact": Property(check_resume, "resumed"),
}
