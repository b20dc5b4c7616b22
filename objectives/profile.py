"""Command that prints latency and energy per op of one subnet, or of a TensorFlow Lite file.

    python -m objectives.profile --space cifar32 --subnet max --hardware u55-256-cim8 [--plot FILE.png]
    python -m objectives.profile --tflite FILE --hardware u55-256-cim8

`--subnet` is `max`, `min`, or a genotype: gene indices joined by commas.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from objectives.hardware import MAPPINGS, CostModel, NetworkCost, SoC, load_soc, variant
from objectives.hardware.chip_options import add_hardware_options
from objectives.hardware.cost_model import COST_SCOPE
from objectives.hardware.frame_rate import MS_PER_S, Throughput, average_mw, sleep_mw, throughput
from objectives.hardware.measured_share import (
    ORIGIN_NAMES,
    Origins,
    measured_origins,
    shares_text,
    unused_rows_notes,
)
from objectives.hardware.npu_model import known_npu_models
from objectives.hardware.vela_compiler.vela import VelaError
from objectives.hardware_objectives import mapped_totals
from objectives.workload import Step, ops_of, peak_bytes, read_again, spilt_bytes, workload
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.errors import H4HError
from search_space.files.figure_file import check_figure_path, save_figure
from search_space.space import load_space

if TYPE_CHECKING:
    from objectives.tflite_network.network import TfliteNetwork

SPACE, SUBNET = "cifar32", "max"
"""Space and subnet by default."""

OriginsByName = Mapping[str, Origins]
"""Result of `measured_origins`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Raises:
        H4HError: Unknown space, subnet or hardware.
    """
    parser = Parser(
        prog="python -m objectives.profile",
        description="Print latency and energy per op of a subnet, or of a TensorFlow Lite file.",
    )
    parser.add_argument("--space", help=f"name or YAML file of the search space (default: {SPACE})")
    parser.add_argument(
        "--subnet", help=f"max, min, or a genotype: gene indices joined by commas (default: {SUBNET})"
    )
    parser.add_argument(
        "--tflite", type=Path, metavar="FILE", help="int8 TensorFlow Lite file to cost instead of a subnet"
    )
    add_hardware_options(parser)
    parser.add_argument(
        "--npu-model",
        default="analytic",
        help=f"model of the NPU's cycles: {' or '.join(known_npu_models())} (default: %(default)s)",
    )
    parser.add_argument(
        "--mapping",
        choices=MAPPINGS,
        default="latency",
        help="cost that the mapping minimises, or force one device (npu, cim) (default: %(default)s)",
    )
    parser.add_argument(
        "--spill",
        action="store_true",
        help="add the cost of activations that exceed the SRAM, by their traffic to the weight store",
    )
    parser.add_argument(
        "--fps",
        type=float,
        metavar="RATE",
        help="frames per second, for which to print the average power",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="file for a figure of time, utilisation, rooflines and energy: .png, .svg or .pdf",
    )
    options = parser.parse_args(arguments)
    if options.plot is not None:
        check_figure_path(options.plot)

    if options.fps is not None and not 0 < options.fps < math.inf:
        raise H4HError(f"--fps must be a positive number, but got {options.fps:g}")
    if options.tflite is not None and (options.space or options.subnet):
        raise H4HError("--tflite takes the place of --space and --subnet; give one or the other")
    soc = variant(load_soc(options.hardware), macros=options.macros, units=options.units)
    network = None if options.tflite is None else _tflite_network(options.tflite, soc)
    if network is not None:
        names: dict[str, Any] = {"tflite": str(options.tflite)}
        steps = network.steps
    else:
        space = load_space(options.space or SPACE)
        genotype = space.parse(options.subnet or SUBNET)
        subnet = space.decode(genotype)
        names = {"space": space.name, "genotype": genotype, "subnet": str(subnet)}
        steps = workload(subnet)
    costs = CostModel(soc, options.mapping, npu_model=options.npu_model, spill=options.spill)
    cost = costs.network(ops_of(steps), read_again(steps))
    if options.plot is not None:
        from objectives.timeline import figure_of

        save_figure(figure_of(steps, cost, costs), options.plot)
    origins = measured_origins(costs, ops_of(steps), cost.ops)
    if options.json:
        record = profile_record(steps, cost, soc, origins) | spill_record(steps, cost, costs)
        record |= frames_record(steps, cost, costs, options.fps)
        if network is not None:
            record |= tflite_record(network, costs)
        print(json.dumps({**names, **record}, indent=2))
        return
    print(
        ": ".join(map(str, (options.tflite,) if network is not None else (names["space"], names["subnet"])))
    )
    print_wide(profile_table(steps, cost, soc, origins))
    print(totals_text(steps, cost, soc))
    for line in memory_lines(steps, cost, costs):
        print(line)
    for line in frames_lines(steps, cost, costs, options.fps):
        print(line)
    print(COST_SCOPE)
    if network is not None:
        print("\n".join(tflite_lines(network, costs)))
    for name, measured in origins.items():
        print(f"{name}: {shares_text(measured.shares) or 'no op on the device'}")
    for line in unused_rows_notes(soc):
        print(line)


def _tflite_network(path: Path, soc: SoC) -> TfliteNetwork:
    """The network of `path` for a chip with an NPU."""
    if not soc.has_npu:
        raise H4HError(
            f"--tflite needs a chip with an NPU, but hardware {soc.name!r} has none; use one that has, such "
            f"as u55-256-cim8"
        )
    from objectives.tflite_network.network import read_network

    return read_network(path)


def profile_record(
    steps: Sequence[Step], cost: NetworkCost, soc: SoC, origins: OriginsByName = MappingProxyType({})
) -> dict[str, Any]:
    """Plain data of everything in the table, and the energy by part.

    Args:
        steps: The network.
        cost: Its cost.
        soc: The chip.
        origins: Result of `measured_origins`.
    """
    return {
        "hardware": soc.name,
        "latency_ms": cost.latency_ms,
        "energy_mj": cost.energy_mj,
        "macs": sum(step.op.macs for step in steps),
        "sram_bytes": peak_bytes(steps),
        "cim_weight_bytes": cost.cim_weight_bytes,
        "macros": cost.macros,
        "deployment_s": cost.deployment_s,
        "deployment_mj": cost.deployment_mj,
        "cim_capacity_bytes": int(soc.cim.capacity_bytes) if soc.cim is not None else 0,
        "ops": [
            {
                "name": step.name,
                **asdict(step.op),
                "macs": step.op.macs,
                "weight_bytes": step.op.weight_bytes,
                "live_bytes": step.live_bytes,
                **asdict(op_cost),
                "cycles": op_cost.cycles,
                "energy_pj": op_cost.energy_pj,
                **{
                    f"{name.lower().replace(' ', '_')}_from": _origin_text(measured, index) or None
                    for name, measured in origins.items()
                },
            }
            for index, (step, op_cost) in enumerate(zip(steps, cost.ops, strict=True))
        ],
    }


def profile_table(
    steps: Sequence[Step], cost: NetworkCost, soc: SoC, origins: OriginsByName = MappingProxyType({})
) -> Table:
    """Table with one row per op: thousands of NPU cycles, energy in nJ, KiB of SRAM alive while it runs.

    A `*` marks the ops that need the most memory. Arguments as for `profile_record`.
    """
    table = Table(title=f"{soc.name}: {soc.description}", title_justify="left")
    for column in ("op", "kind", "shape", "schema", "split", "output", "bound"):
        table.add_column(column, no_wrap=True)
    for column in ("kMAC", "NPU kcyc", "CIM kcyc", "transfer kcyc", "total kcyc", "energy nJ", "SRAM KiB"):
        table.add_column(column, justify="right", no_wrap=True)
    for name in origins:
        table.add_column(f"{name} from", no_wrap=True)
    peak = peak_bytes(steps)
    for index, (step, op_cost) in enumerate(zip(steps, cost.ops, strict=True)):
        table.add_row(
            step.name,
            step.op.kind,
            step.op.shape,
            op_cost.schema,
            op_cost.split,
            op_cost.placement,
            op_cost.bound,
            _number(step.op.macs / 1e3),
            _number((op_cost.npu_cycles + op_cost.tail_cycles) / 1e3),
            _number(op_cost.cim_cycles / 1e3),
            _number(op_cost.transfer_cycles / 1e3),
            f"{op_cost.cycles / 1e3:,.1f}",
            f"{op_cost.energy_pj / 1e3:,.1f}",
            f"{step.live_bytes / 1024:,.1f}{'*' if step.live_bytes == peak else ' '}",
            *(_origin_text(measured, index) for measured in origins.values()),
        )
    return table


def totals_text(steps: Sequence[Step], cost: NetworkCost, soc: SoC) -> str:
    """Totals of the network in one or two lines."""
    text = (
        f"latency {cost.latency_ms:.3f} ms at {soc.clock_mhz:g} MHz, energy {cost.energy_mj * 1e3:.3f} uJ, "
        f"{sum(step.op.macs for step in steps) / 1e6:.2f} MMAC, peak SRAM {peak_bytes(steps) / 1024:.1f} KiB"
    )
    if soc.cim is None:
        return text
    capacity = soc.cim.capacity_bytes
    return (
        f"{text}\n{cost.macros} macros: {cost.cim_weight_bytes / 1024:.1f} of {capacity / 1024:.0f} KiB "
        f"of weights; writing them once takes {cost.deployment_s * 1e3:.1f} ms "
        f"and {cost.deployment_mj:.3f} mJ"
    )


def spill_record(steps: Sequence[Step], cost: NetworkCost, costs: CostModel) -> dict[str, Any]:
    """Plain data of the activations beyond the SRAM; empty where they are not costed."""
    if costs.spill is None:
        return {}
    latency_ms, energy_mj = mapped_totals(costs, steps, cost)
    return {
        "spilt_bytes": int(spilt_bytes(steps, costs.spill.sram_bytes)),
        "latency_with_spill_ms": latency_ms,
        "energy_with_spill_mj": energy_mj,
    }


def memory_lines(steps: Sequence[Step], cost: NetworkCost, costs: CostModel) -> Iterator[str]:
    """Lines that say which memory of the chip the network exceeds, and what spilling costs."""
    memory, peak = costs.soc.memory, peak_bytes(steps)
    if peak > memory.sram_bytes:
        yield (
            f"does not fit: {peak / 1024:.1f} KiB of activations, {memory.sram_bytes / 1024:g} KiB of SRAM"
            f"{'' if costs.spill is not None else '; --spill adds the cost of the rest'}"
        )
    store = memory.weight_store if costs.soc.has_npu else None
    weights = sum(step.op.weight_bytes for step in steps)
    if store is not None and weights > store.capacity_bytes:
        yield (
            f"does not fit: {weights / 1024:,.0f} KiB of weights, {store.capacity_bytes / 1024:g} KiB of "
            f"weight store"
        )
    if costs.spill is not None:
        latency_ms, energy_mj = mapped_totals(costs, steps, cost)
        spilt = spilt_bytes(steps, costs.spill.sram_bytes)
        yield (
            f"spilt: {spilt / 1024:.1f} KiB over all ops; with them latency {latency_ms:.3f} ms, energy "
            f"{energy_mj * 1e3:.3f} uJ"
        )


def _frames(steps: Sequence[Step], cost: NetworkCost, costs: CostModel) -> Throughput:
    spilt = 0.0 if costs.spill is None else spilt_bytes(steps, costs.spill.sram_bytes)
    return throughput(cost, costs, spilt)


def frames_record(
    steps: Sequence[Step], cost: NetworkCost, costs: CostModel, fps: float | None
) -> dict[str, Any]:
    """Plain data of frames per second, and of the power at a frame rate, if one is given."""
    frames = _frames(steps, cost, costs)
    record: dict[str, Any] = {
        "busy_ms": frames.busy_ms,
        "sequential_fps": frames.sequential_fps,
        "pipelined_fps": frames.pipelined_fps,
        "frames_in_flight": frames.frames_in_flight,
        "sleep_mw": sleep_mw(costs.soc),
    }
    if fps is None:
        return record
    latency_ms, energy_mj = mapped_totals(costs, steps, cost)
    power = average_mw(costs.soc, np.array(latency_ms), np.array(energy_mj), fps)
    is_kept = latency_ms * fps <= MS_PER_S
    return record | {"fps": fps, "power_mw": float(power) if is_kept else None}


def frames_lines(
    steps: Sequence[Step], cost: NetworkCost, costs: CostModel, fps: float | None
) -> Iterator[str]:
    """Lines about frames per second, and about the power at a frame rate, if one is given."""
    frames, record = _frames(steps, cost, costs), frames_record(steps, cost, costs, fps)
    pipelined = ""
    if frames.frames_in_flight > 1:
        kib = frames.frames_in_flight * peak_bytes(steps) / 1024
        pipelined = (
            f"; pipelined {frames.pipelined_fps:,.1f} with {frames.frames_in_flight} frames in flight and up "
            f"to {kib:,.1f} KiB of SRAM, limited by the {frames.bottleneck}"
        )
    yield f"frames/s: {frames.sequential_fps:,.1f} one after the other{pipelined}"
    if fps is None:
        return
    power = record["power_mw"]
    if power is None:
        yield f"at {fps:g} frames/s: an inference takes longer than a frame"
        return
    yield (
        f"at {fps:g} frames/s: {power:.3f} mW on average; {record['sleep_mw']:.3f} mW while the chip sleeps "
        f"between frames"
    )


def _origin_text(measured: Origins, index: int) -> str:
    origin = measured.of_ops[index]
    return "" if origin is None else ORIGIN_NAMES[origin]


def _number(value: float) -> str:
    return f"{value:,.1f}" if value else ""


def tflite_lines(network: TfliteNetwork, costs: CostModel) -> list[str]:
    """How the model of the NPU agrees with Arm's compiler, and which operators have no op."""
    from objectives.tflite_network.vela_comparison import compared, missing_text

    try:
        return compared(network, costs.soc.npu, costs.npu_model).lines()
    except VelaError as error:
        missing = [f"not costed: {missing_text(each)}" for each in network.missing]
        return [f"Vela's cycles are unknown: {error}", *missing]


def tflite_record(network: TfliteNetwork, costs: CostModel) -> dict[str, Any]:
    """The same as plain data; the numbers of the compiler are absent where it refuses the chip."""
    from objectives.tflite_network.vela_comparison import compared

    record: dict[str, Any] = {"missing": [asdict(each) for each in network.missing]}
    try:
        record |= compared(network, costs.soc.npu, costs.npu_model).record()
    except VelaError as error:
        record["vela_error"] = str(error)
    return record


if __name__ == "__main__":
    run_command(main)
