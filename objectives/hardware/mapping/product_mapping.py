"""Costs of many networks in the mappings with the smallest products of energy and latency.

`mapper.least_product` walks the hull of one network edge by edge. Here the hulls of all networks are walked
at once, on hulls of their segments (`segment_fronts.py`). Costs are equal, number by number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from objectives.hardware.mapping.capacity_mapping import SegmentCatalogue
from objectives.hardware.mapping.mapper import Mapper
from objectives.hardware.mapping.segment_fronts import SegmentFronts
from objectives.hardware.mapping.segment_options import WEIGHT_BYTES, SegmentPlaces, concatenated
from objectives.hardware.mapping.split_costs import macro_options
from search_space.arrays import Booleans, Floats, Integers

_CHUNK = 1 << 8
"""Networks that are mapped at once; their numbers fit the processor's cache."""


class ProductMapping:
    """Best mappings under `edp`, as far as their weights fit into the macros.

    Args:
        mapper: SoC and mapping `edp`.

    Attributes:
        catalogue: The segments; more are added where networks have them.
    """

    def __init__(self, mapper: Mapper) -> None:
        self.catalogue = SegmentCatalogue()
        self._fronts = SegmentFronts(mapper)
        capacity = mapper.soc.cim.macro_capacity_bytes if mapper.soc.cim is not None else 0.0
        self._budgets = capacity * np.array(macro_options(mapper.soc), dtype=np.float64)
        self._hulls = [_SegmentHulls() for _ in self._budgets]

    def __call__(self, numbers: Integers) -> tuple[Floats, Booleans]:
        """Cycles, energy in pJ and weight bytes (n, 3) of networks, and whether the weights fit (n,).

        Costs of networks whose weights do not fit are those without the limit.

        Args:
            numbers: Segments of each network in order, as numbers of the catalogue (n, s).
        """
        each = np.stack([self._least(numbers, choice) for choice in range(len(self._hulls))], axis=1)
        cycles, energy = each[..., 0], each[..., 1]
        best = np.lexsort((energy, cycles, cycles * energy), axis=1)[:, 0]
        costs = each[np.arange(len(each)), best]
        return costs, costs[:, WEIGHT_BYTES] <= self._budgets[best]

    def _least(self, numbers: Integers, choice: int) -> Floats:
        """Costs (n, 3) with one number of macros, ignoring their capacity."""
        hulls = self._hulls[choice]
        new = hulls.places.missing(numbers)
        if len(new):
            segments = [self.catalogue.segments[number] for number in new]
            hulls.add(new, self._fronts.hulls(segments, choice))
        parts = [np.zeros((0, 3))]
        for start in range(0, len(numbers), _CHUNK):
            parts.append(hulls.least_product(numbers[start : start + _CHUNK]))
        return np.concatenate(parts)


@dataclass(frozen=True)
class _Flat:
    """Hulls of all segments, one after the other.

    Attributes:
        starts: Costs of the fastest mapping of each segment (s, 3).
        steps: Change of the costs along each edge (q, 3).
        ratios: Cycles that each edge costs for a pJ (q,).
        first: Index of the first edge of each segment, and the end (s + 1,).
    """

    starts: Floats
    steps: Floats
    ratios: Floats
    first: Integers


class _SegmentHulls:
    """Hulls of segments for one number of macros.

    Attributes:
        places: Places of the segments.
    """

    def __init__(self) -> None:
        self.places = SegmentPlaces()
        self._each = [np.zeros((1, 3))]  # no segment
        self._flat: _Flat | None = None

    def add(self, numbers: Integers, each: list[Floats]) -> None:
        """Hulls of further segments."""
        self.places.add(numbers)
        self._each += each
        self._flat = None

    def least_product(self, numbers: Integers) -> Floats:
        """Costs (n, 3) of networks of segments (n, s) with the smallest product of cycles and energy."""
        flat = self._flattened()
        places = self.places[numbers]
        edges, _ = concatenated(places, flat.first)
        exists = edges >= 0
        # The padding of the table has one edge that costs nothing and saves nothing.
        order = np.argsort(np.where(exists, flat.ratios[edges], np.inf), axis=1, kind="stable")
        steps = flat.steps[np.where(exists, edges, len(flat.steps) - 1)]
        steps = np.take_along_axis(steps, order[..., None], axis=1)
        start = flat.starts[places].sum(axis=1)
        costs = np.cumsum(np.concatenate([start[:, None], steps], axis=1), axis=1)
        best = (costs[..., 0] * costs[..., 1]).argmin(axis=1)
        result: Floats = costs[np.arange(len(costs)), best]
        return result

    def _flattened(self) -> _Flat:
        if self._flat is None:
            steps = np.concatenate([*(np.diff(hull, axis=0) for hull in self._each), np.zeros((1, 3))])
            ratios = np.divide(steps[:, 0], -steps[:, 1], out=np.zeros(len(steps)), where=steps[:, 1] != 0)
            first = np.cumsum([0, *(len(hull) - 1 for hull in self._each)])
            self._flat = _Flat(np.array([hull[0] for hull in self._each]), steps, ratios, first)
        return self._flat
