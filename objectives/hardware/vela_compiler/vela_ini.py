"""Chip files from the ini files of Arm's compiler Vela, which vendors ship for their boards.

A section `System_Config.NAME` states the clock and the memories behind the two ports of the NPU, a section
`Memory_Mode.NAME` which of them holds constants and which activations. Size of the NPU, energies and areas
are not in such a file; they come from the chip that the new one starts from.
"""

from __future__ import annotations

import configparser
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from objectives.hardware.parts.processor import ETHOS_U55, PROCESSORS, Processor
from objectives.hardware.parts.weight_store import DRAM, FLASH, WeightStore
from search_space.errors import H4HError, UnknownNameError
from search_space.files.regular_file import file_problem

SYSTEM, MODE = "System_Config", "Memory_Mode"
_PORTS = ("Axi0", "Axi1")
_MEMORIES = ("Sram", "Dram", "OnChipFlash", "OffChipFlash")
_LARGEST_FILE = 1 << 20
_MOST_INHERITED = 16
_WIDTH = 118


class VelaIniError(H4HError):
    """An ini file that cannot be read, or that describes no chip of this model."""


@dataclass(frozen=True)
class BoardMemory:
    """A memory behind a port of the NPU.

    Attributes:
        name: Name in the ini file.
        bytes_per_second: Bandwidth.
        latency: Cycles of the NPU's clock until the first byte of a read.
        burst: Bytes of the longest burst.
    """

    name: str
    bytes_per_second: float
    latency: float
    burst: int


@dataclass(frozen=True)
class Board:
    """A system configuration in a memory mode.

    Attributes:
        clock_hz: Clock of the NPU.
        activations: Memory of the activations.
        weights: Memory of the constants.
        sram_bytes: Bytes of SRAM for the NPU; None where the file does not limit them.
    """

    clock_hz: float
    activations: BoardMemory
    weights: BoardMemory
    sram_bytes: int | None


def read_board(
    path: Path, system: str, mode: str, family: Processor = PROCESSORS[ETHOS_U55], base: str = "u55-256"
) -> Board:
    """Reads a system configuration and a memory mode.

    Args:
        path: The ini file.
        system: Name of the system configuration, with or without ``System_Config.``.
        mode: Name of the memory mode, with or without ``Memory_Mode.``.
        family: Processor of the chip that the new one starts from.
        base: Name of that chip, for messages.

    Raises:
        VelaIniError: The file cannot be read, a key is missing or wrong, or it is of another processor.
        UnknownNameError: The file has no such section.
    """
    ini = _IniFile(path)
    system_section = ini.section(SYSTEM, system, "--system-config")
    mode_section = ini.section(MODE, mode, "--memory-mode")
    other = next((one for one in PROCESSORS.values() if one.section_prefix in system_section), family)
    if other != family:
        raise VelaIniError(
            f"--system-config {system}: is of an {other.title}, but --hardware {base} has an {family.title}; "
            f"start from a chip with that NPU, such as u55-256, u65-256 or u85-256"
        )
    clock = ini.number(system_section, "core_clock")
    memory_by_port = dict(
        zip(_PORTS, (ini.text(system_section, f"{port.lower()}_port") for port in _PORTS), strict=True)
    )

    def memory(area: str) -> BoardMemory:
        port = ini.text(mode_section, area)
        if port not in memory_by_port:
            raise VelaIniError(
                f"{path}: [{mode_section}] {area}: must be {' or '.join(_PORTS)}, but got {port!r}"
            )
        name = memory_by_port[port]
        if name not in _MEMORIES:
            known = ", ".join(_MEMORIES)
            raise VelaIniError(
                f"{path}: [{system_section}] {port.lower()}_port: must be one of {known}, but got {name!r}"
            )
        scale = ini.number(system_section, f"{name}_clock_scale")
        ports = f"{name}_ports_used"
        used = ini.number(system_section, ports) if ini.has(system_section, ports) else 1
        return BoardMemory(
            name,
            scale * family.port_bytes * used * clock,
            ini.number(system_section, f"{name}_read_latency", zero=True),
            int(ini.number(system_section, f"{name}_burst_length")),
        )

    activations, weights = memory("arena_mem_area"), memory("const_mem_area")
    if activations.name != "Sram":
        raise VelaIniError(
            f"--memory-mode {mode}: keeps activations in {activations.name}, but this model keeps them in "
            f"Sram; choose a mode whose arena_mem_area is the port of Sram, such as Shared_Sram"
        )
    size = ini.number(mode_section, "arena_cache_size") if ini.has(mode_section, "arena_cache_size") else None
    return Board(clock, activations, weights, None if size is None else int(size))


