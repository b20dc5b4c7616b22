"""How far gradients of subnets conflict, by kind of subnet and by kind of parameter.

    python -m supernet.conflict --checkpoint runs/cifar32/checkpoint.safetensors --plot conflict.png

H4H (ASP-DAC 2025) says that convolution and transformer blocks pull shared weights in conflicting directions
and trains them in two phases for that reason; NASViT (ICLR 2022) finds the same between the subnets of a ViT
supernet. Measured is the cosine between gradients of two random subnets (see `gradients`), all on the same
images, with labels as the only teacher, so that it means the same for every recipe.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.errors import H4HError
from search_space.files.figure_file import check_figure_path, save_figure
from search_space.subnet_sampling import SAMPLINGS, UNIFORM
from supernet.checkpoints import add_checkpoint
from supernet.checkpoints.header import read_header, stored_space
from supernet.gradient_conflict.figures import report_figure
from supernet.gradient_conflict.measure import measure
from supernet.gradient_conflict.measurement import ConflictReport, Cosines, PairKind
from supernet.gradient_conflict.subnet_gradients import (
    ParameterGroup,
)
from supernet.images.data_sets import open_data
from supernet.images.evaluation_pack import built_in_pack, load_pack
from supernet.images.folder_layouts import add_data
from supernet.images.labelled_images import Images, check_classes, loaded, normalised
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import resolve_device
from supernet.network.supernet_file import load_checkpoint


def report_table(report: ConflictReport) -> Table:
    """A row per group; for each kind of pair mean and standard error, share below 0, and number."""
    kinds = [kind for kind in PairKind if kind in report.cosines]
    table = Table("parameters", box=box.SIMPLE_HEAD)
    for kind in kinds:
        for column in (kind.value, "below 0", "cosines"):
            table.add_column(column, justify="right", no_wrap=True)
    for group in ParameterGroup:
        cells = [cell for kind in kinds for cell in _cells(report.cosines[kind].get(group))]
        if any(cells):
            table.add_row(group.value, *cells)
    return table


def _cells(found: Cosines | None) -> tuple[str, str, str]:
    if found is None:
        return "", "", ""
    error = "" if found.standard_error is None else f" ± {found.standard_error:.3f}"
    return f"{found.mean:.3f}{error}", f"{100 * found.negative:.1f} %", f"{found.count:,}"


def training_images(directory: Path | None, name: str | None, checkpoint: Path) -> tuple[Images, str]:
    """Images that the supernet of `checkpoint` was trained on, and what they are called.

    Args:
        directory: What the user gave as --data; None takes those in the evaluation pack.
        name: What the user gave as --dataset, if anything.
        checkpoint: The supernet.
    """
    if directory is not None:
        data = open_data(directory, name, stored_space(checkpoint))
        split = data.split_like(read_header(checkpoint).get("data"))
        return data.train.subset(split.train), f"the training split of {data.name} in {directory}"
    images = load_pack(built_in_pack()).calibration
    check_classes(stored_space(checkpoint), int(images.labels.max()) + 1)
    return images, f"the {len(images):,} training images of CIFAR-10 that come with the project"


def main() -> None:
    parser = Parser(
        prog="python -m supernet.conflict",
        description="Conflict between gradients of a checkpoint's subnets.",
    )
    add_checkpoint(parser.add_argument)
    add_data(parser.add_argument)
    for name, default, text in (
        ("batches", 8, "batches, each with subnets of its own"),
        ("images", 128, "images per batch"),
        ("subnets", 8, "CNNs per batch, and as many hybrids"),
        ("seed", 0, "of images and subnets"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} (default: %(default)s)")
    parser.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        default=UNIFORM,
        help="how hybrids are drawn: uniform over genes, each family equally often, or each of eight bins of "
        "multiply-accumulates (default: %(default)s)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw bars: .png, .svg or .pdf")
    arguments = parser.parse_args()
    for name, least in (("batches", 1), ("images", 2), ("subnets", 2), ("seed", 0)):
        if (value := getattr(arguments, name)) < least:
            parser.error(f"--{name} must be at least {least}, but got {value}")
    if arguments.plot is not None:
        check_figure_path(arguments.plot)

    keep_freed_memory()
    device = resolve_device(arguments.device)
    checkpoint = arguments.checkpoint
    supernet = load_checkpoint(checkpoint).to(device)
    images, source = training_images(arguments.data, arguments.dataset, checkpoint)
    wanted = arguments.batches * arguments.images
    if wanted > len(images):
        raise H4HError(
            f"--batches times --images must be at most {len(images)}, the number of images in {source}, "
            f"but got {wanted}: choose smaller ones"
            + ("" if arguments.data else ", or give the folder of a data set as --data")
        )
    rng = np.random.default_rng(arguments.seed)
    order = torch.from_numpy(rng.permutation(len(images))[:wanted])
    parts = (loaded(images.subset(part)) for part in torch.split(order, arguments.images))
    batches = ((normalised(part.pixels.to(device), torch.float32), part.labels.to(device)) for part in parts)
    shown = track(batches, "batches", total=arguments.batches, console=Console(stderr=True), transient=True)
    report = measure(supernet, shown, rng=rng, subnets=arguments.subnets, sampling=arguments.sampling)
    if arguments.plot is not None:
        title = f"{supernet.space.name}: {report.batches} batches of {arguments.images} images"
        save_figure(report_figure(report, title), arguments.plot)
    if arguments.json:
        record = {
            "checkpoint": str(checkpoint),
            "images": source,
            "seed": arguments.seed,
            "sampling": arguments.sampling,
            "conflict": report.to_dict(),
        }
        print(json.dumps(record, indent=2))
        return
    print(
        f"Cosine between gradients of two subnets, tensor by tensor: {report.batches} batches of "
        f"{arguments.images} images from {source}, without augmentation; {report.subnets} subnets of each "
        f"kind per batch; ± one standard error over batches"
    )
    print_wide(report_table(report))


if __name__ == "__main__":
    run_command(main)
