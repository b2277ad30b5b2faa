import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest
import tensorflow as tf
from contract.cases import CASES, DISTINCT, QUICK

from keras_genzoo import data

# Two logical devices, so that MirroredStrategy has two replicas; before TensorFlow initialises.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marks
def pytest_collection_modifyitems(items):
    """Marks the tests of the contract's models: slow and exhaustive ones."""
    for item in items:
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        models = {value for value in values if isinstance(value, str) and value in CASES}
        if models - DISTINCT and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.exhaustive)
        if models - QUICK:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(1)


@pytest.fixture(scope="session")
def digits():
    """The digits to train on: uint8 images and int32 labels."""
    return data.arrays("digits", "train")


@pytest.fixture(scope="session")
def test_digits():
    return data.arrays("digits", "test")


@pytest.fixture(scope="session")
def two_replicas():
    """One strategy for all tests; a second one must be made after a model was compiled."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
