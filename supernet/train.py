"""Train a supernet by a recipe.

    python -m supernet.data cifar10
    python -m supernet.train --recipe two_phase --space cifar32 --out runs/cifar32
    torchrun --nproc-per-node 8 -m supernet.train --out runs/cifar32   # on 8 GPUs

Rerun the command to resume, even after a kill: the result is identical to an uninterrupted run. The result is
`OUT/checkpoint.safetensors`, written after every epoch. `OUT/log.jsonl` has one line per epoch.
"""

from __future__ import annotations

import shlex
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

import torch
from rich.console import Console

from search_space.command.command_line import Parser, check_least, run_command
from search_space.errors import H4HError
from search_space.space import load_space
from supernet.checkpoints import locate_checkpoint
from supernet.images.data_sets import open_data
from supernet.images.folder_layouts import add_data
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import emulation_warning, resolve_device
from supernet.training.distributed import World, joined_world
from supernet.training.phases import CNN_MODES, PHASE_SAMPLINGS, TRAIN
from supernet.training.recipe import Recipe, known_recipes, load_recipe
from supernet.training.run_folder import CHECKPOINT
from supernet.training.settings import HELP, SETTINGS, add_settings, reading_processes
from supernet.training.soft_labels import fitting_soft_labels
from supernet.training.supernet_run import SupernetRun
from supernet.training.trainer import Trainer

T = TypeVar("T", int, float)


def _list_of(kind: type[T]) -> Callable[[str], list[T]]:
    def read(text: str) -> list[T]:
        try:
            return [kind(part) for part in text.split(",")]
        except ValueError:
            raise ArgumentTypeError(
                f"must be numbers separated by commas, one per phase, but got {text!r}"
            ) from None

    return read


def _names_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise ArgumentTypeError(f"must be of {', '.join(known)}, but got {name!r}")
        return names

    return read


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m supernet.train",
        description="Train a supernet by a recipe. Recipe options override the recipe file.",
    )
    parser.add_argument(
        "--space", default="cifar32", help="search space: a name or a YAML file (default: %(default)s)"
    )
    add_data(parser.add_argument, default=Path("data"))
    parser.add_argument(
        "--split-seed",
        type=int,
        metavar="S",
        help="random seed of the search split (default: 0; CIFAR-10 holds out its last 5,000 images)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="output folder; a state in it is resumed"
    )
    parser.add_argument(
        "--recipe",
        default="two_phase",
        metavar="NAME",
        help=f"recipe: {', '.join(known_recipes())}, or a YAML file (default: %(default)s)",
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=locate_checkpoint,
        metavar="CHECKPOINT",
        help="initial weights: a checkpoint file, or the name of a shipped one (default: random weights)",
    )
    parser.add_argument(
        "--teacher",
        type=locate_checkpoint,
        metavar="CHECKPOINT",
        help="checkpoint whose largest subnet replaces the labels as the teacher of the largest subnet",
    )

    parser.add_argument(
        "--soft-labels",
        type=Path,
        metavar="FILE",
        help="file of stored soft labels (supernet.label) that replace the labels for all subnets",
    )

    machine = parser.add_argument_group("machine and log (no effect on the result beyond rounding)")
    machine.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    machine.add_argument(
        "--compile", action="store_true", help="use torch.compile for the largest and the smallest subnet"
    )
    machine.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="number of processes that read image files (default: one per core, 16 at most)",
    )
    machine.add_argument(
        "--save-every",
        type=float,
        default=10.0,
        metavar="MINUTES",
        help="time between two states within an epoch (default: %(default)s)",
    )

    machine.add_argument(
        "--conflict-every",
        type=int,
        default=0,
        metavar="EPOCHS",
        help="epochs between two measurements of gradient conflict in the log; 0 disables them (default: 0)",
    )

    phases = parser.add_argument_group("phases of the recipe (one value, or one per phase: 25,30)")
    phases.add_argument("--epochs", type=_list_of(int), metavar="N", help="epochs")
    phases.add_argument("--rate", type=_list_of(float), metavar="FLOAT", help="peak learning rate")
    phases.add_argument(
        "--random-subnets",
        type=_list_of(int),
        metavar="N",
        help="random subnets per step, in addition to the largest and the smallest",
    )
    phases.add_argument(
        "--sampling",
        type=_names_of(PHASE_SAMPLINGS),
        metavar="NAME",
        help=f"sampling of the random subnets: {', '.join(PHASE_SAMPLINGS)}",
    )
    phases.add_argument(
        "--largest-every",
        type=_list_of(int),
        metavar="N",
        help="steps per training of the largest subnet; soft labels or the running average teach in between",
    )
    phases.add_argument("--cnn", choices=CNN_MODES, help="training of the CNN's weights in the last phase")

    settings = parser.add_argument_group(
        "recipe settings (default: those of the recipe file, else the value in brackets)"
    )
    add_settings(settings.add_argument, SETTINGS, HELP)
    return parser


