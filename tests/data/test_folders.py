"""Folders of images: pairs in two folders or side by side, and two kinds."""

import keras
import numpy as np
import pytest
from PIL import Image

from keras_genzoo import data


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **({"quality": 95} if path.suffix == ".jpg" else {}))


def plain(value, height=8, width=12, channels=3):
    return np.full((height, width, channels), value, "uint8").squeeze()


@pytest.fixture
def two_folders(tmp_path):
    """Image i has the value 10 i in source/ and 10 i + 5 in target/."""
    for i in range(6):
        save(tmp_path / "train" / "source" / f"photo_{i}.png", plain(10 * i))
        save(tmp_path / "train" / "target" / f"photo_{i}.jpg", plain(10 * i + 5))
    return tmp_path


@pytest.fixture
def side_by_side(tmp_path):
    """Image i has the value 10 i in the left half and 10 i + 5 in the right one."""
    for i in range(6):
        wide = np.concatenate([plain(10 * i), plain(10 * i + 5)], axis=1)
        save(tmp_path / "val" / f"{i}.png", wide)
    return tmp_path


def values(dataset):
    """The value of each source and target, which must be the same in all pixels."""
    pairs = [pair for batch in dataset for pair in zip(*map(np.asarray, batch), strict=True)]
    assert all(np.ptp(image) <= 2 for pair in pairs for image in pair)  # JPEG is inexact
    return [[round(float(image.mean())) for image in pair] for pair in pairs]


def test_two_folders(two_folders):
    dataset = data.folder_pairs(two_folders, batch_size=3)
    source, target = dataset.element_spec
    assert source.shape == target.shape == (3, 8, 12, 3) and source.dtype == "uint8"
    assert int(dataset.cardinality()) == 2
    first, second = values(dataset), values(dataset)
    assert sorted(first) == sorted(second) == [[10 * i, 10 * i + 5] for i in range(6)]
    assert first != second
    in_order = data.folder_pairs(two_folders, shuffle=False, direction="b_to_a", batch_size=4)
    assert values(in_order) == [[10 * i + 5, 10 * i] for i in range(6)]


def test_side_by_side(side_by_side):
    dataset = data.folder_pairs(side_by_side, "val", batch_size=4)
    assert [len(source) for source, _ in dataset] == [4, 2]
    assert values(dataset) == [[10 * i, 10 * i + 5] for i in range(6)]
    swapped = data.folder_pairs(side_by_side, "val", direction="b_to_a")
    assert values(swapped) == [[10 * i + 5, 10 * i] for i in range(6)]


def test_sizes_and_channels(two_folders):
    save(two_folders / "train" / "source" / "large.png", plain(200, 40, 60))
    save(two_folders / "train" / "target" / "large.png", plain(205, 40, 60))
    dataset = data.folder_pairs(two_folders, image_size=(6, 5), channels=(1, 3), shuffle=False)
    source, target = next(iter(dataset))
    assert source.shape == (7, 6, 5, 1) and target.shape == (7, 6, 5, 3)
    assert values(dataset)[0] == [200, 205]


def test_opacity(tmp_path):
    for kind in ("source", "target"):
        save(tmp_path / "train" / kind / "a.png", plain(77, channels=4))
    source, _ = next(iter(data.folder_pairs(tmp_path, channels=4, batch_size=1)))
    assert source.shape == (1, 8, 12, 4) and (source.numpy() == 77).all()


def test_a_resumed_stream(two_folders):
    def batches(first_epoch, count):
        keras.utils.set_random_seed(1)
        stream = data.folder_pairs(two_folders, batch_size=2, first_epoch=first_epoch)
        return values(stream.take(count))

    assert batches(0, 9)[12:] == batches(2, 3)


def test_two_kinds(tmp_path):
    for i in range(3):
        save(tmp_path / "trainA" / f"{i}.png", plain(i))
    for i in range(5):
        save(tmp_path / "trainB" / f"x{i}.png", plain(100 + i, 10, 10, 1))
    save(tmp_path / "testA" / "0.png", plain(50))
    save(tmp_path / "testB" / "0.png", plain(150))
    dataset = data.folder_unpaired(tmp_path, batch_size=5, channels=(3, 1))
    ((a, b),) = dataset
    assert a.shape == (5, 8, 12, 3) and b.shape == (5, 10, 10, 1)
    assert sorted(b[:, 0, 0, 0].numpy()) == [100, 101, 102, 103, 104]
    test = data.folder_unpaired(tmp_path, "test", image_size=4)
    assert values(test) == [[50, 150]] and next(iter(test))[0].shape == (1, 4, 4, 3)


def break_partner(folder):
    (folder / "train" / "target" / "photo_3.jpg").unlink()


def break_source(folder):
    (folder / "train" / "source" / "photo_3.png").unlink()
    (folder / "train" / "source" / "photo_4.png").unlink()


def break_pair(folder):
    save(folder / "train" / "target" / "photo_2.jpg", plain(0, 8, 13))


def break_sizes(folder):
    for kind in ("source", "target"):
        save(folder / "train" / kind / "photo_5.png", plain(0, 9, 12))
    (folder / "train" / "target" / "photo_5.jpg").unlink()


def break_file(folder):
    (folder / "train" / "source" / "photo_1.png").write_text("no image")


def break_name(folder):
    save(folder / "train" / "source" / "photo_1.jpg", plain(0))


def break_folder(folder):
    (folder / "train" / "target").rename(folder / "train" / "other")


@pytest.mark.parametrize(
    "change, message",
    [
        (break_partner, "source for each target.*source/photo_3.png'.*without a partner.*target'"),
        (break_source, "target/photo_3.jpg' and 1 more without a partner.*source'"),
        (
            break_pair,
            "sources and targets of the same size.*photo_2.png' of 8 × 12 pixels.*"
            "photo_2.jpg' of 8 × 13 pixels",
        ),
        (break_sizes, "`image_size`.*photo_5.png' of 9 × 12 pixels.*photo_0.png' of 8 × 12"),
        (break_file, "photo_1.png', which is damaged or no image"),
        (break_name, "one image of each name.*photo_1.png' beside 'photo_1.jpg'"),
        (break_folder, "PNG or JPEG files in .*target'.*Received: no such folder"),
    ],
)
def test_one_sentence_names_the_file(change, message, two_folders):
    change(two_folders)
    with pytest.raises(ValueError, match=message):
        data.folder_pairs(two_folders, batch_size=2)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"direction": "left"}, "`direction`.*'a_to_b', 'b_to_a'.*direction='left'"),
        ({"channels": 2}, "`channels`.*Received: channels=2"),
        ({"split": "valid"}, "PNG or JPEG files in .*valid'.*Received: no such folder"),
        ({"batch_size": 7}, "`batch_size`.*6.*batch_size=7"),
    ],
)
def test_errors(options, message, two_folders):
    with pytest.raises(ValueError, match=message):
        data.folder_pairs(two_folders, **options)


def test_an_odd_width_is_not_side_by_side(tmp_path):
    save(tmp_path / "train" / "a.png", plain(0, 8, 13))
    with pytest.raises(ValueError, match=r"even width.*a.png' of 8 × 13 pixels"):
        data.folder_pairs(tmp_path, batch_size=1)


def test_a_missing_kind(tmp_path):
    save(tmp_path / "trainA" / "a.png", plain(0))
    with pytest.raises(ValueError, match=r"PNG or JPEG files in .*trainB'.*no such folder"):
        data.folder_unpaired(tmp_path)
