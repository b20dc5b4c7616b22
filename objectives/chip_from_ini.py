"""Options of `objectives.describe` that make a chip file from an ini file of Arm's compiler Vela."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from objectives.hardware import known_socs, load_soc
from objectives.hardware.vela_compiler.vela_ini import VelaIniError, chip_text, read_board
from search_space.files.whole_file import whole_file

INI_OPTIONS = ("from_vela_ini", "system_config", "memory_mode", "out")
"""Options that belong together."""
_FLASH_CHIP = "u55-256-flash"
"""Chip whose weight store stands for off-chip flash: an ini file states no energy."""


def add_ini_options(parser: ArgumentParser) -> None:
    """Adds the options `INI_OPTIONS`."""
    add = parser.add_argument
    add(
        "--from-vela-ini",
        type=Path,
        metavar="FILE",
        help="ini file of Arm's compiler Vela; writes a SoC file with its clock and memories, whose other "
        "numbers are those of --hardware",
    )
    add("--system-config", metavar="NAME", help="section System_Config.NAME of the ini file")
    add("--memory-mode", metavar="NAME", help="section Memory_Mode.NAME of the ini file")
    add("--out", type=Path, metavar="FILE", help="SoC file to write: .yaml")


def make_chip(options: Namespace) -> None:
    """Writes the SoC file that `options` ask for.

    Raises:
        H4HError: An option is missing, the ini file is wrong, or the SoC file cannot be written.
    """
    missing = [name for name in INI_OPTIONS if getattr(options, name) is None]
    if missing:
        given = [_flag(name) for name in INI_OPTIONS if name not in missing]
        raise VelaIniError(f"{', '.join(given)} needs {' and '.join(map(_flag, missing))} as well")
    if options.macros is not None or options.units is not None or options.space is not None or options.json:
        raise VelaIniError(
            "--from-vela-ini takes no --macros, --units, --space or --json; give them with the new chip"
        )
    out: Path = options.out
    if out.suffix not in (".yaml", ".yml"):
        raise VelaIniError(f"--out must end in .yaml, but got {str(out)!r}")
    if out.resolve() == Path(options.hardware).resolve():
        raise VelaIniError(
            f"--out {out}: is the chip of --hardware, on which the new one rests; name another"
        )
    start, flash = load_soc(options.hardware), load_soc(_FLASH_CHIP).memory.weight_store
    store = start.memory.weight_store
    if store is None or flash is None or not start.has_npu:
        raise VelaIniError(
            f"--hardware {options.hardware}: has no NPU, whose clock and memories the ini file states"
        )
    board = read_board(
        options.from_vela_ini,
        options.system_config,
        options.memory_mode,
        start.npu.family,
        options.hardware,
    )
    base = options.hardware
    if base not in known_socs():
        base = os.path.relpath(base, out.parent)
    names = f"{options.system_config} and {options.memory_mode}"
    source = f"Vela ini file {options.from_vela_ini.name}, {names}"
    text = chip_text(board, name=out.stem, base=base, stores=(store, flash), source=source)
    try:
        with whole_file(out) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise VelaIniError(f"--out {out}: cannot be written ({error.strerror})") from error
    print(
        f"wrote {out}: NPU and energies of {options.hardware}, {board.clock_hz / 1e6:g} MHz, "
        f"activations in {board.activations.name} at {board.activations.bytes_per_second / 1e9:g} GB/s, "
        f"weights in {board.weights.name} at {board.weights.bytes_per_second / 1e9:g} GB/s"
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
