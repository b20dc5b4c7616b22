"""Cost of storing and resuming a study.

    python -m benchmarks.search.study_cost [--json]

| figure | meaning | target |
|---|---|---|
| `record_ms` | durable write of one evaluation of 40 genes, with 10,000 in the table | 1 |
| `optuna_record_ms` | the same in Optuna's SQLite storage, with 100 in the table | |
| `record_speedup` | `optuna_record_ms` divided by `record_ms` | 30 |
| `replay_s` | reopening a study of 10,000 evaluations (nsga2, cifar32) and replaying it to its end | 5 |
| `overhead_fraction` | share of the time of the default run's first generations outside the objectives | 0.03
|

The two stores take turns, and their medians are compared. Optuna's table stays small, which favours it:
filling it with 10,000 rows would take minutes. The study of 10,000 evaluations minimises operations and
parameters, with an artificial quality that grows with both, because the objectives do not matter here. A
durable write takes at least one flush of the disk; `flush_ms` is the time of a flush on this machine.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import create_trial
from rich.console import Console
from rich.table import Table

from objectives.objective import Dependency, Direction, Objective
from search_space import complexity
from search_space.arrays import Floats
from search_space.command.command_line import Parser, run_command
from search_space.space import load_space
from search_space.subnet import Subnet
from studies.design_space.design_space import DesignSpace
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import SamplerContext
from studies.search.evaluator import Evaluator
from studies.search.search_loop import search
from studies.search.stop_rules import StopRules
from studies.storage.store import create_store, open_store
from studies.study.evaluation import Evaluation
from studies.study.study import Goal, Study

GENES = 40
POPULATION = 100


class Quality:
    """Artificial accuracy that grows with size, so that there is a trade-off."""

    name: ClassVar[str] = "quality"
    unit: ClassVar[str] = "%"
    direction: ClassVar[Direction] = "max"
    depends_on: ClassVar[tuple[Dependency, ...]] = ("network",)
    follows_size: ClassVar[bool] = True
    is_expensive: ClassVar[bool] = False

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """100 macs / (macs + 5M)."""
        counts = np.array([complexity.macs(subnet) for subnet in subnets], dtype=np.float64)
        return 100 * counts / (counts + 5e6)

    def fingerprint(self) -> dict[str, str]:
        """Empty, because only the subnet decides the value."""
        return {}


def study_of(space: str) -> Study:
    """A study of three objectives without evaluations."""
    return Study(
        name="benchmark",
        space=space,
        space_definition=load_space(space).to_dict(),
        goals=(Goal("quality", "%", "max"), Goal("macs", "MACs", "min"), Goal("params", "parameters", "min")),
        constraints=(),
        settings={},
        fingerprint={},
        ideal=(100.0, 0.0, 0.0),
        reference=(0.0, 3e7, 1e6),
        created_at="2026-01-01T00:00:00+00:00",
    )


def rows(count: int) -> list[Evaluation]:
    """Evaluations of different random genotypes of `GENES` genes."""
    rng = np.random.default_rng(0)
    genotypes = rng.integers(0, 3, (count, GENES))
    genotypes[:, :9] = np.array([[index // 3**place % 3 for place in range(9)] for index in range(count)])
    return [
        Evaluation(
            index=index,
            genotype=tuple(genotype),
            values=tuple(values),
            limited=(),
            is_feasible=True,
            macs=8_669_184,
            params=296_874,
            conv_blocks=8,
            vit_blocks=3,
            family="mixed",
        )
        for index, (genotype, values) in enumerate(
            zip(genotypes.tolist(), rng.random((count, 3)).tolist(), strict=True)
        )
    ]


def milliseconds(run: Callable[[], object]) -> float:
    """Milliseconds of wall time of one call."""
    start = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - start)


def record(folder: Path, there: int, times: int) -> dict[str, float]:
    """Times of one write, in our store and in Optuna's in turn."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    evaluations = rows(there + times)
    choices: dict[str, BaseDistribution] = {
        f"gene{number}": CategoricalDistribution((0, 1, 2)) for number in range(GENES)
    }
    other = optuna.create_study(
        storage=f"sqlite:///{folder / 'optuna.db'}", directions=["maximize", "minimize", "minimize"]
    )

    def trial(evaluation: Evaluation) -> optuna.trial.FrozenTrial:
        values = [0.0 if value is None else value for value in evaluation.values]
        return create_trial(
            params=dict(zip(choices, evaluation.genotype, strict=True)), distributions=choices, values=values
        )

    for evaluation in evaluations[: max(100 - times, 0)]:
        other.add_trial(trial(evaluation))
    ours, theirs, flushes = [], [], []
    probe = os.open(folder / "flush", os.O_CREAT | os.O_WRONLY)
    with create_store(folder / "record.db") as store:
        store.add(study_of("cifar32"))
        store.append("benchmark", evaluations[:there])
        for evaluation in evaluations[there:]:
            finished = trial(evaluation)
            ours.append(milliseconds(lambda evaluation=evaluation: store.append("benchmark", [evaluation])))  # type: ignore[misc]
            theirs.append(milliseconds(lambda finished=finished: other.add_trial(finished)))  # type: ignore[misc]
            os.pwrite(probe, b"x" * 4096, 0)
            flushes.append(milliseconds(lambda: os.fdatasync(probe)))
    os.close(probe)
    return {
        "record_ms": median(ours),
        "optuna_record_ms": median(theirs),
        "record_speedup": median(theirs) / median(ours),
        "flush_ms": median(flushes),
    }


