"""Rules by which `CollapseMonitor` recognises failing training from what it measured."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

# A generator has learned something once its samples reach this coverage.
LEARNED_COVERAGE = 0.1
# Mode collapse is a diversity or coverage below this fraction of its best value.
COLLAPSE_FRACTION = 0.5
# A diversity below this is mode collapse as well, but only after the warm-up: the samples of an
# untrained generator are similar, too.
LOW_DIVERSITY = 0.1
WARMUP_CHECKS = 10
# A discriminator above this accuracy leaves the generator nothing to learn from.
WINNING_ACCURACY = 0.99
# The gradient has vanished if its norm falls below this fraction of the largest norm so far.
VANISHED_FRACTION = 0.01
# Training has stalled if neither diversity nor coverage rises by this much in so many checks.
MIN_IMPROVEMENT = 0.01
STALLED_CHECKS = 10
# The coverage is low if it has not reached `LEARNED_COVERAGE` after so many checks.
LOW_COVERAGE_CHECKS = 20

NON_FINITE = "non-finite values"
COLLAPSE = "mode collapse"
WINNING_DISCRIMINATOR = "discriminator too strong"
LOW_COVERAGE = "low coverage"

REMEDIES = {
    NON_FINITE: "a lower learning rate, or gradient clipping in the optimizer (`clipnorm=1.0`)",
    COLLAPSE: "a gradient penalty (`penalty='r1'`), `packing=2`, a lower learning rate, or a "
    "larger batch",
    WINNING_DISCRIMINATOR: "a gradient penalty (`penalty='r1'`), `augmentation`, a lower learning "
    "rate for the discriminator, or a Wasserstein loss (`WGANGP`)",
    LOW_COVERAGE: "longer training, or a `feature_extractor` if distances between raw data mean "
    "little, as they do for photos",
}
# Mode collapse of a model without a discriminator.
COLLAPSE_REMEDIES = "a lower learning rate, or a smaller regularization weight (`beta`)"


@dataclasses.dataclass
class Event:
    """A warning, repeated only after its condition has cleared.

    Attributes:
        kind: The name of the problem.
        epoch: The epoch in which it was reported.
        since: The epoch in which it began.
        symptom: A description of what was measured.
        remedies: Changes that may help.
    """

    kind: str
    epoch: int
    since: int
    symptom: str
    remedies: str

    @property
    def failure(self) -> bool:
        """True if training has failed; false if it may only need more time."""
        return self.kind != LOW_COVERAGE

    def __str__(self):
        since = f" since epoch {self.since}" if self.since < self.epoch else ""
        return f"epoch {self.epoch}: {self.kind}{since}: {self.symptom}. Remedies: {self.remedies}."


@dataclasses.dataclass
class Rule:
    """A symptom that counts as a failure once enough checks in a row have shown it.

    Attributes:
        kind: The name of the failure.
        find_symptom: Takes an observation and describes the symptom; returns "" if there is none.
        patience: The number of checks in a row.
        epochs: The epochs of the checks that have shown the symptom without a break.
    """

    kind: str
    find_symptom: Callable[[dict], str]
    patience: int
    epochs: list[int] = dataclasses.field(default_factory=list)


class Rules:
    """All rules, and the best values so far that they compare with.

    An observation is the result of one check: a dict of the measured numbers by name, the "epoch",
    and under "non_finite" a description of NaN or infinity in the model ("" if there is none).

    Args:
        patience: The number of bad checks in a row that make a failure.
        critic: True if the discriminator is meant to be accurate, as with a Wasserstein loss.
    """

    def __init__(self, patience: int, critic: bool):
        self.num_checks = 0
        # The best value and its epoch, by name, since `LEARNED_COVERAGE` was reached.
        self.best: dict[str, tuple[float, int]] = {}
        # Values at the last rise by `MIN_IMPROVEMENT`.
        self.peaks = {"diversity": 0.0, "coverage": 0.0}
        self.improved = False
        self.largest_norm = 0.0
        self.rules = [
            Rule(NON_FINITE, lambda observation: observation["non_finite"], 1),
            Rule(COLLAPSE, self._find_collapse, patience),
            Rule(WINNING_DISCRIMINATOR, self._find_vanished_gradient, patience),
        ]
        if not critic:
            stalled_patience = max(STALLED_CHECKS, patience)
            self.rules.append(Rule(WINNING_DISCRIMINATOR, self._find_stall, stalled_patience))

    @property
    def last_check_passed(self) -> bool:
        """True if the last check showed no symptom."""
        return not any(rule.epochs for rule in self.rules)

    def update(self, observation: dict) -> list[Event]:
        """Applies all rules to one observation and returns the new events."""
        self._update_best(observation)
        epoch, events = observation["epoch"], []
        for rule in self.rules:
            symptom = rule.find_symptom(observation)
            if not symptom:
                rule.epochs.clear()
                continue
            rule.epochs.append(epoch)
            if len(rule.epochs) == rule.patience:
                remedies = REMEDIES[rule.kind]
                if rule.kind == COLLAPSE and "discriminator_accuracy" not in observation:
                    remedies = COLLAPSE_REMEDIES
                events.append(Event(rule.kind, epoch, rule.epochs[0], symptom, remedies))
        if self.num_checks == LOW_COVERAGE_CHECKS and not self.best:
            symptom = f"the samples cover {observation['coverage']:.2f} of the real data after "
            symptom += f"{LOW_COVERAGE_CHECKS} checks"
            events.append(Event(LOW_COVERAGE, epoch, epoch, symptom, REMEDIES[LOW_COVERAGE]))
        return events

    def _update_best(self, observation):
        self.num_checks += 1
        self.improved = False
        learned = bool(self.best) or observation["coverage"] >= LEARNED_COVERAGE
        for name, peak in self.peaks.items():
            value = min(observation[name], 1.0)  # more diversity than in the data is no better
            if value >= peak + MIN_IMPROVEMENT:
                self.peaks[name], self.improved = value, True
            if learned and value > self.best.get(name, (0.0, 0))[0]:
                self.best[name] = value, observation["epoch"]
        norm = observation.get("generator_gradient_norm", 0.0)
        if math.isfinite(norm):
            self.largest_norm = max(self.largest_norm, norm)

    # Each method below describes its symptom, or returns "" if the observation does not show it.

    def _find_collapse(self, observation):
        symptoms = []
        for name, description in {
            "diversity": "the samples' diversity is {:.2f} of the real data's",
            "coverage": "the samples cover {:.2f} of the real data",
        }.items():
            value = observation[name]
            best, epoch = self.best.get(name, (0.0, 0))
            warmed_up = self.num_checks > WARMUP_CHECKS
            if value < COLLAPSE_FRACTION * best:
                description += f" (best so far {best:.2f}, epoch {epoch})"
            elif not (name == "diversity" and value < LOW_DIVERSITY and warmed_up):
                continue
            symptoms.append(description.format(value))
        return ", and ".join(symptoms)

    def _find_vanished_gradient(self, observation):
        norm = observation.get("generator_gradient_norm", math.inf)
        vanished = norm < VANISHED_FRACTION * self.largest_norm
        if not (vanished and self._discriminator_wins(observation)):
            return ""
        return (
            f"its accuracy is {observation['discriminator_accuracy']:.3f}, and the norm of the "
            f"generator's gradient is {norm:.1e}, down from {self.largest_norm:.1e}"
        )

    def _find_stall(self, observation):
        if self.improved or not self._discriminator_wins(observation):
            return ""
        return (
            f"its accuracy is {observation['discriminator_accuracy']:.3f}, and the samples have "
            f"stopped improving: they cover {observation['coverage']:.2f} of the real data"
        )

    @staticmethod
    def _discriminator_wins(observation):
        return observation.get("discriminator_accuracy", 0.0) > WINNING_ACCURACY
