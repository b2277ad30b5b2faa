"""Pairs made from any images, and two kinds of images that need not belong together."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import keras_genzoo as genzoo
from keras_genzoo import data


def numbered(count, shape=(4, 6, 3)):
    """Images whose pixels all have the image's number, as uint8."""
    return np.arange(count, dtype="uint8")[:, None, None, None] * np.ones(shape, "uint8")


def numbers(batch):
    return batch[:, 0, 0, 0].numpy().tolist()


def epoch_of(dataset):
    """All sources and targets of an epoch."""
    sources, targets = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(sources), np.concatenate(targets)


class TestPairs:
    def test_sources_belong_to_their_targets(self):
        dataset = data.pairs(numbered(40), lambda image: 1 - image[..., :2], batch_size=16)
        spec = dataset.element_spec
        assert spec[0].shape == (16, 4, 6, 2) and spec[0].dtype == tf.float32
        assert spec[1].shape == (16, 4, 6, 3) and spec[1].dtype == tf.uint8
        assert int(dataset.cardinality()) == 2
        source, target = epoch_of(dataset)
        np.testing.assert_allclose(source, 1 - target[..., :2] / 255, atol=1e-6)
        assert len(np.unique(target)) == 32

    def test_every_kind_of_images(self):
        images = numbered(10)
        for given in (images, tf.data.Dataset.from_tensor_slices(images)):
            source, target = epoch_of(data.pairs(given, "gray", batch_size=4, shuffle=False))
            np.testing.assert_array_equal(target, images)
            np.testing.assert_allclose(source * 255, images[..., :1], atol=0.1)

    def test_a_bundled_name(self):
        test = data.pairs("digits", "noisy", split="test", batch_size=100)
        source, target = epoch_of(test)  # complete and in order
        np.testing.assert_array_equal(target, data.arrays("digits", "test")[0])
        assert 0.05 < np.abs(source - target / 255).mean() < 0.1
        train = data.pairs("digits", "noisy", batch_size=100)
        assert int(train.cardinality()) == 14
        assert (epoch_of(train)[1] != epoch_of(train)[1]).any()

    def test_the_name_of_the_split_decides_about_shuffling(self):
        """As for names: arrays to test on stay complete and in order."""
        images = numbered(20)
        for source in ("gray", images):
            assert (epoch_of(data.pairs(images, source, batch_size=20))[1] != images).any()
            test = data.pairs(images, source, split="test", batch_size=16)
            np.testing.assert_array_equal(epoch_of(test)[1], images)

    def test_a_tfds_name(self):
        with tfds.testing.mock_data(num_examples=6):
            batches = data.pairs("cifar10", "gray", batch_size=2)
            assert [tuple(x.shape) for x in next(iter(batches))] == [(2, 32, 32, 1), (2, 32, 32, 3)]
            batches = data.pairs("food101", "edges", batch_size=2, image_size=(16, 24))
            assert [tuple(x.shape) for x in next(iter(batches))] == [(2, 16, 24, 1), (2, 16, 24, 3)]

    def test_an_array_of_sources(self):
        source, target = epoch_of(data.pairs(numbered(20), 2 * numbered(20)[..., :1], batch_size=5))
        assert source.shape == (20, 4, 6, 1)
        np.testing.assert_array_equal(source, 2 * target[..., :1])
        assert target[:, 0, 0, 0].tolist() != list(range(20))

    @pytest.mark.parametrize("first_epoch", [None, 0])
    def test_random_sources_are_new_in_each_epoch_of_training(self, first_epoch):
        same = np.zeros((8, 16, 16, 1), "uint8")  # so that the order does not matter
        dataset = data.pairs(same, "masked", batch_size=8, first_epoch=first_epoch)
        if first_epoch is None:
            masks = [epoch_of(dataset)[0][..., 1] for _ in range(2)]
        else:
            masks = [source.numpy()[..., 1] for source, _ in dataset.take(2)]
        both = np.concatenate(masks)
        assert len(np.unique(both, axis=0)) == len(both)

    def test_random_sources_are_fixed_in_evaluation(self):
        dataset = data.pairs(numbered(8), "masked", batch_size=3, shuffle=False)
        first, second = epoch_of(dataset)[0], epoch_of(dataset)[0]
        np.testing.assert_array_equal(first, second)
        assert len(np.unique(first[..., 3], axis=0)) > 5  # but not the same for all
        keras.utils.set_random_seed(7)  # whatever the seed, so that runs can be compared
        again = data.pairs(numbered(8), "masked", batch_size=2, shuffle=False)
        np.testing.assert_array_equal(epoch_of(again)[0], first)

    def test_repeatable_under_the_global_seed(self):
        runs = []
        for seed in (3, 3, 4):
            keras.utils.set_random_seed(seed)
            dataset = data.pairs(numbered(8), "noisy", batch_size=4)
            runs.append([*epoch_of(dataset), *epoch_of(dataset)])
        for one, two, other in zip(*runs, strict=True):
            np.testing.assert_array_equal(one, two)
            assert (one != other).any()

    def test_a_resumed_stream_sees_the_same_pairs(self):
        def batches(first_epoch, count):
            keras.utils.set_random_seed(1)
            stream = data.pairs(numbered(9), "noisy", batch_size=4, first_epoch=first_epoch)
            return [(a.numpy(), b.numpy()) for a, b in stream.take(count)]

        undisturbed, resumed = batches(0, 6), batches(2, 2)
        for one, two in zip(undisturbed[4:], resumed, strict=True):
            np.testing.assert_array_equal(one[0], two[0])
            np.testing.assert_array_equal(one[1], two[1])
        assert (undisturbed[0][0] != undisturbed[2][0]).any()

    def test_image_size_keeps_the_middle(self):
        image = np.zeros((1, 8, 16, 1), "uint8")
        image[:, :, 4:12] = 200  # the middle square
        ((source, target),) = data.pairs(image, "gray", batch_size=1, image_size=4)
        np.testing.assert_array_equal(target, np.full((1, 4, 4, 1), 200))
        assert source.shape == (1, 4, 4, 1)

    def test_pix2pix_learns_from_them(self):
        """Colours that follow from the brightness, which no constant image comes near to."""
        shade = np.random.default_rng(0).random((64, 4, 4, 1), "float32").repeat(4, 1).repeat(4, 2)
        images = np.concatenate([shade, 1 - shade, 0.5 * shade], axis=-1)
        train = data.pairs(images, "gray", batch_size=16)
        model = genzoo.Pix2Pix((16, 16, 1), (16, 16, 3), adversarial_weight=0.0)
        model.compile(generator_optimizer=keras.optimizers.Adam(3e-3))
        model.fit(train, epochs=30, verbose=0)
        source, target = epoch_of(data.pairs(images, "gray", batch_size=64, shuffle=False))
        error = np.abs(model.translate(source) - target).mean()
        assert error < 0.5 * np.abs(images.mean(axis=(0, 1, 2)) - images).mean()

    @pytest.mark.parametrize(
        "call, message",
        [
            (lambda: data.pairs(numbered(4), "egdes"), "`source` must be one of.*'egdes'"),
            (lambda: data.pairs("mnits", "edges"), "`name`.*'mnist'.*'mnits'"),
            (lambda: data.pairs(np.zeros((4, 4)), "edges"), r"`images`.*Received: shape \(4, 4\)"),
            (lambda: data.pairs(data.load("digits"), "edges"), "`images`.*single images"),
            (lambda: data.pairs(numbered(4), "gray"), "`batch_size`.*4.*batch_size=64"),
            (lambda: data.pairs(numbered(4), "gray", image_size=0), "`image_size`.*image_size=0"),
            (
                lambda: data.pairs(numbered(4), "gray", image_size=(1, 2, 3)),
                r"`image_size` must be an int or.*\(1, 2, 3\)",
            ),
            (
                lambda: data.pairs(numbered(4), numbered(3), batch_size=1),
                r"`source` must have one image.*\(3, 4, 6, 3\).*\(4, 4, 6, 3\)",
            ),
            (
                lambda: data.pairs(numbered(4), numbered(4), batch_size=1, image_size=8),
                "`image_size` must be None.*Received: 8",
            ),
            (
                lambda: data.pairs(numbered(4), lambda x: x[..., 0], batch_size=1),
                "`source` must make an image.*rank 2",
            ),
            (
                lambda: data.pairs(numbered(4), data.sources.low_resolution(4), batch_size=1),
                "`scale` must divide.*4 × 6",
            ),
        ],
    )
    def test_errors(self, call, message):
        with pytest.raises(ValueError, match=message):
            call()


