"""Networks costed again: against the cost model directly, with made-up answers on made-up test images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.paper.bootstrap import resampling
from benchmarks.paper.comparison import Fronts, Pool, pair_figures
from benchmarks.paper.measures import Front, measured
from benchmarks.paper.protocol import BASE, COSTS, DEFAULT_CHIP, MAPPING, Cost, Run
from benchmarks.paper.remapping import (
    OVER_MAPPING,
    SETS,
    AssumedNumber,
    Costing,
    assumed_numbers,
    baselines,
    front_among,
    is_varied,
    random_members,
)
from benchmarks.paper.searches import Search, Searched
from benchmarks.paper.tables import influence
from objectives.hardware import CostModel, load_soc
from objectives.hardware.soc import with_value
from objectives.hardware_objectives import network_totals
from search_space.arrays import Booleans, Floats
from search_space.errors import UnknownNameError
from search_space.genotype import Genotype
from search_space.space import load_space
from studies.study.evaluation import Evaluation
from studies.study.study import Study

SPACE = load_space("cifar32")
IMAGES = 50
RUN = Run((DEFAULT_CHIP,), (1, 2), evaluations=6, resamples=20)


class MadeUpAnswers:
    """Stand-in for scored networks: answers that depend on the network alone."""

    def score(self, networks: Iterable[Genotype]) -> None:
        pass

    def answers(self, networks: Sequence[Genotype]) -> Booleans:
        rows = []
        for one in networks:
            rng = np.random.default_rng([int(gene) for gene in one])
            rows.append(rng.random(IMAGES) < rng.uniform(0.5, 0.9))
        return np.array(rows)


def totals(chip: str, cost: Cost, networks: Sequence[Genotype], **changes: float) -> Floats:
    soc = load_soc(chip)
    for name, value in changes.items():
        soc = with_value(soc, name.replace("__", "."), value)
    return network_totals(CostModel(soc, MAPPING[cost]), list(map(SPACE.decode, networks)))[COSTS.index(cost)]


def draw(seed: int, count: int) -> list[Genotype]:
    rng = np.random.default_rng(seed)
    return [SPACE.canonical(SPACE.sample(rng)) for _ in range(count)]


def evaluations(chip: str, cost: Cost, networks: Sequence[Genotype]) -> list[Evaluation]:
    answers = MadeUpAnswers().answers(networks)
    found = []
    for index, (genotype, value) in enumerate(zip(networks, totals(chip, cost, networks), strict=True)):
        subnet = SPACE.decode(genotype)
        accuracy = 100 * float(answers[index, : IMAGES // 2].mean())
        found.append(
            Evaluation(
                index, genotype, (accuracy, float(value)), (0.0,), True, 1, 1, subnet.conv_blocks,
                subnet.vit_blocks, "cnn",
            )
        )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def costing() -> Costing:
    return Costing(SPACE)


@pytest.fixture(scope="module")
def random(study: Study) -> dict[int, Searched]:
    return {
        seed: Searched(study, tuple(evaluations(DEFAULT_CHIP, "lat", draw(90 + seed, 6)))) for seed in (1, 2)
    }


@pytest.fixture(scope="module")
def study() -> Study:
    return Study("x", "cifar32", {}, (), (), {}, {}, (), (), "")


@pytest.fixture(scope="module")
def found(random: dict[int, Searched], costing: Costing) -> Fronts:
    members = {
        Search(chip, cost, seed): evaluations(chip, cost, draw(10 * seed + place, 3))
        for seed in (1, 2)
        for place, chip in enumerate((BASE, DEFAULT_CHIP))
        for cost in COSTS
    }
    every = [one for of_search in members.values() for one in of_search]
    pool = Pool([*every, *random_members(random, costing)], MadeUpAnswers(), resampling(2, IMAGES, 20))
    return Fronts(pool, members)


def test_costs_are_those_of_the_mapping_that_minimises_them(costing: Costing) -> None:
    networks = draw(0, 3)
    soc = load_soc(DEFAULT_CHIP)
    for cost in COSTS:
        assert (costing.costs(soc, cost, networks) == totals(DEFAULT_CHIP, cost, networks)).all()
    assert costing.costs(soc, "lat", [networks[2], networks[0], networks[2]]).tolist() == [
        totals(DEFAULT_CHIP, "lat", networks)[place] for place in (2, 0, 2)
    ]


def test_a_front_is_decided_on_the_search_split(found: Fronts) -> None:
    networks = found.networks([BASE])
    costs = totals(BASE, "lat", networks)
    front = front_among(found.pool, networks, costs)
    accuracies = found.pool.search_accuracies(networks)
    expected = [
        cost
        for cost, accuracy in zip(costs, accuracies, strict=True)
        if not any(
            (other <= cost and better >= accuracy and (other < cost or better > accuracy))
            for other, better in zip(costs, accuracies, strict=True)
        )
    ]
    assert sorted(front.costs) == sorted(expected)
    assert len(expected) < len(networks)


def test_mapping_alone_and_co_design(found: Fronts, random: dict[int, Searched], costing: Costing) -> None:
    """Row 0 of each figure, computed from its networks and the cost model."""
    figures = baselines(RUN, found, random, costing, "energy")
    assert list(figures) == [*SETS, OVER_MAPPING]

    def front(networks: Sequence[Genotype], chip: str) -> Front:
        accuracies = 100 * MadeUpAnswers().answers(networks).mean(axis=1)
        return Front(
            totals(chip, "energy", networks), accuracies, np.ones(len(networks)), np.ones(len(networks))
        )

    by_name: dict[str, list[float]] = {name: [] for name in figures}
    for seed in (1, 2):
        searched, co_searched = (
            [one.genotype for one in found.members[Search(chip, "energy", seed)]]
            for chip in (BASE, DEFAULT_CHIP)
        )
        base, mapped = front(searched, BASE), front(searched, DEFAULT_CHIP)
        by_name[SETS[2]].append(float(measured(mapped, base)["saved_mean"]))
        by_name[SETS[3]].append(float(measured(front(co_searched, DEFAULT_CHIP), base)["saved_mean"]))
        by_name[OVER_MAPPING].append(float(measured(front(co_searched, DEFAULT_CHIP), mapped)["saved_mean"]))
    for name in (*SETS[2:], OVER_MAPPING):
        assert figures[name]["saved_mean"].value == pytest.approx(np.mean(by_name[name])), name
    assert figures[SETS[3]]["saved_mean"] == pair_figures(RUN, found, DEFAULT_CHIP, "energy")["saved_mean"]


def at_ends(found: Fronts, costing: Costing, folder: Path, names: Sequence[str]) -> list[AssumedNumber]:
    return assumed_numbers(
        RUN, found, MadeUpAnswers(), costing, images=IMAGES, file=folder / "kept.db", notify=lambda _: None,
        names=names,
    )  # fmt: skip


def test_assumed_numbers(found: Fronts, costing: Costing, tmp_path: Path) -> None:
    names = ["npu.mac_energy", "cim.mac_energy"]
    rows = at_ends(found, costing, tmp_path, names)
    assert [(one.name, one.end) for one in rows] == [
        ("", ""), *((name, end) for name in names for end in ("low", "high"))
    ]  # fmt: skip
    union = found.networks([BASE, DEFAULT_CHIP])
    pool = Pool(
        (one for of in found.members.values() for one in of), MadeUpAnswers(), resampling(1, IMAGES, 0)
    )
    title = "energy saved at equal accuracy, mean"
    for row, both, chip_only in (
        (0, {}, {}),
        (1, {"npu__mac_energy": 0.125}, {}),
        (4, {}, {"cim__mac_energy": 0.32}),
    ):
        pair = [
            front_among(pool, union, totals(chip, "energy", union, **changes))
            for chip, changes in ((DEFAULT_CHIP, {**both, **chip_only}), (BASE, both))
        ]
        assert rows[row].figures[title] == pytest.approx(float(measured(*pair)["saved_mean"][0]))
    # A macro whose MAC costs more saves less.
    assert rows[4].figures[title] < rows[3].figures[title]
    assert influence("cim.mac_energy", rows[0], rows[1:]) > 0


def test_assumed_numbers_are_kept(
    found: Fronts, costing: Costing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = at_ends(found, costing, tmp_path, ["npu.mac_energy"])
    monkeypatch.setattr("benchmarks.paper.remapping._figures_at", None)
    assert at_ends(found, costing, tmp_path, ["npu.mac_energy"]) == first


def test_an_unknown_number(found: Fronts, costing: Costing, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown quantity 'npu\.mac'"):
        at_ends(found, costing, tmp_path, ["npu.mac"])


def test_choices_of_the_comparison_are_not_varied() -> None:
    soc = load_soc(DEFAULT_CHIP)
    left_out = [name for name, _ in soc.quantities() if not is_varied(soc, name)]
    assert left_out == ["cim.macros", "cim.compute_units"]
    assert is_varied(load_soc(BASE), "npu.clock")
