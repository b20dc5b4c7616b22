from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objectives.hardware import CostModel, load_soc
from objectives.hardware.chip import Chip
from objectives.hardware_objectives import Latency
from search_space.genotype import Genotype
from studies.design_space.design_space import DesignSpace
from studies.design_space.exact_costs import ExactQuantities
from studies.samplers import surrogate
from studies.samplers.surrogate import LEAST_MEASURED, TRUSTED, WINDOW, SurrogateSampler
from studies.study.hypervolume import hypervolume
from studies.study.study import Goal, Study
from tests.studies.samplers.grid import CHOICES, GRID, evaluations, noise, run, sampler_of, sizes, study_of

ROOT = Path(__file__).parents[3]


def study(space: DesignSpace, names: Sequence[str], constraints: tuple[str, ...] = ()) -> Study:
    """A study of objectives by their real names, within bounds wide enough for `space`."""
    worst = {"acc": 0.0, "macs": 2e7, "params": 1e6, "sram": 3e5, "lat": 1.0}
    return Study(
        name="toy",
        space=space.name,
        space_definition={},
        goals=tuple(Goal(name, "", "max" if name == "acc" else "min") for name in names),
        constraints=constraints,
        settings={},
        fingerprint={},
        ideal=tuple(100.0 if name == "acc" else 0.0 for name in names),
        reference=tuple(worst[name] for name in names),
        created_at="",
    )


def exact_of(space: DesignSpace, *wanted: str) -> ExactQuantities:
    return ExactQuantities(space, {Chip(): CostModel(load_soc("u55-256-cim8"))}, wanted)


def volume(scaled_losses: np.ndarray) -> float:
    goals = scaled_losses.shape[1]
    return hypervolume(scaled_losses, np.zeros(goals), np.ones(goals))


def accuracy(space: DesignSpace) -> Callable[[Genotype], float]:
    """A smooth stand-in for accuracy: more of everything helps, ever less."""
    most = np.array([max(gene.cardinality - 1, 1) for gene in space.genes])
    weights = np.random.default_rng(0).uniform(0, 1, len(most))
    return lambda genotype: 60 + 30 * float(weights @ np.sqrt(np.array(genotype) / most) / weights.sum())


def search(
    space: DesignSpace,
    names: Sequence[str],
    generations: int,
    *,
    name: str = "surrogate",
    constraints: tuple[str, ...] = (),
    is_feasible: Callable[[dict[str, float]], bool] = lambda _: True,
    seed: int = 0,
) -> tuple[SurrogateSampler, list[list[Genotype]], np.ndarray]:
    """Sampler, what it asked for, and the scaled losses of all that was feasible."""
    limited = [text.split("<=")[0].split(">=")[0] for text in constraints]
    exact = exact_of(space, *names, *limited)
    accuracy_of = accuracy(space)
    one = study(space, names, constraints)
    sampler = sampler_of(name, space, one, population=20, exact=exact, seed=seed)

    def quantities(genotype: Genotype) -> dict[str, float]:
        found = exact(np.array([genotype]))
        return {key: float(value[0]) for key, value in found.items()} | {"acc": accuracy_of(genotype)}

    asked, losses = [], []
    for _ in range(generations):
        asked.append(sampler.ask(20))
        rows = evaluations(
            asked[-1],
            lambda genotype: [quantities(genotype)[key] for key in names],
            lambda genotype: [quantities(genotype)[key] for key in limited],
            is_feasible=lambda genotype: is_feasible(quantities(genotype)),
        )
        sampler.tell(rows)
        feasible = [row for row in rows if row.is_feasible]
        losses.append(one.scaled_losses(feasible))
    return sampler, asked, np.concatenate(losses)  # type: ignore[return-value]


def test_finds_more_than_nsga2_with_as_many_evaluations(cifar32: DesignSpace) -> None:
    names = ("acc", "macs", "params")
    ours, theirs = (volume(search(cifar32, names, 6, name=name)[2]) for name in ("surrogate", "nsga2"))
    assert ours > theirs


