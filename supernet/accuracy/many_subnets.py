"""Accuracy of many subnets at once, equal bit for bit to that of each alone.

Batch-norm statistics of a subnet depend on what lies before each layer only, so they are shared as its maps
are: one walk over the tree of subnets (`prefix_tree.py`) for each batch of calibration images records them,
one for each batch of held-out images classifies. So are the ranges of activations in 8-bit integers, which
one more walk over the calibration images records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from search_space.command.byte_count import parse_bytes
from search_space.errors import H4HError
from search_space.subnet import Subnet
from supernet.accuracy.int8_network import Integers, Numbers, Observed, Stored, run
from supernet.accuracy.memory_budget import DEFAULT_MEMORY, OVERHEAD, MemoryBudget
from supernet.accuracy.one_subnet import PreparedImages
from supernet.accuracy.prefix_tree import Branch, grow, walk
from supernet.images.labelled_images import BATCH, check_images
from supernet.network.batch_norm import Folded, Normalisation, Recording
from supernet.network.number_formats import is_widened
from supernet.network.parts import Part, parts
from supernet.network.supernet import Supernet

MEMORY = parse_bytes(DEFAULT_MEMORY, option="memory")
"""Bytes by which measuring may make a process grow, unless told."""
_WEIGHT_BYTES = 4
"""Of a trained number with batch norm folded into it; a subnet keeps its own."""
_INTEGER_COPIES = 3
"""How often it is held where subnets compute in integers: folded, as it is observed, in whole steps."""


@dataclass(frozen=True)
class Calibrated:
    """Subnets ready to classify.

    Attributes:
        subnets: In the order in which they were given.
        branches: Their tree.
        statistics: Batch norm of each branch.
        integers: The 8-bit numbers of each branch, where subnets are to compute in them.
        memory: Within what they classify.
    """

    subnets: tuple[Subnet, ...]
    branches: tuple[Branch, ...]
    statistics: dict[Branch, Folded]
    memory: MemoryBudget
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
            _walk_float(self.branches, batch, self.statistics, checked, self.memory)
        else:
            _walk_integers(self.branches, batch, self.integers, checked, self.memory)

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

    def only(self, subnets: Sequence[int]) -> Calibrated:
        """Those at places `subnets`, in this order; what only the others need is left out."""
        place = {old: new for new, old in enumerate(subnets)}
        statistics: dict[Branch, Folded] = {}
        integers: dict[Branch, Integers] | None = None if self.integers is None else {}

        def kept(branches: Sequence[Branch]) -> Iterator[Branch]:
            for branch in branches:
                ending = tuple(place[index] for index in branch.subnets if index in place)
                behind = tuple(kept(branch.branches))
                if ending or behind:
                    found = Branch(branch.parts, ending, behind)
                    statistics[found] = self.statistics[branch]
                    if integers is not None and self.integers is not None:
                        integers[found] = self.integers[branch]
                    yield found

        return Calibrated(
            tuple(self.subnets[index] for index in subnets),
            tuple(kept(self.branches)),
            statistics,
            self.memory,
            integers,
        )


@torch.inference_mode()
def calibrate(
    supernet: Supernet,
    subnets: Sequence[Subnet],
    images: PreparedImages,
    *,
    memory: MemoryBudget | None = None,
    in_integers: bool = False,
) -> Calibrated:
    """Records the batch-norm statistics of `subnets`, averaged over `images`.

    Args:
        supernet: The weights.
        subnets: Any of its space, the same more than once if need be.
        images: For the statistics.
        memory: Within what to compute, `MEMORY` unless told; less than `full_sharing` asks for means less
            sharing, not other results. What a subnet alone needs, see `least_memory`, is taken in any case.
        in_integers: Whether they classify in 8-bit integers; then the ranges of their activations over all
            `images` are recorded, too. Images must be float32.

    Raises:
        H4HError: Images have another shape, or are too few for statistics.
    """
    memory = memory or MemoryBudget(MEMORY)
    kernels = _kernels(supernet, images.dtype, in_integers)
    chains = [tuple(parts(supernet, subnet, **kernels)) for subnet in subnets]
    room = memory.limit - sum(map(_weight_bytes(in_integers), chains)) - _working_bytes(chains, images.dtype)
    branches = grow(chains, (room - OVERHEAD) / (BATCH * images.dtype.itemsize))
    recordings = {branch: Recording() for top in branches for branch in top.all()}
    for batch, _ in images.batches:
        check_images(batch)
        _walk_float(branches, batch, recordings, _ignore, memory)
    statistics = {branch: Folded(recording.result().statistics) for branch, recording in recordings.items()}
    if not in_integers:
        return Calibrated(tuple(subnets), branches, statistics, memory)
    observed = {branch: Observed(folded) for branch, folded in statistics.items()}
    for batch, _ in images.batches:
        _walk_integers(branches, batch, observed, _ignore, memory)
    integers = {branch: numbers.result() for branch, numbers in observed.items()}
    return Calibrated(tuple(subnets), branches, statistics, memory, integers)


def _walk_float(
    branches: Sequence[Branch],
    batch: Tensor,
    normalisations: Mapping[Branch, Normalisation],
    reach: Callable[[Branch, Tensor], None],
    memory: MemoryBudget,
) -> None:
    """Walks the tree in floating point."""

    def compute(branch: Branch, part: Part, x: Tensor) -> Tensor:
        _make_room(part, x, memory)
        return part.run(x, normalisations[branch])

    walk(branches, batch, compute, reach)


def _walk_integers(
    branches: Sequence[Branch],
    batch: Tensor,
    numbers: Mapping[Branch, Numbers],
    reach: Callable[[Branch, Tensor], None],
    memory: MemoryBudget,
) -> None:
    """Walks the tree as integers are computed, or their ranges observed."""

    def compute(branch: Branch, part: Part, x: Stored) -> Stored:
        _make_room(part, x.values, memory)
        return run(part, x, numbers[branch])

    walk(branches, Stored(batch, 1.0), compute, lambda branch, logits: reach(branch, logits.real()))


def _make_room(part: Part, x: Tensor, memory: MemoryBudget) -> None:
    if x.device.type == "cpu":
        memory.make_room(part.working * len(x) * x.element_size() - x.nbytes)


def _ignore(_branch: Branch, _logits: Tensor) -> None:
    pass


def correct(found: Calibrated, batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Whether each image is classified right, ``(subnets, images)``, bool.

    Raises:
        H4HError: A class score is not finite; names the subnet.
    """
    return torch.stack(correct_until(found, batches, lambda _subnet, _correct: False))


