# %% [markdown]
# # 9. Colour for drawings: translation by pairs
#
# With pairs of a source $x$ and its target $y$, a network $G$ can learn to translate by the mean
# absolute error $|y - G(x)|$ alone. But lines do not say whether a shirt is red or blue. The error
# is then smallest for the *median* of all colours, which is often a dull one and no shirt's.
#
# Pix2pix (Isola et al., CVPR 2017) adds a discriminator that sees $x$ and $y$ side by side. A dull
# shirt is easily told from a real one, so the generator has to choose a colour.
#
# The faces are drawn by DiceBear: `pip install dicebear-core dicebear-styles resvg-py`.

# %%

import keras
import numpy as np
import tensorflow as tf
from lesson import Lesson, draw_rows, image_sets
from matplotlib import pyplot as plt

import keras_genzoo as genzoo

lesson = Lesson("09_pairs", "Colour for drawings: translation by pairs", data=None)
count = lesson.few(1200, 32)
(faces, _), (test_faces, _) = image_sets.faces(48, count=count, test=lesson.few(200, 16))
edges = genzoo.data.sources.edges()
batches = genzoo.data.pairs(faces, edges, batch_size=16)
test_batch = genzoo.data.pairs(test_faces, edges, split="test", batch_size=len(test_faces))
drawings, truth = (x.numpy().astype("float32") for x in next(iter(test_batch)))
truth = truth / truth.max()

# %% [markdown]
# ## Without a discriminator, and with one
# The same U-Net twice, for as many steps on the same pairs: as an ordinary Keras network that is
# trained by the absolute error, and as the generator of `Pix2Pix`.

# %%
epochs = lesson.few(8)
steps = epochs * len(batches)


def adam():
    rate = keras.optimizers.schedules.CosineDecay(5e-4, steps)
    return keras.optimizers.Adam(rate, beta_1=0.5)


network = genzoo.networks.unet_generator((48, 48, 1), target_channels=3)
network.compile(adam(), "mae")
as_floats = batches.map(lambda x, y: (x, tf.image.convert_image_dtype(y, tf.float32)))
network.fit(as_floats, epochs=epochs, verbose=2)
dull = network.predict(drawings, verbose=0)

model = genzoo.Pix2Pix((48, 48, 1), (48, 48, 3))
model.compile(adam(), adam())
model.fit(batches, epochs=epochs, verbose=2)
colored = model.translate(drawings)

# %% [markdown]
# ## What the numbers say
#
# By the absolute error, the dull faces are the better ones: any colour that is chosen may be the
# wrong one. How colourful they are tells another story. The third number looks at both: the kernel
# distance of the faces to the real ones, in the features of a network that tells whether a face
# wears its own colours or has its red, green and blue exchanged.


# %%
def saturation(images):
    """The mean saturation of each face, without the white around it."""
    pixels = images.reshape(-1, 48 * 48, 3)
    span = pixels.max(axis=-1) - pixels.min(axis=-1)
    inside = truth.reshape(-1, 48 * 48, 3).min(axis=-1) < 0.98
    return (span * inside).sum(axis=1) / inside.sum(axis=1)


real = faces.astype("float32") / 255
orders = [(0, 1, 2), (1, 2, 0), (2, 0, 1)]
shown = np.concatenate([real[k::3][..., order] for k, order in enumerate(orders)])
kinds = np.repeat(np.arange(3), [len(real[k::3]) for k in range(3)])
judge = lesson.judge(shown, kinds)
distance = genzoo.metrics.KernelDistance(genzoo.metrics.features.penultimate(judge))


def kernel(images):
    distance.reset_state()
    distance.update_state(truth, images)
    return float(distance.result()["kernel_distance"])


ways = {"absolute error alone": dull, "pix2pix": colored}
error = {way: np.abs(images - truth).mean() for way, images in ways.items()}
distances = {way: kernel(images) for way, images in ways.items()}
colors = {way: saturation(images).mean() / saturation(truth).mean() for way, images in ways.items()}

# %% [markdown]
# ## The picture

# %%
columns = 10
rows = {"drawing": np.repeat(drawings[:columns], 3, axis=-1)}
rows |= {way: images[:columns] for way, images in ways.items()} | {"truth": truth[:columns]}
figure = plt.figure(figsize=(13, 4.2), layout="constrained")
left, side = figure.subfigures(1, 2, width_ratios=(2.4, 1))
draw_rows(left.subplots(), rows)
axes = side.subplots()
bins = np.linspace(0, 0.8, 33)
for way, images in (ways | {"truth": truth}).items():
    axes.hist(saturation(images), bins, histtype="step", linewidth=2, label=way)
axes.set(xlabel="mean saturation of a face", ylabel="test faces")
axes.legend()

lesson.finish(
    figure,
    "Drawings of test faces, what a network makes of them that was trained by the absolute error "
    "alone, what pix2pix makes of them, and the true faces; at the right how colourful they are.",
    "The absolute error alone gives faces of {colors[absolute error alone]:.0%} of the true "
    "saturation, pix2pix of {colors[pix2pix]:.0%}. The error itself is {error[absolute error "
    "alone]:.3f} and {error[pix2pix]:.3f}, the kernel distance to true faces "
    "{distances[absolute error alone]:.2f} and {distances[pix2pix]:.2f}.",
    {
        "pix2pix is the more colourful": colors["pix2pix"] > colors["absolute error alone"],
        "its faces are nearer to the real ones": distances["pix2pix"]
        < 0.5 * distances["absolute error alone"],
    },
    error=error,
    distances=distances,
    colors=colors,
)

# %% [markdown]
# ## What to try next
# - `content_weight=10`: more freedom for the colours, and less care for the lines.
# - Photos in place of faces: `genzoo.data.pairs("cifar10", genzoo.data.sources.gray())`.
