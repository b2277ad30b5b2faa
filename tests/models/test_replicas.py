"""Two replicas take the same steps as one on the same global batches."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as genzoo

SHAPE = (8, 8, 1)


def coder(outputs, **options):
    return genzoo.networks.dense_encoder(SHAPE, outputs, hidden_units=(16,), **options)


def decoder(latent_dim, **options):
    return genzoo.networks.dense_decoder(SHAPE, latent_dim, hidden_units=(16,), **options)


def vae():
    return genzoo.VAE(SHAPE, 4, encoder=coder(8), decoder=decoder(4))


def sparse_autoencoder():
    networks = {
        "encoder": coder(16, output_activation="sigmoid"),
        "decoder": decoder(16, output_activation="sigmoid"),
    }
    return genzoo.SparseAutoencoder(SHAPE, 16, l1_weight=1e-3, **networks)


def denoising_autoencoder():
    networks = {"encoder": coder(4), "decoder": decoder(4, output_activation="sigmoid")}
    corruption = genzoo.layers.SaltAndPepper(0.3)
    return genzoo.DenoisingAutoencoder(SHAPE, 4, corruption=corruption, **networks)


def conditional_wgan_gp():
    generator = decoder(4, num_classes=10, output_activation="sigmoid")
    critic = genzoo.networks.dense_discriminator(SHAPE, hidden_units=(16,), num_classes=10)
    return genzoo.WGANGP(
        SHAPE, 4, num_classes=10, critic_steps=3, generator=generator, discriminator=critic
    )


def train(build, strategy):
    keras.utils.set_random_seed(3)
    images, labels = genzoo.data.arrays("digits")
    # The last batch has one example: the second replica goes without.
    data = tf.data.Dataset.from_tensor_slices((images[:73], labels[:73])).batch(24)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = build()
        names = model.default_optimizers()
        model.compile(**{name: keras.optimizers.SGD(0.002) for name in names})
    history = model.fit(data, epochs=2, validation_data=data, verbose=0).history
    return model, history


@pytest.mark.parametrize(
    "build", [vae, sparse_autoencoder, denoising_autoencoder, conditional_wgan_gp]
)
def test_two_replicas_equal_one(build, two_replicas):
    one, one_history = train(build, None)
    two, two_history = train(build, two_replicas)
    for a, b in zip(one.trainable_variables, two.trainable_variables, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-5, atol=1e-6, err_msg=a.path)
    assert one_history.keys() == two_history.keys()
    for name, values in one_history.items():
        np.testing.assert_allclose(two_history[name], values, rtol=1e-4, err_msg=name)
