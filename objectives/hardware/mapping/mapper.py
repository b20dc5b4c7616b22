"""The best mapping of a whole network: a split and a placement of the output for every op.

Ops that only the NPU runs cut a network into segments (`segment_solver.py`). Its optimum is the sum of
theirs, for each number of macros in use; the best number wins. Where the weights exceed the capacity of these
macros, `capacity.py` decides which segments give way. Weights take tiles or words of any macro in use: layers
go round the macros in turn, each op spread over as many as it has channels or tiles.

The product of energy and latency is not a sum. Its minimum lies on the lower convex hull of (latency, energy)
of the network, and `least_product` walks that hull edge by edge through the hulls of the segments. This is
exact as long as all weights fit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from objectives.hardware.mapping.capacity import Options, within
from objectives.hardware.mapping.device_choice import (
    CAPACITY,
    ENERGY,
    LATENCY,
    Weights,
)
from objectives.hardware.mapping.known_fronts import KnownFronts
from objectives.hardware.mapping.op_steps import OpSteps
from objectives.hardware.mapping.placement import FORBIDDEN
from objectives.hardware.mapping.segment_solver import (
    OpContext,
    Point,
    Steps,
    all_points,
    op_contexts,
    segment_costs,
    solve,
    split_points,
    supported,
)
from objectives.hardware.mapping.split_costs import MAPPINGS, SplitCosts, macro_options, split_costs
from objectives.hardware.npu_model import NpuModel
from objectives.hardware.op import Op
from objectives.hardware.soc import SoC
from search_space.errors import H4HError, UnknownNameError

CRITERIA: dict[str, tuple[Weights, Weights]] = {
    "latency": (LATENCY, ENERGY),
    "energy": (ENERGY, LATENCY),
    "edp": (LATENCY, ENERGY),
    "npu": (LATENCY, ENERGY),
    "cim": (LATENCY, ENERGY),
}
"""Criterion that each mapping minimises, and its tie breaker; for `edp` those of the first hull point."""


class CapacityError(H4HError):
    """The weights of a network exceed the capacity of the macros that it is forced onto."""


SegmentKey = tuple[tuple[Op, ...], tuple[bool, ...]]
"""Ops of a segment, and for each whether its output may stay at the macros."""


@dataclass
class Segment:
    """A run of ops with its best mappings.

    Attributes:
        ops: The ops.
        stays: For each op whether its output may stay at the macros.
        best: Best mapping for each number of macros.
        options: Mappings that trade cost for bytes, by number of macros and weights; filled when needed.
        hulls: Mappings that trade latency for energy, by number of macros; filled when needed.
    """

    ops: tuple[Op, ...]
    stays: tuple[bool, ...]
    best: list[Point]
    options: dict[tuple[int, Weights], Options] = field(default_factory=dict)
    hulls: dict[int, list[Point]] = field(default_factory=dict)


@dataclass(frozen=True)
class Mapping:
    """Mapping of a network.

    Attributes:
        choice: Index into `macro_options`, the number of macros in use.
        segments: The segments in order.
        points: The mapping of each segment.
    """

    choice: int
    segments: tuple[Segment, ...]
    points: tuple[Point, ...]

    @property
    def cycles(self) -> float:
        return sum(point.cycles for point in self.points)

    @property
    def energy_pj(self) -> float:
        return sum(point.energy_pj for point in self.points)

    @property
    def weight_bytes(self) -> float:
        return sum(point.weight_bytes for point in self.points)

    def key(self, name: str) -> tuple[float, ...]:
        """Key by which the mapping `name` ranks; smaller is better."""
        pair = (self.cycles, self.energy_pj)
        match name:
            case "energy":
                return (self.energy_pj, self.cycles)
            case "edp":
                return (self.cycles * self.energy_pj, *pair)
        return pair


@dataclass(frozen=True)
class KnownCosts:
    """Costs of every distinct op and segment that was mapped: on one chip, for one mapping and NPU model.

    Attributes:
        splits: Costs of the splits of each op.
        steps: Each op in its context as a step of dynamic programming.
        segments: Segments by their ops and whether the output of each may stay at the macros.
        fronts: What segments and their parts cost for which bytes in the macros.
    """

    splits: dict[Op, SplitCosts] = field(default_factory=dict)
    steps: dict[OpContext, Steps] = field(default_factory=dict)
    segments: dict[SegmentKey, Segment] = field(default_factory=dict)
    fronts: KnownFronts = field(default_factory=KnownFronts)


class Mapper:
    """Finds mappings on one SoC, and remembers every distinct op and segment.

    Args:
        soc: The chip.
        mapping: One of `MAPPINGS`.
        npu_model: Model of the NPU's cycles; default: the closed form.
        known: Costs of another mapper for the same chip, mapping and NPU model, which both extend; none by
            default.

    Raises:
        UnknownNameError: There is no such mapping.
        H4HError: The mapping is `cim`, but the chip has no macros.
    """

    def __init__(
        self,
        soc: SoC,
        mapping: str = "latency",
        npu_model: NpuModel | None = None,
        known: KnownCosts | None = None,
    ) -> None:
        if mapping not in MAPPINGS:
            raise UnknownNameError("mapping", mapping, MAPPINGS)
        if mapping == "cim" and soc.cim is None:
            raise H4HError(
                f"mapping 'cim' needs macros, but hardware {soc.name!r} has none; use another mapping"
            )
        self.soc = soc
        self.name = mapping
        self._npu_model = npu_model
        self.known = KnownCosts() if known is None else known
        self._splits, self._segments = self.known.splits, self.known.segments
        self._op_steps = OpSteps(self.splits, soc, self.known.steps)

    def learn(self, ops: Iterable[Op]) -> None:
        """Computes the splits of the ops not seen before, together."""
        new = [op for op in dict.fromkeys(ops) if op not in self._splits]
        costs = split_costs(new, self.soc, self.name, self._npu_model)
        self._splits.update(zip(new, costs, strict=True))

    def splits(self, op: Op) -> SplitCosts:
        """Costs of the splits of an op that was learnt."""
        return self._splits[op]

    def segments(self, ops: Sequence[Op], read_again: Collection[int] = ()) -> tuple[Segment, ...]:
        """Segments of a network, each with its best mappings."""
        (segments,) = self.segments_of_each([ops], [read_again])
        return segments

    def segments_of_each(
        self, networks: Sequence[Sequence[Op]], read_again: Sequence[Collection[int]]
    ) -> list[tuple[Segment, ...]]:
        """Segments of many networks; those with equal steps are solved together.

        Args:
            networks: Ops of each network in order.
            read_again: Argument `read_again` of `find` for each.
        """
        self.learn(op for ops in networks for op in ops)
        keys = [self.cut(*network) for network in zip(networks, read_again, strict=True)]
        self._solve({key: None for own in keys for key in own if key not in self._segments})
        return [tuple(self._segments[key] for key in own) for own in keys]

    def cut(self, ops: Sequence[Op], read_again: Collection[int]) -> list[SegmentKey]:
        """Keys of the segments of a network in order; arguments as for `find`."""
        cuts = split_points(ops, frozenset(read_again), self.soc)
        return [(tuple(ops[start:stop]), stays) for start, stop, stays in cuts]

    def _solve(self, keys: Iterable[SegmentKey]) -> None:
        """Best mappings of new segments."""
        groups: dict[Any, dict[SegmentKey, Steps]] = {}
        for key in keys:
            steps = self._op_steps.joined(op_contexts(*key))
            groups.setdefault(steps.shape, {})[key] = steps
        choices = len(macro_options(self.soc))
        for group in groups.values():
            points = solve(Steps.stacked(list(group.values())), *CRITERIA[self.name])
            for index, (ops, stays) in enumerate(group):
                own = points[index * choices : (index + 1) * choices]
                self._segments[ops, stays] = Segment(ops, stays, own)

    def find(self, ops: Sequence[Op], read_again: Collection[int] = ()) -> Mapping:
        """The best mapping of a network.

        Args:
            ops: In order; may be empty.
            read_again: Indices of ops whose output is read again later, not only by the next op.

        Raises:
            CapacityError: The network is forced onto macros that cannot hold its weights.
        """
        segments = self.segments(ops, read_again)
        free = [self._free(choice, segments) for choice in range(len(macro_options(self.soc)))]
        best: Mapping | None = None
        # A mapping without the capacity limit is a lower bound of one within it.
        for mapping in sorted(free, key=lambda candidate: candidate.key(self.name)):
            if best is not None and mapping.key(self.name) >= best.key(self.name):
                break
            if mapping.cycles >= FORBIDDEN:
                continue  # only where every op is forced onto macros
            if mapping.weight_bytes > self._budget(mapping.choice):
                if self.name == "cim":
                    continue
                mapping = self._squeezed(mapping)
            if best is None or mapping.key(self.name) < best.key(self.name):
                best = mapping
        if best is None:
            raise self._refusal(free)
        return best

    def _refusal(self, free: Sequence[Mapping]) -> CapacityError:
        """The error for a network that does not fit the macros that it is forced onto."""
        fastest = free[-1]
        if fastest.cycles >= FORBIDDEN:
            assert self.soc.cim is not None
            return CapacityError(
                f"mapping 'cim' cannot run every op of this network on {self.soc.name!r}: rows of a map, or "
                f"operands of a product, exceed the macros' buffers of {self.soc.cim.buffer.value:g} KiB; "
                f"use another mapping, larger buffers or smaller maps"
            )
        return CapacityError(
            f"mapping 'cim' needs {fastest.weight_bytes / 1024:.1f} KiB of weights in the macros of "
            f"{self.soc.name!r}, which hold {self._budget(fastest.choice) / 1024:g} KiB; use another "
            f"mapping, more macros or a smaller network"
        )

    def _budget(self, choice: int) -> float:
        """Bytes for weights in the macros in use."""
        capacity = self.soc.cim.macro_capacity_bytes if self.soc.cim is not None else 0.0
        return capacity * macro_options(self.soc)[choice]

    def _steps(self, ops: tuple[Op, ...], stays: tuple[bool, ...]) -> Steps:
        splits = [self._splits[op] for op in ops]
        return Steps.of(segment_costs(splits, self.soc, stays), splits, stays)

    def _free(self, choice: int, segments: tuple[Segment, ...]) -> Mapping:
        """The best mapping with this number of macros, ignoring their capacity."""
        if self.name != "edp":
            return Mapping(choice, segments, tuple(segment.best[choice] for segment in segments))
        hulls = [self._hull(segment, choice) for segment in segments]
        return Mapping(choice, segments, least_product(hulls))

    def _hull(self, segment: Segment, choice: int) -> list[Point]:
        if choice not in segment.hulls:
            steps = self._steps(segment.ops, segment.stays).of_macros(choice)
            segment.hulls[choice] = supported(steps, LATENCY, ENERGY)
        return segment.hulls[choice]

    def _squeezed(self, mapping: Mapping) -> Mapping:
        """`mapping`, changed so that the weights fit into the macros."""
        weights = CRITERIA[self.name][0]
        if self.name == "edp":
            weights = (mapping.energy_pj, mapping.cycles, 0.0)  # the gradient of the product
        options = [self._options(segment, mapping.choice, weights) for segment in mapping.segments]
        points = within(options, self._budget(mapping.choice))
        return Mapping(mapping.choice, mapping.segments, tuple(points))

    def _options(self, segment: Segment, choice: int, weights: Weights) -> Options:
        key = (choice, weights)
        options = segment.options.get(key)
        if options is None:
            steps = self._steps(segment.ops, segment.stays).of_macros(choice)
            points = all_points(steps) or supported(steps, weights, CAPACITY)
            options = Options.of(points, weights)
            if self.name != "edp":  # its weights hardly ever repeat
                segment.options[key] = options
        return options


def least_product(hulls: Sequence[Sequence[Point]]) -> tuple[Point, ...]:
    """One point of each hull with the smallest product of total cycles and total energy.

    Args:
        hulls: Points on the lower convex hull of each segment, from fewest cycles to least energy.
    """
    places = [0] * len(hulls)
    edges = sorted(
        (
            (points[place + 1].cycles - points[place].cycles)
            / (points[place].energy_pj - points[place + 1].energy_pj),
            index,
            place + 1,
        )
        for index, points in enumerate(hulls)
        for place in range(len(points) - 1)
    )
    cycles = sum(points[0].cycles for points in hulls)
    energy = sum(points[0].energy_pj for points in hulls)
    best, best_places = cycles * energy, list(places)
    for _, index, place in edges:
        cycles += hulls[index][place].cycles - hulls[index][place - 1].cycles
        energy += hulls[index][place].energy_pj - hulls[index][place - 1].energy_pj
        places[index] = place
        if cycles * energy < best:
            best, best_places = cycles * energy, list(places)
    return tuple(points[place] for points, place in zip(hulls, best_places, strict=True))
