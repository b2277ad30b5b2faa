"""Models that are defined or compiled wrongly are told so in one sentence."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo.fields import Vectors

POINTS = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")


class Model(genzoo.GenerativeModel):
    log_names = ("loss",)

    def __init__(self, weight=1.0, **kwargs):
        super().__init__(Vectors((2,)), **kwargs)
        self.network = keras.layers.Dense(2)
        self.network.build((None, 2))

    def default_optimizers(self):
        return {"optimizer": keras.optimizers.SGD(0.1)}

    def train_step(self, data):
        return self.log(loss=0.0)

    def test_step(self, data):
        return self.log(loss=0.0)


def fitted(model, **options):
    model.compile(**options)
    model.fit(POINTS, validation_data=POINTS, verbose=0)


def test_it_needs_fields():
    class Empty(genzoo.GenerativeModel):
        pass

    with pytest.raises(ValueError, match=r"`fields` must be one or more fields"):
        Empty()


@pytest.mark.parametrize("name", ["default_optimizers", "log_names", "train_step", "test_step"])
def test_what_is_missing_is_named(name):
    missing = type("Missing", (Model,), {name: getattr(genzoo.GenerativeModel, name)})
    with pytest.raises((NotImplementedError, ValueError), match=f"Missing must have.*`{name}`"):
        fitted(missing())


def test_the_first_player_counts_the_steps_whatever_the_order_of_the_optimizers():
    class Second(genzoo.GAN):
        def default_optimizers(self):
            return dict(reversed(super().default_optimizers().items()))

    model = Second((2,), latent_dim=2, critic_steps=2)
    model.compile()
    model.fit(POINTS, batch_size=32, verbose=0)
    assert model.optimizer.names == list(model.players)
    assert int(model.optimizer.iterations) == int(model.generator_optimizer.iterations) == 2


def test_players_name_attributes():
    class Misspelt(Model):
        players = {"optimizer": ("netwrok",)}

    with pytest.raises(ValueError, match=r"name attributes of the Misspelt.*netwrok"):
        Misspelt().networks_of("optimizer")


def test_unknown_logs():
    class Misspelt(Model):
        def train_step(self, data):
            return self.log(los=0.0)

    with pytest.raises(ValueError, match=r"names of `log_names`, \['loss'\]. Received: 'los'"):
        fitted(Misspelt())


def test_metrics_that_test_step_forgets():
    with pytest.raises(ValueError, match="must call `update_generative_metrics` for frechet"):
        fitted(Model(), metrics=[genzoo.metrics.FrechetDistance()])


def test_arguments_that_are_not_stored():
    with pytest.raises(ValueError, match=r"must set an attribute for each.*'weight'"):
        Model().get_config()


@pytest.mark.parametrize(
    "name, message",
    [
        ("loss", "Autoencoder has no argument `loss`. Its arguments are data_shape, latent_dim, "),
        ("encoders", "Autoencoder has no argument `encoders`. Did you mean `encoder`?"),
    ],
)
def test_unknown_arguments(name, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        genzoo.Autoencoder((2,), 2, **{name: "mse"})


def test_a_dtype_would_not_reach_the_networks():
    with pytest.raises(ValueError, match=r"set_dtype_policy\('mixed_bfloat16'\)` before"):
        genzoo.GAN((2,), dtype="mixed_bfloat16")
    genzoo.GAN((2,), dtype="float32")


@pytest.mark.parametrize("metrics", [None, [genzoo.metrics.PrecisionRecall()]])
def test_metrics_names_are_those_of_the_list_of_evaluate(metrics):
    model = genzoo.GAN((2,), penalty="r1")
    assert model.metrics_names == []
    model.compile(metrics=metrics)
    values = model.evaluate(POINTS, verbose=0)
    logs = model.evaluate(POINTS, verbose=0, return_dict=True)
    assert dict(zip(model.metrics_names, values, strict=True)) == logs


def test_properties_compute_no_metric(monkeypatch):
    """Keras reads them when it saves: on one worker alone, which would wait for the others."""
    model = genzoo.GAN((2,))
    model.compile(metrics=[genzoo.metrics.PrecisionRecall()])

    def result(self):
        raise AssertionError("a metric was computed")

    monkeypatch.setattr(keras.metrics.Mean, "result", result)
    monkeypatch.setattr(genzoo.metrics.PrecisionRecall, "result", result)
    assert "precision" in model.metrics_names
    for name in dir(model):
        getattr(model, name, None)


def test_mix_ins_come_first():
    with pytest.raises(TypeError, match="must have Sampling before GenerativeModel"):
        type("Wrong", (genzoo.GenerativeModel, genzoo.Sampling), {})


def test_verbs_are_those_of_all_bases():
    class Child(genzoo.Sampling, Model):
        verbs = frozenset({"translate"})

    class Grandchild(Child):
        verbs = frozenset({"edit"})

    assert Grandchild.verbs == {"sample", "translate", "edit"}
    assert genzoo.VAE.verbs == {"sample", "log_likelihood"} | genzoo.Autoencoder.verbs
    assert Model.verbs == frozenset()


def test_compile_says_what_is_wrong():
    gan = genzoo.GAN((2,))
    with pytest.raises(ValueError, match="`generator_optimizer` must be given once"):
        genzoo.GenerativeModel.compile(gan, "adam", generator_optimizer="sgd")
    with pytest.raises(ValueError, match=r"an argument of the constructor. Received: .*loss"):
        gan.compile(loss="mse")
    with pytest.raises(ValueError, match=r"takes `generator.*jit_compile`\. Received: \['los'\]"):
        gan.compile(los="mse")


def test_a_refused_compile_changes_nothing():
    model = genzoo.GAN((2,))
    model.compile("sgd", "sgd", metrics=[genzoo.metrics.FrechetDistance()])
    optimizers = model.generator_optimizer, model.discriminator_optimizer
    twice = [keras.metrics.MeanSquaredError("same"), keras.metrics.MeanAbsoluteError("same")]
    with pytest.raises(ValueError, match="`metrics` must have logs of different names"):
        model.compile(metrics=twice)
    assert (model.generator_optimizer, model.discriminator_optimizer) == optimizers
    assert [metric.name for metric in model.generative_metrics] == ["frechet_distance"]
    history = model.fit(POINTS, validation_data=POINTS, verbose=0).history
    assert "val_frechet_distance" in history


def test_run_takes_a_name_or_a_network():
    model = genzoo.GAN((2,), ema_half_life=100.0)
    latents = tf.random.stateless_normal((4, model.latent_dim), (0, 0))
    model.average.network.set_weights([0 * w for w in model.generator.get_weights()])
    assert not np.allclose(model.run("generator", latents, training=True), 0)
    np.testing.assert_array_equal(model.run("generator", latents), 0)
    np.testing.assert_array_equal(
        model.run(model.generator, latents), model.run("generator", latents, training=True)
    )
    np.testing.assert_array_equal(
        model.run("generator", latents, None), model.run("generator", latents)
    )


@pytest.mark.parametrize(
    "model, names",
    [
        (lambda: genzoo.DCGAN((8, 8, 1)), ("generator", "discriminator")),
        (lambda: genzoo.VAE((8, 8, 1)), ("encoder", "decoder")),
    ],
)
def test_summary_shows_the_networks(model, names):
    model, lines = model(), []
    model.summary(print_fn=lines.append)
    text = "\n".join(map(str, lines))
    for name in names:
        (line,) = (line for line in text.splitlines() if f" {name} " in line)
        assert f"{getattr(model, name).count_params():,}" in line
    lines.clear()
    model.summary(print_fn=lines.append, expand_nested=True)
    assert "Conv2D" in "\n".join(map(str, lines))
