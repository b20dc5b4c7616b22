"""Extract a subnet from a supernet and fine-tune it.

    python -m supernet.data cifar10
    python -m supernet.finetune --subnet max --epochs 20 --out runs/largest --data data

`--subnet` is `max`, `min`, or a genotype: gene indices separated by commas. A checkpoint that holds one
network is trained further, without `--subnet`. The result is `OUT/network.safetensors`
(`supernet.network.extraction`), written after every epoch, and `OUT/result.json`. `OUT/log.jsonl` gets a line
after every epoch. Rerun the command to resume after the last finished epoch. With `--epochs 0`, the subnet is
extracted and not trained.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from functools import partial
from pathlib import Path

from search_space.command.command_line import Parser, check_least, run_command
from supernet.accuracy.split_accuracies import SPLITS
from supernet.checkpoints import add_checkpoint
from supernet.images.folder_layouts import DEFAULT_DATA, add_data
from supernet.training.continuation import way_on
from supernet.training.epoch_log import add_tensorboard, check_tensorboard
from supernet.training.exact_state import OtherTrainingError
from supernet.training.fine_tune_subnet import INHERITED, NETWORK, fine_tune_subnet
from supernet.training.number_ranges import PHASE_RANGES, refuse_wrong_numbers
from supernet.training.recipe_options import HELP as TRAINING_HELP
from supernet.training.recipe_options import add_settings, reading_processes
from supernet.training.single_network_run import PLAIN_SETTINGS

HELP = (
    TRAINING_HELP
    | {
        "seed": "random seed of image order and augmentation",
        "batch": "batch size",
        "warm_up_epochs": "warm-up epochs",
        "label_smoothing": "label smoothing of the targets",
    }
    | {name: f"{TRAINING_HELP[name]} (default: as the checkpoint was trained)" for name in INHERITED}
)


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m supernet.finetune", description="Extract a subnet from a supernet and fine-tune it."
    )
    add_checkpoint(parser.add_argument)
    parser.add_argument(
        "--subnet",
        help="subnet to extract from a supernet: max, min, or a genotype (gene indices separated by commas)",
    )
    add_data(parser.add_argument, DEFAULT_DATA)
    parser.add_argument(
        "--split",
        choices=(*SPLITS, "both"),
        default="both",
        help="images of the accuracy report (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="number of processes that read image files (default: one per core, 16 at most)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="output folder; a state in it is resumed"
    )
    parser.add_argument(
        "--soft-labels",
        type=Path,
        metavar="FILE",
        help="file of stored soft labels (supernet.label) that replace the labels",
    )
    parser.add_argument(
        "--fold-batch-norm",
        action="store_true",
        help="fold batch norm into the weights of the written network",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument(
        "--epochs",
        type=int,
        default=20,
        metavar="N",
        help="epochs; 0 only extracts the subnet (default: %(default)s)",
    )
    parser.add_argument(
        "--rate", type=float, default=1e-3, metavar="FLOAT", help="peak learning rate (default: %(default)s)"
    )
    add_tensorboard(parser.add_argument)
    add_settings(parser.add_argument, PLAIN_SETTINGS, HELP, dict.fromkeys(INHERITED))
    return parser


def main() -> None:
    parser = make_parser()
    arguments = parser.parse_args()
    check_tensorboard(arguments)
    check_least(arguments, workers=0)
    refuse_wrong_numbers(sys.argv[1:], epochs=replace(PHASE_RANGES["epochs"], least=0))
    try:
        network = _network(arguments)
    except OtherTrainingError as error:
        # Another network is another training from its start on.
        weights = None if "network" in error.differences else arguments.out / NETWORK
        start = {"--subnet": None, "--checkpoint": str(weights)}
        raise way_on(error, parser, out=arguments.out, weights=weights, start=start) from error
    print(f"network: {network}")


def _network(arguments: Namespace) -> Path:
    return fine_tune_subnet(
        arguments.out,
        checkpoint=arguments.checkpoint,
        subnet=arguments.subnet,
        data=arguments.data,
        dataset=arguments.dataset,
        split=arguments.split,
        epochs=arguments.epochs,
        rate=arguments.rate,
        settings={field.name: getattr(arguments, field.name) for field in PLAIN_SETTINGS},
        soft_labels=arguments.soft_labels,
        fold_batch_norm=arguments.fold_batch_norm,
        device=arguments.device,
        workers=reading_processes(arguments.workers),
        tensorboard=arguments.tensorboard,
        # Not by rich, which would break a long line.
        say=partial(print, flush=True),
    )


if __name__ == "__main__":
    run_command(main)