def recipe_from(arguments: Namespace) -> Recipe:
    """The recipe of the command line: a recipe file with its overrides.

    Raises:
        H4HError: The file cannot be read, or a value is out of range.
    """
    recipe = load_recipe(arguments.recipe)
    values = vars(arguments)
    given = {field.name: values[field.name] for field in fields(Recipe) if values.get(field.name) is not None}
    recipe = replace(recipe, **given).with_phases(
        epochs=arguments.epochs or (),
        rate=arguments.rate or (),
        random_subnets=arguments.random_subnets or (),
        largest_every=arguments.largest_every or (),
        sampling=arguments.sampling or (),
        cnn=arguments.cnn,
    )
    first = recipe.phases[0]
    if first.cnn != TRAIN and arguments.start is None:
        raise H4HError(
            f"phase {first.name!r} must train the CNN, since it starts from random weights, "
            f"but its cnn is {first.cnn!r}: pass weights by --from, or choose --cnn train"
        )
    return recipe


def main() -> None:
    arguments = make_parser().parse_args()
    check_least(arguments, save_every=0, split_seed=0, conflict_every=0, workers=0)
    keep_freed_memory()
    with joined_world(resolve_device(arguments.device)) as (world, device):
        try:
            _run(arguments, world, device)
        except H4HError:
            if world.rank == 0:
                raise
            # Rank 0 reports the error.
            raise SystemExit(2) from None


def _run(arguments: Namespace, world: World, device: torch.device) -> None:
    console = Console(highlight=False, quiet=world.rank != 0)
    recipe = recipe_from(arguments)
    space = load_space(arguments.space)
    data = open_data(arguments.data, arguments.dataset, space)
    split = data.split(arguments.split_seed)
    images = data.train.subset(split.train)
    trainer = Trainer(
        space=space,
        images=images,
        recipe=recipe,
        device=device,
        world=world,
        start=arguments.start,
        teacher=arguments.teacher,
        soft_labels=fitting_soft_labels(arguments.soft_labels, images, data.recorded(split), recipe),
        compiled=arguments.compile,
        workers=reading_processes(arguments.workers),
    )
    run = SupernetRun(
        trainer,
        arguments.out,
        data=data.recorded(split),
        save_every=arguments.save_every,
        conflict_every=arguments.conflict_every,
        console=console,
    )
    run.resume()
    if warning := emulation_warning(trainer.recipe.precision, device):
        console.print(warning, soft_wrap=True)
    run.train()
    console.print(f"checkpoint: {arguments.out / CHECKPOINT}")
    words = ["--checkpoint", str(arguments.out / CHECKPOINT), "--data", str(arguments.data)]
    given = shlex.join([*words, *(["--dataset", arguments.dataset] if arguments.dataset else [])])
    if world.rank == 0:
        # Not by rich, which would break a long line.
        print(f"next: python -m supernet.evaluate {given}\n      python -m studies.run {given}")


if __name__ == "__main__":
    run_command(main)
