"""Inspect a folder of images before training: classes, sizes, what is skipped and why, copies across splits.

    python -m supernet.inspect --data photos               # train/CLASS and val/CLASS
    python -m supernet.inspect --data photos --split 0.2   # first make train/ and val/ from class folders
    python -m supernet.inspect --data photos --sheet sheet.png --space photo96   # draw what a network sees

Headers and ends of the files are read, not their pixels; only the pictures of a sheet are decoded.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.files.figure_file import check_figure_path, save_figure
from search_space.space import load_space
from supernet.checkpoints.image_input import FITS
from supernet.images.folder_layouts import recognised
from supernet.images.inspection import Inspection, inspected, summary
from supernet.images.make_splits import make_splits

if TYPE_CHECKING:  # It imports torch, which takes seconds.
    from supernet.training.contact_sheet import ContactSheet
    from supernet.training.recipe import Recipe

OF_SHEETS = ("space", "recipe", "fit", "flip")
"""Options that say how pictures are prepared for the contact sheet."""


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ArgumentTypeError(f"must be a regular expression, but got {text!r} ({error})") from None


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m supernet.inspect",
        description="Inspect a folder of images: classes, sizes, skipped files, copies across splits.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of train/CLASS/*.jpg and val/CLASS/*.jpg",
    )
    parser.add_argument(
        "--split",
        type=float,
        metavar="SHARE",
        help="make train/ and val/ from class folders in DIR first, with this share of each class in val/",
    )
    parser.add_argument(
        "--group-by",
        type=_pattern,
        metavar="REGEX",
        help="part of the file name that is the same for pictures that belong in one split, such as a person",
    )
    sheet = parser.add_argument_group("contact sheet")
    sheet.add_argument(
        "--sheet",
        type=Path,
        metavar="FILE",
        help="draw some pictures of each class as a network sees them, scored and in training: .png, .svg or "
        ".pdf",
    )
    sheet.add_argument(
        "--space",
        metavar="NAME",
        help="search space whose largest resolution the pictures get: a name or a YAML file "
        "(default: cifar32)",
    )
    sheet.add_argument(
        "--recipe", metavar="NAME", help="recipe with fit and augmentation (default: two_phase)"
    )
    sheet.add_argument(
        "--fit",
        choices=FITS,
        help="how pictures become squares: crop cuts off, pad adds black margins, squash distorts "
        "(default: that of the recipe)",
    )
    sheet.add_argument(
        "--flip",
        type=float,
        metavar="FLOAT",
        help="share of the pictures that are mirrored left to right (default: that of the recipe)",
    )
    return parser


def main() -> None:
    parser = make_parser()
    arguments = parser.parse_args()
    if arguments.group_by is not None and arguments.split is None:
        parser.error("--group-by needs --split")
    for name in OF_SHEETS:
        if arguments.sheet is None and getattr(arguments, name) is not None:
            parser.error(f"--{name} needs --sheet")
    settings = None if arguments.sheet is None else _sheet_settings(arguments)
    if arguments.split is not None:
        # `not <` instead of `>=` refuses NaN as well.
        if not 0 < arguments.split < 1:
            parser.error(f"--split must be above 0 and below 1, but got {arguments.split:g}")
        made = make_splits(arguments.data, arguments.split, arguments.group_by)
        grouped = "" if made.groups is None else f", {made.groups:,} groups kept together"
        if made.groups is not None and made.alone:
            grouped += f", {made.alone:,} pictures without a group"
        print(f"made train/ with {made.train:,} and val/ with {made.test:,} images{grouped}")
    if recognised(arguments.data) != "folder":
        raise H4HError(
            f"--data {arguments.data} holds a data set of its own format, not a folder of images: there is "
            f"nothing to inspect"
        )
    found = inspected(arguments.data)
    for line in summary(found):
        print(line)
    if settings is not None:
        _write_sheet(arguments.sheet, found, *settings)


def _sheet_settings(arguments: Namespace) -> tuple[Recipe, int]:
    """Recipe of the contact sheet, and side of its pictures in pixels.

    Raises:
        H4HError: A file cannot be read or written, or a value is out of range.
    """
    from supernet.training.recipe import load_recipe

    check_figure_path(arguments.sheet, option="--sheet")
    given = {name: getattr(arguments, name) for name in ("fit", "flip")}
    recipe = load_recipe(arguments.recipe or "two_phase")
    recipe = replace(recipe, **{name: value for name, value in given.items() if value is not None})
    return recipe, max(load_space(arguments.space or "cifar32").resolution)


def _write_sheet(path: Path, found: Inspection, recipe: Recipe, size: int) -> None:
    from supernet.training.contact_sheet import contact_sheet, drawn

    sheet = contact_sheet(found.train.pictures, recipe, size)
    save_figure(drawn(sheet), path, option="--sheet")
    print(f"sheet: {path} shows {len(sheet.scored)} pictures of {_classes(sheet)} at {size}x{size} pixels")


def _classes(sheet: ContactSheet) -> str:
    few = len(sheet.names) < sheet.classes
    return f"{len(sheet.names)} of {sheet.classes:,} classes" if few else f"{sheet.classes} classes"


if __name__ == "__main__":
    run_command(main)
