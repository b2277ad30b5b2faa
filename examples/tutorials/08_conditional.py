# %% [markdown]
# # 8. Conditional generation and augmentation
#
# A conditional GAN tells both networks the class: $G(z, y)$ makes an image of class $y$, $D(x, y)$
# says whether $x$ is a real image *of that class*. So images can be asked for.
#
# That suggests more training data for a classifier, where labels are few. But the GAN has no more
# than these few images either. Does it help?

# %%
import keras
import numpy as np
import tensorflow as tf
from lesson import Lesson, draw_rows
from matplotlib import pyplot as plt

import keras_genzoo as genzoo

lesson = Lesson("08_conditional", "Conditional generation and augmentation")
images, labels, test_images, test_labels = lesson.images()
shape, classes = images.shape[1:], int(labels.max()) + 1
parts = {"filters": genzoo.networks.default_filters(shape, base=32), "num_classes": classes}


def conditional_gan(**options):
    model = genzoo.ConditionalGAN(
        shape,
        classes,
        latent_dim=32,
        penalty=genzoo.losses.GradientPenalty(weight=0.1, at="real", target=0.0),
        generator=genzoo.networks.dcgan_generator(shape, 32, **parts),
        discriminator=genzoo.networks.dcgan_discriminator(shape, normalization=False, **parts),
        **options,
    )
    model.compile(*(keras.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(2)))
    return model


gan = conditional_gan()
gan.fit(images, labels, batch_size=32, epochs=lesson.few(12), verbose=2)

# %% [markdown]
# ## Between two classes
# The label enters the generator as a one-hot vector. Its network takes only whole labels, but the
# layer after it would take any mixture: a model from there on interpolates between classes.

# %%
one_hot = next(la for la in gan.generator.layers if isinstance(la, keras.layers.Embedding))
mixing = keras.Model([gan.generator.inputs[0], one_hot.output], gan.generator.output)
latents = np.random.default_rng(0).standard_normal((1, 32), "float32")
ways = np.linspace(0, 1, 10, dtype="float32")[:, None]


def between(a, b):
    codes = (1 - ways) * np.eye(classes)[a] + ways * np.eye(classes)[b]
    return mixing.predict([latents.repeat(10, 0), codes.astype("float32")], verbose=0)


rows = {f"sample {i + 1}": gan.sample(labels=np.arange(classes), seed=i)[:10] for i in range(4)}
rows |= {"1 to 7": between(1, 7), "3 to 8": between(3, 8)}

# %% [markdown]
# ## Does it help a classifier?
#
# Three ways from the same few images: alone; with as many generated ones; with random shifts, turns
# and zooms by Keras's own layers. Five draws of images, the same for all: what tells is the
# difference within a draw.

# %%
shifts = keras.Sequential()
shifts.add(keras.layers.RandomTranslation(0.08, 0.08, fill_mode="constant"))
shifts.add(keras.layers.RandomRotation(0.04, fill_mode="constant"))
shifts.add(keras.layers.RandomZoom(0.1, fill_mode="constant"))
steps, judge = lesson.few(450, 4), lesson.judge(images, labels)


def right(model, x, y):
    return float(np.mean(model.predict(x, verbose=0).argmax(axis=-1) == y))


def accuracy(x, y, augment=None):
    """Of a classifier trained on these, on the test images."""
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=0).repeat().batch(32)
    if augment is not None:
        data = data.map(lambda a, b: (augment(a, training=True), b))
    model = genzoo.metrics.features.train_classifier(data.take(steps), epochs=1, verbose=0)
    return right(model, test_images, test_labels)


counts, draws = lesson.few((20, 50, 100), (20, 100)), lesson.few(5, 2)
kinds = ("alone", "generated", "augmented", "agreement")
table = {kind: np.zeros((len(counts), draws)) for kind in kinds}
for i, draw in np.ndindex(len(counts), draws):
    keras.utils.set_random_seed(draw)
    order = np.random.default_rng(draw).permutation(len(images))
    chosen = [order[labels[order] == k][: counts[i]] for k in range(classes)]
    x, y = images[np.concatenate(chosen)], labels[np.concatenate(chosen)]
    small = conditional_gan(augmentation=genzoo.layers.DifferentiableAugmentation(("translation",)))
    few = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).repeat().batch(32)
    small.fit(few, steps_per_epoch=steps, epochs=1, verbose=0)
    more = small.sample(labels=y, seed=draw)
    table["agreement"][i, draw] = right(judge, more, y)
    table["alone"][i, draw] = accuracy(x, y)
    table["generated"][i, draw] = accuracy(np.concatenate([x, more]), np.concatenate([y, y]))
    table["augmented"][i, draw] = accuracy(x, y, shifts)

gains, at = {}, {}
for kind, values in table.items():
    differences = values - table["alone"]
    half = 2.776 * differences.std(axis=1, ddof=1) / draws**0.5  # Student's t of five draws
    gains[kind] = differences.mean(axis=1), half
    for i, count in enumerate(counts):
        at[f"{kind}, {count}"] = values[i].mean()
        at[f"gain, {kind}, {count}"], at[f"±, {kind}, {count}"] = gains[kind][0][i], half[i]
asked = np.arange(1000) % classes
found = right(judge, gan.sample(labels=asked, seed=0), asked)

figure = plt.figure(figsize=(12, 5), layout="constrained")
left, side = figure.subfigures(1, 2, width_ratios=(1.3, 1))
draw_rows(left.subplots(), rows)
axes = side.subplots()
axes.axhline(0, color="0.6", linestyle=":")
for kind in ("generated", "augmented"):
    axes.errorbar(counts, *(100 * values for values in gains[kind]), label=kind, capsize=4)
axes.set(xlabel="real images a class", ylabel="gain in accuracy, points")
axes.legend()

lesson.finish(
    figure,
    "Left: images on demand, a class a column, and mixtures of two classes. Right: what a "
    "classifier of few real images gains from as many generated ones, and from Keras's random "
    "shifts, turns and zooms; means of five draws and their 95% intervals.",
    "A classifier finds the class that was asked for in {found:.1%} of 1,000 samples. One trained "
    "on 20 real images a class is right for {at[alone, 20]:.1%} of the test images. As many images "
    "of a GAN of these same images, {at[agreement, 20]:.0%} of them of the class asked for, change "
    "that by {at[gain, generated, 20]:+.1%} (± {at[±, generated, 20]:.1%}), random shifts, turns "
    "and zooms by {at[gain, augmented, 20]:+.1%} (± {at[±, augmented, 20]:.1%}). With 100 a class "
    "{at[alone, 100]:.1%}, {at[gain, generated, 100]:+.1%} (± {at[±, generated, 100]:.1%}) or "
    "{at[gain, augmented, 100]:+.1%} (± {at[±, augmented, 100]:.1%}). These GANs took a third of "
    "the steps of the one at the left; changes are in percentage points.",
    {"samples are of the class asked for": found > 0.9},
    found=found,
    at=at,
)

# %% [markdown]
# ## What to try next
# - More generated images than real ones: where does it begin to hurt?
# - A conditional VAE in place of the GAN: blurrier, but it does not lose modes.
