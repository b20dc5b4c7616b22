"""Tables that judge search methods: every network's values are known, so the true front is exact.

| table | networks | objectives | costs |
|---|---|---|---|
| `macro` | 3,969 of NAS-Bench-Macro, made by others | `acc`, `macs`, `params` | exact |
| `own` | 1,248 of `cifar32`, first shipped weights | `acc`, `lat`, `energy` on `u55-256-cim8` | exact |
| `noisy` | those of `macro`, genes as names without an order | `acc`, `lat`, `energy` | measured |

`noisy` follows a rule that is fixed here. With M million multiply-accumulates, P million parameters and L
layers that are no identity, latency in ms is 0.02 M + 0.3 P + 0.15 L, and energy in mJ is 0.05 M + 0.1 P.
Each is then multiplied by exp(0.05 z). z is one standard normal draw for each network and cost, seeded by its
code. A search knows these costs only of networks that it has evaluated.

Two boxes give the hypervolume. Each objective spans from its best value in the table to its worst one, and
10 % of that range beyond the worst. The box `log` takes the logarithm of costs first.
"""

from __future__ import annotations

import hashlib
import runpy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.search.evaluations_of_values import evaluations_of
from objectives.hardware import CostModel, load_soc
from objectives.hardware.chip import Chip
from objectives.objective import Declaration
from objectives.registry import declarations
from objectives.tabled.accuracy_table import AccuracyTable, read_table
from search_space.arrays import Floats
from search_space.genotype import Genotype
from search_space.space import load_space
from search_space.table_space import TableChoice, TableSpace
from studies.design_space.design_space import DesignSpace
from studies.design_space.exact_costs import ExactQuantities
from studies.design_space.listed_networks import ListedNetworks
from studies.design_space.table_costs import TableQuantities
from studies.study.cost_scale import LINEAR
from studies.study.evaluation import Evaluation
from studies.study.hypervolume import bounds, hypervolume
from studies.study.pareto_front import losses, nondominated
from studies.study.study import Goal, Study

TABLES = ("macro", "own", "noisy")
BOXES = ("linear", "log")
MARGIN = 0.1
"""Share of an objective's range that a box adds beyond the worst value."""
NOISE = 0.05
OPERATIONS = ("identity", "mbconv3", "mbconv6")
OWN = Path(__file__).with_name("accuracies_cifar32.csv")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "use-an-accuracy-table.md"
"""The page with the loader of NAS-Bench-Macro."""


@dataclass(frozen=True)
class JudgingTable:
    """A table with the study that methods search it by.

    Attributes:
        name: One of `TABLES`.
        table: Networks and values.
        study: Objectives and the box that samplers aim at, as a study over the table would have.
    """

    name: str
    table: AccuracyTable
    study: Study

    @cached_property
    def space(self) -> DesignSpace:
        """The table's networks."""
        return DesignSpace(self.table.space, listed=ListedNetworks(self.table.space, self.table.genotypes))

    @cached_property
    def exact(self) -> TableQuantities:
        """Costs that a sampler may know in advance."""
        return TableQuantities(self.table, self.study.objectives)

    def on_scale(self, scale: str) -> JudgingTable:
        """The same table with the box of another scale of costs to aim at."""
        return _judging(self.name, self.table, scale)

    @cached_property
    def losses(self) -> Floats:
        """Losses of all networks, shape (n, m)."""
        columns = [self.table.values[name] for name in self.study.objectives]
        return losses(np.stack(columns, axis=1), self.study.directions)

    def values(self, genotypes: Sequence[Genotype]) -> Floats:
        """Values of networks in the units of the study, shape (k, m)."""
        rows = self.table.rows(np.array(genotypes))
        return np.stack([self.table.values[name][rows] for name in self.study.objectives], axis=1)

    def evaluations(self, genotypes: Sequence[Genotype], start: int) -> list[Evaluation]:
        """Evaluations of networks, numbered from `start`."""
        return evaluations_of(genotypes, self.values(genotypes), start)

    def points(self, box: str) -> Floats:
        """Losses of all networks in the scale of a box, shape (n, m)."""
        if box == "linear":
            return self.losses
        is_cost = np.array(self.study.directions) == "min"
        points: Floats = np.where(is_cost, np.log10(np.where(is_cost, self.losses, 1.0)), self.losses)
        return points

    def corners(self, box: str) -> tuple[Floats, Floats]:
        """Ideal and reference of a box, each of shape (m,)."""
        points = self.points(box)
        best, worst = points.min(axis=0), points.max(axis=0)
        return best, worst + MARGIN * (worst - best)

    def share(self, genotypes: Sequence[Genotype], box: str) -> float:
        """Hypervolume of networks, as a share of that of the true front."""
        points, corners = self.points(box), self.corners(box)
        whole = hypervolume(points[nondominated(points)], *corners)
        return hypervolume(points[self.table.rows(np.array(genotypes))], *corners) / whole