class TestUnpaired:
    def test_an_epoch_is_as_long_as_the_longer_set(self):
        a, b = numbered(3), 100 + numbered(8, (5, 5, 1))
        dataset = data.unpaired(a, b, batch_size=2)
        assert int(dataset.cardinality()) == 4
        epochs = []
        for _ in range(2):
            batches = list(dataset)
            assert batches[0][0].shape == (2, 4, 6, 3) and batches[0][1].shape == (2, 5, 5, 1)
            first = [i for x, _ in batches for i in numbers(x)]
            second = [i for _, y in batches for i in numbers(y)]
            assert sorted(second) == list(range(100, 108))  # each one once
            assert sorted(first[:3]) == sorted(first[3:6]) == [0, 1, 2]
            epochs.append((first, second))
        assert epochs[0] != epochs[1]

    def test_the_kinds_have_different_orders(self):
        ((x, y),) = data.unpaired(numbered(50), numbered(50), batch_size=50)
        assert sorted(numbers(x)) == sorted(numbers(y)) and numbers(x) != numbers(y)

    def test_in_order_and_complete(self):
        batches = list(data.unpaired(numbered(5), numbered(2), batch_size=2, shuffle=False))
        assert [numbers(x) for x, _ in batches] == [[0, 1], [2, 3], [4]]
        assert [numbers(y) for _, y in batches] == [[0, 1], [0, 1], [0]]

    def test_data_sets(self):
        a = tf.data.Dataset.from_tensor_slices(numbered(4))
        batches = list(data.unpaired(a, numbered(4), batch_size=4, shuffle=False))
        assert numbers(batches[0][0]) == [0, 1, 2, 3]

    def test_repeatable(self):
        def order(seed):
            keras.utils.set_random_seed(seed)
            batches = data.unpaired(numbered(20), numbered(20), batch_size=20)
            return [numbers(x) for _ in range(2) for pair in batches for x in pair]

        assert order(1) == order(1) != order(2)

    def test_a_resumed_stream_sees_the_same_images(self):
        def order(first_epoch, count):
            keras.utils.set_random_seed(1)
            stream = data.unpaired(numbered(4), numbered(11), 2, first_epoch=first_epoch)
            return [(numbers(x), numbers(y)) for x, y in stream.take(count)]

        whole, resumed = order(0, 15), order(2, 5)
        assert whole[10:] == resumed
        epochs = [whole[i : i + 5] for i in (0, 5, 10)]
        assert epochs[0] != epochs[1]
        for epoch in epochs:
            assert len({i for _, y in epoch for i in y}) == 10  # no image twice
        short = [[i for x, _ in epoch for i in x] for epoch in epochs]
        assert all(sorted(a[:4]) == sorted(a[4:8]) == [0, 1, 2, 3] for a in short)
        assert any(a[:4] != a[4:8] for a in short)  # another order when it starts again

    @pytest.mark.parametrize(
        "a, b, batch_size, message",
        [
            (np.zeros((4, 4)), numbered(2), 1, r"`a` must be images.*shape \(4, 4\)"),
            (numbered(2), numbered(2)[:0], 1, "`b` must have a known number.*an empty one"),
            (
                tf.data.Dataset.from_tensor_slices(numbered(2)).repeat(),
                numbered(2),
                1,
                "`a` must have a known number.*an endless one",
            ),
            (
                numbered(2),
                tf.data.Dataset.from_tensor_slices(numbered(2)).filter(lambda x: True),
                1,
                "`b` must have a known number.*unknown length",
            ),
            (data.load("digits"), numbered(2), 1, "`a` must be a data set of single images"),
            (numbered(2), numbered(5), 6, "`batch_size` must be at most.*5.*batch_size=6"),
            (numbered(2), numbered(5), 0, "`batch_size`.*Received: batch_size=0"),
        ],
    )
    def test_errors(self, a, b, batch_size, message):
        with pytest.raises(ValueError, match=message):
            data.unpaired(a, b, batch_size=batch_size)

    def test_no_thread_tunes_the_pipeline(self):
        assert data.unpaired(numbered(2), numbered(2)).options().autotune.enabled is False


