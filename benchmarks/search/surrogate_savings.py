"""Evaluations that the sampler `surrogate` saves over `nsga2`.

    python -m benchmarks.search.surrogate_savings [--quick] [--json]

The objectives are `acc,lat,energy` over `cifar32` on `u55-256-cim8`, with 24 networks per generation. For
every seed `nsga2` makes 1,000 evaluations; then `surrogate` starts from the same seed and runs until it has
the same hypervolume.

| figure | meaning | target |
|---|---|---|
| `real.to_reach` | evaluations of `surrogate`, with measured accuracies of shipped weights, seed 0 | 250 |
| `stand_in.to_reach` | the same for every seed with the stand-in of `accuracy_table.py`: median, maximum |
250 |
| `stand_in.ahead` | share of the seeds in which `surrogate` is ahead at 200 and 250; Wilcoxon's p | |
| `rank_correlation` | Kendall's tau of predictions and measurements, mean over all generations | |
| `seconds_per_generation` | mean CPU time that `surrogate` takes to choose 24 networks | |

Measured accuracies come from the table in this folder. Networks that it lacks are measured (half a second
each) and kept in the cache folder. `to_reach` is null if 500 evaluations were not enough.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.search.accuracy_table import AccuracyOf, AccuracyTable, fit_stand_in
from benchmarks.search.evaluations_of_values import evaluations_of
from benchmarks.search.measured_accuracy import measured_accuracy
from objectives.hardware import CostModel, load_soc
from objectives.hardware.chip import Chip
from search_space.arrays import Floats
from search_space.command.command_line import Parser, run_command
from search_space.genotype import Genotype
from search_space.space import Space, load_space
from studies.design_space.design_space import DesignSpace
from studies.design_space.exact_costs import ExactQuantities
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import SamplerContext
from studies.study.evaluation import Evaluation
from studies.study.hypervolume import bounds
from studies.study.study import Goal, Study
from supernet.checkpoints import built_in_checkpoint
from supernet.checkpoints.tensor_file import file_digest

POPULATION = 24
PLAIN_EVALUATIONS = 1000
MOST_EVALUATIONS = 500
WANTED = 250
COMPARED_AT = (200, 250)


@dataclass(frozen=True)
class Bench:
    """Search space, objectives and box of the benchmark."""

    space: DesignSpace
    study: Study
    exact: ExactQuantities

    @classmethod
    def of(cls, space_name: str, hardware: str) -> Bench:
        space = DesignSpace(load_space(space_name))
        exact = ExactQuantities(space, {Chip(): CostModel(load_soc(hardware))}, ("lat", "energy"))
        goals = (Goal("acc", "%", "max"), Goal("lat", "ms", "min"), Goal("energy", "mJ", "min"))
        extremes = exact(np.array([space.smallest(), space.largest()]))
        columns = np.array([[np.nan, np.nan], extremes["lat"], extremes["energy"]]).T
        ideal, reference = bounds(columns, [goal.direction for goal in goals], [goal.unit for goal in goals])
        study = Study(
            name="benchmark",
            space=space.name,
            space_definition={},
            goals=goals,
            constraints=(),
            settings={},
            fingerprint={},
            ideal=tuple(ideal.tolist()),
            reference=tuple(reference.tolist()),
            created_at="",
        )
        return cls(space, study, exact)

    def values(self, genotypes: Sequence[Genotype], accuracies: Floats) -> Floats:
        """Values of all objectives (n, 3) of n canonical genotypes with these accuracies (n,)."""
        costs = self.exact(np.array(genotypes))
        return np.stack([accuracies, costs["lat"], costs["energy"]], axis=1)

    def evaluations(self, genotypes: Sequence[Genotype], values: Floats, start: int) -> list[Evaluation]:
        """Evaluations of `genotypes`, numbered from `start`, with these values (n, 3)."""
        return evaluations_of(genotypes, values, start)


@dataclass(frozen=True)
class Trace:
    """One search: hypervolume after each evaluation, and quality of the predictions."""

    hypervolumes: list[float]
    correlations: list[float]
    choosing_s: list[float]

    def to_reach(self, hypervolume: float) -> int | None:
        """Number of evaluations until `hypervolume`; None if it was never reached."""
        return next((n for n, value in enumerate(self.hypervolumes, 1) if value >= hypervolume), None)


def trace(
    bench: Bench,
    sampler_name: str,
    accuracy: AccuracyOf,
    *,
    seed: int,
    evaluations: int,
    until: float = np.inf,
    at_least: int = 0,
) -> Trace:
    """Searches for `evaluations` evaluations, or until the hypervolume reaches `until` after `at_least`."""
    context = SamplerContext(
        space=bench.space, study=bench.study, population=POPULATION, seed=seed, exact=bench.exact
    )
    sampler = create_sampler(sampler_name, context)
    trace = Trace([], [], [])
    front: list[Evaluation] = []
    while (done := len(trace.hypervolumes)) < evaluations:
        if done >= at_least and trace.hypervolumes and trace.hypervolumes[-1] >= until:
            break
        start = time.process_time()
        proposed = sampler.ask(POPULATION)
        trace.choosing_s.append(time.process_time() - start)
        rows = bench.evaluations(proposed, bench.values(proposed, accuracy(proposed)), done)
        sampler.tell(rows)
        if sampler.report is not None and sampler.report.rank_correlation is not None:
            trace.correlations.append(sampler.report.rank_correlation)
        for row in rows:
            front = bench.study.front([*front, row])
            trace.hypervolumes.append(bench.study.hypervolume(front))
    return trace


def compare(bench: Bench, accuracy: AccuracyOf, seed: int, console: Console) -> dict[str, Any]:
    """Runs both samplers with one seed."""
    plain = trace(bench, "nsga2", accuracy, seed=seed, evaluations=PLAIN_EVALUATIONS)
    target = plain.hypervolumes[PLAIN_EVALUATIONS - 1]
    ours = trace(
        bench,
        "surrogate",
        accuracy,
        seed=seed,
        evaluations=MOST_EVALUATIONS,
        until=target,
        at_least=max(COMPARED_AT),
    )
    result: dict[str, Any] = {
        "seed": seed,
        "nsga2_hypervolume": target,
        "to_reach": ours.to_reach(target),
        "rank_correlation": mean(ours.correlations),
        "seconds_per_generation": mean(ours.choosing_s[1:]),
    }
    for count in COMPARED_AT:
        result[f"hypervolume_{count}"] = {
            "surrogate": ours.hypervolumes[count - 1],
            "nsga2": plain.hypervolumes[count - 1],
        }
    console.print(f"seed {seed}: {result['to_reach']} evaluations to reach {target:.4f}", highlight=False)
    return result


def real_accuracy(space: Space, table: AccuracyTable) -> AccuracyOf:
    """Measured accuracies, from the table if it belongs to the shipped weights, else from the oracle."""
    is_current = file_digest(built_in_checkpoint(space.name)) == table.checkpoint
    known = dict(table.values) if is_current else {}

    def accuracy(genotypes: Sequence[Genotype]) -> Floats:
        missing = [genotype for genotype in genotypes if genotype not in known]
        if missing:
            known.update(zip(missing, measured_accuracy(space, missing).tolist(), strict=True))
        return np.array([known[genotype] for genotype in genotypes])

    return accuracy


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Figures over all seeds."""
    from scipy.stats import wilcoxon

    reached = [MOST_EVALUATIONS + 1 if row["to_reach"] is None else row["to_reach"] for row in rows]

    def known(value: float) -> float | None:
        return None if value > MOST_EVALUATIONS else value

    result: dict[str, Any] = {
        "seeds": len(rows),
        "to_reach": {"median": known(median(reached)), "most": known(max(reached)), "wanted": WANTED},
        "share_within_wanted": mean(float(share <= WANTED) for share in reached),
        "rank_correlation": mean(row["rank_correlation"] for row in rows),
        "seconds_per_generation": mean(row["seconds_per_generation"] for row in rows),
        "ahead": {},
    }
    for count in COMPARED_AT:
        pairs = [row[f"hypervolume_{count}"] for row in rows]
        gains = [pair["surrogate"] - pair["nsga2"] for pair in pairs]
        result["ahead"][str(count)] = {
            "share": mean(float(gain > 0) for gain in gains),
            "mean_gain": mean(gains),
            "wilcoxon_p": float(wilcoxon(gains, alternative="greater").pvalue),
        }
    return result


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.search.surrogate_savings", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seeds", type=int, default=10, help="of the stand-in (default: %(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help="2 seeds of the stand-in, no measured accuracies"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    bench, table = Bench.of("cifar32", "u55-256-cim8"), AccuracyTable.load()
    console = Console(stderr=True)
    result: dict[str, Any] = {"measured_networks": len(table.values)}
    if not options.quick:
        result["real"] = compare(bench, real_accuracy(bench.space.networks, table), 0, console)
    stand_in = fit_stand_in(bench.space.networks, table)
    seeds = range(2 if options.quick else options.seeds)
    rows = [compare(bench, stand_in.accuracy, seed, console) for seed in seeds]
    quality = {"error": stand_in.error, "rank_correlation": stand_in.rank_correlation}
    result["stand_in"] = {"cross_validated": quality, **summary(rows), "runs": rows}
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print_table(result)


def print_table(result: dict[str, Any]) -> None:
    """Prints the figures as a table."""
    shown = Table(title="evaluations to the hypervolume of nsga2 after 1,000 (wanted: at most 250)")
    for name in ("accuracies", "seed", "to reach", "hypervolume", "rank correlation", "s per generation"):
        shown.add_column(name, justify="right")
    runs = [("measured", result["real"])] if "real" in result else []
    for kind, row in [*runs, *(("stand-in", row) for row in result["stand_in"]["runs"])]:
        reached = "more than 500" if row["to_reach"] is None else str(row["to_reach"])
        numbers = (f"{row['nsga2_hypervolume']:.4f}", f"{row['rank_correlation']:.2f}")
        shown.add_row(kind, str(row["seed"]), reached, *numbers, f"{row['seconds_per_generation']:.2f}")
    Console().print(shown)
    for count, lead in result["stand_in"]["ahead"].items():
        print(
            f"at {count} evaluations surrogate is ahead of nsga2 in {lead['share']:.0%} of the seeds, "
            f"by {lead['mean_gain']:.4f} (Wilcoxon p = {lead['wilcoxon_p']:.3g})"
        )


if __name__ == "__main__":
    run_command(main)
