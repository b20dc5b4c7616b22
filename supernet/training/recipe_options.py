"""Options of the commands that train: settings of a recipe and its phases, and reader processes."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field, fields, replace
from typing import Any, TypeVar

from supernet.checkpoints.image_input import LARGEST_WITHOUT_MARGIN
from supernet.training.phases import CNN_MODES, PHASE_SAMPLINGS
from supernet.training.recipe import NAMES, Recipe, load_recipe

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
    "crop_padding": "padding in pixels before the random crop, for networks that see up to "
    f"{LARGEST_WITHOUT_MARGIN} x {LARGEST_WITHOUT_MARGIN} pixels",
    "crop_scale": "smallest area share of a random crop, for networks that see more pixels, and for folders "
    "too large for memory",
    "rand_augment": "RandAugment operations per image",
    "magnitude": "magnitude of RandAugment, 0 to 30",
    "mixup": "alpha of mixup; 0 disables it",
    "cutmix": "alpha of cutmix; 0 disables it",
    "flip": "share of the images that are mirrored left to right; 0 where left and right differ",
    "fit": "how images from folders become squares: crop cuts off, pad adds black margins, squash distorts",
    "batch_norm": "images of batch norm with several processes: those of all of them, or of each alone",
    "class_weights": "weights of the classes in the loss against labels; balanced: inverse to their images",
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
        defaults: Defaults by the names of the settings; those of `Recipe` for names left out. A default of
            None is described by the help text. Without defaults, a recipe file gives the values.
    """
    for field in settings:
        kind: Any = {"int": int, "float": float, "str": str}[str(field.type)]
        known = f": {', '.join(NAMES[field.name])}" if field.name in NAMES else ""
        default = None if defaults is None else defaults.get(field.name, field.default)
        described = "" if default is None else " (default: %(default)s)"
        add(
            f"--{field.name.replace('_', '-')}",
            type=kind,
            default=default,
            metavar={int: "N", float: "FLOAT", str: "NAME"}[kind],
            help=f"{texts[field.name]}{known}{f' ({field.default})' if defaults is None else described}",
        )


T = TypeVar("T", int, float)


def _list_of(kind: type[T]) -> Callable[[str], list[T]]:
    def read(text: str) -> list[T]:
        try:
            return [kind(part) for part in text.split(",")]
        except ValueError:
            raise ArgumentTypeError(
                f"must be numbers separated by commas, one per phase, but got {text!r}"
            ) from None

    return read


def _names_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise ArgumentTypeError(f"must be of {', '.join(known)}, but got {name!r}")
        return names

    return read


def add_phase_settings(add: Callable[..., Any]) -> None:
    """Adds the options of the phases of a recipe.

    Args:
        add: `add_argument` of a parser or of a group.
    """
    add("--epochs", type=_list_of(int), metavar="N", help="epochs")
    add("--rate", type=_list_of(float), metavar="FLOAT", help="peak learning rate")
    add(
        "--random-subnets",
        type=_list_of(int),
        metavar="N",
        help="random subnets per step, in addition to the largest and the smallest",
    )
    add(
        "--sampling",
        type=_names_of(PHASE_SAMPLINGS),
        metavar="NAME",
        help=f"sampling of the random subnets: {', '.join(PHASE_SAMPLINGS)}",
    )
    add(
        "--largest-every",
        type=_list_of(int),
        metavar="N",
        help="steps per training of the largest subnet; soft labels or the running average teach in between",
    )
    add("--cnn", choices=CNN_MODES, help="training of the CNN's weights in the last phase")
    add(
        "--low-lr-factor",
        type=_list_of(float),
        metavar="FLOAT",
        help="rate of the CNN's weights under cnn: low_lr, as a share of the rate",
    )
    add(
        "--vit-lr-factor",
        type=_list_of(float),
        metavar="FLOAT",
        help="rate of the weights of ViT blocks, as a multiple of the rate",
    )


def recipe_with(name: str, values: Mapping[str, Any]) -> Recipe:
    """A recipe file with the overrides of a command line.

    Args:
        name: Name or file of the recipe.
        values: Values of options by name. None keeps the recipe's; names of other options have no effect.

    Raises:
        H4HError: The file cannot be read, or a value is out of range.
    """
    given = {field.name: values[field.name] for field in fields(Recipe) if values.get(field.name) is not None}
    return replace(load_recipe(name), **given).with_phases(
        epochs=values["epochs"] or (),
        rate=values["rate"] or (),
        random_subnets=values["random_subnets"] or (),
        largest_every=values["largest_every"] or (),
        sampling=values["sampling"] or (),
        low_lr_factor=values["low_lr_factor"] or (),
        vit_lr_factor=values["vit_lr_factor"] or (),
        cnn=values["cnn"],
    )


def reading_processes(workers: int | None) -> int:
    """Number of processes that read image files.

    Args:
        workers: Value of --workers; None for one per core (16 at most), shared among torchrun's processes.
    """
    if workers is not None:
        return workers
    return min(MOST_WORKERS, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
