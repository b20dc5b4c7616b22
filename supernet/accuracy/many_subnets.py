"""Accuracy of many subnets at once, bit for bit equal to that of each subnet alone.

The batch-norm statistics of a layer depend only on the layers before it, so subnets with a common beginning
share them. One walk over the prefix tree of the subnets (`prefix_tree.py`) per batch of calibration images
records the statistics. One walk per batch of held-out images classifies. For 8-bit integers, one more walk
over the calibration images records the ranges of the activations.
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
from supernet.accuracy.memory_budget import DEFAULT_MEMORY, OVERHEAD, WIDENED_OVERHEAD, MemoryBudget
from supernet.accuracy.one_subnet import PreparedImages
from supernet.accuracy.prefix_tree import Branch, grow, walk
from supernet.images.labelled_images import BATCH, check_images
from supernet.network.batch_norm import Folded, Normalisation, Recorded, Recording
from supernet.network.number_formats import is_widened
from supernet.network.subnet_parts import Part, parts
from supernet.network.supernet import Supernet

MEMORY = parse_bytes(DEFAULT_MEMORY, option="memory")
"""Default memory limit: bytes by which an evaluation may make the process grow."""
_WEIGHT_BYTES = 4
"""Bytes of a parameter with batch norm folded into it; each subnet has its own copy."""
_INTEGER_COPIES = 3
"""Copies of a parameter for integers: folded, observed, and in whole steps."""


@dataclass(frozen=True)
class Calibrated:
    """Subnets with recorded statistics, ready to classify.

    Attributes:
        subnets: The subnets, in the order of `calibrate`.
        branches: Their prefix tree.
        statistics: Batch-norm statistics of each branch.
        integers: 8-bit numbers of each branch; None for floating point.
        memory: Memory limit of the classification.
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
            batch: Normalised images.
            reach: Called with each branch at which subnets end, and their scores ``(n, classes)``.

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
        """The subnets at indices `subnets`, in this order, without branches that only the others need."""
        place = {old: new for new, old in enumerate(subnets)}
        statistics: dict[Branch, Folded] = {}
        integers: dict[Branch, Integers] | None = None if self.integers is None else {}

        def remaining(branches: Sequence[Branch]) -> Iterator[Branch]:
            for branch in branches:
                ending = tuple(place[index] for index in branch.subnets if index in place)
                behind = tuple(remaining(branch.branches))
                if ending or behind:
                    copy = Branch(branch.parts, ending, behind)
                    statistics[copy] = self.statistics[branch]
                    if integers is not None and self.integers is not None:
                        integers[copy] = self.integers[branch]
                    yield copy

        return Calibrated(
            tuple(self.subnets[index] for index in subnets),
            tuple(remaining(self.branches)),
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
    statistics: Recorded | None = None,
) -> Calibrated:
    """Records the batch-norm statistics of `subnets`, averaged over `images`.

    Args:
        supernet: Source of the weights.
        subnets: Members of its search space; duplicates are allowed.
        images: Calibration images.
        memory: Memory limit (default: `MEMORY`). Below `full_sharing`, less is shared, with the same results.
            The memory that one subnet needs alone (`least_memory`) is always used.
        in_integers: Whether the subnets classify in 8-bit integers. The ranges of their activations over all
            `images` are then recorded as well; images must be float32.
        statistics: Statistics of the one subnet, which then need no images.

    Raises:
        H4HError: Images have another shape, or are too few for statistics.
    """
    memory = memory or MemoryBudget(MEMORY)
    kernels = _kernels(supernet, images.dtype, in_integers)
    chains = [tuple(parts(supernet, subnet, **kernels)) for subnet in subnets]
    room = memory.limit - sum(map(_weight_bytes(in_integers), chains)) - _working_bytes(chains, images.dtype)
    branches = grow(chains, (room - _overhead(supernet, images.dtype)) / (BATCH * images.dtype.itemsize))
    recordings = {branch: Recording() for top in branches for branch in top.all()}
    for batch, _ in images.batches if statistics is None else ():
        check_images(batch)
        _walk_float(branches, batch, recordings, _ignore, memory)
    folded = {
        branch: Folded((statistics or recording.result()).statistics)
        for branch, recording in recordings.items()
    }
    if not in_integers:
        return Calibrated(tuple(subnets), branches, folded, memory)
    observed = {branch: Observed(of_branch) for branch, of_branch in folded.items()}
    for batch, _ in images.batches:
        _walk_integers(branches, batch, observed, _ignore, memory)
    integers = {branch: numbers.result() for branch, numbers in observed.items()}
    return Calibrated(tuple(subnets), branches, folded, memory, integers)


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
    """Walks the tree in integers, or observes their ranges."""

    def compute(branch: Branch, part: Part, x: Stored) -> Stored:
        _make_room(part, x.values, memory)
        return run(part, x, numbers[branch])

    walk(branches, Stored(batch, 1.0), compute, lambda branch, logits: reach(branch, logits.real()))


