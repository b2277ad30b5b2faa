# %% [markdown]
# # 6. The game on a plane
#
# A generator $G$ turns noise into points, a discriminator $D$ says how likely a point is real, and
# each plays against the other:
# $$\min_G \max_D\ \mathbb E_x \log D(x) + \mathbb E_z \log (1 - D(G(z))).$$
# On a plane all of it can be seen: the points, and $D$, the landscape in which they climb.

# %%
import keras
import numpy as np
import tensorflow as tf
from lesson import Lesson
from matplotlib import pyplot as plt

import keras_genzoo as genzoo

lesson = Lesson("06_game", "The game on a plane", data=None)

# %% [markdown]
# ## Two losses of the generator
#
# Minimax minimises $\log(1 - D)$, the non-saturating loss $-\log D$. They want the same, but where
# the generator is bad, $D \approx 0$, minimax has no slope: nothing to learn by.

# %%
logits = tf.linspace(-8.0, 8.0, 161)
slopes = {}
for loss in (genzoo.losses.Minimax(), genzoo.losses.NonSaturating()):
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = tf.reduce_sum(loss.generator_loss(logits))
    slopes[type(loss).__name__] = np.abs(tape.gradient(value, logits))
lost = {name: float(slope[20]) for name, slope in slopes.items()}  # at a logit of -6

# %% [markdown]
# ## A collapse, and a cure
#
# 500 points of a ring, and a discriminator that takes five steps for each of the generator's. It
# wins, its landscape becomes cliffs around plains, and the points end in a heap. R1, a penalty on
# $D$'s squared slope at the real points, keeps it walkable. `CollapseMonitor` sees samples alike.

# %%
ring = genzoo.data.ring(8, stddev=0.05)
points, fresh = ring.sample(500, seed=0), ring.sample(1000, seed=1)
axis = np.linspace(-1.6, 1.6, 60, dtype="float32")
plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
moments = lesson.few((1, 4, 8, 16, 60), (1, 2, 3))


def play(mixture, data, epochs, *monitors, latents=16, layers=2, rate=1e-3, **remedy):
    """Trains a GAN; what it made and D's landscape, at some moments, and how good it is."""
    keras.utils.set_random_seed(0)
    units = {"hidden_units": (128,) * layers}
    decoder = genzoo.networks.dense_decoder((2,), latents, **units)
    generator = keras.Sequential([decoder, keras.layers.Rescaling(np.abs(mixture.means).max())])
    discriminator = genzoo.networks.dense_discriminator((2,), **units)
    model = genzoo.GAN((2,), latents, generator=generator, discriminator=discriminator, **remedy)
    model.compile(*(keras.optimizers.Adam(rate, beta_1=0.5) for _ in range(2)))
    seen = {}

    def look(epoch, logs=None):
        if epoch + 1 in moments:
            landscape = tf.sigmoid(discriminator(plane)).numpy().reshape(60, 60)
            seen[epoch + 1] = (landscape, model.sample(500, seed=0))

    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=look), *monitors]
    dataset = tf.data.Dataset.from_tensor_slices(data).repeat(lesson.few(50, 2))
    dataset = dataset.shuffle(50_000, seed=0).batch(250)
    model.fit(dataset, epochs=epochs, callbacks=callbacks, verbose=0)
    return seen, mixture.score(model.sample(2500, seed=0))


r1 = genzoo.losses.GradientPenalty(0.1, at="real", target=0.0)
games, monitors = {}, {}
for name, remedy in {"without a penalty": {}, "with R1": {"penalty": r1}}.items():
    monitors[name] = genzoo.callbacks.CollapseMonitor(fresh)
    games[name] = play(ring, points, moments[-1], monitors[name], critic_steps=5, **remedy)

# %% [markdown]
# ## The grid
#
# 25 modes are more to lose. R1 again; or instance noise, which blurs all points at first, so that
# there are slopes between the modes. Modes alone deceive: a cloud touches them all. So their
# quality is told too, the share of samples within three standard deviations of a mode.

