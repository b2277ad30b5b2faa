"""Measures what it costs to share a batch: two replicas, and two workers, beside one replica.

    python benchmarks/distribution.py [--rounds 3]

The global batch is the same everywhere, and so are the steps taken. On one machine without GPUs
the replicas share the cores that one replica had alone: what is seen is the cost of splitting,
reducing and waiting, not a gain. Each contender runs in processes of its own, in turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time

if __name__ == "__main__":  # before TensorFlow is imported, so that help and mistakes come at once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contend", help=argparse.SUPPRESS)
    FLAGS = parser.parse_args()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf

import keras_genzoo as genzoo

IMAGE = (28, 28, 1)


def statistics_per_replica(network):
    """The same network, whose BatchNormalization doesn't look at other replicas."""

    def clone(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            config["synchronized"] = False
        return type(layer).from_config(config)

    return keras.models.clone_model(network, clone_function=clone)


def unsynchronized_vae():
    encoder, decoder = genzoo.networks.encoder(IMAGE, 32), genzoo.networks.decoder(IMAGE, 16)
    parts = {"encoder": encoder, "decoder": decoder}
    return genzoo.VAE(IMAGE, 16, **{k: statistics_per_replica(v) for k, v in parts.items()})


# What is trained, on batches of how many images, for how many steps.
MODELS = {
    "VAE": (lambda: genzoo.VAE(IMAGE, 16), 64, 60),
    "VAE, statistics per replica": (unsynchronized_vae, 64, 60),
    "DCGAN": (lambda: genzoo.DCGAN(IMAGE, 64), 64, 30),
    "WGANGP": (lambda: genzoo.WGANGP(IMAGE, 64), 320, 8),
}


def mirrored():
    devices = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


STRATEGIES = {
    "one replica": tf.distribute.get_strategy,
    "two replicas": mirrored,
    "two workers": tf.distribute.MultiWorkerMirroredStrategy,
}


def contend(kind):
    """Prints the steps a second of each model under one strategy, as JSON."""
    strategy = STRATEGIES[kind]()
    speed = {}
    for name, (build, batch, steps) in MODELS.items():
        data = genzoo.data.load("mnist_5k", batch_size=batch, labels=False, first_epoch=0)
        with strategy.scope():
            model = build()
            model.compile()
        model.fit(data, steps_per_epoch=3, verbose=0)  # traces, and warms up
        start = time.perf_counter()
        model.fit(data, steps_per_epoch=steps, verbose=0)
        speed[name] = steps / (time.perf_counter() - start)
        if kind == "two replicas":
            speed[f"{name} reduces"] = all_reduces(strategy, model, batch)
    print(json.dumps(speed))


def all_reduces(strategy, model, batch):
    """Counts the all-reduces that a replica takes part in, in a step."""
    x = tf.zeros((batch // strategy.num_replicas_in_sync, *IMAGE), tf.uint8)
    step = tf.function(lambda: strategy.run(model.train_step, args=(x,)))
    graph = step.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    nodes = [node for node in nodes if node.op == "CollectiveReduceV2"]
    return len(nodes) // strategy.num_replicas_in_sync


def launch(kind):
    """Runs one contender, and returns the steps a second that its (first) process measured."""
    environments = [{}]
    if kind == "two workers":
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
            for s in sockets:
                s.bind(("localhost", 0))
            cluster = {"worker": [f"localhost:{s.getsockname()[1]}" for s in sockets]}
        tasks = [{"type": "worker", "index": index} for index in range(2)]
        environments = [
            {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks
        ]
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--contend", kind],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for environment in environments
    ]
    outputs = [process.communicate()[0] for process in processes]
    return json.loads(outputs[0].splitlines()[-1])


def main(flags):
    if flags.contend:
        contend(flags.contend)
        return
    speeds = {kind: [] for kind in STRATEGIES}
    for _ in range(flags.rounds):
        for kind, results in speeds.items():
            results.append(launch(kind))
    one, *others = STRATEGIES
    titles = [f"{one}, steps/s", *(f"{kind} / {one}" for kind in others), "all-reduces a step"]
    print("| | " + " | ".join(titles) + " |")
    print("|---" * (1 + len(titles)) + "|")
    for name in MODELS:
        medians = {
            kind: statistics.median(r[name] for r in results) for kind, results in speeds.items()
        }
        ratios = " | ".join(f"{medians[kind] / medians[one]:.2f}" for kind in others)
        reduces = speeds["two replicas"][0][f"{name} reduces"]
        print(f"| {name} | {medians[one]:.1f} | {ratios} | {reduces} |", flush=True)


if __name__ == "__main__":
    main(FLAGS)
