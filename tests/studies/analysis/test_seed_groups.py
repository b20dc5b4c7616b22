from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from scipy import stats

from search_space.errors import H4HError
from studies.analysis.contenders import Contender
from studies.analysis.seed_groups import Group, attained, compared, smallest, summaries
from studies.study.evaluation import Evaluation
from studies.study.study import Study

Make = Callable[..., Evaluation]


@pytest.fixture
def group(study: Study, evaluation: Make) -> Callable[..., Group]:
    def make(name: str, qualities: list[float], seeds: list[int] | None = None) -> Group:
        """Runs of one subnet at half the latency of the box, so that hypervolume is accuracy / 200."""
        chosen = seeds if seeds is not None else list(range(len(qualities)))
        members = [
            Contender(
                f"{name}{seed}", replace(study, fingerprint={"seed": str(seed)}), (evaluation(0, acc, 5.0),)
            )
            for seed, acc in zip(chosen, qualities, strict=True)
        ]
        return Group(name, tuple(members))

    return make


def test_summary_and_equal_numbers_of_evaluations(group: Callable[..., Group], evaluation: Make) -> None:
    one = group("a", [50.0, 70.0, 60.0])
    longer = replace(one.members[0], evaluations=(*one.members[0].evaluations, evaluation(1, 99.0, 0.1)))
    mixed = Group("a", (longer, *one.members[1:]))
    assert smallest([mixed]) == 1
    (found,) = summaries([mixed], 1)
    assert (found.runs, found.median, found.min, found.max) == (3, 0.3, 0.25, 0.35)
    assert found.igd_plus == pytest.approx(0.1), "from 70 %, the joint front, to 60 %"


def test_tests_are_corrected_for_their_number(group: Callable[..., Group]) -> None:
    seeds = list(range(6))
    groups = [
        group(name, [50.0 + base + seed for seed in seeds])
        for name, base in zip("abc", (0, 9, 9), strict=True)
    ]
    tests = compared(groups, 1)
    assert [test.p for test in tests] == [2 / 2**6, 2 / 2**6, None]
    assert [test.holm_p for test in tests] == [6 / 2**6, 6 / 2**6, None]
    assert [test.seeds_needed for test in tests] == [7, 7, 7]
    assert compared(groups[:2], 1)[0].seeds_needed is None


def test_same_seeds_are_paired(group: Callable[..., Group]) -> None:
    a, b = [50.0, 52.0, 54.0, 56.0, 58.0, 60.0], [55.0, 51.0, 60.0, 63.0, 61.0, 69.0]
    order = [3, 1, 0, 5, 4, 2]
    second = group("b", [b[index] for index in order], order)
    (test,) = compared([group("a", a), second], 1)
    assert test.test == "wilcoxon"
    assert test.p == pytest.approx(stats.wilcoxon([y - x for x, y in zip(a, b, strict=True)]).pvalue)
    better = sum((y > x) + 0.5 * (y == x) for x in a for y in b) / 36
    assert test.effect == pytest.approx(better)


def test_other_seeds_are_not(group: Callable[..., Group]) -> None:
    a, b = [50.0, 52.0, 54.0], [55.0, 57.0, 59.0, 61.0]
    (test,) = compared([group("a", a), group("b", b)], 1)
    assert (test.test, test.effect) == ("mann-whitney", 1.0)
    assert test.p == pytest.approx(stats.mannwhitneyu(a, b).pvalue)


def test_equal_runs(group: Callable[..., Group]) -> None:
    (test,) = compared([group("a", [50.0, 60.0]), group("b", [50.0, 60.0])], 1)
    assert (test.test, test.p, test.effect) == ("wilcoxon", None, 0.5)


def test_attainment_surfaces_in_closed_form(study: Study, evaluation: Make) -> None:
    runs = [
        (evaluation(0, 50.0, 1.0), evaluation(1, 80.0, 4.0)),
        (evaluation(0, 60.0, 2.0), evaluation(1, 70.0, 4.0)),
        (evaluation(0, 40.0, 1.0), evaluation(1, 90.0, 6.0), evaluation(2, None, 9.0)),
    ]
    group = Group("a", tuple(Contender(str(number), study, run) for number, run in enumerate(runs)))
    surfaces = attained(group, "lat")
    assert surfaces[0] == [(1, 50), (2, 60), (4, 80), (6, 90)]  # by some run
    assert surfaces[50] == [(1, 40), (2, 50), (4, 70), (6, 80)]  # by two of three
    assert surfaces[100] == [(2, 40), (6, 70)]  # by all
    assert attained(group, "energy") == {}
    empty = Group("b", (Contender("none", study, (evaluation(0, None, 9.0),)),))
    with pytest.raises(H4HError, match="'none' has no feasible subnet"):
        attained(empty, "lat")
