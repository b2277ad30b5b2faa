# %% [markdown]
# # 7. DCGAN and WGAN-GP on images
#
# DCGAN made the game work for images: strided convolutions, BatchNormalization, no hidden dense
# layers, Adam with little momentum. (Here R1 takes the place of the discriminator's normalization.)
# Its losses need not tell the quality: each measures one player against the other. WGAN replaces
# the discriminator's verdict by a critic's estimate of a distance,
# $$W(p, q) = \sup_{\lVert f \rVert_L \le 1} \mathbb E_p f(x) - \mathbb E_q f(x),$$
# and WGAN-GP keeps $f$ Lipschitz by a penalty on $(\lVert \nabla f \rVert - 1)^2$ between real and
# generated images. That estimate should fall as the images improve. Does it?

# %%
import keras
import numpy as np
import tensorflow as tf
from lesson import Lesson, draw_rows
from matplotlib import pyplot as plt
from scipy.stats import spearmanr

import keras_genzoo as genzoo

lesson = Lesson("07_images", "DCGAN and WGAN-GP on images")
images, labels, test_images, test_labels = lesson.images()
shape = images.shape[1:]
features = genzoo.metrics.features.penultimate(lesson.judge(images, labels))


# %%
def train(kind, epochs, batch_size, rate, **options):
    """The model; its logs, with the kernel distance; samples of the same latents over time."""
    keras.utils.set_random_seed(0)
    networks, filters = genzoo.networks, genzoo.networks.default_filters(shape, base=32)
    players = {
        "generator": networks.dcgan_generator(shape, 64, filters=filters),
        "discriminator": networks.dcgan_discriminator(shape, filters=filters, normalization=False),
    }
    model = kind(shape, 64, **players, **options)
    size = lesson.few(500, 100)
    metric = genzoo.metrics.KernelDistance(features, subsets=20, subset_size=size)
    model.compile(*(keras.optimizers.Adam(rate, beta_1=0.5) for _ in "GD"), metrics=[metric])
    looks = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: looks.append(model.sample(10, seed=1))
    )
    watch = {"validation_data": test_images, "callbacks": [look], "verbose": 2}
    epochs = lesson.few(epochs, 2)
    history = model.fit(images, batch_size=batch_size, epochs=epochs, **watch).history
    moments = np.unique(np.geomspace(1, len(looks), 5).astype(int) - 1)
    return model, history, {i + 1: looks[i] for i in moments}


r1 = genzoo.losses.GradientPenalty(weight=0.1, at="real", target=0.0)
dcgan, dcgan_logs, dcgan_looks = train(genzoo.DCGAN, 40, 32, 1e-3, penalty=r1)
_, wgan_logs, wgan_looks = train(genzoo.WGANGP, 60, 160, 5e-4)

# %% [markdown]
# ## Does the estimate tell the quality?
#
# The critic's loss is the negative estimate. The rank correlation with the kernel distance, over
# epochs, says whether the one tells the other: 1 or -1 would be perfect, 0 nothing. Both fall as
# training goes on, so what counts are the late epochs, the second half.

