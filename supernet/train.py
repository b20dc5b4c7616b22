"""Trains a supernet by a recipe.

    python -m supernet.data cifar10
    python -m supernet.train --recipe two_phase --space cifar32 --out runs/cifar32
    torchrun --nproc-per-node 8 -m supernet.train --out runs/cifar32   # on 8 GPUs

The same command again goes on where the last one was stopped or killed, exactly. The result is
`OUT/checkpoint.safetensors`, written after every epoch; `OUT/log.jsonl` has a line for each.
"""

from __future__ import annotations

import shlex
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from search_space.command.command_line import Parser, check_least, run_command
from search_space.errors import H4HError
from search_space.space import load_space
from supernet.checkpoints import locate_checkpoint
from supernet.images.data_sets import open_data
from supernet.images.folder_layouts import add_data
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import emulation_warning, resolve_device
from supernet.network.supernet_file import save_checkpoint
from supernet.training.distributed import World, joined_world
from supernet.training.epoch_result import DivergedError, EpochResult
from supernet.training.phases import CNN_MODES, PHASE_SAMPLINGS, TRAIN
from supernet.training.recipe import NAMES, Recipe, known_recipes, load_recipe
from supernet.training.run_folder import CHECKPOINT, LOG, STATE, append_epoch
from supernet.training.settings import HELP, reading_processes
from supernet.training.soft_labels import fitting_soft_labels
from supernet.training.trainer import Trainer

T = TypeVar("T", int, float)


def _list_of(kind: type[T]) -> Callable[[str], list[T]]:
    def read(text: str) -> list[T]:
        try:
            return [kind(part) for part in text.split(",")]
        except ValueError:
            raise ArgumentTypeError(
                f"must be numbers joined by commas, one for each phase, but got {text!r}"
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
        description="Train a supernet by a recipe. Flags of the recipe override its file.",
    )
    parser.add_argument(
        "--space", default="cifar32", help="search space: a name or a YAML file (default: %(default)s)"
    )
    add_data(parser.add_argument, default=Path("data"))
    parser.add_argument(
        "--split-seed",
        type=int,
        metavar="S",
        help="draws the images held out for the search (default: 0; CIFAR-10 holds out its last 5,000)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the result and of the state to go on from"
    )
    parser.add_argument(
        "--recipe",
        default="two_phase",
        help=f"{', '.join(known_recipes())}, or a YAML file (default: %(default)s)",
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=locate_checkpoint,
        metavar="CHECKPOINT",
        help="weights to start from: a file, or the name of shipped ones (default: random ones)",
    )
    parser.add_argument(
        "--teacher",
        type=locate_checkpoint,
        metavar="CHECKPOINT",
        help="supernet whose largest subnet teaches the largest subnet, in place of the labels",
    )

    parser.add_argument(
        "--soft-labels",
        type=Path,
        metavar="FILE",
        help="stored soft labels (supernet.label) that teach all subnets, in place of the labels",
    )

    machine = parser.add_argument_group("machine and log (nothing that changes the result, but for rounding)")
    machine.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    machine.add_argument(
        "--compile", action="store_true", help="torch.compile for the largest and the smallest subnet"
    )
    machine.add_argument(
        "--workers", type=int, help="processes that read image files (default: as many as cores, 16 at most)"
    )
    machine.add_argument(
        "--save-every",
        type=float,
        default=10.0,
        metavar="MINUTES",
        help="how often the state is written within an epoch (default: %(default)s)",
    )

    machine.add_argument(
        "--conflict-every",
        type=int,
        default=0,
        metavar="EPOCHS",
        help="how often gradient conflict between subnets is measured and logged; 0: never (default)",
    )

    phases = parser.add_argument_group("phases of the recipe (one value, or one for each phase: 25,30)")
    phases.add_argument("--epochs", type=_list_of(int), help="passes over the images")
    phases.add_argument("--rate", type=_list_of(float), help="peak learning rate")
    phases.add_argument(
        "--random-subnets",
        type=_list_of(int),
        help="random subnets per step, beside the largest and the smallest",
    )
    phases.add_argument(
        "--sampling",
        type=_names_of(PHASE_SAMPLINGS),
        metavar="NAME",
        help=f"how random subnets are drawn: {', '.join(PHASE_SAMPLINGS)}",
    )
    phases.add_argument(
        "--largest-every",
        type=_list_of(int),
        metavar="N",
        help="train the largest subnet every N steps; in between, soft labels or the running average teach",
    )
    phases.add_argument("--cnn", choices=CNN_MODES, help="what the last phase does to the CNN's weights")

    settings = parser.add_argument_group("settings of the recipe (in brackets: where its file has none)")
    for field in fields(Recipe):
        if field.name == "phases":
            continue
        kind: Any = {"int": int, "float": float, "str": str}[str(field.type)]
        known = f": {', '.join(NAMES[field.name])}" if field.name in NAMES else ""
        settings.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=kind,
            help=f"{HELP[field.name]}{known} ({field.default})",
        )
    return parser


