"""The recipes of `train.py`: a table of models with their data and settings.

`--model NAME` takes the recipe of that name, for a few thousand small images, and any data set of
images; `--recipe NAME` takes one with its own data. docs/recipes.md lists their costs and results.

The table must load at once, because `train.py` reads it for its flags: the functions import
TensorFlow, and the file does not.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import translation

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Data:
    """The data of a run.

    Attributes:
        train: Batches in an endless stream, which starts at the epoch that the run starts at.
        steps: The number of batches in an epoch.
        test: Batches in order, or None.
        fields: The fields of a batch, as a model declares them.
        examples: Test examples of the first field, for pictures.
        targets: Those of the second field, if a model translates to it.
    """

    train: tf.data.Dataset
    steps: int
    test: tf.data.Dataset | None
    fields: tuple
    examples: np.ndarray
    targets: np.ndarray | None = None


def labelled_images(flags, first_epoch: int) -> Data:
    """Loads images by the name `--data`, with their labels if the model is conditional."""
    import numpy as np
    import tensorflow as tf

    import keras_genzoo as genzoo

    load = functools.partial(
        genzoo.data.load, flags.data, batch_size=flags.batch_size, labels=flags.conditional
    )
    in_order = load(split="train", shuffle=False)  # and complete
    try:
        test = load(split="test")
    except ValueError:
        # An unknown name or split of the training data would have failed above.
        test = None
    first = list((test or in_order).unbatch().take(64).as_numpy_iterator())
    examples = np.stack([example[0] for example in first] if flags.conditional else first)
    num_classes = None
    if flags.conditional:
        num_classes = 1 + max(int(tf.reduce_max(labels)) for _, labels in in_order)
    return Data(
        train=load(split="train", first_epoch=first_epoch),
        steps=int(load(split="train").cardinality()),
        test=test,
        fields=(genzoo.fields.Images(examples.shape[1:]), genzoo.fields.Labels(num_classes)),
        examples=examples,
    )


def ring(flags, first_epoch: int) -> Data:
    """Draws points from eight Gaussians on a circle."""
    import tensorflow as tf

    import keras_genzoo as genzoo

    mixture = genzoo.data.ring(8)
    draw = functools.partial(mixture.dataset, 50_000, flags.batch_size)
    test = mixture.sample(2_500, seed=1)
    return Data(
        train=draw(first_epoch=first_epoch),
        steps=int(draw().cardinality()),
        test=tf.data.Dataset.from_tensor_slices(test).batch(flags.batch_size),
        fields=(genzoo.fields.Vectors((2,)),),
        examples=test,
    )


def convolutional_gan(penalty=None, weight=None, **parts):
    """Makes the arguments of a GAN with half of DCGAN's filters, enough for small images.

    Args:
        penalty: The gradient penalty.
        weight: The weight of an R1 penalty, instead of `penalty`.
        **parts: Other arguments of the model.
    """

    def arguments(shape, num_classes, latent_dim):
        import keras_genzoo as genzoo

        r1 = {"at": "real", "target": 0.0}
        used = penalty if weight is None else genzoo.losses.GradientPenalty(weight=weight, **r1)
        latent_dim = latent_dim or 64
        filters = genzoo.networks.default_filters(shape, base=32)
        options = {"filters": filters, "num_classes": num_classes}
        return {
            "latent_dim": latent_dim,
            "penalty": used,
            **parts,
            "generator": genzoo.networks.dcgan_generator(shape, latent_dim, **options),
            "discriminator": genzoo.networks.dcgan_discriminator(
                shape, normalization=used is None, **options
            ),
        }

    return arguments


def gan_of_points(shape, num_classes, latent_dim):
    """Makes the arguments of a small GAN with a gradient penalty, against mode collapse.

    Its samples come from a moving average of the generator's weights, because the weights
    themselves keep moving around the optimum. More latents put more samples between the modes.
    """
    import keras_genzoo as genzoo

    latent_dim, units = latent_dim or 2, {"hidden_units": (128, 128, 128)}
    return {
        "latent_dim": latent_dim,
        "penalty": genzoo.losses.GradientPenalty(weight=0.01, at="real", target=0.0),
        "ema_half_life": 50_000,
        "generator": genzoo.networks.dense_decoder(shape, latent_dim, **units),
        "discriminator": genzoo.networks.dense_discriminator(shape, **units),
    }


def dense_vae(shape, num_classes, latent_dim):
    """Makes the arguments of a VAE of multi-layer perceptrons.

    On a CPU it trains on seven times as many images a second as a convolutional one.
    """
    import keras_genzoo as genzoo

    latent_dim, options = latent_dim or 24, {"num_classes": num_classes}
    return {
        "latent_dim": latent_dim,
        "encoder": genzoo.networks.dense_encoder(shape, 2 * latent_dim, **options),
        "decoder": genzoo.networks.dense_decoder(shape, latent_dim, **options),
    }


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A model, its data and its settings, unless the flags say otherwise.

    Attributes:
        model: The name of the model's class in `keras_genzoo`.
        epochs: The number of epochs.
        data_name: The name of the data, which `--data` replaces.
        data: Loads the data: a function of the flags and the first epoch.
        batch_size: The number of examples in a batch.
        conditional: Whether the model learns classes: always (True), never (None), or if
            `--conditional` is given (False).
        loss: Whether the model takes an adversarial `loss=`.
        arguments: Makes arguments of the model from shape, number of classes and `--latent-dim`.
        make: Makes the model from its fields; None: its class, of the fields' shapes.
        learning_rate: The rate of the default optimizers; None keeps the paper's.
    """

    model: str
    epochs: int
    data_name: str = "mnist_5k"
    data: Callable = labelled_images
    batch_size: int = 64
    conditional: bool | None = False
    loss: bool = False
    arguments: Callable | None = None
    make: Callable | None = None
    learning_rate: float | None = None

    def build(self, fields, latent_dim=None, loss=None) -> keras.Model:
        """Returns the compiled model for data of these fields."""
        import keras_genzoo as genzoo

        shapes = [field.shape for field in fields if not isinstance(field, genzoo.fields.Labels)]
        labels = [field for field in fields if isinstance(field, genzoo.fields.Labels)]
        num_classes = labels[0].num_classes if labels else None
        arguments = {"latent_dim": latent_dim, "loss": loss, "num_classes": num_classes}
        arguments = {name: value for name, value in arguments.items() if value is not None}
        if self.arguments is not None:
            arguments |= self.arguments(*shapes, num_classes, latent_dim)
        if self.make is None:
            model = getattr(genzoo, self.model)(*shapes, **arguments)
        else:
            model = self.make(*fields)
        model.compile()
        if self.learning_rate is not None:
            for player in model.players:
                getattr(model, player).learning_rate = self.learning_rate
        return model


