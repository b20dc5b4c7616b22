"""Prefix tree over subnets: shared leading parts are computed once.

Branches of the tree are parts that some subnets share; leaves are subnets. A depth-first walk computes one
batch of images and keeps the map at each fork until all branches behind it are done, so only a few maps of
one batch are in memory. If even these exceed the limit, a fork keeps no map: each of its branches is then
computed from the fork before.

Sharing changes no bit of any result, since each part gets the same batches as for its subnet alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from supernet.network.subnet_parts import Part

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Branch:
    """Parts that some subnets share, then the branches in which they differ.

    Attributes:
        parts: Shared parts, in order.
        subnets: Indices of the subnets that end here.
        branches: Continuations of the other subnets; empty if subnets end here.
    """

    parts: tuple[Part, ...]
    subnets: tuple[int, ...]
    branches: tuple[Branch, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, in this branch and all branches behind it."""
        return sum(part.macs for part in self.parts) + sum(branch.macs for branch in self.branches)

    def all(self) -> Iterator[Branch]:
        """This branch and all branches behind it."""
        yield self
        for branch in self.branches:
            yield from branch.all()


def grow(chains: Sequence[Sequence[Part]], room: float) -> tuple[Branch, ...]:
    """Builds the prefix tree of subnets.

    Args:
        chains: Parts of each subnet.
        room: Maximum numbers of one image that the forks of a path may keep at a time.
    """
    return tuple(_branches(list(range(len(chains))), chains, 0, room))


def _branches(
    subnets: list[int], chains: Sequence[Sequence[Part]], start: int, room: float
) -> Iterator[Branch]:
    """Branches of `subnets`, which agree before part `start` and keep their maps there."""
    for group in _grouped(subnets, chains, start):
        yield from _branch(group, chains, start, start + 1, room)


def _branch(
    group: list[int], chains: Sequence[Sequence[Part]], start: int, shared: int, room: float
) -> Iterator[Branch]:
    """Branches from part `start` of subnets that agree before part `shared`."""
    first = chains[group[0]]
    while shared < len(first) and all(chains[index][shared] == first[shared] for index in group[1:]):
        shared += 1
    if shared == len(first):
        yield Branch(tuple(first[start:]), tuple(group), ())
    elif first[shared - 1].output <= room:
        behind = tuple(_branches(group, chains, shared, room - first[shared - 1].output))
        yield Branch(tuple(first[start:shared]), (), behind)
    else:
        for part in _grouped(group, chains, shared):
            yield from _branch(part, chains, start, shared + 1, room)


def _grouped(subnets: list[int], chains: Sequence[Sequence[Part]], place: int) -> list[list[int]]:
    """`subnets` by their part at `place`, in order of first appearance."""
    groups: dict[Part, list[int]] = {}
    for index in subnets:
        groups.setdefault(chains[index][place], []).append(index)
    return list(groups.values())


def walk(
    branches: Sequence[Branch],
    x: T,
    compute: Callable[[Branch, Part, T], T],
    reach: Callable[[Branch, T], None],
) -> None:
    """Computes all subnets on one batch.

    Args:
        branches: The tree.
        x: Input of the first parts: images ``(n, 3, s, s)``, in the form that `compute` takes.
        compute: Computes a part of a branch.
        reach: Called with each branch at which subnets end, and their logits.
    """
    for branch in branches:
        out = x
        for part in branch.parts:
            out = compute(branch, part, out)
        if branch.branches:
            walk(branch.branches, out, compute, reach)
        else:
            reach(branch, out)
