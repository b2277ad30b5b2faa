"""Logs: the means that a step reports, and the metrics of `compile`."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_genzoo.core import keras_internals
from keras_genzoo.metrics.base import GenerativeMetric

# The ends of the names of logs of which less, or more, is better.
LESS = ("loss", "penalty", "error", "distance", "missing_classes")
MORE = ("elbo", "likelihood", "precision", "recall", "density", "coverage", "class_entropy")


class Logs:
    """The logs of a `GenerativeModel`: means over an epoch's examples, and metrics.

    The metrics of `compile` are of two kinds. A `GenerativeMetric` compares a set of generated data
    with a set of real data; any other Keras metric compares each example with its counterpart.

    Attributes:
        generated_pairs: The names of the fields whose data the model generates, if there are
            several (the two domains of a CycleGAN). Each has metrics of its own, whose logs begin
            with that name. Empty: the first field's data, whose logs have no prefix.
    """

    generated_pairs: tuple[str, ...] = ()

    @property
    def log_names(self) -> tuple[str, ...]:
        """The names of the logs of `train_step` and `test_step`."""
        # Not a NotImplementedError: from a property, Keras would turn it into another error.
        raise ValueError(f"{type(self).__name__} must have `log_names`. Received: none")

    @property
    def generated_field(self):
        """The field whose data the model generates, the last of `generated_pairs` if there are."""
        return self.field(self.generated_pairs[-1] if self.generated_pairs else "")

    def build_metrics(self) -> None:
        """Creates the metrics' state, which Keras cannot create inside a replica."""
        self._trackers = {name: keras.metrics.Mean(name) for name in self.log_names}
        self._pair_metrics = {}
        compiled = keras_internals.compiled_metrics(self)
        if compiled is None:
            return
        data = keras.KerasTensor((None, *self.generated_field.shape))
        compiled.build(data, data)
        given = [metric for metric in compiled.metrics if isinstance(metric, GenerativeMetric)]
        self._pair_metrics = {"": given}
        if self.generated_pairs:
            self._pair_metrics = {
                pair: [metric.clone(f"{pair}_{metric.name}") for metric in given]
                for pair in self.generated_pairs
            }
        for pair, metrics in self._pair_metrics.items():
            for metric in metrics:
                shape = (None, *(self.field(pair) if pair else self.generated_field).shape)
                if metric.num_features is None:
                    metric.build(shape)
                if not self.run_eagerly:
                    metric.check_in_graph(shape)
        self._check_names()

    def _check_names(self):
        names = [*self.log_names, *(metric.name for metric in self.data_metrics)]
        names += [name for metric in self.generative_metrics for name in metric.nan_logs]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(
                "`metrics` must have logs of different names. "
                f"Received: two of {', '.join(repeated)}"
            )

    def check_validation_size(self, data) -> None:
        """Raises if an array has fewer examples than the generative metrics can compare."""
        for metric in self.generative_metrics:
            if hasattr(data, "shape") and data.shape[0] < metric.min_examples:
                raise ValueError(
                    f"`validation_data` must have {metric.min_examples} examples or more, for "
                    f"{metric.name}. Received: {data.shape[0]}"
                )

    def check_metrics_were_updated(self) -> None:
        """Raises if an evaluation left a generative metric without data."""
        for metric in self.generative_metrics:
            if metric.empty:
                raise ValueError(
                    f"The `test_step` of a {type(self).__name__} must call "
                    f"`update_generative_metrics` for {metric.name}. Received: no call"
                )

    @property
    def generative_metrics(self) -> list[GenerativeMetric]:
        """The metrics that compare generated with real data."""
        pairs = getattr(self, "_pair_metrics", {})
        return [metric for metrics in pairs.values() for metric in metrics]

    @property
    def data_metrics(self) -> list[keras.metrics.Metric]:
        """The metrics of `compile` that compare each example with its counterpart."""
        compiled = keras_internals.compiled_metrics(self)
        metrics = [] if compiled is None else compiled.metrics
        return [metric for metric in metrics if not isinstance(metric, GenerativeMetric)]

    @property
    def metrics(self) -> list:
        """All metrics, which Keras resets at the start of an epoch."""
        compiled = keras_internals.compiled_metrics(self)
        metrics = [*getattr(self, "_trackers", {}).values()]
        metrics += [] if compiled is None else [compiled]
        metrics += self.generative_metrics if self.generated_pairs else []
        return [*metrics, keras_internals.log_directions(self._directions())]

    @property
    def metrics_names(self) -> list[str]:
        """The names of all logs, in the order of the list that `evaluate` returns."""
        if not self.compiled:
            return []
        # Without any result: Keras reads all properties when it saves, on one worker alone.
        names = [*self._trackers, *(metric.name for metric in self.data_metrics)]
        for metric in self.generative_metrics:
            names += metric.log_names or (metric.name,)
        ordered = keras_internals.in_order_of_metrics(self, dict(zip(names, names, strict=True)))
        return [ordered] if isinstance(ordered, str) else ordered

    def _directions(self) -> dict[str, str]:
        """Returns "down" for logs of which less is better, and "up" for more, by their names.

        Metrics can declare a direction (`metric_direction`). Other logs have one by their names.
        """
        declared = {
            name: keras_internals.direction_of(metric)
            for metric in self.generative_metrics
            for name in metric.log_names or (metric.name,)
        }
        directions = {}
        for name in [*getattr(self, "_trackers", {}), *declared]:
            by_name = "down" if name.endswith(LESS) else "up" if name.endswith(MORE) else None
            directions[name] = declared.get(name) or by_name
        return {name: direction for name, direction in directions.items() if direction}

    def log(self, **values: tf.Tensor | None) -> dict:
        """Adds values to the epoch's means, and returns all means so far.

        Args:
            **values: A scalar or `(batch,)`, by names of `log_names`. `None` is skipped.
        """
        for name, value in values.items():
            if value is None:
                continue
            if name not in self._trackers:
                raise ValueError(
                    f"`log` takes the names of `log_names`, {list(self._trackers)}. "
                    f"Received: {name!r}"
                )
            self._trackers[name].update_state(value)
        return self._for_workers(self._means())

    def compute_metrics(self, x, y, y_pred, sample_weight=None) -> dict:
        """Updates the metrics of examples and their counterparts; returns all logs so far.

        The generative metrics have `update_generative_metrics`.
        """
        for metric in self.data_metrics:
            metric.update_state(y, y_pred, sample_weight=sample_weight)
        return self._for_workers(self._step_logs())

    def update_generative_metrics(self, real: tf.Tensor, generated: tf.Tensor, pair="") -> dict:
        """Updates the generative metrics; returns their logs, which are NaN until the end.

        Args:
            real: Real data `(batch, ...)`.
            generated: As many generated data.
            pair: One of `generated_pairs`, if the model has them.
        """
        logs = {}
        if self._pair_metrics and pair not in self._pair_metrics:
            raise ValueError(
                f"`pair` must be one of {list(self._pair_metrics)}. Received: pair={pair!r}"
            )
        for metric in self._pair_metrics.get(pair, ()):
            metric.update_state(real, generated)
            logs |= metric.nan_logs
        return self._for_workers(logs)

    def get_metrics_result(self) -> dict:
        """Returns all logs, as `fit` and `evaluate` ask for them after the last step.

        The generative metrics are computed here: in a graph it would happen at every step.
        """
        if tf.executing_eagerly():
            self.batch_check.raise_counted()
        logs = self._step_logs()
        for metric in self.generative_metrics if tf.executing_eagerly() else ():
            logs |= {} if metric.empty else metric.logs()
        return logs

    def _means(self):
        return {name: tracker.result() for name, tracker in self._trackers.items()}

    def _step_logs(self):
        logs = self._means()
        for metric in self.data_metrics:
            value = metric.result()
            logs |= value if isinstance(value, dict) else {metric.name: value}
        return logs

    def _for_workers(self, logs: dict) -> dict:
        # Keras averages the logs of several workers along an axis that scalars lack.
        if self.has_several_workers:
            return {name: tf.expand_dims(value, 0) for name, value in logs.items()}
        return logs
