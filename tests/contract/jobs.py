"""The background processes of the contract: two replicas, two workers, a run that is killed.

Each process trains the cases that it is given, one after the other, while the tests that need no
process run. This file is both sides: the classes start processes and wait for their results, and
`python -m contract.jobs`, which they start, does the training.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import importlib
import json
import os
import pathlib
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time

import tensorflow as tf

from contract import runs

# For CPUs alone: TensorFlow's oneDNN kernels of convolutions fail on a replica that has no example
# (2.21).
WITHOUT_ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "0"}


@dataclasses.dataclass(frozen=True)
class Task:
    """The task of a process.

    Attributes:
        role: A key of `ROLES`.
        module: The module whose `CASES` the process takes its cases from.
        output: The path to write the results to, a dict by the names of the cases. The result of
            a case that failed is its error, a string.
        names: The names of the cases.
    """

    role: str
    module: str
    output: pathlib.Path
    names: list[str]

    @property
    def command(self):
        """The command line of the process."""
        arguments = [self.role, self.module, str(self.output), *self.names]
        return [sys.executable, "-m", "contract.jobs", *arguments]

    def cases(self):
        """Imports the cases, by name."""
        table = importlib.import_module(self.module).CASES
        return {name: table[name] for name in self.names}


# The side of the tests. -------------------------------------------------------------------------


class Process:
    """A process in the background.

    Args:
        role: A key of `ROLES`.
        module: The module whose `CASES` the process takes its cases from.
        names: The names of the cases to train.
        **environment: Further environment variables.
    """

    def __init__(self, role, module, names, **environment):
        self.directory = tempfile.TemporaryDirectory()
        self.log = pathlib.Path(self.directory.name, "log")
        self.task = Task(role, module, pathlib.Path(self.directory.name, "results"), names)
        environment |= {"PYTHONPATH": os.pathsep.join(sys.path)}  # to find the same modules
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.task.command, env=os.environ | environment, stdout=log, stderr=log
            )

    @functools.cached_property
    def results(self):
        """The results by the names of the cases; waits for the process to end."""
        code = self.process.wait()  # without a limit, because machines may be slow
        assert code == 0, self.log.read_text()[-3000:]
        return pickle.loads(self.task.output.read_bytes())

    def result(self, name):
        """Returns the result of one case; raises if that case failed."""
        result = self.results[name]
        assert not isinstance(result, str), result
        return result

    def stop(self):
        """Ends the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()


class Cluster:
    """Two workers that train the same cases together, each a process.

    A case that fails on one worker ends both, since the other would wait for it for ever. Two new
    workers then continue with the next case.

    Args:
        module: The module whose `CASES` the workers take their cases from.
        names: The names of the cases to train.
    """

    def __init__(self, module, names):
        self.module, self.remaining = module, names
        self.finished = {}  # by name, the pair of workers that trained the case
        self._start()

    def _start(self):
        arguments = ("work", self.module, self.remaining)
        self.workers = [
            Process(*arguments, TF_CONFIG=config, **WITHOUT_ONEDNN) for config in cluster_configs()
        ]

    def result(self, name):
        """Returns the results of both workers for one case; raises if that case failed."""
        while name not in self.finished:
            self._wait()
        return [worker.result(name) for worker in self.finished[name]]

    def _wait(self):
        reached = min(len(worker.results) for worker in self.workers)
        self.finished |= dict.fromkeys(self.remaining[:reached], self.workers)
        self.remaining = self.remaining[reached:]
        if self.remaining:
            self._start()

    def stop(self):
        """Ends the workers, whatever they are doing."""
        for worker in self.workers:
            worker.stop()


def exit_codes(processes):
    """Waits for the processes of a cluster; if one fails, the others are killed."""
    while any(process.poll() is None for process in processes):
        if any(process.poll() for process in processes):
            for process in processes:
                process.kill()
        time.sleep(0.1)
    return [process.returncode for process in processes]


def cluster_configs():
    """Returns a `TF_CONFIG` for each of two workers on this machine."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for s in sockets:
            s.bind(("localhost", 0))
        addresses = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        for index in range(2)
    ]


# The kinds of jobs. Each starts at once, and has `result(name)` and `stop()`.
JOBS = {
    "replicas": functools.partial(Process, "mirror", **WITHOUT_ONEDNN),
    "workers": Cluster,
    "resumed": functools.partial(Process, "resume"),
}


# The side of the processes. ---------------------------------------------------------------------


def error_of(error):
    """Describes an exception by its type and message."""
    return f"{type(error).__name__}: {error}"


def train_all(task, strategy):
    """Trains all cases under a strategy, and writes down the results."""
    results = {}
    for name, case in task.cases().items():
        try:
            results[name] = runs.run(case, strategy)
        except Exception as error:
            results[name] = error_of(error)
            if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
                break  # the other worker waits for this one
    task.output.write_bytes(pickle.dumps(results))


def work(task):
    """Trains all cases as one worker of a cluster."""
    train_all(task, tf.distribute.MultiWorkerMirroredStrategy())


def mirror(task):
    """Trains all cases on two replicas, which are two logical devices of the CPU."""
    devices = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    # One strategy for all cases: a second one would use the first's collectives again.
    train_all(task, tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))


def be_killed(task):
    """Trains all cases up to the middle of the third epoch, and then kills this process."""
    for index, case in enumerate(task.cases().values()):
        runs.fit_until_pause(case, task.output / str(index))
    os.kill(os.getpid(), signal.SIGKILL)


def resume(task):
    """Has the runs of all cases killed in another process, and resumes them in this one."""
    backups = task.output.with_name("backups")
    killed = dataclasses.replace(task, role="be_killed", output=backups)
    assert subprocess.run(killed.command, check=False).returncode == -signal.SIGKILL
    results = {}
    for index, (name, case) in enumerate(task.cases().items()):
        try:
            results[name] = runs.resume(case, backups / str(index))
        except Exception as error:
            results[name] = error_of(error)
    task.output.write_bytes(pickle.dumps(results))


ROLES = {"mirror": mirror, "work": work, "resume": resume, "be_killed": be_killed}


def main():
    parser = argparse.ArgumentParser(description="Trains cases of the contract.")
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("module")
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("names", nargs="+")
    task = Task(**vars(parser.parse_args()))
    ROLES[task.role](task)


if __name__ == "__main__":
    main()
