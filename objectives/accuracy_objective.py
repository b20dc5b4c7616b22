"""Accuracy objective: top-1 accuracy of a subnet with the supernet's weights, on held-out training images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from objectives.objective import ACCURACY, Dependency, Direction, Stops, percent
from search_space.arrays import Booleans, Floats
from search_space.command.byte_count import bytes_text
from search_space.errors import H4HError
from search_space.space import Space
from search_space.subnet import Subnet
from supernet.accuracy import many_subnets as shared_oracle
from supernet.accuracy import one_subnet as oracle
from supernet.accuracy.int8_grids import VERSION as QUANTISATION_VERSION
from supernet.accuracy.many_subnets import MEMORY
from supernet.accuracy.memory_budget import MemoryBudget
from supernet.accuracy.single_thread import single_thread
from supernet.checkpoints.tensor_file import file_digest
from supernet.images.evaluation_pack import CALIBRATED_ON, VAL_IMAGES, EvaluationPack, chosen_count
from supernet.images.labelled_images import BATCH, check_classes
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import INT8, SCORED_IN, kernel_instructions, resolve_precision
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint

VERSION = "2"
"""Version of the accuracy. It changes whenever the same weights and images may give another value."""
BF16_VERSION = "3"
"""Version of the accuracy in bf16. It changes whenever only values in bf16 may differ."""


def most_processes(space: Space, precision: str, memory: float) -> int:
    """Number of processes that can share `memory` so that each can measure any subnet of `space`; at least 1.

    Args:
        space: The search space.
        precision: Number format as in `Accuracy`, but not ``auto``.
        memory: Bytes for all processes together.
    """
    with torch.device("meta"):
        supernet = Supernet(space)
    least = shared_oracle.least_memory(supernet, SCORED_IN[precision], in_integers=precision == INT8)
    return max(1, int(memory / least))


class Accuracy:
    """Top-1 accuracy after batch-norm recalibration, in %; larger is better.

    Example:
        >>> from objectives import Accuracy
        >>> from search_space import load_space
        >>> from supernet.checkpoints import built_in_checkpoint
        >>> from supernet.images.evaluation_pack import built_in_pack, load_pack
        >>> space, pack = load_space("cifar32"), load_pack(built_in_pack())
        >>> checkpoint = built_in_checkpoint(space.name)
        >>> accuracy = Accuracy(
        ...     checkpoint=checkpoint, space=space, pack=pack, val_images=64, calibration_images=32
        ... )
        >>> bool(accuracy([space.decode(space.smallest())])[0] > 30)
        True

    Args:
        checkpoint: The trained supernet.
        space: The search space, which must be that of the checkpoint.
        pack: Search and calibration images.
        val_images: Number of search images that score a subnet, taken from the start; by default 2,000, or
            all of them if there are fewer.
        calibration_images: Number of images for batch-norm statistics, taken from the start; by default 512,
            or all of them if there are fewer.
        precision: Number format. ``fp32`` depends least on the machine; ``bf16``; ``int8`` is what NPU and
            compute-in-memory macros compute in.
        memory: Limit in bytes on the growth of the process, see `supernet.accuracy.memory_budget`. It affects
            the time, not the values.
        device: Device to compute on; by default the CPU.

    Raises:
        H4HError: A number of images is less than 1 or more than there are; `space` and images differ in their
            number of classes; or `memory` is less than one subnet needs.
        CheckpointError: The checkpoint is damaged or belongs to another space.
    """

    name: ClassVar[str] = ACCURACY.name
    unit: ClassVar[str] = ACCURACY.unit
    direction: ClassVar[Direction] = ACCURACY.direction
    depends_on: ClassVar[tuple[Dependency, ...]] = ACCURACY.depends_on
    follows_size: ClassVar[bool] = ACCURACY.follows_size
    is_expensive: ClassVar[bool] = ACCURACY.is_expensive

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
        self._device = device
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
            memory_of(self._supernet, self._dtype, in_integers=self._in_integers)
            for memory_of in (shared_oracle.least_memory, shared_oracle.full_sharing)
        )
        if memory < least:
            raise H4HError(
                f"--memory leaves {bytes_text(memory)} to a process, but the largest subnet of "
                f"{space.name!r} needs {bytes_text(least)} in {precision}, beside weights and images: raise "
                f"--memory, or use fewer --workers"
            )
        self.notice = (
            f"--memory leaves {bytes_text(memory)} to a process, less than the {bytes_text(needed)} with "
            f"which subnets share all they have in common: accuracy takes longer, its values are the same"
            if memory < needed
            else ""
        )
        self._search, self._calibration = (
            oracle.prepare(images, precision=precision, device=device, scale=self._supernet.pixel_scale)
            for images in (pack.search[:val_images], pack.calibration[:calibration_images])
        )
        self._memory = MemoryBudget(memory)
        self._needed = needed
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
            # Other devices round differently. Absent for the CPU, so that its fingerprint stays as it was.
            self._fingerprint["device"] = device.type

    @property
    def most_memory(self) -> float:
        """Bytes by which a measurement may let the process grow: the limit, or all that sharing can use."""
        return min(self._memory.limit, self._needed)

    @property
    def images(self) -> int:
        """Number of images that score a subnet."""
        return len(self._search)

    @property
    def slice_images(self) -> int:
        """Number of images that are scored at a time."""
        return BATCH

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """Accuracies in %, ``(n,)``, equal to those of each subnet alone.

        The computation uses one thread, because several threads round differently on CPUs.
        `objectives.workers` uses more cores.
        """
        return np.array([percent(int(right.sum()), self.images) for right in self.right(subnets)])

    def right(self, subnets: Sequence[Subnet], stops: Stops | None = None) -> list[Booleans]:
        """Whether each subnet is right on each image; see `ImageObjective`."""
        if not subnets:
            return []
        correct: list[torch.Tensor] = []
        with single_thread(), self._memory.measuring():
            for group in shared_oracle.groups(
                self._supernet, subnets, self._memory.limit, self._dtype, in_integers=self._in_integers
            ):
                correct += self._correct(group, len(correct), stops)
        return [answers.cpu().numpy() for answers in correct]

    def _correct(self, subnets: Sequence[Subnet], start: int, stops: Stops | None) -> list[torch.Tensor]:
        """`right` of subnets that are measured together; `start` is the place of the first in the batch."""
        calibrated = shared_oracle.calibrate(
            self._supernet,
            subnets,
            self._calibration,
            memory=self._memory,
            in_integers=self._in_integers,
        )
        return shared_oracle.correct_until(
            calibrated,
            self._search.batches,
            lambda place, seen: stops is not None and stops(start + place, seen.cpu().numpy()),
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Runs in the process of a worker, where memory handling has not been set yet.
        keep_freed_memory()
        self.__dict__.update(state)
        self._memory = MemoryBudget(self._memory.limit)

    def fingerprint(self) -> dict[str, str]:
        """Hashes of weights and images, settings of the oracle, and the version of torch."""
        return dict(self._fingerprint)

    @property
    def processor(self) -> str:
        """The instructions, or the GPU, whose kernels measure; they differ in rounding."""
        device = self._device
        return kernel_instructions() if device.type == "cpu" else torch.cuda.get_device_name(device)
