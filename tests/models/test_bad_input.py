"""Bad input is one clear ValueError before any training; good input of every form is taken."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from python_data import Batches

import keras_genzoo as genzoo
from keras_genzoo import networks

IMAGE = (8, 8, 1)
RNG = np.random.default_rng(0)
IMAGES = RNG.random((64, *IMAGE)).astype("float32")
POINTS = RNG.normal(size=(64, 2)).astype("float32")
LABELS = np.arange(64, dtype="int32") % 3


def images():
    return genzoo.Autoencoder(IMAGE, 2, (4,))


def vae():
    size = {"hidden_units": (4,)}
    encoder = networks.dense_encoder((2,), 4, **size)
    decoder = networks.dense_decoder((2,), 2, **size)
    # Data in [0, 1].
    return genzoo.VAE((2,), 2, likelihood="bernoulli", encoder=encoder, decoder=decoder)


def gan(num_classes=None, **options):
    size = {"hidden_units": (4,), "num_classes": num_classes}
    generator = networks.dense_decoder((2,), 2, **size)
    discriminator = networks.dense_discriminator((2,), **size)
    return genzoo.GAN(
        (2,),
        2,
        num_classes=num_classes,
        generator=generator,
        discriminator=discriminator,
        **options,
    )


def conditional():
    return gan(num_classes=3)


def five_steps():
    return gan(critic_steps=5)


def with_value(x, value, at=0):
    x = x.copy()
    x[at] = value
    return x


# What is wrong: the model, the data, the labels, the words of the message.
DATA = {
    "floats from 0 to 255": (images, 255 * IMAGES, None, r"`x` must be floats in \[0, 1\].*25"),
    "floats from -1 to 1": (images, 2 * IMAGES - 1, None, r"`x` must be floats in \[0, 1\].*-0\.9"),
    "a bounded likelihood": (vae, POINTS, None, r"`x` must be floats in \[0, 1\]"),
    "NaN": (images, with_value(IMAGES, np.nan), None, r"`x` must be finite.*NaN"),
    "infinity": (gan, with_value(POINTS, np.inf), None, r"`x` must be finite.*infinite"),
    "wrong rank": (images, IMAGES[..., None], None, r"`x` must have the shape.*\(64, 8, 8, 1, 1\)"),
    "wrong shape": (images, IMAGES[:, :7], None, r"`x` must have the shape.*\(64, 7, 8, 1\)"),
    "wrong width": (gan, POINTS[:, :1], None, r"`x` must have the shape.*\(64, 1\)"),
    "no axis of channels": (images, IMAGES[..., 0], None, r"add a channel axis.*\(64, 8, 8\)"),
    "integers": (images, np.ones((64, *IMAGE), "int64"), None, r"floats.*or uint8.*int64"),
    "booleans": (images, IMAGES > 0.5, None, r"`x` must be floats.*bool"),
    "text": (gan, np.full((64, 2), "a"), None, r"`x` must be floats.*dtype"),
    "no labels": (conditional, POINTS, None, r"labels of a conditional model.*\[0, 3\).*None"),
    "labels of floats": (conditional, POINTS, LABELS.astype("float32"), r"integers.*float32"),
    "one-hot labels": (conditional, POINTS, np.eye(3, dtype="int32")[LABELS], r"label per exam"),
    "labels too large": (conditional, POINTS, LABELS + 1, r"\[0, 3\).*from 1 to 3"),
    "labels below 0": (conditional, POINTS, LABELS - 1, r"\[0, 3\).*from -1 to 1"),
    "too few labels": (conditional, POINTS, LABELS[:50], r"one label per example.*\(50,\)"),
    "batches smaller than critic steps": (
        five_steps,
        POINTS[:4],
        None,
        r"at least 5 .*`critic_steps`.*batches of 4",
    ),
}


def batch(x, y):
    return (x,) if y is None else (x, y)


def as_arguments(form, x, y):
    """Arguments of `fit` and `evaluate`, in one of the forms that Keras takes."""
    return {
        "arrays": lambda: {"x": x, "y": y, "batch_size": len(x)},
        "tensors": lambda: {"x": tf.constant(x), "y": y, "batch_size": len(x)},
        "dataset": lambda: {"x": tf.data.Dataset.from_tensors(batch(x, y))},
        "pydataset": lambda: {"x": Batches([batch(x, y)])},
        "generator": lambda: {"x": (b for b in [batch(x, y)]), "steps_per_epoch": 1},
    }[form]()


def refused(call, words, model=None):
    """Asserts that the call raises one line with these words, and trains nothing."""
    if model is not None:
        before = [variable.numpy() for variable in model.variables]
        optimizers = [getattr(model, name) for name in model.default_optimizers()]
    with pytest.raises(ValueError, match=words) as error:
        call()
    message = str(error.value)
    assert "\n" not in message and "Received: " in message
    if model is not None:
        for variable, old in zip(model.variables, before, strict=True):
            np.testing.assert_array_equal(variable, old)
        assert all(optimizer.iterations == 0 for optimizer in optimizers)


@pytest.mark.parametrize("form", ["arrays", "tensors", "dataset", "pydataset", "generator"])
@pytest.mark.parametrize("what", DATA)
def test_bad_data(what, form):
    build, x, y, words = DATA[what]
    model = build()
    model.compile()
    refused(lambda: model.fit(**as_arguments(form, x, y), verbose=0), words, model)
    if "critic" in what:
        return  # evaluation has no such steps
    arguments = as_arguments(form, x, y)
    if "steps_per_epoch" in arguments:
        arguments["steps"] = arguments.pop("steps_per_epoch")
    refused(lambda: model.evaluate(**arguments, verbose=0), words, model)
    # As validation data: before the first epoch.
    good = POINTS if x.shape[1:] != IMAGE and build is not images else IMAGES
    good = np.abs(good) / np.abs(good).max()
    validation = {"arrays": batch(x, y), "dataset": as_arguments("dataset", x, y)["x"]}
    if form in validation:
        arguments = {"validation_data": validation[form], "verbose": 0}
        words = words.replace("`x`", "`validation_data`")
        refused(lambda: model.fit(good, LABELS, **arguments), words, model)


@pytest.mark.parametrize("value", [np.nan, 1.5, -0.5])
def test_arrays_are_checked_whole(value):
    model = images()
    model.compile()
    x = with_value(IMAGES, value, at=-1)
    refused(lambda: model.fit(x, batch_size=8, verbose=0), r"`x` must be", model)


def test_labels_are_checked_whole():
    model = conditional()
    model.compile()
    y = with_value(LABELS, 3, at=-1)
    refused(lambda: model.fit(POINTS, y, batch_size=8, verbose=0), r"\[0, 3\)", model)


def one_by_one(x):
    return tf.data.Dataset.from_tensor_slices(x)


# Calls of `fit` beyond data and labels.
CALLS = {
    "no examples": (images, lambda m: m.fit(IMAGES[:0]), r"at least one example"),
    "an empty data set": (
        images,
        lambda m: m.fit(one_by_one(IMAGES).batch(65, drop_remainder=True)),
        r"at least one batch.*empty",
    ),
    "an empty PyDataset": (images, lambda m: m.fit(Batches([])), r"at least one batch.*empty"),
    "an empty generator": (images, lambda m: m.fit(iter([])), r"at least one batch.*empty"),
    "an empty evaluation": (images, lambda m: m.evaluate(IMAGES[:0]), r"at least one example"),
    "a data set without batches": (
        images,
        lambda m: m.fit(one_by_one(IMAGES)),
        r"batch the data set",
    ),
    "nothing": (images, lambda m: m.fit(), r"`x` is missing.*Received: None"),
    "a list": (gan, lambda m: m.fit([[1.0, 2.0]] * 64), r"`x` must be an array.*list"),
    "a dictionary": (gan, lambda m: m.fit({"x": POINTS}), r"`x` must be an array.*dict"),
    "a data set of dictionaries": (
        gan,
        lambda m: m.fit(one_by_one({"points": POINTS}).batch(8)),
        r"`x` must.*dict",
    ),
    "a generator of lists": (
        gan,
        lambda m: m.fit(iter([([[1.0, 2.0]],)]), steps_per_epoch=1),
        r"`x` must.*list",
    ),
    "sample_weight": (
        images,
        lambda m: m.fit(IMAGES, sample_weight=np.ones(64)),
        r"`sample_weight` is not supported",
    ),
    "class_weight": (
        conditional,
        lambda m: m.fit(POINTS, LABELS, class_weight={0: 2.0}),
        r"`class_weight` is not supported",
    ),
    "weights in a data set": (
        conditional,
        lambda m: m.fit(one_by_one((POINTS, LABELS, POINTS[:, 0])).batch(8)),
        r"`x` must hold.*weights.*3 parts",
    ),
    "sample_weight in evaluate": (
        images,
        lambda m: m.evaluate(IMAGES, sample_weight=np.ones(64)),
        r"`sample_weight` is not supported",
    ),
    "weights of validation arrays": (
        images,
        lambda m: m.fit(IMAGES, validation_data=(IMAGES, None, np.ones(64))),
        r"`validation_data`.*weights",
    ),
    "batches smaller than critic steps": (
        five_steps,
        lambda m: m.fit(POINTS, batch_size=4),
        r"at least 5 .*`critic_steps`.*batches of 4",
    ),
    "a data set of batches smaller than critic steps": (
        five_steps,
        lambda m: m.fit(one_by_one(POINTS).batch(4)),
        r"at least 5 .*`critic_steps`.*batches of 4",
    ),
}


@pytest.mark.parametrize("what", CALLS)
def test_bad_calls(what):
    build, call, words = CALLS[what]
    model = build()
    model.compile()
    refused(lambda: call(model), words, model)


def dense(inputs, *outputs):
    """A network of one layer from `inputs` to `outputs`, both shapes without the batch."""
    layers = [keras.layers.Flatten(), keras.layers.Dense(int(np.prod(outputs)))]
    return keras.Sequential([keras.Input(inputs), *layers, keras.layers.Reshape(outputs)])


# Constructors: what is built, the words.
CONSTRUCTORS = {
    "latent_dim": (lambda: genzoo.Autoencoder((2,), 0), r"`latent_dim` must be a positive.*=0"),
    "latent_dim of a GAN": (lambda: genzoo.GAN((2,), 0), r"`latent_dim` must be a positive.*=0"),
    "float latent_dim": (lambda: genzoo.VAE((2,), 2.0), r"`latent_dim` must be a positive.*2\.0"),
    "negative latent_dim": (lambda: genzoo.GAN((2,), -3), r"`latent_dim` must be a positive.*-3"),
    "critic_steps": (
        lambda: genzoo.GAN((2,), critic_steps=0),
        r"`critic_steps` must be a positive integer. Received: critic_steps=0",
    ),
    "num_classes": (
        lambda: genzoo.GAN((2,), num_classes=0),
        r"`num_classes` must be a positive integer. Received: num_classes=0",
    ),
    "num_classes of a VAE": (lambda: genzoo.VAE((2,), num_classes=0), r"`num_classes`.*=0"),
    "num_classes of a ConditionalGAN": (
        lambda: genzoo.ConditionalGAN((2,), None),
        r"`num_classes`.*None",
    ),
    "data_shape of rank 2": (lambda: genzoo.GAN((8, 8)), r"`data_shape` must be.*\(8, 8\)"),
    "data_shape of 0": (lambda: genzoo.GAN((0,)), r"`data_shape` must be.*\(0,\)"),
    "data_shape with None": (lambda: genzoo.VAE((None, 8, 1)), r"`data_shape` must be.*None"),
    "data_shape a number": (lambda: genzoo.Autoencoder(784), r"`data_shape` must be.*784"),
    "image_shape": (lambda: genzoo.DCGAN((784,)), r"`image_shape` must be.*\(784,\)"),
    "image_shape without channels": (
        lambda: genzoo.ConvolutionalAutoencoder((28, 28)),
        r"`image_shape` must be.*\(28, 28\)",
    ),
    "unknown loss": (
        lambda: genzoo.GAN((2,), loss="hing"),
        r"`loss` must be one of.*'hinge'.*'wasserstein'.*'hing'",
    ),
    "the class of a loss": (lambda: genzoo.GAN((2,), loss=genzoo.losses.Hinge), r"`loss` must be"),
    "unknown penalty": (
        lambda: genzoo.GAN((2,), penalty="gp"),
        r"`penalty` must be one of.*'dragan'.*'wgan_gp'.*'gp'",
    ),
    "unknown likelihood": (
        lambda: genzoo.VAE((2,), likelihood="poisson"),
        r"`likelihood` must be one of.*'bernoulli', 'gaussian'.*'poisson'",
    ),
    "target_rate": (
        lambda: genzoo.SparseAutoencoder((2,), target_rate=0.0),
        r"`target_rate` must lie in \(0, 1\).*0\.0",
    ),
    "kl_weight": (lambda: genzoo.SparseAutoencoder((2,), kl_weight=-1), r"`kl_weight`.*-1"),
    "encoder of other data": (
        lambda: genzoo.Autoencoder((2,), 3, encoder=dense((4,), 3)),
        r"`encoder` must map data \(None, 2\) to \(None, 3\).*\(None, 4\)",
    ),
    "encoder of other codes": (
        lambda: genzoo.Autoencoder((2,), 3, encoder=dense((2,), 4)),
        r"`encoder` must map.*\(None, 3\).*\(None, 4\)",
    ),
    "encoder of a VAE without variances": (
        lambda: genzoo.VAE((2,), 3, encoder=dense((2,), 3)),
        r"`encoder` must map.*\(None, 6\).*\(None, 3\)",
    ),
    "decoder of other codes": (
        lambda: genzoo.Autoencoder((2,), 3, decoder=dense((4,), 2)),
        r"`decoder` must map codes \(None, 3\) to \(None, 2\).*\(None, 4\)",
    ),
    "decoder of other images": (
        lambda: genzoo.ConvolutionalAutoencoder(IMAGE, 3, decoder=dense((3,), 7, 8, 1)),
        r"`decoder` must map.*\(None, 8, 8, 1\).*\(None, 7, 8, 1\)",
    ),
    "decoder without labels": (
        lambda: genzoo.VAE((2,), 3, num_classes=3, decoder=dense((3,), 2)),
        r"`decoder` must map.*labels",
    ),
    "generator of other latents": (
        lambda: genzoo.GAN((2,), 3, generator=dense((4,), 2)),
        r"`generator` must map latents \(None, 3\) to \(None, 2\).*\(None, 4\)",
    ),
    "generator of other data": (
        lambda: genzoo.GAN((2,), 3, generator=dense((3,), 5)),
        r"`generator` must map.*\(None, 2\).*\(None, 5\)",
    ),
    "generator without labels": (
        lambda: genzoo.GAN((2,), 3, num_classes=3, generator=dense((3,), 2)),
        r"`generator` must map latents \(None, 3\) and labels \(None,\) to \(None, 2\)",
    ),
    "discriminator of other data": (
        lambda: genzoo.GAN((2,), 3, discriminator=dense((3,), 1)),
        r"`discriminator` must map data \(None, 2\) to \(None, 1\).*\(None, 3\)",
    ),
    "discriminator of two scores": (
        lambda: genzoo.GAN((2,), 3, discriminator=dense((2,), 2)),
        r"`discriminator` must map.*\(None, 1\).*\(None, 2\)",
    ),
    "discriminator of other images": (
        lambda: genzoo.DCGAN(IMAGE, 3, discriminator=dense((8, 8, 3), 1)),
        r"`discriminator` must map.*\(None, 8, 8, 1\).*\(None, 8, 8, 3\)",
    ),
    "discriminator without labels": (
        lambda: genzoo.WGANGP((2,), 3, num_classes=3, discriminator=dense((2,), 1)),
        r"`discriminator` must map.*labels",
    ),
    "a discriminator that is no network": (
        lambda: genzoo.GAN((2,), 3, discriminator="mlp"),
        r"`discriminator` must map.*be a Keras model.*'mlp'",
    ),
    "a network that fails": (
        lambda: genzoo.GAN((2,), 3, generator=keras.layers.Reshape((5,))),
        r"`generator` must map.*",
    ),
}


@pytest.mark.parametrize("what", CONSTRUCTORS)
def test_bad_constructors(what):
    build, words = CONSTRUCTORS[what]
    refused(build, words)


# The verbs: the model, the call, the words.
VERBS = {
    "sample of nothing": (gan, lambda m: m.sample(), r"either `num_samples` or `labels`"),
    "sample of both": (
        conditional,
        lambda m: m.sample(3, labels=[0, 1, 2]),
        r"either `num_samples` or `labels`",
    ),
    "sample of 0": (gan, lambda m: m.sample(0), r"`num_samples` must be a positive.*=0"),
    "sample of a float": (vae, lambda m: m.sample(2.0), r"`num_samples` must be a positive.*2\.0"),
    "labels out of range": (conditional, lambda m: m.sample(labels=[3]), r"`labels`.*\[0, 3\)"),
    "labels of floats": (conditional, lambda m: m.sample(labels=[1.0]), r"`labels`.*integers"),
    "labels of rank 2": (conditional, lambda m: m.sample(labels=[[1]]), r"`labels`.*one label"),
    "no labels at all": (
        conditional,
        lambda m: m.sample(labels=np.zeros(0, "int32")),
        r"`labels`",
    ),
    "labels without classes": (gan, lambda m: m.sample(labels=[1]), r"`labels` must be None"),
    "encode of a list": (images, lambda m: m.encode([1.0]), r"`x` must be an array.*list"),
    "encode of a wrong shape": (images, lambda m: m.encode(IMAGES[0]), r"`x` must have the shape"),
    "encode out of range": (images, lambda m: m.encode(2 * IMAGES), r"`x` must be floats in"),
    "encode with labels": (images, lambda m: m.encode(IMAGES, LABELS), r"`labels` must be None"),
    "encode of nothing": (images, lambda m: m.encode(IMAGES[:0]), r"at least one example"),
    "reconstruct NaN": (
        images,
        lambda m: m.reconstruct(with_value(IMAGES, np.nan)),
        r"`x` must be finite",
    ),
    "score of integers": (
        images,
        lambda m: m.anomaly_score(IMAGES.astype("int32")),
        r"`x` must be floats.*int32",
    ),
    "decode other codes": (images, lambda m: m.decode(np.ones((3, 5))), r"`codes`.*\(3, 5\)"),
    "decode a list": (images, lambda m: m.decode([[1.0, 2.0]]), r"`codes`.*list"),
    "log_likelihood of 0 samples": (
        vae,
        lambda m: m.log_likelihood(np.abs(POINTS) / 9, 0),
        r"`num_samples` must be a positive.*=0",
    ),
    "log_likelihood out of range": (vae, lambda m: m.log_likelihood(POINTS), r"`x` must be floats"),
}


@pytest.mark.parametrize("what", VERBS)
def test_bad_verbs(what):
    build, call, words = VERBS[what]
    model = build()
    refused(lambda: call(model), words)


# Good input. --------------------------------------------------------------------------------------

UINT8 = (255 * IMAGES).astype("uint8")


@pytest.mark.parametrize(
    "data",
    [
        UINT8,
        IMAGES.astype("float64"),
        IMAGES.astype("float16"),
        tf.constant(IMAGES),
        one_by_one(UINT8).batch(16),
        one_by_one((UINT8, LABELS)).batch(16),
        one_by_one(IMAGES).shuffle(64).batch(24),
        one_by_one(IMAGES).batch(16).repeat(),
        Batches([(UINT8[:32], LABELS[:32]), (UINT8[32:], LABELS[32:])]),
    ],
    ids=[
        "uint8", "float64", "float16", "tensor", "data set of uint8",
        "data set with labels", "uneven data set", "endless data set", "PyDataset",
    ],
)  # fmt: skip
def test_good_data(data):
    model = images()
    model.compile(run_eagerly=True)
    history = model.fit(data, steps_per_epoch=2, verbose=0).history
    assert set(history) == {"loss"} and np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("labels", [LABELS, LABELS.astype("int64"), LABELS.astype("uint8")])
def test_good_labels(labels):
    model = conditional()
    model.compile(run_eagerly=True)
    model.fit(POINTS, labels, verbose=0)
    model.fit(one_by_one((POINTS, labels)).batch(16), verbose=0)
    assert model.generator_optimizer.iterations == 2 + 4


@pytest.mark.parametrize("labels", [LABELS, LABELS.astype("uint8"), LABELS - 7])
def test_unconditional_models_ignore_labels(labels):
    model = gan()
    model.compile(run_eagerly=True)
    model.fit(POINTS, labels, verbose=0)
    model.fit(one_by_one((POINTS, labels)).batch(32), verbose=0)
    model.evaluate(POINTS, labels, verbose=0)
    assert model.generator_optimizer.iterations == 4


@pytest.mark.parametrize("with_labels", [False, True])
def test_no_batch_of_a_generator_is_lost(with_labels, monkeypatch):
    model = conditional() if with_labels else gan()
    model.compile(run_eagerly=True)
    seen, unpack = [], model.unpack

    def spy(data):
        seen.append(np.array(data[0]))
        return unpack(data)

    monkeypatch.setattr(model, "unpack", spy)
    parts = [batch(POINTS[i::4], LABELS[i::4] if with_labels else None) for i in range(4)]
    model.fit((part for part in parts), steps_per_epoch=4, verbose=0)
    np.testing.assert_array_equal(seen, [x for x, *_ in parts])


VALIDATION = {
    "array": (lambda x, y: x, False),
    "tuple of one": (lambda x, y: (x,), False),
    "tuple": (lambda x, y: (x, y), True),
    "data set": (lambda x, y: one_by_one((x, y)).batch(16), True),
    "PyDataset": (lambda x, y: Batches([(x, y)]), True),
    "generator": (lambda x, y: (b for b in [(x, y)] * 4), True),
}


@pytest.mark.parametrize("form", VALIDATION)
def test_good_validation_data(form):
    make, with_labels = VALIDATION[form]
    model = conditional() if with_labels else gan()
    model.compile(run_eagerly=True)
    steps = {"validation_steps": 1} if form == "generator" else {}
    history = model.fit(
        POINTS, LABELS, epochs=2, validation_data=make(POINTS, LABELS), verbose=0, **steps
    ).history
    names = {"generator_loss", "discriminator_loss"}
    assert set(history) == names | {f"val_{name}" for name in names}
    assert np.isfinite(list(history.values())).all()


def test_validation_split():
    model = gan()
    model.compile(run_eagerly=True)
    history = model.fit(POINTS, validation_split=0.5, verbose=0).history
    assert "val_generator_loss" in history


def test_data_without_range():
    model = gan()
    model.compile(run_eagerly=True)
    for points in (100 * POINTS, np.ones((64, 2), "int64")):
        assert np.isfinite(list(model.fit(points, verbose=0).history.values())).all()


def test_uint8_vectors_are_refused():
    """They could mean 0 to 255 or what they say."""
    model = gan()
    model.compile()
    with pytest.raises(ValueError, match=r"`x` must be floats. Received: dtype uint8"):
        model.fit(np.full((64, 2), 200, "uint8"), verbose=0)


def test_compile_takes_no_loss():
    model = gan()
    with pytest.raises(ValueError, match=r"an argument of the constructor. Received: \['loss'\]"):
        model.compile(loss="hinge")
    assert isinstance(model.loss, genzoo.losses.NonSaturating)


def test_labels_may_be_a_list():
    model = genzoo.ConditionalGAN((2,), 10, 2)
    model.compile()
    model.fit(POINTS[:32], [3] * 32, verbose=0)


def test_denoising_takes_noisy_images_of_any_range():
    model = genzoo.DenoisingAutoencoder(
        IMAGE,
        2,
        encoder=networks.dense_encoder(IMAGE, 2, hidden_units=(4,)),
        decoder=networks.dense_decoder(IMAGE, 2, hidden_units=(4,)),
    )
    assert np.isfinite(model.reconstruct(3 * IMAGES - 1)).all()
    model.compile()
    refused(lambda: model.fit(3 * IMAGES - 1), r"`x` must be floats in \[0, 1\]", model)


# The last activation. -----------------------------------------------------------------------------


class Own(keras.Model):
    """A network that is not a graph of layers."""

    def __init__(self, outputs, activation):
        super().__init__()
        self.activation = activation
        layers = [keras.layers.Dense(8, "relu"), keras.layers.Dense(int(np.prod(outputs)))]
        self.layer = keras.Sequential([keras.layers.Flatten(), *layers])
        self.reshape = keras.layers.Reshape(outputs)

    def call(self, inputs):
        return self.activation(self.reshape(self.layer(inputs)))


def ending(kind, inputs, outputs, activation):
    """A network with a last activation: as a layer's argument, a layer, or a part of `call`."""
    if kind == "subclass":
        return Own(outputs, activation)
    network = keras.Sequential([keras.Input(inputs), keras.layers.Flatten()])
    if kind == "layer":
        network.add(keras.layers.BatchNormalization())
        network.add(keras.layers.Dense(8, "tanh"))
        network.add(keras.layers.LayerNormalization())
        network.add(keras.layers.Dense(int(np.prod(outputs))))
        network.add(keras.layers.Activation(activation))
    else:
        network.add(keras.layers.Dense(int(np.prod(outputs)), activation))
    network.add(keras.layers.Reshape(outputs))
    return network


