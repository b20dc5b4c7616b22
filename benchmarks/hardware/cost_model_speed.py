"""Speed at which populations are costed, on one core.

    python -m benchmarks.hardware.cost_model_speed [--json]

| figure | meaning | target |
|---|---|---|
| `mapped_per_s` | subnets costed from tables, each in its best mapping (latency) | 100,000 |
| `given_per_s` | the same with a fixed mapping: all on the NPU | 2,000,000 |
| `table_s_analytic` | time to compute the costs of all pieces of the space on the SoC | 2 |
| `table_s_vela` | the same with Arm's compiler and an empty table of compiled ops | 60 |

`mapped_speedup` is `mapped_per_s` divided by the rate of the cost model that costs network by network and has
seen none of them. Both are measured in this run, and their totals must be equal.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from objectives.hardware import CostModel, load_soc
from objectives.hardware.soc import SoC
from objectives.hardware_objectives import network_totals
from objectives.population.cost_tables import SpaceTables
from search_space.arrays import Genotypes
from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.files.cache_folder import VARIABLE
from search_space.space import Space, load_space

ROUNDS = 5


def random_genotypes(space: Space, count: int, seed: int) -> Genotypes:
    """Uniformly drawn genotypes, not canonical, shape (count, genes)."""
    cardinalities = [gene.cardinality for gene in space.genes]
    return np.random.default_rng(seed).integers(0, cardinalities, (count, len(cardinalities)), dtype=np.int16)


def seconds(run: Callable[[], object]) -> float:
    """CPU seconds of one call, because other processes may share the core."""
    start = time.process_time()
    run()
    return time.process_time() - start


def measure(space: Space, soc: SoC, count: int, seed: int) -> dict[str, Any]:
    """All figures; rates are medians over `ROUNDS` rounds.

    Raises:
        H4HError: Tables and cost model disagree.
    """
    rows = random_genotypes(space, count, seed)
    result: dict[str, Any] = {}
    start = time.process_time()
    tables = {"mapped": SpaceTables(space, CostModel(soc))}
    result["table_s_analytic"] = time.process_time() - start
    tables["given"] = SpaceTables(space, CostModel(soc, "npu"))
    for name, table in tables.items():
        times = [seconds(lambda table=table: table.totals(rows)) for _ in range(ROUNDS)]  # type: ignore[misc]
        result[f"{name}_per_s"] = len(rows) / median(times)

    few = rows[:500]
    subnets = [space.decode(row.tolist()) for row in few]
    start = time.process_time()
    one_by_one = network_totals(CostModel(soc), subnets)
    rate = len(few) / (time.process_time() - start)
    if not np.array_equal(one_by_one, tables["mapped"].totals(few)):
        raise H4HError("tables and cost model disagree: one of them is wrong")
    result["one_by_one_per_s"] = rate
    result["mapped_speedup"] = result["mapped_per_s"] / rate

    with TemporaryDirectory() as folder:
        os.environ[VARIABLE] = folder
        start = time.process_time()
        SpaceTables(space, CostModel(soc, npu_model="vela"))
        result["table_s_vela"] = time.process_time() - start
        result["compiled_table_kib"] = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1024
    return result


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.hardware.cost_model_speed", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--space", default="cifar32")
    parser.add_argument("--hardware", default="u55-256-cim8")
    parser.add_argument("--subnets", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    figures = measure(load_space(options.space), load_soc(options.hardware), options.subnets, options.seed)
    figures = {"space": options.space, "hardware": options.hardware, "subnets": options.subnets, **figures}
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table(title=f"{options.space} on {options.hardware}, one core")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.2f}" if isinstance(value, float) else str(value))
    Console().print(table)


if __name__ == "__main__":
    run_command(main)
