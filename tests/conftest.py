import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest
import tensorflow as tf

from keras_genzoo import data

# Two logical devices, so that MirroredStrategy has two replicas; before TensorFlow initialises.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


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
