"""`compile`: any number of optimizers, each for its own networks."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_genzoo.core import keras_internals
from keras_genzoo.core.annealing import prepare_annealing
from keras_genzoo.core.keras_internals import activity_losses, flatten_layers
from keras_genzoo.core.optimizers import OptimizerGroup, without_loss_scale
from keras_genzoo.core.replicas import global_mean

OPTIONS = ("metrics", "run_eagerly", "steps_per_execution", "jit_compile")


class Compiling:
    """The optimizers of a `GenerativeModel`: which networks each trains, and what it minimises.

    Attributes:
        players: The names of the networks that each optimizer trains, by the name of `compile`'s
            argument. All of them are attributes of the model.
    """

    players: dict[str, tuple[str, ...]] = {"optimizer": ("network",)}

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Returns the paper's optimizers, by the names of `players`."""
        raise NotImplementedError(
            f"{type(self).__name__} must have a method `default_optimizers`, which returns an "
            f"optimizer for each of {list(self.players)}."
        )

    def networks_of(self, player: str) -> list[keras.layers.Layer]:
        """Lists the networks that the optimizer of this name trains."""
        missing = [name for name in self.players[player] if not hasattr(self, name)]
        if missing:
            raise ValueError(
                f"`players` must name attributes of the {type(self).__name__}. "
                f"Received: {missing[0]!r}"
            )
        networks = [getattr(self, name) for name in self.players[player]]
        # A part may be an object without weights, such as a likelihood of the user's own.
        return [network for network in networks if isinstance(network, keras.layers.Layer)]

    def optimized_variables(self) -> dict[str, list]:
        """Returns the variables that each optimizer updates, by the names of `players`."""
        if len(self.players) == 1:  # also trains layers that a subclass adds
            return dict.fromkeys(self.players, self.trainable_variables)
        variables = {}
        for player in self.players:
            listed = (
                v for network in self.networks_of(player) for v in network.trainable_variables
            )
            # Networks may share layers, whose variables then count once.
            variables[player] = list({id(variable): variable for variable in listed}.values())
        return variables

    def objective(self, player: str, *terms: tf.Tensor | None) -> tf.Tensor:
        """Returns the number that the optimizer of this name minimises in a step.

        Args:
            player: The optimizer's name.
            *terms: Terms `(batch, ...)`, which are averaged over all axes but the first and then
                added up. `None` stands for no term.

        Returns:
            The mean over the global batch, plus the regularizers of the optimizer's networks:
            those of weights once, those of activities for each pass by `run` since the last
            objective. On a replica it is that replica's contribution; the contributions sum to the
            objective.
        """
        terms = [per_example(term) for term in terms if term is not None]
        objective = global_mean(sum(terms[1:], start=terms[0]))
        weights = [
            variable.regularizer(variable) / self.num_replicas
            for variable in self.optimized_variables()[player]
            if variable.regularizer is not None
        ]
        return objective + sum([*weights, *self._activities(player)], start=tf.zeros(()))

    def _activities(self, player) -> list[tf.Tensor]:
        """Takes the activity regularizers of a player's layers out of the record."""
        networks = self.networks_of(player) if len(self.players) > 1 else [self]
        layers = {id(layer) for network in networks for layer in flatten_layers(network)}
        record = self._passes[:]
        taken = [entry for entry in record if id(entry[0]) in layers]
        self._passes.clear()
        self._passes.extend(entry for entry in record if id(entry[0]) not in layers)
        for network in self.networks_of(player):  # the last call, if it was not by `run`
            called = {id(layer) for layer, _, _ in taken}
            taken += [(*own, None) for own in activity_losses(network) if id(own[0]) not in called]
        # A loss is an average over the examples of a replica.
        return [
            tf.cast(loss, "float32") / self.num_replicas
            if size is None
            else global_mean(tf.fill((size,), tf.cast(loss, "float32")))
            for _, loss, size in taken
        ]

    def record_pass(self, network: keras.layers.Layer, size) -> None:
        """Records the activity regularizers of a pass, which Keras forgets at the next one.

        Args:
            network: The network that was called.
            size: The number of examples on this replica.
        """
        recorded = {id(loss) for _, loss, _ in self._passes[:]}
        losses = [(*own, size) for own in activity_losses(network) if id(own[1]) not in recorded]
        self._passes.extend(losses)

    def forget_passes(self) -> None:
        """Empties the record of passes."""
        self._passes.clear()

    def update(self, player: str, objective: tf.Tensor, tape: tf.GradientTape) -> None:
        """Takes one step of the optimizer of this name down the gradient of an objective."""
        optimizer, variables = getattr(self, player), self.optimized_variables()[player]
        # A loss-scaled optimizer's `apply` divides the gradients by the scale.
        scale = optimizer.scale_loss(tf.ones_like(objective))
        gradients = tape.gradient(objective, variables, output_gradients=scale)
        # At the end of a data set of unknown length, the step fails for want of a batch. The count
        # of steps, which needs nothing of the batch, must not go up then.
        with tf.control_dependencies([objective]):
            optimizer.apply(gradients, variables)

    def compile(self, *optimizers, **options) -> None:
        """Configures training.

        Args:
            *optimizers: Keras optimizers in the order of `players`; the paper's by default.
            **options: The same by name, and Keras's `metrics`, `run_eagerly`,
                `steps_per_execution` and `jit_compile`.

        Raises:
            ValueError: If an option is unknown, or does not work under the model's strategy.
        """
        chosen = dict(zip(self.players, optimizers, strict=False))
        twice = [name for name in chosen if name in options]
        if twice:
            raise ValueError(f"`{twice[0]}` must be given once. Received: two values")
        chosen |= {name: options.pop(name) for name in self.players if name in options}
        unknown = sorted(options.keys() - {*OPTIONS})
        if unknown or len(optimizers) > len(self.players):
            names = ", ".join(f"`{name}`" for name in (*self.players, *OPTIONS))
            about_loss = unknown[:1] == ["loss"] or len(optimizers) > len(self.players)
            hint = "; its loss is an argument of the constructor" if about_loss else ""
            raise ValueError(
                f"`{type(self).__name__}.compile` takes {names}{hint}. "
                f"Received: {unknown or f'{len(optimizers)} optimizers'}"
            )
        self._check_scope()
        keras_internals.claim_collectives(self.distribute_strategy)
        self._check_options(options)
        before = dict(vars(self))
        try:
            with self.distribute_strategy.scope():
                self._compile_in_scope(chosen, options)
        except BaseException:
            vars(self).update(before)  # what was compiled before stays
            raise

    def _check_options(self, options):
        steps = options.get("steps_per_execution", 1)
        if not (isinstance(steps, int) and steps >= 1):
            raise ValueError(
                "`steps_per_execution` must be a positive integer. "
                f"Received: steps_per_execution={steps!r}"
            )
        on_tpu = isinstance(self.distribute_strategy, tf.distribute.TPUStrategy)
        if self.num_replicas > 1 and not on_tpu:
            for name, only in {"steps_per_execution": 1, "jit_compile": False}.items():
                value = options.get(name, only)
                if value != only and (name, value) != ("jit_compile", "auto"):
                    raise ValueError(
                        f"`{name}` must be {only} under a strategy of several replicas, because "
                        f"Keras supports nothing else there. Received: {name}={value!r}"
                    )

    def _compile_in_scope(self, optimizers, options):
        chosen = self.default_optimizers() | self._given_optimizers(optimizers)
        chosen = {name: chosen[name] for name in self.players}  # the first one counts the steps
        if len({id(optimizer) for optimizer in chosen.values()}) < len(chosen):
            raise ValueError(
                f"{' and '.join(f'`{name}`' for name in chosen)} must be different optimizers: "
                "each keeps the state of its own networks. Received: one object twice"
            )
        # Pass Keras no optimizer and no loss: it would build, wrap and log them itself.
        super().compile(optimizer=None, **options)
        self._compile_arguments = dict(options)
        for name, optimizer in chosen.items():
            if len(chosen) > 1:
                without_loss_scale(optimizer).name = name  # callbacks log learning rates by it
            is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
            if self.dtype_policy.name == "mixed_float16" and not is_scaled:
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            # Build now: replicas cannot create variables, and loading needs them.
            optimizer.build(self.optimized_variables()[name])
            setattr(self, name, optimizer)
        if "optimizer" not in chosen:
            self.optimizer = OptimizerGroup({name: getattr(self, name) for name in chosen})
        if self.num_replicas > 1:
            for layer in flatten_layers(self):
                keras_internals.separate_losses_by_replica(layer)
        for generator in keras_internals.seed_generators(self):
            keras_internals.differ_by_replica(generator)
        self.build_metrics()
        steps = getattr(self, next(iter(chosen))).iterations
        parts = (self, *vars(self).values(), *flatten_layers(self))
        for part in {id(part): part for part in parts}.values():
            prepare_annealing(part, steps, self)

    def _given_optimizers(self, optimizers):
        given = {k: keras.optimizers.get(v) for k, v in optimizers.items() if v is not None}
        for name, optimizer in given.items():
            strategy = keras_internals.strategy_of_optimizer(optimizer)
            if strategy is not self.distribute_strategy:
                raise ValueError(
                    f"`{name}` must be made in the scope of the model's strategy. "
                    f"Received: one made under {type(strategy).__name__}"
                )
        return given


def per_example(term: tf.Tensor) -> tf.Tensor:
    """Averages a term over all axes but the first: `(batch, rows, columns)` -> `(batch,)`."""
    axes = list(range(1, len(term.shape)))
    return tf.reduce_mean(term, axis=axes) if axes else term


class AdversarialCompiling:
    """A mix-in that names the two optimizers of an adversarial model in `compile`.

    By default they are those of DCGAN (Radford et al. 2016), which later papers took over.
    """

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5) for player in self.players}

    def compile(
        self,
        generator_optimizer: str | keras.optimizers.Optimizer | None = None,
        discriminator_optimizer: str | keras.optimizers.Optimizer | None = None,
        *others,
        **options,
    ) -> None:
        """Configures training.

        Args:
            generator_optimizer: Any Keras optimizer; the paper's by default.
            discriminator_optimizer: Another Keras optimizer; the paper's by default.
            *others: Refused.
            **options: Keras's `metrics` (of real and generated data, in evaluation),
                `run_eagerly`, `steps_per_execution` and `jit_compile`.
        """
        super().compile(generator_optimizer, discriminator_optimizer, *others, **options)
