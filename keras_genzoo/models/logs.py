"""What is logged: the steps' own numbers, and the metrics of `compile`."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_genzoo.metrics.base import GenerativeMetric


class Logs:
    """What `GenerativeModel` logs: means over an epoch's examples, and metrics."""

    @property
    def log_names(self) -> tuple[str, ...]:
        """The names of what `train_step` logs."""
        raise NotImplementedError

    def build_metrics(self) -> None:
        """Makes what logs are added up in; Keras can't build metrics inside replicas."""
        self._trackers = {name: keras.metrics.Mean(name) for name in self.log_names}
        if self._compile_metrics is None:
            return
        data = keras.KerasTensor((None, *self.data_shape))
        self._compile_metrics.build(data, data)
        for metric in self.generative_metrics:
            if metric.num_features is None:
                metric.build(data.shape)
        names = [*self.log_names, *(metric.name for metric in self.data_metrics)]
        names += [name for metric in self.generative_metrics for name in metric.unknown]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"`metrics` must have logs of different names. Received: two of {', '.join(twice)}"
            )

    def check_validation_size(self, data) -> None:
        """Refuses arrays of fewer examples than the metrics of generated data can compare."""
        for metric in self.generative_metrics:
            if hasattr(data, "shape") and len(data) < metric.min_examples:
                raise ValueError(
                    f"`validation_data` must have {metric.min_examples} examples or more, for "
                    f"{metric.name}. Received: {len(data)}"
                )

    @property
    def generative_metrics(self) -> list[GenerativeMetric]:
        """Those of `compile` that compare generated with real data."""
        return [m for m in self._compiled if isinstance(m, GenerativeMetric)]

    @property
    def data_metrics(self) -> list[keras.metrics.Metric]:
        """Those of `compile` that compare each example with what the model makes of it."""
        return [m for m in self._compiled if not isinstance(m, GenerativeMetric)]

    @property
    def _compiled(self):
        return [] if self._compile_metrics is None else self._compile_metrics.metrics

    @property
    def metrics(self) -> list:
        """What `train_step` logs, and the metrics of `compile`."""
        compiled = [] if self._compile_metrics is None else [self._compile_metrics]
        return [*getattr(self, "_trackers", {}).values(), *compiled]

    def log(self, **values: tf.Tensor) -> dict:
        """Adds to the epoch's means, and returns all of them."""
        for name, value in values.items():
            self._trackers[name].update_state(value)
        results = {name: tracker.result() for name, tracker in self._trackers.items()}
        return self._for_workers(results)

    def compute_metrics(self, x, y, y_pred, sample_weight=None) -> dict:
        """Keras's, but for the metrics of generated data: updates the others, returns all logs."""
        for metric in self.data_metrics:
            metric.update_state(y, y_pred, sample_weight=sample_weight)
        return self._for_workers(self._step_logs())

    def _step_logs(self):
        logs = {name: tracker.result() for name, tracker in self._trackers.items()}
        for metric in self.data_metrics:
            value = metric.result()
            logs |= value if isinstance(value, dict) else {metric.name: value}
        return logs

    def get_metrics_result(self) -> dict:
        """All logs so far, as `fit` and `evaluate` ask for them at the end; training has no others.

        Those of generated data are worked out here and not in a step, which would do it each time.
        """
        logs = self._step_logs()
        for metric in self.generative_metrics if tf.executing_eagerly() else ():
            logs |= {} if metric.empty else metric.logs()
        return logs

    def judge(self, real: tf.Tensor, generated: tf.Tensor) -> dict:
        """Updates the metrics of generated data; their logs are NaN until `evaluate` ends."""
        logs = {}
        for metric in self.generative_metrics:
            metric.update_state(real, generated)
            logs |= metric.unknown
        return self._for_workers(logs)

    def _for_workers(self, logs: dict) -> dict:
        # Keras averages logs over several workers along an axis that scalars lack.
        if self._several_workers:
            return {name: tf.expand_dims(value, 0) for name, value in logs.items()}
        return logs
