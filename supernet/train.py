"""Train a supernet by a recipe.

    python -m supernet.data cifar10
    python -m supernet.train --recipe two_phase --space cifar32 --out runs/cifar32
    torchrun --nproc-per-node 8 -m supernet.train --out runs/cifar32   # on 8 GPUs

Rerun the command to resume, even after a kill: the result is identical to an uninterrupted run. Raise the
epochs of the last phase to continue a finished training (`supernet.training.continuation`). The result is
`OUT/checkpoint.safetensors`, written after every epoch. `OUT/log.jsonl` has one line per epoch.
"""

from __future__ import annotations

import sys
from pathlib import Path

from search_space.command.command_line import Parser, check_least, run_command
from search_space.command.printed_command import local_command
from supernet.checkpoints import locate_checkpoint
from supernet.images.folder_layouts import DEFAULT_DATA, add_data, refuse_wrong_data
from supernet.training.epoch_log import add_tensorboard, check_tensorboard
from supernet.training.number_ranges import refuse_wrong_numbers


def make_parser() -> Parser:
    from supernet.training.recipe import known_recipes
    from supernet.training.recipe_options import HELP, SETTINGS, add_phase_settings, add_settings

    parser = Parser(
        prog="python -m supernet.train",
        description="Train a supernet by a recipe. Recipe options override the recipe file.",
    )
    parser.add_argument(
        "--space", default="cifar32", help="search space: a name or a YAML file (default: %(default)s)"
    )
    add_data(parser.add_argument, default=DEFAULT_DATA)
    parser.add_argument(
        "--split-seed",
        type=int,
        metavar="S",
        help="random seed of the search split (default: 0; CIFAR-10 holds out its last 5,000 images)",
    )
    parser.add_argument(
        "--skip-unreadable",
        type=int,
        default=0,
        metavar="N",
        help="train without unreadable images, of which a folder may hold up to N in each split (default: 0)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="output folder; a state in it is resumed"
    )
    parser.add_argument(
        "--recipe",
        default="two_phase",
        metavar="NAME",
        help=f"recipe: {', '.join(known_recipes())}, or a YAML file (default: %(default)s)",
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=locate_checkpoint,
        metavar="CHECKPOINT",
        help="initial weights: a checkpoint file, or the name of a shipped one; of another space, what fits "
        "(default: random weights)",
    )
    parser.add_argument(
        "--teacher",
        type=locate_checkpoint,
        metavar="CHECKPOINT",
        help="checkpoint whose largest subnet replaces the labels as the teacher of the largest subnet",
    )
    parser.add_argument(
        "--soft-labels",
        type=Path,
        metavar="FILE",
        help="file of stored soft labels (supernet.label) that replace the labels for all subnets",
    )

    machine = parser.add_argument_group("machine and log (no effect on the result beyond rounding)")
    machine.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    machine.add_argument(
        "--compile", action="store_true", help="use torch.compile for the largest and the smallest subnet"
    )
    machine.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="number of processes that read image files (default: one per core, 16 at most)",
    )
    machine.add_argument(
        "--save-every",
        type=float,
        default=10.0,
        metavar="MINUTES",
        help="time between two states within an epoch (default: %(default)s)",
    )
    machine.add_argument(
        "--conflict-every",
        type=int,
        default=0,
        metavar="EPOCHS",
        help="epochs between two measurements of gradient conflict in the log; 0 disables them (default: 0)",
    )

    add_tensorboard(machine.add_argument)

    machine.add_argument(
        "--dry-run",
        action="store_true",
        help="measure a few steps of each phase, print speed, time to the end and memory, and write nothing",
    )

    phases = parser.add_argument_group("phases of the recipe (one value, or one per phase: 25,30)")
    add_phase_settings(phases.add_argument)
    settings = parser.add_argument_group(
        "recipe settings (default: those of the recipe file, else the value in brackets)"
    )
    add_settings(settings.add_argument, SETTINGS, HELP)
    return parser


def main() -> None:
    refuse_wrong_numbers(sys.argv[1:])
    refuse_wrong_data(sys.argv[1:], DEFAULT_DATA)
    # These import torch, which takes seconds.
    from supernet.training.continuation import way_on
    from supernet.training.exact_state import OtherTrainingError
    from supernet.training.recipe_options import reading_processes
    from supernet.training.run_folder import CHECKPOINT
    from supernet.training.train_supernet import train_supernet

    parser = make_parser()
    arguments = parser.parse_args()
    check_least(arguments, save_every=0, split_seed=0, conflict_every=0, workers=0, skip_unreadable=0)
    check_tensorboard(arguments)
    try:
        checkpoint = train_supernet(
            arguments.out,
            space=arguments.space,
            data=arguments.data,
            dataset=arguments.dataset,
            split_seed=arguments.split_seed,
            skip_unreadable=arguments.skip_unreadable,
            recipe=arguments.recipe,
            overrides=vars(arguments),
            start=arguments.start,
            teacher=arguments.teacher,
            soft_labels=arguments.soft_labels,
            device=arguments.device,
            compiled=arguments.compile,
            workers=reading_processes(arguments.workers),
            save_every=arguments.save_every,
            conflict_every=arguments.conflict_every,
            tensorboard=arguments.tensorboard,
            dry_run=arguments.dry_run,
        )
    except OtherTrainingError as error:
        weights = arguments.out / CHECKPOINT
        start = {"--from": str(weights)}
        raise way_on(error, parser, out=arguments.out, weights=weights, start=start) from error
    if checkpoint is None:
        return
    words = ["--checkpoint", str(checkpoint.absolute()), "--data", str(arguments.data.absolute())]
    words += ["--dataset", arguments.dataset] if arguments.dataset else []
    print(f"checkpoint: {checkpoint}")
    print(f"next: {local_command('supernet.evaluate', words)}\n      {local_command('studies.run', words)}")


if __name__ == "__main__":
    run_command(main)
