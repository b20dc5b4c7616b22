"""Continuation of a training: more epochs in its folder, or another training from its weights.

A finished training goes on with more epochs in its last phase. The learning rate of the added epochs follows
the schedule of the larger number. After 20 epochs of a cosine, the 21st of 30 starts at about a quarter of
the peak.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path

from search_space.command.repeated_command import repeated_command
from supernet.checkpoints.header import CheckpointError
from supernet.training.exact_state import EPOCHS, OtherTrainingError, epochs_by_phase


def added_epochs(done: int, planned: int, earlier_ends: Sequence[int]) -> str:
    """Note for a finished training that goes on with more epochs; empty for any other.

    Args:
        done: Number of finished epochs.
        planned: Number of epochs of the training.
        earlier_ends: Numbers of epochs at which it was finished before.
    """
    if not earlier_ends or done != earlier_ends[-1]:
        return ""
    return (
        f"the training had {done} epochs; the learning rate of the others follows the schedule of {planned}"
    )


def way_on(
    error: OtherTrainingError,
    parser: ArgumentParser,
    *,
    out: Path,
    weights: Path | None = None,
    start: Mapping[str, str | None] | None = None,
) -> CheckpointError:
    """`error` with the command to type as its remedy.

    Args:
        error: Refusal of the state in `out`.
        parser: Parser of the command of this process.
        out: Folder of the training.
        weights: File of the trained weights, if another training can start from it.
        start: Options that start a training from these weights.
    """
    if all(name == EPOCHS or name.endswith(f": {EPOCHS}") for name in error.differences):
        stored, current = epochs_by_phase(error.stored), epochs_by_phase(error.current)
        if not error.is_finished:
            command = repeated_command(parser, {"--epochs": _text(stored)})
            remedy = f"finish it with `{command}`, then raise --epochs"
        else:
            longer = [*stored[:-1], max(stored[-1], current[-1])]
            command = repeated_command(parser, {"--epochs": _text(longer)})
            remedy = f"a finished training can have more epochs in its last phase only: `{command}`"
    else:
        can_start = weights is not None and weights.exists()
        command = repeated_command(
            parser, {**((start or {}) if can_start else {}), "--out": str(_free_folder(out))}
        )
        how = "start from its weights" if can_start else "begin another training"
        remedy = f"repeat its settings, or {how} with `{command}`"
    return CheckpointError(f"{error.what}: {remedy}")


def _text(epochs: Sequence[int]) -> str:
    return ",".join(map(str, epochs))


def _free_folder(out: Path) -> Path:
    """A folder beside `out` that does not exist."""
    number = 2
    while (free := out.with_name(f"{out.name}-{number}")).exists():
        number += 1
    return free