# %%
estimate = -np.array(wgan_logs["discriminator_loss"])
wgan_quality = np.array(wgan_logs["val_kernel_distance"])
tells = [float(spearmanr(estimate[i:], wgan_quality[i:])[0]) for i in (0, len(estimate) // 2)]
quality, told = dcgan_logs["val_kernel_distance"], {}
for player in ("generator", "discriminator"):
    loss = dcgan_logs[f"{player}_loss"]
    told[player] = [float(spearmanr(loss[i:], quality[i:])[0]) for i in (0, len(loss) // 2)]

# %% [markdown]
# ## A discriminator that wins, and a remedy
#
# WGAN-GP's critic takes five steps for each of the generator's: its estimate needs the best critic.
# DCGAN's discriminator with five steps, without penalty or normalization, wins the game: a loss of
# $2 \log 2 = 1.39$ is guessing, and far below that it tells all images apart. R1 keeps it flat
# where the real images are; nothing else differs between the two.

# %%
_, provoked, provoked_looks = train(genzoo.DCGAN, 40, 160, 1e-3, critic_steps=5)
_, fixed, _ = train(genzoo.DCGAN, 40, 160, 1e-3, critic_steps=5, penalty=r1)
curves = {
    "DCGAN, R1": quality,
    "WGAN-GP": wgan_quality,
    "DCGAN, five steps": provoked["val_kernel_distance"],
    "DCGAN, five steps, R1": fixed["val_kernel_distance"],
}
won, fair = (logs["val_discriminator_loss"][-1] for logs in (provoked, fixed))
late = {name: float(np.median(values[-10:])) for name, values in curves.items()}

# A walk on the sphere on which latents of N(0, 1) lie.
rng = np.random.default_rng(2)
first, last = rng.standard_normal((2, 64))
angles = np.linspace(0, np.pi / 2, 10)[:, None]
walk = dcgan(tf.constant(np.cos(angles) * first + np.sin(angles) * last, "float32")).numpy()

figure = plt.figure(figsize=(15, 8), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.4, 1))
rows = {f"DCGAN {i}": x for i, x in dcgan_looks.items()} | {"a walk": walk}
rows |= {f"WGAN-GP {i}": x for i, x in wgan_looks.items()}
rows |= {"five steps": [*provoked_looks.values()][-1]}
draw_rows(left.subplots(), rows)
(top, bottom), steps = right.subplots(2, 1), {}
for name, values in curves.items():
    steps[name] = -(-len(images) // (32 if name == "DCGAN, R1" else 160)) * len(values)
    top.plot(np.linspace(0, steps[name], len(values) + 1)[1:], values, label=name)
top.set(xlabel="steps of the generator", ylabel="kernel distance", xscale="log", yscale="log")
top.legend()
bottom.scatter(estimate, wgan_quality, c=range(len(estimate)), cmap="viridis", s=14)
bottom.set(xlabel="the critic's estimate of the Wasserstein distance", ylabel="kernel distance")
bottom.set(yscale="log", title="WGAN-GP, an epoch a point, later ones yellow")

lesson.finish(
    figure,
    "Samples of the same latents after so many epochs, the DCGAN's on the walk from one latent to "
    "another, and those of one whose discriminator takes five steps. Right: kernel distance to the "
    "test images over steps, and against the critic's estimate.",
    "In the last ten epochs the median of the kernel distance is {late[DCGAN, R1]:.1f} for DCGAN "
    "with R1, after {steps[DCGAN, R1]} steps of the generator, and {late[WGAN-GP]:.1f} for WGAN-GP "
    "after {steps[WGAN-GP]}. With five steps of the discriminator and neither penalty nor "
    "normalization DCGAN has {late[DCGAN, five steps]:.1f}, with R1 "
    "{late[DCGAN, five steps, R1]:.1f}, both after {steps[DCGAN, five steps]}; the discriminator's "
    "loss on test images is {won:.2f} and {fair:.2f}. The critic's estimate and the kernel "
    "distance have a rank correlation of {tells[0]:.2f} over all epochs, of {tells[1]:.2f} over "
    "the second half; the loss of DCGAN's generator {told[generator][0]:.2f} and "
    "{told[generator][1]:.2f}, of its discriminator {told[discriminator][0]:.2f} and "
    "{told[discriminator][1]:.2f}.",
    {
        "the Wasserstein estimate falls with quality": tells[0] > 0.7 and tells[1] > 0,
        "the generator's loss tells less": abs(told["generator"][0]) < tells[0],
        "five steps win": lesson.quick or won < np.log(2) < fair,
        "five steps without a penalty are worse, and R1 mends it": lesson.quick
        or late["DCGAN, five steps"] > 2 * late["DCGAN, five steps, R1"],
        "the images improve": wgan_quality[-1] < 0.5 * wgan_quality[0],
    },
    late=late,
    won=won,
    fair=fair,
    steps=steps,
    curves={name: list(values) for name, values in curves.items()},
    estimate=estimate.tolist(),
    tells=tells,
    told=told,
)

# %% [markdown]
# ## What to try next
# `genzoo.WGAN`, with clipped weights; `ema_half_life=5_000`: which curve becomes smoother?
