"""Accuracy of many subnets at once, equal bit for bit to that of each alone.

Batch-norm statistics of a subnet depend on what lies before each layer only, so they are shared as its maps
are: one walk over the tree of subnets (`prefix_tree.py`) for each batch of calibration images records them,
one for each batch of held-out images classifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from search_space.errors import H4HError
from search_space.subnet import Subnet
from supernet.images import BATCH
from supernet.model import Supernet
from supernet.normalisation import Folded, Recording
from supernet.oracle import PreparedImages
from supernet.parts import Part, parts
from supernet.prefix_tree import Branch, grow, walk

WORKSPACE = 1.5
"""Memory of a part at work, over that of its maps: kernels have buffers of their own."""


@dataclass(frozen=True)
class Calibrated:
    """Subnets ready to classify.

    Attributes:
        subnets: In the order in which they were given.
        branches: Their tree.
        statistics: Batch norm of each branch.
    """

    subnets: tuple[Subnet, ...]
    branches: tuple[Branch, ...]
    statistics: dict[Branch, Folded]

    @torch.inference_mode()
    def scores(self, batch: Tensor, reach: Callable[[Branch, Tensor], None]) -> None:
        """Computes the class scores of images ``(n, 3, s, s)``.

        Args:
            batch: The images, normalised.
            reach: Gets each branch at which subnets end, and their scores ``(n, classes)``.

        Raises:
            H4HError: A class score is not finite; names the subnet.
        """

        def checked(branch: Branch, logits: Tensor) -> None:
            if not torch.isfinite(logits).all():
                subnet = self.subnets[branch.subnets[0]]
                raise H4HError(f"subnet {subnet} gives class scores that are not finite")
            reach(branch, logits)

        walk(self.branches, batch, self.statistics.__getitem__, checked)

    def classify(self, batch: Tensor) -> Tensor:
        """Classes ``(subnets, n)`` of images ``(n, 3, s, s)``.

        Raises:
            H4HError: A class score is not finite; names the subnet.
        """
        classes = torch.empty((len(self.subnets), len(batch)), dtype=torch.int64, device=batch.device)

        def reach(branch: Branch, logits: Tensor) -> None:
            classes[list(branch.subnets)] = logits.argmax(1)

        self.scores(batch, reach)
        return classes


@torch.inference_mode()
def calibrated(
    supernet: Supernet, subnets: Sequence[Subnet], images: PreparedImages, *, memory: float
) -> Calibrated:
    """Records the batch-norm statistics of `subnets`, averaged over `images`.

    Args:
        supernet: The weights.
        subnets: Any of its space, the same more than once if need be.
        images: For the statistics.
        memory: Most bytes that maps may take at a time; less than `full_sharing` asks for means less sharing,
            not other results.
    """
    chains = [tuple(parts(supernet, subnet)) for subnet in subnets]
    branches = grow(chains, _room(chains, images, memory))
    recordings = {branch: Recording() for top in branches for branch in top.all()}
    for batch, _ in images.batches:
        walk(branches, batch, recordings.__getitem__, lambda _branch, _logits: None)
    statistics = {branch: Folded(recording.result().statistics) for branch, recording in recordings.items()}
    return Calibrated(tuple(subnets), branches, statistics)


def correct(found: Calibrated, batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Whether each image is classified right, ``(subnets, images)``, bool.

    Raises:
        H4HError: A class score is not finite; names the subnet.
    """
    return torch.cat([found.classify(batch) == labels for batch, labels in batches], dim=1)


def full_sharing(supernet: Supernet, dtype: torch.dtype) -> int:
    """Bytes with which any set of subnets shares all it can: every map along the largest subnet is kept."""
    chain = tuple(parts(supernet, supernet.space.decode(supernet.space.largest())))
    return int((sum(part.output for part in chain) + _working([chain])) * BATCH * dtype.itemsize)


def _room(chains: Sequence[Sequence[Part]], images: PreparedImages, memory: float) -> float:
    """Numbers of one image that forks may keep."""
    batch = images.batches[0][0]
    return memory / (BATCH * batch.element_size()) - _working(chains)


def _working(chains: Sequence[Sequence[Part]]) -> float:
    """Numbers of one image that the largest part of any subnet needs at work."""
    return WORKSPACE * max((part.working for chain in chains for part in chain), default=0)