KINDS = ["argument", "layer", "subclass"]
SQUASHING = ["sigmoid", "hard_sigmoid", "tanh"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", SQUASHING)
@pytest.mark.parametrize("loss", ["minimax", "non_saturating", "hinge", "wasserstein"])
def test_discriminators_that_end_in_an_activation(loss, activation, kind):
    critic = ending(kind, (2,), (1,), getattr(keras.activations, activation))
    words = r"`discriminator` must end without an activation.*logits.*stay in \[-?[01], 1\]"
    refused(lambda: genzoo.GAN((2,), 3, loss, discriminator=critic), words)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["linear", "leaky_relu"])
def test_discriminators_of_raw_scores(activation, kind):
    for data in ((2,), IMAGE):
        critic = ending(kind, data, (1,), getattr(keras.activations, activation))
        genzoo.GAN(data, 3, "hinge", discriminator=critic)


def test_what_is_no_fault_in_a_discriminator():
    # The targets of least squares are 0 and 1.
    critic = ending("argument", (2,), (1,), keras.activations.sigmoid)
    genzoo.GAN((2,), 3, "least_squares", discriminator=critic)
    # A last layer of zeros says nothing yet, and neither does one whose outputs are small.
    for initializer in ("zeros", keras.initializers.RandomNormal(stddev=1e-6)):
        last = keras.layers.Dense(1, kernel_initializer=initializer)
        critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4), last])
        genzoo.GAN((2,), 3, discriminator=critic)
    spectral = {"spectral_normalization": True, "minibatch_stddev": 4, "num_classes": 3}
    for build in (networks.dense_discriminator, networks.dcgan_discriminator):
        critic = build(IMAGE, **spectral)
        genzoo.GAN(IMAGE, 3, "hinge", num_classes=3, discriminator=critic)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_classes", [None, 3])
