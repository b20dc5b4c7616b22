"""Number of training images that are held out for the search. Needs no torch."""

from __future__ import annotations

SHARE = 0.1
LARGEST = 10_000
"""The search split is a tenth of the training images, but at most `LARGEST` images."""


def held_out(members: int, images: int) -> int:
    """Number of images of a class that are held out: its share, rounded, and 1 at least if it has 2 or more.

    Args:
        members: Number of images of the class.
        images: Number of all training images.
    """
    share = min(SHARE, LARGEST / images)
    return max(min(1, members - 1), int(share * members + 0.5))
