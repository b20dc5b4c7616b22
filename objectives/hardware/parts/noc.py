"""Network-on-chip between SRAM and the CIM macros: floor plan, and time and energy of transfers.

A mesh routes along x, then along y. A transfer to several macros is a multicast: it crosses each link of the
tree of its paths once, takes as long as its longest path, and costs energy on every link. Simultaneous
transfers share links, and the busiest link sets the pace. The port between a tile and its router counts as a
link without hops. On a bus, one transfer at a time drives the whole wire, which spans the floor plan.

The NPU reaches SRAM through a port of its own, so this file covers only traffic between SRAM and macros, and
among macros. All macros in use hold equal shares of a feature map.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated

import numpy as np

from objectives.hardware.parts.sourced_number import Quantity, Section, Unit
from search_space.arrays import Floats
from search_space.errors import DocumentError, UnknownNameError

Tile = tuple[int, int]
Link = tuple[Tile, Tile]

TOPOLOGIES = ("mesh", "bus")

FARTHEST = 1000
"""Largest coordinate of a tile; routes are computed tile by tile."""


@dataclass(frozen=True)
class Noc(Section):
    """Floor plan and constants of the network (section `noc` of a SoC file).

    Attributes:
        topology: ``mesh`` or ``bus``.
        npu: Tile (x, y) of the NPU; None on a chip without one.
        sram: Tile of the SRAM that holds activations.
        macros: Tiles of macros; a chip with fewer macros uses the first.
        router_cycles: Latency of a router.
        link_cycles: Latency of a link.
        bandwidth: Bandwidth of one link.
        hop_energy: Energy of one router and one link.
    """

    topology: str
    npu: Tile | None = field(default=None, kw_only=True)
    sram: Tile
    macros: tuple[Tile, ...]
    router_cycles: Annotated[Quantity, Unit("cycle/hop", zero=True)]
    link_cycles: Annotated[Quantity, Unit("cycle/hop", zero=True)]
    bandwidth: Annotated[Quantity, Unit("B/cycle")]
    hop_energy: Annotated[Quantity, Unit("pJ/B/hop", zero=True)]

    def check_quantities(self, name: str) -> None:
        """As `Section.check_quantities`; also checks the topology and that each tile is used once.

        Raises:
            UnknownNameError: There is no such topology.
            DocumentError: A tile is used twice or is too far away, or a quantity is wrong.
        """
        if self.topology not in TOPOLOGIES:
            raise UnknownNameError(f"{name}.topology", self.topology, TOPOLOGIES)
        for tile, count in Counter(self.tiles).items():
            if count > 1:
                raise DocumentError(
                    f"{name}: tile {list(tile)} is used {count} times; give each part its own tile"
                )
            if max(map(abs, tile)) > FARTHEST:
                raise DocumentError(
                    f"{name}: tile coordinates must be {-FARTHEST} to {FARTHEST}, but got {list(tile)}"
                )
        super().check_quantities(name)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """Tiles of all parts."""
        return (*(() if self.npu is None else (self.npu,)), self.sram, *self.macros)

    @property
    def hop_cycles(self) -> float:
        """Latency of one hop in cycles."""
        return self.router_cycles.value + self.link_cycles.value

    def traffic(self, macros: int) -> Traffic:
        """Transfer patterns of a feature map when the first `macros` macros work together."""
        return _traffic(self.topology, self.sram, self.macros[:macros])

    def cycles(self, pattern: Pattern, moved: Floats) -> Floats:
        """Cycles of moving `moved` bytes by `pattern`, arrays that broadcast; 0 for 0 bytes."""
        latency = pattern.hops * self.hop_cycles
        return (moved > 0) * (latency + moved * (pattern.load / self.bandwidth.value))

    def energy_pj(self, pattern: Pattern, moved: Floats) -> Floats:
        """Energy in pJ of moving `moved` bytes by `pattern`, arrays that broadcast."""
        return moved * (pattern.links * self.hop_energy.value)


@dataclass(frozen=True)
class Pattern:
    """One transfer pattern, or one for each number of macros, independent of the size of the feature map.

    Attributes:
        hops: Hops of the longest path.
        load: Bytes on the busiest link per byte of the map.
        links: Links crossed per byte of the map, summed over all flows.
    """

    hops: float | Floats
    load: float | Floats
    links: float | Floats

    @classmethod
    def each(cls, patterns: Sequence[Pattern]) -> Pattern:
        """The patterns of m numbers of macros as one, with arrays (m, 1, 1, 1)."""
        columns = zip(*((one.hops, one.load, one.links) for one in patterns), strict=True)
        return cls(*(np.array(column, dtype=np.float64)[:, None, None, None] for column in columns))


@dataclass(frozen=True)
class Traffic:
    """All transfer patterns between SRAM and some macros.

    Attributes:
        multicast: The whole map from SRAM to every macro.
        scatter: An equal share from SRAM to each macro.
        gather: An equal share from each macro to SRAM.
        exchange: An equal share from each macro to all others.
    """

    multicast: Pattern
    scatter: Pattern
    gather: Pattern
    exchange: Pattern


@dataclass(frozen=True)
class Flow:
    """One multicast or unicast of a pattern.

    Attributes:
        source: Tile where it starts.
        targets: Tiles where it ends.
        share: Share of the feature map that it carries.
    """

    source: Tile
    targets: tuple[Tile, ...]
    share: float


def hops(start: Tile, end: Tile) -> int:
    """Number of links between two tiles of a mesh."""
    return abs(start[0] - end[0]) + abs(start[1] - end[1])


def route(start: Tile, end: Tile) -> Iterator[Link]:
    """Links of a mesh from `start` to `end`: along x, then along y."""
    x, y = start
    while x != end[0]:
        following = x + (1 if end[0] > x else -1)
        yield (x, y), (following, y)
        x = following
    while y != end[1]:
        following = y + (1 if end[1] > y else -1)
        yield (x, y), (x, following)
        y = following


def tree(start: Tile, ends: Iterable[Tile]) -> frozenset[Link]:
    """Links of a multicast: the union of its routes."""
    return frozenset(link for end in ends for link in route(start, end))


def mesh_pattern(flows: Sequence[Flow]) -> Pattern:
    """Pattern of simultaneous flows on a mesh."""
    loads: dict[tuple[str, Tile] | Link, float] = {}
    links = 0.0
    for flow in flows:
        branches = tree(flow.source, flow.targets)
        links += flow.share * len(branches)
        ports = [("out", flow.source), *(("in", target) for target in flow.targets)]
        used: list[tuple[str, Tile] | Link] = [*branches, *ports]
        for link in used:
            loads[link] = loads.get(link, 0.0) + flow.share
    longest = max((hops(flow.source, end) for flow in flows for end in flow.targets), default=0)
    return Pattern(hops=longest, load=max(loads.values(), default=0.0), links=links)


def bus_pattern(flows: Sequence[Flow], length: int) -> Pattern:
    """Pattern of flows on a bus, one after the other, each over all `length` links of the wire."""
    total = sum(flow.share for flow in flows)
    return Pattern(hops=1 if flows else 0, load=total, links=total * length)


@lru_cache(maxsize=1 << 10)
def _traffic(topology: str, sram: Tile, macros: tuple[Tile, ...]) -> Traffic:
    share = 1.0 / len(macros)
    multicast = [Flow(sram, macros, 1.0)]
    scatter = [Flow(sram, (macro,), share) for macro in macros]
    gather = [Flow(macro, (sram,), share) for macro in macros]
    exchange = [
        Flow(macro, tuple(other for other in macros if other != macro), share)
        for macro in macros
        if len(macros) > 1
    ]
    if topology == "mesh":
        return Traffic(*map(mesh_pattern, (multicast, scatter, gather, exchange)))
    tiles = (sram, *macros)
    length = max(hops(start, end) for start in tiles for end in tiles)
    return Traffic(*(bus_pattern(flows, length) for flows in (multicast, scatter, gather, exchange)))
