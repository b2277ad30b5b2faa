"""The shared tests of all models of the zoo."""

import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract.cases import CASES

import keras_genzoo as genzoo
from keras_genzoo import networks

AE_LOGS = {"loss"}
VAE_LOGS = {"loss", "reconstruction_loss", "kl_loss", "elbo"}
GAN_LOGS = {"generator_loss", "discriminator_loss"}
PENALTY_LOGS = GAN_LOGS | {"gradient_penalty"}
PAIR_LOGS = GAN_LOGS | {"content_loss"}
GAU_LOGS = GAN_LOGS | {"feature_loss"}
CYCLE_LOGS = GAN_LOGS | {"cycle_loss"}


# What each model of the contract's table logs.
LOGS = {
    "Autoencoder": AE_LOGS,
    "ConvolutionalAutoencoder": AE_LOGS,
    "SparseAutoencoder": {"loss", "reconstruction_loss", "sparsity_loss", "active_fraction"},
    "DenoisingAutoencoder": AE_LOGS,
    "DenoisingAutoencoder, a Keras layer's noise": AE_LOGS,
    "VAE": VAE_LOGS,
    "VAE, Gaussian, of vectors": VAE_LOGS,
    "VAE, conditional": VAE_LOGS,
    "GAN": GAN_LOGS,
    "GAN, least squares, DRAGAN, of vectors": PENALTY_LOGS,
    "GAN, spectral normalization, minibatch standard deviation": GAN_LOGS,
    "DCGAN": GAN_LOGS,
    "DCGAN, packed, augmented, averaged": GAN_LOGS,
    "DCGAN, adaptive augmentation, two critic steps": GAN_LOGS | {"augmentation_strength"},
    "ConditionalGAN": GAN_LOGS,
    "WGAN": GAN_LOGS,
    "WGANGP": PENALTY_LOGS,
    "WGANGP, conditional, one-sided": PENALTY_LOGS,
    "Pix2Pix": PAIR_LOGS,
    "Pix2Pix, R1, augmented, averaged, with noise": PAIR_LOGS | {"gradient_penalty"},
    "GauGAN": GAU_LOGS,
    "GauGAN, plain convolutions, with noise, L1, augmented, averaged": GAU_LOGS | {"content_loss"},
    "CycleGAN": CYCLE_LOGS | {"identity_loss"},
    "CycleGAN, other channels, averaged, without a pool": CYCLE_LOGS,
    "SuperResolution": AE_LOGS,
    "SRGAN, of large images alone": GAN_LOGS | {"content_loss"},
}


def build(name):
    return CASES[name].make()


class Case:
    """A model after two steps of training, and its data."""

    def __init__(self, name, digits):
        self.name, self.logs = name, LOGS[name]
        self.model = build(name)
        images, labels = digits
        self.takes_label_maps = isinstance(self.model.data_field, genzoo.fields.LabelMaps)
        if self.takes_label_maps:
            self.x = images[:64, ..., 0].astype("int64") * 3 // 256
        elif networks.is_image(self.model.data_shape):
            self.x = images[:64]
        else:
            self.x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
        self.labels = self.y = None if self.model.labels_field.absent else labels[:64]
        self.translates = "translate" in self.model.verbs
        if self.translates and self.model.scale == 1:
            channels = self.model.fields[1].shape[-1]
            x = images[:64]
            self.y = np.concatenate([255 - x, x], axis=-1)[..., :channels]
        self.history = self.fit(self.model).history

    def fit(self, model):
        return model.fit(self.x, self.y, batch_size=32, shuffle=False, verbose=0)

    def batch(self):
        x = tf.constant(self.x[:32])
        return x if self.y is None else (x, tf.constant(self.y[:32]))

    def evaluate(self, model):
        return model.evaluate(self.x, self.y, verbose=0, return_dict=True)

    def given_labels(self, size):
        return {} if self.labels is None else {"labels": self.labels[:size]}

    def inputs(self):
        """Returns eight examples of the inputs that `model` takes."""
        if self.takes_label_maps:
            inputs = self.model.data_field.convert(self.x[:8])
        elif self.translates and self.model.scale > 1:
            inputs = tf.random.stateless_uniform((8, *self.model.data_shape), (1, 2))
        elif self.translates or "encode" in self.model.verbs:
            scale = 255 if self.x.dtype == np.uint8 else 1
            inputs = tf.constant(self.x[:8] / scale, tf.float32)
        else:
            inputs = tf.random.stateless_normal((8, self.model.latent_dim), (1, 2))
        return inputs if self.labels is None else [inputs, tf.constant(self.labels[:8], tf.int32)]


@pytest.fixture(scope="module", params=LOGS)
def case(request, digits):
    return Case(request.param, digits)


