"""Trains any model of the zoo on any data set.

    python examples/train.py --model dcgan --data mnist_5k
    python examples/train.py --model vae --data digits --conditional --epochs 30 --output runs/mine
    python examples/train.py --model wgan_gp --data cifar10 --resume
    python examples/train.py --recipe dcgan_fashion_mnist
    python examples/train.py --strategy mirrored            # all GPUs of this machine

A run's directory holds the trained model (`model.keras` for Keras, `saved_model/1` for TensorFlow
Serving), `pictures/` of it as it learns and the last one as `samples.png`, the losses
(`history.csv`, `curves.png`), the settings and measurements (`run.json`), and `backup/`, from which
`--resume` goes on. One process at a time may use a directory.
"""

import argparse
import os
import pathlib
import re
import sys

from recipes import MODELS, NAMED, RECIPES

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main(argv: list[str] | None = None) -> int:
    """Runs the command line, and returns its exit code."""
    flags = parse(argv)
    if flags.strategy is None:  # oneDNN's kernels fail on a replica that has no example
        # Turns on TensorFlow's faster convolutions, which are off on CPUs without instructions for
        # neural networks, such as AVX512-VNNI.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    stopwatch = None
    try:
        # Only now, because it imports TensorFlow: `--help` and mistakes need not wait for that.
        from run import Stopwatch, train

        stopwatch = Stopwatch()
        return train(flags, stopwatch)
    except (ValueError, OSError, ImportError) as error:
        if stopwatch is not None and stopwatch.steps and getattr(error, "errno", None) is None:
            raise  # After a first step it is a bug, not a bad flag, unless the disk is full.
        print(f"train.py: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        how = "--resume in place of --overwrite" if flags.overwrite else "--resume"
        print(f"\nInterrupted. Repeat the command with {how} to go on in {flags.output}.")
        return 130


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parses the flags and fills in the defaults that need neither data nor model."""
    parser = argparse.ArgumentParser(
        description="Train any model of the zoo on any data set.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--model", choices=MODELS, default="dcgan", help="what to train")
    chosen.add_argument(
        "--recipe", choices=NAMED, help="a model with its data and settings: see docs/recipes.md"
    )
    add("--data", help="digits, mnist_5k or any tensorflow-datasets name; None: mnist_5k")
    add("--epochs", type=positive, help="epochs in all; None: as suits the model")
    add(
        "--batch-size",
        type=positive,
        help="None: as suits the model (wgan and wgan_gp, which split it: 320)",
    )
    add("--latent-dim", type=positive, help="None: 64 for convolutional GANs, else the model's own")
    add("--conditional", action="store_true", help="learn the classes too (vae and the GANs)")
    add("--loss", help="adversarial loss of a GAN, such as hinge; None: the paper's")
    add("--seed", type=int, default=0, help="of the weights, the noise and the pictures")
    add("--output", type=pathlib.Path, help="directory; None: runs/<model>_<data>")
    add("--every", type=positive, default=5, help="epochs between pictures")
    add(
        "--strategy",
        choices=("mirrored", "multi_worker", "tpu"),
        help="spread each batch over the GPUs of this machine, over the machines of TF_CONFIG, or "
        "over a TPU's cores; None: one device",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace an earlier run")
    existing.add_argument("--resume", action="store_true", help="go on with an earlier run")
    flags = parser.parse_args(argv)

    if flags.recipe is not None and flags.data not in (None, RECIPES[flags.recipe].data_name):
        parser.error("argument --data: a recipe has its own")
    flags.recipe = flags.recipe or flags.model
    recipe = RECIPES[flags.recipe]
    flags.data = flags.data or recipe.data_name
    if flags.conditional and recipe.conditional is None:
        parser.error(f"argument --conditional: {flags.recipe} has no use for classes")
    if flags.loss is not None and not recipe.loss:
        parser.error(f"argument --loss: {flags.recipe} is no GAN")
    flags.conditional |= bool(recipe.conditional)
    flags.epochs = flags.epochs or recipe.epochs
    flags.batch_size = flags.batch_size or recipe.batch_size
    name = flags.recipe
    if name in MODELS:
        name += f"_{re.sub(r'[^0-9A-Za-z_.-]', '-', flags.data)}"
    flags.output = flags.output or pathlib.Path("runs", name)
    return flags


def positive(text: str) -> int:
    """Parses a positive integer of the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a positive integer is needed, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
