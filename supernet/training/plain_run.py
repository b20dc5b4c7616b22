"""Options and progress of commands that train a single network."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from search_space.command.command_line import Parser
from supernet.network.number_formats import emulation_warning
from supernet.training.plain_trainer import NOT_USED, FineTuning
from supernet.training.recipe import NAMES, Recipe

SETTINGS = tuple(field for field in fields(Recipe) if field.name not in ("phases", *NOT_USED))
"""What of a recipe can be set here."""


def add_settings(parser: Parser, texts: Mapping[str, str], **defaults: Any) -> None:
    """Adds an option for each of `SETTINGS`.

    Args:
        parser: What they are added to.
        texts: Help texts by the settings' names.
        defaults: Defaults that differ from those of `Recipe`.
    """
    for field in SETTINGS:
        kind: Any = {"int": int, "float": float, "str": str}[str(field.type)]
        known = f": {', '.join(NAMES[field.name])}" if field.name in NAMES else ""
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=kind,
            default=defaults.get(field.name, field.default),
            help=f"{texts[field.name]}{known} (default: %(default)s)",
        )


def train_to_the_end(
    tuning: FineTuning, state: Path, save_network: Callable[[], None], console: Console
) -> None:
    """Trains all epochs that are left: a bar for the epoch at hand; a line, network and state for each.

    Args:
        tuning: Who trains; first loaded from `state` where that exists.
        state: File of the training's state.
        save_network: Writes the network; called after every epoch, before the state.
        console: Where progress goes.
    """
    epochs = tuning.recipe.epochs
    if state.exists():
        tuning.load(state)
        console.print(f"going on after epoch {tuning.epochs_done} of {epochs} ({state})")
    if warning := emulation_warning(tuning.recipe.precision, tuning.device, plain=True):
        console.print(warning, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            while not tuning.is_finished:
                name = f"epoch {tuning.epochs_done + 1}/{epochs}"
                task = progress.add_task(name, total=tuning.steps_per_epoch)
                start = time.perf_counter()
                score = tuning.train_epoch(partial(progress.advance, task))
                seconds = time.perf_counter() - start
                # The state last: a kill before it repeats the epoch and writes the same again.
                save_network()
                tuning.save(state)
                progress.remove_task(task)
                console.print(
                    f"{name}: loss {score.loss:.3f}, train top-1 {score.accuracy:.1f} %, {seconds:.0f} s"
                )
    except KeyboardInterrupt:
        console.print(f"stopped: {tuning.epochs_done} finished epochs are kept; the same command goes on")
        raise
