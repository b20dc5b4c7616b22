"""Tables of measured ops: cycles and energies of single ops on a user's own silicon, read from CSV files.

A chip file names them: `npu.table` for the NPU, `cim.table` for the macros. Columns, in any order:

| column | content |
|---|---|
| kind, height, width, in_channels, out_channels | the op, see `Op`; all required |
| kernel, stride, heads, fused_gelu | as in `Op`; 1, 1, 1 and 0 if absent or empty |
| cycles or us | time of the op, in cycles of the chip's clock or in microseconds; one of the two |
| pJ | energy of the device for the op, without leakage and idle clocks; optional, may be empty in a row |
| spread | standard deviation of repeated measurements, in the unit of the time; optional |
| source | where the number is from; optional |
| share, file | written by `studies.measure`; not used |
| macros | number of macros that ran the op; `cim.table` only, required there |
| units | compute units, or parallel tiles, of each of them; `cim.table` only, the chip file's own if empty |
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from objectives.hardware.op import KINDS, InvalidOpError, Op, OpArrays
from search_space.arrays import Floats, Integers
from search_space.errors import H4HError
from search_space.files.regular_file import file_problem

_REQUIRED = ("kind", "height", "width", "in_channels", "out_channels")
_DEFAULTS = {"kernel": 1, "stride": 1, "heads": 1, "fused_gelu": 0}
_TIMES = ("cycles", "us")
ENERGY_COLUMN = "pJ"
"""Name of the column of energies."""
_OPTIONAL = (ENERGY_COLUMN, "spread", "source", "share", "file")
_MACROS, _UNITS = "macros", "units"
_MOST = 10**9
"""Greatest size or count in a table; larger ones would lose digits."""


class MeasurementError(H4HError):
    """A table of measured ops that cannot be used."""


@dataclass(frozen=True)
class MeasuredOp:
    """One measurement.

    Attributes:
        op: The op.
        macros: Number of macros that ran it; 0 for the NPU.
        cycles: Time in cycles of the chip.
        spread: Standard deviation of the time in cycles; NaN if unknown.
        source: Where the number is from.
        picojoules: Energy of the device in pJ; NaN if unknown.
        units: Compute units, or parallel tiles, of each macro; 0 for the NPU.
    """

    op: Op
    macros: int
    cycles: float
    spread: float
    source: str
    picojoules: float = math.nan
    units: int = 0

    @property
    def text(self) -> str:
        """Op and values, equal for measurements that say the same."""
        energy = "" if math.isnan(self.picojoules) else f" {self.picojoules!r} pJ"
        units = f"x{self.units}" if self.units else ""
        return f"{self.op.kind} {self.op.shape} {self.macros}{units} {self.cycles!r}{energy}"


@dataclass(frozen=True)
class MeasuredOps:
    """The measurements of one device.

    Attributes:
        rows: Each op, with its number of macros and units, once.
        name: Name of the file, for messages.
    """

    rows: tuple[MeasuredOp, ...]
    name: str = "table"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of ops, times and energies, whatever their order, spread and source."""
        lines = sorted(row.text for row in self.rows)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @cached_property
    def ops(self) -> OpArrays:
        """The ops (n,)."""
        return OpArrays.of([row.op for row in self.rows])

    @cached_property
    def macros(self) -> Floats:
        """Number of macros that ran each op (n,)."""
        return np.array([row.macros for row in self.rows], dtype=np.float64)

    @cached_property
    def units(self) -> Floats:
        """Units of each of these macros (n,)."""
        return np.array([row.units for row in self.rows], dtype=np.float64)

    @cached_property
    def cycles(self) -> Floats:
        """Measured cycles (n,)."""
        return np.array([row.cycles for row in self.rows], dtype=np.float64)

    @cached_property
    def picojoules(self) -> Floats:
        """Measured energies in pJ (n,); NaN where unknown."""
        return np.array([row.picojoules for row in self.rows], dtype=np.float64)

    @cached_property
    def with_energy(self) -> MeasuredOps | None:
        """The rows whose energy is known; None without any."""
        rows = tuple(row for row in self.rows if not math.isnan(row.picojoules))
        return MeasuredOps(rows, self.name) if rows else None

    def find(self, ops: OpArrays, macros: Floats, units: Floats) -> Integers:
        """Row of each op (m,) in this table; -1 for one that was not measured."""
        keys, wanted = _keys(self.ops, self.macros, self.units), _keys(ops, macros, units)
        order = np.argsort(keys)
        places = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
        rows = order[places]
        return np.where(keys[rows] == wanted, rows, -1)


def _keys(ops: OpArrays, macros: Floats, units: Floats) -> np.ndarray[tuple[int], np.dtype[np.bytes_]]:
    """One comparable key for each op; equal for ops that a device cannot tell apart."""
    linear = ops.is_kind("linear", "norm")
    columns = [
        ops.kind,
        np.where(linear, ops.height * ops.width, ops.height),
        np.where(linear, 1, ops.width),
        ops.in_channels,
        ops.out_channels,
        ops.kernel,
        ops.stride,
        np.where(ops.is_kind("linear"), 1, ops.heads),
        ops.fused_gelu,
        ops.kernel_width,
        ops.out_height,
        ops.out_width,
        macros,
        units,
    ]
    table = np.ascontiguousarray(np.stack([np.asarray(column, dtype=">i8") for column in columns], axis=1))
    return table.view(f"S{table.shape[1] * 8}").reshape(-1)


