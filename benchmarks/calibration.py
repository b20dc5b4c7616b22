"""What macros are worth, on random subnets: `python -m benchmarks.calibration [--space NAME] [--json]`.

Compares 1, 2, 4 and 8 macros, and 8 of four compute units, with u55-256 alone. Targets from the H4H paper
(ASP-DAC 2025), which compares searched networks at equal accuracy: 8 macros latency -22 % mean, -56 % most,
energy -12 % and -33 %; with four compute units energy -19 % and -42 %. From them follow, see
docs/hardware.md: a macro is worth 4 to 16 % of the NPU, and an operation on it takes 0.4 to 0.7 of it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.table import Table

from objectives.hardware import MAPPINGS, CostModel, load_soc
from objectives.hardware.cim import RUNS
from objectives.hardware.placement import op_costs
from objectives.hardware.schema import shares
from objectives.hardware_cost import network_totals
from objectives.workload import ops_of, workload
from search_space.command_line import Parser, run_command
from search_space.space import Space, load_space
from search_space.subnet import Subnet
from search_space.wide_table import print_wide

REFERENCE = "u55-256"
CHIPS = ("u55-256-cim1", "u55-256-cim2", "u55-256-cim4", "u55-256-cim8", "u55-256-cim8x4")


def random_subnets(space: Space, count: int, seed: int) -> list[Subnet]:
    """`count` subnets, genes drawn uniformly."""
    rng = np.random.default_rng(seed)
    return [space.decode(space.sample(rng)) for _ in range(count)]


def compare(chip: str, subnets: Sequence[Subnet], mapping: str) -> dict[str, Any]:
    """Figures of one chip against the NPU alone; ratios and shares, none in percent."""
    soc = load_soc(chip)
    reference = load_soc(REFERENCE)
    alone = network_totals(CostModel(reference), subnets)
    start = time.process_time()
    both = network_totals(CostModel(soc, mapping), subnets)
    seconds = time.process_time() - start
    latency, energy = (1 - both[index] / alone[index] for index in (0, 1))

    counts = Counter(op for subnet in subnets for op in ops_of(workload(subnet)))
    npu_cycles = cim_cycles = npu_pj = cim_pj = 0.0
    every_cycles = sum(count * float(soc.npu.cycles([op])[0]) for op, count in counts.items())
    movable = [op for op in counts if op.kind in RUNS]
    for op, table in zip(movable, shares(movable, soc, "cim"), strict=True):
        cost = op_costs(None, table, soc)
        on_cim, on_npu = cost.at(-1, 0, 0, 0), cost.at(-1, 0, 1, 0)
        npu_cycles += counts[op] * on_npu["npu_cycles"]
        cim_cycles += counts[op] * (on_cim["transfer_cycles"] + on_cim["cim_cycles"] + on_cim["tail_cycles"])
        npu_pj += counts[op] * _energy(on_npu)
        cim_pj += counts[op] * _energy(on_cim)
    return {
        "hardware": chip,
        "latency_saved": {"mean": latency.mean(), "max": latency.max(), "min": latency.min()},
        "energy_saved": {"mean": energy.mean(), "max": energy.max(), "min": energy.min()},
        "movable_share_of_npu_time": npu_cycles / every_cycles,
        "macro_worth": npu_cycles / cim_cycles / soc.macros,
        "energy_per_op_ratio": cim_pj / npu_pj,
        "cpu_seconds": seconds,
    }


def _energy(numbers: dict[str, float]) -> float:
    return sum(numbers[f"{part}_pj"] for part in ("mac", "sram", "mram", "noc", "static"))


def main() -> None:
    """Prints the comparison."""
    parser = Parser(prog="python -m benchmarks.calibration", description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="cifar32")
    parser.add_argument("--subnets", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mapping", choices=MAPPINGS[:3], default="latency")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    subnets = random_subnets(load_space(options.space), options.subnets, options.seed)
    records = [compare(chip, subnets, options.mapping) for chip in CHIPS]
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
    print_wide(table)


if __name__ == "__main__":
    run_command(main)
