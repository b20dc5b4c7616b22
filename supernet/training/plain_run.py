"""Run of a single network's training: settings, progress, network and state, after every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from supernet.network.number_formats import emulation_warning
from supernet.training.plain_trainer import NOT_USED, FineTuning
from supernet.training.settings import SETTINGS

PLAIN_SETTINGS = tuple(field for field in SETTINGS if field.name not in NOT_USED)
"""Recipe settings of a single network."""


def train_to_the_end(
    tuning: FineTuning, state: Path, save_network: Callable[[], None], console: Console
) -> None:
    """Trains all remaining epochs: a progress bar for the current epoch, a line for each finished one.

    Args:
        tuning: The training; resumed from `state` if that file exists.
        state: State file.
        save_network: Writes the network; called after every epoch, before the state is written.
        console: Output of the progress.
    """
    epochs = tuning.recipe.epochs
    if state.exists():
        tuning.load(state)
        console.print(f"resuming after epoch {tuning.epochs_done} of {epochs} ({state})")
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
                # The state last: a kill before it repeats the epoch and writes the same files again.
                save_network()
                tuning.save(state)
                progress.remove_task(task)
                console.print(
                    f"{name}: loss {score.loss:.3f}, train top-1 {score.accuracy:.1f} %, {seconds:.0f} s"
                )
    except KeyboardInterrupt:
        console.print(f"stopped after {tuning.epochs_done} finished epochs; rerun the command to resume")
        raise
