"""SoC files: YAML documents that state every hardware number with unit, source and range.

A file may start from another one by the key `base`; its sections are then laid over those of the base, key
by key. A quantity is replaced as a whole, so its source always belongs to its value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from typing import Any

from mashumaro import field_options

from objectives.hardware.chip import Chip
from objectives.hardware.parts.cim import KINDS, Cim, Digital, read_cim
from objectives.hardware.parts.floor_plan import with_room
from objectives.hardware.parts.memory_and_area import Area, Memory
from objectives.hardware.parts.noc import Noc
from objectives.hardware.parts.npu import NoNpu, Npu
from objectives.hardware.parts.sourced_number import Quantity, Section, Unit
from search_space.errors import DocumentError, H4HError, UnknownNameError
from search_space.files.yaml_document import Document, built_in_names, parse_document, read_laid_over

MOST_PARTS = 1000
"""Most macros, and most units of a macro, that `variant` gives: costing a network on more takes minutes."""

_CLOCK = Unit("MHz")
_AREA = "area"


@dataclass(frozen=True)
class SoC(Document):
    """A chip: memories, an NPU, CIM macros behind a network-on-chip, or both.

    Attributes:
        name: What reports call it.
        description: One line for people.
        memory: SRAM for activations and MRAM for the NPU's weights.
        npu: The matrix engine, and the clock: all cycles are its cycles. `NoNpu` where there is none; such a
            chip runs only what its macros can, see `schema.channel_options`.
        clock: In place of the NPU's, for a chip without one.
        noc: Path between SRAM and the macros; needed with `cim`.
        cim: The macros, or None for the NPU alone.
        digital: Engine in each macro for products of two activations, if there is one.
        area: Areas of the parts, as far as they are known; they decide no latency and no energy.

    Raises:
        DocumentError: A unit or sign is wrong, or macros lack a network-on-chip.
    """

    name: str
    description: str
    memory: Memory
    npu: Npu = field(default_factory=NoNpu)
    clock: Quantity | None = None
    noc: Noc | None = None
    cim: Cim | None = field(default=None, metadata=field_options(deserialize=read_cim))
    digital: Digital | None = None
    area: Area = field(default_factory=Area)

    @classmethod
    def __pre_deserialize__(cls, data: dict[Any, Any]) -> dict[Any, Any]:
        # mashumaro would wrap this error into one that quotes the whole section.
        if isinstance(cim := data.get("cim"), dict) and cim.get("model") not in KINDS:
            raise UnknownNameError("cim.model", str(cim.get("model")), KINDS)
        return {key: value for key, value in data.items() if key != "npu" or value is not None}

    def __post_init__(self) -> None:
        for name, section in self.sections():
            section.check(name)
        if self.cim is None and self.digital is not None:
            raise DocumentError("digital: sits in the macros of `cim`, which is missing")
        self._check_npu()
        if self.cim is None or self.macros == 0:
            return
        if self.noc is None:
            raise DocumentError("noc: this key is missing, and `cim` needs it")
        if self.has_npu and self.noc.npu is None:
            raise DocumentError("noc.npu: this key is missing: the tile [x, y] of the NPU")
        if len(self.noc.macros) < self.macros:
            raise DocumentError(
                f"noc.macros: must list a tile for each of the {self.macros} macros of `cim`, but lists "
                f"{len(self.noc.macros)}"
            )

    def _check_npu(self) -> None:
        if self.has_npu:
            if self.clock is not None:
                raise DocumentError("clock: stands in `npu` already; this key is for a chip without NPU")
            return
        if self.noc is not None and self.noc.npu is not None:
            raise DocumentError("noc.npu: must be left out, or null, where there is no NPU")
        if self.macros == 0:
            raise DocumentError("npu: this key is missing, and there are no macros to run anything either")
        if self.clock is None:
            raise DocumentError("clock: this key is missing; a chip without `npu` needs it")
        _CLOCK.check("clock", self.clock)

    @property
    def has_npu(self) -> bool:
        """Whether there is an NPU."""
        return not isinstance(self.npu, NoNpu)

    @property
    def macros(self) -> int:
        """Number of macros; 0 without any."""
        return int(self.cim.macros.value) if self.cim is not None else 0

    @property
    def units(self) -> int:
        """Compute units, or parallel tiles, of each macro; 0 without macros."""
        return int(getattr(self.cim, self.cim.UNITS).value) if self.cim is not None else 0

    @property
    def area_mm2(self) -> float:
        """Area of NPU and macros; see `objectives.hardware.parts.area` for what is not counted.

        Raises:
            DocumentError: The file lacks a number for it.
        """
        return self.area.total_mm2(self.name, has_npu=self.has_npu, macros=self.macros, units=self.units)

    def sections(self) -> Iterator[tuple[str, Section]]:
        """Names and sections present, in a fixed order."""
        for name in ("npu", "memory", "noc", "cim", "digital", _AREA):
            section = getattr(self, name)
            if section is not None and not isinstance(section, NoNpu):
                yield name, section

    def quantities(self) -> Iterator[tuple[str, Quantity]]:
        """Names and quantities, dotted within sections, e.g. ``npu.mac_energy``."""
        if self.clock is not None:
            yield "clock", self.clock
        for prefix, section in self.sections():
            for name, value in section.quantities():
                yield f"{prefix}.{name}", value

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides costs: kinds of models and values. Names, sources and ranges do not."""
        values: dict[str, Any] = {
            name: value.value for name, value in self.quantities() if _decides_costs(name)
        }
        if self.cim is not None:
            values["cim.model"] = self.cim.model
        if self.noc is not None:
            values["noc.topology"] = self.noc.topology
            values["noc.tiles"] = [self.noc.sram, *self.noc.macros[: self.macros]]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    @property
    def idle_pj_per_cycle(self) -> float:
        """Energy of every cycle, whatever runs: the NPU's own and the leakage of SRAM."""
        npu = self.npu.static_energy.value if self.has_npu else 0.0
        return npu + self.picojoules_per_cycle(self.memory.leakage_mw)

    @property
    def clock_mhz(self) -> float:
        """Cycles per microsecond."""
        return self.npu.clock.value if self.clock is None else self.clock.value

    @property
    def cycles_per_ms(self) -> float:
        """Cycles of the NPU's clock in a millisecond."""
        return self.clock_mhz * 1e3

    def picojoules_per_cycle(self, milliwatts: float) -> float:
        """Energy of one cycle at a constant power."""
        return milliwatts * 1e3 / self.clock_mhz  # mW / MHz = nJ

    def variant(self, chip: Chip) -> SoC:
        """This SoC with the numbers of macros and compute units of `chip`.

        Raises:
            H4HError: This SoC has no macros to derive others from, or a number is out of range.
        """
        return variant(self, macros=chip.macros, units=chip.units)


