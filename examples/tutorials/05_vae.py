# %% [markdown]
# # 5. From autoencoder to VAE
#
# An autoencoder's decoder knows codes of images that exist; between them, and around them, it was
# never asked anything. So random codes decode to nothing in particular. A variational autoencoder
# (VAE) gives the codes a distribution: the encoder answers with $q(z|x) = \mathcal N(\mu(x),
# \sigma^2(x))$, the decoder sees samples of it, and the ELBO
# $$\log p(x) \ge \mathbb E_{q(z|x)} \log p(x|z) - \mathrm{KL}(q(z|x) \,\|\, \mathcal N(0, 1))$$
# draws all $q(z|x)$ together to cover $\mathcal N(0, 1)$ without holes. Then it is known beforehand
# where the codes are, and random ones are images.

# %%
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
# of the mean and covariance that its codes turned out to have. The kernel distance compares 1,000
# images with the test images, in the features of a small classifier; 0 is the best.

# %%
judge = lesson.judge(images, labels)
metric = genzoo.metrics.KernelDistance(
    genzoo.metrics.features.penultimate(judge), subset_size=lesson.few(500, 100)
)


def distance(samples):
    metric.reset_state()
    metric.update_state(test_images, samples)
    return float(metric.result()["kernel_distance"])


rng, count = np.random.default_rng(0), len(test_images)
codes = autoencoder.encode(images)
fitted = rng.multivariate_normal(codes.mean(axis=0), np.cov(codes.T), count)
samples = {
    "autoencoder, N(0, 1)": autoencoder.decode(rng.standard_normal((count, 16), "float32")),
    "autoencoder, fitted": autoencoder.decode(fitted.astype("float32")),
    "VAE": vae.sample(count, seed=0),
}
distances = {name: distance(x) for name, x in samples.items()}

# %% [markdown]
# ## Continuity and completeness
#
# On the way from one code to another, each step should change the image a little (continuity), and
# each image should be a digit (completeness): the judge's confidence says how much of one it is.

# %%
pairs = rng.choice(len(test_images), (50, 2))
ways = np.linspace(0, 1, 12, dtype="float32")


def walk(model, pair):
    first, last = model.encode(test_images[pair])
    return model.decode(np.stack([(1 - w) * first + w * last for w in ways]))


walks, sure = {}, {}
for name, model in {"autoencoder": autoencoder, "VAE": vae}.items():
    walks[name] = [walk(model, pair) for pair in pairs]
    middles = np.concatenate([way[4:8] for way in walks[name]])
    sure[name] = float(judge.predict(middles, verbose=0).max(axis=-1).mean())

# %% [markdown]
# ## The price: blur, and the weight β
#
# A VAE's images are means over what the code leaves open, so they are soft. The energy of their
# fine detail, the mean squared Laplacian, tells how soft. β weighs the KL: with more, the code says
# less of the image, in nats.


# %%
def detail(x):
    along, across = (np.diff(x, n=2, axis=axis) for axis in (1, 2))
    return float(np.mean((along[:, :, 1:-1] + across[:, 1:-1]) ** 2))


kept = detail(vae.reconstruct(test_images)) / detail(test_images)
betas = {}
for beta in lesson.few((0.25, 1.0, 4.0), (1.0,)):
    model = lesson.fit(genzoo.VAE(shape, 16, beta=beta), images, epochs=15)
    betas[str(beta)] = model.evaluate(test_images, verbose=0, return_dict=True)

# A map of all codes needs two of them; its axes are quantiles of N(0, 1).
flat = lesson.fit(genzoo.VAE(shape, 2), images, epochs=30)
quantiles = np.array([-1.65, -1.1, -0.7, -0.35, 0.0, 0.35, 0.7, 1.1, 1.65], "float32")
grid = np.stack(np.meshgrid(quantiles, -quantiles), axis=-1).reshape(-1, 2)
means = vae.encode(test_images)
traversals = {}
for unit in np.argsort(-means.std(axis=0))[:3]:
    moved = means[:1].repeat(9, axis=0)
    moved[:, unit] = np.linspace(-3, 3, 9)
    traversals[f"unit {unit}"] = vae.decode(moved)

figure = plt.figure(figsize=(15, 7), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=(1, 2))
left, right = top.subplots(1, 2)
draw_rows(left, {name: x[:12] for name, x in samples.items()})
left.set_title("random codes")
draw_rows(right, {name: many[0] for name, many in walks.items()})
right.set_title("from one test image to another")
left, middle, right = bottom.subplots(1, 3)
draw_rows(left, {str(i): part for i, part in enumerate(np.split(flat.decode(grid), 9))})
left.set(title="a map of two latents", yticks=[])
draw_rows(middle, traversals)
middle.set_title("one latent from -3 to 3")
right.scatter(*flat.encode(test_images).T, c=test_labels, cmap="tab10", s=4)
right.set(title="where the test images are on the map", aspect="equal", xlim=(-4, 4), ylim=(-4, 4))

lesson.finish(
    figure,
    "Random codes and interpolations by an autoencoder and a VAE; a map of a VAE's two latents, "
    "three latents of another moved alone, and the codes of the test images by class.",
    "Random codes are at a kernel distance of {distances[autoencoder, N(0, 1)]:.2f} from the test "
    "images if an autoencoder decodes them, and of {distances[VAE]:.2f} if a VAE does; fitted to "
    "the autoencoder's codes they are at {distances[autoencoder, fitted]:.2f}, and need no VAE. "
    "Halfway between two images the judge is {sure[VAE]:.0%} sure of a digit for the VAE, "
    "{sure[autoencoder]:.0%} for the autoencoder. The VAE's reconstructions keep {kept:.0%} of the "
    "real images' fine detail.",
    {
        "a VAE's are half as far": distances["VAE"] <= 0.5 * distances["autoencoder, N(0, 1)"],
        "its images are softer than real ones": kept < 1,
        "with more weight the code says less": lesson.quick
        or betas["4.0"]["kl_loss"] < betas["1.0"]["kl_loss"] < betas["0.25"]["kl_loss"],
    },
    distances=distances,
    sure=sure,
    kept=kept,
    betas=betas,
)

# %% [markdown]
# ## What to try next
#
# - Both with two numbers a code: where does the autoencoder put its classes?
# - `num_classes=10`: what do the latents say when the class is told?
