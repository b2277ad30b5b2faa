# %% [markdown]
# # 10. Two alphabets: translation without pairs
#
# There are many photos of horses and many of zebras, and no pair of them. CycleGAN (Zhu et al.,
# ICCV 2017) learns two generators at once, $G$ from $a$ to $b$ and $F$ back, by three rules:
#
# - $G(a)$ looks like a $b$ to a discriminator, and $F(b)$ like an $a$;
# - there and back again is where you started: $F(G(a)) \approx a$;
# - what is a $b$ already stays as it is: $G(b) \approx b$.
#
# Whether it works is hard to say where there are no pairs. Here there are: $a$ and $b$ are
# characters of two fonts, which are torn apart for training and kept together for the test.

# %%
import keras
import numpy as np
from lesson import Lesson, draw_rows, image_sets
from matplotlib import pyplot as plt

import keras_genzoo as genzoo

lesson = Lesson("10_no_pairs", "Two alphabets: translation without pairs", data=None)
(train_a, train_b), (test_a, test_b) = image_sets.glyphs(32, ("DejaVuSans", "DejaVuSerif-Bold"))
half = len(train_a) // 2  # no character is in both halves
at_most = lesson.few(half, 16)
batches = genzoo.data.unpaired(train_a[:half][:at_most], train_b[half:][:at_most], batch_size=4)
test_a, test_b = (x[: lesson.few(None, 20)].astype("float32") / 255 for x in (test_a, test_b))


# %% [markdown]
# ## With and without the way back
#
# Without the second rule the discriminator is content with *any* letter of the other font. The
# rule of the cycle keeps it the same letter.


# %%
class Progress(keras.callbacks.Callback):
    """Measures translations of the test characters as training goes on."""

    def __init__(self):
        super().__init__()
        self.error = []

    def on_epoch_end(self, epoch, logs=None):
        self.error.append(np.abs(self.model.translate(test_a) - test_b).mean())


def train(**options):
    keras.utils.set_random_seed(0)
    model, progress = genzoo.CycleGAN((32, 32, 1), **options), Progress()
    steps, epochs = lesson.few(100, 2), lesson.few(12, 2)
    rates = [keras.optimizers.schedules.CosineDecay(4e-4, epochs * steps) for _ in range(2)]
    model.compile(*(keras.optimizers.Adam(rate, beta_1=0.5) for rate in rates))
    data = batches.repeat()
    model.fit(data, steps_per_epoch=steps, epochs=epochs, callbacks=[progress], verbose=2)
    return model, progress.error


cycle_gan, error = train()
_, careless = train(cycle_weight=0.0, identity_weight=0.0)

# %% [markdown]
# ## Compared with what?
# With the character as it is. And with a cheat that knows the pairs: it looks up the most similar
# character of training, and gives its counterpart.


# %%
def look_up(x, known, partners):
    flat = known.reshape(len(known), -1) / 255
    nearest = [np.abs(flat - image.reshape(1, -1)).sum(axis=1).argmin() for image in x]
    return partners[nearest] / 255


copy = np.abs(test_a - test_b).mean()
cheat = np.abs(look_up(test_a, train_a, train_b) - test_b).mean()
found, back = cycle_gan.translate(test_a), cycle_gan.translate(test_b, direction="b_to_a")

# %% [markdown]
# ## The picture

# %%
chosen = np.linspace(0, len(test_a) - 1, 14).astype(int)
rows = {"sans": test_a, "to bold serif": found, "bold serif": test_b, "to sans": back}
figure = plt.figure(figsize=(13, 4.2), layout="constrained")
left, side = figure.subfigures(1, 2, width_ratios=(2.4, 1))
draw_rows(left.subplots(), {name: 1 - images[chosen] for name, images in rows.items()})
axes = side.subplots()
epochs = np.arange(1, len(error) + 1)
axes.plot(epochs, error, label="CycleGAN")
axes.plot(epochs, careless, label="without the cycle")
axes.axhline(copy, color="0.5", linestyle=":", label="as it is")
axes.axhline(cheat, color="0.5", linestyle="--", label="looked up, with pairs")
axes.set(xlabel="epoch", ylabel="mean absolute error, sans to serif", ylim=(0, None))
axes.legend()

lesson.finish(
    figure,
    "Test characters of one font and their translations to the other, both ways; at the right the "
    "error of the translations during training, with and without the cycle.",
    "The mean absolute error to the true bold serif is {copy:.4f} for the sans as it is, "
    "{error:.4f} for CycleGAN, which has seen no pair, {careless:.4f} for the same without the "
    "cycle and identity losses, and {cheat:.4f} for the counterpart of the nearest training "
    "character, which needs the pairs.",
    {
        "CycleGAN is nearer than a copy": error[-1] < copy,
        "the cycle is needed": error[-1] < careless[-1],
    },
    copy=copy,
    cheat=cheat,
    error=error[-1],
    careless=careless[-1],
)

# %% [markdown]
# ## What to try next
# - `pool_size=0`, and `identity_weight=0`: which of the paper's three tricks matters here?
# - Pictures of yours: `genzoo.data.folder_unpaired`, and `python examples/train.py --recipe
#   horse2zebra` for the paper's own.