# A batch of 320 for five critic steps: each sees 64 examples.
MODELS = {
    "autoencoder": Recipe("Autoencoder", epochs=30, conditional=None),
    "convolutional_autoencoder": Recipe("ConvolutionalAutoencoder", epochs=20, conditional=None),
    "sparse_autoencoder": Recipe("SparseAutoencoder", epochs=20, conditional=None),
    "denoising_autoencoder": Recipe("DenoisingAutoencoder", epochs=20, conditional=None),
    "vae": Recipe("VAE", epochs=40),
    "gan": Recipe("GAN", epochs=100, loss=True),
    "dcgan": Recipe(
        "DCGAN",
        epochs=25,
        batch_size=32,
        loss=True,
        arguments=convolutional_gan(weight=0.1),
        learning_rate=1e-3,
    ),
    "conditional_gan": Recipe(
        "ConditionalGAN",
        epochs=35,
        batch_size=32,
        conditional=True,
        loss=True,
        arguments=convolutional_gan(weight=0.1),
        learning_rate=1e-3,
    ),
    "wgan": Recipe("WGAN", epochs=200, batch_size=320, loss=True, arguments=convolutional_gan()),
    "wgan_gp": Recipe(
        "WGANGP", epochs=100, batch_size=320, loss=True, arguments=convolutional_gan("wgan_gp")
    ),
}

NAMED = {
    "gan_ring": Recipe(
        "GAN",
        data_name="ring",
        data=ring,
        epochs=20,
        batch_size=128,
        conditional=None,
        loss=True,
        arguments=gan_of_points,
        learning_rate=1e-3,
    ),
    "vae_fashion_mnist": Recipe(
        "VAE", data_name="fashion_mnist", epochs=30, batch_size=128, arguments=dense_vae
    ),
    "dcgan_fashion_mnist": dataclasses.replace(
        MODELS["dcgan"],
        data_name="fashion_mnist",
        epochs=6,
        batch_size=64,
        arguments=convolutional_gan(weight=0.1, ema_half_life=10_000),
    ),
    "conditional_gan_fashion_mnist": dataclasses.replace(
        MODELS["conditional_gan"],
        data_name="fashion_mnist",
        epochs=6,
        batch_size=64,
        arguments=convolutional_gan(weight=0.1, ema_half_life=10_000),
    ),
    "wgan_gp_fashion_mnist": dataclasses.replace(
        MODELS["wgan_gp"],
        data_name="fashion_mnist",
        epochs=6,
        batch_size=128,
        arguments=convolutional_gan("wgan_gp", critic_steps=2, ema_half_life=10_000),
        learning_rate=1e-3,
    ),
}
NAMED |= {
    name: Recipe(conditional=None, **options) for name, options in translation.RECIPES.items()
}

RECIPES = MODELS | NAMED