def replay(folder: Path, evaluations: int) -> dict[str, float]:
    """Making a study of so many evaluations, then opening and replaying it to its end."""
    from objectives.size_objectives import MACS, PARAMS

    space, study, path = DesignSpace(load_space("cifar32")), study_of("cifar32"), folder / "replay.db"
    generations = evaluations // POPULATION

    def run() -> int:
        sampler = create_sampler(
            "nsga2", SamplerContext(space=space, study=study, population=POPULATION, seed=0)
        )
        evaluator = Evaluator(space, [Quality(), MACS, PARAMS])
        with open_store(path, writable=True) as store:
            *_, last = search(
                study=study,
                sampler=sampler,
                evaluator=evaluator,
                store=store,
                population=POPULATION,
                rules=StopRules(generations=generations),
            )
        return last.measured

    with create_store(path) as store:
        store.add(study)
    run_s = milliseconds(run) / 1000
    start = time.perf_counter()
    measured = run()
    seconds = time.perf_counter() - start
    assert measured == 0
    return {"replayed": generations * POPULATION, "make_s": run_s, "replay_s": seconds}


class Timed:
    """An objective that sums the time of its calls."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self.seconds = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self._objective, name)

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        start = time.perf_counter()
        values = self._objective(subnets)
        self.seconds += time.perf_counter() - start
        return values


def overhead(folder: Path, generations: int) -> dict[str, float]:
    """Share of the time of the default run's first generations that is spent outside the objectives."""
    from studies.launch.plan import check
    from studies.launch.plan_objects import Objectives, make_objectives
    from studies.launch.run_or_resume import search_with
    from studies.study.settings import StudySettings

    plan = check(StudySettings(generations=generations, sampler="nsga2"), folder / "run.db")
    with closing(make_objectives(plan, lambda _: None)) as objectives:
        goals = tuple(Timed(goal) for goal in objectives.goals)
        timed = Objectives(goals, objectives.limited)  # type: ignore[arg-type]
        start = time.perf_counter()
        search_with(plan, timed, lambda _: None, lambda _: None)
        total = time.perf_counter() - start
    return {"run_s": total, "overhead_fraction": 1 - sum(goal.seconds for goal in goals) / total}


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.search.study_cost", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--evaluations", type=int, default=10_000, help="number of evaluations in the table and in the replay"
    )
    parser.add_argument("--times", type=int, default=60, help="number of timed writes")
    parser.add_argument("--generations", type=int, default=2, help="of the default run")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        figures = {
            **record(folder, options.evaluations, options.times),
            **replay(folder, options.evaluations),
            **overhead(folder, options.generations),
        }
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table(title="keeping and resuming a study")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for key, value in figures.items():
        table.add_row(key, f"{value:.4g}")
    Console().print(table)


if __name__ == "__main__":
    run_command(main)
