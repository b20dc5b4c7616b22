"""Pareto front of all evaluations of a study, and its distance from others.

The front is taken over the whole archive, not over a sampler's current population, so it never loses a point.
Functions here take losses: arrays of shape (n, m) with one row per subnet and one column per objective, every
column minimised (`losses` converts natural values).
"""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

from search_space.arrays import Floats


def losses(values: Floats, directions: Sequence[str]) -> Floats:
    """Natural values of shape (n, m) as losses: columns to maximise are negated."""
    return values * np.where(np.array(directions) == "max", -1.0, 1.0)


def nondominated(points: Floats) -> NDArray[np.intp]:
    """Rows of `points` (losses, finite) that no other row dominates, in ascending order.

    Equal rows do not dominate each other, so all of them stay.
    """
    if len(points) == 0:
        return np.empty(0, dtype=np.intp)
    if points.shape[1] == 1:
        return np.flatnonzero(points[:, 0] == points[:, 0].min())
    return np.flatnonzero(moocore.is_nondominated(points, keep_weakly=True))


def igd_plus(fronts: Sequence[Floats]) -> list[float | None]:
    """Mean distance from the joint front of all `fronts` to each, IGD+; 0 is best, None for an empty front.

    Only the part of the distance counts by which a front is worse, so a front that dominates another one has
    a smaller value (Ishibuchi et al. 2015).

    Args:
        fronts: Scaled losses (n, m) of each front; clipped to 0 and 1 like those of the hypervolume.
    """
    clipped = [np.clip(points, 0.0, 1.0) for points in fronts]
    together = np.concatenate(clipped)
    # What lies at the worst end of the box adds no hypervolume, so no front is asked to come near it.
    is_inside = (together < 1).all(axis=1)
    wanted = together[is_inside] if is_inside.any() else together
    joint = wanted[nondominated(wanted)]
    distances: list[float | None] = []
    for points in clipped:
        if len(points) == 0:
            distances.append(None)
        elif points.shape[1] == 1:  # moocore needs at least two objectives.
            distances.append(float(points.min() - joint.min()))
        else:
            distances.append(float(moocore.igd_plus(points, ref=joint)))
    return distances