def equal_variables(first, second):
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=getattr(a, "path", ""))


def test_fit_logs_exactly_these_names(case):
    assert set(case.history) == case.logs
    assert np.isfinite(list(case.history.values())).all()


def test_evaluate_logs_exactly_these_names_and_repeats(case):
    logs = case.evaluate(case.model)
    assert set(logs) == case.logs
    assert np.isfinite(list(logs.values())).all()
    assert case.evaluate(case.model) == logs


def test_constructor_arguments_are_attributes_and_config(case):
    model, config = case.model, case.model.get_config()
    for name, parameter in inspect.signature(type(model)).parameters.items():
        if parameter.kind is not parameter.VAR_KEYWORD and name not in ("name", "dtype"):
            assert hasattr(model, name)
            restored = keras.saving.deserialize_keras_object(config[name])
            own = getattr(model, name)
            if isinstance(own, tuple):
                assert tuple(restored) == own
            elif not isinstance(own, keras.layers.Layer):
                assert type(restored) is type(own)
                if hasattr(own, "get_config"):
                    assert restored.get_config() == own.get_config()
                else:
                    assert restored == own
    assert model.latent_dim in ((None, 3) if case.translates else (4, 8))


def test_from_config(case):
    config = case.model.get_config()
    copy = type(case.model).from_config(config)
    assert type(copy) is type(case.model) and copy.get_config().keys() == config.keys()
    shapes = [variable.shape for variable in case.model.variables]
    assert [variable.shape for variable in copy.variables] == shapes
    assert copy.log_names == case.model.log_names


def check_data(case, data, size):
    assert isinstance(data, np.ndarray) and data.dtype == np.float32
    assert data.shape == (size, *case.model.data_shape)
    assert np.isfinite(data).all()
    # A VAE's Gaussian means and an autoencoder's own decoder know no range.
    sampled_images = "encode" not in case.model.verbs or case.name == "VAE, conditional"
    if sampled_images and networks.is_image(case.model.data_shape):
        assert data.min() >= 0 and data.max() <= 1


def test_sample(case):
    model = case.model
    if "sample" not in model.verbs:
        pytest.skip("not generative")
    first = model.sample(5, seed=1)
    check_data(case, first, 5)
    np.testing.assert_array_equal(model.sample(5, seed=1), first)
    assert not np.array_equal(model.sample(5, seed=2), first)
    assert not np.array_equal(model.sample(5), model.sample(5))
    check_data(case, model.sample(300, seed=1), 300)  # more than a part at a time


def test_sample_by_labels(case):
    model = case.model
    if model.labels_field.absent:
        pytest.skip("not conditional")
    for labels in ([1, 2, 1], np.array([1, 2, 1]), np.array([1, 2, 1], "uint8")):
        data = model.sample(labels=labels, seed=1)
        check_data(case, data, 3)
    # The labels enter: the same latents, another class.
    others = model.sample(labels=[3, 2, 3], seed=1)
    assert not np.allclose(others[0], data[0]) and np.allclose(others[1], data[1])


def test_verbs_of_autoencoders(case):
    model = case.model
    if "encode" not in model.verbs:
        pytest.skip("no autoencoder")
    x, labels = case.x[:5], case.given_labels(5)
    codes = model.encode(x, **labels)
    assert codes.shape == (5, model.latent_dim) and codes.dtype == np.float32
    decoded, reconstruction = model.decode(codes, **labels), model.reconstruct(x, **labels)
    check_data(case, decoded, 5)
    np.testing.assert_allclose(decoded, reconstruction, rtol=1e-5, atol=1e-6)
    scores = model.anomaly_score(x, **labels)
    assert scores.shape == (5,) and scores.dtype == np.float32 and np.isfinite(scores).all()


def test_uint8_and_float_images_are_the_same(case):
    if case.x.dtype != np.uint8:
        pytest.skip("no images")
    floats = case.x.astype("float32") / 255
    if not case.name.startswith("DenoisingAutoencoder"):  # its noise differs
        evaluate = functools.partial(case.model.evaluate, y=case.y, return_dict=True, verbose=0)
        assert evaluate(case.x) == pytest.approx(evaluate(floats), rel=1e-5)
    if "encode" in case.model.verbs:
        for verb in ("encode", "reconstruct", "anomaly_score"):
            call = getattr(case.model, verb)
            np.testing.assert_allclose(
                call(case.x[:3], **case.given_labels(3)),
                call(floats[:3], **case.given_labels(3)),
                rtol=1e-4,
                atol=1e-6,
            )


