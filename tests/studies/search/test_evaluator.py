from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from objectives.size_objectives import MACS, PARAMS, SRAM
from search_space import complexity
from search_space.arrays import Floats
from search_space.families import family
from search_space.genotype import Genotype, to_text
from search_space.space import Space
from search_space.subnet import Subnet
from studies.design_space.design_space import DesignSpace
from studies.search.candidate import Candidate, candidates
from studies.search.evaluator import EvaluationError, Evaluator, measure
from studies.study.constraint import parse_constraint
from studies.study.evaluation import violations
from tests.studies.quality import Quality


@pytest.fixture
def batch(cifar32: DesignSpace) -> dict[int, Genotype]:
    rng = np.random.default_rng(0)
    return {index: cifar32.sample(rng) for index in range(7, 15)}


def test_cheap_objectives_give_the_whole_batch_at_once(
    cifar32: DesignSpace, batch: dict[int, Genotype]
) -> None:
    chunks = list(Evaluator(cifar32, [PARAMS, MACS]).evaluate(batch))
    assert len(chunks) == 1
    for one, (index, genotype) in zip(chunks[0], batch.items(), strict=True):
        subnet = cifar32.decode(genotype).subnet
        assert (one.index, one.genotype) == (index, genotype)
        assert one.values == (complexity.params(subnet), complexity.macs(subnet))
        assert (one.macs, one.params) == (complexity.macs(subnet), complexity.params(subnet))
        assert (one.conv_blocks, one.vit_blocks) == (subnet.conv_blocks, subnet.vit_blocks)
        assert one.family == family(subnet)
        assert one.is_feasible
        assert one.limited == ()


class Clock:
    """Each look at it takes as long as told, per subnet that was measured since."""

    def __init__(self, quality: Quality, seconds: float) -> None:
        self._quality, self._seconds = quality, seconds

    def __call__(self) -> float:
        return self._seconds * len(self._quality.measured)


@pytest.mark.parametrize(("seconds", "sizes"), [(0.1, [8, 32]), (2.0, [8, 10, 10, 10, 2]), (9.0, [8] * 5)])
def test_expensive_objectives_come_in_groups_of_some_seconds_with_the_same_result(
    cifar32: DesignSpace, seconds: float, sizes: list[int]
) -> None:
    rng = np.random.default_rng(0)
    batch = {index: cifar32.sample(rng) for index in range(40)}
    quality = Quality()
    evaluator = Evaluator(cifar32, [quality, MACS], clock=Clock(quality, seconds))
    chunks = list(evaluator.evaluate(batch))
    assert quality.groups == [len(chunk) for chunk in chunks] == sizes
    genotypes = [one.genotype for chunk in chunks for one in chunk]
    assert genotypes == sorted(genotypes)  # those that begin alike together
    rows = sorted((one for chunk in chunks for one in chunk), key=lambda one: one.index)
    alone = [
        *(next(Evaluator(cifar32, [Quality(), MACS]).evaluate({index: one})) for index, one in batch.items())
    ]
    assert rows == [row for chunk in alone for row in chunk]


def test_known_values_are_taken_as_they_are(cifar32: DesignSpace, batch: dict[int, Genotype]) -> None:
    quality = Quality()
    indices = list(batch)
    known = {"quality": {batch[index]: 7.5 for index in indices[:3]}, "other": {batch[indices[4]]: 1.0}}
    evaluator = Evaluator(cifar32, [quality], known=known)
    first, second = evaluator.evaluate(batch)
    assert evaluator.cache_hits == 3
    assert [(one.index, one.values) for one in first] == [(index, (7.5,)) for index in indices[:3]]
    assert sorted(one.index for one in second) == indices[3:]
    assert len(quality.measured) == 5


def test_whether_something_expensive_was_measured(cifar32: DesignSpace, batch: dict[int, Genotype]) -> None:
    cheap = Evaluator(cifar32, [MACS])
    rows = [one for chunk in cheap.evaluate(batch) for one in chunk]
    assert not any(map(cheap.is_measured, rows))
    limited = Evaluator(
        cifar32,
        [MACS],
        [parse_constraint("macs<=8M"), parse_constraint("acc>=1%")],
        limited=[Quality(name="acc")],
    )
    rows = [one for chunk in limited.evaluate(batch) for one in chunk]
    assert [limited.is_measured(one) for one in rows] == [one.macs <= 8e6 for one in rows]
    assert len({one.macs <= 8e6 for one in rows}) == 2
    assert (cheap.cache_hits, limited.cache_hits) == (0, 0)


