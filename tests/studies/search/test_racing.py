from __future__ import annotations

import pickle
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objectives.objective import ImageObjective, Objective
from objectives.size_objectives import PARAMS
from studies.design_space.design_space import DesignSpace
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import SamplerContext
from studies.search.evaluator import Evaluator
from studies.search.racing import Heat, Race, RacingError, Runner, check_racing
from studies.search.search_loop import search
from studies.search.stop_rules import StopRules
from studies.storage.store import create_store
from studies.study.constraint import parse_constraint
from studies.study.evaluation import Evaluation
from studies.study.study import Goal, Study
from tests.studies.quality import ImageQuality, Quality

CONSTRAINTS = ("vit_blocks>=1",)
GENERATIONS = 5


@pytest.fixture
def study(study: Study) -> Study:
    """Accuracy against parameters over `cifar32`."""
    return replace(
        study,
        goals=(Goal("acc", "%", "max"), Goal("params", "parameters", "min")),
        constraints=CONSTRAINTS,
        ideal=(100.0, 0.0),
        reference=(0.0, 1e6),
    )


class Clock:
    """Says that everything takes very long, so that groups stay small."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 1e6
        return self._now


def go(
    study: Study,
    space: DesignSpace,
    path: Path,
    accuracy: ImageQuality,
    *,
    stored: Sequence[Evaluation] | None = None,
    known: dict[tuple[int, ...], float] | None = None,
    is_raced: bool = True,
    is_slow: bool = False,
    is_stopped: bool = False,
) -> list[Evaluation]:
    """Runs `study` with what the database, or `stored`, holds of it; if told, until anything is added."""
    objectives: list[Objective] = [accuracy, PARAMS]
    evaluator = Evaluator(
        space,
        objectives,
        [parse_constraint(text) for text in study.constraints],
        known={"acc": known or {}},
        race=Race(space, objectives) if is_raced else None,
        clock=Clock() if is_slow else time.monotonic,
    )
    sampler = create_sampler("nsga2", SamplerContext(space=space, study=study, population=12, seed=0))
    rules = StopRules(generations=GENERATIONS)
    with create_store(path) as store:
        if store.find(study.name) is None:
            store.add(study)
            store.append(study.name, stored or [])
        for progress in search(
            study=study, sampler=sampler, evaluator=evaluator, store=store, population=12, rules=rules
        ):
            if is_stopped and progress.measured:
                break
        return store.evaluations(study.name)


def value_of(evaluation: Evaluation) -> float:
    """Its accuracy."""
    assert evaluation.values[0] is not None
    return evaluation.values[0]


@pytest.fixture
def expected(study: Study, cifar32: DesignSpace, tmp_path: Path) -> list[Evaluation]:
    """The table of a study that nothing disturbed."""
    return go(study, cifar32, tmp_path / "whole.db", ImageQuality())


def test_the_stand_in_is_an_objective_of_images(cifar32: DesignSpace) -> None:
    accuracy = ImageQuality()
    assert isinstance(accuracy, ImageObjective)
    assert not isinstance(Quality(), ImageObjective)
    subnet = cifar32.decode(cifar32.largest()).subnet
    assert accuracy([subnet])[0] == 100 * accuracy.right([subnet])[0].mean()


def test_the_front_is_scored_in_full_and_dominates_every_bound(
    cifar32: DesignSpace, study: Study, expected: list[Evaluation]
) -> None:
    front = study.front(expected)
    stopped = [one for one in expected if one.is_bound]
    assert 10 <= len(stopped) <= len(expected) - len(front)
    assert not any(one.is_bound for one in front)
    losses = study.losses(front)
    for one, loss in zip(stopped, study.losses(stopped), strict=True):
        assert one.stopped_after in range(100, 1000, 100)
        assert ((losses[:, 0] < loss[0]) & (losses[:, 1] <= loss[1])).any()
    oracle = ImageQuality()
    below = 0
    for one in expected:
        if one.values[0] is None:
            continue
        exact = oracle([cifar32.decode(one.genotype).subnet])[0]
        if one.is_bound:
            below += value_of(one) < exact
        else:
            assert value_of(one) == exact
    assert below <= 0.2 * len(stopped)


def test_no_network_is_scored_twice(cifar32: DesignSpace, study: Study, tmp_path: Path) -> None:
    accuracy = ImageQuality()
    rows = go(study, cifar32, tmp_path / "once.db", accuracy)
    measured = [cifar32.decode(one.genotype).subnet for one in rows if one.values[0] is not None]
    assert Counter(accuracy.measured) == Counter(measured)


def test_what_stopped_is_not_needed_for_the_front(
    cifar32: DesignSpace, study: Study, expected: list[Evaluation]
) -> None:
    exact = [
        one
        if one.values[0] is None
        else replace(one, values=(ImageQuality()([cifar32.decode(one.genotype).subnet])[0], one.values[1]))
        for one in expected
    ]
    truth = study.front([replace(one, stopped_after=None) for one in exact])
    assert study.hypervolume(expected) == pytest.approx(study.hypervolume(truth), rel=0.005)


def test_nobody_stops_before_there_is_a_front(expected: list[Evaluation]) -> None:
    # Those of the second heat may: its front is that of the first.
    assert not any(one.is_bound for one in expected[:3])
    assert any(one.is_bound for one in expected[3:12])


@pytest.mark.parametrize(
    ("count", "sizes"), [(12, [3, 3, 3, 3]), (10, [3, 3, 3, 1]), (5, [2, 2, 1]), (1, [1]), (0, [])]
)
def test_heats_are_cut_by_place(cifar32: DesignSpace, count: int, sizes: list[int]) -> None:
    batch = dict.fromkeys(range(7, 7 + count), cifar32.smallest())
    heats = Race.heats(batch)
    assert [len(heat) for heat in heats] == sizes
    assert {index: one for heat in heats for index, one in heat.items()} == batch
    assert [index for heat in heats for index in heat] == list(batch)


def test_groups_decide_nothing(
    cifar32: DesignSpace, study: Study, tmp_path: Path, expected: list[Evaluation]
) -> None:
    assert go(study, cifar32, tmp_path / "slow.db", ImageQuality(), is_slow=True) == expected


@pytest.mark.parametrize("kept", [2, 3, 7])
def test_any_part_of_the_table_leads_to_the_whole(
    cifar32: DesignSpace, study: Study, tmp_path: Path, expected: list[Evaluation], kept: int
) -> None:
    stored = [one for one in expected if one.index % kept]
    accuracy = ImageQuality()
    assert go(study, cifar32, tmp_path / "gaps.db", accuracy, stored=stored) == expected


def test_every_stop_is_resumed_to_the_same_table(
    cifar32: DesignSpace, study: Study, tmp_path: Path, expected: list[Evaluation]
) -> None:
    rows: list[Evaluation] = []
    stops = 0
    while len(rows) < len(expected):
        before = len(rows)
        rows = go(study, cifar32, tmp_path / "broken.db", ImageQuality(), is_slow=True, is_stopped=True)
        assert len(rows) > before
        stops += 1
    assert rows == expected
    assert stops >= 2 * GENERATIONS


def test_front_is_scored_again_only_where_a_race_goes_on(
    cifar32: DesignSpace, study: Study, tmp_path: Path, expected: list[Evaluation]
) -> None:
    done = ImageQuality()
    go(study, cifar32, tmp_path / "done.db", done, stored=expected)
    assert done.measured == []
    last = ImageQuality()
    go(study, cifar32, tmp_path / "last.db", last, stored=[one for one in expected if one.index < 59])
    front = study.front(expected[:57])
    again = {cifar32.decode(one.genotype).subnet for one in front}
    # Once each: no heat scores the front anew.
    assert Counter(last.measured) == Counter([*again, cifar32.decode(expected[59].genotype).subnet])


def test_known_values_are_exact_and_race_as_rivals(
    cifar32: DesignSpace, study: Study, tmp_path: Path
) -> None:
    oracle = ImageQuality()
    plain = go(study, cifar32, tmp_path / "plain.db", oracle, is_raced=False)
    known = {one.genotype: one.values[0] for one in plain[:12] if one.values[0] is not None}
    accuracy = ImageQuality()
    rows = go(study, cifar32, tmp_path / "raced.db", accuracy, known=known)
    assert rows[:12] == plain[:12]
    front = {cifar32.decode(one.genotype).subnet for one in study.front(plain[:12])}
    first = {cifar32.decode(one.genotype).subnet for one in plain[:12]}
    again = Counter(subnet for subnet in accuracy.measured if subnet in first)
    assert again == Counter(front)
    assert any(one.is_bound for one in rows)


def test_accuracy_alone_races_against_the_best(cifar32: DesignSpace) -> None:
    accuracy = ImageQuality()
    race = Race(cifar32, [accuracy])
    batch = {0: cifar32.largest()}
    evaluator = Evaluator(cifar32, [accuracy], race=race)
    (best,) = next(evaluator.evaluate(batch))
    assert not best.is_bound
    (least,) = next(evaluator.evaluate({1: cifar32.smallest()}, [best]))
    assert least.stopped_after == 100
    assert value_of(least) < value_of(best)
    assert race.share([best, least]) == 0.55
    assert race.share([]) == 0.0


def test_subnet_that_is_cheaper_than_all_has_no_rival(cifar32: DesignSpace) -> None:
    accuracy = ImageQuality()
    evaluator = Evaluator(cifar32, [PARAMS, accuracy], race=Race(cifar32, [PARAMS, accuracy]))
    (best,) = next(evaluator.evaluate({0: cifar32.largest()}))
    (least,) = next(evaluator.evaluate({1: cifar32.smallest()}, [best]))
    assert not least.is_bound
    assert least.values[1] == accuracy([cifar32.decode(cifar32.smallest()).subnet])[0]


def test_stop_rule_may_go_to_another_process() -> None:
    expected = np.full(40, 0.9)
    heat = Heat((Runner(None, expected), Runner(38, expected)))
    wrong = np.zeros(20, dtype=np.bool_)
    for rule in (heat, pickle.loads(pickle.dumps(heat))):
        assert not rule(0, wrong)
        assert rule(1, wrong)


def test_what_cannot_race_is_refused(cifar32: DesignSpace) -> None:
    with pytest.raises(RacingError, match="acc among them, but got lat,energy"):
        check_racing(("lat", "energy"), ())
    with pytest.raises(RacingError, match=r"--constraint 'acc>=80%'"):
        check_racing(("acc", "lat"), [parse_constraint("acc >= 80%")])
    check_racing(("acc",), [parse_constraint("lat<=2ms")])
    with pytest.raises(RacingError, match=r"exactly one expensive objective.*got acc, quality"):
        Race(cifar32, [ImageQuality(), Quality()])
    with pytest.raises(RacingError, match="got quality"):
        Race(cifar32, [Quality(), PARAMS])
    with pytest.raises(RacingError, match=r"100 images at a time .* there are 100: raise --val-images"):
        Race(cifar32, [ImageQuality(images=100)])
