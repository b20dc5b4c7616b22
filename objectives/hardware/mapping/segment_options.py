"""Mappings of many segments, and the choice among them within the capacity of the macros, for many networks.

`capacity.within` takes the same steps for one network: the lowest price per byte at which its weights fit,
then the best gains per byte that still fit. Totals are equal, number by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from objectives.hardware.mapping.capacity import Options
from objectives.hardware.mapping.device_choice import LATENCY
from objectives.hardware.mapping.segment_solver import Point
from search_space.arrays import Floats, Integers

WEIGHT_BYTES = 2
"""Index of the bytes behind cycles and energy."""

_CHUNK = 1 << 8
"""Networks that are mapped at once; their numbers fit the processor's cache."""


@dataclass(frozen=True)
class _Flat:
    """Options of all segments, one after the other; attributes of `Options`, and where those of each begin.

    Attributes:
        points: Cycles, energy and bytes of all mappings (p, 3).
        first_point: Index of the first mapping of each segment, and the end (s + 1,).
        best: Index of the cheapest mapping of each segment (s,).
        hull: Mapping after each move along a hull (q,).
        prices: Price of each move (q,).
        saved: Bytes that each move saves (q,).
        first_move: Index of the first move of each segment, and the end (s + 1,).
    """

    points: Floats
    first_point: Integers
    best: Integers
    hull: Integers
    prices: Floats
    saved: Floats
    first_move: Integers


class SegmentPlaces:
    """Places in a table of segments, by the numbers of the segments. Number 0 stands for none, at place 0."""

    def __init__(self) -> None:
        self._place_by_number = np.zeros(1, dtype=np.int64)
        self._count = 1

    def __getitem__(self, numbers: Integers) -> Integers:
        """Places of segments that were added, in the shape of `numbers`."""
        places: Integers = self._place_by_number[numbers]
        return places

    def missing(self, numbers: Integers) -> Integers:
        """Distinct segments among `numbers` without a place."""
        distinct = np.unique(numbers)
        lacking = int(distinct.max(initial=0)) + 1 - len(self._place_by_number)
        if lacking > 0:
            self._place_by_number = np.append(self._place_by_number, np.full(lacking, -1))
        return distinct[self._place_by_number[distinct] < 0]

    def add(self, numbers: Integers) -> None:
        """Gives the next places to segments that are missing."""
        self._place_by_number[numbers] = np.arange(self._count, self._count + len(numbers))
        self._count += len(numbers)


