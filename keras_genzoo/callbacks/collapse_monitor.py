"""Sees mode collapse and instability during `fit`."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable

import keras
import numpy as np

from keras_genzoo.callbacks import collapse_measures as measures
from keras_genzoo.callbacks import pictures
from keras_genzoo.callbacks.collapse_rules import Event, Rules
from keras_genzoo.losses import Wasserstein
from keras_genzoo.metrics import PrecisionRecall
from keras_genzoo.models import checks
from keras_genzoo.models.gan import GAN

MAX_EXAMPLES = 1000  # of each kind; the time grows with the square
SAMPLES = ("diversity", "coverage")  # what is seen of any model


class CollapseMonitor(keras.callbacks.Callback):
    """Watches what a model samples while it is trained, and tells when its training fails.

    At every look it adds to the epoch's logs, for `History` and for the callbacks after it (NaN in
    epochs without a look):

    - `diversity`: the mean distance of two samples, over that of two real examples;
    - `coverage`: the share of real examples that have a sample no farther than their 5th nearest
      real neighbour (Naeem et al., ICML 2020);
    - of a GAN, `discriminator_accuracy`: how often the discriminator tells which of a real and a
      generated example (or pack) is the real one; 0.5 is guessing. As the area under the ROC curve
      it needs no threshold, and so means the same for critics;
    - of a GAN, `generator_gradient_norm`: of its loss on 256 samples, by its weights.

    It warns, once and with remedies, of:

    - weights or samples that are not finite, at once;
    - mode collapse: once the coverage has been 0.1, a diversity or coverage under half of its best
      since then; after ten looks also a diversity under 0.1. For `patience` looks in a row;
    - a discriminator that wins: an accuracy over 0.99, either with a gradient under a hundredth of
      its largest norm for `patience` looks in a row, or (but for Wasserstein's loss) while for ten
      looks neither diversity nor coverage rises by 0.01;
    - little coverage: none of 0.1 in 20 looks. It may just need time: this stops nothing.

    Training is the same as without the monitor. Samples are those of `model.sample`, by the
    averaged generator if there is one; the gradient is that of the generator in training. Callbacks
    that read its logs come after it. What it remembers begins anew with each `fit`, also with one
    that resumes: the best look is the best since then.

    A look costs 2,000 samples, 2,000 scores and four tables of 1,000 × 1,000 distances between
    features (together, for DCGAN on 28 × 28 images, what training on 700 images does), and a
    picture a tenth of a second.

    Args:
        real: Real data as the model takes them. Of more than 1,000, 1,000 are drawn.
        labels: Their labels, for a conditional model.
        feature_extractor: Maps data, images as floats in [0, 1], to features `(batch, ...)` whose
            distances count: a Keras model or a function on tensors. `None`: the data, flattened.
        every: Epochs between two looks.
        patience: Looks in a row that must be bad.
        on_collapse: `"warn"`; `"stop"` training; or `"restore"`: stop, and go back to the weights
            and optimizers of the last look that saw nothing bad. They are kept in main memory.
        picture: A PNG file of the numbers, drawn again at every look.
        seed: Integer seed of the samples, which are of the same latents at every look.

    Attributes:
        history: Lists of the numbers by name; `"epoch"` are the epochs, from 1 on.
        events: What it warned of.
        collapsed_at: The epoch in which the first failure began, or None.

    Example:
    ```python
    points = genzoo.data.ring(8).sample(2_000, seed=0)
    monitor = genzoo.callbacks.CollapseMonitor(points, on_collapse="restore")
    model = genzoo.GAN((2,), latent_dim=16, penalty="r1")
    model.compile()
    model.fit(points, epochs=10, callbacks=[monitor], verbose=0)
    print(monitor.history["coverage"], monitor.collapsed_at)
    monitor.draw("monitor.png")
    ```
    """

    def __init__(
        self,
        real: np.ndarray,
        labels: np.ndarray | None = None,
        feature_extractor: Callable | None = None,
        *,
        every: int = 1,
        patience: int = 3,
        on_collapse: str = "warn",
        picture: str | os.PathLike | None = None,
        seed: int = 0,
    ):
        super().__init__()
        if on_collapse not in ("warn", "stop", "restore"):
            raise ValueError(
                '`on_collapse` must be "warn", "stop" or "restore". '
                f"Received: on_collapse={on_collapse!r}"
            )
        if feature_extractor is not None and not callable(feature_extractor):
            raise ValueError(
                "`feature_extractor` must be a function or a Keras model. "
                f"Received: feature_extractor={feature_extractor!r}"
            )
        self.every = checks.check_positive_int(every, "every")
        self.patience = checks.check_positive_int(patience, "patience")
        self.on_collapse, self.picture = on_collapse, picture
        self.seed = checks.check_seed(seed)
        if picture is not None:
            pictures.check_path(picture, "picture")
        self.metric = PrecisionRecall(feature_extractor)
        self._choose(np.asarray(real), None if labels is None else np.asarray(labels))
        self._reset()

    def _choose(self, real, labels):
        fewest = self.metric.min_examples
        if real.ndim < 2 or len(real) < fewest:
            raise ValueError(
                f"`real` must be an array of {fewest} or more examples. "
                f"Received: shape {real.shape}"
            )
        if labels is not None and labels.shape != (len(real),):
            raise ValueError(
                f"`labels` must hold one label for each of the {len(real)} examples of `real`. "
                f"Received: shape {labels.shape}"
            )
        if len(real) > MAX_EXAMPLES:
            generator = np.random.default_rng(self.seed)
            chosen = generator.choice(len(real), MAX_EXAMPLES, replace=False)
            real, labels = real[chosen], None if labels is None else labels[chosen]
        self.real, self.labels = real, labels

    def _reset(self, critic=False):
        self.history: dict[str, list] = {"epoch": []}
        self.events: list[Event] = []
        self.collapsed_at: int | None = None
        self._rules = Rules(self.patience, critic)

    def on_train_begin(self, logs=None):
        model = self.model
        if not hasattr(model, "sample"):
            raise ValueError(
                "`CollapseMonitor` must watch a model with `sample`. "
                f"Received: {type(model).__name__}"
            )
        checks.check_data(self.real, model.data_shape, bounded=model.bounded, name="real")
        self._model_labels = model.check_labels(self.labels, len(self.real))
        self.metric.count_features((None, *model.data_shape))
        self._real_features = self._features(self.real)
        self._real_distance = measures.mean_distance(self._real_features)
        if not 0 < self._real_distance < np.inf:
            raise ValueError(
                "`real` must hold different examples with finite features. "
                f"Received: features with a mean distance of {self._real_distance}"
            )
        self._reset(critic=isinstance(getattr(model, "loss", None), Wasserstein))
        self._keep(epoch=0)

    def on_epoch_end(self, epoch, logs=None):
        epoch += 1
        if epoch % self.every:
            if logs is not None:
                logs.update(dict.fromkeys(self._names, math.nan))
            return
        samples = self._sample()
        numbers = self._numbers(samples)
        if logs is not None:
            logs.update(numbers)
        for name, value in {"epoch": epoch, **numbers}.items():
            self.history.setdefault(name, []).append(value)

        broken = measures.not_finite(self.model.weights)
        if not (broken or np.isfinite(samples).all()):
            broken = "NaN or infinite numbers in samples"
        events = self._rules.judge({"epoch": epoch, "not_finite": broken, **numbers})
        self.events += events
        if self._rules.good:
            self._keep(epoch)
        consequence = self._act(events)
        if self.picture is not None:
            self.draw(self.picture)
        for event in events:
            warnings.warn(f"{event}{consequence if event.failure else ''}", stacklevel=2)

    def _features(self, data):
        return self.model.in_batches(self.metric.features, data).astype("float64")

    def _sample(self):
        if self._model_labels is None:
            return self.model.sample(len(self.real), seed=self.seed)
        return self.model.sample(labels=self._model_labels, seed=self.seed)

    def _numbers(self, samples):
        features = self._features(samples)
        numbers = dict.fromkeys(SAMPLES, math.nan)
        if np.isfinite(features).all():
            numbers["diversity"] = measures.mean_distance(features) / self._real_distance
            results = self.metric.compare(self._real_features, features)
            results = dict(zip(self.metric.log_names, results, strict=True))
            numbers["coverage"] = results["coverage"]
        if isinstance(self.model, GAN):
            model, labels = self.model, self._model_labels
            numbers |= measures.of_players(model, self.real, labels, self.seed)
        return numbers

    @property
    def _names(self):
        return (*SAMPLES, *(measures.PLAYERS if isinstance(self.model, GAN) else ()))

    def _act(self, events):
        """What `on_collapse` asks for after a failure; returns it in words."""
        failures = [event for event in events if event.failure]
        if not failures:
            return ""
        if self.collapsed_at is None:
            self.collapsed_at = min(event.since for event in failures)
        if self.on_collapse == "warn":
            return ""
        self.model.stop_training = True
        if self.on_collapse == "stop":
            return " Training stops."
        epoch, values = self._kept
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
        before = f"of epoch {epoch}" if epoch else "from before training"
        return f" Training stops with the weights {before}."

    @property
    def _variables(self):
        return [*self.model.weights, *self.model.optimizer.variables]

    def _keep(self, epoch):
        if self.on_collapse == "restore":
            self._kept = epoch, [keras.ops.convert_to_numpy(v) for v in self._variables]

    def draw(self, path: str | os.PathLike) -> None:
        """Draws the numbers so far to the PNG file `path`."""
        failures = [(event.since, event.kind) for event in self.events if event.failure]
        title = f"{type(self.model).__name__}: samples against real data"
        pictures.save_looks(path, self.history, failures, title)
