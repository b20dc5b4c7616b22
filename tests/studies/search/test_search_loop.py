from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest

from objectives.size_objectives import MACS, PARAMS
from search_space.arrays import Floats
from search_space.genotype import Genotype
from search_space.subnet import Subnet
from studies.design_space.design_space import DesignSpace
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import SamplerContext
from studies.search.evaluator import Evaluator
from studies.search.search_loop import EXHAUSTED, Progress, ReplayError, search
from studies.search.stop_rules import StopRules
from studies.storage.store import Store, create_store, open_store
from studies.study.constraint import parse_constraint
from studies.study.evaluation import Evaluation
from studies.study.study import Goal, Study
from tests.studies.quality import Quality

CONSTRAINTS = ("macs<=15M", "vit_blocks>=1")


@pytest.fixture
def study(study: Study) -> Study:
    """Quality against parameters over `cifar32`."""
    return replace(
        study,
        goals=(Goal("quality", "%", "max"), Goal("params", "parameters", "min")),
        constraints=CONSTRAINTS,
        ideal=(100.0, 0.0),
        reference=(0.0, 1e6),
    )


def go(
    study: Study,
    space: DesignSpace,
    store: Store,
    quality: Quality,
    generations: int | None = None,
    *,
    seed: int = 0,
    population: int = 6,
    clock: Callable[[], float] = time.monotonic,
    known: dict[Genotype, float] | None = None,
    **limits: float,
) -> list[Progress]:
    """Runs `study` up to `generations` generations, or until one of `limits` is reached."""
    constraints = [parse_constraint(text) for text in study.constraints]
    context = SamplerContext(space=space, study=study, population=population, seed=seed)
    return list(
        search(
            study=study,
            sampler=create_sampler("nsga2", context),
            evaluator=Evaluator(
                space,
                [quality, PARAMS],
                constraints,
                limited=[MACS],
                known={"quality": known or {}},
            ),
            store=store,
            population=population,
            rules=StopRules(generations=generations, **limits),  # type: ignore[arg-type]
            clock=clock,
        )
    )


def undisturbed(study: Study, space: DesignSpace, path: Path, generations: int) -> list[Evaluation]:
    with create_store(path) as store:
        store.add(study)
        go(study, space, store, Quality(), generations)
        return store.evaluations(study.name)


class StopError(Exception):
    """Stands for a crash."""


@dataclass
class Fragile(Quality):
    """Crashes after `left` subnets."""

    left: int = 0

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        if self.left < len(subnets):
            raise StopError
        self.left -= len(subnets)
        return super().__call__(subnets)


def test_progress_counts_what_is_stored(cifar32: DesignSpace, study: Study, tmp_path: Path) -> None:
    with create_store(tmp_path / "s.db") as store:
        store.add(study)
        seen = go(study, cifar32, store, Quality(), 4)
        evaluations = store.evaluations(study.name)
    assert [one.evaluations for one in seen if one.is_generation_done] == [6, 12, 18, 24]
    assert [one.evaluations for one in seen] == sorted(one.evaluations for one in seen)
    assert len(evaluations) == seen[-1].evaluations == seen[-1].measured == 24
    assert list(seen[-1].front) == study.front(evaluations)
    assert seen[-1].hypervolume == study.hypervolume(evaluations) > 0
    volumes = [one.hypervolume for one in seen]
    assert volumes == sorted(volumes)
    assert [one.stopped_by for one in seen[:-1]] == [None] * (len(seen) - 1)
    assert seen[-1].stopped_by == "generations"


def test_values_from_the_database_are_cache_hits(cifar32: DesignSpace, study: Study, tmp_path: Path) -> None:
    expected = undisturbed(study, cifar32, tmp_path / "whole.db", 3)
    costly = {one.genotype: one.values[0] for one in expected if one.values[0] is not None}
    assert 6 < len(costly) < len(expected)
    other = dict(list(costly.items())[::2])
    quality = Quality()
    with create_store(tmp_path / "s.db") as store:
        store.add(study)
        seen = go(study, cifar32, store, quality, 3, known=other)
        assert store.evaluations(study.name) == expected
        again = go(study, cifar32, store, Quality(), 4)
    hits = [one.cache_hits for one in seen]
    assert hits == sorted(hits)
    assert hits[-1] == len(other) == len(costly) - len(quality.measured)
    # What the study itself holds, each subnet once; infeasible ones have no value to be served.
    assert again[2].cache_hits == again[-1].cache_hits == len(costly)


