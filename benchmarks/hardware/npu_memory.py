"""`sram` against the memory that Arm's compiler Vela allocates, asked and measured.

    python -m benchmarks.hardware.npu_memory [--networks 80] [--json]

Random subnets of every space and family, each compiled as a whole for the U55-128 with the scheduler's
feature `Cascading` disabled. No network was used to settle the model. Limits are the deciles of the modelled
peaks of a space: of the networks that hold one, the share is counted that the compiler fits as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from rich.table import Table
from scipy.stats import spearmanr

from benchmarks.hardware.npu_chips import ARRAY, HYBRID, SPACES, family, npu_of
from benchmarks.hardware.vela_network import compiled_network
from objectives.workload import peak_bytes, workload
from search_space.arrays import Floats
from search_space.command.command_line import Parser, check_least, run_command
from search_space.command.wide_table import print_wide

NAMES = {ARRAY: "CNNs", HYBRID: "hybrids"}
ASKED_RATIO = (0.95, 1.05)
"""Mean of `sram` over the compiler's peak."""
LEAST = {"lowest": 0.9, "spearman": 0.98, "fit": 0.98}
"""Least of other figures."""


def is_met(figures: Mapping[str, float]) -> bool:
    """Whether figures of `judge` are what was asked for."""
    low, high = ASKED_RATIO
    return low <= figures["ratio"] <= high and all(figures[name] >= least for name, least in LEAST.items())


def share_that_fits(modelled: Floats, allocated: Floats) -> float:
    """Share of (network, limit) pairs whose network holds the limit by the model and by the compiler."""
    limits = np.quantile(modelled, np.linspace(0.1, 0.9, 9))
    holds = modelled[:, None] <= limits
    return float((allocated[:, None] <= limits)[holds].mean())


def judge(networks: int, seed: int) -> dict[str, dict[str, float]]:
    """Figures by space and family."""
    result = {}
    for space in SPACES:
        for kind in (ARRAY, HYBRID):
            subnets = family(networks, seed, kind, [space])
            modelled = np.array([peak_bytes(workload(subnet)) for subnet in subnets], dtype=np.float64)
            allocated = np.array(
                [compiled_network(subnet, npu_of("u55-128")).sram_bytes for subnet in subnets],
                dtype=np.float64,
            )
            ratio = modelled / allocated
            result[f"{space}, {NAMES[kind]}"] = {
                "count": len(subnets),
                "ratio": float(ratio.mean()),
                "lowest": float(ratio.min()),
                "highest": float(ratio.max()),
                "spearman": float(spearmanr(modelled, allocated).statistic),
                "fit": share_that_fits(modelled, allocated),
            }
    return result


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.hardware.npu_memory", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument(
        "--networks",
        type=int,
        default=80,
        help="number of subnets of each space and family (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    check_least(options, networks=2)
    figures = judge(options.networks, options.seed)
    if options.json:
        print(json.dumps({name: {**one, "met": is_met(one)} for name, one in figures.items()}, indent=2))
        return
    table = Table(title="`sram` / peak of Vela")
    table.add_column("networks")
    for name in ("count", "mean", "lowest", "highest", "Spearman", "fit %", "met"):
        table.add_column(name, justify="right")
    table.add_row("asked", ">= 300", "0.95-1.05", ">= 0.9", "", ">= 0.98", ">= 98", "")
    for name, one in figures.items():
        table.add_row(
            name,
            f"{one['count']:.0f}",
            f"{one['ratio']:.3f}",
            f"{one['lowest']:.3f}",
            f"{one['highest']:.3f}",
            f"{one['spearman']:.4f}",
            f"{100 * one['fit']:.1f}",
            "yes" if is_met(one) else "no",
        )
    print_wide(table)


if __name__ == "__main__":
    run_command(main)
