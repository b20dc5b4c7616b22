"""Costs of many networks in their best mapping within the capacity of the macros.

`Mapper.find` maps networks one by one. Here the same steps are taken for all networks at once: the mapping
without the limit for each number of macros, from the best on; where its weights do not fit, the best within
the limit (`segment_options.py`) on fronts of the segments (`segment_fronts.py`). Costs are equal, number by
number.
"""

from __future__ import annotations

import numpy as np

from objectives.hardware.mapping.mapper import CRITERIA, Mapper
from objectives.hardware.mapping.placement import FORBIDDEN
from objectives.hardware.mapping.segment_fronts import SegmentFronts
from objectives.hardware.mapping.segment_options import WEIGHT_BYTES, SegmentOptions
from objectives.hardware.mapping.segment_solver import OpContext
from objectives.hardware.mapping.split_costs import macro_options
from search_space.arrays import Booleans, Floats, Integers


class SegmentCatalogue:
    """Distinct segments by number.

    Attributes:
        segments: Contexts of the ops of each segment. The first is empty, so that 0 stands for none.
    """

    def __init__(self) -> None:
        self.segments: list[tuple[OpContext, ...]] = [()]
        self._number_by_segment: dict[tuple[OpContext, ...], int] = {(): 0}

    def number(self, segment: tuple[OpContext, ...]) -> int:
        """Number of a segment, a new one if it was not seen before."""
        number = self._number_by_segment.setdefault(segment, len(self.segments))
        if number == len(self.segments):
            self.segments.append(segment)
        return number


class CapacityMapping:
    """Best mappings within the capacity of the macros.

    Args:
        mapper: SoC and mapping; the mapping minimises latency or energy.

    Attributes:
        catalogue: The segments; more are added where networks have them.
    """

    def __init__(self, mapper: Mapper) -> None:
        self.catalogue = SegmentCatalogue()
        self._fronts = SegmentFronts(mapper)
        first = CRITERIA[mapper.name][0].index(1.0)
        self._order = (first, 1 - first)
        capacity = mapper.soc.cim.macro_capacity_bytes if mapper.soc.cim is not None else 0.0
        options = macro_options(mapper.soc)
        self._budgets = [capacity * count for count in options]
        self._options = [SegmentOptions(first) for _ in options]

    def __call__(self, free: Floats, numbers: Integers) -> Floats:
        """Cycles, energy in pJ and weight bytes (n, 3) of networks in their best mappings.

        Args:
            free: The same without the limit, for each number of macros (n, m, 3).
            numbers: Segments of each network in order, as numbers of the catalogue (n, s).
        """
        first, second = self._order
        order = np.lexsort((free[..., second], free[..., first]), axis=1)
        best = np.full((len(free), 3), np.inf)
        for rank in range(order.shape[1]):
            # A mapping without the capacity limit is a lower bound of one within it.
            costs = free[np.arange(len(free)), order[:, rank]]
            may_win = self._is_less(costs, best) & (costs[:, first] < FORBIDDEN)
            for choice, budget in enumerate(self._budgets):
                rows = np.flatnonzero(may_win & (order[:, rank] == choice))
                own = costs[rows]
                is_over = own[:, WEIGHT_BYTES] > budget
                own[is_over] = self._within(numbers[rows[is_over]], choice)
                is_better = self._is_less(own, best[rows])
                best[rows[is_better]] = own[is_better]
        return best

    def _is_less(self, costs: Floats, others: Floats) -> Booleans:
        """Whether costs (n, 3) are less than others: by the criterion, then by its tie breaker."""
        first, second = self._order
        is_equal = costs[:, first] == others[:, first]
        is_less: Booleans = is_equal & (costs[:, second] < others[:, second])
        is_less |= costs[:, first] < others[:, first]
        return is_less

    def _within(self, numbers: Integers, choice: int) -> Floats:
        """Costs (n, 3) of networks within the capacity of one number of macros."""
        options = self._options[choice]
        new = options.missing(numbers)
        if len(new):
            segments = [self.catalogue.segments[number] for number in new]
            options.add(new, self._fronts.options(segments, choice))
        return options.within(numbers, self._budgets[choice])
