"""Training of a supernet: from data, recipe and initial weights to a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from search_space.command.wide_table import print_wide
from search_space.errors import H4HError
from search_space.space import load_space
from supernet.images.data_sets import open_data
from supernet.images.folder_layouts import recognised
from supernet.images.inspection import check_readable, inspected, summary
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import emulation_warning, resolve_device
from supernet.training.distributed import joined_world, reported_once
from supernet.training.dry_run import measured_phases, speed_summary, speed_table
from supernet.training.epoch_log import EpochLog
from supernet.training.phases import TRAIN
from supernet.training.recipe import Recipe
from supernet.training.recipe_options import recipe_with
from supernet.training.run_folder import CHECKPOINT, check_run_folder
from supernet.training.search_score import SearchScore
from supernet.training.soft_labels import fitting_soft_labels
from supernet.training.supernet_run import SupernetRun
from supernet.training.supernet_trainer import Trainer


def train_supernet(
    out: Path,
    *,
    space: str,
    data: Path,
    dataset: str | None,
    split_seed: int | None,
    skip_unreadable: int = 0,
    recipe: str,
    overrides: Mapping[str, Any],
    start: Path | None,
    teacher: Path | None,
    soft_labels: Path | None,
    device: str,
    compiled: bool,
    workers: int,
    save_every: float,
    conflict_every: int,
    tensorboard: Path | None,
    dry_run: bool = False,
) -> Path | None:
    """Trains a supernet, or resumes its training from the state in `out`. Shows the progress on stdout.

    Args:
        out: Folder of state, checkpoint and log.
        space: Name or YAML file of the search space.
        data: Folder of the data set.
        dataset: Name of the data set if the folder holds several.
        split_seed: Random seed of the search split; None for the default of the data set.
        skip_unreadable: Number of unreadable images that each split of a folder may leave out.
        recipe: Name or file of the recipe.
        overrides: Settings that replace those of the recipe, by name; see `recipe_with`.
        start: Checkpoint of the initial weights; None for random weights.
        teacher: Checkpoint whose largest subnet teaches the largest subnet.
        soft_labels: File of stored soft labels.
        device: ``auto``, ``cpu`` or ``cuda``.
        compiled: Whether to compile the largest and the smallest subnet.
        workers: Number of processes that read image files.
        save_every: Minutes between two states within an epoch.
        conflict_every: Epochs between two measurements of gradient conflict; 0 for none.
        tensorboard: Folder of event files for TensorBoard; None for none.
        dry_run: Whether to measure a few steps of each phase and write nothing.

    Returns:
        The checkpoint; None for a dry run, and in processes of torchrun that write none.

    Raises:
        H4HError: Input is wrong or does not fit, or the loss is not finite.
        SystemExit: Likewise, in processes of torchrun that do not report the error.
    """
    check_run_folder(out)
    keep_freed_memory()
    with joined_world(resolve_device(device)) as (world, own_device), reported_once(world):
        settings = recipe_with(recipe, overrides)
        _check_start(settings, start)
        console = Console(highlight=False, markup=False, emoji=False, quiet=world.rank != 0)
        networks = load_space(space)
        if recognised(data, dataset) == "folder":
            _inspect(data, skip_unreadable, console)
        data_set = open_data(data, dataset, networks, fit=settings.fit, skip_unreadable=skip_unreadable)
        split = data_set.split(split_seed)
        recorded = data_set.recorded(split)
        images = data_set.train.subset(split.train)
        trainer = Trainer(
            space=networks,
            images=images,
            recipe=settings,
            device=own_device,
            world=world,
            start=start,
            teacher=teacher,
            soft_labels=fitting_soft_labels(soft_labels, images, recorded, settings),
            compiled=compiled,
            workers=workers,
        )
        score = SearchScore.of(data_set, split, own_device)
        log = EpochLog(out, None if dry_run else tensorboard)
        run = SupernetRun(
            trainer,
            out,
            data=recorded,
            image_input=data_set.trained_by(settings.flip, settings.class_weights),
            score=score,
            save_every=save_every,
            conflict_every=conflict_every,
            log=log,
            console=console,
        )
        run.resume()
        if warning := emulation_warning(trainer.recipe.precision, own_device):
            console.print(warning, soft_wrap=True)
        if dry_run:
            speeds = measured_phases(trainer, score)
            if world.rank == 0:
                print_wide(speed_table(speeds))
            console.print(speed_summary(speeds, own_device), soft_wrap=True)
            return None
        with log:
            run.train()
    return out / CHECKPOINT if world.rank == 0 else None


def _inspect(data: Path, skip_unreadable: int, console: Console) -> None:
    """Shows what the folder of images holds.

    Raises:
        DatasetError: More than `skip_unreadable` images of a split cannot be read, also of the test split,
            which is not opened before the last epoch.
    """
    found = inspected(data)
    for line in summary(found):
        console.print(line, soft_wrap=True)
    check_readable(found, skip_unreadable)


def _check_start(recipe: Recipe, start: Path | None) -> None:
    """Raises `H4HError` if the first phase would leave random weights untrained."""
    first = recipe.phases[0]
    if first.cnn != TRAIN and start is None:
        raise H4HError(
            f"phase {first.name!r} must train the CNN, since it starts from random weights, "
            f"but its cnn is {first.cnn!r}: pass weights by --from, or choose --cnn train"
        )
