"""Two processes that train a model compute the same metrics as one."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract.cases import CASES
from contract.jobs import cluster_configs, exit_codes

from keras_genzoo import metrics

pytestmark = pytest.mark.slow


def fit(strategy):
    """Returns the logs of a small VAE. The last batch of the validation data has one example."""
    points = np.random.default_rng(0).normal(size=(361, 2)).astype("float32")
    keras.utils.set_random_seed(3)
    with strategy.scope():
        model = CASES["VAE, Gaussian, of vectors"].build()
        generative_metrics = [
            metrics.FrechetDistance(),
            metrics.KernelDistance(subsets=3, subset_size=50),
            metrics.PrecisionRecall(neighbours=3, max_examples=110),
        ]
        model.compile(metrics=generative_metrics)
    options = {"batch_size": 24, "validation_data": points[240:361], "shuffle": False, "verbose": 0}
    return model.fit(points[:240], epochs=2, **options).history


def test_two_workers_measure_what_one_does(tmp_path):
    paths = [tmp_path / f"{worker}.json" for worker in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, path],
            env=os.environ | {"TF_CONFIG": config, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for path, config in zip(paths, cluster_configs(), strict=True)
    ]
    assert exit_codes(processes) == [0, 0]
    first, second = (json.loads(path.read_text()) for path in paths)
    assert first == second
    expected = fit(tf.distribute.get_strategy())
    assert first.keys() == expected.keys()
    assert 0 < expected["val_precision"][0] < expected["val_precision"][1] < 1
    for name, values in expected.items():
        np.testing.assert_allclose(first[name], values, rtol=1e-4, err_msg=name)


if __name__ == "__main__":
    logs = fit(tf.distribute.MultiWorkerMirroredStrategy())
    with open(sys.argv[1], "w") as file:
        json.dump({name: [float(v) for v in values] for name, values in logs.items()}, file)
