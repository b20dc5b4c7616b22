"""Speed at which populations are costed, on one core.

    python -m benchmarks.hardware.cost_model_speed [--json]

| figure | meaning | target |
|---|---|---|
| `mapped_per_s` | subnets costed from tables, each in its fastest mapping | 1,000,000 |
| `frugal_per_s` | the same in its most frugal mapping | 1,000,000 |
| `given_per_s` | the same with a fixed mapping: all on the NPU | 2,000,000 |
| `squeezed_per_s` | subnets above the capacity of the macros, in their fastest mapping within it | 5,000 |
| `product_per_s` | subnets in the mapping with the smallest product of energy and latency | 5,000 |
| `tables_s_analytic` | time to make the tables of both mappings: costs of all pieces of the space | 2 |
| `table_s_vela` | one of them with Arm's compiler and no ops compiled yet; 0 if left out | 60 |

The first three cost subnets above the capacity of the macros as if they fitted; `fitting` is the share of
the others. The next two are measured on `--fronts` subnets not seen before, after as many others; figures
with `_first` are those of the others, with `_again` those of the same subnets again. `squeezed` is 0 where
all subnets fit. `product` leaves out subnets that the cost model maps one by one.
`mapped_speedup` is `mapped_per_s` divided by the rate of the cost model that costs `--checked` subnets one by
one and has seen none of them. Both are measured in this run, and their totals must be equal.
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
from objectives.hardware.cost_model import PJ_PER_MJ
from objectives.hardware.soc import SoC
from objectives.hardware_objectives import network_totals
from objectives.population.cost_tables import SpaceTables
from objectives.workload import ops_of, read_again, workload
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


def fronts_per_s(name: str, space: Space, tables: SpaceTables, rows: Genotypes) -> dict[str, float]:
    """Rates at which `tables` cost subnets that need fronts of segments; zero without subnets.

    Raises:
        H4HError: Tables and mapper disagree.
    """
    half = len(rows) // 2
    parts = {
        f"{name}_first_per_s": rows[:half],
        f"{name}_per_s": rows[half:],
        f"{name}_again_per_s": rows[half:],
    }
    if not half:
        return dict.fromkeys(parts, 0.0)
    rates = {key: len(part) / seconds(lambda part=part: tables.totals(part)) for key, part in parts.items()}  # type: ignore[misc]
    mapper = CostModel(tables.model.soc, tables.model.mapper.name).mapper
    steps = workload(space.decode(rows[0].tolist()))
    mapping = mapper.find(ops_of(steps), read_again(steps))
    latency_ms, energy_mj = (float(total[0]) for total in tables.totals(rows[:1]))
    model = tables.model
    if (latency_ms, energy_mj) != (mapping.cycles / model.soc.cycles_per_ms, mapping.energy_pj / PJ_PER_MJ):
        raise H4HError("fronts and mapper disagree: one of them is wrong")
    return rates


def measure(
    space: Space, soc: SoC, *, count: int, checked: int, fronts: int, seed: int, with_vela: bool
) -> dict[str, Any]:
    """All figures; rates are medians over `ROUNDS` rounds.

    Raises:
        H4HError: Tables and cost model disagree.
    """
    rows = random_genotypes(space, count, seed)
    models = {"mapped": CostModel(soc), "frugal": CostModel(soc, "energy"), "given": CostModel(soc, "npu")}
    result: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        start = time.process_time()
        both = SpaceTables.cached_each(space, [models["mapped"], models["frugal"]], Path(folder))
        result["tables_s_analytic"] = time.process_time() - start
    tables = {"mapped": both[0], "frugal": both[1], "given": SpaceTables(space, models["given"])}
    for name, table in tables.items():
        times = [seconds(lambda table=table: table.estimates(rows)) for _ in range(ROUNDS)]  # type: ignore[misc]
        result[f"{name}_per_s"] = len(rows) / median(times)
    result["fitting"] = float(both[0].suffice(rows).mean())

    few = rows[:checked]
    subnets = [space.decode(row.tolist()) for row in few]
    start = time.process_time()
    unseen = CostModel(soc)
    one_by_one = np.concatenate([network_totals(unseen, [subnet]) for subnet in subnets], axis=1)
    rate = len(few) / (time.process_time() - start)
    if not np.array_equal(one_by_one, both[0].totals(few)):
        raise H4HError("tables and cost model disagree: one of them is wrong")
    result["one_by_one_per_s"] = rate
    result["mapped_speedup"] = result["mapped_per_s"] / rate
    result["latency_correlation"] = float(np.corrcoef(one_by_one[0], both[0].estimates(few)[0])[0, 1])

    result |= fronts_per_s("squeezed", space, both[0], rows[~both[0].suffice(rows)][: 2 * fronts])
    product = SpaceTables.cached(space, CostModel(soc, "edp"))
    fits = rows[both[0].suffice(rows) & both[1].suffice(rows)]
    result |= fronts_per_s("product", space, product, fits[: 2 * fronts] if soc.cim else rows[:0])

    result["table_s_vela"] = 0.0
    if with_vela:
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
    parser.add_argument("--checked", type=int, default=500, help="subnets costed one by one (default: 500)")
    parser.add_argument(
        "--fronts", type=int, default=200, help="subnets that are mapped on fronts of segments (default: 200)"
    )
    parser.add_argument("--without-vela", action="store_true", help="leave out the compiler")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    figures = measure(
        load_space(options.space),
        load_soc(options.hardware),
        count=options.subnets,
        checked=options.checked,
        fronts=options.fronts,
        seed=options.seed,
        with_vela=not options.without_vela,
    )
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
