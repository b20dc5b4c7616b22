"""SoC files: YAML documents that state every hardware number with unit, source and range.

A file may extend another one, which its key `base` names; its sections are merged with those of the base, key
by key. A quantity is replaced as a whole, so its source always belongs to its value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from mashumaro import field_options

from objectives.hardware.chip import Chip
from objectives.hardware.chip_upgrade import upgraded, warn_of_mixed_sizes
from objectives.hardware.measurements.chip_tables import CIM, NPU, take_tables
from objectives.hardware.measurements.measured_costs import MeasuredCosts, measured_energy
from objectives.hardware.measurements.measured_macros import MeasuredMacros
from objectives.hardware.measurements.measured_ops import MeasuredOps, read_measured_ops
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.cim import KINDS, RUNS, Cim, Digital, check_removed_keys, read_cim
from objectives.hardware.parts.floor_plan import with_room
from objectives.hardware.parts.memory_and_area import Memory, PartAreas
from objectives.hardware.parts.noc import Noc
from objectives.hardware.parts.npu import NoNpu, Npu
from objectives.hardware.parts.npu_energy import npu_energy_pj
from objectives.hardware.parts.sourced_number import Quantity, Section, Unit, check_section
from objectives.hardware.parts.weight_store import WeightStore, check_kind
from objectives.hardware.soc_digest import decides_costs, soc_digest
from search_space.arrays import Floats
from search_space.errors import DocumentError, H4HError, UnknownNameError
from search_space.files.yaml_document import Document, built_in_names, parse_document, read_laid_over

MOST_PARTS = 1000
"""Maximum number of macros, and of units per macro, in a variant; more would take minutes to cost."""

_CLOCK = Unit("MHz")
_AREA = "area"
_STORE = "weight_store"


def _refuse_measurements(data: object) -> NoReturn:
    raise ValueError(f"must be absent; name the table as npu.table or cim.table, but got {data!r:.40}")


@dataclass(frozen=True)
class SoC(Document):
    """A chip: memories, an NPU, CIM macros behind a network-on-chip, or both.

    Example:
        >>> from objectives import load_soc
        >>> soc = load_soc("u55-256-cim8")
        >>> soc.macros, soc.clock_mhz
        (8, 500.0)

    Attributes:
        name: Name in reports.
        description: One line of description.
        memory: SRAM for activations and the store of the NPU's weights.
        npu: The matrix engine and its clock, in whose cycles all times are counted. `NoNpu` on a chip without
            one, which runs only the ops that its macros support, see `split_costs.channel_options`.
        clock: Clock of a chip without an NPU.
        noc: Network between SRAM and the macros; required with `cim`.
        cim: The macros; None for the NPU alone.
        digital: Engine in each macro for products of two activations; None without one.
        area: Areas of the parts, as far as they are known; they affect neither latency nor energy.
        measured_npu: Ops measured on the NPU, from the file that `npu.table` names; None without one.
        measured_cim: Ops measured on the macros, from the file that `cim.table` names; None without one.

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
    area: PartAreas = field(default_factory=PartAreas)
    measured_npu: MeasuredOps | None = field(
        default=None, metadata=field_options(serialize="omit", deserialize=_refuse_measurements)
    )
    measured_cim: MeasuredOps | None = field(
        default=None, metadata=field_options(serialize="omit", deserialize=_refuse_measurements)
    )

    @classmethod
    def __pre_deserialize__(cls, data: dict[Any, Any]) -> dict[Any, Any]:
        # mashumaro would wrap this error in one that quotes the whole section.
        if isinstance(cim := data.get("cim"), dict) and cim.get("model") not in KINDS:
            raise UnknownNameError("cim.model", str(cim.get("model")), KINDS)
        if isinstance(cim, dict):
            check_removed_keys(cim)
        if isinstance(clock := data.get("clock"), (int, float)):
            raise DocumentError(
                f"clock: a number needs unit, range and source, but got {clock} alone; write npu: {{clock: "
                f'{{value: {clock}, unit: MHz, low: {clock}, high: {clock}, source: "..."}}}}'
            )
        for name, section in _SECTIONS.items():
            check_section(name, data.get(name), section)
        memory = data.get("memory")
        if isinstance(memory, dict) and isinstance(store := memory.get(_STORE), dict):
            check_kind(store.get("kind"), f"memory.{_STORE}")
            check_section(f"memory.{_STORE}", store, WeightStore)
        return {key: value for key, value in data.items() if key != "npu" or value is not None}

    def __post_init__(self) -> None:
        if self.has_npu:
            if self.memory.weight_store is None:
                raise DocumentError(
                    f"memory.{_STORE}: this key is missing, and `npu` needs it; u55-256 has an example"
                )
            object.__setattr__(self, NPU, self.npu.on_store(self.memory.weight_store))
        for name, section in self.sections():
            section.check_quantities(name)
        if self.cim is None and self.digital is not None:
            raise DocumentError("digital: is part of the macros of `cim`, but this key is missing")
        self._check_npu()
        if self.cim is None or self.macros == 0:
            return
        self._check_cim(self.cim)
        if self.noc is None:
            raise DocumentError("noc: this key is missing, and `cim` needs it")
        if self.has_npu and self.noc.npu is None:
            raise DocumentError("noc.npu: this key is missing: the tile [x, y] of the NPU")
        if len(self.noc.macros) < self.macros:
            raise DocumentError(
                f"noc.macros: must list a tile for each of the {self.macros} macros of `cim`, but lists "
                f"{len(self.noc.macros)}"
            )

    def _check_cim(self, cim: Cim) -> None:
        if cim.capacity.value * 1024 < cim.tile_bytes:
            raise DocumentError(
                f"cim.capacity: must hold a tile or word of {cim.tile_bytes / 1024:g} KiB at least, but is "
                f"{cim.capacity.value:g} KiB/macro; use more capacity, or smaller rows, columns or read_width"
            )
        if cim.runs_products() and self.digital is not None:
            raise DocumentError(
                "digital: the units of `cim` run attention already; leave out `digital`, or set "
                "cim.attention to false"
            )

    def _check_npu(self) -> None:
        if self.has_npu:
            if self.clock is not None:
                raise DocumentError("clock: is already part of `npu`; this key is for a chip without an NPU")
            return
        if self.noc is not None and self.noc.npu is not None:
            raise DocumentError("noc.npu: must be absent or null on a chip without an NPU")
        if self.macros == 0:
            raise DocumentError("npu: this key is missing, and there are no macros either to run a network")
        if self.clock is None:
            raise DocumentError("clock: this key is missing; a chip without `npu` needs it")
        _CLOCK.check_quantity("clock", self.clock)

    @property
    def has_npu(self) -> bool:
        """Whether the chip has an NPU."""
        return not isinstance(self.npu, NoNpu)

    @property
    def macros(self) -> int:
        """Number of macros; 0 without any."""
        return int(self.cim.macros.value) if self.cim is not None else 0

    @property
    def units(self) -> int:
        """Compute units, or parallel tiles, of each macro; 0 without macros."""
        return int(getattr(self.cim, self.cim.UNITS).value) if self.cim is not None else 0

    @cached_property
    def macro_kinds(self) -> tuple[str, ...]:
        """Kinds of ops that the macros run."""
        if self.cim is None:
            return ()
        if self.digital is not None:
            return (*RUNS, "matmul", "softmax")
        return (*RUNS, "matmul") if self.cim.runs_products() else RUNS

    @cached_property
    def measured_macros(self) -> MeasuredMacros | None:
        """Costs of the macros by their table; None without one."""
        if self.cim is None or self.measured_cim is None:
            return None
        return MeasuredMacros(self.measured_cim, self.cim, self.digital, self.clock_mhz)

    @cached_property
    def measured_npu_energy(self) -> MeasuredCosts | None:
        """Energy of the NPU by its table; None where no row states one."""
        table = self.measured_npu
        return None if table is None else measured_energy(table, lambda ops, *_: self.npu_energy_pj(ops))

    def npu_energy_pj(self, ops: OpArrays) -> Floats:
        """Energy (n,) of the NPU and its memories for ops, without leakage and idle clocks."""
        return npu_energy_pj(ops, self.npu, self.memory)

    @property
    def area_mm2(self) -> float:
        """Area of NPU, weight store and macros in mm2; SRAM and the network-on-chip are not counted.

        Raises:
            DocumentError: The file lacks an area that is needed.
        """
        parts = self.area.total_mm2(self.name, has_npu=self.has_npu, macros=self.macros, units=self.units)
        return parts + self.store_area_mm2

    @property
    def store_area_mm2(self) -> float:
        """Area of the weight store in mm2; 0 off the die, or without an NPU.

        Raises:
            DocumentError: The file lacks the area.
        """
        store = self.memory.weight_store if self.has_npu else None
        return store.area_mm2(self.name) if store is not None else 0.0

    def sections(self) -> Iterator[tuple[str, Section]]:
        """Names and sections of the file, in a fixed order."""
        for name in ("npu", "memory", "noc", "cim", "digital", _AREA):
            section = getattr(self, name)
            if section is not None and not isinstance(section, NoNpu):
                yield name, section

    def quantities(self) -> Iterator[tuple[str, Quantity]]:
        """Dotted names and quantities, e.g. ``npu.mac_energy``."""
        if self.clock is not None:
            yield "clock", self.clock
        for prefix, section in self.sections():
            for name, value in section.quantities():
                yield f"{prefix}.{name}", value

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides costs, see `soc_digest`."""
        tables = {"npu.table": self.measured_npu, "cim.table": self.measured_cim}
        return soc_digest(
            dict(self.quantities()),
            self.memory,
            npu=self.npu if self.has_npu else None,
            cim=self.cim,
            noc=self.noc,
            macros=self.macros,
            tables={name: table.digest for name, table in tables.items() if table is not None},
        )

    @property
    def idle_pj_per_cycle(self) -> float:
        """Energy of every cycle, whatever runs: the NPU's static power, leakage of memories and macros."""
        npu = self.npu.static_power.value if self.has_npu else 0.0
        macros = self.cim.static_mw if self.cim is not None else 0.0
        return self.picojoules_per_cycle(npu + self.memory.leakage_mw + macros)

    @property
    def clock_mhz(self) -> float:
        """Cycles per microsecond."""
        return self.npu.clock.value if self.clock is None else self.clock.value

    @property
    def cycles_per_ms(self) -> float:
        """Clock cycles per millisecond."""
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