def test_decoders_of_a_vae_that_end_in_a_sigmoid(kind, num_classes):
    decoder = ending(kind, (3,), IMAGE, keras.activations.sigmoid)
    if num_classes is not None:
        options = {"num_classes": 3, "output_activation": "sigmoid"}
        decoder = networks.dense_decoder(IMAGE, 3, **options)
    words = r"`decoder` must end without an activation.*BernoulliLikelihood takes raw.*\[0, 1\]"
    options = {"num_classes": num_classes, "decoder": decoder}
    refused(lambda: genzoo.VAE(IMAGE, 3, **options), words)
    genzoo.VAE(IMAGE, 3, likelihood="gaussian", **options)  # a mean, which may be bounded


@pytest.mark.parametrize("kind", KINDS)
def test_generators_that_leave_the_range_of_images(kind):
    for activation in ("tanh", "linear"):
        generator = ending(kind, (3,), IMAGE, getattr(keras.activations, activation))
        with pytest.warns(UserWarning, match=r"`generator` should.*Rescaling.*Received: .* -?\d"):
            genzoo.GAN(IMAGE, 3, generator=generator)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generator = ending(kind, (3,), IMAGE, keras.activations.sigmoid)
        genzoo.GAN(IMAGE, 3, generator=generator)
        genzoo.GAN((2,), 3, generator=ending(kind, (3,), (2,), keras.activations.tanh))
        genzoo.GAN(IMAGE, 3, generator=networks.dcgan_generator(IMAGE, 3))


