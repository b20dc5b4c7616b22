"""Train a teacher: a convolutional network whose class scores become soft labels (`supernet.label`).

    python -m supernet.data cifar10
    python -m supernet.teacher --data data --out runs/teacher

The teacher (`supernet.network.teacher_network`) is trained on the images that train supernets. It never sees
the search split or the test images; both are scored at the end. The result is `OUT/teacher.safetensors`,
written after every epoch, and `OUT/result.json`. Rerun the command to resume after the last finished epoch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from search_space.command.command_line import Parser, check_least, run_command
from search_space.errors import H4HError
from search_space.files.whole_file import whole_file
from search_space.space import load_space
from supernet.accuracy import one_subnet
from supernet.images.data_sets import open_data
from supernet.images.folder_layouts import DEFAULT_DATA, add_data
from supernet.images.labelled_images import Images, loaded, normalised
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import resolve_device, resolve_precision
from supernet.network.teacher_network import LEAST_SIDE, TeacherNetwork, save_teacher, whitening_kernels
from supernet.training.plain_run import PLAIN_SETTINGS, train_to_the_end
from supernet.training.plain_trainer import FineTuning, make_recipe, network_top1
from supernet.training.run_folder import STATE
from supernet.training.settings import HELP, add_settings, reading_processes

TEACHER = "teacher.safetensors"
RESULT = "result.json"
DEFAULTS: dict[str, Any] = {
    "batch": 256,
    "optimizer": "sgd",
    "momentum": 0.85,
    "weight_decay": 1.3e-3,
    "clip": 0.0,
    "warm_up_epochs": 2.0,
}
"""Settings whose defaults differ from those of a recipe."""
WHITENED_BY = 5_000
"""Training images whose patches decide the first layer."""


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m supernet.teacher",
        description="Train a teacher network on the training images of supernets.",
    )
    parser.add_argument(
        "--space",
        default="cifar32",
        help="search space whose supernet is to be taught; decides classes and image size "
        "(default: %(default)s)",
    )
    add_data(parser.add_argument, DEFAULT_DATA)
    parser.add_argument(
        "--split-seed",
        type=int,
        metavar="S",
        help="seed of the search split, as in supernet.train (default: 0; CIFAR-10 holds out its last 5,000)",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the result and of the state")
    parser.add_argument(
        "--workers", type=int, help="processes that read image files (default: number of cores, 16 at most)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument(
        "--epochs", type=int, default=15, help="passes over the training images (default: %(default)s)"
    )
    parser.add_argument("--rate", type=float, default=0.4, help="peak learning rate (default: %(default)s)")
    texts = {
        "seed": "random seed of weights, image order and augmentation",
        "label_smoothing": "label smoothing of the targets",
    }
    add_settings(parser.add_argument, PLAIN_SETTINGS, HELP | texts, DEFAULTS)
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    check_least(arguments, workers=0, split_seed=0, epochs=1)
    if arguments.out.exists() and not arguments.out.is_dir():
        raise H4HError(f"--out must be a folder, but {arguments.out} is a file")
    keep_freed_memory()
    device = resolve_device(arguments.device)
    recipe = make_recipe(
        epochs=arguments.epochs,
        rate=arguments.rate,
        **{field.name: getattr(arguments, field.name) for field in PLAIN_SETTINGS},
    )
    resolve_precision(recipe.precision, device)
    space = load_space(arguments.space)
    data = open_data(arguments.data, arguments.dataset, space)
    split = data.split(arguments.split_seed)
    images = data.train.subset(split.train)
    recorded = data.recorded(split)

    torch.manual_seed(recipe.seed)
    whitened_by = loaded(images.subset(torch.arange(min(WHITENED_BY, len(images))))).pixels
    if whitened_by.shape[-1] < LEAST_SIDE:
        raise H4HError(
            f"images must have sides of at least {LEAST_SIDE} pixels for the teacher network, "
            f"but those of {arguments.data} have {whitened_by.shape[-1]}"
        )
    network = TeacherNetwork(data.classes, whitening_kernels(normalised(whitened_by, torch.float32)))
    tuning = FineTuning(
        network=network,
        images=images,
        recipe=recipe,
        device=device,
        origin=f"seed {recipe.seed} on images {recorded['split'][:12]}",
        workers=reading_processes(arguments.workers),
    )
    path = arguments.out / TEACHER
    train_to_the_end(
        tuning,
        arguments.out / STATE,
        lambda: save_teacher(path, network, {"data": recorded, "recipe": recipe.to_dict()}),
        Console(highlight=False),
    )
    evaluated: dict[str, Images] = {"search": data.train.subset(split.search), "test": data.read_test()}
    accuracy = {
        name: network_top1(network, one_subnet.stream(part, precision="fp32", device=device))
        for name, part in evaluated.items()
    }
    with whole_file(arguments.out / RESULT) as temporary:
        temporary.write_text(json.dumps({"accuracy": accuracy, "recipe": recipe.to_dict()}, indent=2) + "\n")
    print(", ".join(f"{name} top-1 {value:.2f} %" for name, value in accuracy.items()))
    # Not by rich, which would break a long line.
    print(f"teacher: {path}")


if __name__ == "__main__":
    run_command(main)
