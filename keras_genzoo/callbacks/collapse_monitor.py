"""A callback that detects mode collapse and unstable training during `fit`."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable

import keras
import numpy as np

from keras_genzoo import plot
from keras_genzoo.callbacks import collapse_measures as measures
from keras_genzoo.callbacks.collapse_rules import Event, Rules
from keras_genzoo.core import validation
from keras_genzoo.core.model import GenerativeModel
from keras_genzoo.files import dispensable
from keras_genzoo.losses import Wasserstein
from keras_genzoo.metrics import PrecisionRecall
from keras_genzoo.models.gan import GAN

MAX_EXAMPLES = 1000  # the time of a check grows with their square
SAMPLE_NAMES = ("diversity", "coverage")  # measured for every model


class CollapseMonitor(keras.callbacks.Callback):
    """Measures a model's samples during training and warns when training fails.

    At the end of every epoch, or of every few, the monitor checks the model. Each check adds these
    numbers to the epoch's logs; in epochs without a check they are NaN.

    - `diversity`: the mean distance between samples, divided by that between real examples.
    - `coverage`: the share of real examples that have a sample no farther away than their 5th
      nearest real neighbour (Naeem et al., ICML 2020).
    - `discriminator_accuracy`, for GANs: the probability that the discriminator or critic scores a
      real example (or pack) higher than a generated one. It is the ROC AUC; guesses give 0.5.
    - `generator_gradient_norm`, for GANs: the gradient norm of the generator's loss on 256 samples.

    The monitor warns of these failures and suggests remedies. It repeats a warning only after the
    condition has cleared.

    - Non-finite values: a weight or a sample is NaN or infinite.
    - Mode collapse: for `patience` checks in a row, the diversity or the coverage is under half of
      its best value since the coverage first reached 0.1. After ten checks, a diversity under 0.1
      counts as well.
    - A discriminator that is too strong: its accuracy is over 0.99, and either the norm of the
      generator's gradient is under a hundredth of its largest value for `patience` checks in a
      row, or neither diversity nor coverage rises by 0.01 for ten checks (or for `patience` checks,
      if that is more). With a Wasserstein loss only the gradient counts.
    - Low coverage: the coverage has not reached 0.1 in 20 checks. The model may only need more
      time, so this never stops training.

    Checks do not change the course of training. Samples come from `model.sample`, which uses the
    averaged generator if there is one; the gradient is that of the generator in training. Callbacks
    that read these logs must come after the monitor. Each `fit` starts a new history and new best
    values, even if it resumes an earlier one.

    A check costs 2,000 samples, 2,000 scores and four tables of 1,000 × 1,000 distances: for DCGAN
    on 28 × 28 images, as much time as training on 700 images. A picture takes 0.1 s more.

    Args:
        real: Real data in the form that the model takes. If there are more than 1,000 examples,
            the monitor uses 1,000 of them, drawn at random.
        labels: The labels of `real`, for a conditional model.
        feature_extractor: A Keras model or a function on tensors. It maps data, images as floats in
            [0, 1], to features `(batch, ...)` whose distances are measured. By default the features
            are the flattened data.
        every: The number of epochs from one check to the next.
        patience: The number of bad checks in a row that make a failure.
        on_collapse: `"warn"` of a failure, `"stop"` training, or `"restore"`: stop, and go back to
            the weights and optimizers of the last good check, which are kept in main memory.
        picture: The path of a PNG file to which each check plots the history.
        seed: An integer seed. Every check samples from the same latents.

    Attributes:
        history: Lists of the measured numbers by name; `"epoch"` has the epochs, counted from 1.
        events: The warnings so far, as `Event` objects.
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
        self.every = validation.check_positive_int(every, "every")
        self.patience = validation.check_positive_int(patience, "patience")
        self.on_collapse, self.picture = on_collapse, picture
        self.seed = validation.check_seed(seed)
        if picture is not None:
            plot.check_path(picture, "picture")
        self.metric = PrecisionRecall(feature_extractor)
        self._choose_examples(np.asarray(real), None if labels is None else np.asarray(labels))
        self._reset()

    def _choose_examples(self, real, labels):
        min_examples = self.metric.min_examples
        if real.ndim < 2 or len(real) < min_examples:
            raise ValueError(
                f"`real` must be an array of {min_examples} or more examples. "
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
        if not isinstance(model, GenerativeModel) or "sample" not in model.verbs:
            raise ValueError(
                "`CollapseMonitor` needs a model of keras_genzoo that has `sample`. "
                f"Received: {type(model).__name__}"
            )
        model.data_field.check(self.real, "real")
        self._model_labels = model.check_labels(self.labels, len(self.real))
        self.metric.count_features((None, *model.data_shape))
        self._real_features = self._features(self.real)
        self._real_distance = measures.mean_pairwise_distance(self._real_features)
        if not 0 < self._real_distance < np.inf:
            raise ValueError(
                "`real` must hold different examples with finite features. "
                f"Received: features with a mean distance of {self._real_distance}"
            )
        is_gan = isinstance(model, GAN)
        self._log_names = SAMPLE_NAMES + (measures.ADVERSARIAL_NAMES if is_gan else ())
        self._reset(critic=is_gan and isinstance(model.loss, Wasserstein))
        self._save_state(epoch=0)

    def on_epoch_end(self, epoch, logs=None):
        epoch += 1
        logs = {} if logs is None else logs
        if epoch % self.every:
            logs.update(dict.fromkeys(self._log_names, math.nan))
            return
        samples = self._sample()
        numbers = self._measure(samples)
        logs.update(numbers)
        for name, value in {"epoch": epoch, **numbers}.items():
            self.history.setdefault(name, []).append(value)

        non_finite = measures.describe_non_finite(self.model.weights)
        if not (non_finite or np.isfinite(samples).all()):
            non_finite = "the samples contain NaN or infinity"
        events = self._rules.update({"epoch": epoch, "non_finite": non_finite, **numbers})
        self.events += events
        if self._rules.last_check_passed:
            self._save_state(epoch)
        response = self._respond(events)
        if self.picture is not None:
            with dispensable(self.picture):
                self.draw(self.picture)
        for event in events:
            warnings.warn(f"{event}{response if event.failure else ''}", stacklevel=2)

    def _features(self, data):
        return self.model.in_batches(self.metric.features, data).astype("float64")

    def _sample(self):
        if self._model_labels is None:
            return self.model.sample(len(self.real), seed=self.seed)
        return self.model.sample(labels=self._model_labels, seed=self.seed)

    def _measure(self, samples):
        features = self._features(samples)
        numbers = dict.fromkeys(SAMPLE_NAMES, math.nan)
        if np.isfinite(features).all():
            distance = measures.mean_pairwise_distance(features)
            numbers["diversity"] = distance / self._real_distance
            results = self.metric.compare(self._real_features, features)
            results = dict(zip(self.metric.log_names, results, strict=True))
            numbers["coverage"] = results["coverage"]
        if isinstance(self.model, GAN):
            numbers |= measures.adversarial_numbers(
                self.model, self.real, self._model_labels, self.seed
            )
        return numbers

    def _respond(self, events):
        """Stops or restores after a failure; returns a sentence about it for the warning."""
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
        epoch = self._restore_state()
        origin = f"of epoch {epoch}" if epoch else "from before training"
        return f" Training stops with the weights {origin}."

    def _restore_state(self):
        """Goes back to the weights of the last good check; returns its epoch."""
        epoch, values = self._saved_state
        variables = self._state_variables
        try:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        except KeyboardInterrupt:  # leave no mixture of two states
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            raise
        return epoch

    @property
    def _state_variables(self):
        return [*self.model.weights, *self.model.optimizer.variables]

    def _save_state(self, epoch):
        if self.on_collapse == "restore":
            values = [variable.numpy() for variable in self._state_variables]
            self._saved_state = epoch, values

    def draw(self, path: str | os.PathLike) -> None:
        """Plots the history to the PNG file `path`."""
        failures = [(event.since, event.kind) for event in self.events if event.failure]
        title = f"{type(self.model).__name__}: samples compared with real data"
        plot.save_monitor(path, self.history, failures, title)
