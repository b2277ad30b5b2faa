"""`examples/train.py` on a cluster of two processes."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from contract.jobs import cluster_configs, exit_codes

pytestmark = pytest.mark.slow

SCRIPT = pathlib.Path(__file__).parents[2] / "examples" / "train.py"


@contextlib.contextmanager
def cluster(output, *flags):
    """The two workers, running; killed at the end if they still run."""
    command = [sys.executable, SCRIPT, "--model", "gan", "--data", "digits", "--epochs", "4"]
    command += ["--batch-size", "16", "--output", output, *flags, "--strategy", "multi_worker"]
    with contextlib.ExitStack() as stack:
        workers = []
        for config in cluster_configs():
            log = stack.enter_context(open(output.with_name(f"{len(workers)}.log"), "ab"))
            environment = os.environ | {"TF_CONFIG": config}
            workers.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        try:
            yield workers
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()


def finish(workers, output):
    logs = [output.with_name(f"{index}.log") for index in range(len(workers))]
    assert exit_codes(workers) == [0, 0], [log.read_text()[-3000:] for log in logs]


def test_a_killed_worker(tmp_path):
    """The cluster, started again, ends with the weights of one that ran undisturbed."""
    undisturbed, disturbed = tmp_path / "a" / "run", tmp_path / "b" / "run"
    for output in (undisturbed, disturbed):
        output.parent.mkdir()
    with cluster(undisturbed) as workers:
        finish(workers, undisturbed)

    progress = disturbed / "backup" / "training_metadata.json"
    with cluster(disturbed) as workers:
        while not (progress.exists() and '"epoch": 2' in progress.read_text()):
            assert all(worker.poll() is None for worker in workers)
            time.sleep(0.05)
        time.sleep(0.3)  # into the third epoch
        workers[1].send_signal(signal.SIGKILL)
    assert json.loads(progress.read_text())["epoch"] == 2
    with cluster(disturbed, "--resume") as workers:
        finish(workers, disturbed)

    models = [keras.saving.load_model(run / "model.keras") for run in (undisturbed, disturbed)]
    for a, b in zip(*(model.variables for model in models), strict=True):
        np.testing.assert_array_equal(a, b)
    # One worker wrote: a line an epoch, and nothing twice.
    for run in (undisturbed, disturbed):
        epochs = [line.split(",")[0] for line in (run / "history.csv").read_text().splitlines()]
        assert epochs == ["epoch", "0", "1", "2", "3"]
        assert json.loads((run / "run.json").read_text())["status"] == "finished"


@pytest.mark.parametrize(
    "config",
    [
        None,
        "{",
        "[]",
        '{"cluster": {"worker": ["localhost:1"]}}',
        '{"cluster": {"worker": ["localhost:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["localhost"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["localhost:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_malformed_clusters_are_refused(config, tmp_path, train, monkeypatch, capsys):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    assert train.main(["--strategy", "multi_worker", "--output", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "`--strategy multi_worker` needs TF_CONFIG" in error and "Received: " in error
    assert not (tmp_path / "run").exists()