_BUILT_IN = resources.files("objectives.hardware") / "socs"


def known_socs() -> tuple[str, ...]:
    """Names of the built-in SoCs."""
    return built_in_names(_BUILT_IN)


def load_soc(name: str) -> SoC:
    """A built-in SoC by its name, or a user's own by the path of its YAML file.

    Raises:
        UnknownNameError: No built-in SoC has this name.
        DocumentError: The file cannot be read or does not describe a SoC.
    """
    return _without_idle_parts(parse_document(SoC, read_laid_over("hardware", name, _BUILT_IN), source=name))


def variant(soc: SoC, *, macros: int | None = None, units: int | None = None) -> SoC:
    """`soc` with another number of macros or of compute units in each.

    Args:
        soc: The chip to start from.
        macros: How many; 0 gives the NPU alone. More than the floor plan holds take the next free tiles.
        units: Compute units, or parallel tiles, of each macro.

    Raises:
        H4HError: A number is too small or too large, or `soc` has no macros to start from.
    """
    if macros is None and units is None:
        return soc
    for name, value, least in (("macros", macros, 0), ("units", units, 1)):
        if value is not None and value < least:
            raise H4HError(f"--{name} must be at least {least}, but got {value}")
        if value is not None and value > MOST_PARTS:
            raise H4HError(f"--{name} must be at most {MOST_PARTS}, but got {value}")
    if soc.cim is None or soc.noc is None:
        if macros == 0 and units is None:
            return soc
        raise H4HError(
            f"hardware {soc.name!r} has no macros to derive others from: start from one that has, such as "
            f"u55-256-cim8"
        )
    cim, noc = soc.cim, soc.noc
    if macros is not None:
        cim = replace(cim, macros=_chosen(cim.macros, macros, "--macros"))
        noc = replace(noc, macros=with_room(noc, macros))
    if units is not None:
        changed: dict[str, Any] = {cim.UNITS: _chosen(getattr(cim, cim.UNITS), units, "--units")}
        cim = replace(cim, **changed)
    count, each = int(cim.macros.value), int(getattr(cim, cim.UNITS).value)
    return _without_idle_parts(
        replace(
            soc,
            name=f"{soc.name}-{count}x{each}",
            description=f"{soc.name} with {count} macros, {each} units each",
            cim=cim,
            noc=noc,
        )
    )


def with_value(soc: SoC, name: str, value: float) -> SoC:
    """`soc` with another value of one number, within the range its file states.

    Args:
        soc: The chip to start from.
        name: Dotted, as `SoC.quantities` gives it, e.g. ``npu.clock``.
        value: In the number's own unit; 0 of ``cim.macros`` gives the NPU alone.

    Raises:
        UnknownNameError: `soc` has no such number.
        DocumentError: `value` is outside its range, or a fraction where that has no meaning.
    """
    known = dict(soc.quantities())
    if name not in known:
        raise UnknownNameError("quantity", name, known)
    part, _, entry = name.partition(".")
    try:
        number = replace(known[name], value=float(value))
    except DocumentError as error:
        raise DocumentError(f"{name}: {error}") from error
    changed: dict[str, Any] = {part: replace(getattr(soc, part), **{entry: number}) if entry else number}
    return _without_idle_parts(replace(soc, **changed))


def assumed(soc: SoC) -> Iterator[tuple[str, str, float]]:
    """Name, end and value of every number of `soc` at the ends of its range that differ from its value.

    Areas are not among them: no latency and no energy depends on them.
    """
    for name, number in soc.quantities():
        for end in ("low", "high"):
            value = getattr(number, end)
            if value != number.value and _decides_costs(name):
                yield name, end, value


def _chosen(number: Quantity, value: int, option: str) -> Quantity:
    low, high = min(number.low, value), max(number.high, value)
    return replace(number, value=float(value), low=low, high=high, source=f"{option}; {number.source}")


def _decides_costs(name: str) -> bool:
    """Whether latency or energy may depend on the quantity called `name`."""
    return not name.startswith(f"{_AREA}.")


def _without_idle_parts(soc: SoC) -> SoC:
    """Zero macros are the NPU alone."""
    return soc if soc.macros else replace(soc, cim=None, noc=None, digital=None)
