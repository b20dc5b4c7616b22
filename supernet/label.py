"""Store soft labels: a teacher's class probabilities for augmented views of all training images.

    python -m supernet.label --teacher runs/teacher/teacher.safetensors --data data --out labels.safetensors
    python -m supernet.train --soft-labels labels.safetensors --data data --out runs/taught

The teacher is a file of `supernet.teacher`, or a network of `supernet.finetune`. The settings of the
augmentation must be those of the training.
"""

from __future__ import annotations

from pathlib import Path

from search_space.command.command_line import Parser, check_least, run_command
from search_space.errors import H4HError
from search_space.files.writable_folder import folder_problem
from search_space.space import load_space
from supernet.checkpoints.header import CheckpointError
from supernet.checkpoints.image_input import image_input
from supernet.checkpoints.tensor_file import file_digest
from supernet.images.data_sets import open_data
from supernet.images.folder_layouts import DEFAULT_DATA, add_data
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import resolve_device, resolve_precision
from supernet.training.labelling import label, load_any_teacher
from supernet.training.recipe import Recipe
from supernet.training.recipe_options import HELP, reading_processes
from supernet.training.single_network_trainer import make_recipe
from supernet.training.soft_labels import (
    AUGMENTATION,
    SoftLabelHeader,
    augmentation,
    pixel_digest,
    save_soft_labels,
)


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
        "--mirror",
        action="store_true",
        help="average the teacher over each view and its mirror image; takes twice as long",
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


def main() -> None:
    arguments = make_parser().parse_args()
    check_least(arguments, views=1, top=1, seed=0, split_seed=0, workers=0)
    if arguments.out.is_dir():
        raise H4HError(f"--out must be a file, but {arguments.out} is a folder")
    if problem := folder_problem(arguments.out.parent):
        raise H4HError(f"--out {arguments.out}: {problem}; name a file in another folder")
    keep_freed_memory()
    device = resolve_device(arguments.device)
    precision = resolve_precision(arguments.precision, device)
    # Checks the augmentation as a training would.
    recipe = make_recipe(epochs=1, rate=1.0, **{name: getattr(arguments, name) for name in AUGMENTATION})
    teacher, trained = load_any_teacher(arguments.teacher)
    space = load_space(arguments.space)
    seen = image_input(arguments.teacher, trained, size=max(space.resolution), classes=teacher.classes)
    data = open_data(arguments.data, arguments.dataset, space, fit=seen.fit)
    split = data.split(arguments.split_seed)
    recorded = data.recorded(split)
    if teacher.classes != data.classes:
        raise CheckpointError(
            f"teacher {arguments.teacher} tells {teacher.classes} classes apart, but the images have "
            f"{data.classes}"
        )
    if trained.get("data") != recorded:
        raise CheckpointError(
            f"teacher {arguments.teacher} was trained on other images or another split than --data gives, so "
            f"it may have seen the search split: train one on these by supernet.teacher"
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
        mirrored=arguments.mirror,
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
        f"{header.views} views of {len(images)} images, of which the teacher classifies {right:.2f} % right"
    )
    print(f"soft labels: {arguments.out}")


if __name__ == "__main__":
    run_command(main)