def correct_until(
    found: Calibrated,
    batches: Iterable[tuple[Tensor, Tensor]],
    stops: Callable[[int, Tensor], bool],
) -> list[Tensor]:
    """Whether each image is classified right, as long as a subnet is at it.

    Args:
        found: The subnets.
        batches: Images with their labels.
        stops: Asked after each batch but the last about each subnet that is still at it, by its place, with
            what it has so far; where it says yes, the subnet sees no more images.

    Returns:
        For each subnet ``(images,)``, bool.

    Raises:
        H4HError: A class score is not finite; names the subnet.
    """
    rows = list(range(len(found.subnets)))
    seen: list[Tensor] = []
    for batch, labels in batches:
        if seen:
            kept = [place for place, row in enumerate(rows) if not stops(row, seen[row])]
            if len(kept) < len(rows):
                found, rows = found.only(kept), [rows[place] for place in kept]
            if not rows:
                break
        for row, right in zip(rows, found.classify(batch) == labels, strict=True):
            if row == len(seen):
                seen.append(right)
            else:
                seen[row] = torch.cat([seen[row], right])
    return seen


def groups(
    supernet: Supernet,
    subnets: Sequence[Subnet],
    memory: float,
    dtype: torch.dtype,
    *,
    in_integers: bool = False,
) -> Iterator[Sequence[Subnet]]:
    """Runs of subnets that are to be measured together, since weights of more would not fit into `memory`.

    Half of what one subnet alone leaves is for weights, the other half for the maps at forks.
    """
    most = (memory - least_memory(supernet, dtype, in_integers=in_integers)) / 2
    weigh = _weight_bytes(in_integers)
    start, taken = 0, 0.0
    for end, subnet in enumerate(subnets):
        own = weigh(tuple(parts(supernet, subnet)))
        if end > start and taken + own > most:
            yield subnets[start:end]
            start, taken = end, 0.0
        taken += own
    yield subnets[start:]


def least_memory(supernet: Supernet, dtype: torch.dtype, *, in_integers: bool = False) -> float:
    """Bytes that the largest subnet alone needs, with nothing shared."""
    chain = _largest(supernet, dtype, in_integers)
    return OVERHEAD + _weight_bytes(in_integers)(chain) + _working_bytes([chain], dtype)


def full_sharing(supernet: Supernet, dtype: torch.dtype, *, in_integers: bool = False) -> float:
    """Bytes with which any subnets share all they can: every map along the largest one is kept."""
    kept = sum(part.output for part in _largest(supernet, dtype, in_integers)) * BATCH * dtype.itemsize
    return least_memory(supernet, dtype, in_integers=in_integers) + 2 * kept


def _largest(supernet: Supernet, dtype: torch.dtype, in_integers: bool) -> tuple[Part, ...]:
    subnet = supernet.space.decode(supernet.space.largest())
    return tuple(parts(supernet, subnet, **_kernels(supernet, dtype, in_integers)))


def _kernels(supernet: Supernet, dtype: torch.dtype, in_integers: bool) -> dict[str, bool]:
    """What `parts` is told of the kernels; attention's scores are counted for any number of tokens."""
    widened = is_widened(dtype, supernet.classifier.weight.device)
    return {
        "keeps_scores": in_integers or (dtype is torch.bfloat16 and not widened),
        "widened": widened,
    }


def _weight_bytes(in_integers: bool) -> Callable[[Sequence[Part]], float]:
    """What the weights of one subnet take while it is measured."""
    copies = _INTEGER_COPIES if in_integers else 1
    return lambda chain: copies * _WEIGHT_BYTES * sum(part.params for part in chain)


def _working_bytes(chains: Sequence[Sequence[Part]], dtype: torch.dtype) -> float:
    """What the largest part of any subnet needs at work."""
    return max((part.working for chain in chains for part in chain), default=0) * BATCH * dtype.itemsize
