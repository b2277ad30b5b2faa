# %% [markdown]
# # 7. DCGAN and WGAN-GP on images
#
# DCGAN made the game work for images: strided convolutions, BatchNormalization, no dense layers,
# Adam with little momentum. Its losses say nothing about quality: each measures one player against
# the other. WGAN replaces the discriminator's verdict by a critic's estimate of a distance,
# $$W(p, q) = \sup_{\lVert f \rVert_L \le 1} \mathbb E_p f(x) - \mathbb E_q f(x),$$
# and WGAN-GP keeps $f$ Lipschitz by a penalty on $(\lVert \nabla f \rVert - 1)^2$ between real and
# generated images. That estimate should fall as the images improve. Does it?

# %%
import keras
import numpy as np
import tensorflow as tf
from lesson import Lesson, draw_rows
from matplotlib import pyplot as plt

import keras_genzoo as genzoo

lesson = Lesson("07_images", "DCGAN and WGAN-GP on images")
images, labels, test_images, test_labels = lesson.images()
shape = images.shape[1:]
features = genzoo.metrics.features.penultimate(lesson.judge(images, labels))


# %%
def networks(normalization=True):
    filters = genzoo.networks.default_filters(shape, base=32)
    return {
        "generator": genzoo.networks.dcgan_generator(shape, 64, filters=filters),
        "discriminator": genzoo.networks.dcgan_discriminator(
            shape, filters=filters, normalization=normalization
        ),
    }


def train(model, epochs, batch_size, rate):
    """Trains; the kernel distance after each epoch, and samples of the same latents over time."""
    size = lesson.few(500, 100)
    metric = genzoo.metrics.KernelDistance(features, subsets=20, subset_size=size)
    model.compile(*(keras.optimizers.Adam(rate, beta_1=0.5) for _ in "GD"), metrics=[metric])
    looks = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: looks.append(model.sample(10, seed=1))
    )
    history = model.fit(
        images,
        batch_size=batch_size,
        epochs=lesson.few(epochs, 2),
        validation_data=test_images,
        callbacks=[look],
        verbose=2,
    ).history
    moments = np.unique(np.geomspace(1, len(looks), 5).astype(int) - 1)
    return history, {f"epoch {i + 1}": looks[i] for i in moments}


r1 = genzoo.losses.GradientPenalty(weight=0.1, at="real", target=0.0)
dcgan = genzoo.DCGAN(shape, 64, penalty=r1, **networks(normalization=False))
dcgan_history, dcgan_looks = train(dcgan, epochs=20, batch_size=32, rate=1e-3)
wgan_gp = genzoo.WGANGP(shape, 64, **networks(normalization=False))
wgan_history, wgan_looks = train(wgan_gp, epochs=60, batch_size=160, rate=5e-4)

# %% [markdown]
# ## Does the estimate tell the quality?
#
# The critic's loss is the negative estimate. The rank correlation with the kernel distance, over
# epochs, says whether the one tells the other: 1 would be perfect, 0 nothing.


# %%
def rank_correlation(x, y):
    first, second = (np.argsort(np.argsort(values)) for values in (x, y))
    return float(np.corrcoef(first, second)[0, 1])


estimate = -np.array(wgan_history["discriminator_loss"])
wgan_quality = np.array(wgan_history["val_kernel_distance"])
tells = rank_correlation(estimate, wgan_quality)
told = rank_correlation(dcgan_history["generator_loss"], dcgan_history["val_kernel_distance"])

# %% [markdown]
# ## Instability, provoked and fixed
#
# A learning rate of 0.02 throws DCGAN off. What tames it is a discriminator that can't become
# steep, by R1, and above all a sane rate.

# %%
provoked = genzoo.DCGAN(shape, 64, **networks())
unstable, unstable_looks = train(provoked, epochs=5, batch_size=32, rate=2e-2)
kernel = {
    "DCGAN": dcgan_history["val_kernel_distance"][-1],
    "WGAN-GP": wgan_quality[-1],
    "DCGAN, rate 0.02": unstable["val_kernel_distance"][-1],
}

# A walk on the sphere on which latents of N(0, 1) lie.
rng = np.random.default_rng(2)
first, last = rng.standard_normal((2, 64))
angles = np.linspace(0, np.pi / 2, 10)[:, None]
walk = dcgan(tf.constant(np.cos(angles) * first + np.sin(angles) * last, "float32")).numpy()

figure = plt.figure(figsize=(15, 8), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.4, 1))
rows = {f"DCGAN, {name}": x for name, x in dcgan_looks.items()} | {"DCGAN, a walk": walk}
rows |= {f"WGAN-GP, {name}": x for name, x in wgan_looks.items()}
rows |= {"DCGAN, rate 0.02": [*unstable_looks.values()][-1]}
draw_rows(left.subplots(), rows)
top, bottom = right.subplots(2, 1)
for name, values in {
    "DCGAN": dcgan_history["val_kernel_distance"],
    "WGAN-GP": wgan_quality,
    "DCGAN, rate 0.02": unstable["val_kernel_distance"],
}.items():
    top.plot(range(1, len(values) + 1), values, label=name)
top.set(xlabel="epoch", ylabel="kernel distance", yscale="log")
top.legend()
bottom.scatter(estimate, wgan_quality, c=range(len(estimate)), cmap="viridis", s=14)
bottom.set(xlabel="the critic's estimate of the Wasserstein distance", ylabel="kernel distance")
bottom.set(yscale="log", title="WGAN-GP, an epoch a point, later ones yellow")

lesson.finish(
    figure,
    "Samples of the same latents over time, a walk from one latent to another, and the samples of "
    "a DCGAN whose learning rate is too high. Right: kernel distance to the test images over "
    "epochs, and against the critic's estimate.",
    "At the end the kernel distance is {dcgan:.2f} for DCGAN, {wgan:.2f} for WGAN-GP and "
    "{unstable:.2f} at a learning rate of 0.02. Over the epochs the critic's estimate and the "
    "kernel distance have a rank correlation of {tells:.2f}; DCGAN's generator loss and its "
    "kernel distance one of {told:.2f}.",
    {
        "the Wasserstein estimate falls with quality": tells > 0.7,
        "too high a rate is worse, and a sane one with R1 mends it": (
            kernel["DCGAN, rate 0.02"] > 2 * kernel["DCGAN"]
        ),
        "the images improve": wgan_quality[-1] < 0.5 * wgan_quality[0],
    },
    dcgan=kernel["DCGAN"],
    wgan=kernel["WGAN-GP"],
    unstable=kernel["DCGAN, rate 0.02"],
    tells=tells,
    told=told,
)

# %% [markdown]
# ## What to try next
#
# - `genzoo.WGAN`, with clipped weights: how does its estimate fare?
# - `ema_half_life=5_000` for either: which curve becomes smoother?
