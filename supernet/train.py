"""Trains a supernet with the two-phase schedule.

    python -m supernet.data cifar10
    python -m supernet.train --space cifar32 --out runs/cifar32

The same command again goes on after the last finished epoch, exactly. The result is
`OUT/checkpoint.safetensors`.
"""

from __future__ import annotations

import json
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from search_space.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.space import load_space
from supernet import cifar10
from supernet.allocator import keep_freed_memory
from supernet.checkpoint import save_checkpoint
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
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="folder of data sets (default: %(default)s)"
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
    console = Console()
    keep_freed_memory()
    device = resolve_device(arguments.device)
    recipe = make_recipe(vars(arguments), device)
    space = load_space(arguments.space)
    images = cifar10.training_split(cifar10.load(arguments.data)[0])
    trainer = Trainer(space=space, images=images, recipe=recipe, device=device)
    state = arguments.out / STATE
    if state.exists():
        trainer.load(state)
        console.print(f"going on after epoch {trainer.epochs_done} of {recipe.epochs} ({state})")
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        while not trainer.is_finished:
            _train_epoch(trainer, progress, arguments.out)
            trainer.save(state)
    save_checkpoint(arguments.out / CHECKPOINT, trainer.supernet)
    console.print(f"checkpoint: {arguments.out / CHECKPOINT}")
    console.print(f"next: python -m supernet.evaluate --checkpoint {arguments.out / CHECKPOINT}")


def _train_epoch(trainer: Trainer, progress: Progress, out: Path) -> None:
    number, phase = trainer.epochs_done + 1, trainer.phase.name
    steps = trainer.steps_per_epoch
    task = progress.add_task(f"epoch {number}/{trainer.recipe.epochs} ({phase})", total=steps, status="")
    results: list[StepResult] = []
    start = time.perf_counter()

    def on_step(result: StepResult) -> None:
        results.append(result)
        rate = len(results) * trainer.recipe.batch / (time.perf_counter() - start)
        recent = results[-50:]
        loss = sum(step.loss for step in recent) / len(recent)
        accuracy = sum(step.accuracy for step in recent) / len(recent)
        status = f"loss {loss:.3f}  train top-1 {accuracy:.1f} %  {rate:.0f} images/s"
        progress.update(task, advance=1, status=status)

    trainer.train_epoch(on_step)
    record = {
        "epoch": number,
        "phase": phase,
        "loss": sum(step.loss for step in results) / steps,
        "train_accuracy": sum(step.accuracy for step in results) / steps,
        "seconds": time.perf_counter() - start,
    }
    out.mkdir(parents=True, exist_ok=True)
    with (out / LOG).open("a") as file:
        file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    run_command(main)
