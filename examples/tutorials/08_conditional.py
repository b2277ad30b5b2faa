# %% [markdown]
# # 8. Conditional generation and augmentation
#
# A conditional GAN tells both networks the class: $G(z, y)$ makes an image of class $y$, $D(x, y)$
# says whether $x$ is a real image *of that class*. So images can be asked for.
#
# That suggests more training data for a classifier, where labels are few. But the GAN has no more
# than these few images either. Does it help? Both are trained on the same 20, 50 or 100 images a
# class.

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
#
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
# and zooms by Keras's own layers. Five draws of the images, and their 95% interval.

# %%
shifts = keras.Sequential()
shifts.add(keras.layers.RandomTranslation(0.08, 0.08, fill_mode="constant"))
shifts.add(keras.layers.RandomRotation(0.04, fill_mode="constant"))
shifts.add(keras.layers.RandomZoom(0.1, fill_mode="constant"))
steps = lesson.few(400, 4)


def accuracy(x, y, augment=None):
    """Of a classifier trained on these, on the test images."""
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=0).repeat().batch(32)
    if augment is not None:
        data = data.map(lambda a, b: (augment(a, training=True), b))
    model = genzoo.metrics.features.train_classifier(data.take(steps), epochs=1, verbose=0)
    found = model.predict(test_images, verbose=0).argmax(axis=-1)
    return float(np.mean(found == test_labels))


def few_images(count, draw):
    """So many of each class."""
    order = np.random.default_rng(draw).permutation(len(images))
    chosen = np.concatenate([order[labels[order] == k][:count] for k in range(classes)])
    return images[chosen], labels[chosen]


counts, draws = lesson.few((20, 50, 100), (20,)), lesson.few(5, 2)
table = {way: np.zeros((len(counts), draws)) for way in ("alone", "generated", "augmented")}
for i, count in enumerate(counts):
    for draw in range(draws):
        keras.utils.set_random_seed(draw)
        x, y = few_images(count, draw)
        moves = genzoo.layers.DifferentiableAugmentation(("translation",))
        small = conditional_gan(augmentation=moves)
        few = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).repeat().batch(32)
        small.fit(few, steps_per_epoch=steps, epochs=1, verbose=0)
        extra = np.arange(len(x)) % classes
        more = small.sample(labels=extra, seed=draw)
        table["alone"][i, draw] = accuracy(x, y)
        both = np.concatenate([x, more]), np.concatenate([y, extra])
        table["generated"][i, draw] = accuracy(*both)
        table["augmented"][i, draw] = accuracy(x, y, shifts)

means = {way: values.mean(axis=1) for way, values in table.items()}
# 2.776: Student's t for five draws.
half = {way: 2.776 * v.std(axis=1, ddof=1) / draws**0.5 for way, v in table.items()}
asked = np.arange(1000) % classes
found = lesson.judge(images, labels).predict(gan.sample(labels=asked, seed=0), verbose=0)
agreement = float(np.mean(found.argmax(axis=-1) == asked))

figure = plt.figure(figsize=(12, 5), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.3, 1))
draw_rows(left.subplots(), rows)
axes = right.subplots()
for way, values in means.items():
    axes.errorbar(counts, values, half[way], label=way, capsize=4, marker="o")
axes.set(xlabel="real images a class", ylabel="accuracy on test images")
axes.grid(alpha=0.3)
axes.legend()

lesson.finish(
    figure,
    "Left: digits on demand, a class a column, and mixtures of two classes. Right: accuracy of a "
    "classifier trained on few real images alone, with as many generated ones, and with Keras's "
    "random shifts; means of five draws and their 95% intervals.",
    "A classifier finds the class that was asked for in {agreement:.1%} of 1,000 samples. With 20 "
    "real images a class a classifier is right for {mean[alone][0]:.1%} (± {half[alone][0]:.1%}) "
    "of the test images, with generated ones added for {mean[generated][0]:.1%} (± "
    "{half[generated][0]:.1%}), with random shifts for {mean[augmented][0]:.1%} (± "
    "{half[augmented][0]:.1%}).",
    {"samples are of the class asked for": agreement > 0.9},
    agreement=agreement,
    mean={way: values.tolist() for way, values in means.items()},
    half={way: values.tolist() for way, values in half.items()},
    counts=counts,
)

# %% [markdown]
# ## What to try next
#
# - More generated images than real ones: where does it begin to hurt?
# - A conditional VAE in place of the GAN: blurrier, but it never collapses.