def test_encoders_of_a_sparse_autoencoder_give_rates():
    encoder = ending("argument", (2,), (4,), keras.activations.relu)
    words = r"`encoder` must end in an activation with values in \[0, 1\].*Received: .*such as \d"
    refused(lambda: genzoo.SparseAutoencoder((2,), 4, encoder=encoder), words)
    genzoo.SparseAutoencoder((2,), 4, kl_weight=0, l1_weight=0.1, encoder=encoder)
    encoder = ending("argument", (2,), (4,), keras.activations.hard_sigmoid)
    genzoo.SparseAutoencoder((2,), 4, encoder=encoder)


@pytest.mark.parametrize("sizes", [5, "64", (64, 0), (64, 2.5), (True,)])
def test_bad_sizes(sizes):
    for build in (
        lambda: genzoo.Autoencoder((8, 8, 1), hidden_units=sizes),
        lambda: genzoo.networks.dense_decoder((8,), 2, hidden_units=sizes),
    ):
        with pytest.raises(ValueError, match="`hidden_units` must be a sequence of positive int"):
            build()
    for build in (
        lambda: genzoo.ConvolutionalAutoencoder((8, 8, 1), filters=sizes),
        lambda: genzoo.networks.generator((8, 8, 1), 2, filters=sizes),
        lambda: genzoo.networks.discriminator((8, 8, 1), filters=sizes),
    ):
        with pytest.raises(ValueError, match="`filters` must be a sequence of positive integers"):
            build()


def test_a_loss_that_is_passed_to_compile_by_place():
    with pytest.raises(ValueError, match="its loss is an argument of the constructor"):
        genzoo.Autoencoder((2,)).compile("adam", "mse")
    with pytest.raises(ValueError, match="its loss is an argument of the constructor"):
        genzoo.GAN((2,)).compile("adam", "adam", "hinge")


def test_data_are_no_latents():
    model = genzoo.GAN((8, 8, 1), 4)
    with pytest.raises(ValueError, match=r"must be latents of shape \(batch, 4\); `sample`"):
        model.predict(np.zeros((2, 8, 8, 1), "float32"), verbose=0)
    assert model.predict(np.zeros((2, 4), "float32"), verbose=0).shape == (2, 8, 8, 1)


def test_labels_are_no_path():
    with pytest.raises(ValueError, match=r"`path` must be a path\. Pass images and labels"):
        genzoo.metrics.features.train_classifier(np.zeros((4, 8, 8, 1)), np.zeros(4))
