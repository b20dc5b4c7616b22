from __future__ import annotations

import pytest

from studies.search.stop_rules import Plateau, StopRules


def test_first_rule_that_holds_is_named() -> None:
    rules = StopRules(evaluations=20, generations=3, minutes=1, patience=2)
    assert rules.within(evaluations=19, elapsed_s=59.9) is None
    assert rules.within(evaluations=20, elapsed_s=0) == "evaluations"
    assert rules.within(evaluations=0, elapsed_s=60) == "minutes"
    assert rules.between(generations=2, idle=1, evaluations=19, elapsed_s=0) is None
    assert rules.between(generations=3, idle=0, evaluations=0, elapsed_s=0) == "generations"
    assert rules.between(generations=1, idle=2, evaluations=0, elapsed_s=0) == "patience"
    assert rules.between(generations=1, idle=0, evaluations=99, elapsed_s=0) == "evaluations"


def test_rules_that_are_not_given_never_hold() -> None:
    rules = StopRules()
    assert rules.given() == {}
    assert rules.between(generations=10**6, idle=10**6, evaluations=10**6, elapsed_s=1e9) is None


def test_total_is_the_least_of_what_is_known_before() -> None:
    assert StopRules(evaluations=20, generations=3).total(6) == 18
    assert StopRules(evaluations=10, generations=3).total(6) == 10
    assert StopRules(minutes=2, patience=3).total(6) is None


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        (StopRules(generations=12), "12 generations"),
        (StopRules(generations=1, minutes=0.5), "1 generation or 0.5 minutes"),
        (StopRules(evaluations=500, patience=4), "500 evaluations or 4 generations without gain"),
    ],
)
def test_rules_in_words(rules: StopRules, text: str) -> None:
    assert str(rules) == text


def test_plateau_counts_from_the_last_gain() -> None:
    plateau = Plateau()
    counts = []
    for violation, hypervolume in (
        (2.0, 0.0),
        (2.0, 0.0),
        (1.0, 0.0),  # Nearer to feasible.
        (3.0, 0.0),
        (0.0, 0.0),  # Feasible, if beyond the reference.
        (0.0, 0.1),
        (0.0, 0.1 + 1e-15),  # Noise.
        (0.5, 0.1),
        (0.5, 0.2),
    ):
        plateau.add(violation, hypervolume)
        counts.append(plateau.idle)
    assert counts == [0, 1, 0, 1, 0, 0, 1, 2, 0]
