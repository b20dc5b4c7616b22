"""Options of the commands that train: recipe settings with their help texts, and reader processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, fields
from typing import Any

from supernet.training.recipe import NAMES, Recipe

MOST_WORKERS = 16

SETTINGS = tuple(field for field in fields(Recipe) if field.name != "phases")
"""Settings of a recipe that hold for all its phases."""

HELP = {
    "seed": "random seed of weights, image order, augmentation and subnets",
    "batch": "batch size, over all processes",
    "accumulate": "number of parts of a batch, to save memory; batch norm sees one part at a time",
    "precision": "number format of activations; auto is bf16 where the device multiplies it natively",
    "optimizer": "optimiser; sgd has Nesterov momentum",
    "momentum": "momentum of sgd",
    "weight_decay": "weight decay of matrices and kernels",
    "clip": "maximum gradient norm; 0 disables clipping",
    "schedule": "learning rate after warm-up",
    "warm_up_epochs": "warm-up epochs in each phase",
    "label_smoothing": "label smoothing of the largest subnet's targets",
    "distillation": "distillation loss of the other subnets",
    "conflict": "combination of the largest subnet's gradient with the others'; project is NASViT's",
    "drop_path": "stochastic depth of the largest subnet: probability of dropping its last residual branch",
    "ema": "decay per step of the running average of the weights that is saved; 0 disables it",
    "crop_padding": "padding in pixels before the random crop, for data sets of small images",
    "crop_scale": "smallest area share of a random crop, for folders of images",
    "rand_augment": "RandAugment operations per image",
    "magnitude": "magnitude of RandAugment, 0 to 30",
    "mixup": "alpha of mixup; 0 disables it",
    "cutmix": "alpha of cutmix; 0 disables it",
}
"""Help text of each setting."""


def add_settings(
    add: Callable[..., Any],
    settings: Iterable[Field[Any]],
    texts: Mapping[str, str],
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """Adds an option for each of `settings`.

    Args:
        add: `add_argument` of a parser or of a group.
        settings: Some of `SETTINGS`.
        texts: Help texts by the names of the settings.
        defaults: Defaults by the names of the settings; those of `Recipe` for names left out. None: the
            options have no default, since a recipe file gives the values.
    """
    for field in settings:
        kind: Any = {"int": int, "float": float, "str": str}[str(field.type)]
        known = f": {', '.join(NAMES[field.name])}" if field.name in NAMES else ""
        is_open = defaults is None
        add(
            f"--{field.name.replace('_', '-')}",
            type=kind,
            default=None if defaults is None else defaults.get(field.name, field.default),
            metavar={int: "N", float: "FLOAT", str: "NAME"}[kind],
            help=f"{texts[field.name]}{known} ({field.default if is_open else 'default: %(default)s'})",
        )


def reading_processes(workers: int | None) -> int:
    """Number of processes that read image files.

    Args:
        workers: Value of --workers; None for one per core (16 at most), shared among torchrun's processes.
    """
    if workers is not None:
        return workers
    return min(MOST_WORKERS, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
