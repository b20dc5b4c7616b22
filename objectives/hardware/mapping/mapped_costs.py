"""Costs of many networks in the mappings that `Mapper.find` finds for them, in fewer steps."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from objectives.hardware.mapping.capacity_mapping import CapacityMapping, SegmentCatalogue
from objectives.hardware.mapping.mapper import Mapper, SegmentKey
from objectives.hardware.mapping.product_mapping import ProductMapping
from objectives.hardware.mapping.segment_solver import op_contexts
from objectives.hardware.mapping.split_costs import macro_options
from objectives.hardware.op import Op
from search_space.arrays import Floats, Integers

SUMS = ("latency", "energy")
"""Mappings that may use any split and minimise a sum over segments."""


class MappedCosts:
    """Costs of networks under one mapper.

    Args:
        mapper: SoC and mapping.
    """

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self._capacity: CapacityMapping | None = None
        self._product: ProductMapping | None = None
        if mapper.soc.cim is not None and mapper.name in SUMS:
            self._capacity = CapacityMapping(mapper)
        elif mapper.soc.cim is not None and mapper.name == "edp":
            self._product = ProductMapping(mapper)
        self._number_by_segment: dict[SegmentKey, int] = {}
        self._best: dict[int, Floats] = {}

    def __call__(self, networks: Sequence[Sequence[Op]], read_again: Sequence[Collection[int]]) -> Floats:
        """Cycles, energy in pJ and weight bytes in the macros (n, 3).

        Args:
            networks: Ops of each network in order.
            read_again: Argument `read_again` of `Mapper.find` for each.

        Raises:
            CapacityError: A network is forced onto macros that cannot hold its weights.
        """
        self._mapper.learn(op for ops in networks for op in ops)
        pairs = list(zip(networks, read_again, strict=True))
        if self._capacity is not None:
            segments = self._mapper.segments_of_each(networks, read_again)
            numbers = self._numbers(
                [[(one.ops, one.stays) for one in own] for own in segments], self._capacity.catalogue
            )
            for own, row in zip(segments, numbers.tolist(), strict=True):
                for segment, number in zip(own, row, strict=False):
                    if number not in self._best:
                        self._best[number] = np.array([point.key for point in segment.best])
            return self._capacity(self._free(numbers), numbers)
        if self._product is not None:
            numbers = self._numbers([self._mapper.cut(*pair) for pair in pairs], self._product.catalogue)
            costs, fits = self._product(numbers)
            for index in np.flatnonzero(~fits).tolist():
                costs[index] = self._one(*pairs[index])
            return costs
        return np.array([self._one(*pair) for pair in pairs]).reshape(-1, 3)

    def _one(self, ops: Sequence[Op], read_again: Collection[int]) -> tuple[float, float, float]:
        mapping = self._mapper.find(ops, read_again)
        return mapping.cycles, mapping.energy_pj, mapping.weight_bytes

    def _numbers(self, networks: Sequence[Sequence[SegmentKey]], catalogue: SegmentCatalogue) -> Integers:
        """Numbers of the segments of each network in the catalogue (n, s), 0 behind the last."""
        numbers = np.zeros((len(networks), max(map(len, networks), default=0)), dtype=np.int64)
        for row, keys in zip(numbers, networks, strict=True):
            for place, key in enumerate(keys):
                if key not in self._number_by_segment:
                    self._number_by_segment[key] = catalogue.number(tuple(op_contexts(*key)))
                row[place] = self._number_by_segment[key]
        return numbers

    def _free(self, numbers: Integers) -> Floats:
        """Costs (n, m, 3) without the limit of the capacity, for each number of macros."""
        distinct, inverse = np.unique(numbers, return_inverse=True)
        none = np.zeros((len(macro_options(self._mapper.soc)), 3))
        each = np.array([self._best.get(number, none) for number in distinct.tolist()])
        free: Floats = each.reshape(-1, *none.shape)[inverse.reshape(numbers.shape)].sum(axis=1)
        return free
