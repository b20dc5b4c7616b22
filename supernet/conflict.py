"""Gradient conflict between subnets, by kind of subnet and group of parameters.

    python -m supernet.conflict --checkpoint runs/cifar32/checkpoint.safetensors --plot conflict.png
    python -m supernet.conflict --runs runs/joint runs/two_phase --plot curves.svg

H4H (ASP-DAC 2025) trains convolution and transformer blocks in two phases because they pull shared weights
in conflicting directions. NASViT (ICLR 2022) finds the same between the subnets of a ViT supernet. The
command measures the cosine between the gradients of two random subnets on the same images
(`gradient_conflict.subnet_gradients`). Labels are the only teacher, so the cosine means the same for every
recipe.

With `--runs`, the command measures nothing. It draws what trainings measured with `--conflict-every`.
"""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from search_space.command.command_line import Parser, check_least, run_command
from search_space.command.progress_lines import tracked
from search_space.command.wide_table import print_wide
from search_space.errors import H4HError
from search_space.files.figure_file import check_figure_path, save_figure
from search_space.subnet_sampling import SAMPLINGS, UNIFORM
from supernet.checkpoints import add_checkpoint
from supernet.checkpoints.header import read_header, stored_space
from supernet.gradient_conflict.figures import history_figure, read_measurements, report_figure, run_names
from supernet.gradient_conflict.measure import measure
from supernet.gradient_conflict.measurement import ConflictReport, Cosines, PairKind
from supernet.gradient_conflict.subnet_gradients import ParameterGroup
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


def _cells(cosines: Cosines | None) -> tuple[str, str, str]:
    if cosines is None:
        return "", "", ""
    error = "" if cosines.standard_error is None else f" ± {cosines.standard_error:.3f}"
    return f"{cosines.mean:.3f}{error}", f"{100 * cosines.negative:.1f} %", f"{cosines.count:,}"


def training_images(directory: Path | None, name: str | None, checkpoint: Path) -> tuple[Images, str]:
    """Training images of the supernet of `checkpoint`, with a name for them.

    Args:
        directory: Value of --data; None for the images in the evaluation pack.
        name: Value of --dataset, if given.
        checkpoint: File of the supernet.
    """
    if directory is not None:
        data = open_data(directory, name, stored_space(checkpoint), like=checkpoint)
        split = data.split_like(read_header(checkpoint).get("data"))
        return data.train.subset(split.train), f"the training split of {data.name} in {directory}"
    images = load_pack(built_in_pack()).calibration
    check_classes(stored_space(checkpoint), int(images.labels.max()) + 1)
    return images, f"the {len(images):,} training images of CIFAR-10 that come with the project"


MOST_SUBNETS = 1_000
"""Upper bound of the subnets of a kind per batch, whose gradients are held at once and compared in pairs."""


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m supernet.conflict",
        description="Measure gradient conflict between a checkpoint's subnets, or draw it over training.",
    )
    add_checkpoint(parser.add_argument)
    add_data(parser.add_argument)
    for name, default, text in (
        ("batches", 8, "number of batches, each with its own subnets"),
        ("images", 128, "batch size"),
        ("subnets", 8, "number of CNNs per batch, and of hybrids"),
        ("seed", 0, "random seed of images and subnets"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"{text} (default: %(default)s)"
        )
    parser.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        default=UNIFORM,
        help="how to draw hybrids: uniform over genes, each family equally often, or each of eight bins of "
        "multiply-accumulates equally often (default: %(default)s)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="figure to write (.png, .svg or .pdf): bars, or curves with --runs",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="training folders, or their log.jsonl: draw the conflict that these trainings logged",
    )
    return parser


def main() -> None:
    parser = make_parser()
    arguments = parser.parse_args()
    check_least(arguments, batches=1, images=2, subnets=2, seed=0)
    if arguments.subnets > MOST_SUBNETS:
        parser.error(f"--subnets must be at most {MOST_SUBNETS}, but got {arguments.subnets}")
    if arguments.plot is not None:
        check_figure_path(arguments.plot)
    if arguments.runs is None:
        _measure(arguments)
        return
    if arguments.plot is None:
        parser.error("--runs needs --plot, the figure to write")
    if arguments.data is not None or arguments.json:
        option = "--json" if arguments.json else "--data"
        parser.error(f"--runs draws what trainings logged and measures nothing: leave out {option}")
    if len(set(arguments.runs)) != len(arguments.runs):
        parser.error("--runs must name each run once")
    measurements = [[read_measurements(path)] for path in arguments.runs]
    curves = dict(zip(run_names(arguments.runs), measurements, strict=True))
    save_figure(history_figure(curves), arguments.plot)
    print(f"figure: {arguments.plot}")


def _measure(arguments: Namespace) -> None:
    keep_freed_memory()
    device = resolve_device(arguments.device)
    checkpoint = arguments.checkpoint
    supernet = load_checkpoint(checkpoint).to(device)
    images, source = training_images(arguments.data, arguments.dataset, checkpoint)
    count = arguments.batches * arguments.images
    if count > len(images):
        raise H4HError(
            f"--batches times --images must be at most {len(images)}, the number of images in {source}, "
            f"but got {count}: choose smaller ones"
            + ("" if arguments.data else ", or pass the folder of a data set as --data")
        )
    rng = np.random.default_rng(arguments.seed)
    order = torch.from_numpy(rng.permutation(len(images))[:count])
    parts = (loaded(images.subset(part)) for part in torch.split(order, arguments.images))
    batches = (
        (normalised(part.pixels.to(device), torch.float32, supernet.pixel_scale), part.labels.to(device))
        for part in parts
    )
    shown = tracked(batches, "batches", arguments.batches, Console(stderr=True))
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
