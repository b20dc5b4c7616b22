"""Evaluation images of a search: the pack in the repository, or part of a user's data set.

The pack holds 5,000 search images and 1,024 calibration images of CIFAR-10, each set as one lossless WebP
mosaic, and their labels. `python -m supernet.data pack` writes it from the data set. A card beside the files
describes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from search_space.errors import H4HError
from supernet.images.cifar10 import CALIBRATION_IMAGES, CLASS_NAMES, SIDE, fixed_split
from supernet.images.folder_layouts import DatasetError
from supernet.images.labelled_images import LabelledImages

COLUMNS = 50
LABELS = "labels.json"

VAL_IMAGES = 2000
CALIBRATED_ON = 512
"""Default numbers of search images and of calibration images."""


@dataclass(frozen=True)
class EvaluationPack:
    """Images for the evaluation of subnets.

    Attributes:
        search: Images that score subnets.
        calibration: Images on which batch-norm statistics are recorded.
        digest: SHA-256 over all pixels and labels.
        class_names: Names of the classes in order.
        record: Origin of the images, for the fingerprint; empty for the shipped pack, whose digest suffices.
    """

    search: LabelledImages
    calibration: LabelledImages
    digest: str
    class_names: tuple[str, ...] = CLASS_NAMES
    record: Mapping[str, str] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        """Number of classes that the labels tell apart."""
        return len(self.class_names)


def chosen_count(option: str, requested: int | None, default: int, available: int) -> int:
    """Number of images to use.

    Args:
        option: Name of the option, for messages.
        requested: Number that the user requests, or None.
        default: Number without a request; fewer if fewer are available.
        available: Number of available images.

    Raises:
        H4HError: `requested` is not between 1 and `available`.
    """
    if requested is None:
        return min(default, available)
    if not 1 <= requested <= available:
        raise H4HError(f"{option} must be 1 to {available}, but got {requested}")
    return requested


def built_in_pack() -> Traversable:
    """Folder of the shipped pack."""
    return resources.files("supernet") / "packs" / "cifar10"


def load_pack(folder: Traversable | Path) -> EvaluationPack:
    """Reads a pack.

    Raises:
        DatasetError: A file is missing or damaged.
    """
    try:
        labels = json.loads((folder / LABELS).read_text())
        parts = {
            name: LabelledImages(_read_mosaic(folder / f"{name}.webp", len(values)), torch.tensor(values))
            for name, values in labels["labels"].items()
        }
        pack = EvaluationPack(parts["search"], parts["calibration"], labels["sha256"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UnidentifiedImageError) as error:
        raise DatasetError(f"evaluation pack {folder} is damaged: {error}") from error
    if digest(pack.search, pack.calibration) != pack.digest:
        raise DatasetError(f"evaluation pack {folder} is damaged: pixels or labels differ from its SHA-256")
    return pack


def write_pack(folder: Path, train: LabelledImages) -> None:
    """Writes the pack from CIFAR-10's training images `train`, ``(50000, 3, 32, 32)``."""
    folder.mkdir(parents=True, exist_ok=True)
    split = fixed_split(len(train))
    parts = {
        "search": train.subset(split.search),
        "calibration": train.subset(split.train[:CALIBRATION_IMAGES]),
    }
    for name, part in parts.items():
        _write_mosaic(folder / f"{name}.webp", part)
    record: dict[str, Any] = {
        "sha256": digest(parts["search"], parts["calibration"]),
        "labels": {name: part.labels.tolist() for name, part in parts.items()},
    }
    (folder / LABELS).write_text(json.dumps(record, separators=(",", ":")) + "\n")


def digest(*parts: LabelledImages) -> str:
    """SHA-256 over pixels and labels of all `parts` in order."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part.pixels.contiguous().numpy().tobytes())
        # One byte holds a class of the pack; more than 256 classes need more.
        kind = torch.uint8 if int(part.labels.max()) < 256 else torch.int64
        sha.update(part.labels.to(kind).numpy().tobytes())
    return sha.hexdigest()


def _write_mosaic(path: Path, images: LabelledImages) -> None:
    rows = -(-len(images) // COLUMNS)
    tiles = np.zeros((rows * COLUMNS, SIDE, SIDE, 3), np.uint8)
    tiles[: len(images)] = images.pixels.permute(0, 2, 3, 1).numpy()
    # (rows, columns, side, side, 3) -> (rows * side, columns * side, 3)
    mosaic = (
        tiles.reshape(rows, COLUMNS, SIDE, SIDE, 3).swapaxes(1, 2).reshape(rows * SIDE, COLUMNS * SIDE, 3)
    )
    Image.fromarray(mosaic).save(path, lossless=True, quality=100, method=6, exact=True)


def _read_mosaic(path: Traversable | Path, count: int) -> torch.Tensor:
    """``(count, 3, 32, 32)``, uint8."""
    with path.open("rb") as file, Image.open(file) as image:
        mosaic = np.asarray(image.convert("RGB"))
    rows = mosaic.shape[0] // SIDE
    tiles = mosaic.reshape(rows, SIDE, COLUMNS, SIDE, 3).swapaxes(1, 2).reshape(-1, SIDE, SIDE, 3)
    if len(tiles) < count:
        raise ValueError(f"{path} holds {len(tiles)} images, but there are {count} labels")
    return torch.from_numpy(tiles[:count].transpose(0, 3, 1, 2).copy())
