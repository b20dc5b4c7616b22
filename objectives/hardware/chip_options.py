"""Command-line options that choose a chip: SoC file, number of macros and of their units."""

from __future__ import annotations

from argparse import ArgumentParser


def add_hardware_options(parser: ArgumentParser) -> None:
    """Adds `--hardware` and what derives a variant of it."""
    parser.add_argument(
        "--hardware", default="u55-256-cim8", help="name or YAML file of the SoC (default: %(default)s)"
    )
    parser.add_argument("--macros", type=int, metavar="N", help="as many CIM macros instead of the SoC's own")
    parser.add_argument("--units", type=int, metavar="M", help="as many compute units in each macro")