def test_predicts_in_the_right_order_and_says_so(cifar32: DesignSpace) -> None:
    sampler, _, _ = search(cifar32, ("acc", "macs"), 4)
    report = sampler.report
    assert report is not None
    assert report.source == "surrogate"
    assert report.rank_correlation is not None
    assert report.rank_correlation > 0.5


def test_order_of_objectives_decides_nothing_but_the_order(cifar32: DesignSpace) -> None:
    volumes = [volume(search(cifar32, names, 4)[2]) for names in (("acc", "macs"), ("macs", "acc"))]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.05)


def test_without_accuracy_nothing_is_predicted_and_the_front_is_exact(tiny: DesignSpace) -> None:
    sampler, _, losses = search(tiny, ("macs", "params", "sram"), 3)
    assert sampler.report is not None
    assert (sampler.report.source, sampler.report.rank_correlation) == ("exact", None)
    exact = exact_of(tiny, "macs", "params", "sram")
    every = {tiny.canonical(row) for row in np.ndindex(*(gene.cardinality for gene in tiny.genes))}
    values = exact(np.array(sorted(every)))
    columns = np.stack([values[key] for key in ("macs", "params", "sram")], axis=1)
    best = volume(study(tiny, ("macs", "params", "sram")).scaled(columns))
    # The whole space is known before a network is measured, so its front comes in the second generation.
    assert volume(losses[:40]) == pytest.approx(best, rel=1e-12)


