"""Error of the closed form of the NPU against Arm's compiler Vela.

    python -m benchmarks.hardware.npu_model_error [--json]

The sets were not used in the fit. Each is evaluated on U55-128 and U55-256 with weights in on-chip MRAM at
4 B/cycle:

| set | content | target: MAPE %, Spearman |
|---|---|---|
| ops | random ops of every kind, each between two 1x1 layers: `npu_held_out.csv` | 5, 0.997 and 7, 0.995 |
| networks | random subnets of cifar32 and imagenet224, each compiled as a whole | 3, 0.998 and 6, 0.998 |
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from benchmarks.hardware.npu_shapes import CHIPS, compiled, draw, read
from benchmarks.hardware.vela_network import network_cycles
from objectives.hardware import Op, load_soc
from objectives.workload import ops_of, workload
from search_space.arrays import Floats
from search_space.command.command_line import Parser, run_command
from search_space.space import load_space
from search_space.subnet import Subnet

SPACES = ("cifar32", "imagenet224")
HELD_OUT = Path(__file__).with_name("npu_held_out.csv")


def random_subnets(count: int, seed: int, spaces: Sequence[str] = SPACES) -> list[Subnet]:
    """`count` subnets of each space with uniformly drawn genes."""
    rng = np.random.default_rng(seed)
    loaded = [load_space(name) for name in spaces]
    return [space.decode(space.sample(rng)) for space in loaded for _ in range(count)]


def agreement(modelled: Floats, expected: Floats) -> dict[str, float]:
    """Errors in percent of `expected`, and rank correlation."""
    error = 100 * (modelled / expected - 1)
    return {
        "mape": float(np.abs(error).mean()),
        "spearman": float(spearmanr(modelled, expected).statistic),
        "median": float(np.median(np.abs(error))),
        "worst": float(np.abs(error).max()),
        "bias": float(error.mean()),
    }


def judge_ops(ops: Sequence[Op], expected: dict[str, Floats]) -> dict[str, dict[str, float]]:
    """Agreement over ops by chip."""
    return {chip: agreement(load_soc(chip).npu.cycles(ops), expected[chip]) for chip in CHIPS}


def judge_networks(subnets: Sequence[Subnet]) -> dict[str, dict[str, float]]:
    """Agreement over whole networks by chip."""
    result = {}
    for chip in CHIPS:
        npu = load_soc(chip).npu
        modelled = np.array([npu.cycles(ops_of(workload(subnet))).sum() for subnet in subnets])
        expected = np.array(
            [sum(network_cycles(subnet, npu).values()) for subnet in subnets], dtype=np.float64
        )
        result[chip] = agreement(modelled, expected)
    return result


def report(sets: dict[str, dict[str, dict[str, float]]]) -> Table:
    """Table with one row per set and chip."""
    table = Table(title="NPU closed form against Vela")
    table.add_column("set")
    table.add_column("device")
    for name in ("MAPE %", "Spearman", "median %", "worst %", "bias %"):
        table.add_column(name, justify="right")
    for name, chips in sets.items():
        for chip, figures in chips.items():
            cells = [f"{figures[key]:.2f}" for key in ("mape", "median", "worst", "bias")]
            table.add_row(name, chip, cells[0], f"{figures['spearman']:.4f}", *cells[1:])
    return table


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.hardware.npu_model_error", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument(
        "--ops", type=int, default=0, help="number of new ops to draw and compile; 0 reads the stored set"
    )
    parser.add_argument(
        "--networks", type=int, default=25, help="number of subnets of each space (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.ops:
        ops = draw(np.random.default_rng(options.seed), options.ops)
        expected = {chip: compiled(ops, chip) for chip in CHIPS}
    else:
        ops, expected = read(HELD_OUT)
    sets = {"ops": judge_ops(ops, expected)}
    if options.networks:
        subnets = random_subnets(options.networks, options.seed)
        sets["networks"] = judge_networks(subnets)
    if options.json:
        record: dict[str, Any] = {
            key: {chip: {name: chips[chip][key] for name, chips in sets.items()} for chip in CHIPS}
            for key in ("mape", "spearman", "median", "worst", "bias")
        }
        counts = {"ops": len(ops), "networks_per_space": options.networks}
        print(json.dumps({**record, "counts": counts}, indent=2))
        return
    Console().print(report(sets))


if __name__ == "__main__":
    run_command(main)
