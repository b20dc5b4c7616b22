"""Cuts a batch of subnets into shares of about equal work."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from search_space import complexity
from search_space.subnet import Subnet


def shares(subnets: Sequence[Subnet], count: int) -> list[Sequence[Subnet]]:
    """Runs of neighbours with about equal multiply-accumulates; joined they are `subnets`.

    Neighbours stay together, so that those of a sorted batch, which begin alike, still share work.

    Args:
        subnets: In any order.
        count: Most shares, at least 1.

    Returns:
        At most `count`, none of them empty, none with more than an equal part of the work and one subnet.
    """
    if not subnets:
        return []
    macs = np.array([complexity.macs(subnet) for subnet in subnets], dtype=np.float64)
    # A subnet belongs to the share in which the middle of its work lies.
    middles = macs.cumsum() - macs / 2
    places = np.minimum(middles * count // macs.sum(), count - 1)
    starts = [0, *(np.flatnonzero(np.diff(places)) + 1), len(subnets)]
    return [subnets[start:end] for start, end in pairwise(starts)]
