"""Final accuracy report of a checkpoint: subnets of a supernet, or one extracted network.

    python -m supernet.data cifar10
    python -m supernet.evaluate --checkpoint runs/cifar32/checkpoint.safetensors --data data
    python -m supernet.evaluate --checkpoint runs/largest/network.safetensors --data data

Of a supernet, the largest, the smallest and random subnets are scored. The largest subnet or the network is
also reported by class. Only such reports use the test split; a search never does. With `--precision int8`,
each network is scored in float32 as well, and the report shows the accuracy loss of each family.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from search_space import complexity
from search_space.command.command_line import Parser, check_least, run_command
from search_space.command.wide_table import print_wide
from search_space.families import Family, family
from search_space.subnet import Subnet
from search_space.subnet_sampling import FAMILY, SAMPLINGS
from supernet.accuracy.class_figures import ClassFigures, few_classes_warning
from supernet.accuracy.class_tables import class_table, summary
from supernet.accuracy.split_accuracies import (
    SPLITS,
    FamilyDrop,
    Row,
    chosen_images,
    chosen_subnets,
    class_figures,
    family_drops,
)
from supernet.checkpoints import add_checkpoint
from supernet.images.folder_layouts import add_data
from supernet.network.checkpoint_networks import CheckpointNetworks, load_networks
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import (
    INT8,
    SCORED_IN,
    emulation_warning,
    resolve_device,
    resolve_precision,
)

OF_SUPERNETS = {"random": 20, "seed": 0, "sampling": FAMILY}
"""Options that choose subnets of a supernet, with their defaults."""


def _print(rows: list[Row], splits: list[str], sampling: str, names: Sequence[str]) -> None:
    in_int8 = rows[0].accuracy_fp32 is not None
    table = Table("subnet", "family", "conv", "ViT", "MMAC", "parameters", box=box.SIMPLE_HEAD)
    for split in splits:
        table.add_column(f"{split} top-1 %", justify="right")
        if in_int8:
            table.add_column(f"{split} int8 %", justify="right")
        table.add_column(f"{split} balanced %", justify="right")

    def values(row: Row) -> list[float]:
        cells = []
        for split in splits:
            cells += [] if row.accuracy_fp32 is None else [row.accuracy_fp32[split]]
            cells += [row.accuracy[split], row.figures[split].balanced]
        return cells

    for row in rows:
        cells = (row.name, row.family, str(row.conv_blocks), str(row.vit_blocks), f"{row.macs / 1e6:.2f}")
        table.add_row(*cells, f"{row.params:,}", *(f"{value:.2f}" for value in values(row)))
    random = [row for row in rows if row.name.startswith("random")]
    if random:
        table.add_section()
        for member in Family if sampling == FAMILY else ():
            if of_family := [row for row in random if row.family == member.value]:
                _add_mean(table, f"mean of {len(of_family)}", member.value, list(map(values, of_family)))
        _add_mean(table, f"mean of {len(random)} random", f"({sampling})", list(map(values, random)))
    print_wide(table)
    if in_int8:
        _print_drops(family_drops(rows, splits), splits)
    first = rows[0]
    for split in splits:
        print(f"{first.name} on the {split} images: {summary(first.figures[split], names)}")
        print_wide(class_table(first.figures[split], names))


def _add_mean(table: Table, name: str, family: str, values: list[list[float]]) -> None:
    table.add_row(name, family, "", "", "", "", *(f"{mean:.2f}" for mean in np.mean(values, axis=0)))


def _print_drops(drops: list[FamilyDrop], splits: list[str]) -> None:
    table = Table("family", "subnets", box=box.SIMPLE_HEAD)
    for split in splits:
        table.add_column(f"{split} drop, mean", justify="right")
        table.add_column("largest", justify="right")
    for drop in drops:
        cells = [f"{value:+.2f}" for split in splits for value in (drop.mean[split], drop.largest[split])]
        table.add_row(drop.family, str(drop.subnets), *cells)
    print("drop from float32 to int8, in points:")
    print_wide(table)


def main() -> None:
    parser = Parser(
        prog="python -m supernet.evaluate", description="Accuracy of the networks in a checkpoint."
    )
    add_checkpoint(parser.add_argument)
    add_data(parser.add_argument)
    parser.add_argument(
        "--split", choices=(*SPLITS, "both"), default="both", help="images to classify (default: %(default)s)"
    )
    parser.add_argument(
        "--random", type=int, metavar="N", help="number of random subnets of a supernet (default: 20)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="random seed of the random subnets (default: 0)",
    )
    parser.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        help="how random subnets are drawn: uniform over genes, each family equally often, or each of "
        "eight bins of multiply-accumulates (default: family)",
    )
    parser.add_argument(
        "--precision",
        default="fp32",
        help="number format: bf16, fp32, auto, or int8 together with fp32 (default: %(default)s)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if arguments.dataset and arguments.data is None:
        parser.error(f"--dataset {arguments.dataset} needs --data, the folder that it lies in")
    check_least(arguments, random=0, seed=0)
    keep_freed_memory()
    device = resolve_device(arguments.device)
    precision = resolve_precision(arguments.precision, device, SCORED_IN)
    console = Console(stderr=True)
    if warning := emulation_warning(precision, device):
        console.print(warning, soft_wrap=True)
    networks = load_networks(arguments.checkpoint)
    for name, default in OF_SUPERNETS.items():
        if networks.network is not None and getattr(arguments, name) is not None:
            parser.error(
                f"--{name} chooses subnets, but {arguments.checkpoint} holds one network: leave it out"
            )
        if getattr(arguments, name) is None:
            setattr(arguments, name, default)
    splits = list(SPLITS) if arguments.split == "both" else [arguments.split]
    images = chosen_images(
        arguments.data, arguments.dataset, splits, networks.image_space, arguments.checkpoint
    )
    subnets = _subnets(networks, arguments)
    by_precision = class_figures(
        networks.supernet.to(device),
        list(subnets.values()),
        images,
        precision=precision,
        device=device,
        console=console,
        statistics=networks.statistics,
    )
    rows = [_row(name, subnet, number, by_precision) for number, (name, subnet) in enumerate(subnets.items())]
    names = networks.class_names
    if arguments.json:
        record: dict[str, Any] = {
            "checkpoint": str(arguments.checkpoint),
            "precision": precision,
            "sampling": arguments.sampling if networks.network is None else None,
            "subnets": [_record(row, names) for row in rows],
        }
        if precision == INT8:
            record["drops"] = list(map(asdict, family_drops(rows, splits)))
        print(json.dumps(record, indent=2))
    else:
        _print(rows, splits, arguments.sampling, names)
    for row in rows:
        for split in splits:
            if text := few_classes_warning(row.name, split, row.figures[split], names):
                print(f"warning: {text}", file=sys.stderr)


def _subnets(networks: CheckpointNetworks, arguments: Namespace) -> dict[str, Subnet]:
    """The networks to score, by name."""
    if networks.network is not None:
        return {"network": networks.network}
    space = networks.supernet.space
    return chosen_subnets(space, arguments.random, arguments.seed, arguments.sampling)


def _row(
    name: str, subnet: Subnet, number: int, by_precision: dict[str, dict[str, list[ClassFigures]]]
) -> Row:
    """The row of the report for the network of this number; the last number format is the one asked for."""
    figures = [
        {split: of_split[number] for split, of_split in by_split.items()}
        for by_split in by_precision.values()
    ]
    scores = [{split: each.accuracy for split, each in by_split.items()} for by_split in figures]
    return Row(
        name=name,
        family=family(subnet).value,
        conv_blocks=subnet.conv_blocks,
        vit_blocks=subnet.vit_blocks,
        macs=complexity.macs(subnet),
        params=complexity.params(subnet),
        accuracy=scores[-1],
        accuracy_fp32=scores[0] if len(scores) > 1 else None,
        figures=figures[-1],
    )


def _record(row: Row, names: Sequence[str]) -> dict[str, Any]:
    """A row of the report as JSON values."""
    by_class = {split: figures.to_json(names) for split, figures in row.figures.items()}
    record = {field.name: getattr(row, field.name) for field in fields(row) if field.name != "figures"}
    return record | {"by_class": by_class}


if __name__ == "__main__":
    run_command(main)