class SegmentOptions:
    """Mappings of segments for one number of macros, by the numbers of the segments.

    Args:
        criterion: Index of the cost that the mapping minimises: 0 for cycles, 1 for energy.
    """

    def __init__(self, criterion: int) -> None:
        self._criterion = criterion
        self._each = [Options.of([Point(0.0, 0.0, 0.0, ())], LATENCY)]  # no segment
        self._places = SegmentPlaces()
        self._flat: _Flat | None = None

    def missing(self, numbers: Integers) -> Integers:
        """Segments among `numbers` without options."""
        return self._places.missing(numbers)

    def add(self, numbers: Integers, each: Sequence[Options]) -> None:
        """Options of further segments."""
        self._places.add(numbers)
        self._each += each
        self._flat = None

    def within(self, numbers: Integers, budget: float) -> Floats:
        """Costs (n, 3) of networks of segments (n, s), each network within `budget` bytes."""
        parts = [np.zeros((0, 3))]
        for start in range(0, len(numbers), _CHUNK):
            parts.append(self._within(numbers[start : start + _CHUNK], budget))
        return np.concatenate(parts)

    def _within(self, numbers: Integers, budget: float) -> Floats:
        flat = self._flattened()
        places, constant = self._with_a_choice(numbers, flat)
        now = self._cheapest_that_fits(places, flat, budget)
        costs: Floats = constant + flat.points[self._repaired(places, now, flat, budget)].sum(axis=1)
        return costs

    def _cheapest_that_fits(self, places: Integers, flat: _Flat, budget: float) -> Integers:
        """Mapping of each segment (n, t) at the lowest price per byte at which all fit; see `capacity`."""
        moves, owner = concatenated(places, flat.first_move)
        exists = moves >= 0
        order = np.argsort(np.where(exists, flat.prices[moves], np.inf), axis=1, kind="stable")
        saved = np.take_along_axis(np.where(exists, flat.saved[moves], 0.0), order, axis=1)
        now = flat.best[places]
        used = np.cumsum(np.insert(-saved, 0, flat.points[now, WEIGHT_BYTES].sum(axis=1), axis=1), axis=1)
        count = (used <= budget).argmax(axis=1)
        is_taken = np.zeros(order.shape, dtype=bool)
        np.put_along_axis(is_taken, order, np.arange(order.shape[1]) < count[:, None], axis=1)
        # Moves of a segment follow its hull, so the last one that is taken decides.
        row, move = np.nonzero(is_taken)
        now[row, owner[row, move]] = flat.hull[moves[row, move]]
        return now

    def _repaired(self, places: Integers, now: Integers, flat: _Flat, budget: float) -> Integers:
        """`now` after the rest of the budget went to the best gains per byte."""
        points, owner = concatenated(places, flat.first_point)
        cost = np.where(points >= 0, flat.points[points, self._criterion], np.inf)
        size = flat.points[points, WEIGHT_BYTES]
        own_cost, own_size = (
            np.take_along_axis(flat.points[now, number], owner, axis=1)
            for number in (self._criterion, WEIGHT_BYTES)
        )
        rest = budget - flat.points[now, WEIGHT_BYTES].sum(axis=1)
        rows = np.arange(len(places))
        while True:
            more, gain = size - own_size, own_cost - cost
            can = (gain > 0) & (more <= rest[:, None])
            goes_on = can.any(axis=1)
            if not goes_on.any():
                return now
            if not goes_on.all():
                rows, rest = rows[goes_on], rest[goes_on]
                points, owner, cost, size, own_cost, own_size, more, gain, can = (
                    part[goes_on] for part in (points, owner, cost, size, own_cost, own_size, more, gain, can)
                )
            rate = np.where(can, gain / np.where(more > 0, more, 1.0), -np.inf)
            best = np.where(can & (more <= 0), np.inf, rate).argmax(axis=1)
            each = np.arange(len(rows))
            segment = owner[each, best]
            now[rows, segment] = points[each, best]
            rest = rest - more[each, best]
            is_own = owner == segment[:, None]
            own_cost = np.where(is_own, cost[each, best][:, None], own_cost)
            own_size = np.where(is_own, size[each, best][:, None], own_size)

    def _flattened(self) -> _Flat:
        if self._flat is None:
            each = self._each
            first_point = np.cumsum([0, *(len(one.points) for one in each)])
            self._flat = _Flat(
                np.array([point.key for one in each for point in one.points]),
                first_point,
                np.array([start + one.hull[0] for start, one in zip(first_point, each, strict=False)]),
                np.concatenate([start + one.hull[1:] for start, one in zip(first_point, each, strict=False)]),
                np.concatenate([one.prices for one in each]),
                np.concatenate([one.saved for one in each]),
                np.cumsum([0, *(len(one.prices) for one in each)]),
            )
        return self._flat

    def _with_a_choice(self, numbers: Integers, flat: _Flat) -> tuple[Integers, Floats]:
        """Places in `flat` of the segments with several mappings (n, t), 0 for none; costs of the others."""
        places = self._places[numbers]
        has_choice = np.diff(flat.first_point)[places] > 1
        constant = np.where(has_choice[..., None], 0.0, flat.points[flat.best[places]]).sum(axis=1)
        order = np.argsort(~has_choice, axis=1, kind="stable")[
            :, : int(has_choice.sum(axis=1).max(initial=0))
        ]
        taken = np.take_along_axis(has_choice, order, axis=1)
        return np.where(taken, np.take_along_axis(places, order, axis=1), 0), constant


def concatenated(places: Integers, first: Integers) -> tuple[Integers, Integers]:
    """Items of all segments of each network, one after the other.

    Args:
        places: Segments of each network (n, t).
        first: Index of the first item of each segment, and the end (s + 1,).

    Returns:
        Indices of the items (n, l), -1 behind the last, and the column of `places` that each belongs to.
    """
    counts = np.diff(first)[places]
    ends = counts.cumsum(axis=1)
    length = int(ends[:, -1].max(initial=0)) if places.shape[1] else 0
    items = np.full((len(places), length), -1)
    owner = np.zeros((len(places), length), dtype=np.int64)
    repeats = counts.ravel()
    total = int(repeats.sum())
    within = np.arange(total) - np.repeat(repeats.cumsum() - repeats, repeats)
    row, column = (np.repeat(index.ravel(), repeats) for index in np.indices(places.shape))
    target = (ends - counts)[row, column] + within
    items[row, target] = first[places][row, column] + within
    owner[row, target] = column
    return items, owner
