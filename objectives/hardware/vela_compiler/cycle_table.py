"""Table of costs from Arm's compiler on disk: each distinct op is compiled once per NPU.

The table is `vela.sqlite` in the cache folder (`H4H_CACHE`, or the user's). Its key is the op and a hash of
everything else that decides the costs: version of the compiler, configuration of NPU and memories, compiler
options, and the construction of the probe networks. Several processes may use the table at the same time.
Each row has a digest. A row that disagrees with it, or that holds no possible costs, is compiled again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from objectives.hardware.op import Op, OpArrays, op_of
from objectives.hardware.parts.npu import Npu
from objectives.hardware.vela_compiler.probe import PROBE_VERSION, CompiledOp, compiled_ops
from objectives.hardware.vela_compiler.vela import (
    PACKAGE,
    VelaError,
    compiler_options,
    system_configuration,
    vela_version,
)
from search_space.arrays import Floats
from search_space.files.cache_folder import VARIABLE, cache_folder, make_private, private_file

FILE_NAME = "vela.sqlite"
_BATCH = 64
"""Ops compiled between two writes, so that a killed run loses little."""
_WAIT_S = 60.0


class VelaTable:
    """The NPU model `vela`.

    Args:
        npu: Constants of the SoC file: multipliers, clock, bandwidths and latency.
        file: File of the table; default: in the cache folder.

    Raises:
        VelaError: The compiler is not installed, or does not support such an NPU.
    """

    def __init__(self, npu: Npu, *, file: Path | None = None) -> None:
        self._target = system_configuration(npu)
        self._options = compiler_options(npu)
        self._file = cache_folder() / FILE_NAME if file is None else file
        self.name = f"vela {vela_version()}"
        parts = (PACKAGE, vela_version(), PROBE_VERSION, self._target.system, self._options)
        self._key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        self._known: dict[Op, CompiledOp] = {}

    def cycles(self, ops: OpArrays) -> Floats:
        """NPU cycles (n,); ops that are not in the table are compiled first.

        Raises:
            VelaError: The compiler refuses an op, or the table cannot be used.
        """
        return np.array([cost.cycles for cost in self._costs(ops)], dtype=np.float64)

    def traffic(self, ops: OpArrays) -> tuple[Floats, Floats]:
        """Bytes moved to and from SRAM, and bytes of weights read, both (n,); see `cycles`."""
        costs = self._costs(ops)
        return (
            np.array([cost.traffic for cost in costs], dtype=np.float64),
            np.array([cost.weights for cost in costs], dtype=np.float64),
        )

    def _costs(self, ops: OpArrays) -> list[CompiledOp]:
        rows = _ops(ops)
        new = [op for op in dict.fromkeys(rows) if op not in self._known]
        if new:
            self._learn(new)
        return [self._known[op] for op in rows]

    def _learn(self, ops: Sequence[Op]) -> None:
        with self._table() as table:
            rows = table.execute(
                "SELECT op, cycles, traffic, weights, digest FROM costs WHERE npu = ?", (self._key,)
            )
            stored = {
                op: CompiledOp(*cost)
                for op, *cost, own in rows.fetchall()
                if _is_possible(cost) and own == self._digest(op, CompiledOp(*cost))
            }
            missing = []
            for op in ops:
                if (text := _text(op)) in stored:
                    self._known[op] = stored[text]
                else:
                    missing.append(op)
            for start in range(0, len(missing), _BATCH):
                batch = missing[start : start + _BATCH]
                compiled = {op: compiled_ops([op], self._target, self._options)[0] for op in batch}
                for op, cost in compiled.items():
                    if not _is_possible(cost):
                        raise VelaError(
                            f"Vela gives {cost.cycles} cycles for {_text(op)}, which no op can take"
                        )
                with table:
                    table.executemany(
                        "INSERT OR REPLACE INTO costs VALUES (?, ?, ?, ?, ?, ?)",
                        [
                            (self._key, _text(op), *cost, self._digest(_text(op), cost))
                            for op, cost in compiled.items()
                        ],
                    )
                self._known.update(compiled)

    def _digest(self, op: str, cost: CompiledOp) -> bytes:
        """Digest of a row: NPU, compiler and its version (all in the key), op and costs."""
        text = "|".join(map(str, (self._key, op, *cost)))
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    @contextmanager
    def _table(self) -> Iterator[sqlite3.Connection]:
        try:
            make_private(self._file.parent)
            private_file(self._file)
            with closing(sqlite3.connect(self._file, timeout=_WAIT_S)) as table:
                with table:
                    table.execute(
                        "CREATE TABLE IF NOT EXISTS costs (npu TEXT, op TEXT, cycles INTEGER NOT NULL, "
                        "traffic INTEGER NOT NULL, weights INTEGER NOT NULL, digest BLOB NOT NULL, "
                        "PRIMARY KEY (npu, op)) WITHOUT ROWID"
                    )
                yield table
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise VelaError(
                f"cannot use the table of compiled ops {self._file}: {reason}; delete it, or set "
                f"{VARIABLE} to a writable folder"
            ) from error


def _is_possible(cost: Sequence[object]) -> bool:
    cycles, *moved = cost
    return (
        isinstance(cycles, int) and cycles > 0 and all(isinstance(size, int) and size >= 0 for size in moved)
    )


def _ops(ops: OpArrays) -> list[Op]:
    """The rows of `ops` as ops; rows that the compiler cannot tell apart become equal."""
    return [_plain(row) for row in ops.rows()]


def _plain(row: tuple[int, ...]) -> Op:
    op = op_of(row)
    if op.kind in ("linear", "norm"):
        return replace(op, height=op.height * op.width, width=1)
    return op


def _text(op: Op) -> str:
    return f"{op.kind} {op.shape}"
