"""Training of a teacher network: from data and recipe to a network file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from search_space.errors import H4HError
from search_space.files.whole_file import whole_file
from search_space.space import load_space
from supernet.checkpoints.image_input import CIFAR10_SCALE
from supernet.images.data_sets import open_data
from supernet.images.labelled_images import Images, loaded, normalised
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import resolve_device, resolve_precision
from supernet.network.teacher_network import LEAST_SIDE, TeacherNetwork, save_teacher, whitening_kernels
from supernet.training.epoch_log import EpochLog
from supernet.training.run_folder import STATE, check_run_folder
from supernet.training.single_network_run import accuracies, accuracies_text, class_figures, train_to_the_end
from supernet.training.single_network_trainer import FineTuning, make_recipe

TEACHER = "teacher.safetensors"
RESULT = "result.json"
WHITENED_BY = 5_000
"""Number of training images whose patches determine the first layer."""


def train_teacher(
    out: Path,
    *,
    space: str,
    data: Path,
    dataset: str | None,
    split_seed: int | None,
    epochs: int,
    rate: float,
    settings: Mapping[str, Any],
    device: str,
    workers: int,
    tensorboard: Path | None = None,
    say: Callable[[str], None],
) -> Path:
    """Trains a teacher, or resumes its training from the state in `out`.

    Args:
        out: Folder of the teacher, the result and the state.
        space: Name or YAML file of the search space whose supernet is taught.
        data: Folder of the data set.
        dataset: Name of the data set if the folder holds several.
        split_seed: Random seed of the search split; None for the default of the data set.
        epochs: Number of epochs, at least 1.
        rate: Peak learning rate.
        settings: Recipe settings by name.
        device: ``auto``, ``cpu`` or ``cuda``.
        workers: Number of processes that read image files.
        tensorboard: Folder of event files for TensorBoard; None for none.
        say: Receives each line of the report.

    Returns:
        File of the teacher.

    Raises:
        H4HError: Input is wrong or does not fit, or the loss is not finite.
    """
    check_run_folder(out)
    keep_freed_memory()
    used_device = resolve_device(device)
    recipe = make_recipe(epochs=epochs, rate=rate, **settings)
    resolve_precision(recipe.precision, used_device)
    data_set = open_data(data, dataset, load_space(space), fit=recipe.fit)
    split = data_set.split(split_seed)
    images = data_set.train.subset(split.train)
    recorded = data_set.recorded(split)

    torch.manual_seed(recipe.seed)
    whitened_by = loaded(images.subset(torch.arange(min(WHITENED_BY, len(images))))).pixels
    if whitened_by.shape[-1] < LEAST_SIDE:
        raise H4HError(
            f"images must have sides of at least {LEAST_SIDE} pixels for the teacher network, "
            f"but those of {data} have {whitened_by.shape[-1]}"
        )
    network = TeacherNetwork(
        data_set.classes, whitening_kernels(normalised(whitened_by, torch.float32, CIFAR10_SCALE))
    )
    tuning = FineTuning(
        network=network,
        images=images,
        recipe=recipe,
        device=used_device,
        origin=f"seed {recipe.seed} on images {recorded['split'][:12]}",
        workers=workers,
    )
    search = data_set.train.subset(split.search)
    path = out / TEACHER

    def save_network() -> None:
        header = data_set.trained_by(recipe.flip, recipe.class_weights).to_header()
        save_teacher(path, network, {"data": recorded, "recipe": recipe.to_dict(), **header})

    console = Console(highlight=False, markup=False, emoji=False)
    with EpochLog(out, tensorboard) as log:
        train_to_the_end(tuning, out / STATE, save_network, console, search, log)
    evaluated: dict[str, Images] = {"search": search, "test": data_set.read_test()}
    figures = class_figures(network, evaluated, used_device)
    with whole_file(out / RESULT) as temporary:
        temporary.write_text(
            json.dumps({"accuracy": accuracies(figures), "recipe": recipe.to_dict()}, indent=2) + "\n"
        )
    say(accuracies_text(figures))
    return path
