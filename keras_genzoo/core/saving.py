"""Saving and loading: a file is written and read completely or not at all."""

from __future__ import annotations

import contextlib
import inspect
import os
import warnings
import zipfile

import keras
import tensorflow as tf

from keras_genzoo.core.annealing import stored_value
from keras_genzoo.core.keras_internals import archive_of, seed_generators
from keras_genzoo.files import add_checksum, check_checksum, replacing


class Saving:
    """The configuration and the files of a `GenerativeModel`."""

    def __new__(cls, *args, **kwargs):
        model = super().__new__(cls, *args, **kwargs)
        # For `get_config`: a subclass may pass arguments on in a **kwargs without naming them.
        model._keywords = tuple(kwargs)
        return model

    def get_config(self) -> dict:
        """Returns the constructor's arguments, each read from the attribute of its name."""
        config = super().get_config()
        parameters = inspect.signature(type(self)).parameters.values()
        unnamed = [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]
        if unnamed:
            raise ValueError(
                f"The constructor of {type(self).__name__} must name its arguments for the model "
                f"to be saved. Received: *{unnamed[0]}"
            )
        names = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} | {*self._keywords}
        missing = [name for name in sorted(names - config.keys()) if not hasattr(self, name)]
        if missing:
            raise ValueError(
                f"The constructor of {type(self).__name__} must set an attribute for each of its "
                f"arguments for the model to be saved. Received: none called {missing[0]!r}"
            )
        for name in names - config.keys():
            config[name] = keras.saving.serialize_keras_object(stored_value(self, name))
        return config

    @classmethod
    def from_config(cls, config: dict, custom_objects=None):
        """Builds the model of a configuration."""
        return cls(**keras.saving.deserialize_keras_object(config, custom_objects))

    def get_compile_config(self) -> dict | None:
        """Returns the arguments of `compile`, serialized; `None` before it was called."""
        if not self.compiled:
            return None
        arguments = {name: getattr(self, name) for name in self.players}
        arguments |= self._compile_arguments
        # Metrics may share a network. Keras would save it once, and fail to find it in the others.
        metrics = tf.nest.flatten(arguments.pop("metrics", None) or [])
        left_out = [m for m in metrics if getattr(m, "feature_extractor", None) is not None]
        arguments["metrics"] = [m for m in metrics if m not in left_out] or None
        config = keras.saving.serialize_keras_object(arguments)
        return {**config, "metrics_left_out": [metric.name for metric in left_out]}

    def compile_from_config(self, config: dict) -> None:
        """Compiles as the saved model was; Keras then loads the optimizers' state."""
        config = dict(config)
        left_out = config.pop("metrics_left_out", None)
        if left_out:
            warnings.warn(
                f"The model was saved without its metrics {', '.join(left_out)}, which have "
                "networks of their own: call `compile` again to have them.",
                stacklevel=2,
            )
        self.compile(**keras.saving.deserialize_keras_object(config))

    def save(self, filepath, overwrite: bool = True, zipped: bool | None = None, **kwargs) -> None:
        """Keras's `save`; an old file at `filepath` stays until the new one is complete.

        A `.keras` file holds checksums, so one with damaged bytes can't be loaded. The weights in
        a directory (`zipped=False`) have none.

        Raises:
            FileExistsError: If there is something at `filepath` and `overwrite` is false.
        """
        # Check here, because Keras's errors would name the temporary path.
        if zipped is False:
            self._check_directory(filepath)
        elif not os.fspath(filepath).endswith(".keras"):
            raise ValueError(
                f"`filepath` must end in .keras. Received: filepath={os.fspath(filepath)!r}"
            )
        with self._place(filepath, overwrite) as place:
            super().save(place, zipped=zipped, **kwargs)

    @staticmethod
    def _check_directory(filepath):
        """Raises if the directory has files that saving would delete."""
        parts = {"config.json", "metadata.json", "model.weights.h5", "assets"}
        if os.path.isdir(filepath) and not parts.issuperset(os.listdir(filepath)):
            raise FileExistsError(
                "`filepath` must be a new directory, or that of a saved model. "
                f"Received: filepath={os.fspath(filepath)!r}, which has other files"
            )

    def save_weights(self, filepath, overwrite: bool = True, max_shard_size=None) -> None:
        """Keras's `save_weights`; an old file stays until the new one is complete.

        The file ends in a checksum, which Keras ignores and this class's `load_weights` checks.
        Shards and paths with "://" have neither.

        Raises:
            FileExistsError: If there is something at `filepath` and `overwrite` is false.
        """
        if max_shard_size is not None:  # Keras writes shards itself
            return super().save_weights(filepath, overwrite, max_shard_size)
        if not os.fspath(filepath).endswith(".weights.h5"):
            raise ValueError(
                f"`filepath` must end in .weights.h5. Received: filepath={os.fspath(filepath)!r}"
            )
        with self._place(filepath, overwrite) as place:
            super().save_weights(place)
            if place != filepath:
                add_checksum(place)

    @staticmethod
    def _place(filepath, overwrite):
        """Yields the path for Keras to write to; the result then replaces `filepath`."""
        filepath = os.fspath(filepath)
        if os.path.isdir(filepath) and filepath.endswith((".keras", ".h5")):
            raise FileExistsError(f"`filepath` must not be a directory. Received: {filepath!r}")
        if os.path.exists(filepath) and not overwrite:
            raise FileExistsError(
                "`filepath` must not exist unless `overwrite=True`. "
                f"Received: filepath={filepath!r}"
            )
        if "://" in filepath:  # an object store, which has no half-written files
            return contextlib.nullcontext(filepath)
        return replacing(filepath)

    def load_weights(self, filepath, skip_mismatch: bool = False, **kwargs) -> None:
        """Keras's `load_weights`; if the file doesn't fit, the model stays as it was.

        Raises:
            FileNotFoundError: If there is no file.
            OSError: If the file can't be read, because it is cut off for example.
            ValueError: If it holds the weights of another model, or the state of other optimizers.
        """
        path = os.fspath(filepath)
        if "://" not in path and not os.path.exists(path):
            raise FileNotFoundError(f"`filepath` must exist. Received: filepath={path!r}")
        try:
            with self._restored_on_failure(), warnings.catch_warnings(record=True) as shown:
                _check_content(path)
                if not skip_mismatch:  # otherwise Adam would start from zero, silently
                    warnings.filterwarnings("error", "Skipping variable loading for optimizer")
                super().load_weights(filepath, skip_mismatch, **kwargs)
        except Exception as error:
            reason = " ".join(str(error).split())
            if isinstance(error, (OSError, zipfile.BadZipFile)):
                raise OSError(
                    f"`filepath` must be a complete file of weights. "
                    f"Received: {path!r}, which can't be read: {reason}"
                ) from error
            raise ValueError(
                f"`filepath` must hold the weights of a {type(self).__name__} like this one, "
                f"data_shape={self.data_shape}. Received: {path!r}, which doesn't "
                f"fit: {reason:.300}"
            ) from error
        for warning in shown:  # if the file doesn't fit, the error says so
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )

    @contextlib.contextmanager
    def _restored_on_failure(self):
        """Puts the weights and the optimizers' state back if the block fails or is interrupted."""
        optimizers = [getattr(self, name, None) for name in self.players]
        variables = [
            *self.variables,
            *(v for optimizer in optimizers if optimizer for v in optimizer.variables),
        ]
        before, was_trained = [variable.numpy() for variable in variables], self._was_trained
        try:
            yield
        except BaseException:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
            self._was_trained = was_trained
            raise

    # Keras does not save the states of its layers' random seeds; here they belong to the model.

    def save_own_variables(self, store) -> None:
        """Also saves the states of the layers' `SeedGenerator`s."""
        super().save_own_variables(store)
        for i, generator in enumerate(seed_generators(self)):
            store[f"seed_{i:04}"] = generator.state.numpy()

    def load_own_variables(self, store) -> None:
        """Also loads the states of the layers' `SeedGenerator`s."""
        archive = archive_of(store)
        if archive is not None:  # Keras reads it without its checksum
            _check_archive(archive)
        self._was_trained = True
        values = {name: store[name] for name in [*store.keys()]}
        generators = seed_generators(self)
        states = [values.pop(f"seed_{i:04}", None) for i in range(len(generators))]
        super().load_own_variables(values)
        for generator, state in zip(generators, states, strict=True):
            if state is None:
                raise ValueError(f"the file lacks the states of {len(states)} random seeds")
            generator.state.assign(state)


def _check_content(path):
    """Raises an OSError if a file's checksum is wrong; files of older versions have none."""
    if "://" in path:
        return
    if path.endswith(".weights.h5"):
        check_checksum(path)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            _check_archive(archive)


def _check_archive(archive):
    damaged = archive.testzip()
    if damaged:
        raise OSError(f"{damaged} in it is damaged")
