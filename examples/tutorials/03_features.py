# %% [markdown]
# # 3. Features for a classifier
#
# Labels are dear, images are cheap. An autoencoder learns from all images, without labels; then a
# logistic regression learns from the few that have one, on codes $e(x)$ in place of pixels.
#
# The split is honest: autoencoders, PCA and the scaling see the training images only, and the
# labels are drawn from these. Settings of the regression are chosen by cross-validation among the
# labelled, the best encoder on the other training images, whose labels only that choice sees; then
# the test images are used.

# %%
import keras
import numpy as np
from lesson import Lesson
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import keras_genzoo as genzoo

lesson = Lesson("03_features", "Features for a classifier")
images, labels, test_images, test_labels = lesson.images()
shape = images.shape[1:]

models = {
    "dense, 32": genzoo.Autoencoder(shape, latent_dim=32),
    "convolutional, 32": genzoo.ConvolutionalAutoencoder(shape, latent_dim=32),
    "sparse, 256": genzoo.SparseAutoencoder(shape, latent_dim=256, target_rate=0.05),
    "denoising, 128": genzoo.DenoisingAutoencoder(
        shape, latent_dim=128, corruption=keras.layers.GaussianNoise(0.5)
    ),
    "VAE, 16": genzoo.VAE(shape, latent_dim=16),
}
for name, model in models.items():
    print(name)
    lesson.fit(model, images, epochs=20)


# %%
def flat(x):
    return x.reshape(len(x), -1)


pca = PCA(32, random_state=0).fit(flat(images))
features = {
    "pixels": (flat(images), flat(test_images)),
    "PCA, 32": (pca.transform(flat(images)), pca.transform(flat(test_images))),
    **{name: (m.encode(images), m.encode(test_images)) for name, m in models.items()},
}

# %% [markdown]
# ## From 50 labels to all of them
#
# Five draws of the labels, stratified; the same draws for all features. For each feature the
# regression's regularization, and whether the numbers are scaled to one variance, is its own.

# %%
counts = lesson.few((50, 100, 500, len(images)), (50, 100))
search = GridSearchCV(
    make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    {
        "standardscaler": [StandardScaler(), "passthrough"],
        "logisticregression__C": lesson.few([0.01, 0.1, 1.0, 10.0], [1.0]),
    },
    cv=3,
    n_jobs=2,
)
accuracy = {name: np.full((len(counts), 5), np.nan) for name in features}
held_out = {name: np.full((len(counts), 5), np.nan) for name in features}
for i, count in enumerate(counts):
    for draw in range(5 if count < len(images) else 1):  # all of them: nothing to draw
        chosen, rest = np.arange(len(images)), []
        if count < len(images):
            chosen, rest = train_test_split(
                chosen, train_size=count, stratify=labels, random_state=draw
            )
        for name, (x, x_test) in features.items():
            search.fit(x[chosen], labels[chosen])
            accuracy[name][i, draw] = search.score(x_test, test_labels)
            if len(rest):
                held_out[name][i, draw] = search.score(x[rest], labels[rest])

means = {name: np.nanmean(values, axis=1) for name, values in accuracy.items()}
print(f"{'labels':20s}" + "".join(f"{count:>8d}" for count in counts))
for name, values in means.items():
    print(f"{name:20s}" + "".join(f"{value:8.3f}" for value in values))

best = max(models, key=lambda name: held_out[name][1].mean())
figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
for name, values in accuracy.items():
    style = {"color": "0.3", "linestyle": "--" if name == "pixels" else ":"}
    style = {} if name in models else style
    spread = np.nanstd(values, axis=1)
    axes.errorbar(counts, means[name], spread, label=name, capsize=3, **style)
axes.set(xscale="log", xlabel="labels", ylabel="accuracy on test images")
axes.set_xticks(counts, counts)
axes.minorticks_off()
axes.grid(alpha=0.3)
axes.legend()

lesson.finish(
    figure,
    "Accuracy of a logistic regression on pixels, PCA and the codes of five autoencoders over the "
    "number of labels; means of five draws and their standard deviation, one draw of all labels.",
    "With 100 labels the regression is right for {pixels:.1%} of the test images on pixels, "
    "{pca:.1%} on PCA, {dense:.1%} on the codes of a dense undercomplete autoencoder, which are "
    "no help, and {best:.1%} on those of the best encoder, {best_name}, chosen by the labels of "
    "the other training images.",
    {
        "the best codes beat pixels by two points": means[best][1] >= means["pixels"][1] + 0.02,
        "a dense undercomplete code does not": means["dense, 32"][1] < means["pixels"][1] + 0.02,
    },
    pixels=means["pixels"][1],
    pca=means["PCA, 32"][1],
    dense=means["dense, 32"][1],
    best=means[best][1],
    best_name=best,
    counts=counts,
    accuracy={name: values.tolist() for name, values in means.items()},
)

# %% [markdown]
# ## What to try next
# - Train the autoencoders on the few labelled images alone. Where did the gain come from?
# - Codes of other sizes; the last hidden layer of the encoder in place of the code.