class _IniFile:
    """An ini file whose sections may inherit from others, as the compiler reads it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";", "#"))
        self._parser.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            if problem := file_problem(path):
                raise VelaIniError(f"--from-vela-ini {path} {problem}; name an ini file of Vela")
            if path.stat().st_size > _LARGEST_FILE:
                raise VelaIniError(f"--from-vela-ini {path}: is larger than {_LARGEST_FILE} bytes")
            self._parser.read_string(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise VelaIniError(f"--from-vela-ini {path}: cannot be read ({error.strerror})") from error
        except (UnicodeDecodeError, configparser.Error) as error:
            reason = " ".join(str(error).split())
            raise VelaIniError(f"--from-vela-ini {path}: is no ini file ({reason:.200})") from error

    def section(self, kind: str, name: str, option: str) -> str:
        """Full name of a section of `kind`."""
        known = [
            section.partition(".")[2] for section in self._parser.sections() if section.startswith(f"{kind}.")
        ]
        if not known:
            raise VelaIniError(f"--from-vela-ini {self._path}: has no section [{kind}.NAME]")
        short = name.removeprefix(f"{kind}.")
        if short not in known:
            raise UnknownNameError(option, short, known)
        return f"{kind}.{short}"

    def has(self, section: str, key: str) -> bool:
        """Whether the section, or one that it inherits from, has `key`."""
        return self._find(section, key) is not None

    def text(self, section: str, key: str) -> str:
        """Value of `key`."""
        value = self._find(section, key)
        if value is None:
            raise VelaIniError(f"{self._path}: [{section}] lacks the key {key}")
        return value

    def number(self, section: str, key: str, *, zero: bool = False) -> float:
        """Positive number of `key`, or 0 where `zero`."""
        text = self.text(section, key)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
            least = "of at least 0" if zero else "above 0"
            raise VelaIniError(
                f"{self._path}: [{section}] {key}: must be a number {least}, but got {text!r:.40}"
            )
        return value

    def _find(self, section: str, key: str) -> str | None:
        for _ in range(_MOST_INHERITED):
            if not self._parser.has_section(section):
                raise VelaIniError(f"{self._path}: a section inherits from [{section}], which is missing")
            if self._parser.has_option(section, key):
                return self._parser.get(section, key).strip()
            if not self._parser.has_option(section, "inherit"):
                return None
            section = self._parser.get(section, "inherit").strip()
        raise VelaIniError(f"{self._path}: [{section}] inherits from itself")


def chip_text(
    board: Board, *, name: str, base: str, stores: tuple[WeightStore, WeightStore], source: str
) -> str:
    """Text of a SoC file.

    Args:
        board: The board.
        name: Name of the chip.
        base: Chip to start from: size of the NPU, energies, areas, macros.
        stores: Weight store of `base`, and one of off-chip flash, which replaces it where the board has that.
        source: Origin of the numbers.

    Raises:
        VelaIniError: The board keeps weights where neither of `stores` is.
    """
    data: dict[str, Any] = {
        "base": base,
        "name": name,
        "description": f"{board.clock_hz / 1e6:g} MHz, weights in {board.weights.name}; others of {base}",
        "npu": {
            "clock": _quantity(board.clock_hz / 1e6, "MHz", source),
            "sram_bandwidth": _quantity(board.activations.bytes_per_second / 1e9, "GB/s", source),
            "sram_latency": _quantity(board.activations.latency, "cycle", source),
            "sram_burst": _quantity(board.activations.burst, "B", source),
            # As Vela's command line: from other memories it copies weights that are read repeatedly.
            "buffers_weights": board.weights.name != board.activations.name,
        },
        "memory": {
            "weight_store": _weight_store(board.weights, base, *stores) | _speed(board.weights, source)
        },
    }
    if board.sram_bytes is not None:
        data["memory"]["sram_capacity"] = _quantity(board.sram_bytes / 1024**2, "MiB", source)
    heading = (
        f"# Clock and memories from {source}.\n"
        f"# Size of the NPU, energies and areas are not in the ini file; they are those of {base}.\n"
    )
    return heading + yaml.safe_dump(data, sort_keys=False, width=_WIDTH)


def _weight_store(memory: BoardMemory, base: str, own: WeightStore, flash: WeightStore) -> dict[str, Any]:
    """Entries of `memory.weight_store` that are not those of the base."""
    kind = {"OffChipFlash": FLASH, "Dram": DRAM}.get(memory.name)
    if kind == own.kind or (kind is None and own.is_on_die):
        return {}
    if kind == flash.kind:
        return flash.to_dict()
    needed = "on the die" if kind is None else f"of kind {kind!r}"
    raise VelaIniError(
        f"weights lie in {memory.name}, but the weight store of {base} is of kind {own.kind!r}; give "
        f"a chip by --hardware whose memory.weight_store is {needed}"
    )


def _speed(memory: BoardMemory, source: str) -> dict[str, Any]:
    return {
        "bandwidth": _quantity(memory.bytes_per_second / 1e9, "GB/s", source),
        "latency": _quantity(memory.latency, "cycle", source),
    }


def _quantity(value: float, unit: str, source: str) -> dict[str, Any]:
    number = float(f"{value:.12g}")
    return {"value": number, "unit": unit, "low": number, "high": number, "source": source}