def test_every_crash_is_resumed_to_the_same_table(cifar32: DesignSpace, study: Study, tmp_path: Path) -> None:
    expected = undisturbed(study, cifar32, tmp_path / "whole.db", 5)
    costly = sum(one.is_feasible for one in expected)
    path = tmp_path / "broken.db"
    with create_store(path) as store:
        store.add(study)
    measured: list[Subnet] = []
    # One more subnet each time: a crash at every point at which there can be one.
    for _ in range(costly - 1):
        quality = Fragile(left=1)
        with create_store(path) as store, pytest.raises(StopError):
            go(study, cifar32, store, quality, 5)
        measured += quality.measured
    last = Quality()
    with create_store(path) as store:
        go(study, cifar32, store, last, 5)
        assert store.evaluations(study.name) == expected
    measured += last.measured
    assert len(measured) == len(set(measured)) == costly


def test_more_generations_go_on_and_evaluate_nothing_twice(
    cifar32: DesignSpace, study: Study, tmp_path: Path
) -> None:
    expected = undisturbed(study, cifar32, tmp_path / "whole.db", 6)
    first, second, third = Quality(), Quality(), Quality()
    with create_store(tmp_path / "parts.db") as store:
        store.add(study)
        go(study, cifar32, store, first, 2)
        seen = go(study, cifar32, store, second, 6)
        assert store.evaluations(study.name) == expected
        assert [one.measured for one in seen][:2] == [0, 0]
        again = go(study, cifar32, store, third, 6)
        assert store.evaluations(study.name) == expected
    assert not set(first.measured) & set(second.measured)
    assert third.measured == []
    assert (again[-1].measured, again[-1].evaluations) == (0, 36)


def test_fewer_generations_than_stored_change_nothing(
    cifar32: DesignSpace, study: Study, tmp_path: Path
) -> None:
    expected = undisturbed(study, cifar32, tmp_path / "s.db", 3)
    with create_store(tmp_path / "s.db") as store:
        go(study, cifar32, store, Quality(), 1)
        assert store.evaluations(study.name) == expected


def test_gap_in_the_table_is_filled(cifar32: DesignSpace, study: Study, tmp_path: Path) -> None:
    expected = undisturbed(study, cifar32, tmp_path / "whole.db", 3)
    with create_store(tmp_path / "gap.db") as store:
        store.add(study)
        store.append(study.name, [one for one in expected if one.index % 3])
        go(study, cifar32, store, Quality(), 3)
        assert store.evaluations(study.name) == expected


def test_table_of_another_run_is_refused(cifar32: DesignSpace, study: Study, tmp_path: Path) -> None:
    undisturbed(study, cifar32, tmp_path / "s.db", 2)
    with open_store(tmp_path / "s.db") as store, pytest.raises(ReplayError, match=r"evaluation 2 .* --study"):
        go(study, cifar32, store, Quality(), 2, seed=1)


def test_a_stored_cost_that_the_objective_no_longer_gives_is_refused(
    cifar32: DesignSpace, study: Study, tmp_path: Path
) -> None:
    expected = undisturbed(study, cifar32, tmp_path / "whole.db", 2)
    last = expected[5]
    changed = replace(last, values=(last.values[0], (last.values[1] or 0) * (1 + 1e-8)))
    with create_store(tmp_path / "changed.db") as store:
        store.add(study)
        store.append(study.name, [*expected[:5], changed])
        with pytest.raises(ReplayError, match=r"for evaluation 5 params is stored as .* --study"):
            go(study, cifar32, store, Quality(), 2)


def test_exhausted_space_ends_the_search_and_says_so(tiny: DesignSpace, study: Study, tmp_path: Path) -> None:
    free = replace(study, constraints=())
    with create_store(tmp_path / "s.db") as store:
        store.add(free)
        seen = go(free, tiny, store, Quality(), 50, population=30)
        assert store.count(free.name) == 108
    assert seen[-1].stopped_by == EXHAUSTED
    assert not any(one.stopped_by for one in seen[:-1])
    assert seen[-1].generation == 4


