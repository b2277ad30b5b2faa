"""The names that an editor or notebook offers for a model."""

from __future__ import annotations

import inspect
import types

# The methods of Keras and of the base that users call; the others are for authors of models.
FOR_USERS = frozenset(
    {
        "compile",
        "count_params",
        "endpoints",
        "evaluate",
        "export",
        "fit",
        "from_config",
        "get_config",
        "get_layer",
        "get_metrics_result",
        "get_weights",
        "load_weights",
        "predict",
        "predict_on_batch",
        "reset_metrics",
        "save",
        "save_weights",
        "set_weights",
        "summary",
        "test_on_batch",
        "to_json",
        "train_on_batch",
    }
)


class Completion:
    """Leaves the methods that steps and subclasses are written in out of `dir(model)`."""

    def __dir__(self) -> list[str]:
        """Lists the verbs, the methods for users, and all attributes.

        Attributes and properties stay, because Keras looks here for what it saves. So do methods
        that a user's own class defines.
        """
        kinds = (types.FunctionType, staticmethod, classmethod)
        shown = {*self.verbs, *FOR_USERS}
        for base in type(self).__mro__:
            if base.__module__.split(".")[0] not in ("keras", "keras_genzoo", "tensorflow"):
                shown.update(vars(base))
        return [
            name
            for name in super().__dir__()
            if name.startswith("_")
            or name in shown
            or not isinstance(inspect.getattr_static(self, name, None), kinds)
        ]
