"""Convergence of a comparison: gains that still moved in the last quarter of the evaluations."""

from __future__ import annotations

from collections.abc import Sequence

from studies.analysis.contenders import Box, Contender
from studies.analysis.iso_gains import iso_gains

LAST = 0.25
"""Share of the evaluations in which a gain should not move."""
MOST_MOVED = 1.0
"""Movement of a mean gain, in points or percent, from which on fronts count as not converged."""
NOUNS = {
    "acc_at_equal_lat": ("accuracy gained at equal latency", "points"),
    "acc_at_equal_energy": ("accuracy gained at equal energy", "points"),
    "lat_at_equal_acc": ("latency saved at equal accuracy", "%"),
    "energy_at_equal_acc": ("energy saved at equal accuracy", "%"),
}


def moved_lately(
    first: Sequence[Contender], second: Sequence[Contender], box: Box, *, is_paired: bool = True
) -> list[str]:
    """One line for each gain whose mean moved by `MOST_MOVED` or more over the last quarter of both runs.

    Args:
        first: As `iso_gains` takes them, as are the others.
        second: Other runs.
        box: Wishes for the box.
        is_paired: Whether both ran the same seeds.
    """
    before, after = (
        iso_gains(first, second, box, is_paired=is_paired, share=share, with_intervals=False)
        for share in (1 - LAST, 1.0)
    )
    lines = []
    for name, (noun, unit) in NOUNS.items():
        old, new = before[name], after[name]
        if new is None or (old is not None and abs(new.mean - old.mean) < MOST_MOVED):
            continue
        began = "could not be taken before" if old is None else f"was {old.mean:+.2f}"
        lines.append(
            f"not converged: the mean {noun} is {new.mean:+.2f} {unit} and {began} the last quarter of the "
            f"evaluations; continue the studies"
        )
    return lines
