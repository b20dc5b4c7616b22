"""Fronts of segments and of their parts that were found on one chip, for one mapping and NPU model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from objectives.hardware.mapping.capacity import Options
from objectives.hardware.mapping.corners import Corner
from objectives.hardware.mapping.segment_solver import OpContext
from search_space.arrays import Floats

Contexts = tuple[OpContext, ...]
"""A segment or a part of one: its ops in their contexts."""


class PartKey(NamedTuple):
    """A part of a segment between two states of its map in SRAM, for one number of macros."""

    contexts: Contexts
    start: int
    end: int | None
    choice: int


@dataclass(frozen=True)
class KnownFronts:
    """Fronts, each found once.

    Attributes:
        parts: Corners of the front of each part.
        units: Largest power of two that divides the bytes of every way of a part.
        options: Mappings of each segment for a number of macros that trade the cost to minimise for bytes.
        hulls: The same that trade latency for energy: cycles, energy and bytes (h, 3).
    """

    parts: dict[PartKey, list[Corner]] = field(default_factory=dict)
    units: dict[Contexts, int] = field(default_factory=dict)
    options: dict[tuple[Contexts, int], Options] = field(default_factory=dict)
    hulls: dict[tuple[Contexts, int], Floats] = field(default_factory=dict)
