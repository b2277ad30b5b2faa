import numpy as np
import pytest
from callbacks.collapse_helpers import GAN_NAMES, ring_monitor, small_vae
from callbacks.pictures import red_columns

from keras_genzoo.callbacks.collapse_rules import Rules


@pytest.mark.parametrize("epoch", [2, 9])
def test_draw(tmp_path, epoch):
    monitor = ring_monitor()
    monitor.set_model(small_vae())
    monitor.draw(tmp_path / "empty.png")
    numbers = {name: list(np.linspace(1.5, 0, 11)) for name in GAN_NAMES}
    monitor.history = {"epoch": [*range(11)], **numbers}
    monitor.draw(tmp_path / "good.png")
    observation = {"epoch": epoch, "non_finite": "NaN", **dict.fromkeys(GAN_NAMES, 1.0)}
    monitor.events = Rules(1, False).update(observation)
    monitor.draw(tmp_path / "bad.png")
    assert len(red_columns(tmp_path / "good.png")) == 0
    column = red_columns(tmp_path / "bad.png").mean()
    # The axes begin after the labels, at about a tenth, and have margins.
    assert column / 800 == pytest.approx(0.16 + 0.8 * epoch / 10, abs=0.04)


def test_a_failing_picture_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "monitor.png"
    path.write_text("the old picture")

    def fail(self, place, *args, **kwargs):
        with open(place, "w") as half:
            half.write("half a picture")
        raise OSError("disk full")

    monkeypatch.setattr("matplotlib.backends.backend_agg.FigureCanvasAgg.print_png", fail)
    monitor = ring_monitor()
    monitor.set_model(small_vae())
    with pytest.raises(OSError, match="disk full"):
        monitor.draw(path)
    assert path.read_text() == "the old picture" and [*tmp_path.iterdir()] == [path]
    # Training is worth more than its pictures.
    monitor = ring_monitor(picture=path)
    model = small_vae()
    points = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    with pytest.warns(UserWarning, match=r"monitor\.png could not be written: disk full"):
        model.fit(points, epochs=2, callbacks=[monitor], verbose=0)
    assert monitor.history["epoch"] == [1, 2]
