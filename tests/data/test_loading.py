"""Tests of bundled images and of images from tensorflow-datasets."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import requests
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_genzoo import data
from keras_genzoo.data.batching import buffer_of


class TinyShapes(tfds.core.GeneratorBasedBuilder):
    """A labelled data set without a download. All pixels of image i have the value i."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(4, 6, 3)),
            "label": tfds.features.ClassLabel(num_classes=3),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(20), "test": self._generate_examples(7)}

    def _generate_examples(self, count):
        for i in range(count):
            yield i, {"image": np.full((4, 6, 3), i, "uint8"), "label": i % 3}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Makes tensorflow-datasets use a temporary directory."""
    path = tmp_path_factory.mktemp("tensorflow_datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(path))
        yield path


def numpy_epoch(dataset):
    return np.concatenate(list(dataset.as_numpy_iterator()))


# Bundled sets.


@pytest.mark.parametrize(
    "name, split, size, shape, counts",
    [
        ("digits", "train", 1437, (8, 8, 1), [142, 146, 141, 147, 144, 146, 145, 143, 139, 144]),
        ("digits", "test", 360, (8, 8, 1), [36, 36, 36, 36, 37, 36, 36, 36, 35, 36]),
        ("mnist_5k", "train", 4000, (28, 28, 1), [400] * 10),
        ("mnist_5k", "test", 1000, (28, 28, 1), [100] * 10),
    ],
)
def test_bundled_arrays(name, split, size, shape, counts):
    images, labels = data.arrays(name, split)
    assert images.shape == (size, *shape) and images.dtype == np.uint8
    assert labels.shape == (size,) and labels.dtype == np.int32
    assert np.bincount(labels).tolist() == counts
    assert images.min() == 0 and images.max() == 255
    assert len(np.unique(labels[:64])) == 10  # the classes are mixed


@pytest.mark.parametrize("name", ["digits", "mnist_5k"])
def test_bundled_splits_do_not_overlap_and_cover_the_set(name):
    train, test = (data.arrays(name, split)[0] for split in ("train", "test"))
    keys = [{image.tobytes() for image in images} for images in (train, test)]
    assert not keys[0] & keys[1]
    assert len(keys[0]) == len(train) and len(keys[1]) == len(test)


def test_digits_are_the_rescaled_digits_of_scikit_learn():
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    by_pixels = {row.tobytes(): label for row, label in zip(pixels, classes, strict=True)}
    images, labels = data.arrays("digits", "test")
    for image, label in zip(images, labels, strict=True):
        assert by_pixels[np.rint(image.reshape(64) / 255 * 16).tobytes()] == label


def test_bundled_arrays_are_the_same_whatever_the_global_seed():
    keras.utils.set_random_seed(1)
    images, labels = data.arrays("digits")
    first_labels = labels[:10].tolist()
    images[:] = 0  # the arrays are copies
    keras.utils.set_random_seed(2)
    images, labels = data.arrays("digits")
    assert labels[:10].tolist() == first_labels and images.max() == 255
    # The split must never change, because published results depend on it.
    assert first_labels == [8, 2, 6, 6, 7, 1, 9, 8, 5, 2]


@pytest.mark.parametrize("name, shape", [("digits", (8, 8, 1)), ("mnist_5k", (28, 28, 1))])
def test_load_bundled_specs(name, shape):
    images, labels = data.load(name, batch_size=50).element_spec
    assert images.shape == (50, *shape) and images.dtype == tf.uint8
    assert labels.shape == (50,) and labels.dtype == tf.int32
    only_images = data.load(name, labels=False).element_spec
    assert only_images.shape == (64, *shape) and only_images.dtype == tf.uint8


def test_train_is_shuffled_and_drops_the_last_partial_batch():
    dataset = data.load("digits", labels=False)
    assert len(dataset) == 1437 // 64
    epochs = [numpy_epoch(dataset) for _ in range(2)]
    images, _ = data.arrays("digits")
    assert len(epochs[0]) == 1437 // 64 * 64
    assert (epochs[0] != images[: len(epochs[0])]).any()
    assert (epochs[0] != epochs[1]).any()


def test_the_test_split_is_complete_and_in_order():
    dataset = data.load("digits", split="test", batch_size=100)
    images, labels = data.arrays("digits", "test")
    batches = list(dataset.as_numpy_iterator())
    assert [len(batch) for batch, _ in batches] == [100, 100, 100, 60]
    np.testing.assert_array_equal(np.concatenate([batch for batch, _ in batches]), images)
    np.testing.assert_array_equal(np.concatenate([batch for _, batch in batches]), labels)


def test_shuffle_can_be_set():
    in_order = data.load("digits", labels=False, shuffle=False)
    np.testing.assert_array_equal(numpy_epoch(in_order), data.arrays("digits")[0])
    shuffled = data.load("digits", split="test", labels=False, shuffle=True)
    assert len(numpy_epoch(shuffled)) == 360 // 64 * 64


def test_shuffling_keeps_images_with_their_labels():
    images, labels = data.arrays("digits")
    label_of = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    for batch, batch_labels in data.load("digits").take(3).as_numpy_iterator():
        assert [label_of[image.tobytes()] for image in batch] == batch_labels.tolist()


def test_order_is_repeatable_under_the_global_seed():
    runs = []
    for seed in (7, 7, 8):
        keras.utils.set_random_seed(seed)
        dataset = data.load("digits", labels=False)
        runs.append([numpy_epoch(dataset), numpy_epoch(dataset)])
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0][0] != runs[2][0]).any()


def test_stopping_in_the_middle_of_an_epoch_does_not_warn(capfd):
    for _ in data.load("digits").take(1):
        pass
    assert "cache" not in capfd.readouterr().err


# tensorflow-datasets.


def test_any_tfds_name_with_mocked_data():
    with tfds.testing.mock_data(num_examples=10):
        images, labels = next(iter(data.load("mnist", batch_size=4)))
        assert images.shape == (4, 28, 28, 1) and images.dtype == tf.uint8
        assert labels.shape == (4,) and labels.dtype == tf.int32
        assert len(data.load("mnist", batch_size=4)) == 2
        assert len(data.load("mnist", split="test", batch_size=4)) == 3
        images = next(iter(data.load("binarized_mnist", batch_size=4, labels=False)))
        assert images.shape == (4, 28, 28, 1)
        images, labels = data.arrays("cifar10", "test")
        assert images.shape == (10, 32, 32, 3) and images.dtype == np.uint8
        assert labels.shape == (10,) and labels.dtype == np.int32


def test_prepared_set_with_slices_and_epochs(data_dir):
    images, labels = data.arrays("tiny_shapes", "test")
    assert sorted(images[:, 0, 0, 0]) == list(range(7))
    np.testing.assert_array_equal(labels, images[:, 0, 0, 0] % 3)

    dataset = data.load("tiny_shapes", batch_size=4, labels=False)
    first, second = (numpy_epoch(dataset)[:, 0, 0, 0].tolist() for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(20)) and first != second

    assert len(data.arrays("tiny_shapes", "train[:10%]")[0]) == 2
    assert len(data.load("tiny_shapes", split="train[:50%]+test", batch_size=17)) == 1
    test = data.load("tiny_shapes", split="test", batch_size=4, labels=False)
    np.testing.assert_array_equal(numpy_epoch(test), images)


def test_a_set_too_large_to_cache_is_still_shuffled(data_dir, monkeypatch):
    monkeypatch.setattr("keras_genzoo.data.batching.CACHE_LIMIT", 0)
    dataset = data.load("tiny_shapes", batch_size=4, labels=False)
    first, second = (numpy_epoch(dataset)[:, 0, 0, 0].tolist() for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(20)) and first != second


def test_large_images_have_a_smaller_buffer():
    def buffer(count, *shape):
        images = tf.data.Dataset.from_tensors(np.zeros(shape, "uint8")).repeat(count)
        return buffer_of(images)

    assert buffer(60_000, 28, 28, 1) == 60_000  # 47 MB
    assert buffer(60_000, 256, 256, 3) == 2**30 // (256 * 256 * 3)  # as many as fit into 1 GiB
    assert buffer(60_000, 2048, 2048, 3) == 1000
    assert buffer(2_000_000, 28, 28, 1) == 10_000


def test_no_network_is_one_clear_error(data_dir, monkeypatch):
    from tensorflow_datasets.core.download import downloader

    retries = []

    def no_network(*args, **kwargs):
        retries.append(downloader.MAX_RETRIES)
        raise requests.exceptions.ConnectionError("Name or service not known")

    monkeypatch.setattr(requests.Session, "get", no_network)
    usual = downloader.MAX_RETRIES
    with pytest.raises(ConnectionError, match=r"'mnist' is not prepared in .*mnist_5k") as caught:
        data.load("mnist")
    assert str(data_dir) in str(caught.value)
    assert isinstance(caught.value.__cause__, requests.exceptions.ConnectionError)
    assert max(retries) < usual == downloader.MAX_RETRIES


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: data.load("digits", split="valid"), r"`split`.*'train', 'test'.*split='valid'"),
        (
            lambda: data.arrays("mnist_5k", "train[:10%]"),
            r"`split`.*Received: split='train\[:10%\]",
        ),
        (lambda: data.load("digits", batch_size=0), "`batch_size`.*Received: batch_size=0"),
        (lambda: data.load("digits", batch_size=2000), "`batch_size`.*1437.*batch_size=2000"),
        (lambda: data.load(3), "`name`.*Received: name=3"),
        (lambda: data.load("digits", split=None), "`split`.*Received: split=None"),
        (lambda: data.load("mnits"), "'digits', 'mnist_5k'.*'mnist'.*Received: name='mnits'"),
        (lambda: data.arrays("zzz_zzz"), "not in tensorflow-datasets. Received: name='zzz_zzz'"),
        (lambda: data.load("food101"), "one size.*`image_size`.*Received.*None, None, 3"),
        (lambda: data.load("imdb_reviews"), "'image'.*Received: name='imdb_reviews'"),
        (lambda: data.load("binarized_mnist"), "'label'.*`labels=False`.*'binarized_mnist'"),
        (lambda: data.arrays("dsprites"), "'label'.*Received: name='dsprites'"),
        (lambda: data.load("tiny_shapes", split="valid"), "`split`.*'train'.*'valid'"),
        (lambda: data.arrays("tiny_shapes", "train[:0]"), r"`split`.*split='train\[:0\]'"),
        (lambda: data.load("tiny_shapes", batch_size=21), "`batch_size`.*20.*batch_size=21"),
    ],
)
def test_errors(call, message, data_dir):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_batch_larger_than_an_ordered_split_is_fine():
    assert len(data.load("digits", split="test", batch_size=500)) == 1


def test_importing_data_imports_no_data_package():
    # Keras itself imports scikit-learn and its dependencies if it is installed.
    code = (
        "import sys, keras, tensorflow; before = set(sys.modules); import keras_genzoo.data\n"
        "imported = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(imported & {'tensorflow_datasets', 'sklearn', 'mlxtend', 'requests'})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr


class TestEndlessStreams:
    steps = 1437 // 100

    def batches(self, first_epoch, epochs):
        keras.utils.set_random_seed(1)
        stream = data.load("digits", batch_size=100, first_epoch=first_epoch)
        return [labels.numpy() for _, labels in stream.take(self.steps * epochs)]

    def test_a_resumed_run_sees_the_same_data_as_an_undisturbed_one(self):
        undisturbed, resumed = self.batches(0, 4), self.batches(2, 2)
        np.testing.assert_array_equal(undisturbed[2 * self.steps :], resumed)

    def test_epochs_have_different_orders_of_the_same_examples(self):
        keras.utils.set_random_seed(1)
        stream = data.load("digits", batch_size=100, first_epoch=0)
        images = [x.numpy().reshape(100, -1) for x, _ in stream.take(2 * self.steps)]
        first, second = (np.concatenate(part) for part in (images[:14], images[14:]))
        assert not np.array_equal(first, second)
        for epoch in (first, second):  # no example appears twice
            assert len(np.unique(epoch, axis=0)) == len(epoch)

    def test_different_seeds_have_different_orders(self):
        first = self.batches(0, 1)
        keras.utils.set_random_seed(2)
        second = [y.numpy() for _, y in data.load("digits", batch_size=100, first_epoch=0).take(14)]
        assert not np.array_equal(first, second)

    def test_in_order(self):
        stream = data.load("digits", split="test", batch_size=100, first_epoch=3)
        sizes = [len(labels) for _, labels in stream.take(8)]
        assert sizes == [100, 100, 100, 60] * 2


@pytest.mark.parametrize("first_epoch", [None, 3])
def test_no_thread_tunes_the_pipeline(first_epoch):
    """It sleeps for up to as long as a pipeline was read, and `fit` would wait for it."""
    for dataset in (
        data.load("digits", first_epoch=first_epoch),
        data.ring(8).dataset(100, first_epoch=first_epoch),
    ):
        assert dataset.options().autotune.enabled is False
