# %% [markdown]
# # 4. Anomaly detection
#
# A model that has learned to repeat normal images repeats others badly. That makes a score without
# any example of an anomaly: the error of the reconstruction, or for a VAE
# $$-\log p(x|\mu(x)) + \mathrm{KL}(q(z|x) \,\|\, p(z)),$$
# the negative ELBO without its noise, which also tells whether the code itself is unusual. A score
# is judged by the area under the ROC curve (AUROC): the chance that an anomaly scores higher than a
# normal image. 0.5 is guessing.
#
# Two protocols, ten runs each. **One against the rest**, that of most papers: a single class is
# normal, trained on its training images; the test images of all classes are scored. **Held out**:
# one class is the anomaly, and the other nine are normal, which is harder, for they vary more. And
# what is simple is easy to repeat, whether it was seen or not: images of little ink.

# %%
import numpy as np
from lesson import Lesson
from matplotlib import pyplot as plt
from sklearn.metrics import roc_auc_score

import keras_genzoo as genzoo

lesson = Lesson("04_anomalies", "Anomaly detection")
images, labels, test_images, test_labels = lesson.images()
shape, classes = images.shape[1:], np.unique(labels)[: lesson.few(None, 2)]
kinds = {
    "autoencoder": lambda: genzoo.ConvolutionalAutoencoder(shape, latent_dim=16),
    "VAE": lambda: genzoo.VAE(shape, latent_dim=16),
}


# %%
def auroc(kind, normal, anomalous):
    """Of a model of the normal images, on all test images; both ways take about as many steps."""
    epochs = 40 if normal.sum() < len(images) / 2 else 4
    model = lesson.fit(kinds[kind](), images[normal], epochs=epochs)
    return roc_auc_score(anomalous, model.anomaly_score(test_images))


table = {f"{kind}, {way}": [] for way in ("one against the rest", "held out") for kind in kinds}
for k in classes:
    for kind in kinds:
        print(f"class {k}, {kind}")
        area = auroc(kind, labels == k, test_labels != k)
        table[f"{kind}, one against the rest"].append(area)
        table[f"{kind}, held out"].append(auroc(kind, labels != k, test_labels == k))

print(f"{'AUROC, class':36s}" + "".join(f"{k:>6d}" for k in classes) + "  mean")
for name, areas in table.items():
    print(f"{name:36s}" + "".join(f"{area:6.3f}" for area in [*areas, np.mean(areas)]))

# %% [markdown]
# ## A threshold
#
# The threshold is the 95% quantile of the scores of normal images that were not trained on: about
# one in twenty of these will be a false alarm, whatever the anomalies are like.

# %%
normal = np.flatnonzero(labels != classes[0])
trained, kept = np.split(normal, [int(0.8 * len(normal))])
detector = lesson.fit(kinds["VAE"](), images[trained], epochs=12)
threshold = np.quantile(detector.anomaly_score(images[kept]), 0.95)
scores = detector.anomaly_score(test_images)
alarms = float(np.mean(scores[test_labels != classes[0]] > threshold))
found = float(np.mean(scores[test_labels == classes[0]] > threshold))

# %% [markdown]
# ## Wrong labels
#
# A conditional VAE scores by $p(x|y)$, how usual an image is *for its label*. A twentieth of the
# labels was changed; the model is trained with them, and then asked. What is unusual for any label
# says little of the one it was given, so this is compared with the best other label. The code has
# two numbers: the less it holds, the more the label has to say. As many are taken for suspects as
# were changed, which in practice nobody knows.

# %%
rng, total = np.random.default_rng(0), int(labels.max()) + 1
wrong = rng.random(len(labels)) < 0.05
given = np.where(wrong, (labels + rng.integers(1, total, len(labels))) % total, labels)
model = lesson.fit(genzoo.VAE(shape, 2, num_classes=total), images, given, epochs=10)
every = np.stack([model.anomaly_score(images, np.full(len(images), k)) for k in range(total)])
own = np.arange(total)[:, None] == given
strangeness = every.T[own.T] - np.where(own, np.inf, every).min(axis=0)
suspects = np.argsort(-strangeness)[: wrong.sum()]
precision = wrong[suspects].mean()

# %%
figure = plt.figure(figsize=(13, 5), layout="constrained")
left, right = figure.subfigures(1, 2)
axes = left.subplots()
for i, (name, areas) in enumerate(table.items()):
    axes.bar(np.arange(len(classes)) + i * 0.2, areas, 0.2, label=name)
axes.set(xlabel="class", ylabel="AUROC", ylim=(0, 1.02))
axes.set_xticks(np.arange(len(classes)) + 0.3, classes)
left.legend(loc="outside upper center", ncols=2, fontsize="small")
right.suptitle(f"the most suspect labels of {len(labels)}; red: truly wrong")
for place, panel in zip(suspects, right.subplots(3, 8).flat, strict=False):
    panel.set_axis_off()
    panel.imshow(images[place].squeeze(), cmap="gray_r")
    panel.set_title(str(given[place]), color="tab:red" if wrong[place] else "0.5")

means = {name: float(np.mean(areas)) for name, areas in table.items()}
worst_area, worst = min(zip(table["VAE, held out"], classes.tolist(), strict=True))
ink = [test_images[test_labels == k].mean() for k in classes]
wrong_area = roc_auc_score(wrong, strangeness)
lesson.finish(
    figure,
    "Left: AUROC by class, four ways. Right: training images whose label the conditional VAE finds "
    "most unlikely, with that label.",
    "One class against the rest, the mean AUROC is {means[autoencoder, one against the rest]:.3f} "
    "by the autoencoder's error and {means[VAE, one against the rest]:.3f} by the VAE's score; "
    "held out {means[autoencoder, held out]:.3f} and {means[VAE, held out]:.3f}, where class "
    "{worst}, that of the least ink, passes for normal ({worst_area:.2f}). (On MNIST Deep SVDD has "
    "0.948 one against the rest: Ruff et al., ICML 2018. It had some 6,000 training images a "
    "class, 10,000 test images and ten seeds; here a class has {each}, there are {tests} test "
    "images, and one seed.) A threshold for 5% false alarms gave {alarms:.1%}, and found "
    "{found:.0%} of class {first}. {precision:.0%} of the {suspects} most suspect labels were "
    "wrong, of all labels {changed:.0%}.",
    {
        "anomalies score higher": min(means.values()) > 0.6,
        "one against the rest is easier": (
            means["VAE, one against the rest"] > means["VAE, held out"]
        ),
        "the threshold keeps its promise": 0.02 < alarms < 0.1,
        "held out, that of the least ink passes for normal": (
            worst_area < 0.5 and worst == classes[np.argmin(ink)]
        ),
        "wrong labels are found": wrong_area > 0.9 and precision > 0.5,
    },
    means=means,
    table=table,
    each=round(len(images) / total),
    tests=len(test_images),
    worst=worst,
    worst_area=worst_area,
    alarms=alarms,
    found=found,
    first=int(classes[0]),
    suspects=len(suspects),
    precision=precision,
    changed=wrong.mean(),
    wrong_auroc=wrong_area,
)

# %% [markdown]
# ## What to try next
#
# - A code of 4 or of 64 numbers.
# - `model.log_likelihood` in place of `anomaly_score`: is a tighter bound a better score?