def make_recipe(arguments: Namespace) -> Recipe:
    """The recipe that `arguments` name, with what they override.

    Raises:
        H4HError: It cannot be read, or a value is out of range.
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
            # Once is enough.
            raise SystemExit(2) from None


def _run(arguments: Namespace, world: World, device: torch.device) -> None:
    console = Console(highlight=False, quiet=world.rank != 0)
    recipe = make_recipe(arguments)
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
    state = arguments.out / STATE
    if state.exists():
        trainer.load(state)
        where = f"epoch {trainer.epochs_done} of {recipe.epochs}"
        if trainer.steps_done:
            where += f" and {trainer.steps_done} of {trainer.steps_per_epoch} steps"
        console.print(f"going on after {where} ({state})")
    if warning := emulation_warning(trainer.recipe.precision, device):
        console.print(warning, soft_wrap=True)
    try:
        _train(trainer, arguments, data.recorded(split), console)
    except KeyboardInterrupt:
        console.print(f"stopped: what {state} holds is kept; the same command goes on from there")
        raise
    console.print(f"checkpoint: {arguments.out / CHECKPOINT}")
    words = ["--checkpoint", str(arguments.out / CHECKPOINT), "--data", str(arguments.data)]
    given = shlex.join([*words, *(["--dataset", arguments.dataset] if arguments.dataset else [])])
    if world.rank == 0:
        # Not by rich, which would break a long line.
        print(f"next: python -m supernet.evaluate {given}\n      python -m studies.run {given}")


def _train(trainer: Trainer, arguments: Namespace, data: dict[str, str], console: Console) -> None:
    """Trains to the end: a bar for the epoch at hand, a line for each finished one.

    Args:
        trainer: Who trains.
        arguments: The command's.
        data: What the checkpoint says of the images.
        console: Where progress goes.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeRemainingColumn(),
    )
    out: Path = arguments.out
    with Progress(*columns, console=console, transient=True) as progress:
        while not trainer.is_finished:
            name = f"epoch {trainer.epochs_done + 1}/{trainer.recipe.epochs} ({trainer.phase.name})"
            task = progress.add_task(name, total=trainer.steps_per_epoch, status="")
            record = _train_epoch(trainer, out / STATE, arguments.save_every, partial(_show, progress, task))
            if trainer.world.rank == 0:
                if arguments.conflict_every and record["epoch"] % arguments.conflict_every == 0:
                    record["conflict"] = trainer.measure_conflict().to_dict()
                # The state last: a kill before it repeats the epoch and writes the same again.
                append_epoch(out / LOG, record)
                save_checkpoint(out / CHECKPOINT, trainer.result, data)
                trainer.save(out / STATE)
            progress.remove_task(task)
            accuracy = ", ".join(f"{kind} {value:.1f} %" for kind, value in record["train_accuracy"].items())
            loss = next(iter(record["loss"].values()))
            line = f"{name}: loss {loss:.3f}, train top-1 {accuracy}, {record['seconds']:.0f} s"
            console.print(line, soft_wrap=True)


def _show(progress: Progress, task: TaskID, steps: int, status: str) -> None:
    progress.update(task, completed=steps, status=status)


def _train_epoch(
    trainer: Trainer, state: Path, save_every: float, show: Callable[[int, str], None]
) -> dict[str, Any]:
    """Trains to the end of the epoch and returns its line of the log.

    Args:
        trainer: Who trains.
        state: Where its state is written within the epoch, every `save_every` minutes.
        show: Told steps done and a status.
    """
    number, phase, first_step = trainer.epochs_done + 1, trainer.phase.name, trainer.steps_done
    start = saved = time.perf_counter()

    def on_check(result: EpochResult) -> None:
        nonlocal saved
        if trainer.world.rank != 0:
            return
        now = time.perf_counter()
        rate = (result.steps - first_step) * trainer.recipe.batch / (now - start)
        best = next(iter(result.scores.values()))
        show(result.steps, f"loss {best.loss:.3f}  train top-1 {best.accuracy:.1f} %  {rate:.0f} images/s")
        if now - saved >= 60 * save_every:
            trainer.save(state)
            saved = time.perf_counter()

    try:
        result = trainer.train_epoch(on_check)
    except DivergedError as error:
        raise DivergedError(_with_remedy(str(error), state)) from error
    scores = {kind: asdict(score) for kind, score in result.scores.items()}
    return {
        "epoch": number,
        "phase": phase,
        "loss": {kind: score["loss"] for kind, score in scores.items()},
        "train_accuracy": {kind: score["accuracy"] for kind, score in scores.items()},
        "rate": result.rates,
        "seconds": time.perf_counter() - start,
    }


def _with_remedy(message: str, state: Path) -> str:
    checkpoint = state.with_name(CHECKPOINT)
    if not checkpoint.exists():
        return f"{message}; no epoch had been finished, so start anew with another --out"
    return (
        f"{message} and train on from the last good checkpoint, which is kept: "
        f"--from {checkpoint} with another --out"
    )


if __name__ == "__main__":
    run_command(main)