def _make_room(part: Part, x: Tensor, memory: MemoryBudget) -> None:
    if x.device.type == "cpu":
        memory.make_room(part.working * len(x) * x.element_size() - x.nbytes)


def _ignore(_branch: Branch, _logits: Tensor) -> None:
    pass


def correct(calibrated: Calibrated, batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Whether each image is classified correctly, ``(subnets, images)``, bool.

    Raises:
        H4HError: A class score is not finite; names the subnet.
    """
    return torch.stack(correct_until(calibrated, batches, lambda _subnet, _correct: False))


def correct_until(
    calibrated: Calibrated,
    batches: Iterable[tuple[Tensor, Tensor]],
    stops: Callable[[int, Tensor], bool],
) -> list[Tensor]:
    """Whether each image is classified correctly, until a subnet is stopped.

    Args:
        calibrated: Subnets.
        batches: Images with their labels.
        stops: Called after each batch but the last for each remaining subnet, with its index and its results
            so far. Returns whether to stop: the subnet then sees no more images.

    Returns:
        For each subnet ``(images,)``, bool.

    Raises:
        H4HError: A class score is not finite; names the subnet.
    """
    rows = list(range(len(calibrated.subnets)))
    results: list[Tensor] = []
    for batch, labels in batches:
        if results:
            remaining = [place for place, row in enumerate(rows) if not stops(row, results[row])]
            if len(remaining) < len(rows):
                calibrated, rows = calibrated.only(remaining), [rows[place] for place in remaining]
            if not rows:
                break
        for row, right in zip(rows, calibrated.classify(batch) == labels, strict=True):
            if row == len(results):
                results.append(right)
            else:
                results[row] = torch.cat([results[row], right])
    return results


def groups(
    supernet: Supernet,
    subnets: Sequence[Subnet],
    memory: float,
    dtype: torch.dtype,
    *,
    in_integers: bool = False,
) -> Iterator[Sequence[Subnet]]:
    """Groups of consecutive subnets whose weights fit into `memory` together.

    Half of the memory that one subnet alone leaves free is for weights, the other half for the maps at forks.
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
    """Bytes that the largest subnet needs alone, without sharing."""
    chain = _largest(supernet, dtype, in_integers)
    return _overhead(supernet, dtype) + _weight_bytes(in_integers)(chain) + _working_bytes([chain], dtype)


def _overhead(supernet: Supernet, dtype: torch.dtype) -> float:
    return OVERHEAD + (WIDENED_OVERHEAD if is_widened(dtype, supernet.classifier.weight.device) else 0.0)


def full_sharing(supernet: Supernet, dtype: torch.dtype, *, in_integers: bool) -> float:
    """Bytes with which any subnets share as much as possible: every map along the largest one is maps."""
    maps = sum(part.output for part in _largest(supernet, dtype, in_integers)) * BATCH * dtype.itemsize
    return least_memory(supernet, dtype, in_integers=in_integers) + 2 * maps


def _largest(supernet: Supernet, dtype: torch.dtype, in_integers: bool) -> tuple[Part, ...]:
    subnet = supernet.space.decode(supernet.space.largest())
    return tuple(parts(supernet, subnet, **_kernels(supernet, dtype, in_integers)))


def _kernels(supernet: Supernet, dtype: torch.dtype, in_integers: bool) -> dict[str, bool]:
    """Arguments of `parts` about kernels; attention's scores are counted for any number of tokens."""
    widened = is_widened(dtype, supernet.classifier.weight.device)
    return {
        "keeps_scores": in_integers or (dtype is torch.bfloat16 and not widened),
        "widened": widened,
    }


def _weight_bytes(in_integers: bool) -> Callable[[Sequence[Part]], float]:
    """Bytes of the weights of one subnet during its evaluation, as a function of its parts."""
    copies = _INTEGER_COPIES if in_integers else 1
    return lambda chain: copies * _WEIGHT_BYTES * sum(part.params for part in chain)


def _working_bytes(chains: Sequence[Sequence[Part]], dtype: torch.dtype) -> float:
    """Bytes that the largest part of any subnet needs while it runs."""
    return max((part.working for chain in chains for part in chain), default=0) * BATCH * dtype.itemsize
