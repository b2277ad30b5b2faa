# %% [markdown]
# # 5. From autoencoder to VAE
#
# An autoencoder's decoder knows codes of images that exist; between them, and around them, it was
# never asked anything. So random codes decode to nothing in particular. A variational autoencoder
# (VAE) gives the codes a distribution: the encoder answers with $q(z|x) = \mathcal N(\mu(x),
# \sigma^2(x))$, the decoder sees samples of it, and the ELBO
# $$\log p(x) \ge \mathbb E_{q(z|x)} \log p(x|z) - \mathrm{KL}(q(z|x) \,\|\, \mathcal N(0, 1))$$
# draws all $q(z|x)$ together towards $\mathcal N(0, 1)$: it is known beforehand where codes are,
# though they need not fill it evenly.

# %%
from statistics import NormalDist

import numpy as np
from lesson import Lesson, draw_rows
from matplotlib import pyplot as plt

import keras_genzoo as genzoo

lesson = Lesson("05_vae", "From autoencoder to VAE")
images, labels, test_images, test_labels = lesson.images()
shape = images.shape[1:]

autoencoder = lesson.fit(genzoo.ConvolutionalAutoencoder(shape, 16), images, epochs=30)
vae = lesson.fit(genzoo.VAE(shape, 16), images, epochs=30)

# %% [markdown]
# ## Random codes
#
# The autoencoder's codes have a scale of their own, so it gets a fairer chance too: normal numbers
# of the mean and covariance that its codes turned out to have. The kernel distance compares samples
# with the test images, in the features of a small classifier; training images show the best.

# %%
judge = lesson.judge(images, labels)
features = genzoo.metrics.features.penultimate(judge)
metric = genzoo.metrics.KernelDistance(features, subset_size=lesson.few(500, 100))


def distance(samples):
    metric.reset_state()
    metric.update_state(test_images, samples)
    return float(metric.result()["kernel_distance"])


rng, count, codes = np.random.default_rng(0), len(test_images), autoencoder.encode(images)
fitted = rng.multivariate_normal(codes.mean(axis=0), np.cov(codes.T), count)
samples = {
    "autoencoder, N(0, 1)": autoencoder.decode(rng.standard_normal((count, 16), "float32")),
    "autoencoder, fitted": autoencoder.decode(fitted.astype("float32")),
    "VAE": vae.sample(count, seed=0),
}
distances = {name: distance(x) for name, x in (samples | {"real": images[:count]}).items()}

# %% [markdown]
# ## Continuity and completeness
#
# On the way from one code to another, each step should change the image a little (continuity: the
# largest step in mean ones), and each image should be like the data (completeness: the kernel
# distance halfway). Fading pixels show what is no achievement.

# %%
pairs, ways = rng.choice(count, (150, 2)), np.linspace(0, 1, 12, dtype="float32")[:, None]
walks, halfway, jump = {}, {}, {}
for name, model in {"pixels": None, "autoencoder": autoencoder, "VAE": vae}.items():
    ends = test_images.reshape(count, -1) if model is None else model.encode(test_images)
    paths = [(1 - ways) * ends[first] + ways * ends[last] for first, last in pairs]
    walks[name] = [p.reshape(-1, *shape) if model is None else model.decode(p) for p in paths]
    halfway[name] = distance(np.concatenate([way[4:8] for way in walks[name]]))
    moves = np.abs(np.diff(walks[name], axis=1)).mean(axis=(2, 3, 4))
    jump[name] = float(np.mean(moves.max(axis=1) / moves.mean(axis=1)))

# %% [markdown]
# ## The price: blur, and the weight β
#
# A decoder's images are means over what the code leaves open, so they are soft. The energy of their
# fine detail, the mean squared Laplacian, tells how soft, and whether that is due to the VAE or to
# the 16 numbers. β weighs the KL: with more, the code says less of the image, in nats.


