"""Dry run of a training: its speed, time and memory, from a few steps of each phase. It writes nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from rich import box
from rich.table import Table

from search_space.command.byte_count import bytes_text
from search_space.command.progress_lines import duration_text
from supernet.training.epoch_result import EpochResult
from supernet.training.phases import Phase
from supernet.training.search_score import SearchScore
from supernet.training.supernet_trainer import Trainer

LEAST_S = 10.0
"""Seconds that the measured steps of a phase take at least."""


@dataclass(frozen=True)
class PhaseSpeed:
    """Measured speed of a phase.

    Attributes:
        phase: The phase.
        epochs_left: Number of its epochs that are not finished.
        images_per_s: Training images per second, over all processes.
        epoch_s: Seconds of an epoch: training, and scoring on search images.
    """

    phase: Phase
    epochs_left: int
    images_per_s: float
    epoch_s: float

    @property
    def left_s(self) -> float:
        return self.epochs_left * self.epoch_s


class _EnoughSteps(Exception):  # noqa: N818 - no error
    """Ends an epoch when its speed is known."""


def measured_phases(
    trainer: Trainer,
    score: SearchScore,
    *,
    least_s: float = LEAST_S,
    clock: Callable[[], float] = time.perf_counter,
) -> list[PhaseSpeed]:
    """Speeds of the phases that are not finished. The weights of `trainer` are of no use afterwards.

    Args:
        trainer: The training, new or resumed.
        score: Images that score each epoch.
        least_s: Seconds that the measured steps of a phase take at least.
        clock: Returns the time in seconds.

    Raises:
        DivergedError: A loss is not finite.
    """
    done, first, speeds = trainer.epochs_done, 0, []
    for phase in trainer.recipe.phases:
        left = first + phase.epochs - max(done, first)
        if left > 0:
            trainer.epochs_done, trainer.steps_done = max(done, first), 0
            step_s = _step_seconds(trainer, phase.largest_every, least_s, clock)
            start = clock()
            score.accuracies(trainer.result, trainer.space, phase)
            epoch_s = trainer.steps_per_epoch * step_s + clock() - start
            speeds.append(PhaseSpeed(phase, left, trainer.recipe.batch / step_s, epoch_s))
        first += phase.epochs
    return speeds


def _step_seconds(trainer: Trainer, largest_every: int, least_s: float, clock: Callable[[], float]) -> float:
    """Mean seconds of a step after the first ones, over whole rounds of `largest_every` steps."""
    start, started_at = 0, 0.0
    found: list[float] = []

    def on_check(result: EpochResult) -> None:
        nonlocal start, started_at
        # The same time in all processes, so that all end after the same step.
        now = torch.tensor(clock(), dtype=torch.float64, device=trainer.device)
        now_s = float(trainer.world.sum(now)) / trainer.world.size
        if not start:
            start, started_at = result.steps, now_s
        elif (result.steps - start) % largest_every == 0:
            found[:] = [(now_s - started_at) / (result.steps - start)]
            if now_s - started_at >= least_s:
                raise _EnoughSteps

    whole = clock()
    try:
        trainer.train_epoch(on_check)
    except _EnoughSteps:
        return found[0]
    # An epoch of so few steps is measured whole, with its slow first step.
    return found[0] if found else (clock() - whole) / trainer.steps_per_epoch


def peak_memory(device: torch.device) -> int | None:
    """Peak memory in bytes so far: of the GPU if `device` is one, else of this process; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def speed_table(speeds: Sequence[PhaseSpeed]) -> Table:
    """Table of the phases' speeds."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("phase", no_wrap=True)
    for name in ("epochs left", "images/s", "an epoch", "the phase"):
        table.add_column(name, justify="right", no_wrap=True)
    for speed in speeds:
        table.add_row(
            speed.phase.name,
            str(speed.epochs_left),
            f"{speed.images_per_s:,.1f}",
            duration_text(speed.epoch_s),
            duration_text(speed.left_s),
        )
    return table


def speed_summary(speeds: Sequence[PhaseSpeed], device: torch.device) -> str:
    """Time to the end and memory, in a line."""
    total = sum(speed.left_s for speed in speeds)
    peak = peak_memory(device)
    where = "of the GPU" if device.type == "cuda" else "of this process"
    memory = "" if peak is None else f"; peak memory {where}: {bytes_text(peak)}"
    return f"time to the end at this speed: {duration_text(total)}{memory}; nothing was written"
