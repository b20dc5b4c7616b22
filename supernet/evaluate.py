"""Final report of a checkpoint: accuracy of the largest, the smallest and random subnets.

    python -m supernet.data cifar10
    python -m supernet.evaluate --checkpoint runs/cifar32/checkpoint.safetensors --data data

The test split is for such reports alone; a search never sees it. With `--precision int8` each subnet is
scored in float32, too, and the drop is told for each family.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from search_space import complexity
from search_space.command_line import Parser, run_command
from search_space.families import Family, family
from search_space.space import Space
from search_space.subnet import Subnet
from search_space.wide_table import print_wide
from supernet import cifar10, oracle, shared_oracle
from supernet.allocator import keep_freed_memory
from supernet.checkpoint import load_checkpoint
from supernet.checkpoint_header import check_trained_on_pack, read_header
from supernet.checkpoints import add_checkpoint
from supernet.datasets import open_data
from supernet.evaluation_pack import built_in_pack, load_pack
from supernet.images import BATCH, Images, check_classes
from supernet.layouts import DEFAULT_DATA, add_data
from supernet.model import Supernet
from supernet.precision import INT8, SCORED_IN, emulation_warning, resolve_device, resolve_precision

SPLITS = ("search", "test")


@dataclass(frozen=True)
class Row:
    """One subnet.

    Attributes:
        accuracy: In %, by split.
        accuracy_fp32: The same in float32, where `accuracy` is in int8; else None.
    """

    name: str
    family: str
    conv_blocks: int
    vit_blocks: int
    macs: int
    params: int
    accuracy: dict[str, float]
    accuracy_fp32: dict[str, float] | None = None

    def drop(self, split: str) -> float:
        """What int8 loses, in points."""
        assert self.accuracy_fp32 is not None
        return self.accuracy_fp32[split] - self.accuracy[split]


@dataclass(frozen=True)
class FamilyDrop:
    """What int8 loses against float32 in one family, in points, by split.

    Attributes:
        family: Its name.
        subnets: How many it is the mean of.
        mean, largest: Over those.
    """

    family: str
    subnets: int
    mean: dict[str, float]
    largest: dict[str, float]


def family_drops(rows: Sequence[Row], splits: Sequence[str]) -> list[FamilyDrop]:
    """The drop in each family that has subnets among `rows`."""
    found = []
    for member in Family:
        drops = {split: [row.drop(split) for row in rows if row.family == member.value] for split in splits}
        if count := len(drops[splits[0]]):
            mean = {split: float(np.mean(of_split)) for split, of_split in drops.items()}
            largest = {split: max(of_split) for split, of_split in drops.items()}
            found.append(FamilyDrop(member.value, count, mean, largest))
    return found


def chosen_subnets(space: Space, random: int, seed: int) -> dict[str, Subnet]:
    """Largest, smallest and `random` random subnets by name."""
    rng = np.random.default_rng(seed)
    genotypes = {"largest": space.largest(), "smallest": space.smallest()}
    genotypes |= {f"random {number}": space.sample(rng) for number in range(1, random + 1)}
    return {name: space.decode(genotype) for name, genotype in genotypes.items()}


@dataclass(frozen=True)
class Parts:
    """Images to classify by split, and those that record batch-norm statistics."""

    splits: dict[str, Images]
    calibration: Images


def chosen_images(
    directory: Path | None, name: str | None, splits: Sequence[str], space: Space, checkpoint: Path
) -> Parts:
    """The images of `splits`; without a `directory`, the evaluation pack and the test split in ``data``.

    Raises:
        DatasetError: There is no data set, it is damaged, or not the one that the checkpoint was trained on.
        CheckpointError: Without a `directory`: the checkpoint was trained on other images than CIFAR-10's.
        H4HError: It has another number of classes than `space`.
    """
    if directory is None:
        check_trained_on_pack(checkpoint)
        pack = load_pack(built_in_pack())
        check_classes(space, pack.classes)
        found: dict[str, Images] = {"search": pack.search}
        if "test" in splits:
            found["test"] = cifar10.load(DEFAULT_DATA)[1]
        return Parts({split: found[split] for split in splits}, pack.calibration)
    data = open_data(directory, name, space)
    split = data.split_like(read_header(checkpoint).get("data"))
    read = {"search": lambda: data.train.subset(split.search), "test": data.read_test}
    calibration = data.train.subset(split.train[: cifar10.CALIBRATION_IMAGES])
    return Parts({split: read[split]() for split in splits}, calibration)


def accuracies(
    supernet: Supernet,
    subnets: Sequence[Subnet],
    images: Parts,
    *,
    precision: str,
    device: torch.device,
    console: Console,
) -> dict[str, dict[str, list[float]]]:
    """Top-1 of each subnet in %, by precision and split; in int8 those of float32, too.

    Args:
        supernet: On `device`.
        subnets: Members of its space.
        images: What calibrates and what is classified.
        precision: One of `SCORED_IN`.
        device: Where to compute.
        console: Shows progress.

    Raises:
        H4HError: A class score is not finite; names the subnet. Or an image cannot be read.
    """
    show = console.is_terminal
    with console.status("batch-norm statistics") if show else nullcontext():
        calibration = oracle.prepare(images.calibration, precision=precision, device=device)
        found = {
            precision: shared_oracle.calibrated(supernet, subnets, calibration, in_integers=precision == INT8)
        }
    if precision == INT8:
        found = {"fp32": replace(found[INT8], integers=None)} | found
    result: dict[str, dict[str, list[float]]] = {name: {} for name in found}
    for split, of_split in images.splits.items():
        right = {name: torch.zeros(len(subnets), dtype=torch.int64) for name in found}
        # Images outside, subnets inside: a large test split is decoded once and never held whole.
        batches = oracle.stream(of_split, precision=precision, device=device)
        count = -(-len(of_split) // BATCH)
        for batch in track(
            batches, f"{split} split", count, console=console, transient=True, disable=not show
        ):
            for name, calibrated in found.items():
                right[name] += shared_oracle.correct(calibrated, [batch]).sum(1).cpu()
        for name, counts in right.items():
            result[name][split] = (100 * counts.double() / len(of_split)).tolist()
    return result


def _print(rows: list[Row], splits: list[str]) -> None:
    in_int8 = rows[0].accuracy_fp32 is not None
    table = Table("subnet", "family", "conv", "ViT", "MMAC", "parameters", box=box.SIMPLE_HEAD)
    for split in splits:
        table.add_column(f"{split} top-1 %", justify="right")
        if in_int8:
            table.add_column(f"{split} int8 %", justify="right")

    def values(row: Row) -> list[float]:
        both = [row.accuracy] if row.accuracy_fp32 is None else [row.accuracy_fp32, row.accuracy]
        return [one[split] for split in splits for one in both]

    for row in rows:
        cells = (row.name, row.family, str(row.conv_blocks), str(row.vit_blocks), f"{row.macs / 1e6:.2f}")
        table.add_row(*cells, f"{row.params:,}", *(f"{value:.2f}" for value in values(row)))
    random = [row for row in rows if row.name.startswith("random")]
    if random:
        table.add_section()
        means = np.mean([values(row) for row in random], axis=0)
        table.add_row(f"mean of {len(random)} random", "", "", "", "", "", *(f"{mean:.2f}" for mean in means))
    print_wide(table)
    if in_int8:
        _print_drops(family_drops(rows, splits), splits)


def _print_drops(drops: list[FamilyDrop], splits: list[str]) -> None:
    table = Table("family", "subnets", box=box.SIMPLE_HEAD)
    for split in splits:
        table.add_column(f"{split} drop, mean", justify="right")
        table.add_column("largest", justify="right")
    for one in drops:
        cells = [f"{value:+.2f}" for split in splits for value in (one.mean[split], one.largest[split])]
        table.add_row(one.family, str(one.subnets), *cells)
    print("drop from float32 to int8, in points:")
    print_wide(table)


def main() -> None:
    parser = Parser(prog="python -m supernet.evaluate", description="Accuracy of a checkpoint's subnets.")
    add_checkpoint(parser.add_argument)
    add_data(parser.add_argument)
    parser.add_argument(
        "--split", choices=(*SPLITS, "both"), default="both", help="images to classify (default: %(default)s)"
    )
    parser.add_argument("--random", type=int, default=20, help="random subnets (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random subnets (default: %(default)s)")
    parser.add_argument(
        "--precision", default="fp32", help="bf16, fp32, auto, or int8 beside fp32 (default: %(default)s)"
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
    subnets = chosen_subnets(supernet.space, arguments.random, arguments.seed)
    found = accuracies(
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
            accuracy=of_subnet(number, found[precision]),
            accuracy_fp32=of_subnet(number, found["fp32"]) if precision == INT8 else None,
        )
        for number, (name, subnet) in enumerate(subnets.items())
    ]
    if arguments.json:
        record: dict[str, Any] = {
            "checkpoint": str(checkpoint),
            "precision": precision,
            "subnets": list(map(asdict, rows)),
        }
        if precision == INT8:
            record["drops"] = list(map(asdict, family_drops(rows, splits)))
        print(json.dumps(record, indent=2))
    else:
        _print(rows, splits)


if __name__ == "__main__":
    run_command(main)