def test_infeasible_subnets_never_cost_an_expensive_evaluation(
    cifar32: DesignSpace, batch: dict[int, Genotype]
) -> None:
    quality = Quality()
    constraints = [parse_constraint("macs<=8M"), parse_constraint("vit_blocks>=1")]
    evaluator = Evaluator(cifar32, [quality], constraints, limited=[MACS])
    rows = [one for chunk in evaluator.evaluate(batch) for one in chunk]
    rows.sort(key=lambda one: one.index)
    assert [one.index for one in rows] == list(batch)
    feasible = [one for one in rows if one.macs <= 8e6 and one.vit_blocks >= 1]
    assert 0 < len(feasible) < len(rows)
    assert [one for one in rows if one.is_feasible] == feasible
    measured = sorted(one.genotype for one in feasible)
    assert quality.measured == [cifar32.decode(genotype).subnet for genotype in measured]
    for one in rows:
        assert one.limited == (one.macs, one.vit_blocks)
        assert (one.values[0] is None) == (not one.is_feasible)
    broken = violations(rows, constraints)
    assert broken.shape == (8, 2)
    assert ((broken <= 0).all(1) == [one.is_feasible for one in rows]).all()


def test_late_objectives_are_measured_for_designs_that_hold_the_other_limits(
    cifar32: DesignSpace, batch: dict[int, Genotype]
) -> None:
    slow = Quality(name="lat", is_expensive=False)
    constraints = [parse_constraint("macs<=8M"), parse_constraint("lat<=1s")]
    evaluator = Evaluator(cifar32, [MACS, slow], constraints, late={"lat"})
    (rows,) = evaluator.evaluate(batch)
    assert [one.index for one in rows] == list(batch)
    small = [one for one in rows if one.macs <= 8e6]
    assert 0 < len(small) < len(rows)
    assert slow.measured == [cifar32.decode(one.genotype).subnet for one in small]
    for one in rows:
        assert (one.values[1] is None) == (one.limited[1] is None) == (one.macs > 8e6)
        assert one.is_feasible == (one.macs <= 8e6)
        assert evaluator.differences(one) == []


def test_limit_on_an_expensive_quantity_is_checked_once_it_is_known(
    cifar32: DesignSpace, batch: dict[int, Genotype]
) -> None:
    quality = Quality(name="acc")
    constraints = [parse_constraint("macs<=12M"), parse_constraint("acc>=90%")]
    evaluator = Evaluator(cifar32, [MACS], constraints, limited=[quality])
    rows = [one for chunk in evaluator.evaluate(batch) for one in chunk]
    for one in rows:
        acc = 100 * one.macs / (one.macs + 1e6)
        assert one.values == (one.macs,)
        assert one.limited[1] == (pytest.approx(acc) if one.macs <= 12e6 else None)
        assert one.is_feasible == (one.macs <= 12e6 and acc >= 90)


def extremes(space: DesignSpace) -> list[Candidate]:
    return candidates(space, dict(enumerate([space.smallest(), space.largest()])))


@dataclass
class Wrong(Quality):
    result: Sequence[float] | float = 0.0

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        return np.array(self.result, dtype=np.float64)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_value_that_is_not_finite_is_an_error_that_names_the_subnet(tiny: DesignSpace, value: float) -> None:
    with pytest.raises(EvaluationError) as error:
        measure(Wrong(result=[1.0, value]), tiny, extremes(tiny))
    assert to_text(tiny.largest()) in str(error.value)
    assert "quality" in str(error.value)


def test_wrong_number_of_values_is_an_error(tiny: DesignSpace) -> None:
    with pytest.raises(EvaluationError, match="2 values"):
        measure(Wrong(result=1.0), tiny, extremes(tiny))


def test_measuring_nothing_gives_nothing(tiny: DesignSpace) -> None:
    assert measure(Wrong(result=1.0), tiny, []) == []
    assert list(Evaluator(tiny, [MACS]).evaluate({})) == []


def test_a_genotype_is_decoded_once(
    cifar32: DesignSpace, batch: dict[int, Genotype], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Genotype] = []
    decode = Space.decode

    def counted(space: Space, genotype: Sequence[int]) -> Subnet:
        decoded.append(tuple(genotype))
        return decode(space, genotype)

    monkeypatch.setattr(Space, "decode", counted)
    evaluator = Evaluator(cifar32, [Quality(), MACS, PARAMS], [parse_constraint("sram<=1MB")], limited=[SRAM])
    assert sum(len(chunk) for chunk in evaluator.evaluate(batch)) == len(batch)
    assert decoded == list(batch.values())
