"""Train a teacher: a convolutional network whose class scores become soft labels (`supernet.label`).

    python -m supernet.data cifar10
    python -m supernet.teacher --data data --out runs/teacher

The teacher (`supernet.network.teacher_network`) is trained on the images that train supernets. It never sees
the search split or the test images; both are scored at the end. The result is `OUT/teacher.safetensors`,
written after every epoch, and `OUT/result.json`. `OUT/log.jsonl` gets a line after every epoch. Rerun the
command to resume after the last finished epoch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from search_space.command.command_line import Parser, check_least, run_command
from supernet.images.folder_layouts import DEFAULT_DATA, add_data
from supernet.training.continuation import way_on
from supernet.training.epoch_log import add_tensorboard, check_tensorboard
from supernet.training.exact_state import OtherTrainingError
from supernet.training.number_ranges import refuse_wrong_numbers
from supernet.training.recipe_options import HELP, SETTINGS, add_settings, reading_processes
from supernet.training.single_network_run import PLAIN_SETTINGS
from supernet.training.train_teacher import train_teacher

DEFAULTS: dict[str, Any] = {
    "batch": 256,
    "optimizer": "sgd",
    "momentum": 0.85,
    "weight_decay": 1.3e-3,
    "clip": 0.0,
    "warm_up_epochs": 2.0,
}
"""Settings whose defaults differ from those of a recipe."""

TEACHER_SETTINGS = (*PLAIN_SETTINGS, *(field for field in SETTINGS if field.name == "fit"))


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m supernet.teacher",
        description="Train a teacher network on the training images of supernets.",
    )
    parser.add_argument(
        "--space",
        default="cifar32",
        help="search space whose supernet is to be taught; decides classes and image size "
        "(default: %(default)s)",
    )
    add_data(parser.add_argument, DEFAULT_DATA)
    parser.add_argument(
        "--split-seed",
        type=int,
        metavar="S",
        help="seed of the search split, as in supernet.train (default: 0; CIFAR-10 holds out its last 5,000)",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the result and of the state")
    parser.add_argument(
        "--workers", type=int, help="processes that read image files (default: number of cores, 16 at most)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument(
        "--epochs", type=int, default=15, help="passes over the training images (default: %(default)s)"
    )
    parser.add_argument("--rate", type=float, default=0.4, help="peak learning rate (default: %(default)s)")
    texts = {
        "seed": "random seed of weights, image order and augmentation",
        "label_smoothing": "label smoothing of the targets",
    }
    add_tensorboard(parser.add_argument)
    add_settings(parser.add_argument, TEACHER_SETTINGS, HELP | texts, DEFAULTS)
    return parser


def main() -> None:
    parser = make_parser()
    arguments = parser.parse_args()
    check_tensorboard(arguments)
    check_least(arguments, workers=0, split_seed=0)
    refuse_wrong_numbers(sys.argv[1:])
    try:
        teacher = train_teacher(
            arguments.out,
            space=arguments.space,
            data=arguments.data,
            dataset=arguments.dataset,
            split_seed=arguments.split_seed,
            epochs=arguments.epochs,
            rate=arguments.rate,
            settings={field.name: getattr(arguments, field.name) for field in TEACHER_SETTINGS},
            device=arguments.device,
            workers=reading_processes(arguments.workers),
            tensorboard=arguments.tensorboard,
            say=print,
        )
    except OtherTrainingError as error:
        raise way_on(error, parser, out=arguments.out) from error
    # Not by rich, which would break a long line.
    print(f"teacher: {teacher}")


if __name__ == "__main__":
    run_command(main)
