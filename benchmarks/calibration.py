"""What the built-in macros are worth, on random subnets: `python -m benchmarks.calibration [--json]`.

Compares u55-256-cim8 and u55-256-cim8x4 with u55-256 alone. Targets from the H4H paper (ASP-DAC 2025), which
compares searched networks at equal accuracy: 8 macros latency -22 % mean, -56 % most, energy -12 % and -33 %;
with four compute units energy -19 % and -42 %. From them follow, see docs/hardware.md: a macro is worth 4 to
16 % of the NPU, and an operation on it takes 0.4 to 0.7 of the NPU's energy.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from objectives.hardware import CostModel, Op, load_soc
from objectives.hardware.cim import RUNS
from objectives.hardware.mapping import schema_costs
from objectives.hardware.op import OpArrays
from objectives.workload import ops_of, workload
from search_space.command_line import Parser, run_command
from search_space.space import Space, load_space

REFERENCE = "u55-256"
CHIPS = ("u55-256-cim8", "u55-256-cim8x4")


def random_networks(space: Space, count: int, seed: int) -> list[tuple[Op, ...]]:
    """Workloads of `count` subnets, genes drawn uniformly."""
    rng = np.random.default_rng(seed)
    return [ops_of(workload(space.decode(space.sample(rng)))) for _ in range(count)]


def compare(chip: str, networks: Sequence[Sequence[Op]]) -> dict[str, Any]:
    """Figures of one chip against the NPU alone; ratios and shares, none in percent."""
    soc = load_soc(chip)
    alone = CostModel(load_soc(REFERENCE)).totals(networks)
    model = CostModel(soc)
    start = time.perf_counter()
    both = model.totals(networks)
    cold_s = time.perf_counter() - start
    start = time.perf_counter()
    model.totals(networks)
    warm_s = time.perf_counter() - start
    latency, energy = (1 - both[index] / alone[index] for index in (0, 1))

    movable = OpArrays.of([op for ops in networks for op in ops if op.kind in RUNS])
    npu = schema_costs(movable, movable.out_channels, soc)
    cim = schema_costs(movable, np.zeros(len(movable)), soc)
    npu_cycles = sum(float(soc.npu.cycles(ops).sum()) for ops in networks)
    assert soc.cim is not None
    return {
        "hardware": chip,
        "latency_saved": {"mean": latency.mean(), "max": latency.max(), "min": latency.min()},
        "energy_saved": {"mean": energy.mean(), "max": energy.max(), "min": energy.min()},
        "movable_share_of_npu_time": npu.cycles.sum() / npu_cycles,
        "macro_worth": npu.cycles.sum() / cim.cycles.sum() / soc.cim.macros.value,
        "energy_per_op_ratio": cim.energy_pj.sum() / npu.energy_pj.sum(),
        "subnets_per_s_cold": len(networks) / cold_s,
        "subnets_per_s_warm": len(networks) / warm_s,
    }


def main() -> None:
    """Prints the comparison."""
    parser = Parser(prog="python -m benchmarks.calibration", description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="cifar32")
    parser.add_argument("--subnets", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    networks = random_networks(load_space(options.space), options.subnets, options.seed)
    records = [compare(chip, networks) for chip in CHIPS]
    if options.json:
        print(json.dumps({"space": options.space, "subnets": options.subnets, "chips": records}, indent=2))
        return
    table = Table(title=f"{options.subnets} random subnets of {options.space}, against {REFERENCE} alone")
    table.add_column("")
    for record in records:
        table.add_column(record["hardware"], justify="right")
    for name in ("latency_saved", "energy_saved"):
        for part in ("mean", "max", "min"):
            table.add_row(f"{name} {part}", *(f"{record[name][part]:.1%}" for record in records))
    for name in ("movable_share_of_npu_time", "macro_worth", "energy_per_op_ratio"):
        table.add_row(name, *(f"{record[name]:.3f}" for record in records))
    for name in ("subnets_per_s_cold", "subnets_per_s_warm"):
        table.add_row(name, *(f"{record[name]:,.0f}" for record in records))
    Console().print(table)


if __name__ == "__main__":
    run_command(main)
