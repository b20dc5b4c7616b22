"""What the tests of reports share: a database with studies of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objectives.hardware import CostModel, load_soc
from objectives.hardware.soc import assumed
from objectives.hardware_objectives import network_totals
from search_space import complexity
from search_space.families import family
from search_space.genotype import Genotype
from search_space.space import Space, load_space
from studies.analysis import assumed_numbers
from studies.storage.store import create_store
from studies.study.evaluation import Evaluation
from studies.study.settings import DEFAULTS
from studies.study.study import Goal, Study

HARDWARE = "u55-256-cim8"
HOSTILE = "b <script>alert(1)</script> & <b>"
GOALS = {
    "acc": (Goal("acc", "%", "max"), 100.0, 0.0),
    "lat": (Goal("lat", "ms", "min"), 0.0, 8.0),
    "energy": (Goal("energy", "mJ", "min"), 0.0, 0.08),
    "macs": (Goal("macs", "MACs", "min"), 0.0, 4e7),
    "params": (Goal("params", "parameters", "min"), 0.0, 1e6),
    "sram": (Goal("sram", "B", "min"), 0.0, 1e6),
}
"""Goal, ideal and reference."""
ENDS = 6
"""Ends of assumed numbers that a report tries: each network is mapped again for each."""


def make_study(space: Space, name: str, objectives: Sequence[str], constraints: Sequence[str] = ()) -> Study:
    """A study of these objectives on `HARDWARE`, without evaluations."""
    chosen = [GOALS[objective] for objective in objectives]
    settings = {**DEFAULTS, "population": 10, "generations": 2, "space": space.name, "hardware": HARDWARE}
    return Study(
        name=name,
        space=space.name,
        space_definition=space.to_dict(),
        goals=tuple(goal for goal, _, _ in chosen),
        constraints=tuple(constraints),
        settings={**settings, "objectives": ",".join(objectives)},
        fingerprint={"space": space.digest, **CostModel(load_soc(HARDWARE)).fingerprint()},
        ideal=tuple(ideal for _, ideal, _ in chosen),
        reference=tuple(reference for _, _, reference in chosen),
        created_at="2026-01-01T00:00:00+00:00",
    )


def genotypes(space: Space, count: int, seed: int = 0) -> list[Genotype]:
    """Smallest, largest, and canonical random ones, all different."""
    rng = np.random.default_rng(seed)
    found = dict.fromkeys([space.smallest(), space.largest()])
    while len(found) < count:
        found[space.canonical(space.sample(rng))] = None
    return list(found)[:count]


def evaluated(space: Space, objectives: Sequence[str], chosen: Sequence[Genotype]) -> list[Evaluation]:
    """Latency and energy as the cost model has them; an accuracy that grows with the operations."""
    subnets = [space.decode(genotype) for genotype in chosen]
    latency, energy = network_totals(CostModel.shared(load_soc(HARDWARE)), subnets)
    rows = []
    for index, (genotype, subnet) in enumerate(zip(chosen, subnets, strict=True)):
        macs, params = complexity.macs(subnet), complexity.params(subnet)
        known = {
            "acc": 50 + 5 * float(np.log2(macs / 1e5)) + subnet.vit_blocks / 4,
            "lat": float(latency[index]),
            "energy": float(energy[index]),
            "macs": float(macs),
            "params": float(params),
            "sram": float(macs) / 100,
        }
        rows.append(
            Evaluation(
                index=index,
                genotype=genotype,
                values=tuple(known[objective] for objective in objectives),
                limited=(),
                is_feasible=True,
                macs=macs,
                params=params,
                conv_blocks=subnet.conv_blocks,
                vit_blocks=subnet.vit_blocks,
                family=str(family(subnet)),
            )
        )
    return rows


def try_few_ends(patch: pytest.MonkeyPatch) -> None:
    """Reports try only some assumed numbers of a chip; `test_assumed_numbers.py` tries all."""
    patch.setattr(assumed_numbers, "assumed", lambda soc: list(assumed(soc))[:ENDS])


def make_database(path: Path) -> Path:
    """Studies `a` and one with a hostile name, of one point, of no feasible point, empty, and of 1 to 6
    objectives."""
    space = load_space("cifar32")
    chosen = genotypes(space, 40)
    usual = ("acc", "lat", "energy")
    with create_store(path) as store:

        def add(study: Study, rows: Sequence[Evaluation]) -> None:
            store.add(study)
            store.append(study.name, rows)

        rows = evaluated(space, usual, chosen)
        add(make_study(space, "a", usual), rows)
        add(make_study(space, HOSTILE, usual), evaluated(space, usual, genotypes(space, 25, seed=1)))
        add(make_study(space, "one", usual), rows[:1])
        add(make_study(space, "empty", usual), [])
        add(
            make_study(space, "infeasible", usual, ["acc>=99%"]),
            [
                replace(row, is_feasible=False, limited=(row.values[0],), values=(None, *row.values[1:]))
                for row in rows[:12]
            ],
        )
        for count in range(1, 7):
            names = ("macs", "params", "sram", "lat", "energy", "acc")[:count]
            add(make_study(space, f"objectives{count}", names), evaluated(space, names, chosen[:12]))
        foreign = [replace(row, genotype=(*row.genotype[:-1], 99)) for row in rows[:5]]
        add(make_study(space, "foreign", usual), foreign)
        old = make_study(space, "old", usual)
        add(replace(old, fingerprint={**old.fingerprint, "cost_model": "0"}), rows[:5])
    return path
