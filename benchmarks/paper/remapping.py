"""Networks costed again: on another chip, or with an assumed number at an end of its range.

Nothing is searched again. Fronts are formed anew from given networks, on the search split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.paper.bootstrap import resampling
from benchmarks.paper.comparison import Figures, Fronts, Pool, Scores
from benchmarks.paper.measures import Front, measured
from benchmarks.paper.protocol import BASE, COSTS, DEFAULT_CHIP, MAPPING, PAIRS, Cost, PrimaryFigure, Run
from benchmarks.paper.searches import RANDOM, Search, Searched, chip
from benchmarks.search.value_cache import KeptValues
from objectives.hardware import CostModel, SoC
from objectives.hardware.soc import assumed, with_value
from objectives.hardware_objectives import network_totals
from search_space.arrays import Floats
from search_space.errors import H4HError, UnknownNameError
from search_space.genotype import Genotype, to_text
from search_space.space import Space
from studies.launch.plan_objects import Notify
from studies.study.evaluation import Evaluation
from studies.study.pareto_front import nondominated


class Costing:
    """Costs of networks on any chip, in the mapping that minimises them; each is computed once.

    Args:
        space: The networks.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._costs: dict[tuple[str, Cost], dict[Genotype, float]] = {}

    def costs(self, soc: SoC, cost: Cost, networks: Sequence[Genotype]) -> Floats:
        """Latencies in ms or energies in mJ, (n,)."""
        known = self._costs.setdefault((soc.digest, cost), {})
        new = [one for one in dict.fromkeys(networks) if one not in known]
        if new:
            subnets = [self._space.decode(one) for one in new]
            totals = network_totals(CostModel(soc, MAPPING[cost]), subnets)[COSTS.index(cost)]
            known.update(zip(new, totals.tolist(), strict=True))
        return np.array([known[one] for one in networks], dtype=np.float64)

    def forget(self, soc: SoC) -> None:
        """Drops the costs on a chip that is not needed again."""
        for cost in COSTS:
            self._costs.pop((soc.digest, cost), None)


def front_among(pool: Pool, networks: Sequence[Genotype], costs: Floats) -> Front:
    """The front of `networks` at `costs` (n,), decided on the search split."""
    rows = nondominated(np.column_stack([-pool.search_accuracies(networks), costs]))
    return pool.front([networks[row] for row in rows], costs[rows])


# --- co-design against mapping, and random networks -----------------------------------------------

SETS = (
    "random networks, NPU alone",
    "random networks, default chip",
    "searched for the NPU alone, mapped onto the default chip",
    "searched for the default chip",
)
"""Sets of networks that are compared with those searched for, and run on, the NPU alone."""
OVER_MAPPING = "searched for the default chip, against searched for the NPU alone and mapped onto it"


def random_front(
    searched: Searched, costing: Costing, hardware: str, cost: Cost
) -> tuple[list[Evaluation], Floats]:
    """Front of random networks on a chip, on the search split, and its costs."""
    feasible = [one for one in searched.evaluations if one.is_feasible]
    costs = costing.costs(chip(hardware), cost, [one.genotype for one in feasible])
    accuracies = np.array([one.values[0] for one in feasible], dtype=np.float64)
    rows = nondominated(np.column_stack([-accuracies, costs]))
    return [feasible[row] for row in rows], costs[rows]


def random_members(random: Mapping[int, Searched], costing: Costing) -> list[Evaluation]:
    """Random networks on a front of the NPU alone or of the default chip."""
    return [
        one
        for searched in random.values()
        for hardware in (BASE, DEFAULT_CHIP)
        for cost in COSTS
        for one in random_front(searched, costing, hardware, cost)[0]
    ]


def baseline_fronts(
    run: Run, found: Fronts, random: Mapping[int, Searched], costing: Costing, cost: Cost
) -> dict[str, list[Front]]:
    """Fronts of each of `SETS`, by seed."""
    pool, default = found.pool, chip(DEFAULT_CHIP)
    sets: dict[str, list[Front]] = {name: [] for name in SETS}
    for seed in run.seeds:
        for name, hardware in zip(SETS[:2], (BASE, DEFAULT_CHIP), strict=True):
            members, costs = random_front(random[seed], costing, hardware, cost)
            sets[name].append(pool.front([one.genotype for one in members], costs))
        searched = [one.genotype for one in found.members[Search(BASE, cost, seed)]]
        sets[SETS[2]].append(pool.front(searched, costing.costs(default, cost, searched)))
        sets[SETS[3]].append(pool.front_of(found.members[Search(DEFAULT_CHIP, cost, seed)]))
    return sets


def baselines(
    run: Run, found: Fronts, random: Mapping[int, Searched], costing: Costing, cost: Cost
) -> dict[str, Figures]:
    """Figures of each of `SETS` against networks searched for the NPU alone, and of `OVER_MAPPING`."""
    sets = baseline_fronts(run, found, random, costing, cost)
    base = found.of(BASE, cost, run.seeds)
    figures = {name: found.pool.compare(fronts, base) for name, fronts in sets.items()}
    return figures | {OVER_MAPPING: found.pool.compare(sets[SETS[3]], sets[SETS[2]])}


