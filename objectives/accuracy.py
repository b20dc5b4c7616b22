"""`acc`: top-1 accuracy of a subnet with the supernet's weights, on images the training never saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from objectives.objective import BoolArray, Direction, FloatArray, Stops, percent
from search_space.byte_count import bytes_text
from search_space.errors import H4HError
from search_space.space import Space
from search_space.subnet import Subnet
from supernet import oracle, shared_oracle
from supernet.allocator import keep_freed_memory
from supernet.checkpoint import file_digest, load_checkpoint
from supernet.evaluation_pack import CALIBRATED_ON, VAL_IMAGES, EvaluationPack, chosen_count
from supernet.images import BATCH, check_classes
from supernet.memory_budget import MemoryBudget
from supernet.model import Supernet
from supernet.precision import INT8, SCORED_IN, resolve_precision
from supernet.quantisation import VERSION as QUANTISATION_VERSION
from supernet.shared_oracle import MEMORY
from supernet.single_thread import single_thread

VERSION = "2"
"""Changes whenever the same weights and images may give another accuracy than before."""


BF16_VERSION = "3"
"""Changes whenever values in bf16 may be others than before, and only these."""


def most_processes(space: Space, precision: str, memory: float) -> int:
    """How many processes can share `memory` so that each can measure any subnet of `space`; at least 1.

    Args:
        space: The space that is searched.
        precision: As for `Accuracy`, but ``auto``.
        memory: Bytes for all of them.
    """
    with torch.device("meta"):
        supernet = Supernet(space)
    least = shared_oracle.least_memory(supernet, SCORED_IN[precision], in_integers=precision == INT8)
    return max(1, int(memory / least))


class Accuracy:
    """Top-1 accuracy after batch-norm recalibration, in %; larger is better.

    Args:
        checkpoint: The trained supernet.
        space: The space that is searched; the checkpoint must be of it.
        pack: Search and calibration images.
        val_images: Number of search images that score a subnet, from the first; 2,000 unless told, or all
            where there are fewer.
        calibration_images: Number of images for its batch-norm statistics, from the first; likewise 512.
        precision: ``fp32``, whose values depend least on the machine; ``bf16``; or ``int8``, as an NPU and
            compute-in-memory macros compute.
        memory: Most bytes by which measuring may make the process grow, see `supernet.memory_budget`; decides
            the time, not the values.
        device: Where to compute; the CPU unless told.

    Raises:
        H4HError: More images are asked for than there are, or fewer than 1; `space` has another number of
            classes than the images; or `memory` is less than one subnet needs.
        CheckpointError: The checkpoint is damaged or of another space.
    """

    name: ClassVar[str] = "acc"
    unit: ClassVar[str] = "%"
    direction: ClassVar[Direction] = "max"
    is_expensive: ClassVar[bool] = True

    def __init__(
        self,
        *,
        checkpoint: Path,
        space: Space,
        pack: EvaluationPack,
        val_images: int | None = None,
        calibration_images: int | None = None,
        precision: str = "fp32",
        memory: float = MEMORY,
        device: torch.device | None = None,
    ) -> None:
        device = device or torch.device("cpu")
        val_images = chosen_count("--val-images", val_images, VAL_IMAGES, len(pack.search))
        calibration_images = chosen_count(
            "--calibration-images", calibration_images, CALIBRATED_ON, len(pack.calibration)
        )
        check_classes(space, pack.classes)
        keep_freed_memory()
        self._supernet = load_checkpoint(checkpoint, space).to(device).eval()
        precision = resolve_precision(precision, device, SCORED_IN)
        self._in_integers = precision == INT8
        self._dtype = SCORED_IN[precision]
        least, needed = (
            of(self._supernet, self._dtype, in_integers=self._in_integers)
            for of in (shared_oracle.least_memory, shared_oracle.full_sharing)
        )
        if memory < least:
            raise H4HError(
                f"--memory leaves {bytes_text(memory)} to a process, but the largest subnet of "
                f"{space.name!r} needs {bytes_text(least)} in {precision}, beside weights and images: raise "
                f"--memory, or take fewer --workers"
            )
        self.notice = (
            f"--memory leaves {bytes_text(memory)} to a process, less than the {bytes_text(needed)} with "
            f"which subnets share all they have in common: accuracy takes longer, its values are the same"
            if memory < needed
            else ""
        )
        self._search = oracle.prepare(pack.search[:val_images], precision=precision, device=device)
        self._calibration = oracle.prepare(
            pack.calibration[:calibration_images], precision=precision, device=device
        )
        self._memory = MemoryBudget(memory)
        self._fingerprint = {
            "checkpoint": file_digest(checkpoint),
            "images": pack.digest,
            "val_images": str(val_images),
            "calibration_images": str(calibration_images),
            "precision": precision,
            "oracle": VERSION,
            "torch": torch.__version__,
            **pack.record,
        }
        if self._in_integers:
            self._fingerprint["quantisation"] = QUANTISATION_VERSION
        if self._dtype is torch.bfloat16:
            self._fingerprint["bf16"] = BF16_VERSION
        if device.type != "cpu":
            # Its kernels round in other ways. Absent for the CPU, where most studies run.
            self._fingerprint["device"] = device.type

    @property
    def images(self) -> int:
        """How many images score a subnet."""
        return len(self._search)

    @property
    def slice_images(self) -> int:
        """How many images are scored at a time."""
        return BATCH

    def __call__(self, subnets: Sequence[Subnet]) -> FloatArray:
        """Accuracies in %, ``(n,)``, as each subnet alone would have them.

        Computed in one thread: on CPUs more of them round in other ways. `objectives.workers` uses more
        cores.
        """
        return np.array([percent(int(one.sum()), self.images) for one in self.right(subnets)])

    def right(self, subnets: Sequence[Subnet], stops: Stops | None = None) -> list[BoolArray]:
        """Whether each subnet is right on each image; see `ImageObjective`."""
        if not subnets:
            return []
        correct: list[torch.Tensor] = []
        with single_thread(), self._memory.measuring():
            for group in shared_oracle.groups(
                self._supernet, subnets, self._memory.limit, self._dtype, in_integers=self._in_integers
            ):
                correct += self._correct(group, len(correct), stops)
        return [one.cpu().numpy() for one in correct]

    def _correct(self, subnets: Sequence[Subnet], start: int, stops: Stops | None) -> list[torch.Tensor]:
        """Of subnets that are measured together, the first of them at place `start` of all."""
        found = shared_oracle.calibrated(
            self._supernet,
            subnets,
            self._calibration,
            memory=self._memory,
            in_integers=self._in_integers,
        )
        return shared_oracle.correct_until(
            found,
            self._search.batches,
            lambda place, seen: stops is not None and stops(start + place, seen.cpu().numpy()),
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        # In the process of a worker, which has not been told yet.
        keep_freed_memory()
        self.__dict__.update(state)
        self._memory = MemoryBudget(self._memory.limit)

    def fingerprint(self) -> dict[str, str]:
        """Hashes of weights and images, the oracle's settings, and torch, whose kernels round."""
        return dict(self._fingerprint)