def test_an_estimated_cost_is_learned_as_a_factor_of_its_estimate(
    tiny: DesignSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    soc = load_soc("u55-256-cim8")
    assert soc.cim is not None
    small = replace(soc, cim=replace(soc.cim, capacity=replace(soc.cim.capacity, value=0.5, low=0.5)))  # KiB
    costs = CostModel(small)

    def latency(genotype: Genotype) -> float:
        return float(Latency(costs)([tiny.decode(genotype).subnet])[0])

    exact = ExactQuantities(tiny, {Chip(): costs}, ("lat", "params"))
    assert (exact.names, exact.estimated) == (("params",), ("lat",))
    of_table = exact_of(tiny, "params")
    # The sampler never asks the cost model, which is slow.
    monkeypatch.setattr("objectives.population.cost_tables.network_totals", None)
    rng = np.random.default_rng(1)
    limit = round(float(np.median([latency(tiny.sample(rng)) for _ in range(20)])), 4)
    one = study(tiny, ("lat", "params"), (f"lat<={limit}ms",))
    sampler = sampler_of("surrogate", tiny, one, population=20, exact=exact)
    shares = []
    for _ in range(2):
        asked = sampler.ask(20)
        params = of_table(np.array(asked))["params"].tolist()
        measured = {row: (latency(row), count) for row, count in zip(asked, params, strict=True)}
        shares.append(sum(lat <= limit for lat, _ in measured.values()) / len(asked))
        sampler.tell(
            evaluations(asked, lambda row: measured[row], lambda row: measured[row][:1])  # noqa: B023
        )
    assert sampler.report is not None
    assert sampler.report.source == "surrogate"
    assert sampler.report.rank_correlation is not None
    assert sampler.report.rank_correlation > 0.5
    # Without the limit of the capacity every network would be at least as fast.
    assert isinstance(sampler, SurrogateSampler)
    assert 1 <= sampler._processes["lat"].mean <= 2
    # The estimate alone is less sure about the limit than what was learned.
    assert shares[0] < shares[1]
    assert shares[1] > 0.9


def test_no_infeasible_network_is_asked_for_where_there_are_feasible_ones(cifar32: DesignSpace) -> None:
    limits = {"macs": 3e6, "params": 1.5e5}

    def is_feasible(values: dict[str, float]) -> bool:
        return all(values[key] <= limit for key, limit in limits.items()) and values["vit_blocks"] >= 1

    constraints = ("macs<=3M", "params<=150k", "vit_blocks>=1")
    _, asked, _ = search(cifar32, ("acc", "macs"), 5, constraints=constraints, is_feasible=is_feasible)
    values = [exact_of(cifar32, "macs", "params", "vit_blocks")(np.array(batch)) for batch in asked]
    shares = [
        np.mean([is_feasible({key: column[row] for key, column in batch.items()}) for row in range(20)])
        for batch in values
    ]
    assert shares[0] >= 18 / 20, "all but the smallest and the largest network"
    assert shares[1:] == [1, 1, 1, 1]


def test_plain_generations_hold_exact_limits_too(
    cifar32: DesignSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surrogate, "TRUSTED", 2.0)  # Never.
    exact = exact_of(cifar32, "params")
    sampler, asked, _ = search(
        cifar32,
        ("acc", "params"),
        4,
        constraints=("params<=150k",),
        is_feasible=lambda values: values["params"] <= 1.5e5,
    )
    assert sampler.report is not None
    assert sampler.report.source == "nsga2"
    asked[0].remove(cifar32.largest())
    assert all((exact(np.array(batch))["params"] <= 1.5e5).all() for batch in asked)


def test_limit_on_what_is_predicted(cifar32: DesignSpace) -> None:
    accuracy_of = accuracy(cifar32)
    _, asked, _ = search(
        cifar32,
        ("macs",),
        5,
        constraints=("acc>=80%",),
        is_feasible=lambda values: values["acc"] >= 80,
    )
    shares = [np.mean([accuracy_of(genotype) >= 80 for genotype in batch]) for batch in asked]
    assert max(shares[2:]) > 2 * shares[0]


def test_falls_back_while_predictions_are_wrong_and_comes_back_when_they_are_right() -> None:
    # Values without any rule cannot be predicted; then ones that can.
    sampler = sampler_of("surrogate", GRID, study_of(2), population=24)
    assert isinstance(sampler, SurrogateSampler)
    sources, correlations = [], []
    for generation in range(10):
        batch = sampler.ask(24)
        measured = noise(2) if generation < 5 else lambda genotype: [10 * one for one in sizes(genotype)]
        sampler.tell(evaluations(batch, measured))
        report = sampler.report
        assert report is not None
        sources.append(report.source)
        correlations.append(report.rank_correlation)
    assert sources[:2] == ["random", "surrogate"]
    assert correlations[0] is None
    # Batches of as many networks as the window holds: each decides on the next, and nothing else does.
    assert WINDOW == 24
    for generation in range(2, 10):
        before = correlations[generation - 1]
        assert before is not None
        assert sources[generation] == ("surrogate" if before >= TRUSTED else "nsga2")
    assert "nsga2" in sources[2:6]
    assert sources[-1] == "surrogate"


def test_a_batch_takes_from_two_lists_in_turn() -> None:
    assert surrogate._in_turn([3, 1, 2], [1, 4]) == [3, 1, 4, 2]
    assert surrogate._in_turn([], [5]) == [5]


def test_exhausts_a_small_space_with_exact_costs(tiny: DesignSpace) -> None:
    _, asked, _ = search(tiny, ("acc", "macs"), 6)
    assert [len(batch) for batch in asked] == [20] * 5 + [8]
    assert len({genotype for batch in asked for genotype in batch}) == 108


def test_small_populations_draw_until_there_is_enough_to_predict_from() -> None:
    sampler = sampler_of("surrogate", GRID, study_of(2), population=2)
    sources = []
    for _ in range(12):
        sampler.tell(evaluations(sampler.ask(2), sizes))
        assert sampler.report is not None
        sources.append(sampler.report.source)
    first = -(-LEAST_MEASURED // 2)
    assert sources[0] == "random"
    assert set(sources[1:first]) == {"nsga2"}
    assert sources[first] == "surrogate"


PRINTED = """
import numpy as np
from studies.samplers import virtual_search
from search_space.space import load_space
from studies.design_space.design_space import DesignSpace
from tests.studies.samplers.test_surrogate import search
virtual_search.CANDIDATES = 5000
print(search(DesignSpace(load_space("cifar32")), ("acc", "macs", "params"), 4)[1])
"""


def test_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    found = set()
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", PRINTED], env=environment, check=True, capture_output=True, cwd=ROOT
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_same_table_gives_the_same_asks() -> None:
    def asked() -> list[list[Genotype]]:
        return run(sampler_of("surrogate", GRID, study_of(2), population=20), 4, sizes, 20)

    assert asked() == asked()
    assert len(CHOICES) == 6
