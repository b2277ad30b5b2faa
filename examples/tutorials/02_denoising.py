# %% [markdown]
# # 2. Denoising as pre-processing
#
# A classifier that was trained on clean images is the worse the noisier they are. Pipelines that
# read scans put a denoiser in front of it. A denoising autoencoder learns to be one from clean
# images alone: it corrupts them itself, $\tilde x = x + \sigma \epsilon$, and minimises
# $$\frac{1}{D} \lVert x - d(e(\tilde x)) \rVert^2.$$
# The classifier stays as it is.

# %%
import keras
import numpy as np
from lesson import Lesson, draw_rows
from matplotlib import pyplot as plt
from scipy.ndimage import gaussian_filter

import keras_genzoo as genzoo

lesson = Lesson("02_denoising", "Denoising as pre-processing")
images, labels, test_images, test_labels = lesson.images()

classifier = lesson.judge(images, labels)
denoiser = genzoo.DenoisingAutoencoder(
    images.shape[1:], latent_dim=128, corruption=keras.layers.GaussianNoise(0.5)
)
lesson.fit(denoiser, images, epochs=30)

# %% [markdown]
# ## Over noise levels
#
# The denoiser has seen $\sigma = 0.5$ only, and noise of this kind only. What does it do to less of
# it, to more, and to none? And does it beat what needs no learning: a Gaussian blur of one pixel,
# then values cut to [0, 1]?


# %%
def accuracy(x):
    return float(np.mean(classifier.predict(x, verbose=0).argmax(axis=-1) == test_labels))


def psnr(x):
    errors = np.mean((x - test_images) ** 2, axis=(1, 2, 3))
    return float(np.mean(-10 * np.log10(errors)))


rng = np.random.default_rng(0)
levels = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
noise = rng.standard_normal(test_images.shape).astype("float32")
before, blurred, after, rows = [], [], [], {"clean": test_images[:14]}
for level in levels:
    noisy = test_images + level * noise
    restored = denoiser.reconstruct(noisy)
    smooth = gaussian_filter(noisy, 1.0, axes=(1, 2)).clip(0, 1)
    before.append(accuracy(noisy))
    blurred.append(accuracy(smooth))
    after.append(accuracy(restored))
    print(f"σ = {level}: accuracy {before[-1]:.3f}, {blurred[-1]:.3f} -> {after[-1]:.3f}")
    if level == 0.5:
        rows |= {"noisy": noisy[:14], "blurred": smooth[:14], "denoised": restored[:14]}
        gain, gain_blur = (psnr(x) - psnr(noisy) for x in (restored, smooth))

at = levels.index(0.5)
figure = plt.figure(figsize=(12, 4.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.5, 1))
draw_rows(left.subplots(), rows)
axes = right.subplots()
axes.axhline(before[0], color="0.6", linestyle=":", label="clean images")
axes.plot(levels, before, "o-", label="noisy images")
axes.plot(levels, blurred, "o-", label="blurred")
axes.plot(levels, after, "o-", label="denoised")
axes.set(xlabel="standard deviation of the noise", ylabel="classifier's accuracy", ylim=(0, 1.02))
axes.grid(alpha=0.3)
axes.legend()

lesson.finish(
    figure,
    "Test images, the same with noise of standard deviation 0.5, blurred, and denoised; at the "
    "right the accuracy of a classifier of clean images over the level of the noise.",
    "At noise of standard deviation 0.5 the classifier is right for {noisy:.1%} of the test "
    "images, after denoising for {denoised:.1%} ({clean:.1%} of the clean ones), after a blur for "
    "{blurred:.1%}; the images gain {gain:.1f} dB, by the blur {gain_blur:.1f} dB. Clean images "
    "are better left alone: denoised, {needless:.1%} of them are read right.",
    {
        "denoising lifts accuracy by 20 points, or to within 5 of clean": (
            after[at] >= before[at] + 0.2 or after[at] >= before[0] - 0.05
        ),
        "and by 10 points": after[at] >= before[at] + 0.1,
        "it gains 8 dB, and more than a blur": gain >= max(8, gain_blur),
        "and the classifier more": after[at] > blurred[at],
        "clean images are better left alone": after[0] <= before[0],
    },
    clean=before[0],
    noisy=before[at],
    denoised=after[at],
    blurred=blurred[at],
    needless=after[0],
    gain=gain,
    gain_blur=gain_blur,
    levels=levels,
    before=before,
    after=after,
    after_blur=blurred,
)

# %% [markdown]
# ## What to try next
# - Corrupt by `genzoo.layers.SaltAndPepper(0.3)` or by several layers, `keras.Sequential([...])`.
# - Train the classifier on noisy images instead, or on denoised ones. Which of the three is best?
