"""Command that prints a SoC: every number with unit, range and source, and the floor plan.

With a search space, it prints what the smallest, the middle and the largest network cost on the SoC instead.

python -m objectives.describe --hardware u55-256-cim8 [--macros N] [--units M] [--json]
python -m objectives.describe --space cifar32 --hardware u55-256-cim8 [--macros N] [--units M] [--json]
python -m objectives.describe --from-vela-ini FILE --system-config NAME --memory-mode NAME --out chip.yaml
"""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from objectives.chip_from_ini import INI_OPTIONS, add_ini_options, make_chip
from objectives.hardware import SoC, load_soc, variant
from objectives.hardware.chip_options import add_hardware_options
from objectives.hardware.measured_share import unused_rows_notes
from objectives.hardware.measurements.measured_costs import MeasuredCosts
from objectives.hardware.measurements.measured_ops import MeasuredOps
from objectives.hardware.npu_model import MeasuredNpu, create_npu_model
from objectives.hardware.parts.floor_plan import drawing
from objectives.networks_on_chip import networks_on_chip, networks_text
from search_space.command.command_line import Parser, run_command
from search_space.space import load_space


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


def measured_text(soc: SoC) -> Iterator[str]:
    """How the closed form meets the ops measured on NPU and macros, kind by kind."""
    if soc.measured_npu is not None:
        name = "analytic" if soc.npu.family.has_closed_form else "vela"
        model = create_npu_model(name, soc.npu)
        costs = {"cycles": MeasuredNpu(soc.measured_npu, model).measured}
        energy = soc.measured_npu_energy
        yield from _table_text(
            "npu", soc.measured_npu, costs | ({} if energy is None else {"energy": energy})
        )
    if soc.measured_cim is not None and soc.measured_macros is not None:
        yield from _table_text("cim", soc.measured_cim, soc.measured_macros.costs)
        yield from unused_rows_notes(soc)


def _table_text(device: str, table: MeasuredOps, costs: Mapping[str, MeasuredCosts]) -> Iterator[str]:
    yield f"{device}.table: {len(table.rows)} measured ops, digest {table.digest[:16]}"
    for name, measured in costs.items():
        for fit in measured.fits.values():
            error = (
                f"{fit.error:.1f} % error when each is left out"
                if fit.count > 1
                else "error unknown from one op"
            )
            yield (
                f"  {fit.kind:<10} {fit.count:>4} ops: {name} of other shapes {fit.factor:.3f} times the "
                f"closed form, {error}"
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Raises:
        H4HError: Unknown hardware or search space, or an impossible variant.
    """
    parser = Parser(
        prog="python -m objectives.describe",
        description="Print all numbers of a SoC and its floor plan, or what networks cost on it.",
    )
    add_hardware_options(parser)
    parser.add_argument(
        "--space",
        help="name or YAML file of a search space; prints the costs of its smallest, middle and largest "
        "network on the SoC instead of the numbers of the SoC",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    add_ini_options(parser)
    options = parser.parse_args(arguments)
    if any(getattr(options, name) is not None for name in INI_OPTIONS):
        make_chip(options)
        return
    soc = variant(load_soc(options.hardware), macros=options.macros, units=options.units)
    if options.space is not None:
        space = load_space(options.space)
        print(
            json.dumps(networks_on_chip(space, soc), indent=2)
            if options.json
            else "\n".join(networks_text(space, soc))
        )
        return
    if options.json:
        print(json.dumps(describe(soc), indent=2))
        return
    print(numbers_text(soc, shutil.get_terminal_size((100, 24)).columns))
    print(floor_plan_text(soc))
    for line in measured_text(soc):
        print(line)


if __name__ == "__main__":
    run_command(main)