def mocked_cycle_gan(self, split, **kwargs):
    """Images of different sizes: 3 of kind A, 5 of kind B; A is dark and B is bright."""
    count, value = {"trainA": (3, 10), "trainB": (5, 200), "testA": (2, 10), "testB": (1, 200)}[
        str(split)
    ]
    return tf.data.Dataset.from_generator(
        lambda: (
            {"image": np.full((20 + i, 30, 3), value, "uint8"), "label": 0} for i in range(count)
        ),
        output_signature={
            "image": tf.TensorSpec((None, None, 3), tf.uint8),
            "label": tf.TensorSpec((), tf.int64),
        },
    ).apply(tf.data.experimental.assert_cardinality(count))


class TestLoadUnpaired:
    def test_splits_of_both_kinds(self):
        with tfds.testing.mock_data(as_dataset_fn=mocked_cycle_gan):
            train = data.load_unpaired("cycle_gan/horse2zebra", image_size=(16, 24), batch_size=2)
            test = data.load_unpaired("cycle_gan/maps", split="test", image_size=16)
            batches, tested = list(train), list(test)
        assert len(batches) == 2 and len(tested) == 2
        for dark, bright in batches:
            assert dark.shape == bright.shape == (2, 16, 24, 3) and dark.dtype == tf.uint8
            assert (dark.numpy() == 10).all() and (bright.numpy() == 200).all()
        assert tested[0][0].shape == (1, 16, 16, 3)

    def test_slices_reach_both_kinds(self, monkeypatch):
        asked = []

        def record(self, split, **kwargs):
            asked.append(split)
            return mocked_cycle_gan(self, str(split).partition("[")[0])

        with tfds.testing.mock_data(as_dataset_fn=record):
            data.load_unpaired("cycle_gan/horse2zebra", split="train[:50%]", image_size=8)
        assert asked == ["trainA[:50%]", "trainB[:50%]"]

    def test_load_of_one_kind(self):
        with tfds.testing.mock_data(as_dataset_fn=mocked_cycle_gan):
            images = data.load(
                "cycle_gan/horse2zebra", split="trainA", batch_size=3, labels=False, image_size=16
            )
            assert next(iter(images)).shape == (3, 16, 16, 3)

    @pytest.mark.parametrize(
        "name, options, message",
        [
            ("cycle_gan/horse2zebra", {}, "one size.*`image_size`.*horse2zebra.*None"),
            ("cycle_gan/horse2zebra", {"split": 3}, "`split` must be a string.*split=3"),
            ("horse2zebra", {"image_size": 16}, "`name`.*Received: name='horse2zebra'"),
        ],
    )
    def test_errors(self, name, options, message):
        with tfds.testing.mock_data(), pytest.raises(ValueError, match=message):
            data.load_unpaired(name, **options)

    def test_a_set_without_the_splits(self):
        with pytest.raises(ValueError, match=r"`split` of 'digits'.*Received: split='trainA'"):
            data.load_unpaired("digits")
