"""Evaluations until the first feasible network, under a tight limit on accuracy and on latency.

    python -m benchmarks.search.tight_limits [--seeds N] [--json]

The objectives are `acc,lat,energy` over `cifar32` on `u55-256-cim8`, with `acc>=79%` and `lat<=0.32ms` and 24
networks per generation. Accuracies are those of the stand-in of `accuracy_table.py`. As in a study, the
accuracy of a network that breaks the limit on latency is not measured. Target: at most 50 evaluations in each
of 10 seeds with our default sampler.

| figure | meaning |
|---|---|
| `first_feasible` | evaluations up to the first feasible network; null if 216 were not enough |
| `measured` | accuracies measured up to there |
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from rich.table import Table

from benchmarks.search.accuracy_table import AccuracyOf, AccuracyTable, fit_stand_in
from benchmarks.search.surrogate_savings import POPULATION, Bench
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.errors import H4HError
from search_space.genotype import Genotype
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import SamplerContext
from studies.study.evaluation import Evaluation

LIMITS = ("acc>=79%", "lat<=0.32ms")
WANTED, MOST = 50, 9 * POPULATION
SAMPLERS = ("surrogate", "nsga2")


@dataclass(frozen=True)
class Record:
    """One search.

    Attributes:
        sampler: Its name.
        seed: Its seed.
        first_feasible: Evaluations up to the first feasible network; None if there was none.
        measured: Accuracies measured up to there.
    """

    sampler: str
    seed: int
    first_feasible: int | None
    measured: int


def searched(bench: Bench, sampler: str, accuracy: AccuracyOf, seed: int) -> Record:
    """Searches until the first feasible network, or for `MOST` evaluations."""
    context = SamplerContext(
        space=bench.space, study=bench.study, population=POPULATION, seed=seed, exact=bench.exact
    )
    instance, done, measured = create_sampler(sampler, context), 0, 0
    while done < MOST:
        rows = evaluated(bench, instance.ask(POPULATION), accuracy, done)
        for row in rows:
            done += 1
            measured += row.values[0] is not None
            if row.is_feasible:
                return Record(sampler, seed, done, measured)
        instance.tell(rows)
    return Record(sampler, seed, None, measured)


def evaluated(
    bench: Bench, genotypes: Sequence[Genotype], accuracy: AccuracyOf, start: int
) -> list[Evaluation]:
    """Evaluations of a generation; no accuracy where the limit on latency is broken."""
    least, most = (limit.bound for limit in bench.study.limits)
    rows = []
    for row in bench.evaluations(genotypes, bench.values(genotypes, accuracy(genotypes)), start):
        acc, lat, energy = row.values
        assert acc is not None
        assert lat is not None
        known = acc if lat <= most else None
        rows.append(
            replace(
                row,
                values=(known, lat, energy),
                limited=(known, lat),
                is_feasible=known is not None and known >= least,
            )
        )
    return rows


def limited(bench: Bench) -> Bench:
    """The benchmark under `LIMITS`."""
    return replace(bench, study=replace(bench.study, constraints=LIMITS))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Raises:
        H4HError: An option has a value that is not allowed.
    """
    parser = Parser(
        prog="python -m benchmarks.search.tight_limits", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="default: %(default)s")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        raise H4HError(f"--seeds must be at least 1, but got {options.seeds}")
    bench = limited(Bench.of("cifar32", "u55-256-cim8"))
    accuracy = fit_stand_in(bench.space.networks, AccuracyTable.load()).accuracy
    records = [
        searched(bench, sampler, accuracy, seed) for sampler in SAMPLERS for seed in range(options.seeds)
    ]
    if options.json:
        print(json.dumps([asdict(record) for record in records]))
        return
    table = Table(title=f"first feasible network under {' and '.join(LIMITS)} (wanted: within {WANTED})")
    for name in ("sampler", "seeds within", "median", "most", "accuracies measured, median"):
        table.add_column(name, justify="left" if name == "sampler" else "right")
    for sampler in SAMPLERS:
        rows = [record for record in records if record.sampler == sampler]
        counts = [MOST + 1 if row.first_feasible is None else row.first_feasible for row in rows]
        within = sum(count <= WANTED for count in counts)
        most = f"more than {MOST}" if max(counts) > MOST else str(max(counts))
        measured = np.median([row.measured for row in rows])
        table.add_row(sampler, f"{within} of {len(rows)}", f"{np.median(counts):g}", most, f"{measured:g}")
    print_wide(table)


if __name__ == "__main__":
    run_command(main)
