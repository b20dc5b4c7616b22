"""Macros of the built-in chips beside published ones and beside ZigZag's mappings.

    python -m benchmarks.hardware.macro_check [--json]

First table: energy efficiency and throughput of one macro on a large dense layer, beside published macros
that store 8-bit weights in MRAM. A figure of a macro counts its arithmetic, weight reads and buffer, and
its leakage while busy; no transfers and no NPU.

Second table: the loop nest of a unit of `u55-256-cim8` beside the mapping that zigzag-dse 3.9.1 finds for the
same structure (16 lanes over the products, 32 accumulators, a weight register of 128 B filled by 128 B
words of 235.52 pJ, inputs of 0.2 pJ/B, partial sums not to leave the accumulators; engine loma, lowest
energy). Its answers are in zigzag_nests.csv.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from objectives.hardware import Op, SoC, load_soc
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.cim import NearMemory
from objectives.hardware.parts.loop_nest import Nest, Share, best_nest
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide

CHIPS = ("u55-256-cim8", "u55-256-cim8x4", "u55-256-tiles8")

LAYERS = (
    Op("linear", 1024, 1, 128, 32),
    Op("linear", 1024, 1, 512, 32),
    Op("conv2d", 32, 32, 32, 32, kernel=3),
    Op("depthwise", 32, 32, 32, 32, kernel=3),
)
"""Large layers of one macro: dense ones with few and many products, overlapping windows, depthwise."""

PUBLISHED = (
    ("MRAM near-memory macro with adder tree (X. Yang et al., 2025)", "6.164", ""),
    ("Siracusa, 16 nm, engine at 4 MB of MRAM (arXiv 2312.14750)", "8.84 peak", "21.8 per 128 KiB"),
    ("64 kb digital STT-MRAM in-array macro, 40 nm (Nat. Electron. s41928-025-01479-y)", "28.1", ""),
    ("2 Mb STT-MRAM in-array macro, 28 nm (ISSCC 2023 33.4)", "22.4-41.5", ""),
    ("4 Mb STT-MRAM near-memory macro, 22 nm (ISSCC 2022, quoted elsewhere)", "25.1-55.1", ""),
    ("8 Mb STT-MRAM near-memory macro, 22 nm (ISSCC 2023 33.1)", "46.4-160.1", ""),
)
"""Macros with 8-bit weights: name, TOPS/W, GOP/s where it is known for a size."""


def efficiency(soc: SoC, op: Op) -> dict[str, float]:
    """TOPS/W and GOP/s of one macro on `op`, two operations a multiply-accumulate."""
    assert soc.cim is not None
    cost = soc.cim.cost(OpArrays.of([op]), np.ones(1), soc.clock_mhz)
    cycles = float(cost.cycles[0])
    leakage = soc.picojoules_per_cycle(soc.cim.leakage.value) * cycles
    picojoules = float(cost.mac_pj[0] + cost.read_pj[0] + cost.buffer_pj[0]) + leakage
    return {
        "tops_per_watt": 2.0 * op.macs / picojoules,
        "gops": 2.0 * op.macs / cycles * soc.clock_mhz * 1e-3,
    }


def nests() -> list[dict[str, float]]:
    """Energies in pJ and cycles of the model's nest and of ZigZag's mapping, layer by layer."""
    cim = load_soc("u55-256-cim8").cim
    assert isinstance(cim, NearMemory)
    structure = replace(cim.structure(500.0), word_cycles=1.5)
    records = []
    with (Path(__file__).parent / "zigzag_nests.csv").open() as file:
        for row in csv.DictReader(file):
            positions, products, channels = (
                np.array([float(row[name])]) for name in ("positions", "products", "channels")
            )
            one = np.ones(1)
            share = Share(positions, products, channels, one, one, one, positions, one < 0, positions)
            nest: Nest = best_nest(structure, share)
            records.append(
                {
                    **{name: float(value) for name, value in row.items()},
                    "own_weight_pj": float(nest.reads[0] * structure.word_pj),
                    "own_input_pj": float(nest.input_bytes[0] * structure.input_pj),
                    "own_cycles": float(nest.cycles[0]),
                }
            )
    return records


def measure() -> dict[str, Any]:
    """Everything that the command prints."""
    chips = {name: load_soc(name) for name in CHIPS}
    return {
        "macros": [
            {"hardware": name, "layer": f"{op.kind} {op.shape}", **efficiency(soc, op)}
            for name, soc in chips.items()
            for op in LAYERS
        ],
        "zigzag": nests(),
    }


def main() -> None:
    """Runs the command."""
    parser = Parser(prog="python -m benchmarks.hardware.macro_check", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    figures = measure()
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table(title="one macro at 8 bit, two operations a multiply-accumulate", title_justify="left")
    for column in ("macro", "layer"):
        table.add_column(column)
    for column in ("TOPS/W", "GOP/s"):
        table.add_column(column, justify="right")
    for record in figures["macros"]:
        rates = (f"{record['tops_per_watt']:.1f}", f"{record['gops']:.1f}")
        table.add_row(record["hardware"], record["layer"], *rates)
    for name, tops, gops in PUBLISHED:
        table.add_row(name, "as published", tops, gops)
    print_wide(table)
    table = Table(title="reads and inputs of the loop nest beside ZigZag's mapping", title_justify="left")
    for column in ("positions", "products", "channels", "pJ", "pJ of ZigZag", "cycles", "cycles of ZigZag"):
        table.add_column(column, justify="right")
    for record in figures["zigzag"]:
        own = record["own_weight_pj"] + record["own_input_pj"]
        other = record["weight_pj"] + record["input_pj"]
        numbers = (own, other, record["own_cycles"], record["cycles"])
        shape = (f"{record[name]:.0f}" for name in ("positions", "products", "channels"))
        table.add_row(*shape, *(f"{number:,.0f}" for number in numbers))
    print_wide(table)


if __name__ == "__main__":
    run_command(main)
