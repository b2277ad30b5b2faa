import math

import pytest
from callbacks.collapse_helpers import GAN_NAMES

from keras_genzoo.callbacks.collapse_rules import (
    COLLAPSE,
    LOW_COVERAGE,
    LOW_COVERAGE_CHECKS,
    STALLED_CHECKS,
    WINNING_DISCRIMINATOR,
    Rules,
)


def events_by_epoch(observations, patience=2, critic=False):
    """Applies the rules to tuples of (diversity, coverage, accuracy, norm), from epoch 1 on."""
    rules, events = Rules(patience, critic), {}
    for epoch, numbers in enumerate(observations, start=1):
        numbers = dict(zip(GAN_NAMES, numbers, strict=False))
        for event in rules.update({"epoch": epoch, "non_finite": "", **numbers}):
            events.setdefault(epoch, []).append((event.kind, event.since))
    return events


GOOD, FELL = (0.9, 0.5, 0.7, 1.0), (0.4, 0.5, 0.7, 1.0)
UNCOVERED, UNTRAINED = (0.9, 0.2, 0.7, 1.0), (0.9, 0.0, 0.7, 1.0)
WON = (0.3, 0.02, 1.0, 1.0)


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        ([GOOD] * 30, {}),
        ([GOOD, FELL, FELL, FELL, FELL], {3: [(COLLAPSE, 2)]}),
        ([GOOD, UNCOVERED, UNCOVERED], {3: [(COLLAPSE, 2)]}),
        ([GOOD, UNCOVERED, FELL], {3: [(COLLAPSE, 2)]}),
        ([GOOD, FELL, GOOD, FELL, GOOD, FELL], {}),  # not in a row
        ([GOOD, FELL, FELL, GOOD, FELL, FELL], {3: [(COLLAPSE, 2)], 6: [(COLLAPSE, 5)]}),
        ([UNTRAINED, UNTRAINED, (0.1, 0.0), (0.1, 0.0)], {}),  # nothing learned yet
        ([UNTRAINED, (0.4, 0.1), (0.3, 0.1), (0.3, 0.1)], {}),  # not under half of the value then
        ([(9.0, 0.5), (0.6, 0.5), (0.6, 0.5)], {}),  # no better than the data's
        ([(0.05, 0.0)] * 12, {12: [(COLLAPSE, 11)]}),
        ([(0.15, 0.0)] * 19, {}),
        ([(0.5, 0.05)] * 25, {20: [(LOW_COVERAGE, 20)]}),
        ([(0.5, 0.05)] * 9 + [(0.5, 0.12)] + [(0.5, 0.07)] * 20, {}),
        # The discriminator wins: nothing improves,
        ([WON] * 12, {11: [(WINNING_DISCRIMINATOR, 2)]}),
        ([(0.3 + 0.02 * i, 0.02, 1.0, 1.0) for i in range(15)], {}),
        ([(0.3, 0.02 * i, 1.0, 1.0) for i in range(15)], {}),
        ([WON] * 10 + [(0.3, 0.02, 0.98, 1.0)] + [WON] * 9, {20: [(LOW_COVERAGE, 20)]}),
        # or the gradient vanishes.
        ([GOOD, (0.9, 0.5, 1.0, 0.009), (0.9, 0.5, 1.0, 0.009)], {3: [(WINNING_DISCRIMINATOR, 2)]}),
        ([GOOD, (0.9, 0.5, 0.9, 0.009), (0.9, 0.5, 0.9, 0.009)], {}),
        ([GOOD, (0.9, 0.5, 1.0, 0.02), (0.9, 0.5, 1.0, 0.02)], {}),
        ([GOOD, (0.9, 0.5, 1.0, math.inf), (0.9, 0.5, 1.0, 1.0), (0.9, 0.5, 1.0, 1.0)], {}),
        ([(math.nan,) * 4] * 19, {}),
    ],
)
def test_rules(observations, expected):
    assert (STALLED_CHECKS, LOW_COVERAGE_CHECKS) == (10, 20)
    assert events_by_epoch(observations) == expected


def test_a_critic_may_win_unless_its_gradient_vanishes():
    assert events_by_epoch([WON] * 19, critic=True) == {}
    vanished = [WON, (0.3, 0.02, 1.0, 0.001), (0.3, 0.02, 1.0, 0.001)]
    assert events_by_epoch(vanished, critic=True) == {3: [(WINNING_DISCRIMINATOR, 2)]}


@pytest.mark.parametrize("patience", [1, 3])
def test_patience(patience):
    assert events_by_epoch([GOOD] + [FELL] * 5, patience) == {patience + 1: [(COLLAPSE, 2)]}