# %%
def detail(x):
    along, across = (np.diff(x, n=2, axis=axis) for axis in (1, 2))
    return float(np.mean((along[:, :, 1:-1] + across[:, 1:-1]) ** 2))


two = {"autoencoder": autoencoder, "VAE": vae}
kept = {k: detail(m.reconstruct(test_images)) / detail(test_images) for k, m in two.items()}
betas = {}
for beta in lesson.few((0.25, 1.0, 4.0), (1.0,)):
    model = lesson.fit(genzoo.VAE(shape, 16, beta=beta), images, epochs=15)
    betas[str(beta)] = model.evaluate(test_images, verbose=0, return_dict=True)

# A map of all codes needs two of them; its axes are quantiles of N(0, 1).
flat = lesson.fit(genzoo.VAE(shape, 2), images, epochs=30)
quantiles = np.float32([NormalDist().inv_cdf(p) for p in np.linspace(0.05, 0.95, 9)])
grid = np.stack(np.meshgrid(quantiles, -quantiles), axis=-1).reshape(-1, 2)
means = vae.encode(test_images)
traversals = {}
for unit in np.argsort(-means.std(axis=0))[:3]:
    moved = means[:1].repeat(9, axis=0)
    moved[:, unit] = np.linspace(-3, 3, 9)
    traversals[f"unit {unit}"] = vae.decode(moved)

figure = plt.figure(figsize=(15, 7), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=(1, 2))
(left, right), panels = top.subplots(1, 2), bottom.subplots(1, 3)
draw_rows(left, {name: x[:12] for name, x in samples.items()})
left.set_title("random codes")
draw_rows(right, {name: many[0] for name, many in walks.items()})
right.set_title("from one test image to another")
draw_rows(panels[0], {str(i): part for i, part in enumerate(np.split(flat.decode(grid), 9))})
panels[0].set(title="a map of two latents", yticks=[])
draw_rows(panels[1], traversals)
panels[1].set_title("one latent from -3 to 3")
panels[2].scatter(*flat.encode(test_images).T, c=test_labels, cmap="tab10", s=4)
panels[2].set(title="test images on the map", aspect="equal", xlim=(-4, 4), ylim=(-4, 4))

lesson.finish(
    figure,
    "Random codes and interpolations (and faded pixels); a map of the two latents of a VAE, "
    "three latents of another moved alone, and the codes of the test images by class.",
    "Random codes are at a kernel distance of {distances[autoencoder, N(0, 1)]:.1f} from the test "
    "images if an autoencoder decodes them, and of {distances[VAE]:.1f} if a VAE does. Fitted to "
    "the autoencoder's codes they are at {distances[autoencoder, fitted]:.1f}, better than the "
    "VAE's; training images are at {distances[real]:.1f}. Halfway between two test images it is "
    "{halfway[VAE]:.1f} for the VAE, {halfway[autoencoder]:.1f} for the autoencoder and "
    "{halfway[pixels]:.1f} for faded pixels; the largest of the steps is {jump[VAE]:.1f}, "
    "{jump[autoencoder]:.1f} and {jump[pixels]:.1f} mean ones. The VAE's reconstructions keep "
    "{kept[VAE]:.0%} of the real images' fine detail, the autoencoder's {kept[autoencoder]:.0%}.",
    {
        "a VAE's are half as far": distances["VAE"] <= 0.5 * distances["autoencoder, N(0, 1)"],
        "fitted codes do better": distances["autoencoder, fitted"] < distances["VAE"],
        "codes interpolate better than pixels": max(halfway.values()) == halfway["pixels"],
        "with more weight the code says less": lesson.quick
        or betas["4.0"]["kl_loss"] < betas["1.0"]["kl_loss"] < betas["0.25"]["kl_loss"],
    },
    distances=distances,
    halfway=halfway,
    jump=jump,
    kept=kept,
    betas=betas,
)

# %% [markdown]
# ## What to try next
# - `num_classes=10`: what do the latents say when the class is told?