_SECTIONS: dict[str, type[Section]] = {
    "npu": Npu,
    "memory": Memory,
    "noc": Noc,
    "digital": Digital,
    _AREA: PartAreas,
}

_BUILT_IN = resources.files("objectives.hardware") / "socs"


def known_socs() -> tuple[str, ...]:
    """Names of the built-in SoCs.

    Example:
        >>> from objectives import known_socs
        >>> "u55-256-cim8" in known_socs()
        True
    """
    return built_in_names(_BUILT_IN)


def load_soc(name: str) -> SoC:
    """A built-in SoC by its name, or a custom one by the path of its YAML file.

    Example:
        >>> from objectives import load_soc
        >>> load_soc("u55-128").macros
        0

    Raises:
        UnknownNameError: No built-in SoC has this name.
        DocumentError: The file cannot be read or does not describe an SoC.

    Warns:
        H4HWarning: The file has keys of an earlier version, or its NPU mixes sizes of the Ethos-U55.
    """
    data = upgraded(read_laid_over("hardware", name, _BUILT_IN), name)
    tables = take_tables(data, source=name)
    soc = parse_document(SoC, data, source=name)
    if soc.has_npu:
        warn_of_mixed_sizes(soc.npu, name)
    if NPU in tables and soc.has_npu:
        measured = read_measured_ops(Path(name).parent / tables[NPU], clock_mhz=soc.clock_mhz)
        soc = replace(soc, measured_npu=measured)
        _ = soc.measured_npu_energy  # refuses energies that no factor can scale
    if CIM in tables and soc.macros:
        file = Path(name).parent / tables[CIM]
        measured = read_measured_ops(
            file, clock_mhz=soc.clock_mhz, macro_units=soc.units, kinds=soc.macro_kinds
        )
        soc = replace(soc, measured_cim=measured)
        _ = soc.measured_macros
    return _without_idle_parts(soc)


