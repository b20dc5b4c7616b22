"""Inspect a folder of images before training: classes, sizes, what is skipped and why, copies across splits.

    python -m supernet.inspect --data photos               # train/CLASS and val/CLASS
    python -m supernet.inspect --data photos --split 0.2   # first make train/ and val/ from class folders

Headers and ends of the files are read, not their pixels.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from pathlib import Path

from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from supernet.images.folder_layouts import recognised
from supernet.images.inspection import inspected, summary
from supernet.images.make_splits import make_splits


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
    return parser


def main() -> None:
    parser = make_parser()
    arguments = parser.parse_args()
    if arguments.group_by is not None and arguments.split is None:
        parser.error("--group-by needs --split")
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
    for line in summary(inspected(arguments.data)):
        print(line)


if __name__ == "__main__":
    run_command(main)
