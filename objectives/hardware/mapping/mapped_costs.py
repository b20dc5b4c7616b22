"""Costs of many networks in the mappings that `Mapper.find` finds for them, in fewer steps."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from objectives.hardware.mapping.capacity_mapping import CapacityMapping
from objectives.hardware.mapping.mapper import Mapper, Segment
from objectives.hardware.mapping.segment import op_contexts
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
        has_choice = mapper.name in SUMS and mapper.soc.cim is not None
        self._capacity = CapacityMapping(mapper) if has_choice else None
        self._number_by_segment: dict[int, int] = {}
        self._best: dict[int, Floats] = {}

    def __call__(
        self, networks: Sequence[Sequence[Op]], read_again: Sequence[Collection[int]]
    ) -> Floats:
        """Cycles, energy in pJ and weight bytes in the macros (n, 3).

        Args:
            networks: Ops of each network in order.
            read_again: Argument `read_again` of `Mapper.find` for each.

        Raises:
            CapacityError: A network is forced onto macros that cannot hold its weights.
        """
        self._mapper.learn(op for ops in networks for op in ops)
        if self._capacity is None:
            found = [self._mapper.find(*network) for network in zip(networks, read_again, strict=True)]
            return np.array([(one.cycles, one.energy_pj, one.weight_bytes) for one in found]).reshape(-1, 3)
        segments = self._mapper.segments_of_each(networks, read_again)
        numbers = np.zeros((len(segments), max(map(len, segments), default=0)), dtype=np.int64)
        for row, own in zip(numbers, segments, strict=True):
            row[: len(own)] = [self._number(segment) for segment in own]
        return self._capacity(self._free(numbers), numbers)

    def _number(self, segment: Segment) -> int:
        """Number of a segment in the catalogue."""
        # The mapper keeps every segment, so no other one gets its identity.
        number = self._number_by_segment.get(id(segment))
        if number is None:
            assert self._capacity is not None
            number = self._capacity.catalogue.number(tuple(op_contexts(segment.ops, segment.stays)))
            self._number_by_segment[id(segment)] = number
            self._best[number] = np.array([point.key for point in segment.best])
        return number

    def _free(self, numbers: Integers) -> Floats:
        """Costs (n, m, 3) without the limit of the capacity, for each number of macros."""
        distinct, inverse = np.unique(numbers, return_inverse=True)
        none = np.zeros_like(next(iter(self._best.values()), np.zeros((1, 3))))
        each = np.array([self._best.get(number, none) for number in distinct.tolist()])
        free: Floats = each[inverse.reshape(numbers.shape)].sum(axis=1)
        return free
