"""Store soft labels: a teacher's class probabilities for augmented views of all training images.

    python -m supernet.label --teacher runs/teacher/teacher.safetensors --data data --out runs/labels.safetensors
    python -m supernet.train --soft-labels runs/labels.safetensors --data data --out runs/taught

The teacher is a file of `supernet.teacher`, or a network of `supernet.finetune`. The settings of the augmentation must
be those of the training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from search_space.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.least_values import check_least
from search_space.space import load_space
from supernet.allocator import keep_freed_memory
from supernet.checkpoint import CheckpointError, file_digest
from supernet.checkpoint_header import read_header
from supernet.datasets import open_data
from supernet.extraction import FORMAT as NETWORK_FORMAT
from supernet.extraction import load_extracted
from supernet.fine_tuning import make_recipe
from supernet.images import BATCH, Images, normalised
from supernet.layouts import DEFAULT_DATA, add_data
from supernet.plain import PlainNetwork
from supernet.precision import PRECISIONS, resolve_device, resolve_precision
from supernet.recipe import Recipe
from supernet.soft_labels import (
    AUGMENTATION,
    SoftLabelHeader,
    augmentation,
    pixel_digest,
    save_soft_labels,
    top_classes,
)
from supernet.teacher_network import FORMAT as TEACHER_FORMAT
from supernet.teacher_network import TeacherNetwork, load_teacher
from supernet.train import HELP, reading_processes
from supernet.views import view


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m supernet.label",
        description="Store a teacher's class probabilities for augmented views of all training images.",
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        required=True,
        metavar="FILE",
        help="teacher.safetensors of supernet.teacher, or network.safetensors of supernet.finetune",
    )
    parser.add_argument(
        "--space",
        default="cifar32",
        help="search space to be trained; decides classes and image size (default: %(default)s)",
    )
    add_data(parser.add_argument, DEFAULT_DATA)
    parser.add_argument(
        "--split-seed",
        type=int,
        metavar="S",
        help="seed of the search split, as in supernet.train (default: 0; CIFAR-10 holds out its last 5,000)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file of the soft labels")
    parser.add_argument(
        "--views", type=int, default=10, metavar="N", help="views of each image (default: %(default)s)"
    )
    parser.add_argument(
        "--top", type=int, metavar="N", help="most likely classes to store (default: all, 10 at most)"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed of the views (default: %(default)s)")
    parser.add_argument(
        "--precision", default="auto", help="of activations: bf16, fp32 or auto (default: %(default)s)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, help="processes that augment (default: number of cores, 16 at most)"
    )
    for name in AUGMENTATION:
        default = getattr(Recipe, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(default),
            default=default,
            help=f"{HELP[name]} (default: %(default)s)",
        )
    return parser


def load_any_teacher(path: Path) -> tuple[TeacherNetwork | PlainNetwork, dict[str, Any]]:
    """A network that can teach, in evaluation mode, and the header of its file.

    Raises:
        CheckpointError: The file is absent, damaged, or holds no such network.
    """
    try:
        return load_teacher(path)
    except CheckpointError as first:
        try:
            header = read_header(path, NETWORK_FORMAT)
        except CheckpointError:
            raise CheckpointError(
                f"{first}: give a file of supernet.teacher ({TEACHER_FORMAT}) or a network of supernet.finetune "
                f"({NETWORK_FORMAT})"
            ) from None
    return load_extracted(path), header


@torch.inference_mode()
def probabilities(
    teacher: TeacherNetwork | PlainNetwork, pixels: Tensor, *, precision: str, device: torch.device
) -> Tensor:
    """Class probabilities ``(n, classes)``, float32, on the CPU.

    Args:
        teacher: On `device`, in evaluation mode.
        pixels: uint8 ``(n, 3, s, s)``.
        precision: ``bf16`` or ``fp32``.
        device: Where to compute.

    Raises:
        H4HError: A class score is not finite.
    """
    dtype = PRECISIONS[precision]
    with torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
        scores = teacher(normalised(pixels.to(device), dtype)).float()
    if not torch.isfinite(scores).all():
        raise H4HError(f"{teacher.title} gives class scores that are not finite")
    return scores.softmax(1).cpu()


def main() -> None:
    arguments = make_parser().parse_args()
    check_least(arguments, views=1, top=1, seed=0, split_seed=0, workers=0)
    if arguments.out.is_dir():
        raise H4HError(f"--out must be a file, but {arguments.out} is a folder")
    keep_freed_memory()
    device = resolve_device(arguments.device)
    precision = resolve_precision(arguments.precision, device)
    # Checks the augmentation as a training would.
    recipe = make_recipe(epochs=1, rate=1.0, **{name: getattr(arguments, name) for name in AUGMENTATION})
    teacher, trained = load_any_teacher(arguments.teacher)
    data = open_data(arguments.data, arguments.dataset, load_space(arguments.space))
    split = data.split(arguments.split_seed)
    recorded = data.recorded(split)
    if teacher.classes != data.classes:
        raise CheckpointError(
            f"teacher {arguments.teacher} tells {teacher.classes} classes apart, but the images have {data.classes}"
        )
    if trained.get("data") != recorded:
        raise CheckpointError(
            f"teacher {arguments.teacher} was trained on other images or another split than --data gives, so it "
            f"may have seen the search split: train one on these by supernet.teacher"
        )
    top = min(arguments.top or 10, data.classes)
    images = data.train.subset(split.train)
    header = SoftLabelHeader(
        teacher=file_digest(arguments.teacher),
        data=recorded,
        pixels=pixel_digest(images),
        augmentation=augmentation(recipe),
        seed=arguments.seed,
        views=arguments.views,
        classes=data.classes,
    )
    shares, ranks, right = label(
        teacher.to(device),
        images,
        recipe,
        header,
        top=top,
        precision=precision,
        device=device,
        workers=reading_processes(arguments.workers),
    )
    save_soft_labels(arguments.out, header, shares, ranks)
    print(
        f"{header.views} views of {len(images)} images; the teacher takes {right:.2f} % of them for their class"
    )
    print(f"soft labels: {arguments.out}")


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
        Probabilities ``(views, images, top)``, class numbers or None (see `SoftLabels`), and the share of views whose
        most likely class is the image's, in %.
    """
    shares: list[Tensor] = []
    ranks: list[Tensor] = []
    right = 0
    console = Console(stderr=True)
    for number in track(
        range(header.views), "views", console=console, transient=True, disable=not console.is_terminal
    ):
        labels = images.labels.split(BATCH)
        pixels = view(images, recipe, seed=header.seed, number=number, workers=workers)
        for batch, classes in zip(pixels, labels, strict=True):
            found = probabilities(teacher, batch, precision=precision, device=device)
            right += int((found.argmax(1) == classes).sum())
            share, rank = top_classes(found, top)
            shares.append(share)
            ranks += [] if rank is None else [rank]
    shape = (header.views, len(images), top)
    all_ranks = torch.cat(ranks).view(shape) if ranks else None
    return torch.cat(shares).view(shape), all_ranks, 100 * right / (header.views * len(images))


if __name__ == "__main__":
    run_command(main)
