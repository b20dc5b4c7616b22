"""Trains a supernet with the two-phase schedule.

    python -m supernet.data cifar10
    python -m supernet.train --space cifar32 --out runs/cifar32

The same command again goes on after the last finished epoch, exactly. The result is
`OUT/checkpoint.safetensors`.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from search_space.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.space import load_space
from search_space.whole_file import whole_file
from supernet.allocator import keep_freed_memory
from supernet.checkpoint import save_checkpoint
from supernet.datasets import open_data
from supernet.layouts import add_data
from supernet.precision import resolve_device, resolve_precision
from supernet.training import Recipe, StepResult, Trainer

STATE = "state.safetensors"
CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"

HELP = {
    "seed": "seed of weights, order, augmentation and subnets",
    "cnn_epochs": "epochs of phase 1, without transformer blocks",
    "hybrid_epochs": "epochs of phase 2, the whole space",
    "cnn_rate": "peak learning rate of phase 1",
    "hybrid_rate": "peak learning rate of phase 2",
    "warm_up_epochs": "epochs of warm-up in each phase",
    "batch": "images per step",
    "cnn_random_subnets": "random subnets per step of phase 1, beside the largest and the smallest",
    "hybrid_random_subnets": "the same in phase 2",
    "weight_decay": "AdamW's weight decay of matrices and kernels",
    "label_smoothing": "of the largest subnet's targets",
    "clip": "largest norm of a step's gradient",
    "precision": "bf16, fp32, or auto: bf16 where the device multiplies it natively",
}


def make_parser() -> Parser:
    parser = Parser(prog="python -m supernet.train", description="Train a supernet in two phases.")
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
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    for field in fields(Recipe):
        kind: Any = {"int": int, "float": float, "str": str}[str(field.type)]
        default = "auto" if field.name == "precision" else field.default
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=kind,
            default=default,
            help=f"{HELP[field.name]} (default: %(default)s)",
        )
    return parser


def make_recipe(values: dict[str, Any], device: torch.device) -> Recipe:
    """The recipe that the flags ask for.

    Raises:
        H4HError: A value is out of range.
    """
    values = {field.name: values[field.name] for field in fields(Recipe)}
    values["precision"] = resolve_precision(values["precision"], device)
    recipe = Recipe(**values)
    limits = {
        "seed": 0,
        "cnn_epochs": 0,
        "hybrid_epochs": 0,
        "cnn_rate": 0.0,
        "hybrid_rate": 0.0,
        "warm_up_epochs": 0.0,
        "batch": 2,
        "cnn_random_subnets": 0,
        "hybrid_random_subnets": 0,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "clip": 0.0,
    }
    for name, least in limits.items():
        # `not >=` and not `<`, so that NaN is refused as well.
        if not values[name] >= least:
            raise H4HError(f"--{name.replace('_', '-')} must be at least {least}, but got {values[name]}")
    if recipe.epochs == 0:
        raise H4HError("--cnn-epochs and --hybrid-epochs must not both be 0")
    if recipe.label_smoothing >= 1:
        raise H4HError(f"--label-smoothing must be below 1, but got {recipe.label_smoothing}")
    return recipe


def main() -> None:
    arguments = make_parser().parse_args()
    console = Console(highlight=False)
    keep_freed_memory()
    device = resolve_device(arguments.device)
    recipe = make_recipe(vars(arguments), device)
    if arguments.split_seed is not None and arguments.split_seed < 0:
        raise H4HError(f"--split-seed must be at least 0, but got {arguments.split_seed}")
    space = load_space(arguments.space)
    data = open_data(arguments.data, arguments.dataset, space)
    split = data.split(arguments.split_seed)
    trainer = Trainer(space=space, images=data.train.subset(split.train), recipe=recipe, device=device)
    state = arguments.out / STATE
    if state.exists():
        trainer.load(state)
        console.print(f"going on after epoch {trainer.epochs_done} of {recipe.epochs} ({state})")
    try:
        _train(trainer, arguments.out, console)
    except KeyboardInterrupt:
        console.print(f"stopped: {trainer.epochs_done} finished epochs are kept; the same command goes on")
        raise
    save_checkpoint(arguments.out / CHECKPOINT, trainer.supernet, data.recorded(split))
    console.print(f"checkpoint: {arguments.out / CHECKPOINT}")
    words = ["--checkpoint", str(arguments.out / CHECKPOINT), "--data", str(arguments.data)]
    given = shlex.join([*words, *(["--dataset", arguments.dataset] if arguments.dataset else [])])
    print(f"next: python -m supernet.evaluate {given}\n      python -m studies.run {given}")


def _train(trainer: Trainer, out: Path, console: Console) -> None:
    """Trains to the end: a bar for the epoch at hand, a line for each finished one."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        while not trainer.is_finished:
            name = f"epoch {trainer.epochs_done + 1}/{trainer.recipe.epochs} ({trainer.phase.name})"
            task = progress.add_task(name, total=trainer.steps_per_epoch, status="")
            record = _train_epoch(trainer, partial(_advance, progress, task))
            trainer.save(out / STATE)
            _log(out / LOG, record)
            progress.remove_task(task)
            console.print(
                f"{name}: loss {record['loss']:.3f}, train top-1 {record['train_accuracy']:.1f} %, "
                f"{record['seconds']:.0f} s"
            )


def _advance(progress: Progress, task: TaskID, status: str) -> None:
    progress.update(task, advance=1, status=status)


def _train_epoch(trainer: Trainer, show: Callable[[str], None]) -> dict[str, Any]:
    """Trains one epoch and returns its line of the log; `show` is told after each step."""
    number, phase = trainer.epochs_done + 1, trainer.phase.name
    results: list[StepResult] = []
    start = time.perf_counter()

    def on_step(result: StepResult) -> None:
        results.append(result)
        rate = len(results) * trainer.recipe.batch / (time.perf_counter() - start)
        recent = _mean(results[-50:])
        show(f"loss {recent.loss:.3f}  train top-1 {recent.accuracy:.1f} %  {rate:.0f} images/s")

    trainer.train_epoch(on_step)
    mean = _mean(results)
    return {
        "epoch": number,
        "phase": phase,
        "loss": mean.loss,
        "train_accuracy": mean.accuracy,
        "seconds": time.perf_counter() - start,
    }


def _mean(results: list[StepResult]) -> StepResult:
    return StepResult(
        loss=sum(result.loss for result in results) / len(results),
        accuracy=sum(result.accuracy for result in results) / len(results),
    )


def _log(path: Path, record: dict[str, Any]) -> None:
    """Appends a line, in place of one for the same epoch that a kill left without its state."""
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if json.loads(line)["epoch"] < record["epoch"]]
    with whole_file(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in [*kept, json.dumps(record)]))


if __name__ == "__main__":
    run_command(main)
