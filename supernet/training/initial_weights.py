"""Supernets that a training begins with: initial weights of any search space, and a teacher."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.table import Table

from search_space.space import Space
from supernet.checkpoints.header import CheckpointError
from supernet.checkpoints.image_input import CIFAR10_SCALE
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint
from supernet.network.transfer import PartTransfer, transfer, unused_parts


def initial_supernet(
    space: Space, start: Path | None, teacher: Supernet | None = None
) -> tuple[Supernet, list[PartTransfer]]:
    """A supernet with random weights, or those of a checkpoint of any space as far as they fit.

    Args:
        space: Its search space.
        start: Checkpoint of the initial weights; None for random weights.
        teacher: Supernet that will teach it on the same images.

    Returns:
        The supernet, and what each part took from a checkpoint of another space; empty otherwise.

    Raises:
        CheckpointError: The file is absent, damaged, or no supernet, or the teacher normalises pixels in
            another way.
    """
    source = None if start is None else load_checkpoint(start)
    scale = CIFAR10_SCALE if source is None else source.pixel_scale
    if teacher is not None and teacher.pixel_scale != scale:
        raise CheckpointError(
            f"the teacher's pixels have the mean {teacher.pixel_scale.mean}, but those of this training have "
            f"{scale.mean}: leave --teacher out, or choose weights by --from that have the teacher's"
        )
    if source is None:
        return Supernet(space), []
    if source.space.digest == space.digest:
        return source, []
    supernet = Supernet(space, epsilon=source.epsilon, pixel_scale=scale)
    parts = transfer(source, supernet)
    if unused := unused_parts(source, supernet):
        parts.append(PartTransfer(f"only in {source.space.name}", 0, 0, {"": unused}))
    return supernet, parts


def transfer_table(parts: list[PartTransfer]) -> Table:
    """Table of the weights that each part of a supernet took, and of what was left out."""
    table = Table("part", "weights", "taken", "left out", box=box.SIMPLE_HEAD)
    for part in parts:
        share = f"{100 * part.taken / part.weights:.0f} %" if part.weights else ""
        reasons = [
            ": ".join(filter(None, (reason, ", ".join(what)))) for reason, what in part.left_out.items()
        ]
        table.add_row(part.part, f"{part.weights:,}" if part.weights else "", share, "; ".join(reasons))
    return table


def load_teacher_supernet(path: Path, space: Space) -> Supernet:
    """The supernet of a checkpoint, as the teacher of one over `space`.

    Raises:
        CheckpointError: The file is absent or damaged, or its number of classes differs from that of `space`.
    """
    teacher = load_checkpoint(path)
    if teacher.space.head.classes != space.head.classes:
        raise CheckpointError(
            f"teacher {path} tells {teacher.space.head.classes} classes apart, "
            f"but space {space.name!r} has {space.head.classes}"
        )
    return teacher.requires_grad_(False)
