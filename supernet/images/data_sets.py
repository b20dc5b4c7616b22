"""Data sets on disk: training images, search images that score subnets, and test images.

`torchvision.datasets` reads its own layouts. Nothing is downloaded here; `python -m supernet.data` does that.
Grey images get three equal channels. CIFAR and Fashion-MNIST keep their size, since the supernet resizes its
input to the resolution of each subnet.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from search_space.errors import H4HWarning
from search_space.space import Space
from supernet.checkpoints.header import FORMAT, NETWORK_FORMAT, read_header
from supernet.checkpoints.image_input import CROP, ImageInput, resized_side, stored_image_input
from supernet.images import cifar10
from supernet.images.class_folders import missing_classes, test_pictures, train_folder
from supernet.images.evaluation_pack import CALIBRATED_ON, VAL_IMAGES, EvaluationPack, chosen_count, digest
from supernet.images.folder_layouts import DatasetError, download_command, recognised
from supernet.images.image_folder import Listing, list_folder
from supernet.images.labelled_images import Images, LabelledImages, check_classes, loaded
from supernet.images.search_split import Split, cut, recorded_seed

SKIPPED = "skip_unreadable"
"""Key of the record of a split for the number of unreadable images that may be left out."""


@dataclass(frozen=True)
class ImageData:
    """A data set.

    Attributes:
        name: One of `supernet.images.folder_layouts.LAYOUTS`.
        class_names: Names of the classes in order.
        train: All training images.
        content: Digest that identifies the training images: of file names, or of labels.
        read_test: Reads the test images, which are for final reports only.
        side: Side of the squares that a network sees, in pixels.
        prescribed: Fixed split of the data set, if it has one.
        fit: How images from folders become squares, one of `supernet.checkpoints.image_input.FITS`.
        skip_unreadable: Number of unreadable images that each split of a folder may leave out.
    """

    name: str
    class_names: tuple[str, ...]
    train: Images
    content: str
    read_test: Callable[[], Images]
    side: int
    prescribed: Split | None = None
    fit: str = CROP
    skip_unreadable: int = 0

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def image_input(self) -> ImageInput:
        """How the images are prepared, and the names of their classes, for the header of a checkpoint."""
        # Only images from folders are cut out of larger squares.
        resize = resized_side(self.side, self.fit) if self.name == "folder" else self.side
        return ImageInput(self.side, resize, self.class_names, self.fit)

    def trained_by(self, flip: float, class_weights: str) -> ImageInput:
        """`image_input` with the settings of a training on these images."""
        return replace(self.image_input, flip=flip, class_weights=class_weights)

    def split(self, seed: int | None = None) -> Split:
        """The split into training and search images.

        Args:
            seed: Random seed of the split. None takes the fixed split of the data set, or seed 0 without one.

        Raises:
            DatasetError: There are too few images.
        """
        if seed is None and self.prescribed is not None:
            return self.prescribed
        return cut(self.train.labels, seed or 0)

    def recorded(self, split: Split) -> dict[str, str]:
        """Record of `split` for the header of a checkpoint trained on it."""
        record = split.record(self.name, self.content)
        return record | ({SKIPPED: str(self.skip_unreadable)} if self.skip_unreadable else {})

    def split_like(self, record: Mapping[str, Any] | None) -> Split:
        """The split that a checkpoint was trained with.

        Args:
            record: Record in the checkpoint's header. None takes the default split of the data set.

        Raises:
            DatasetError: The checkpoint was trained on other images, so it may have seen the search images.
        """
        split = self.split(recorded_seed(record))
        here = self.recorded(split)
        if record is not None and dict(record) != here:
            raise DatasetError(
                f"the checkpoint was trained on other images ({_short(record)}) than --data holds "
                f"({_short(here)}), so the search split could contain its training images: give the "
                f"unchanged images it was trained on, or train a supernet on these"
            )
        return split


def _short(record: Mapping[str, Any]) -> str:
    return f"{record.get('data_set')}, {record.get('split_counts')}, split {str(record.get('split'))[:12]}"


def open_data(
    directory: Path,
    name: str | None,
    space: Space,
    *,
    like: Path | None = None,
    fit: str = CROP,
    skip_unreadable: int = 0,
) -> ImageData:
    """The data set in `directory`, for networks of `space`.

    Args:
        directory: Folder given as --data.
        name: Name given as --dataset, or None.
        space: Search space. Its largest resolution decides the size of images from folders.
        like: Checkpoint whose header replaces `fit` and `skip_unreadable`. Its networks then see images as in
            their training.
        fit: How images from folders become squares, one of `supernet.checkpoints.image_input.FITS`.
        skip_unreadable: Number of unreadable images that each split of a folder may leave out.

    Raises:
        DatasetError: The data set is absent or damaged.
        CheckpointError: The checkpoint is damaged, or its classes are other ones.
        H4HError: Its number of classes differs from that of `space`.
    """
    name = recognised(directory, name)
    names: tuple[str, ...] = ()
    if like is not None:
        trained = stored_image_input(like)
        fit, names = trained.fit, trained.class_names
        header = read_header(like, (FORMAT, NETWORK_FORMAT))
        skip_unreadable = int(header.get("data", {}).get(SKIPPED, 0))
    if name == "folder":
        data = _folder(directory, space, fit, skip_unreadable)
        if names and names != data.class_names:
            odd = sorted(set(names) ^ set(data.class_names))
            raise DatasetError(
                f"checkpoint {like} was trained on other classes than --data {directory} holds: only one of "
                f"them has {', '.join(odd[:3])}{' ...' if len(odd) > 3 else ''}: give the unchanged images "
                f"it was trained on, or train a supernet on these"
            )
        return data
    if fit != CROP:
        raise DatasetError(f"fit must be {CROP} for {name}, whose images are square, but got {fit}")
    readers = {"cifar10": _cifar10, "cifar100": _cifar100, "fashion-mnist": _fashion_mnist}
    data = readers[name](directory)
    check_classes(space, data.classes)
    return data


def evaluation_images(
    directory: Path,
    name: str | None,
    *,
    space: Space,
    checkpoint: Path,
    val_images: int | None = None,
    calibration_images: int | None = None,
) -> EvaluationPack:
    """Search and calibration images from a user's training images. Test images are not read.

    Args:
        directory: Folder given as --data.
        name: Name given as --dataset, or None.
        space: The search space.
        checkpoint: File of the supernet, whose split is used.
        val_images: Number of search images to read (default: `VAL_IMAGES`, or all if there are fewer).
        calibration_images: Number of calibration images (default: `CALIBRATED_ON`).

    Raises:
        DatasetError: The data set is absent or damaged, or the checkpoint was trained on another.
        H4HError: Its number of classes differs from that of `space`, or it has too few images.
        CheckpointError: The checkpoint is damaged.
    """
    trained_on = read_header(checkpoint).get("data")
    data = open_data(directory, name, space, like=checkpoint)
    split = data.split_like(trained_on)
    val_images = chosen_count("--val-images", val_images, VAL_IMAGES, len(split.search))
    calibration_images = chosen_count(
        "--calibration-images", calibration_images, CALIBRATED_ON, len(split.train)
    )
    search = loaded(data.train.subset(split.search[:val_images]))
    calibration = loaded(data.train.subset(split.train[:calibration_images]))
    return EvaluationPack(
        search, calibration, digest(search, calibration), data.class_names, data.recorded(split)
    )


def _cifar10(directory: Path) -> ImageData:
    train, test = cifar10.load(directory)
    return ImageData(
        name="cifar10",
        class_names=cifar10.CLASS_NAMES,
        train=train,
        content=_digest(train.labels),
        read_test=lambda: test,
        side=cifar10.SIDE,
        prescribed=cifar10.fixed_split(len(train)),
    )


def _cifar100(directory: Path) -> ImageData:
    from torchvision.datasets import CIFAR100

    def read(*, train: bool) -> tuple[LabelledImages, tuple[str, ...]]:
        try:
            data_set = CIFAR100(str(directory), train=train)
        except RuntimeError as error:
            raise _damaged("CIFAR-100", "cifar100", directory) from error
        return cifar10.channel_first(data_set.data, data_set.targets), tuple(data_set.classes)

    images, names = read(train=True)
    return ImageData(
        "cifar100", names, images, _digest(images.labels), lambda: read(train=False)[0], cifar10.SIDE
    )


def _fashion_mnist(directory: Path) -> ImageData:
    from torchvision.datasets import FashionMNIST

    def read(*, train: bool) -> LabelledImages:
        try:
            data_set = FashionMNIST(str(directory), train=train)
        # torchvision checks no sums here, so a damaged file raises any error of its parser.
        except (RuntimeError, ValueError, AssertionError, LookupError, OSError) as error:
            raise _damaged("Fashion-MNIST", "fashion-mnist", directory) from error
        # (n, h, w) -> (n, 3, h, w)
        return LabelledImages(data_set.data[:, None].repeat(1, 3, 1, 1), data_set.targets)

    images = read(train=True)
    names = tuple(FashionMNIST.classes)
    side = images.pixels.shape[-1]
    return ImageData("fashion-mnist", names, images, _digest(images.labels), lambda: read(train=False), side)


def _damaged(title: str, name: str, directory: Path) -> DatasetError:
    return DatasetError(
        f"{title} in {directory} is incomplete or damaged: delete it and run "
        f"`{download_command(name, directory)}`"
    )


def _digest(labels: Tensor) -> str:
    return hashlib.sha256(labels.to(torch.int64).numpy().tobytes()).hexdigest()


def _folder(directory: Path, space: Space, fit: str, skip_unreadable: int) -> ImageData:
    listing = list_folder(train_folder(directory), fit=fit)
    check_classes(space, len(listing.classes))  # Before decoding, which may take minutes.
    crop = max(space.resolution)
    if skip_unreadable:
        listing = listing.without_unreadable(skip_unreadable, crop=crop)

    def read_test() -> Images:
        test = Listing(test_pictures(directory, listing.files), fit)
        if missing := test.files.empty_classes:
            warnings.warn(missing_classes(test.folder, missing), H4HWarning, stacklevel=2)
        if skip_unreadable:
            test = test.without_unreadable(skip_unreadable, crop=crop, may_be_empty=True)
        return test.images(crop=crop)

    return ImageData(
        name="folder",
        class_names=listing.classes,
        train=listing.images(crop=crop),
        content=listing.content,
        read_test=read_test,
        side=crop,
        fit=fit,
        skip_unreadable=skip_unreadable,
    )
