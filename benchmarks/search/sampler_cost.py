"""Computing time of the samplers themselves, on one core.

    python -m benchmarks.search.sampler_cost [--sampler A,B,...] [--json]

Runs a study of cheap objectives in memory, generation after generation. For each sampler:

| figure | meaning | target |
|---|---|---|
| `generation_ms` | ask and tell of one generation, median of the last five | well below a second |
| `replay_s` | sum over all generations: the cost of resuming such a study | |
| `times_random` | `generation_ms` divided by that of `random` in the same run | |

Times are CPU times of the sampler alone. `optuna-gp` takes seconds per network and `surrogate` seconds per
generation (`benchmarks.search.surrogate_savings`), so both are measured only if named.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from objectives.size_objectives import MACS, PARAMS, SRAM
from search_space.command.command_line import Parser, run_command
from search_space.space import load_space
from studies.design_space.design_space import DesignSpace
from studies.samplers.registry import check_sampler, create_sampler, known_samplers
from studies.samplers.sampler import SamplerContext
from studies.search.evaluator import Evaluator
from studies.search.objective_range import objective_range
from studies.study.constraint import parse_constraint
from studies.study.hypervolume import bounds
from studies.study.study import Goal, Study

OBJECTIVES = (PARAMS, MACS, SRAM)
CONSTRAINT = "macs<=20M"
LAST = 5
SLOW = ("optuna-gp", "surrogate")


def study_over(space: DesignSpace) -> Study:
    """A study of `OBJECTIVES` under `CONSTRAINT`."""
    values = np.array([objective_range(objective, space) for objective in OBJECTIVES]).T
    goals = tuple(Goal(objective.name, objective.unit, objective.direction) for objective in OBJECTIVES)
    ideal, reference = bounds(values, [goal.direction for goal in goals], [goal.unit for goal in goals])
    return Study(
        name="samplers",
        space=space.name,
        space_definition=space.to_dict(),
        goals=goals,
        constraints=(CONSTRAINT,),
        settings={},
        fingerprint={},
        ideal=tuple(map(float, ideal)),
        reference=tuple(map(float, reference)),
        created_at="",
    )


def sampler_times(
    name: str, space: DesignSpace, *, evaluations: int, population: int, seed: int
) -> list[float]:
    """CPU seconds that the sampler `name` takes for its creation, then for each generation."""
    study = study_over(space)
    context = SamplerContext(space=space, study=study, population=population, seed=seed)
    start = time.process_time()
    sampler = create_sampler(name, context)
    spent = [time.process_time() - start]
    evaluator = Evaluator(space, OBJECTIVES, [parse_constraint(CONSTRAINT)])
    done = 0
    while done < evaluations:
        start = time.process_time()
        batch = dict(enumerate(sampler.ask(population), done))
        proposed_at = time.process_time()
        rows = sorted(
            (row for group in evaluator.evaluate(batch) for row in group), key=lambda row: row.index
        )
        measured = time.process_time()
        sampler.tell(rows)
        spent.append(proposed_at - start + time.process_time() - measured)
        done += len(batch)
    return spent


def figures(names: Sequence[str], space: DesignSpace, **settings: int) -> dict[str, dict[str, float]]:
    """Figures of each sampler, always including `random`."""
    result = {}
    for name in dict.fromkeys(["random", *names]):
        spent = sampler_times(name, space, **settings)
        result[name] = {"generation_ms": 1e3 * median(spent[1:][-LAST:]), "replay_s": sum(spent)}
    for row in result.values():
        row["times_random"] = row["generation_ms"] / result["random"]["generation_ms"]
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Raises:
        UnknownNameError: There is no such sampler or space.
    """
    parser = Parser(
        prog="python -m benchmarks.search.sampler_cost", description=(__doc__ or "").splitlines()[0]
    )
    usual = [name for name in known_samplers() if name not in SLOW]
    parser.add_argument("--sampler", default=",".join(usual), metavar="A,B,...")
    parser.add_argument("--space", default="cifar32")
    parser.add_argument("--evaluations", type=int, default=2000)
    parser.add_argument("--population", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    names = options.sampler.split(",")
    for name in names:
        check_sampler(name)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    settings = {name: getattr(options, name) for name in ("evaluations", "population", "seed")}
    result = figures(names, DesignSpace(load_space(options.space)), **settings)
    if options.json:
        print(json.dumps({"space": options.space, **settings, "samplers": result}, indent=2))
        return
    title = (
        f"{options.space}: generations of {options.population}, {options.evaluations} evaluations, one core"
    )
    table = Table("sampler", title=title)
    for column in ("generation, ms", "replay, s", "times random"):
        table.add_column(column, justify="right")
    for name, row in result.items():
        cells = (row["generation_ms"], row["replay_s"], row["times_random"])
        table.add_row(name, *(f"{cell:.3g}" for cell in cells))
    Console().print(table)


if __name__ == "__main__":
    run_command(main)