# %%
grid, noise = genzoo.data.grid(5), genzoo.layers.InstanceNoise(2.0, half_life=80_000)
many = grid.sample(10_000, seed=0)
options = {"latents": 2, "layers": 3, "rate": keras.optimizers.schedules.CosineDecay(1e-3, 10_000)}
cures = {"plain": {}, "R1": {"penalty": r1}, "noise": {"augmentation": noise}}
grids = {name: play(grid, many, lesson.few(5), **options, **c)[1] for name, c in cures.items()}

figure = plt.figure(figsize=(3 * len(moments), 9), layout="constrained")
panels = figure.subplots(3, len(moments))
for line, (name, (seen, _)) in zip(panels, games.items(), strict=False):
    for panel, (epoch, (landscape, samples)) in zip(line, seen.items(), strict=True):
        panel.contourf(axis, axis, landscape, levels=np.linspace(0, 1, 11), cmap="RdBu", alpha=0.6)
        panel.scatter(*ring.means.T, s=60, facecolors="none", edgecolors="k", linewidths=0.8)
        panel.scatter(*samples.T, s=3, color="k", linewidths=0)
        panel.set(title=f"epoch {epoch}", aspect="equal", xticks=[], yticks=[])
        panel.set(xlim=axis[[0, -1]], ylim=axis[[0, -1]])
    line[0].set_ylabel(name)
left, middle, right = panels[2, :3]
for panel in panels[2, 3:]:
    panel.set_axis_off()
for name, slope in slopes.items():
    left.plot(logits, slope, label=name)
for name, monitor in monitors.items():
    middle.plot(monitor.history["epoch"], monitor.history["diversity"], label=name)
for name, score in grids.items():
    right.plot(score["modes"], score["high_quality"], "o", label=name)
left.set(xlabel="D's logit of a generated point", title="slope of G's loss")
middle.set(xlabel="epoch", title="diversity of the samples", ylim=(0, None))
right.set(xlabel="modes of the grid's 25", title="high quality", xlim=(0, 26), ylim=(0, 1))
for panel in (left, middle, right):
    panel.legend(fontsize="small")

plain, cured = (score for _, score in games.values())
alarms = [[e.since for e in m.events if e.kind == "mode collapse"] for m in monitors.values()]
lesson.finish(
    figure,
    "Generated points (black) in the discriminator's landscape (blue: real, red: generated) over "
    "time, without a penalty and with R1; circles are the real modes. Below: the slopes of the "
    "two losses, the diversity that the monitor saw, and what is found on the grid.",
    "Without a penalty {plain[modes]} of 8 modes are left, with {plain[high_quality]:.0%} of the "
    "points on one, and the monitor dates the collapse to epoch {collapsed}; with R1 there are "
    "{cured[modes]}, with {cured[high_quality]:.0%}. At a logit of -6 minimax has a slope of "
    "{slopes[Minimax]:.4f}, the non-saturating loss of {slopes[NonSaturating]:.4f}. On the grid "
    "of 25, for one seed, a plain GAN finds {grid[plain][modes]} modes with "
    "{grid[plain][high_quality]:.0%} of its points near one, with R1 {grid[R1][modes]} with "
    "{grid[R1][high_quality]:.0%}, with instance noise {grid[noise][modes]} with "
    "{grid[noise][high_quality]:.0%}.",
    {
        "it collapses without a penalty, and is seen": plain["modes"] <= 4 and alarms[0],
        "R1 cures it": cured["modes"] == 8 and cured["high_quality"] > 0.4 and not alarms[1],
        "on the grid too": lesson.quick or grids["R1"]["modes"] > grids["plain"]["modes"],
        "minimax saturates": lost["Minimax"] < 0.01 * lost["NonSaturating"],
    },
    plain=plain,
    cured=cured,
    collapsed=(alarms[0] or [None])[0],
    slopes=lost,
    grid=grids,
)

# %% [markdown]
# ## What to try next
# `penalty="r1"`, fifty times as heavy; `loss="hinge"`: docs/modes.md has them all, over ten seeds.
