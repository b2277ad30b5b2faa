"""PSNR and SSIM against scikit-image."""

import keras
import numpy as np
import pytest
import skimage.color
import skimage.metrics
import tensorflow as tf

import keras_genzoo as genzoo
from keras_genzoo.metrics import PSNR, SSIM

RNG = np.random.default_rng(0)
X = RNG.random((6, 24, 33, 3)).astype("float32")
NOISE = RNG.normal(size=X.shape) * np.linspace(0.02, 0.2, 6)[:, None, None, None]
Y = np.clip(X + NOISE, 0, 1).astype("float32")


def expected(name, x, y, luma=False, crop=0):
    """The mean over images, as scikit-image computes it in float64."""
    values = []
    for pair in zip(x, y, strict=True):
        a, b = (image.astype("float64") for image in pair)
        if luma:
            a, b = (skimage.color.rgb2ycbcr(image)[..., :1] / 255 for image in (a, b))
        if crop:
            a, b = (image[crop:-crop, crop:-crop] for image in (a, b))
        if name == "psnr":
            value = skimage.metrics.peak_signal_noise_ratio(a, b, data_range=1.0)
        else:
            value = skimage.metrics.structural_similarity(
                a,
                b,
                channel_axis=-1,
                data_range=1.0,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
        values.append(value)
    return np.mean(values)


@pytest.mark.parametrize("crop", [0, 4])
@pytest.mark.parametrize("luma", [False, True])
@pytest.mark.parametrize("cls", [PSNR, SSIM])
def test_as_in_scikit_image(cls, luma, crop):
    metric = cls(luma=luma, crop=crop)
    for part in (slice(0, 4), slice(4, 6)):  # two batches of unequal sizes
        metric.update_state(X[part], Y[part])
    value = expected(metric.name, X, Y, luma, crop)
    assert float(metric.result()) == pytest.approx(value, abs=1e-4)
    metric.reset_state()
    metric.update_state(X[:1], Y[:1])
    value = expected(metric.name, X[:1], Y[:1], luma, crop)
    assert float(metric.result()) == pytest.approx(value, abs=1e-4)


def test_as_in_tensorflow():
    for cls, function in {PSNR: tf.image.psnr, SSIM: tf.image.ssim}.items():
        metric = cls()
        metric.update_state(X, Y)
        assert float(metric.result()) == pytest.approx(np.mean(function(X, Y, 1.0)), rel=1e-5)


def test_known_values():
    zeros = np.zeros((2, 16, 16, 1))
    psnr, ssim = PSNR(), SSIM()
    psnr.update_state(zeros, zeros + 0.1)
    assert float(psnr.result()) == pytest.approx(20.0, abs=1e-4)
    ssim.update_state(X, X)
    assert float(ssim.result()) == pytest.approx(1.0, abs=1e-6)
    psnr.update_state(zeros, zeros)
    assert np.isinf(float(psnr.result()))


def test_uint8_and_weights():
    x, y = ((255 * images).round().astype("uint8") for images in (X, Y))
    metric, weighted = PSNR(), PSNR()
    metric.update_state(x, y)
    assert float(metric.result()) == pytest.approx(expected("psnr", x / 255, y / 255), abs=1e-4)
    weighted.update_state(X, Y, sample_weight=[0, 0, 0, 0, 1, 1])
    assert float(weighted.result()) == pytest.approx(expected("psnr", X[4:], Y[4:]), abs=1e-4)


@pytest.mark.parametrize("cls", [PSNR, SSIM])
def test_replicas_add_up(cls, two_replicas):
    with two_replicas.scope():
        metric = cls()

    @tf.function
    def update(batch):
        two_replicas.run(lambda x, y: metric.update_state(x, y), args=batch)

    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    for batch in two_replicas.experimental_distribute_dataset(data):
        update(batch)
    assert float(metric.result()) == pytest.approx(expected(metric.name, X, Y), abs=1e-4)


def test_models_are_saved_with_them(tmp_path):
    network = genzoo.networks.espcn_generator((8, 8, 3), 2, filters=(4,))
    model = genzoo.SuperResolution((8, 8, 3), 2, network=network)
    model.compile(metrics=[PSNR(luma=True, crop=2), SSIM(crop=1, name="similarity")])
    large = X[:, :16, :16]
    logs = model.evaluate(large, verbose=0, return_dict=True)
    small = tf.image.resize(large, (8, 8), "bicubic", antialias=True).numpy().clip(0, 1)
    restored = model.translate(small)
    assert logs["psnr"] == pytest.approx(expected("psnr", large, restored, True, 2), abs=1e-3)
    assert logs["similarity"] == pytest.approx(expected("ssim", large, restored, crop=1), abs=1e-3)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert copy.evaluate(large, verbose=0, return_dict=True) == pytest.approx(logs, rel=1e-6)


def test_more_is_better():
    """Early stopping and checkpoints keep the highest value."""
    network = genzoo.networks.espcn_generator((8, 8, 3), 2, filters=(4,))
    model = genzoo.SuperResolution((8, 8, 3), 2, network=network)
    model.compile(metrics=[PSNR()])
    stopping = keras.callbacks.EarlyStopping("val_psnr", restore_best_weights=True)
    large = X[:, :16, :16]
    options = {"batch_size": 6, "verbose": 0, "callbacks": [stopping]}
    model.fit(large, validation_data=large, **options)
    assert stopping.monitor_op(2.0, 1.0) and not stopping.monitor_op(1.0, 2.0)


@pytest.mark.parametrize(
    "arguments, images, message",
    [
        ({"crop": -1}, None, "`crop` must be an integer of at least 0"),
        ({"crop": 2.0}, None, "`crop` must be an integer of at least 0"),
        ({"luma": True}, X[..., :1], "`luma` needs images of 3 channels"),
        ({"crop": 12}, X, "needs images .* of 25 pixels"),
        ({}, X[0], "needs images"),
    ],
)
def test_bad_arguments(arguments, images, message):
    with pytest.raises(ValueError, match=message + r".*Received: "):
        PSNR(**arguments).update_state(images, images)
    with pytest.raises(ValueError, match=r"of 11 pixels or more.*Received: "):
        SSIM().update_state(X[:, :10], X[:, :10])
    for scale in (lambda x: 255 * x, lambda x: 2 * x - 1):
        with pytest.raises(ValueError, match=r"`y_pred` must be images as floats in \[0, 1\]"):
            PSNR().update_state(X, scale(X))
    with pytest.raises(ValueError, match=r"same shape.*Received: "):
        PSNR().update_state(X, X[:, :20])