def load_table(name: str, folder: Path, *, scale: str = LINEAR) -> JudgingTable:
    """The table called `name`.

    Args:
        name: One of `TABLES`.
        folder: Folder with the file ``nas-bench-macro_cifar10.json``; not used for `own`.
        scale: Scale of costs in the box that samplers aim at.

    Raises:
        H4HError: A file is missing or damaged.
    """
    if name == "own":
        return _judging(name, _own(), scale)
    macro = _macro(folder / "nas-bench-macro_cifar10.json")
    return _judging(name, macro if name == "macro" else _noisy(macro), scale)


def _judging(name: str, table: AccuracyTable, scale: str = LINEAR) -> JudgingTable:
    goals = tuple(Goal(each.name, each.unit, each.direction) for each in table.declarations.values())
    ends = [(values.min(), values.max()) for values in table.values.values()]
    ideal, reference = bounds(
        np.array(ends).T,
        [goal.direction for goal in goals],
        [goal.unit for goal in goals],
        scale=scale,
    )
    study = Study(
        name=name,
        space=table.space.name,
        space_definition=table.space.to_dict(),
        goals=goals,
        constraints=(),
        settings={"scale": scale},
        fingerprint={},
        ideal=tuple(ideal.tolist()),
        reference=tuple(reference.tolist()),
        created_at="",
    )
    return JudgingTable(name, table, study)


def _macro(file: Path) -> AccuracyTable:
    """NAS-Bench-Macro by the loader of the documentation."""
    text = PAGE.read_text(encoding="utf-8")
    lines = text[text.index("    import csv") : text.index("The search then takes two commands")].splitlines()
    with TemporaryDirectory() as folder:
        loader = Path(folder) / "loader.py"
        loader.write_text("\n".join(line.removeprefix("    ") for line in lines))
        target = Path(folder) / "macro.csv"
        runpy.run_path(str(loader))["convert"](file, target)
        return read_table(target, None)


def _own() -> AccuracyTable:
    """Our own networks, with latency and energy by the cost model."""
    table = read_table(OWN, load_space("cifar32"))
    costs = ExactQuantities(
        DesignSpace(table.space), {Chip(): CostModel(load_soc("u55-256-cim8"))}, ("lat", "energy")
    )(table.genotypes)
    known = declarations()
    declared = {name: replace(known[name], is_expensive=name == "acc") for name in ("acc", "lat", "energy")}
    values = {"acc": table.values["acc"], **costs}
    # The chip and the cost model decide the values as well.
    digest = hashlib.sha256(table.digest.encode() + b"".join(map(bytes, values.values()))).hexdigest()
    return replace(table, digest=digest, declarations=declared, values=values, errors={})


def _noisy(macro: AccuracyTable) -> AccuracyTable:
    """The table `noisy`, by the rule of this file."""
    genes = tuple(TableChoice(gene.name, OPERATIONS, is_ordered=False) for gene in macro.space.genes)
    mega = {name: macro.values[name] / 1e6 for name in ("macs", "params")}
    layers = (macro.genotypes > 0).sum(axis=1)
    codes = macro.genotypes.tolist()
    draws = np.array([np.random.default_rng([7, *code]).standard_normal(2) for code in codes])
    factors = np.exp(NOISE * draws)
    values = {
        "acc": macro.values["acc"],
        "lat": (0.02 * mega["macs"] + 0.3 * mega["params"] + 0.15 * layers) * factors[:, 0],
        "energy": (0.05 * mega["macs"] + 0.1 * mega["params"]) * factors[:, 1],
    }
    known = declarations()
    declared: dict[str, Declaration] = {
        name: replace(known[name], depends_on=("network",), is_expensive=True) for name in values
    }
    space = TableSpace("noisy", genes).as_space()
    return replace(macro, space=space, declarations=declared, values=values, errors={})