def variant(soc: SoC, *, macros: int | None = None, units: int | None = None) -> SoC:
    """`soc` with another number of macros or of compute units per macro.

    Args:
        soc: The chip to start from.
        macros: Number of macros; 0 gives the NPU alone. Macros beyond the floor plan take the nearest free
            tiles.
        units: Compute units, or parallel tiles, per macro.

    Raises:
        H4HError: A number is too small or too large, or `soc` has no macros to derive others from.
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
            f"hardware {soc.name!r} has no macros to derive others from; use one that has, such as "
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
    """`soc` with another value of one number, within the range that its file states.

    Args:
        soc: The chip to start from.
        name: Dotted name as in `SoC.quantities`, e.g. ``npu.clock``.
        value: New value in the unit of the number; 0 for ``cim.macros`` gives the NPU alone.

    Raises:
        UnknownNameError: `soc` has no such number.
        DocumentError: `value` is outside the range, or a fraction where the number must be whole.
    """
    known = dict(soc.quantities())
    if name not in known:
        raise UnknownNameError("quantity", name, known)
    path = name.split(".")
    try:
        number = replace(known[name], value=float(value))
    except DocumentError as error:
        raise DocumentError(f"{name}: {error}") from error
    return _without_idle_parts(_replaced(soc, path, number))


def _replaced(owner: Any, path: Sequence[str], number: Quantity) -> Any:
    """`owner` with another quantity at `path`, through the sections on the way."""
    name, *rest = path
    return replace(owner, **{name: _replaced(getattr(owner, name), rest, number) if rest else number})


def assumed(soc: SoC) -> Iterator[tuple[str, str, float]]:
    """Name, end (``low`` or ``high``) and value of every assumed number of `soc`.

    A number is assumed where an end of its range differs from its value. Areas are excluded, because neither
    latency nor energy depends on them.
    """
    for name, number in soc.quantities():
        for end in ("low", "high"):
            value = getattr(number, end)
            if value != number.value and decides_costs(name):
                yield name, end, value


def _chosen(number: Quantity, value: int, option: str) -> Quantity:
    low, high = min(number.low, value), max(number.high, value)
    return replace(number, value=float(value), low=low, high=high, source=f"{option}; {number.source}")


def _without_idle_parts(soc: SoC) -> SoC:
    """`soc` without network and macros if the number of macros is 0."""
    return soc if soc.macros else replace(soc, cim=None, noc=None, digital=None, measured_cim=None)
