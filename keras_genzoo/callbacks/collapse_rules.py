"""When training is said to have failed, judged by the numbers of one look after the other."""

from __future__ import annotations

import dataclasses
import math

LEARNED = 0.1  # coverage from which on a generator is said to have learned something
FALLEN = 0.5  # of the best since then: less is a collapse
ALIKE = 0.1  # diversity of samples that are nearly all the same,
EARLY = 10  # looks during which they may be: generators start so
CERTAIN = 0.99  # accuracy of a discriminator that leaves nothing to learn from
VANISHED = 0.01  # of the largest gradient: less is none
STALLED = 10  # looks of a certain discriminator while diversity and coverage don't rise
RISE = 0.01  # of them, that is more than chance
SLOW = 20  # looks after which something should have been learned

NOT_FINITE = "not finite"
COLLAPSE = "mode collapse"
DISCRIMINATOR_WINS = "the discriminator wins"
LITTLE = "little is covered"

REMEDIES = {
    NOT_FINITE: "a lower learning rate, gradients clipped by the optimizer (`clipnorm=1.0`)",
    COLLAPSE: "a gradient penalty (`penalty='r1'`), `packing=2`, a lower learning rate, a larger "
    "batch",
    DISCRIMINATOR_WINS: "a gradient penalty (`penalty='r1'`), `augmentation`, a lower learning "
    "rate of the discriminator, a Wasserstein loss (`WGANGP`)",
    LITTLE: "longer training; or a `feature_extractor`, where distances between the data "
    "themselves say little, as between photos",
}
# Of a model that has no discriminator.
COLLAPSE_REMEDIES = "a lower learning rate, a smaller weight of the regularization (`beta`)"


@dataclasses.dataclass
class Event:
    """What is told once, and again only if it was better in between."""

    kind: str
    epoch: int
    since: int
    seen: str
    remedies: str

    @property
    def failure(self) -> bool:
        """Whether it takes more than time."""
        return self.kind != LITTLE

    def __str__(self):
        since = f" since epoch {self.since}" if self.since < self.epoch else ""
        return f"epoch {self.epoch}: {self.kind}{since}: {self.seen}. Remedies: {self.remedies}."


class Rules:
    """Judges looks: the numbers of one epoch, its number, and what was `not_finite`.

    Args:
        patience: Looks in a row that must be bad.
        critic: Whether the discriminator is meant to be ahead, as with Wasserstein's loss.
    """

    def __init__(self, patience: int, critic: bool):
        self.looks = 0
        self.best: dict[str, tuple[float, int]] = {}  # and its epoch, since something was learned
        self.peaks = {"diversity": 0.0, "coverage": 0.0}  # at their last rise
        self.largest = 0.0  # gradient norm
        self.rules = [
            (NOT_FINITE, self._not_finite, 1),
            (COLLAPSE, self._collapsed, patience),
            (DISCRIMINATOR_WINS, self._vanishing, patience),
        ]
        if not critic:
            self.rules.append((DISCRIMINATOR_WINS, self._stalled, max(STALLED, patience)))
        self.bad: list[list[int]] = [[] for _ in self.rules]  # epochs in a row, by rule

    @property
    def good(self) -> bool:
        """Whether nothing was bad about the last look."""
        return not any(self.bad)

    def judge(self, look: dict) -> list[Event]:
        """What is to be told after this look."""
        self._compare(look)
        epoch, events = look["epoch"], []
        for (kind, check, looks), epochs in zip(self.rules, self.bad, strict=True):
            seen = check(look)
            if not seen:
                epochs.clear()
                continue
            epochs.append(epoch)
            if len(epochs) == looks:
                remedies = REMEDIES[kind]
                if kind == COLLAPSE and "discriminator_accuracy" not in look:
                    remedies = COLLAPSE_REMEDIES
                events.append(Event(kind, epoch, epochs[0], seen, remedies))
        if self.looks == SLOW and not self.best:
            seen = f"{look['coverage']:.2f} of the real data after {SLOW} looks"
            events.append(Event(LITTLE, epoch, epoch, seen, REMEDIES[LITTLE]))
        return events

    def _compare(self, look):
        """Notes the best so far."""
        self.looks += 1
        self.rose = False
        learned = bool(self.best) or look["coverage"] >= LEARNED
        for name, peak in self.peaks.items():
            value = min(look[name], 1.0)  # more diverse than the data is not better
            if value >= peak + RISE:
                self.peaks[name], self.rose = value, True
            if learned and value > self.best.get(name, (0.0, 0))[0]:
                self.best[name] = value, look["epoch"]
        norm = look.get("generator_gradient_norm", 0.0)
        if math.isfinite(norm):
            self.largest = max(self.largest, norm)

    # What is bad about a look, in words.

    def _not_finite(self, look):
        return look["not_finite"]

    def _collapsed(self, look):
        seen = []
        for name, words in {
            "diversity": "the samples' diversity is {:.2f} of the real data's",
            "coverage": "the samples cover {:.2f} of the real data",
        }.items():
            best, epoch = self.best.get(name, (0.0, 0))
            if look[name] < FALLEN * best:
                words += f" (best so far {best:.2f}, epoch {epoch})"
            elif not (name == "diversity" and look[name] < ALIKE and self.looks > EARLY):
                continue
            seen.append(words.format(look[name]))
        return ", and ".join(seen)

    def _vanishing(self, look):
        norm = look.get("generator_gradient_norm", math.inf)
        seen = f"the norm of the generator's gradient is {norm:.1e}, once {self.largest:.1e}"
        return self._certain(look, seen) if norm < VANISHED * self.largest else ""

    def _stalled(self, look):
        seen = f"the samples don't improve: they cover {look['coverage']:.2f} of the real data"
        return "" if self.rose else self._certain(look, seen)

    @staticmethod
    def _certain(look, seen):
        accuracy = look.get("discriminator_accuracy", 0.0)
        return f"its accuracy is {accuracy:.3f}, and {seen}" if accuracy > CERTAIN else ""
