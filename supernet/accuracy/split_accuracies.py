"""Accuracies of subnets on the search and test splits, in float and int8."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from search_space.command.progress_lines import tracked
from search_space.families import Family
from search_space.space import Space
from search_space.subnet import Subnet
from search_space.subnet_sampling import UNIFORM, draw
from supernet.accuracy import many_subnets, one_subnet
from supernet.accuracy.class_figures import ClassFigures, confusion
from supernet.checkpoints.header import FORMAT, NETWORK_FORMAT, check_trained_on_pack, read_header
from supernet.images import cifar10
from supernet.images.data_sets import open_data
from supernet.images.evaluation_pack import built_in_pack, load_pack
from supernet.images.folder_layouts import DEFAULT_DATA
from supernet.images.labelled_images import BATCH, Images, check_classes
from supernet.network.batch_norm import Recorded
from supernet.network.number_formats import INT8
from supernet.network.supernet import Supernet

SPLITS = ("search", "test")


@dataclass(frozen=True)
class Row:
    """One subnet of the report.

    Attributes:
        accuracy: Top-1 accuracy in %, by split.
        accuracy_fp32: Accuracy in float32 if `accuracy` is in int8, else None.
        figures: Figures by class, by split, in the same number format as `accuracy`.
    """

    name: str
    family: str
    conv_blocks: int
    vit_blocks: int
    macs: int
    params: int
    accuracy: dict[str, float]
    accuracy_fp32: dict[str, float] | None = None
    figures: dict[str, ClassFigures] = field(default_factory=dict)

    def drop(self, split: str) -> float:
        """Accuracy loss of int8, in percentage points."""
        assert self.accuracy_fp32 is not None
        return self.accuracy_fp32[split] - self.accuracy[split]


@dataclass(frozen=True)
class FamilyDrop:
    """Accuracy loss of int8 against float32 in one family, in percentage points, by split.

    Attributes:
        family: Name of the family.
        subnets: Number of its subnets.
        mean, largest: Mean and largest loss of these subnets.
    """

    family: str
    subnets: int
    mean: dict[str, float]
    largest: dict[str, float]


def family_drops(rows: Sequence[Row], splits: Sequence[str]) -> list[FamilyDrop]:
    """Accuracy loss of each family that has subnets among `rows`."""
    family_losses = []
    for member in Family:
        drops = {split: [row.drop(split) for row in rows if row.family == member.value] for split in splits}
        if count := len(drops[splits[0]]):
            mean = {split: float(np.mean(of_split)) for split, of_split in drops.items()}
            largest = {split: max(of_split) for split, of_split in drops.items()}
            family_losses.append(FamilyDrop(member.value, count, mean, largest))
    return family_losses


def chosen_subnets(space: Space, random: int, seed: int, sampling: str = UNIFORM) -> dict[str, Subnet]:
    """Largest, smallest and `random` random subnets by name.

    Args:
        space: The search space.
        random: Number of random subnets.
        seed: Their random seed.
        sampling: How they are drawn, one of `SAMPLINGS`.
    """
    rng = np.random.default_rng(seed)
    genotypes = {"largest": space.largest(), "smallest": space.smallest()}
    genotypes |= {f"random {number + 1}": draw(space, sampling, rng, number) for number in range(random)}
    return {name: space.decode(genotype) for name, genotype in genotypes.items()}


@dataclass(frozen=True)
class Parts:
    """Images to classify, by split, and calibration images."""

    splits: dict[str, Images]
    calibration: Images


def chosen_images(
    directory: Path | None, name: str | None, splits: Sequence[str], space: Space, checkpoint: Path
) -> Parts:
    """The images of `splits`; without a `directory`, the evaluation pack and the test split in ``data``.

    Args:
        directory: Folder given as --data, or None.
        name: Name given as --dataset, or None.
        splits: Some of `SPLITS`.
        space: Search space whose largest resolution is the side of the images.
        checkpoint: The file that the networks come from, of either format.

    Raises:
        DatasetError: There is no data set, it is damaged, or not the one that the checkpoint was trained on.
        CheckpointError: Without a `directory`: the checkpoint was trained on other images than CIFAR-10's.
        H4HError: It has another number of classes than `space`.
    """
    if directory is None:
        check_trained_on_pack(checkpoint)
        pack = load_pack(built_in_pack())
        check_classes(space, pack.classes)
        images: dict[str, Images] = {"search": pack.search}
        if "test" in splits:
            images["test"] = cifar10.load(DEFAULT_DATA)[1]
        return Parts({split: images[split] for split in splits}, pack.calibration)
    data = open_data(directory, name, space, like=checkpoint)
    split = data.split_like(read_header(checkpoint, (FORMAT, NETWORK_FORMAT)).get("data"))
    read = {"search": lambda: data.train.subset(split.search), "test": data.read_test}
    calibration = data.train.subset(split.train[: cifar10.CALIBRATION_IMAGES])
    return Parts({split: read[split]() for split in splits}, calibration)


def class_figures(
    supernet: Supernet,
    subnets: Sequence[Subnet],
    images: Parts,
    *,
    precision: str,
    device: torch.device,
    console: Console,
    statistics: Recorded | None = None,
) -> dict[str, dict[str, list[ClassFigures]]]:
    """Figures by class of each subnet, by precision and split; for int8 also in float32.

    Args:
        supernet: Supernet on `device`.
        subnets: Members of its search space.
        images: Images to classify, and calibration images.
        precision: One of `SCORED_IN`.
        device: Device of the computation.
        console: Output of the progress.
        statistics: Batch-norm statistics of the one subnet; None to record them on the calibration images.

    Raises:
        H4HError: A class score is not finite; names the subnet. Or an image cannot be read.
    """
    show = console.is_terminal
    with console.status("batch-norm statistics") if show else nullcontext():
        calibration = one_subnet.prepare(
            images.calibration, precision=precision, device=device, scale=supernet.pixel_scale
        )
        calibrated = many_subnets.calibrate(
            supernet, subnets, calibration, in_integers=precision == INT8, statistics=statistics
        )
    calibrated_by_precision = {precision: calibrated}
    if precision == INT8:
        calibrated_by_precision = {"fp32": replace(calibrated, integers=None)} | calibrated_by_precision
    classes = supernet.space.head.classes
    result: dict[str, dict[str, list[ClassFigures]]] = {name: {} for name in calibrated_by_precision}
    for split, of_split in images.splits.items():
        counts = {
            name: np.zeros((len(subnets), classes, classes), np.int64) for name in calibrated_by_precision
        }
        # Images outside, subnets inside: a large test split is decoded once and never loaded as a whole.
        batches = one_subnet.stream(of_split, precision=precision, device=device, scale=supernet.pixel_scale)
        count = -(-len(of_split) // BATCH)
        for pixels, labels in tracked(batches, f"batches of the {split} split", count, console):
            for name, ready in calibrated_by_precision.items():
                counts[name] += confusion(labels, ready.classify(pixels), classes)
        for name, tables in counts.items():
            result[name][split] = [ClassFigures(table) for table in tables]
    return result