def test_all_infeasible_study_has_no_front(cifar32: DesignSpace, study: Study, tmp_path: Path) -> None:
    impossible = replace(study, constraints=("macs<=1k",))
    quality = Quality()
    with create_store(tmp_path / "s.db") as store:
        store.add(impossible)
        seen = go(impossible, cifar32, store, quality, 3)
    assert seen[-1].front == ()
    assert seen[-1].hypervolume == 0.0
    assert quality.measured == []


def test_evaluations_stop_within_a_generation_and_more_of_them_go_on_exactly(
    cifar32: DesignSpace, study: Study, tmp_path: Path
) -> None:
    expected = undisturbed(study, cifar32, tmp_path / "whole.db", 4)
    with create_store(tmp_path / "parts.db") as store:
        store.add(study)
        for limit in (1, 4, 12, 13, 13, 24):
            seen = go(study, cifar32, store, Quality(), evaluations=limit)
            assert (seen[-1].stopped_by, seen[-1].evaluations) == ("evaluations", limit)
            assert store.evaluations(study.name) == expected[:limit]
        assert seen[-1].is_generation_done
        seen = go(study, cifar32, store, Quality(), evaluations=5)
        assert (seen[-1].stopped_by, seen[-1].measured) == ("evaluations", 0)
        assert store.evaluations(study.name) == expected


def test_minutes_stop_anywhere_and_the_next_run_goes_on_exactly(
    cifar32: DesignSpace, study: Study, tmp_path: Path
) -> None:
    expected = undisturbed(study, cifar32, tmp_path / "whole.db", 4)
    ticks = [0.0]

    def clock() -> float:
        ticks[0] += 50
        return ticks[0]

    with create_store(tmp_path / "parts.db") as store:
        store.add(study)
        runs = 0
        while store.count(study.name) < len(expected):
            seen = go(study, cifar32, store, Quality(), generations=4, minutes=1, clock=clock)
            runs += 1
            assert seen[-1].measured > 0
            assert seen[-1].stopped_by == ("generations" if seen[-1].evaluations == 24 else "minutes")
            # Within a generation, subnets may be measured in any order.
            rows = store.evaluations(study.name)
            assert len(rows) == seen[-1].evaluations
            assert rows == [expected[row.index] for row in rows]
    assert rows == expected
    assert runs > 1


def test_patience_counts_generations_without_gain_and_more_of_it_goes_on(
    tiny: DesignSpace, study: Study, tmp_path: Path
) -> None:
    free = replace(study, constraints=())
    with create_store(tmp_path / "whole.db") as store:
        store.add(free)
        volumes = [one.hypervolume for one in go(free, tiny, store, Quality(), 17) if one.is_generation_done]
        expected = store.evaluations(free.name)
    with create_store(tmp_path / "parts.db") as store:
        store.add(free)
        for patience in (1, 2, 2, 4):
            seen = go(free, tiny, store, Quality(), patience=patience)
            assert seen[-1].stopped_by == "patience"
            assert seen[-1].idle == patience
            end = seen[-1].generation
            assert volumes[end - 1] == volumes[end - patience - 1]
            # There it stopped first.
            gains = [after > before for before, after in pairwise([0.0, *volumes[:end]])]
            assert not any(not any(gains[last - patience : last]) for last in range(patience, end))
            assert store.evaluations(free.name) == expected[: 6 * end]


def test_patience_outlasts_a_search_that_comes_nearer_to_its_feasible_region(
    cifar32: DesignSpace, study: Study, tmp_path: Path
) -> None:
    impossible = replace(study, constraints=("macs<=1k",))
    with create_store(tmp_path / "s.db") as store:
        store.add(impossible)
        seen = go(impossible, cifar32, store, Quality(), patience=3)
        rows = store.evaluations(impossible.name)
    least = [min(one.macs for one in rows[start : start + 6]) for start in range(0, len(rows), 6)]
    assert seen[-1].stopped_by == "patience"
    assert len(least) == seen[-1].generation
    # The smallest network is in the first generation, and nothing comes nearer than that.
    assert len(least) == 1 + 3
