"""Command-line options for the chip: SoC file, number of macros and of compute units."""

from __future__ import annotations

from argparse import ArgumentParser


def add_hardware_options(parser: ArgumentParser) -> None:
    """Adds `--hardware`, and `--macros` and `--units`, which override numbers of its file."""
    parser.add_argument(
        "--hardware", default="u55-256-cim8", help="name or YAML file of the SoC (default: %(default)s)"
    )
    parser.add_argument(
        "--macros", type=int, metavar="N", help="number of CIM macros; overrides the SoC file"
    )
    parser.add_argument(
        "--units", type=int, metavar="M", help="number of compute units per macro; overrides the SoC file"
    )