# --- assumed numbers ------------------------------------------------------------------------------


@dataclass(frozen=True)
class AssumedNumber:
    """Primary figures with one assumed number at one end of its range.

    Attributes:
        name: Dotted name in the SoC file; empty for the chip as it is.
        end: ``low`` or ``high``.
        value: The number there.
        unit: Its unit.
        figures: Value of each primary figure by its title; empty where the chip cannot run the networks.
    """

    name: str
    end: str
    value: float
    unit: str
    figures: Mapping[str, float]


def assumed_numbers(
    run: Run,
    found: Fronts,
    scores: Scores,
    costing: Costing,
    *,
    images: int,
    file: Path,
    notify: Notify,
    names: Sequence[str] = (),
) -> list[AssumedNumber]:
    """Primary figures as they are, then with each assumed number of the default chip at each end.

    The numbers of macros and of compute units are left out: the chips compare these.

    Args:
        run: The run.
        found: Fronts of its searches.
        scores: Answers on the test images.
        costing: Costs networks.
        images: Number of test images.
        file: Keeps finished rows.
        notify: Is told the progress.
        names: Numbers to vary; all by default.

    Raises:
        UnknownNameError: The default chip has no such number.
        H4HError: The file cannot be used.
    """
    soc = chip(DEFAULT_CHIP)
    units = {name: number.unit for name, number in soc.quantities()}
    check_names(names)
    ends = [("", "", 0.0), *((name, end, value) for name, end, value in assumed(soc) if is_varied(soc, name))]
    ends = [one for one in ends if not names or not one[0] or one[0] in names]
    pool = Pool(
        (one for members in found.members.values() for one in members), scores, resampling(1, images, 0)
    )
    names_of_chips = dict.fromkeys(figure.chip for figure in run.primary)
    unions = {one: found.networks((one, PAIRS[one])) for one in names_of_chips}
    kept = KeptValues(file, _decides(run, unions, pool))
    known = kept.read()
    rows = []
    for place, (name, end, value) in enumerate(ends):
        key = f"{name} {end}"
        if key not in known:
            if place % 10 == 0:
                notify(f"assumed numbers: {place} of {len(ends)} done")
            known[key] = _figures_at(run.primary, unions, pool, costing, name, end)
            kept.write({key: known[key]})
        rows.append(AssumedNumber(name, end, value, units.get(name, ""), known[key]))
    return rows


def check_names(names: Sequence[str]) -> None:
    """Raises `UnknownNameError` unless the default chip has all of these numbers."""
    known = [name for name, _ in chip(DEFAULT_CHIP).quantities()]
    for name in names:
        if name not in known:
            raise UnknownNameError("quantity", name, known)


def is_varied(soc: SoC, name: str) -> bool:
    """Whether an assumed number is no choice of the comparison itself."""
    return soc.cim is None or name not in ("cim.macros", f"cim.{soc.cim.UNITS}")


def _figures_at(
    figures: Sequence[PrimaryFigure],
    unions: Mapping[str, list[Genotype]],
    pool: Pool,
    costing: Costing,
    name: str,
    end: str,
) -> dict[str, float]:
    """Primary figures with number `name` at `end` on both chips of each pair; empty if one cannot run."""
    found: dict[str, float] = {}
    try:
        for hardware, cost in dict.fromkeys((figure.chip, figure.cost) for figure in figures):
            changed = _at_end(chip(hardware), name, end)
            value = None if not name else dict(changed.quantities()).get(name)
            base = chip(PAIRS[hardware])
            if value is not None and name in dict(base.quantities()):
                base = with_value(base, name, value.value)
            pair = [
                front_among(pool, unions[hardware], costing.costs(soc, cost, unions[hardware]))
                for soc in (changed, base)
            ]
            values = measured(*pair)
            found |= {
                figure.title: float(values[figure.measure][0])
                for figure in figures
                if (figure.chip, figure.cost) == (hardware, cost)
            }
            if name:
                costing.forget(changed)
    except H4HError:
        return {}
    return found


def _at_end(soc: SoC, name: str, end: str) -> SoC:
    """`soc` with a number at an end of its own range; as it is if it lacks the number."""
    number = dict(soc.quantities()).get(name)
    return soc if number is None else with_value(soc, name, getattr(number, end))


def _decides(run: Run, unions: Mapping[str, list[Genotype]], pool: Pool) -> dict[str, object]:
    """Everything that the primary figures at an end depend on."""
    parts: dict[str, object] = {"value": "assumed numbers", "titles": [one.title for one in run.primary]}
    for hardware, networks in unions.items():
        texts = ";".join(sorted(map(to_text, networks)))
        ends = [(one.name, list(assumed(one))) for one in (chip(hardware), chip(PAIRS[hardware]))]
        models = [CostModel(chip(one)).fingerprint() for one in (hardware, PAIRS[hardware])]
        parts[hardware] = [hashlib.sha256(texts.encode()).hexdigest(), ends, models]
    return parts | {"accuracies": pool.digest}


def random_searches(run: Run) -> dict[int, Search]:
    """Searches of the random networks, by seed. Their networks depend on neither chip nor cost."""
    return {seed: Search(DEFAULT_CHIP, "lat", seed, RANDOM) for seed in run.seeds}