def test_call_is_differentiable(case):
    inputs = case.inputs()
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = case.model(inputs)
    assert outputs.shape == (8, *case.model.generated_field.shape) and outputs.dtype == tf.float32
    gradient = tape.gradient(outputs, inputs)
    gradient = gradient[0] if isinstance(gradient, list) else gradient
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def run(name, digits, **options):
    model = CASES[name].make(**options)
    return model.fit(digits[0][:64], batch_size=32, shuffle=False, verbose=0).history


@pytest.mark.parametrize("name", LOGS)
def test_xla_is_for_accelerators(name, monkeypatch):
    assert build(name).jit_compile is False
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    devices = [*tf.config.list_physical_devices(), gpu]
    monkeypatch.setattr(
        tf.config,
        "list_physical_devices",
        lambda kind=None: [d for d in devices if kind in (None, d.device_type)],
    )
    assert build(name).jit_compile is True


def test_metrics_of_autoencoders(digits):
    x = digits[0][:64]
    model = CASES["Autoencoder"].build()
    model.compile(metrics=[keras.metrics.MeanSquaredError()])
    history = model.fit(x, validation_data=x, verbose=0).history
    names = {"loss", "mean_squared_error"}
    assert set(history) == names | {f"val_{name}" for name in names}
    logs = model.evaluate(x, verbose=0, return_dict=True)
    assert set(logs) == names
    assert logs["mean_squared_error"] == pytest.approx(logs["loss"], rel=1e-4)
    expected = np.mean((model.reconstruct(x) - x / 255) ** 2)
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)


def test_metrics_of_gans_are_of_real_and_generated_data(digits, tmp_path):
    x = digits[0][:32]
    model = CASES["GAN"].build()
    model.compile(metrics=[keras.metrics.MeanSquaredError()])
    assert set(model.fit(x, verbose=0).history) == GAN_LOGS
    logs = model.evaluate(x, verbose=0, return_dict=True)
    assert set(logs) == GAN_LOGS | {"mean_squared_error"}
    latents = genzoo.layers.Noise(0).normal((32, 4))
    expected = np.mean((model(latents) - x / 255) ** 2)
    assert logs["mean_squared_error"] == pytest.approx(expected, rel=1e-4)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert copy.evaluate(x, verbose=0, return_dict=True) == pytest.approx(logs, rel=1e-5)


def linear(inputs, outputs, factor, name):
    regularizer = keras.regularizers.L2(factor) if factor else None
    layer = keras.layers.Dense(outputs, kernel_regularizer=regularizer)
    return keras.Sequential([keras.Input((inputs,)), layer], name=name)


def regularized_autoencoder(factor):
    parts = {"encoder": linear(2, 3, factor, "e"), "decoder": linear(3, 2, factor, "d")}
    model = genzoo.Autoencoder((2,), 3, **parts)
    model.compile(keras.optimizers.SGD(0.1))
    return model


def regularized_gan(factor):
    parts = {"generator": linear(3, 2, factor, "g"), "discriminator": linear(2, 1, factor, "d")}
    model = genzoo.GAN((2,), 3, **parts)
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    return model


def test_regularizers_of_own_networks_enter_the_loss():
    x = np.random.default_rng(0).normal(size=(16, 2)).astype("float32")

    def step(build, factor):
        keras.utils.set_random_seed(5)
        model = build(factor)
        before = [variable.numpy() for variable in model.trainable_variables]
        model.fit(x, batch_size=16, verbose=0)
        return before, [variable.numpy() for variable in model.trainable_variables]

    before, plain = step(regularized_autoencoder, 0.0)
    _, regularized = step(regularized_autoencoder, 0.5)
    for start, a, b in zip(before, plain, regularized, strict=True):
        # The gradient of 0.5 |w|² is w; biases have none.
        expected = 0.1 * start if start.ndim == 2 else 0
        np.testing.assert_allclose(a - b, expected + np.zeros_like(start), atol=1e-5)

    # The generator's step sees the updated discriminator, so that only the latter is compared.
    before, plain = step(regularized_gan, 0.0)
    _, regularized = step(regularized_gan, 0.5)
    by_shape = {v.shape: i for i, v in enumerate(before)}
    kernel = by_shape[(2, 1)]
    np.testing.assert_allclose(plain[kernel] - regularized[kernel], 0.1 * before[kernel], atol=1e-5)
    kernel = by_shape[(3, 2)]
    assert np.abs(plain[kernel] - regularized[kernel]).max() > 0.01


def test_runs_are_repeatable(digits):
    assert run("VAE", digits) == run("VAE", digits)


def test_uncompiled_models_say_so(digits):
    for name in ("Autoencoder", "GAN"):
        with pytest.raises(ValueError, match=r"compile"):
            CASES[name].build().fit(digits[0])
