"""Production of soft labels: a teacher classifies augmented views of all training images."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor
from torch.utils.data import DataLoader

from search_space.command.progress_lines import tracked
from search_space.errors import H4HError
from supernet.checkpoints.header import CheckpointError, read_header
from supernet.images.labelled_images import BATCH, Images, normalised
from supernet.network.extraction import FORMAT as NETWORK_FORMAT
from supernet.network.extraction import load_extracted
from supernet.network.number_formats import PRECISIONS
from supernet.network.plain_network import PlainNetwork
from supernet.network.teacher_network import FORMAT as TEACHER_FORMAT
from supernet.network.teacher_network import TeacherNetwork, load_teacher
from supernet.training.batches import AugmentedImages, is_cropped_at_once, view_crops, view_seed
from supernet.training.recipe import Recipe
from supernet.training.soft_labels import SoftLabelHeader, top_classes


def load_any_teacher(path: Path) -> tuple[TeacherNetwork | PlainNetwork, dict[str, Any]]:
    """A teacher in evaluation mode, and the header of its file.

    Raises:
        CheckpointError: The file is absent, damaged, or holds no network that can teach.
    """
    try:
        return load_teacher(path)
    except CheckpointError as first:
        try:
            header = read_header(path, NETWORK_FORMAT)
        except CheckpointError:
            raise CheckpointError(
                f"{first}: give a file of supernet.teacher ({TEACHER_FORMAT}) or a network of "
                f"supernet.finetune ({NETWORK_FORMAT})"
            ) from None
    return load_extracted(path), header


@torch.inference_mode()
def probabilities(
    teacher: TeacherNetwork | PlainNetwork,
    pixels: Tensor,
    *,
    mirrored: bool,
    precision: str,
    device: torch.device,
) -> Tensor:
    """Class probabilities ``(n, classes)``, float32, on the CPU.

    Args:
        teacher: The teacher, on `device`, in evaluation mode.
        pixels: Images, uint8 ``(n, 3, s, s)``.
        mirrored: Whether to average over each image and its mirror image.
        precision: ``bf16`` or ``fp32``.
        device: Device of the computation.

    Raises:
        H4HError: A class score is not finite.
    """
    dtype = PRECISIONS[precision]
    with torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
        images = normalised(pixels.to(device), dtype, teacher.pixel_scale)
        scores = torch.stack(
            [teacher(each) for each in ((images, images.flip(3)) if mirrored else (images,))]
        )
    scores = scores.float()
    if not torch.isfinite(scores).all():
        raise H4HError(f"{teacher.title} gives class scores that are not finite")
    return scores.softmax(2).mean(0).cpu()


def augmented_view(
    images: Images, recipe: Recipe, *, seed: int, number: int, workers: int = 0
) -> Iterator[Tensor]:
    """View `number` of all `images`, in batches, uint8 ``(n, 3, s, s)``.

    Args:
        images: Training images.
        recipe: Augmentation of the images.
        seed: Random seed of the views.
        number: Number of the view, from 0.
        workers: Number of processes for images that are augmented one by one; 0 uses this process.
    """
    if is_cropped_at_once(images, recipe):
        crops = view_crops(seed, number, len(images), recipe)
        for indices in torch.arange(len(images)).split(BATCH):  # type: ignore[no-untyped-call]
            yield crops[indices].apply(images.pixels[indices], recipe.crop_padding)
        return
    augmented = AugmentedImages(images, recipe, partial(view_seed, seed, number))
    for pixels, _ in DataLoader(augmented, batch_size=BATCH, num_workers=workers):
        yield pixels


def label(
    teacher: TeacherNetwork | PlainNetwork,
    images: Images,
    recipe: Recipe,
    header: SoftLabelHeader,
    *,
    top: int,
    precision: str,
    device: torch.device,
    workers: int,
) -> tuple[Tensor, Tensor | None, float]:
    """Soft labels of all views.

    Returns:
        Probabilities ``(views, images, top)``, class numbers or None (see `SoftLabels`), and the share of
        views whose most likely class is the image's, in %.
    """
    shares: list[Tensor] = []
    ranks: list[Tensor] = []
    right = 0
    console = Console(stderr=True)
    for number in tracked(range(header.views), "views", header.views, console):
        labels = images.labels.split(BATCH)  # type: ignore[no-untyped-call]
        pixels = augmented_view(images, recipe, seed=header.seed, number=number, workers=workers)
        for batch, classes in zip(pixels, labels, strict=True):
            scores = probabilities(
                teacher, batch, mirrored=header.mirrored, precision=precision, device=device
            )
            right += int((scores.argmax(1) == classes).sum())
            share, rank = top_classes(scores, top)
            shares.append(share)
            ranks += [] if rank is None else [rank]
    shape = (header.views, len(images), top)
    all_ranks = torch.cat(ranks).view(shape) if ranks else None
    return torch.cat(shares).view(shape), all_ranks, 100 * right / (header.views * len(images))