def read_measured_ops(
    path: Path, *, clock_mhz: float, macro_units: int | None = None, kinds: Sequence[str] = KINDS
) -> MeasuredOps:
    """Reads a table of measured ops.

    Args:
        path: The CSV file, with a header.
        clock_mhz: Clock of the chip, which turns microseconds into cycles.
        macro_units: Units of the chip's macros, for a table of macros, where the column `macros` is required;
            None for a table of the NPU.
        kinds: Kinds of ops that the device runs.

    Raises:
        MeasurementError: The file cannot be read, or a row is wrong; the message names the row.
    """
    if problem := file_problem(path):
        raise MeasurementError(f"{path} {problem}; name a CSV file of measurements")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="", restval=None)
            header = [name.strip() for name in reader.fieldnames or ()]
            _check_header(path, header, of_macros=macro_units is not None)
            reader.fieldnames = header
            rows = [
                _row(f"{path}, row {number}", row, clock_mhz, macro_units, kinds)
                for number, row in enumerate(reader, start=2)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MeasurementError(f"cannot read the table of measured ops {path}: {error}") from error
    if not rows:
        raise MeasurementError(f"{path}: the table has no rows below its header")
    return MeasuredOps(_without_repeats(path, rows), str(path))


def _check_header(path: Path, header: Sequence[str], *, of_macros: bool) -> None:
    required = (*_REQUIRED, _MACROS) if of_macros else _REQUIRED
    known = (*required, *_DEFAULTS, *_TIMES, *_OPTIONAL, *((_UNITS,) if of_macros else ()))
    if not header:
        raise MeasurementError(f"{path}: the table is empty; its first row must name the columns")
    for name in header:
        if name not in known:
            only = "; only cim.table has it" if name in (_MACROS, _UNITS) else ""
            raise MeasurementError(f"{path}: unknown column {name!r}{only}; known are {', '.join(known)}")
        if header.count(name) > 1:
            raise MeasurementError(f"{path}: column {name!r} stands twice in the header")
    missing = [name for name in required if name not in header]
    if missing:
        raise MeasurementError(f"{path}: column {missing[0]!r} is missing")
    if sum(name in header for name in _TIMES) != 1:
        raise MeasurementError(f"{path}: must have one of the columns {' and '.join(_TIMES)}")


def _row(
    where: str,
    row: Mapping[str, str | None],
    clock_mhz: float,
    macro_units: int | None,
    kinds: Sequence[str],
) -> MeasuredOp:
    if "" in row or None in row.values():
        raise MeasurementError(f"{where}: has more or fewer cells than the header")
    cells = {name: (cell or "").strip() for name, cell in row.items()}
    shape = {name: _whole(where, name, cells[name]) for name in _REQUIRED[1:]}
    shape |= {
        name: _whole(where, name, cells[name]) if cells.get(name) else default
        for name, default in _DEFAULTS.items()
    }
    gelu = shape.pop("fused_gelu")
    if gelu not in (0, 1):
        raise MeasurementError(f"{where}: fused_gelu must be 0 or 1, but got {gelu}")
    try:
        op = Op(cells["kind"], **shape, fused_gelu=bool(gelu))
    except (InvalidOpError, H4HError) as error:
        raise MeasurementError(f"{where}: {error}") from error
    if op.kind not in kinds:
        raise MeasurementError(
            f"{where}: the macros of this chip run {', '.join(kinds)}, but got {op.kind}; leave out the row"
        )
    macros = units = 0
    if macro_units is not None:
        macros = _count(where, _MACROS, cells[_MACROS])
        units = _count(where, _UNITS, cells[_UNITS]) if cells.get(_UNITS) else macro_units
    unit = next(name for name in _TIMES if name in cells)
    factor = clock_mhz if unit == "us" else 1.0
    cycles = _amount(where, unit, cells[unit]) * factor
    spread, energy = cells.get("spread"), cells.get(ENERGY_COLUMN)
    return MeasuredOp(
        op,
        macros,
        cycles,
        _amount(where, "spread", spread, zero=True) * factor if spread else math.nan,
        cells.get("source", ""),
        _amount(where, ENERGY_COLUMN, energy) if energy else math.nan,
        units,
    )


def _whole(where: str, name: str, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise MeasurementError(f"{where}: {name} must be a whole number, but got {text!r:.40}") from None
    if value > _MOST:
        raise MeasurementError(f"{where}: {name} must be at most {_MOST}, but got {text!r:.40}")
    return value


def _count(where: str, name: str, text: str) -> int:
    value = _whole(where, name, text)
    if value < 1:
        raise MeasurementError(f"{where}: {name} must be at least 1, but got {value}")
    return value


def _amount(where: str, name: str, text: str, *, zero: bool = False) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        least = "at least 0" if zero else "positive"
        raise MeasurementError(f"{where}: {name} must be a number that is {least}, but got {text!r:.40}")
    return value


def _without_repeats(path: Path, rows: Sequence[MeasuredOp]) -> tuple[MeasuredOp, ...]:
    """`rows`, each op once.

    Raises:
        MeasurementError: One op has two different times or energies.
    """
    table = MeasuredOps(tuple(rows))
    first_by_key: dict[bytes, int] = {}
    for number, key in enumerate(_keys(table.ops, table.macros, table.units).tolist()):
        first = first_by_key.setdefault(key, number)
        pair = rows[first], rows[number]
        if len({(repr(row.cycles), repr(row.picojoules)) for row in pair}) > 1:
            value = "time" if pair[0].cycles != pair[1].cycles else "energy"
            raise MeasurementError(
                f"{path}, row {number + 2}: {rows[number].op.kind} {rows[number].op.shape} has another "
                f"{value} in row {first + 2}; keep one of the two, such as their median"
            )
    return tuple(rows[number] for number in first_by_key.values())
