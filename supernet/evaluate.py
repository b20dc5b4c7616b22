"""Final report of a checkpoint: accuracy of the largest, the smallest and random subnets.

    python -m supernet.data cifar10
    python -m supernet.evaluate --checkpoint runs/cifar32/checkpoint.safetensors --data data

The test split is for such reports alone; a search never sees it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from search_space import complexity
from search_space.command_line import Parser, run_command
from search_space.families import family
from search_space.space import Space
from search_space.subnet import Subnet
from search_space.wide_table import print_wide
from supernet import cifar10, oracle
from supernet.allocator import keep_freed_memory
from supernet.checkpoint import load_checkpoint
from supernet.checkpoint_header import check_trained_on_pack, read_header
from supernet.checkpoints import built_in_checkpoint
from supernet.datasets import open_data
from supernet.evaluation_pack import built_in_pack, load_pack
from supernet.images import BATCH, Images, check_classes
from supernet.layouts import add_data
from supernet.precision import resolve_device, resolve_precision

SPLITS = ("search", "test")
DEFAULT_DATA = Path("data")


@dataclass(frozen=True)
class Row:
    """Accuracy of one subnet in %, by split."""

    name: str
    family: str
    conv_blocks: int
    vit_blocks: int
    macs: int
    params: int
    accuracy: dict[str, float]


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


def _print(rows: list[Row], splits: list[str]) -> None:
    table = Table("subnet", "family", "conv", "ViT", "MMAC", "parameters", box=box.SIMPLE_HEAD)
    for split in splits:
        table.add_column(f"{split} top-1 %", justify="right")
    for row in rows:
        cells = (row.name, row.family, str(row.conv_blocks), str(row.vit_blocks), f"{row.macs / 1e6:.2f}")
        table.add_row(*cells, f"{row.params:,}", *(f"{row.accuracy[split]:.2f}" for split in splits))
    random = [row for row in rows if row.name.startswith("random")]
    if random:
        table.add_section()
        means = (f"{np.mean([row.accuracy[split] for row in random]):.2f}" for split in splits)
        table.add_row(f"mean of {len(random)} random", "", "", "", "", "", *means)
    print_wide(table)


def main() -> None:
    parser = Parser(prog="python -m supernet.evaluate", description="Accuracy of a checkpoint's subnets.")
    parser.add_argument("--checkpoint", type=Path, help="safetensors file (default: the shipped one)")
    add_data(parser.add_argument)
    parser.add_argument(
        "--split", choices=(*SPLITS, "both"), default="both", help="images to classify (default: %(default)s)"
    )
    parser.add_argument("--random", type=int, default=20, help="random subnets (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random subnets (default: %(default)s)")
    parser.add_argument("--precision", default="fp32", help="bf16, fp32 or auto (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if arguments.dataset and arguments.data is None:
        parser.error(f"--dataset {arguments.dataset} needs --data, the folder that it lies in")
    for name in ("random", "seed"):
        if getattr(arguments, name) < 0:
            parser.error(f"--{name} must be at least 0, but got {getattr(arguments, name)}")

    checkpoint = arguments.checkpoint or built_in_checkpoint("cifar32")
    keep_freed_memory()
    device = resolve_device(arguments.device)
    precision = resolve_precision(arguments.precision, device)
    supernet = load_checkpoint(checkpoint).to(device).eval()
    splits = list(SPLITS) if arguments.split == "both" else [arguments.split]
    parts = chosen_images(arguments.data, arguments.dataset, splits, supernet.space, checkpoint)
    calibration = oracle.prepare(parts.calibration, precision=precision, device=device)

    subnets = chosen_subnets(supernet.space, arguments.random, arguments.seed)
    console = Console(stderr=True)
    progress = partial(track, console=console, transient=True, disable=not console.is_terminal)
    statistics = {
        name: oracle.calibrate(supernet, subnet, calibration)
        for name, subnet in progress(subnets.items(), "batch-norm statistics")
    }
    correct = {name: dict.fromkeys(splits, 0) for name in subnets}
    for split, images in parts.splits.items():
        # Images outside, subnets inside: a large test split is decoded once and never held whole.
        batches = oracle.stream(images, precision=precision, device=device)
        for batch, labels in progress(batches, f"{split} split", -(-len(images) // BATCH)):
            for name, subnet in subnets.items():
                correct[name][split] += oracle.right(supernet, subnet, batch, labels, statistics[name])
    rows = [
        Row(
            name=name,
            family=family(subnet).value,
            conv_blocks=subnet.conv_blocks,
            vit_blocks=subnet.vit_blocks,
            macs=complexity.macs(subnet),
            params=complexity.params(subnet),
            accuracy={
                split: 100 * correct[name][split] / len(images) for split, images in parts.splits.items()
            },
        )
        for name, subnet in subnets.items()
    ]
    if arguments.json:
        record = {
            "checkpoint": str(checkpoint),
            "precision": precision,
            "subnets": list(map(asdict, rows)),
        }
        print(json.dumps(record, indent=2))
    else:
        _print(rows, splits)


if __name__ == "__main__":
    run_command(main)
