"""Share of networks that exceed a chip's memories, and weight stores and spilling against Arm's compiler.

    python -m benchmarks.hardware.memory_fit [--networks 20000] [--compiled 16] [--json]

1. Random networks of every space: how many need more SRAM, or a larger weight store, than `u55-256` has.
2. Cycles of random networks with weights in each store, closed form against the compiler.
3. Chains of three convolutions that exceed 1 MiB of SRAM: cycles that the model of spilling adds, against
   those that the compiler adds where maps may lie in DRAM (memory mode Dedicated_Sram with 1 MiB of SRAM).
   Only such chains are compared, because the compiler moves maps of attention to DRAM that would fit.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
from rich.table import Table
from scipy.stats import spearmanr

from benchmarks.hardware.npu_chips import SPACES, npu_of, random_subnets
from benchmarks.hardware.vela_network import network_cycles
from objectives.hardware import Op, load_soc
from objectives.hardware.npu_passes.live_memory import op_bytes
from objectives.hardware.npu_passes.spilt_maps import spilt_bytes
from objectives.hardware.vela_compiler.tflite import Graph
from objectives.hardware.vela_compiler.vela import IN_PLACE, VelaTarget, compiled, system_configuration
from objectives.population.size_tables import SizeTables
from objectives.workload import ops_of, workload
from search_space.command.command_line import Parser, check_least, run_command
from search_space.command.wide_table import print_wide
from search_space.space import load_space

CHIP = "u55-256"
STORES = ("u55-256", "u55-256-background", "u55-256-flash")
SRAM = 1 << 20
CHAINS = (
    (96, 24, 96, 3, 2),
    (112, 16, 80, 5, 2),
    (104, 16, 80, 3, 2),
    (96, 24, 144, 3, 2),
    (96, 24, 192, 3, 1),
    (64, 32, 192, 3, 1),
)
"""Side, channels, inner channels, kernel and stride of expand, depthwise and project."""
BANDWIDTHS = (1.0, 7.5)
"""B/cycle of the DRAM: 0.5 GB/s at 500 MHz, and the 3.75 GB/s of Vela's preset Ethos_U65_Mid_End."""
LATENCY = 64


def shares(networks: int, seed: int) -> dict[str, dict[str, float]]:
    """Share of random networks that exceed each memory of `CHIP`, by space."""
    memory = load_soc(CHIP).memory
    store = memory.weight_store
    assert store is not None
    result = {}
    for name in SPACES:
        space, rng = load_space(name), np.random.default_rng(seed)
        sizes = SizeTables(space)(np.array([space.sample(rng) for _ in range(networks)]))
        above = {
            "sram": sizes["sram"] > memory.sram_bytes,
            "store": sizes["params"] > store.capacity_bytes,
        }
        result[name] = {
            **{memory_name: float(is_above.mean()) for memory_name, is_above in above.items()},
            "either": float((above["sram"] | above["store"]).mean()),
            "largest_kib": float(sizes["sram"].max()) / 1024,
        }
    return result


def stores(networks: int, seed: int) -> dict[str, dict[str, float]]:
    """Mean error in % and rank correlation of the cycles of random networks, by weight store."""
    subnets = random_subnets(networks, seed)
    result = {}
    for name in STORES:
        npu = npu_of(name)
        modelled = np.array([npu.cycles(ops_of(workload(subnet))).sum() for subnet in subnets])
        expected = np.array([sum(network_cycles(subnet, npu).values()) for subnet in subnets])
        error = 100 * np.abs(modelled / expected - 1)
        result[name] = {
            "count": len(subnets),
            "error": float(error.mean()),
            "worst": float(error.max()),
            "spearman": float(spearmanr(modelled, expected).statistic),
        }
    return result


