"""What `train.py` trains with: a table of named settings.

`--model NAME` takes the recipe of that name, for a few thousand small images, and any data;
`--recipe NAME` takes one with its data set. docs/recipes.md has what each of these costs and gives.
"""

import dataclasses
from collections.abc import Callable

import keras

import keras_genzoo as genzoo


def convolutional_gan(penalty=None, weight=None, **parts):
    """Makes the arguments of a GAN with half of DCGAN's filters, enough for small images.

    `weight` is that of a gradient penalty at the real images; `parts` are other arguments.
    """
    if weight is not None:
        penalty = genzoo.losses.GradientPenalty(weight=weight, at="real", target=0.0)

    def arguments(shape, num_classes, latent_dim):
        latent_dim = latent_dim or 64
        filters = genzoo.networks.default_filters(shape, base=32)
        options = {"filters": filters, "num_classes": num_classes}
        return {
            "latent_dim": latent_dim,
            "penalty": penalty,
            **parts,
            "generator": genzoo.networks.dcgan_generator(shape, latent_dim, **options),
            "discriminator": genzoo.networks.dcgan_discriminator(
                shape, normalization=penalty is None, **options
            ),
        }

    return arguments


def dense_vae(shape, num_classes, latent_dim):
    """Arguments of a VAE of multi-layer perceptrons.

    On a CPU it sees seven times as many images a second as a convolutional one.
    """
    latent_dim, options = latent_dim or 24, {"num_classes": num_classes}
    return {
        "latent_dim": latent_dim,
        "encoder": genzoo.networks.dense_encoder(shape, 2 * latent_dim, **options),
        "decoder": genzoo.networks.dense_decoder(shape, latent_dim, **options),
    }


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a model is trained with unless the flags say otherwise."""

    model: type[keras.Model]
    epochs: int
    data: str = "mnist_5k"
    batch_size: int = 64
    conditional: bool | None = False  # always, if the flag says so, or (None) never
    loss: bool = False  # does it take `loss=`?
    arguments: Callable | None = None  # of the model, from shape, num_classes and latent_dim
    learning_rate: float | None = None  # of Adam with the paper's momenta; None: the paper's


# A batch of 320 for five critic steps: each sees 64 examples.
MODELS = {
    "autoencoder": Recipe(genzoo.Autoencoder, epochs=30, conditional=None),
    "convolutional_autoencoder": Recipe(
        genzoo.ConvolutionalAutoencoder, epochs=20, conditional=None
    ),
    "sparse_autoencoder": Recipe(genzoo.SparseAutoencoder, epochs=20, conditional=None),
    "denoising_autoencoder": Recipe(genzoo.DenoisingAutoencoder, epochs=20, conditional=None),
    "vae": Recipe(genzoo.VAE, epochs=40),
    "gan": Recipe(genzoo.GAN, epochs=100, loss=True),
    "dcgan": Recipe(
        genzoo.DCGAN,
        epochs=25,
        batch_size=32,
        loss=True,
        arguments=convolutional_gan(weight=0.1),
        learning_rate=1e-3,
    ),
    "conditional_gan": Recipe(
        genzoo.ConditionalGAN,
        epochs=35,
        batch_size=32,
        conditional=True,
        loss=True,
        arguments=convolutional_gan(weight=0.1),
        learning_rate=1e-3,
    ),
    "wgan": Recipe(
        genzoo.WGAN, epochs=200, batch_size=320, loss=True, arguments=convolutional_gan()
    ),
    "wgan_gp": Recipe(
        genzoo.WGANGP, epochs=100, batch_size=320, loss=True, arguments=convolutional_gan("wgan_gp")
    ),
}

NAMED = {
    "vae_fashion_mnist": Recipe(
        genzoo.VAE, data="fashion_mnist", epochs=30, batch_size=128, arguments=dense_vae
    ),
    "dcgan_fashion_mnist": dataclasses.replace(
        MODELS["dcgan"],
        data="fashion_mnist",
        epochs=6,
        batch_size=64,
        arguments=convolutional_gan(weight=0.1, ema_half_life=10_000),
    ),
    "conditional_gan_fashion_mnist": dataclasses.replace(
        MODELS["conditional_gan"],
        data="fashion_mnist",
        epochs=6,
        batch_size=64,
        arguments=convolutional_gan(weight=0.1, ema_half_life=10_000),
    ),
    "wgan_gp_fashion_mnist": dataclasses.replace(
        MODELS["wgan_gp"],
        data="fashion_mnist",
        epochs=6,
        batch_size=128,
        arguments=convolutional_gan("wgan_gp", critic_steps=2, ema_half_life=10_000),
        learning_rate=1e-3,
    ),
}

RECIPES = MODELS | NAMED


def build(name, shape, num_classes=None, latent_dim=None, loss=None):
    """The compiled model of a recipe, for data of this shape."""
    recipe = RECIPES[name]
    arguments = {"latent_dim": latent_dim, "loss": loss, "num_classes": num_classes}
    arguments = {name: value for name, value in arguments.items() if value is not None}
    if recipe.arguments is not None:
        arguments |= recipe.arguments(shape, num_classes, latent_dim)
    model = recipe.model(shape, **arguments)
    model.compile()
    if recipe.learning_rate is not None:
        for optimizer in model.default_optimizers():
            getattr(model, optimizer).learning_rate = recipe.learning_rate
    return model
