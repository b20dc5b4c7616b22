"""Rules of the protocol: those of its page, the stop rule, the verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.paper import protocol
from benchmarks.paper.bootstrap import Estimate
from benchmarks.paper.campaign import settled_budget
from benchmarks.paper.comparison import verdict
from benchmarks.paper.protocol import PAIRS, PRIMARY, Run, has_settled, parse_chips, parse_seeds
from search_space.errors import H4HError, UnknownNameError

PAGE = (Path(__file__).parents[3] / "docs" / "results-protocol.md").read_text()
NAN = float("nan")


def test_the_rules_are_those_of_the_page() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `u55")]
    chips = [name.strip() for row in rows for name in row.split("|")[1].replace("`", "").split(",")]
    base = [row.split("|")[2].strip(" `") for row in rows for _ in row.split("|")[1].split(",")]
    full = [f"u55-256-cim1{name}".replace("cim1-", "") if name[0] == "-" else name for name in chips]
    assert dict(zip(full, base, strict=True)) == PAIRS
    for figure in PRIMARY:
        if figure.paper is not None:
            assert f"{figure.paper:.2f} %" in PAGE or f"| {figure.paper:g} |" in PAGE, figure.title
    for words in (
        f"at least {protocol.LEAST_EVALUATIONS:,} evaluations; then {protocol.MORE_EVALUATIONS} more",
        f"{protocol.MOST_EVALUATIONS:,} at most",
        f"Paired bootstrap, {protocol.RESAMPLES:,} resamples",
        "moved by 1 point or more during the last quarter",
        "| seeds | 1 to 5;",
        "2 to 5 ViT blocks per 10 conv blocks | almost all",
    ):
        assert words in PAGE
    assert (protocol.SEEDS, protocol.STILL_POINTS, protocol.LAST_SHARE) == ((1, 2, 3, 4, 5), 1.0, 0.25)


def test_a_run_of_the_protocol_departs_from_nothing() -> None:
    assert Run().departures("cifar32", 10_000) == []
    assert Run().hardware[:3] == ("u55-256", "u55-256-cim8", "u55-256-cim8x4")
    assert set(Run().hardware) == {*PAIRS, *PAIRS.values()}
    assert Run().primary == PRIMARY


def test_departures_are_named() -> None:
    run = Run(("u55-256-cim8",), (1, 2), evaluations=8, resamples=5)
    found = run.departures("tiny", 90)
    assert found[0] == "space tiny instead of cifar32"
    assert "u55-256-cim8x4" in found[1]
    assert found[2:] == [
        "2 seeds instead of 5",
        "8 evaluations instead of the stop rule",
        "90 test images instead of 10,000",
        "5 resamples instead of 2,000",
    ]
    assert {figure.chip for figure in run.primary} == {"u55-256-cim8"}


def test_wrong_runs() -> None:
    with pytest.raises(UnknownNameError, match="unknown chip with macros 'u55-256': must be one of"):
        Run(("u55-256-cim8", "u55-256"))
    with pytest.raises(H4HError, match=r"--chips must include u55-256-cim8, .* but got u55-256-cim1"):
        Run(("u55-256-cim1",))
    with pytest.raises(H4HError, match="--seeds must be different numbers, but got 1,1"):
        Run(seeds=(1, 1))
    with pytest.raises(H4HError, match="--seeds must be whole numbers joined by commas"):
        parse_seeds("1,a")
    assert parse_seeds("3, 1") == (3, 1)
    assert parse_chips("a, b,a,") == ("a", "b")


def test_has_settled() -> None:
    assert has_settled([10.0, NAN], [10.99, NAN])
    assert not has_settled([10.0, 5.0], [10.0, 4.0])
    assert not has_settled([NAN], [1.0])


def test_the_stop_rule_takes_the_first_budget_that_is_still() -> None:
    asked: list[int] = []

    def values_at(evaluations: int) -> tuple[list[float], list[float]]:
        asked.append(evaluations)
        return [0.0], [2.0 if evaluations < 2000 else 0.5]

    lines: list[str] = []
    found = settled_budget(None, values_at, lines.append)
    assert asked == [1000, 1500, 2000]
    assert (found.evaluations, found.has_settled, found.after) == (2000, True, (0.5,))
    assert lines[0].startswith("stop rule after 1000 evaluations: the primary figures moved by up to 2.00")


def test_the_stop_rule_ends_at_the_limit() -> None:
    found = settled_budget(None, lambda _: ([0.0], [1.0]), lambda _: None)
    assert (found.evaluations, found.has_settled) == (4000, False)


def test_a_fixed_budget_asks_nothing() -> None:
    def never(_: int) -> tuple[list[float], list[float]]:
        raise AssertionError

    assert settled_budget(8, never, lambda _: None).evaluations == 8


LATENCY, BLOCKS = PRIMARY[0], PRIMARY[-1]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Estimate(25, 20, 30), "agrees"),
        (Estimate(21, -5, 40), "agrees"),
        (Estimate(-1, -5, 40), "disagrees"),  # the interval reaches 21.99, but the sign is another
        (Estimate(40, 30, 50), "agrees in sign"),
        (Estimate(10, 1, 15), "agrees in sign"),
        (Estimate(10, -1, 15), "disagrees"),
        (Estimate(-10, -15, -5), "disagrees"),
        (Estimate(NAN, NAN, NAN), "disagrees"),
    ],
)
def test_verdict(found: Estimate, expected: str) -> None:
    assert LATENCY.paper == 21.99
    assert verdict(LATENCY, found) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Estimate(88, 80, 93), "agrees"),
        (Estimate(70, 55, 80), "agrees in sign"),
        (Estimate(52, 45, 60), "disagrees"),
        (Estimate(NAN, NAN, NAN), "disagrees"),
    ],
)
def test_verdict_on_almost_all(found: Estimate, expected: str) -> None:
    assert verdict(BLOCKS, found) == expected
