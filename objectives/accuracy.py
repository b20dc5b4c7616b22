"""`acc`: top-1 accuracy of a subnet with the supernet's weights, on images the training never saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from objectives.objective import Direction, FloatArray
from search_space.byte_count import bytes_text
from search_space.space import Space
from search_space.subnet import Subnet
from supernet import oracle, shared_oracle
from supernet.allocator import keep_freed_memory
from supernet.checkpoint import file_digest, load_checkpoint
from supernet.evaluation_pack import CALIBRATED_ON, VAL_IMAGES, EvaluationPack, chosen_count
from supernet.images import check_classes
from supernet.precision import INT8, SCORED_IN, resolve_precision
from supernet.quantisation import VERSION as QUANTISATION_VERSION
from supernet.shared_oracle import MEMORY
from supernet.single_thread import single_thread

VERSION = "2"
"""Changes whenever the same weights and images may give another accuracy than before."""


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
        memory: Most bytes that maps may take at a time; decides the time, not the values.
        device: Where to compute; the CPU unless told.

    Raises:
        H4HError: More images are asked for than there are, or fewer than 1; or `space` has another number
            of classes than the images.
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
        self._memory = memory
        needed = shared_oracle.full_sharing(
            self._supernet, SCORED_IN[precision], in_integers=self._in_integers
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
        if device.type != "cpu":
            # Its kernels round in other ways. Absent for the CPU, where most studies run.
            self._fingerprint["device"] = device.type

    def __call__(self, subnets: Sequence[Subnet]) -> FloatArray:
        """Accuracies in %, ``(n,)``, as each subnet alone would have them.

        Computed in one thread: on CPUs more of them round in other ways. `objectives.workers` uses more
        cores.
        """
        if not subnets:
            return np.zeros(0)
        with single_thread():
            found = shared_oracle.calibrated(
                self._supernet,
                subnets,
                self._calibration,
                memory=self._memory,
                in_integers=self._in_integers,
            )
            correct = shared_oracle.correct(found, self._search.batches)
        return 100 * correct.sum(dim=1).double().cpu().numpy() / correct.shape[1]

    def __setstate__(self, state: dict[str, Any]) -> None:
        # In the process of a worker, which has not been told yet.
        keep_freed_memory()
        self.__dict__.update(state)

    def fingerprint(self) -> dict[str, str]:
        """Hashes of weights and images, the oracle's settings, and torch, whose kernels round."""
        return dict(self._fingerprint)
