"""Admission of a Dask worker: what a worker runs before it gets a part, and what it then holds.

The objective is the result of a task. Dask keeps it on the worker as long as the client lives, so nothing
stays behind after a killed client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import distributed

from objectives.objective import Objective
from objectives.workers.packed_objective import Parcel
from objectives.workers.source_digest import module_digest, packages_digest
from objectives.workers.versions import WorkerError, check_versions, versions
from search_space.arrays import Floats
from search_space.command.byte_count import bytes_text
from search_space.subnet import Subnet

FILLED = 0.7
"""Share of its memory limit that a worker may fill. Above it, Dask moves data to disk and then pauses."""


@dataclass(frozen=True)
class Requirements:
    """Requirements of an objective on each worker.

    Attributes:
        versions: Versions and digests of the client.
        module: Module of the objective's class.
        probe: Subnets that each worker measures first; may be empty.
        values: Values of `probe` on the client.
        memory: Bytes by which one measurement may let the process grow.
    """

    versions: Mapping[str, str]
    module: str
    probe: tuple[Subnet, ...] = ()
    values: tuple[float, ...] = ()
    memory: float = 0.0

    @classmethod
    def of(cls, objective: Objective, probe: Sequence[Subnet], memory: float) -> Requirements:
        """Requirements of `objective`. Measures `probe` in this process."""
        module = type(objective).__module__
        values = tuple(map(float, objective(probe))) if probe else ()
        return cls(describe(module), module, tuple(probe), values, memory)

    def check_code(self, worker: str, described: Mapping[str, str]) -> None:
        """Raises `WorkerError` unless `worker` has the same code."""
        check_versions(self.versions, {worker: described})

    def check_state(self, worker: str, state: WorkerState) -> None:
        """Raises `WorkerError` unless `worker` gives the same values and has enough memory."""
        for subnet, own, other in zip(self.probe, self.values, state.values, strict=True):
            if own != other:
                raise WorkerError(
                    f"worker {worker} gives {other!r} for the probe subnet of {subnet.conv_blocks} MBConv "
                    f"and {subnet.vit_blocks} ViT blocks, but {own!r} is measured here: use the same kind of "
                    f"processor and an untouched installation everywhere"
                )
        needed = state.resident + state.threads * self.memory
        if state.limit is not None and needed > FILLED * state.limit:
            raise WorkerError(
                f"worker {worker} may fill {bytes_text(FILLED * state.limit)} ({FILLED:.0%} of its limit of "
                f"{bytes_text(state.limit)}), but needs up to {bytes_text(needed)}: "
                f"{bytes_text(state.resident)} after set-up and {bytes_text(self.memory)} for each of "
                f"{state.threads} threads; raise its --memory-limit, or lower --memory or its threads"
            )


@dataclass(frozen=True)
class WorkerState:
    """State of a worker that holds the objective.

    Attributes:
        values: Values of the probe.
        resident: Bytes of memory that its process takes before it measures.
        limit: Memory limit in bytes; None without a limit.
        threads: Number of parts that it measures at a time.
    """

    values: tuple[float, ...]
    resident: int
    limit: int | None
    threads: int


@dataclass(frozen=True)
class Packed:
    """A packed objective, as it travels to workers."""

    parcel: Parcel
    block: bytes


class LostObjectiveError(Exception):
    """A worker that no longer holds the objective, since Dask moved it."""


class Held:
    """The objective on a worker. Dask may move it, and then it is lost and has to be sent again.

    Args:
        objective: The objective; None for a lost one.
    """

    def __init__(self, objective: Objective | None) -> None:
        self.objective = objective

    def __reduce__(self) -> tuple[Any, ...]:
        return Held, (None,)

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """Values of the subnets.

        Raises:
            LostObjectiveError: The objective has to be sent again.
        """
        if self.objective is None:
            raise LostObjectiveError
        return self.objective(subnets)


def describe(module: str) -> dict[str, str]:
    """Versions of this process, with digests of its sources and of the module of the objective."""
    import_module(module)
    own = module_digest(module)
    return {
        **versions(),
        "source digest": packages_digest(),
        **({f"source digest of {module}": own} if own else {}),
    }


def describe_worker(module: str) -> dict[str, str]:
    """`describe` in a worker, which also notes its memory."""
    described = describe(module)
    resident()
    return described


@cache
def resident() -> int:
    """Bytes of memory of this worker at the first call: before it measured for any study.

    Later it also holds freed memory, which the next study uses again.
    """
    return int(distributed.get_worker().monitor.get_process_memory())


def hand_over(packed: Packed) -> Packed:
    """`packed` as the result of a task, so that workers take it from each other."""
    return packed


def hold(packed: Packed) -> Held:
    """The objective, unpacked in a worker."""
    return Held(packed.parcel.unpack(bytearray(packed.block)))


def state(held: Held, probe: Sequence[Subnet]) -> WorkerState:
    """State of this worker. Measures `probe`."""
    worker = distributed.get_worker()
    limit = worker.memory_manager.memory_limit
    values = tuple(map(float, held(probe))) if probe else ()
    return WorkerState(values, resident(), limit, worker.state.nthreads)


def measure(held: Held, subnets: Sequence[Subnet]) -> Floats:
    """Values of one part, measured in a worker."""
    return held(subnets)
