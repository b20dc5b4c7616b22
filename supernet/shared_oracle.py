"""Accuracy of many subnets at once, equal bit for bit to that of each alone.

Batch-norm statistics of a subnet depend on what lies before each layer only, so they are shared as its maps
are: one walk over the tree of subnets (`prefix_tree.py`) for each batch of calibration images records them,
one for each batch of held-out images classifies. So are the ranges of activations in 8-bit integers, which
one more walk over the calibration images records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from search_space.errors import H4HError
from search_space.subnet import Subnet
from supernet.images import BATCH, check_images
from supernet.integer_network import Integers, Numbers, Observed, Stored, run
from supernet.model import Supernet
from supernet.normalisation import Folded, Normalisation, Recording
from supernet.oracle import PreparedImages
from supernet.parts import Part, parts
from supernet.prefix_tree import Branch, grow, walk

MEMORY = 4e9
"""Bytes that maps may take unless told."""
WORKSPACE = 1.5
"""Memory of a part at work, over that of its maps: kernels have buffers of their own."""


@dataclass(frozen=True)
class Calibrated:
    """Subnets ready to classify.

    Attributes:
        subnets: In the order in which they were given.
        branches: Their tree.
        statistics: Batch norm of each branch.
        integers: The 8-bit numbers of each branch, where subnets are to compute in them.
    """

    subnets: tuple[Subnet, ...]
    branches: tuple[Branch, ...]
    statistics: dict[Branch, Folded]
    integers: dict[Branch, Integers] | None = None

    @torch.inference_mode()
    def scores(self, batch: Tensor, reach: Callable[[Branch, Tensor], None]) -> None:
        """Computes the class scores of images ``(n, 3, s, s)``.

        Args:
            batch: The images, normalised.
            reach: Gets each branch at which subnets end, and their scores ``(n, classes)``.

        Raises:
            H4HError: A class score is not finite; names the subnet. Or images have another shape.
        """
        check_images(batch)

        def checked(branch: Branch, logits: Tensor) -> None:
            if not torch.isfinite(logits).all():
                subnet = self.subnets[branch.subnets[0]]
                raise H4HError(f"subnet {subnet} gives class scores that are not finite")
            reach(branch, logits)

        if self.integers is None:
            walk(self.branches, batch, _float(self.statistics), checked)
        else:
            _walk_integers(self.branches, batch, self.integers, checked)

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
    supernet: Supernet,
    subnets: Sequence[Subnet],
    images: PreparedImages,
    *,
    memory: float = MEMORY,
    in_integers: bool = False,
) -> Calibrated:
    """Records the batch-norm statistics of `subnets`, averaged over `images`.

    Args:
        supernet: The weights.
        subnets: Any of its space, the same more than once if need be.
        images: For the statistics.
        memory: Most bytes that maps may take at a time; less than `full_sharing` asks for means less sharing,
            not other results.
        in_integers: Whether they classify in 8-bit integers; then the ranges of their activations over all
            `images` are recorded, too. Images must be float32.

    Raises:
        H4HError: Images have another shape, or are too few for statistics.
    """
    chains = [tuple(parts(supernet, subnet, keeps_scores=in_integers)) for subnet in subnets]
    branches = grow(chains, _room(chains, images, memory))
    recordings = {branch: Recording() for top in branches for branch in top.all()}
    for batch, _ in images.batches:
        check_images(batch)
        walk(branches, batch, _float(recordings), _ignore)
    statistics = {branch: Folded(recording.result().statistics) for branch, recording in recordings.items()}
    if not in_integers:
        return Calibrated(tuple(subnets), branches, statistics)
    observed = {branch: Observed(folded) for branch, folded in statistics.items()}
    for batch, _ in images.batches:
        _walk_integers(branches, batch, observed, _ignore)
    integers = {branch: numbers.result() for branch, numbers in observed.items()}
    return Calibrated(tuple(subnets), branches, statistics, integers)


def _float(
    normalisations: Mapping[Branch, Normalisation],
) -> Callable[[Branch, Part, Tensor], Tensor]:
    """Computes a part in floating point."""
    return lambda branch, part, x: part.run(x, normalisations[branch])


def _walk_integers(
    branches: Sequence[Branch],
    batch: Tensor,
    numbers: Mapping[Branch, Numbers],
    reach: Callable[[Branch, Tensor], None],
) -> None:
    """Walks the tree as integers are computed, or their ranges observed."""
    walk(
        branches,
        Stored(batch, 1.0),
        lambda branch, part, x: run(part, x, numbers[branch]),
        lambda branch, logits: reach(branch, logits.real()),
    )


def _ignore(_branch: Branch, _logits: Tensor) -> None:
    pass


def correct(found: Calibrated, batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Whether each image is classified right, ``(subnets, images)``, bool.

    Raises:
        H4HError: A class score is not finite; names the subnet.
    """
    return torch.cat([found.classify(batch) == labels for batch, labels in batches], dim=1)


def full_sharing(supernet: Supernet, dtype: torch.dtype, *, in_integers: bool = False) -> int:
    """Bytes with which any set of subnets shares all it can: every map along the largest subnet is kept."""
    largest = supernet.space.decode(supernet.space.largest())
    chain = tuple(parts(supernet, largest, keeps_scores=in_integers))
    return int((sum(part.output for part in chain) + _working([chain])) * BATCH * dtype.itemsize)


def _room(chains: Sequence[Sequence[Part]], images: PreparedImages, memory: float) -> float:
    """Numbers of one image that forks may keep."""
    batch = images.batches[0][0]
    return memory / (BATCH * batch.element_size()) - _working(chains)


def _working(chains: Sequence[Sequence[Part]]) -> float:
    """Numbers of one image that the largest part of any subnet needs at work."""
    return WORKSPACE * max((part.working for chain in chains for part in chain), default=0)
