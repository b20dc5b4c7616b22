"""Run of a single network's training: settings, progress, network and state after every epoch, accuracies."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from search_space.command.wide_table import print_wide
from supernet.accuracy import one_subnet
from supernet.accuracy.class_figures import ClassFigures, few_classes_warning
from supernet.accuracy.class_tables import class_table, summary
from supernet.images.labelled_images import Images
from supernet.network.number_formats import emulation_warning
from supernet.network.plain_network import PlainNetwork
from supernet.network.teacher_network import TeacherNetwork
from supernet.training.continuation import added_epochs
from supernet.training.epoch_log import EpochLog
from supernet.training.epoch_progress import epoch_progress
from supernet.training.epoch_result import check_weights
from supernet.training.optimizer import rates
from supernet.training.recipe_options import SETTINGS
from supernet.training.search_score import MOST_SCORED
from supernet.training.single_network_trainer import (
    NOT_USED,
    EpochScore,
    FineTuning,
    network_figures,
    network_top1,
)

KIND = "network"
"""Key of the log for the one network of a training."""
PLAIN_SETTINGS = tuple(field for field in SETTINGS if field.name not in NOT_USED)
"""Recipe settings of a single network."""


def train_to_the_end(
    tuning: FineTuning,
    state: Path,
    save_network: Callable[[], None],
    console: Console,
    search: Images,
    log: EpochLog,
) -> None:
    """Trains all remaining epochs: progress of the current epoch, and a line for each finished one.

    Args:
        tuning: The training; resumed from `state` if that file exists.
        state: State file.
        save_network: Writes the network; called after every epoch, before the state is written.
        console: Output of the progress.
        search: Search images, which score each epoch and do not affect the training.
        log: Receives a record for each epoch.

    Raises:
        OtherTrainingError: The state belongs to another training.
        DivergedError: The weights diverged; the files are those of the epoch before.
    """
    epochs = tuning.recipe.epochs
    if state.exists():
        tuning.load(state)
        console.print(f"resuming after epoch {tuning.epochs_done} of {epochs} ({state})")
        if note := added_epochs(tuning.epochs_done, epochs, tuning.earlier_ends):
            console.print(note, soft_wrap=True)
    if warning := emulation_warning(tuning.recipe.precision, tuning.device, plain=True):
        console.print(warning, soft_wrap=True)
    scored = search.subset(torch.arange(min(MOST_SCORED, len(search))))
    try:
        while not tuning.is_finished:
            name = f"epoch {tuning.epochs_done + 1}/{epochs}"
            later = epochs - tuning.epochs_done - 1
            start = time.perf_counter()
            with epoch_progress(console, name, steps=tuning.steps_per_epoch, later=later) as show:
                score = tuning.train_epoch(show)
                seconds = time.perf_counter() - start
                check_weights(tuning.network, tuning.epochs_done)
                batches = one_subnet.stream(
                    scored, precision="fp32", device=tuning.device, scale=tuning.network.pixel_scale
                )
                accuracy = network_top1(tuning.network, batches)
                # The state last: a kill before it repeats the epoch and writes the same files again.
                log.add(_record(tuning, score, accuracy, seconds))
                save_network()
                tuning.save(state)
            console.print(
                f"{name}: loss {score.loss:.3f}, train top-1 {score.accuracy:.1f} %, search top-1 "
                f"{accuracy:.1f} %, {seconds:.0f} s",
                soft_wrap=True,
            )
    except KeyboardInterrupt:
        console.print(f"stopped after {tuning.epochs_done} finished epochs; rerun the command to resume")
        raise


def _record(tuning: FineTuning, score: EpochScore, accuracy: float, seconds: float) -> dict[str, Any]:
    """The line of the log of an epoch, with the keys of a supernet's training."""
    (phase,) = tuning.recipe.phases
    return {
        "epoch": tuning.epochs_done,
        "phase": phase.name,
        "loss": {KIND: score.loss},
        "train_accuracy": {KIND: score.accuracy},
        "rate": rates(tuning.optimizer, phase),
        "seconds": seconds,
        "search_accuracy": {KIND: accuracy},
    }


def class_figures(
    network: PlainNetwork | TeacherNetwork, images: Mapping[str, Images], device: torch.device
) -> dict[str, ClassFigures]:
    """Figures by class of `network` on each set of images, by name.

    Args:
        network: The network, on `device`; it is in evaluation mode afterwards.
        images: Sets of images by name.
        device: Device of the network.

    Raises:
        H4HError: A class score is not finite.
    """
    return {
        name: network_figures(
            network, one_subnet.stream(part, precision="fp32", device=device, scale=network.pixel_scale)
        )
        for name, part in images.items()
    }


def accuracies(figures: Mapping[str, ClassFigures]) -> dict[str, float]:
    """Top-1 accuracies in %, by the names of their images."""
    return {name: of_images.accuracy for name, of_images in figures.items()}


def accuracies_text(figures: Mapping[str, ClassFigures]) -> str:
    """Top-1 accuracies by the names of their images, in one line."""
    return ", ".join(f"{name} top-1 {value:.2f} %" for name, value in accuracies(figures).items())


def show_by_class(
    figures: Mapping[str, ClassFigures], names: Sequence[str], say: Callable[[str], None]
) -> None:
    """Prints the figures by class of each set of images, and warns of classes that are never predicted."""
    for split, of_images in figures.items():
        say(f"{split} images: {summary(of_images, names)}")
        print_wide(class_table(of_images, names))
        if text := few_classes_warning("the network", split, of_images, names):
            print(f"warning: {text}", file=sys.stderr)
