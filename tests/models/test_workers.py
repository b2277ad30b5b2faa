"""Arrays, shuffled by `fit` on two workers."""

import json
import os
import subprocess
import sys

from contract.jobs import cluster_configs, exit_codes

# Without a seed, each worker by itself.
PROGRAM = """
import json
import sys

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo

strategy = tf.distribute.MultiWorkerMirroredStrategy()
seen = []

pytestmark = pytest.mark.slow


def note(numbers):
    seen.extend(numbers[:, 0].tolist())
    return np.int64(0)


class Noting(genzoo.Autoencoder):
    def train_step(self, data):
        tf.numpy_function(note, [self.unpack(data)[0]], tf.int64)
        return super().train_step(data)


with strategy.scope():
    model = Noting((2,), 2, (4,))
    model.compile()
numbers = np.repeat(np.arange(48, dtype="float32")[:, None], 2, axis=1)
model.fit(numbers, batch_size=24, epochs=2, verbose=0)
with open(sys.argv[1], "w") as file:
    json.dump(seen, file)
"""


def test_workers_share_each_epoch(tmp_path):
    paths = [tmp_path / f"{worker}.json" for worker in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, path], env=os.environ | {"TF_CONFIG": config}
        )
        for path, config in zip(paths, cluster_configs(), strict=True)
    ]
    assert exit_codes(processes) == [0, 0]
    first, second = (json.loads(path.read_text()) for path in paths)
    orders = []
    for epoch in (slice(0, 24), slice(24, 48)):
        orders.append(first[epoch] + second[epoch])
        assert sorted(orders[-1]) == list(range(48))  # each example once, on one of them
    assert orders[0] != orders[1] and orders[0] != sorted(orders[0])
