"""Command that prints a SoC: every number with unit, range and source, and the floor plan.

python -m objectives.describe --hardware u55-256-cim8 [--macros N] [--units M] [--json]
python -m objectives.describe --from-vela-ini FILE --system-config NAME --memory-mode NAME --out chip.yaml
"""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from objectives.chip_from_ini import INI_OPTIONS, add_ini_options, make_chip
from objectives.hardware import SoC, load_soc, variant
from objectives.hardware.chip_options import add_hardware_options
from objectives.hardware.measurements.measured_ops import MeasuredOps
from objectives.hardware.npu_model import AnalyticNpu, MeasuredNpu
from objectives.hardware.parts.floor_plan import drawing
from search_space.command.command_line import Parser, run_command


def describe(soc: SoC) -> dict[str, Any]:
    """Everything that the command prints, as plain data."""
    return {
        "hardware": soc.name,
        "description": soc.description,
        "digest": soc.digest,
        "quantities": {name: asdict(number) for name, number in soc.quantities()},
        "floor_plan": {}
        if soc.noc is None
        else {
            "topology": soc.noc.topology,
            "npu": None if soc.noc.npu is None else list(soc.noc.npu),
            "sram": list(soc.noc.sram),
            "macros": [list(tile) for tile in soc.noc.macros[: soc.macros]],
        },
    }


def numbers_text(soc: SoC, width: int) -> str:
    """Every number with unit and range, followed by its source in lines of `width` characters."""
    lines = [f"{soc.name}: {soc.description}", ""]
    names = max((len(name) for name, _ in soc.quantities()), default=0)
    for name, number in soc.quantities():
        ends = f"{number.low:g} to {number.high:g}"
        lines.append(f"{name:<{names}}  {number.value:>7g} {number.unit:<18} {ends}")
        lines += textwrap.wrap(
            number.source, width, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
        )
    return "\n".join(lines) + "\n"


def floor_plan_text(soc: SoC) -> str:
    """Drawing of the floor plan with a heading; one line for a chip without macros."""
    if soc.noc is None:
        return "floor plan: NPU and SRAM, without macros and network"
    return (
        f"floor plan ({soc.noc.topology}; macros numbered in order of use):\n\n"
        f"{drawing(soc.noc, soc.macros)}\n"
    )


def measured_text(soc: SoC, table: MeasuredOps) -> str:
    """How the closed form meets the ops measured on the NPU, kind by kind."""
    lines = [f"npu.table: {len(table.rows)} measured ops, digest {table.digest[:16]}"]
    for fit in MeasuredNpu(table, AnalyticNpu(soc.npu)).measured.fits.values():
        error = (
            f"{fit.error:.1f} % error when each is left out" if fit.count > 1 else "error unknown from one op"
        )
        lines.append(
            f"  {fit.kind:<10} {fit.count:>4} ops: other shapes take {fit.factor:.3f} times the closed form, "
            f"{error}"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Raises:
        H4HError: Unknown hardware, or an impossible variant.
    """
    parser = Parser(
        prog="python -m objectives.describe", description="Print all numbers of a SoC and its floor plan."
    )
    add_hardware_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    add_ini_options(parser)
    options = parser.parse_args(arguments)
    if any(getattr(options, name) is not None for name in INI_OPTIONS):
        make_chip(options)
        return
    soc = variant(load_soc(options.hardware), macros=options.macros, units=options.units)
    if options.json:
        print(json.dumps(describe(soc), indent=2))
        return
    print(numbers_text(soc, shutil.get_terminal_size((100, 24)).columns))
    print(floor_plan_text(soc))
    if soc.measured_npu is not None:
        print(measured_text(soc, soc.measured_npu))


if __name__ == "__main__":
    run_command(main)
