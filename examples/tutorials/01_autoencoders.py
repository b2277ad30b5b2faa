# %% [markdown]
# # 1. The autoencoders compared
#
# An autoencoder maps an image $x$ to a code $z = e(x)$ and the code to an image again. It is
# trained to repeat what it saw,
# $$\min_{e,\,d}\ \frac{1}{D} \lVert x - d(e(x)) \rVert^2,$$
# which would be trivial if nothing stood in the way. What stands there makes the kind:
#
# - **linear**: a code of few numbers by linear maps. The best such code is PCA's;
# - **undercomplete**: as few numbers, by networks with hidden layers, which bend where PCA is flat;
# - **overcomplete**: a code larger than the image, and nothing that hinders it from copying;
# - **deep**: more layers;
# - **sparse**: many units, each seldom active: $\rho_j$, its mean activation, is drawn to $\rho$ by
#   $\sum_j \mathrm{KL}(\rho \,\|\, \rho_j)$;
# - **convolutional**: the same small filters everywhere in the image;
# - **denoising**: it sees a corrupted image and has to give the clean one.

# %%
import keras
import numpy as np
from lesson import Lesson, draw_rows
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

import keras_genzoo as genzoo

lesson = Lesson("01_autoencoders", "The autoencoders compared")
images, labels, test_images, test_labels = lesson.images()
shape = images.shape[1:]

flat = {"hidden_units": (), "output_activation": None}
models = {
    "linear": genzoo.Autoencoder(
        shape, 32, hidden_units=(), decoder=genzoo.networks.dense_decoder(shape, 32, **flat)
    ),
    "undercomplete": genzoo.Autoencoder(shape, latent_dim=32),
    "overcomplete": genzoo.Autoencoder(shape, latent_dim=2 * int(np.prod(shape)), hidden_units=()),
    "deep": genzoo.Autoencoder(shape, latent_dim=32, hidden_units=(512, 256, 128, 64)),
    "sparse": genzoo.SparseAutoencoder(shape, latent_dim=256, target_rate=0.05),
    "convolutional": genzoo.ConvolutionalAutoencoder(shape, latent_dim=32),
    "denoising": genzoo.DenoisingAutoencoder(
        shape, latent_dim=32, corruption=keras.layers.GaussianNoise(0.3)
    ),
}
for name, model in models.items():  # lesson.fit: compile with Adam, and fit, no more
    print(name)
    lesson.fit(model, images, epochs=20)

# %% [markdown]
# ## How well do they repeat what they never saw?
#
# The error is the mean squared one on test images. PCA with as many numbers is the yardstick. A
# unit is active if it varies from image to image at all: by more than a hundredth of the unit that
# varies most. A sparse code's may all be; what is small is each one's mean activation.


# %%
def error(reconstruction):
    return float(np.mean((reconstruction - test_images) ** 2))


def pca_of(numbers):
    flat = images.reshape(len(images), -1)
    pca = PCA(numbers, random_state=0).fit(flat)
    codes = pca.transform(test_images.reshape(len(test_images), -1))
    return pca, codes, pca.inverse_transform(codes).reshape(test_images.shape)


_, _, pca_images = pca_of(32)
rows = {"original": test_images[:12], "PCA, 32": pca_images[:12]}
errors, active = {"pca": error(pca_images)}, {}
for name, model in models.items():
    reconstruction = model.reconstruct(test_images)
    rows[name] = reconstruction[:12]
    errors[name] = error(reconstruction)
    spread = model.encode(test_images).std(axis=0)
    active[name] = int(np.sum(spread > 0.01 * spread.max()))
    print(f"{name:14s} error {errors[name]:.4f}   active units {active[name]} of {len(spread)}")
rates = models["sparse"].encode(test_images).mean(axis=0)

# %% [markdown]
# ## Two numbers an image
#
# A code of two numbers can be drawn. PCA's two components mix the classes; an autoencoder's two
# units unfold them in part, without having seen a label. How well they are apart is told by the
# nearest neighbours: the share of test images whose label is that of most of the five training
# images next to them in the plane.

# %%
plane = lesson.fit(genzoo.ConvolutionalAutoencoder(shape, latent_dim=2), images, epochs=30)
pca, pca_codes, _ = pca_of(2)
planes = {
    "PCA": (pca.transform(images.reshape(len(images), -1)), pca_codes),
    "autoencoder": (plane.encode(images), plane.encode(test_images)),
}
agreement = {
    name: KNeighborsClassifier(5).fit(codes, labels).score(test_codes, test_labels)
    for name, (codes, test_codes) in planes.items()
}

# %%
figure = plt.figure(figsize=(13, 6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.6, 1))
draw_rows(left.subplots(), rows)
for axes, (name, (_, codes)) in zip(right.subplots(2, 1), planes.items(), strict=True):
    axes.scatter(*codes.T, c=test_labels, cmap="tab10", s=4)
    axes.set_title(f"two numbers an image: {name}")
    axes.set(xticks=[], yticks=[])

lesson.finish(
    figure,
    "Test images and what each autoencoder makes of them; at the right the test images in two "
    "numbers, coloured by their labels, which nobody was told.",
    "With 32 numbers an image the mean squared error on test images is {pca:.4f} for PCA, "
    "{linear:.4f} for a linear autoencoder, {undercomplete:.4f} for one with two hidden layers, "
    "{convolutional:.4f} for a convolutional one, {denoising:.4f} for one that learned to denoise, "
    "and {deep:.4f} for one with four hidden layers, worse in twenty epochs. The "
    "overcomplete one has {overcomplete:.4f}, for it can copy. The sparse one has {sparse:.4f}; "
    "{active_sparse} of its 256 units are active, with a mean activation of {rate:.3f} and at most "
    "{highest_rate:.2f}. With two numbers, the neighbours tell the label of {plane_pca:.0%} of the "
    "test images in PCA's plane, of {plane_autoencoder:.0%} in the autoencoder's.",
    {
        "a dense autoencoder beats PCA by a quarter": errors["undercomplete"]
        < 0.75 * errors["pca"],
        "a convolutional one by more than half": errors["convolutional"] < 0.45 * errors["pca"],
        "a linear one does not beat PCA by more than chance": (
            errors["linear"] > 0.98 * errors["pca"]
        ),
        "four layers are no better than two": errors["deep"] > errors["undercomplete"],
        "what can copy copies": errors["overcomplete"] == min(errors.values()),
        "sparse units are seldom on, and used": (
            rates.mean() < 0.06 and rates.max() < 0.25 and active["sparse"] > 200
        ),
        "two units unfold the classes": agreement["autoencoder"] > agreement["PCA"] + 0.1,
    },
    **errors,
    rate=rates.mean(),
    highest_rate=rates.max(),
    **{f"active_{name}": value for name, value in active.items()},
    plane_pca=agreement["PCA"],
    plane_autoencoder=agreement["autoencoder"],
)

# %% [markdown]
# ## What to try next
# - `target_rate=0.2` for the sparse one, or `kl_weight=0`: what becomes of the active units?
# - A corruption that hides pixels: `genzoo.layers.MaskingNoise(0.5)`.
# - `--data fashion_mnist`.
