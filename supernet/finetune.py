"""Extract a subnet from a supernet and fine-tune it.

    python -m supernet.data cifar10
    python -m supernet.finetune --subnet max --epochs 20 --out runs/largest --data data

`--subnet` is `max`, `min`, or a genotype: gene indices separated by commas. The result is
`OUT/network.safetensors` (`supernet.network.extraction`), written after every epoch, and `OUT/result.json`.
Rerun the command to resume after the last finished epoch. With `--epochs 0`, the subnet is extracted and not
trained.
"""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from search_space import complexity
from search_space.command.command_line import Parser, check_least, run_command
from search_space.errors import H4HError
from search_space.files.whole_file import whole_file
from search_space.genotype import to_text
from supernet.accuracy import one_subnet
from supernet.accuracy.split_accuracies import SPLITS
from supernet.checkpoints import add_checkpoint
from supernet.checkpoints.header import read_header
from supernet.checkpoints.tensor_file import file_digest
from supernet.images import cifar10
from supernet.images.data_sets import open_data
from supernet.images.folder_layouts import DEFAULT_DATA, add_data
from supernet.images.labelled_images import Images
from supernet.network.extraction import extract, folded, save_extracted
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import resolve_device, resolve_precision
from supernet.network.supernet_file import load_checkpoint
from supernet.training.plain_run import PLAIN_SETTINGS, train_to_the_end
from supernet.training.plain_trainer import FineTuning, make_recipe, network_top1
from supernet.training.run_folder import STATE
from supernet.training.settings import HELP as TRAINING_HELP
from supernet.training.settings import add_settings, reading_processes
from supernet.training.soft_labels import fitting_soft_labels

NETWORK = "network.safetensors"
RESULT = "result.json"

HELP = TRAINING_HELP | {
    "seed": "random seed of image order and augmentation",
    "batch": "batch size",
    "warm_up_epochs": "warm-up epochs",
    "label_smoothing": "label smoothing of the targets",
}


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m supernet.finetune", description="Extract a subnet from a supernet and fine-tune it."
    )
    add_checkpoint(parser.add_argument)
    parser.add_argument(
        "--subnet",
        required=True,
        help="subnet to extract: max, min, or a genotype (gene indices separated by commas)",
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
    add_settings(parser.add_argument, PLAIN_SETTINGS, HELP, {})
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    check_least(arguments, workers=0)
    state = arguments.out / STATE
    if arguments.out.exists() and not arguments.out.is_dir():
        raise H4HError(f"--out must be a folder, but {arguments.out} is a file")
    if arguments.epochs == 0 and state.exists():
        raise H4HError(
            f"--epochs 0 would replace the network that was trained in {arguments.out}: choose another --out"
        )
    keep_freed_memory()
    device = resolve_device(arguments.device)
    values = {field.name: getattr(arguments, field.name) for field in PLAIN_SETTINGS}
    # Without epochs there is no phase to train, but bad values are told all the same.
    recipe = make_recipe(epochs=arguments.epochs or 1, rate=arguments.rate, **values)
    resolve_precision(recipe.precision, device)
    checkpoint = arguments.checkpoint
    supernet = load_checkpoint(checkpoint).to(device)
    genotype = supernet.space.parse(arguments.subnet)
    subnet = supernet.space.decode(genotype)

    data = open_data(arguments.data, arguments.dataset, supernet.space)
    split = data.split_like(read_header(checkpoint).get("data"))
    images = data.train.subset(split.train)
    evaluated: dict[str, Images] = {}
    if arguments.split != "test":
        evaluated["search"] = data.train.subset(split.search)
    if arguments.split != "search":
        evaluated["test"] = data.read_test()
    calibration = one_subnet.prepare(
        data.train.subset(split.train[: cifar10.CALIBRATION_IMAGES]), precision="fp32", device=device
    )
    network = extract(supernet, subnet, one_subnet.record_statistics(supernet, subnet, calibration))

    def accuracy() -> dict[str, float]:
        return {
            name: network_top1(network, one_subnet.stream(part, precision="fp32", device=device))
            for name, part in evaluated.items()
        }

    recorded = data.recorded(split)
    tuning = None
    if arguments.epochs:
        tuning = FineTuning(
            network=network,
            images=images,
            recipe=recipe,
            device=device,
            origin=f"checkpoint {file_digest(checkpoint)[:12]} on images {recorded['split'][:12]}",
            workers=reading_processes(arguments.workers),
            soft_labels=fitting_soft_labels(arguments.soft_labels, images, recorded, recipe),
        )
    before = after = accuracy()
    # Not by rich, which would break a long line.
    print(subnet)
    print(f"before: {_text(before)}", flush=True)

    def save_network() -> None:
        written = folded(network) if arguments.fold_batch_norm else network
        save_extracted(arguments.out / NETWORK, written, space=supernet.space, data=recorded)

    if tuning is not None:
        train_to_the_end(tuning, state, save_network, Console(highlight=False))
        after = accuracy()
        print(f"after:  {_text(after)}")
    save_network()
    record = {
        "checkpoint": str(checkpoint),
        "genotype": to_text(genotype),
        "subnet": str(subnet),
        "macs": complexity.macs(subnet),
        "params": complexity.params(subnet),
        "recipe": recipe.to_dict() if arguments.epochs else None,
        "before": before,
        "after": after,
    }
    with whole_file(arguments.out / RESULT) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")
    print(f"network: {arguments.out / NETWORK}")


def _text(accuracy: dict[str, float]) -> str:
    return ", ".join(f"{name} top-1 {value:.2f} %" for name, value in accuracy.items())


if __name__ == "__main__":
    run_command(main)
