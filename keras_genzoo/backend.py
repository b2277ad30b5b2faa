"""The check of Keras's backend, which runs when the library is imported."""

import os
import sys


def check_backend() -> None:
    """Raises an ImportError unless Keras runs on TensorFlow.

    Where Keras is not imported yet, the environment tells, because the import of Keras itself
    fails if the backend that it asks for is not installed.
    """
    received = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if "keras" in sys.modules or received == "tensorflow":
        import keras

        received = keras.config.backend()
    if received != "tensorflow":
        raise ImportError(
            "keras_genzoo needs the TensorFlow backend of Keras: set the environment variable "
            "KERAS_BACKEND to 'tensorflow' before Keras is imported. "
            f"Received: the backend {received!r}"
        )


check_backend()
