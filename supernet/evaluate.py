"""Final accuracy report of a checkpoint: the largest, the smallest and random subnets.

    python -m supernet.data cifar10
    python -m supernet.evaluate --checkpoint runs/cifar32/checkpoint.safetensors --data data

Only such reports use the test split; a search never does. With `--precision int8`, each subnet is scored in
float32 as well, and the report shows the accuracy loss of each family.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from search_space import complexity
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.families import Family, family
from search_space.subnet_sampling import FAMILY, SAMPLINGS
from supernet.accuracy.split_accuracies import (
    SPLITS,
    FamilyDrop,
    Row,
    accuracies,
    chosen_images,
    chosen_subnets,
    family_drops,
)
from supernet.checkpoints import add_checkpoint
from supernet.images.folder_layouts import add_data
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import (
    INT8,
    SCORED_IN,
    emulation_warning,
    resolve_device,
    resolve_precision,
)
from supernet.network.supernet_file import load_checkpoint


def _print(rows: list[Row], splits: list[str], sampling: str) -> None:
    in_int8 = rows[0].accuracy_fp32 is not None
    table = Table("subnet", "family", "conv", "ViT", "MMAC", "parameters", box=box.SIMPLE_HEAD)
    for split in splits:
        table.add_column(f"{split} top-1 %", justify="right")
        if in_int8:
            table.add_column(f"{split} int8 %", justify="right")

    def values(row: Row) -> list[float]:
        both = [row.accuracy] if row.accuracy_fp32 is None else [row.accuracy_fp32, row.accuracy]
        return [accuracy[split] for split in splits for accuracy in both]

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
    parser = Parser(prog="python -m supernet.evaluate", description="Accuracy of a checkpoint's subnets.")
    add_checkpoint(parser.add_argument)
    add_data(parser.add_argument)
    parser.add_argument(
        "--split", choices=(*SPLITS, "both"), default="both", help="images to classify (default: %(default)s)"
    )
    parser.add_argument(
        "--random", type=int, default=20, metavar="N", help="number of random subnets (default: %(default)s)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="random seed of the random subnets (default: %(default)s)",
    )
    parser.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        default=FAMILY,
        help="how random subnets are drawn: uniform over genes, each family equally often, or each of "
        "eight bins of multiply-accumulates (default: %(default)s)",
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
    for name in ("random", "seed"):
        if getattr(arguments, name) < 0:
            parser.error(f"--{name} must be at least 0, but got {getattr(arguments, name)}")

    checkpoint = arguments.checkpoint
    keep_freed_memory()
    device = resolve_device(arguments.device)
    precision = resolve_precision(arguments.precision, device, SCORED_IN)
    console = Console(stderr=True)
    if warning := emulation_warning(precision, device):
        console.print(warning, soft_wrap=True)
    supernet = load_checkpoint(checkpoint).to(device).eval()
    splits = list(SPLITS) if arguments.split == "both" else [arguments.split]
    images = chosen_images(arguments.data, arguments.dataset, splits, supernet.space, checkpoint)
    subnets = chosen_subnets(supernet.space, arguments.random, arguments.seed, arguments.sampling)
    accuracies_by_precision = accuracies(
        supernet,
        list(subnets.values()),
        images,
        precision=precision,
        device=device,
        console=console,
    )

    def of_subnet(number: int, by_split: dict[str, list[float]]) -> dict[str, float]:
        return {split: values[number] for split, values in by_split.items()}

    rows = [
        Row(
            name=name,
            family=family(subnet).value,
            conv_blocks=subnet.conv_blocks,
            vit_blocks=subnet.vit_blocks,
            macs=complexity.macs(subnet),
            params=complexity.params(subnet),
            accuracy=of_subnet(number, accuracies_by_precision[precision]),
            accuracy_fp32=of_subnet(number, accuracies_by_precision["fp32"]) if precision == INT8 else None,
        )
        for number, (name, subnet) in enumerate(subnets.items())
    ]
    if arguments.json:
        record: dict[str, Any] = {
            "checkpoint": str(checkpoint),
            "precision": precision,
            "sampling": arguments.sampling,
            "subnets": list(map(asdict, rows)),
        }
        if precision == INT8:
            record["drops"] = list(map(asdict, family_drops(rows, splits)))
        print(json.dumps(record, indent=2))
    else:
        _print(rows, splits, arguments.sampling)


if __name__ == "__main__":
    run_command(main)
