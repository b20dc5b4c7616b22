"""Predict the classes of pictures by a trained network.

    python -m supernet.predict --checkpoint runs/pets/network.safetensors photo.jpg

Pictures may have any size. They are read and prepared as in the network's training; the header of the
checkpoint says how, and names the classes. A supernet needs `--subnet`, and calibration images for its
batch-norm statistics: those in the repository for CIFAR-10, `--data` otherwise.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import torch
from rich import box
from rich.table import Table

from search_space.command.command_line import Parser, check_least, run_command
from search_space.command.wide_table import print_wide
from search_space.errors import H4HError
from search_space.subnet import Subnet
from supernet.accuracy import one_subnet
from supernet.accuracy.predictions import Prediction, predictions
from supernet.accuracy.split_accuracies import chosen_images
from supernet.checkpoints import add_checkpoint
from supernet.images.folder_layouts import add_data
from supernet.network.batch_norm import Recorded
from supernet.network.checkpoint_networks import CheckpointNetworks, load_networks
from supernet.network.number_formats import resolve_device


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m supernet.predict", description="Predict the classes of pictures by a trained network."
    )
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="picture file")
    add_checkpoint(parser.add_argument)
    parser.add_argument(
        "--subnet",
        help="network of a supernet: max, min, or a genotype (gene indices separated by commas)",
    )
    add_data(parser.add_argument, otherwise="calibration images of CIFAR-10 that are in the repository")
    parser.add_argument(
        "--top", type=int, default=3, metavar="N", help="classes shown per picture (default: %(default)s)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV: image, rank, class, probability")
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    check_least(arguments, top=1)
    for path in arguments.images:
        if path.is_dir():
            raise H4HError(
                f"{path} is a folder, but pictures are needed: give its files, such as {path}/*.jpg"
            )
    networks = load_networks(arguments.checkpoint)
    device = resolve_device(arguments.device)
    networks.supernet.to(device)
    subnet, statistics = _chosen(networks, arguments.subnet, arguments.data, arguments.dataset, device)
    found = list(
        predictions(
            networks.supernet,
            subnet,
            statistics,
            arguments.images,
            networks.images,
            top=arguments.top,
            device=device,
        )
    )
    if arguments.json:
        _print_json(found, networks, subnet)
    elif arguments.csv:
        _print_csv(found, networks)
    else:
        _print_table(found, networks)


def _chosen(
    networks: CheckpointNetworks,
    text: str | None,
    data: Path | None,
    data_set: str | None,
    device: torch.device,
) -> tuple[Subnet, Recorded]:
    """The network that predicts, and its batch-norm statistics."""
    if networks.network is not None and networks.statistics is not None:
        if text is not None or data is not None:
            name = "--subnet" if text is not None else "--data"
            raise H4HError(f"{name} is for supernets, but {networks.path} holds one network: leave it out")
        return networks.network, networks.statistics
    if text is None:
        raise H4HError(
            f"{networks.path} holds a supernet: choose one of its networks by --subnet max, min or a genotype"
        )
    space = networks.supernet.space
    subnet = space.decode(space.parse(text))
    parts = chosen_images(data, data_set, (), space, networks.path)
    calibration = one_subnet.prepare(
        parts.calibration, precision="fp32", device=device, scale=networks.supernet.pixel_scale
    )
    return subnet, one_subnet.record_statistics(networks.supernet, subnet, calibration)


def _print_json(found: list[Prediction], networks: CheckpointNetworks, subnet: Subnet) -> None:
    names = networks.class_names
    images = [
        {
            "image": each.image,
            "classes": [
                {"class": names[label], "probability": share}
                for label, share in zip(each.classes, each.probabilities, strict=True)
            ],
        }
        for each in found
    ]
    record = {"checkpoint": str(networks.path), "subnet": str(subnet), "images": images}
    print(json.dumps(record, indent=2))


def _print_csv(found: list[Prediction], networks: CheckpointNetworks) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("image", "rank", "class", "probability"))
    for each in found:
        for rank, (label, share) in enumerate(zip(each.classes, each.probabilities, strict=True), start=1):
            writer.writerow((each.image, rank, networks.class_names[label], f"{share:.6f}"))


def _print_table(found: list[Prediction], networks: CheckpointNetworks) -> None:
    table = Table("image", box=box.SIMPLE_HEAD)
    for rank in range(1, len(found[0].classes) + 1):
        table.add_column(f"class {rank}")
        table.add_column("%", justify="right")
    for each in found:
        cells = []
        for label, share in zip(each.classes, each.probabilities, strict=True):
            cells += [networks.class_names[label], f"{100 * share:.1f}"]
        table.add_row(each.image, *cells)
    print_wide(table)


if __name__ == "__main__":
    run_command(main)
