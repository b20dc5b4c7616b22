"""Prints a SoC: every number with its unit, range and source, and the floor plan.

python -m objectives.describe --hardware u55-256-cim8 [--macros N] [--units M] [--json]
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from objectives.hardware import SoC, load_soc, variant
from objectives.hardware.floor_plan import drawing
from search_space.command_line import Parser, run_command


def add_hardware_options(parser: ArgumentParser) -> None:
    """Adds `--hardware` and what derives a variant of it."""
    parser.add_argument(
        "--hardware", default="u55-256-cim8", help="name or YAML file of the SoC (default: %(default)s)"
    )
    parser.add_argument("--macros", type=int, metavar="N", help="as many CIM macros instead of the SoC's own")
    parser.add_argument("--units", type=int, metavar="M", help="as many compute units in each macro")


def describe(soc: SoC) -> dict[str, Any]:
    """Everything the command prints, as plain data."""
    return {
        "hardware": soc.name,
        "description": soc.description,
        "digest": soc.digest,
        "quantities": {name: asdict(number) for name, number in soc.quantities()},
        "floor_plan": {}
        if soc.noc is None
        else {
            "topology": soc.noc.topology,
            "npu": list(soc.noc.npu),
            "sram": list(soc.noc.sram),
            "macros": [list(tile) for tile in soc.noc.macros[: soc.macros]],
        },
    }


def table(soc: SoC) -> Table:
    """One row per number."""
    result = Table(box=box.SIMPLE_HEAD, title=f"{soc.name}: {soc.description}", title_justify="left")
    for column in ("number", "value", "unit", "low", "high"):
        result.add_column(
            column, no_wrap=True, justify="right" if column in ("value", "low", "high") else "left"
        )
    result.add_column("source", overflow="fold")
    for name, number in soc.quantities():
        row = (f"{number.value:g}", number.unit, f"{number.low:g}", f"{number.high:g}", number.source)
        result.add_row(name, *row)
    return result


def floor_plan_text(soc: SoC) -> str:
    """The drawing and its key; one line where there is nothing but the NPU."""
    if soc.noc is None:
        return "floor plan: NPU and SRAM, no macros and no network"
    return (
        f"floor plan ({soc.noc.topology}; macros in the order in which they are used):\n\n"
        f"{drawing(soc.noc, soc.macros)}\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the SoC that the command line asks for.

    Raises:
        H4HError: Unknown hardware, or a variant that cannot be.
    """
    parser = Parser(prog="python -m objectives.describe", description="Print a SoC.")
    add_hardware_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    soc = variant(load_soc(options.hardware), macros=options.macros, units=options.units)
    if options.json:
        print(json.dumps(describe(soc), indent=2))
        return
    console = Console(highlight=False)
    console.print(table(soc))
    console.print(floor_plan_text(soc), markup=False, highlight=False)


if __name__ == "__main__":
    run_command(main)
