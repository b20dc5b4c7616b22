"""Residual connections: plain addition and stochastic depth."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from search_space.subnet import Subnet


class Residual(Protocol):
    """Joins `x` and a `branch` of the same shape, with the images in dimension 0."""

    def __call__(self, x: Tensor, branch: Tensor, /) -> Tensor: ...


def add(x: Tensor, branch: Tensor) -> Tensor:
    """Sum of both."""
    return x + branch


class DropPath:
    """Drops branches at random, image by image: stochastic depth (ECCV 2016), by torchvision.

    The remaining branches are scaled up, so that the mean stays the same. The probability rises linearly,
    from `rate / branches` at the first branch to `rate` at the last. For one forward pass; draws from torch's
    global random state.

    Args:
        rate: Probability that the last branch is dropped, from 0 to below 1.
        branches: Number of residual branches of the network (`residual_branches`).
    """

    def __init__(self, rate: float, branches: int) -> None:
        # Importing torchvision takes longer than importing all of this project; only training needs it.
        from torchvision.ops import stochastic_depth

        self._drop = stochastic_depth
        self._rate = rate
        self._branches = branches
        self._met = 0

    def __call__(self, x: Tensor, branch: Tensor) -> Tensor:
        self._met += 1
        probability = self._rate * self._met / self._branches
        remaining: Tensor = self._drop(branch, probability, "row")
        return x + remaining


def residual_branches(subnet: Subnet) -> int:
    """Number of residual branches: one in each MBConv that has one, two in each transformer block."""
    return sum(block.residual_branches for stage in subnet.stages for block in stage.blocks)