def chains() -> list[dict[str, float]]:
    """Cycles that spilling adds to each of `CHAINS`, by the compiler and by the model."""
    result = []
    for side, channels, inner, kernel, stride in CHAINS:
        out = -(-side // stride)
        ops = (
            Op("conv2d", side, side, channels, inner),
            Op("depthwise", side, side, inner, inner, kernel, stride),
            Op("conv2d", out, out, inner, channels),
        )
        spilt = sum(spilt_bytes(op, 0, SRAM) for op in ops)
        for bandwidth in BANDWIDTHS:
            inside, outside = (
                _chain_cycles(side, channels, inner, kernel, stride, bandwidth, in_dram=in_dram)
                for in_dram in (False, True)
            )
            result.append(
                {
                    "side": side,
                    "inner": inner,
                    "peak_kib": max(map(op_bytes, ops)) / 1024,
                    "bandwidth": bandwidth,
                    "cycles": inside,
                    "compiler": outside - inside,
                    "model": 2 * spilt / bandwidth,
                }
            )
    return result


def _chain_cycles(
    side: int, channels: int, inner: int, kernel: int, stride: int, bandwidth: float, *, in_dram: bool
) -> int:
    """The compiler's cycles of a chain with weights in DRAM, and maps in SRAM or, beyond 1 MiB, in DRAM."""
    graph = Graph()
    graph.owner = "chain"
    x = graph.conv2d(graph.input(1, side, side, channels), channels)
    x = graph.depthwise(graph.conv2d(x, inner), kernel=kernel, stride=stride)
    options = IN_PLACE
    if in_dram:
        options = options.replace("arena_size_limit=1073741824", f"arena_size_limit={SRAM}")
    target = _with_dram(bandwidth, in_dram=in_dram)
    return sum(compiled(graph, [graph.conv2d(x, channels)], target, options).cycles.values())


def _with_dram(bandwidth: float, *, in_dram: bool) -> VelaTarget:
    """The compiler's configuration of `CHIP` with DRAM in place of its weight store."""
    target = system_configuration(npu_of(CHIP))
    system = re.sub(r"OnChipFlash_.*\n", "", target.system)
    system = system.replace("axi1_port=OnChipFlash", "axi1_port=Dram")
    dram = [f"Dram_clock_scale={bandwidth / 8}", "Dram_burst_length=64"]
    dram += [f"Dram_{way}_latency={LATENCY}\nDram_max_{way}s=4" for way in ("read", "write")]
    system = system.replace("[Memory_Mode", "\n".join([*dram, "[Memory_Mode"]))
    if in_dram:
        system = system.replace("arena_mem_area=Axi0", "arena_mem_area=Axi1") + f"arena_cache_size={SRAM}\n"
    return replace(target, system=system)


def _table(title: str, header: str, rows: list[list[str]]) -> Table:
    table = Table(title=title)
    for index, name in enumerate(header.split("|")):
        table.add_column(name, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    return table


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.hardware.memory_fit", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--networks",
        type=int,
        default=20_000,
        help="number of random networks of each space whose sizes are compared (default: %(default)s)",
    )
    parser.add_argument(
        "--compiled",
        type=int,
        default=16,
        help="number of networks of each space that are compiled, per weight store (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    check_least(options, networks=1, compiled=2)
    figures: dict[str, Any] = {
        "shares": shares(options.networks, options.seed),
        "stores": stores(options.compiled, options.seed),
        "chains": chains(),
    }
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    rows = [
        [
            name,
            *(f"{100 * one[key]:.1f}" for key in ("sram", "store", "either")),
            f"{one['largest_kib']:,.1f}",
        ]
        for name, one in figures["shares"].items()
    ]
    header = "space|above SRAM, %|above weight store, %|either, %|largest peak of SRAM, KiB"
    title = f"share of {options.networks:,} random networks that exceed the memories of {CHIP}"
    print_wide(_table(title, header, rows))
    rows = [
        [
            name,
            f"{one['count']}",
            *(f"{one[key]:.2f}" for key in ("error", "worst")),
            f"{one['spearman']:.4f}",
        ]
        for name, one in figures["stores"].items()
    ]
    print_wide(
        _table(
            "cycles by the closed form against the compiler",
            "chip|networks|mean error, %|worst, %|Spearman",
            rows,
        )
    )
    rows = [
        [
            f"{one['side']} x {one['side']}, {one['inner']}",
            f"{one['peak_kib']:,.0f}",
            f"{one['bandwidth']:g}",
            *(f"{one[key] / 1e3:,.0f}" for key in ("cycles", "compiler", "model")),
        ]
        for one in figures["chains"]
    ]
    header = (
        "map, inner channels|peak, KiB|DRAM, B/cycle|all in SRAM|spilling adds: compiler|spilling adds: model"
    )
    print_wide(_table("thousands of cycles of three layers with 1 MiB of SRAM", header, rows))


if __name__ == "__main__":
    run_command(main)
