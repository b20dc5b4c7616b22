"""Shape of a vector of one number per row: the compiler reshapes it so that it fills bricks of channels."""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

from objectives.hardware.npu_passes.layer_pass import Shape
from objectives.hardware.npu_passes.machine import BRICK


@lru_cache(maxsize=1 << 12)
def row_vector(count: int, shape: Shape) -> Shape:
    """Height, width and channels of `count` numbers; up to 16 keep `shape`."""
    if count <= BRICK:
        return shape
    factors = _factors(count)
    depth, place = 1, 0
    while place < len(factors) and depth < BRICK:
        depth *= factors[place]
        place += 1
    height = width = 1
    for factor in factors[place:]:
        if width < height:
            width *= factor
        else:
            height *= factor
    return (max(height, width), min(height, width), depth)


def _factors(count: int) -> list[int]:
    """Prime factors, ascending."""
    factors, rest = [], count
    for factor in (2, *range(3, isqrt(count) + 1, 2)):
        while rest % factor == 0:
            factors.append(factor)
            rest //= factor
    return [*factors, rest] if rest > 1 else factors
