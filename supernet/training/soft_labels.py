"""Soft labels stored for augmented views of training images, so that no teacher runs in training.

View v of an image is one augmentation, drawn from a stored seed. In epoch e, training shows view e mod K of
each image, with exactly the pixels that the teacher saw. A file belongs to one data set, split and
augmentation, and is refused with any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from search_space.errors import H4HError
from search_space.files.setting_differences import differing
from supernet.checkpoints.header import CheckpointError
from supernet.checkpoints.image_input import NONE
from supernet.checkpoints.tensor_file import file_digest, read_tensors, write_tensors
from supernet.images.labelled_images import Images, LabelledImages
from supernet.training.recipe import Recipe

FORMAT = "h4h-soft-labels-1"

AUGMENTATION = ("crop_padding", "crop_scale", "rand_augment", "magnitude", "flip")
"""Settings of a recipe that determine the pixels of a view."""


@dataclass(frozen=True)
class SoftLabelHeader:
    """Header of a file of soft labels.

    Attributes:
        teacher: SHA-256 of the teacher's file.
        data: Data set and split, as `supernet.images.data_sets.ImageData.recorded` returns them.
        pixels: Digest of the training images (`pixel_digest`).
        augmentation: Settings that determine the pixels of a view, by name.
        seed: Random seed of the views.
        views: Number of views of each image.
        classes: Number of classes.
        mirrored: Whether the teacher's probabilities are averaged over each view and its mirror image.
    """

    teacher: str
    data: dict[str, str]
    pixels: str
    augmentation: dict[str, float]
    seed: int
    views: int
    classes: int
    mirrored: bool = False


class SoftLabels:
    """Class probabilities of a teacher for all views of each training image.

    Args:
        header: Header of the file.
        shares: Probabilities of the stored classes, ``(views, images, top)``, float16.
        ranks: Class numbers of the stored classes, same shape, int16; None if all classes are stored in
            order.
        digest: SHA-256 of the file.
    """

    def __init__(self, header: SoftLabelHeader, shares: Tensor, ranks: Tensor | None, digest: str) -> None:
        self.header = header
        self.digest = digest
        self._shares = shares
        self._ranks = ranks

    @property
    def views(self) -> int:
        return self.header.views

    @property
    def seed(self) -> int:
        return self.header.seed

    def probabilities(self, view: int, indices: Tensor) -> Tensor:
        """Probabilities of all classes for the images at `indices`, ``(n, classes)``, float32; rows sum to 1.

        Classes that are not stored share the rest evenly.
        """
        shares = self._shares[view, indices].float()
        if self._ranks is None:
            return shares / shares.sum(1, keepdim=True)
        ranks = self._ranks[view, indices].long()
        others = self.header.classes - ranks.shape[1]
        rest = (1 - shares.sum(1, keepdim=True)).clamp_min(0) / max(others, 1)
        full = rest.expand(-1, self.header.classes).clone().scatter_(1, ranks, shares)
        return full / full.sum(1, keepdim=True)

    def check(self, path: Path, *, data: Mapping[str, str], pixels: str, recipe: Recipe) -> None:
        """Raises `CheckpointError` unless the labels belong to the images and augmentation of a training.

        Args:
            path: File of the labels, for the message.
            data: Data set and split of the training.
            pixels: Digest of its training images.
            recipe: Recipe with its augmentation.
        """
        # Labels of before have no setting that is newer.
        earlier = {name: getattr(Recipe, name) for name in AUGMENTATION}
        stored = {**self.header.data, "images": self.header.pixels, **earlier, **self.header.augmentation}
        wanted = {**data, "images": pixels, **augmentation(recipe)}
        differences = [
            f"{key} {_short(stored.get(key))} -> {_short(wanted.get(key))}"
            for key in sorted(differing(stored, wanted))
        ]
        if differences:
            raise CheckpointError(
                f"soft labels {path} belong to other images or another augmentation "
                f"({'; '.join(differences)}): "
                f"use the same in training, or make labels for these by supernet.label"
            )


def check_targets(recipe: Recipe, teacher: Path | None, soft_labels: SoftLabels | None) -> None:
    """Raises `H4HError` if there are two sources of targets, or none for steps without the largest subnet.

    Args:
        recipe: The recipe.
        teacher: Checkpoint of a teacher.
        soft_labels: Stored soft labels.
    """
    if recipe.class_weights != NONE and (teacher is not None or soft_labels is not None):
        raise H4HError(
            f"class_weights: {recipe.class_weights} weighs labels, but a teacher or soft labels replace "
            f"them: leave out one of the two"
        )
    if teacher is not None and soft_labels is not None:
        raise H4HError(
            "teacher and soft labels both replace the labels: give one of --teacher and --soft-labels"
        )
    if recipe.ema or teacher is not None or soft_labels is not None:
        return
    for phase in recipe.phases:
        if phase.largest_every > 1:
            raise H4HError(
                f"phase {phase.name!r} trains the largest subnet in one of {phase.largest_every} steps, so "
                f"the others need targets in between: give --soft-labels FILE or --ema, or set "
                f"largest_every to 1"
            )


def augmentation(recipe: Recipe) -> dict[str, float]:
    """Settings of `recipe` that determine the pixels of a view."""
    return {name: getattr(recipe, name) for name in AUGMENTATION}


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) and len(value) == 64 else repr(value)


def top_classes(probabilities: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
    """The most likely classes in probabilities ``(n, classes)``, in stored form.

    Returns:
        Probabilities ``(n, count)``, float16, and their class numbers, int16. If `count` is the number of
        classes, all are in order of the classes, and the numbers are None.
    """
    if count == probabilities.shape[1]:
        return probabilities.half(), None
    shares, ranks = probabilities.topk(count, dim=1)
    return shares.half(), ranks.to(torch.int16)


def save_soft_labels(path: Path, header: SoftLabelHeader, shares: Tensor, ranks: Tensor | None) -> None:
    """Writes soft labels, whole or not at all; the tensors are those of `SoftLabels`."""
    tensors = {"shares": shares} if ranks is None else {"shares": shares, "ranks": ranks}
    write_tensors(path, tensors, {"format": FORMAT, **asdict(header)})


def load_soft_labels(path: Path) -> SoftLabels:
    """The soft labels of a file that `save_soft_labels` wrote.

    Raises:
        CheckpointError: The file is absent, damaged, not finite, or holds no soft labels.
    """
    tensors, fields = read_tensors(path, FORMAT)
    fields.pop("format")
    try:
        header = SoftLabelHeader(**fields)
        shares, ranks = tensors["shares"], tensors.get("ranks")
        _check_shapes(header, shares, ranks)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"soft labels {path} do not fit their header ({error})") from error
    if not torch.isfinite(shares).all():
        raise CheckpointError(f"soft labels {path} hold values that are not finite")
    return SoftLabels(header, shares, ranks, file_digest(path))


def fitting_soft_labels(
    path: Path | None, images: Images, data: Mapping[str, str], recipe: Recipe
) -> SoftLabels | None:
    """The soft labels of a training, checked against its images and augmentation; None without a file.

    Args:
        path: File of the labels, or None.
        images: Training images.
        data: Data set and split of the training.
        recipe: Recipe with the augmentation.

    Raises:
        CheckpointError: The file is absent, damaged, or belongs to other images or another augmentation.
    """
    if path is None:
        return None
    labels = load_soft_labels(path)
    labels.check(path, data=data, pixels=pixel_digest(images), recipe=recipe)
    return labels


def pixel_digest(images: Images) -> str:
    """SHA-256 of the classes, and of the pixels of images in memory."""
    sha = hashlib.sha256(images.labels.numpy().tobytes())
    if isinstance(images, LabelledImages):
        sha.update(images.pixels.contiguous().numpy().data)
    return sha.hexdigest()


def _check_shapes(header: SoftLabelHeader, shares: Tensor, ranks: Tensor | None) -> None:
    if shares.ndim != 3 or len(shares) != header.views or not 0 < shares.shape[2] <= header.classes:
        raise ValueError(f"probabilities of shape {tuple(shares.shape)}")
    if (ranks is None) != (shares.shape[2] == header.classes):
        raise ValueError("class numbers must be stored if and only if some classes are left out")
    if ranks is not None and (
        ranks.shape != shares.shape or not 0 <= int(ranks.min()) <= int(ranks.max()) < header.classes
    ):
        raise ValueError("class numbers of another shape, or out of range")
