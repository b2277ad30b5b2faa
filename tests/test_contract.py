"""The contract of `contract.py`, model by model."""

import keras
import pytest
from contract import CASES, PROPERTIES, replicas, resumed, workers

import keras_genzoo as genzoo


@pytest.fixture(scope="module", autouse=True)
def jobs():
    """The processes that other tests wait for start with the first."""
    started = [replicas(), *workers(), resumed()]
    yield
    for job in started:
        job.process.kill()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("title", PROPERTIES)
def test_contract(title, name):
    if PROPERTIES[title](CASES[name]) is NotImplemented:
        pytest.skip("does not apply")


def test_every_public_model_is_in_the_table():
    named = {name.split(",")[0] for name in CASES}
    public = (getattr(genzoo, name) for name in genzoo.__all__)
    models = {cls.__name__ for cls in public if isinstance(cls, type)}
    assert models == named
    assert all(issubclass(getattr(genzoo, name), keras.Model) for name in named)
