"""Training and test folders made from bare class folders. Needs no torch.

The files are linked, or copied where the file system has no hard links, so the class folders stay as they are
and no disk space is taken twice.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from supernet.images.class_folders import ClassFolders, class_folders
from supernet.images.folder_layouts import TEST_NAMES, TRAIN_NAMES, DatasetError, split_folders
from supernet.images.picture_file import shown


@dataclass(frozen=True)
class MadeSplit:
    """Result of `make_splits`.

    Attributes:
        train, test: Number of pictures in each split.
        groups: Number of groups that were kept together; None without groups.
        alone: Number of pictures of no group.
    """

    train: int
    test: int
    groups: int | None
    alone: int


def make_splits(directory: Path, share: float, group_by: re.Pattern[str] | None = None) -> MadeSplit:
    """Makes ``train/`` and ``val/`` in `directory` from the class folders in it; both are made whole.

    The choice follows from the names of the files alone, so the same files give the same split.

    Args:
        directory: Folder with a folder of pictures for each class.
        share: Share of the pictures of each class for ``val/``, above 0 and below 1.
        group_by: Pattern to find in the name of a file, below the folder of its class. Files with the same
            match (of its first group, if it has one) are in the same split, also across classes.

    Raises:
        DatasetError: The folders are there already, `directory` holds no class folders, or no name matches.
    """
    if present := [*split_folders(directory, TRAIN_NAMES), *split_folders(directory, TEST_NAMES)]:
        raise DatasetError(
            f"--split makes {TRAIN_NAMES[0]}/ and {TEST_NAMES[0]}/ from bare class folders, but "
            f"{shown(present[0])} exists already: delete or rename it, or leave out --split"
        )
    pictures = class_folders(directory)
    groups, alone = _groups(pictures, group_by)
    is_test = choose(pictures.labels, groups, share)
    if not is_test.any():
        raise DatasetError(
            f"no picture can be spared for {TEST_NAMES[0]}/: each class needs pictures of at least two groups"
        )
    _write(directory, pictures, is_test)
    return MadeSplit(
        train=int((~is_test).sum()),
        test=int(is_test.sum()),
        groups=None if group_by is None else len(set(groups)) - alone,
        alone=alone,
    )


def _groups(pictures: ClassFolders, group_by: re.Pattern[str] | None) -> tuple[list[str], int]:
    """Group of each picture, and the number of pictures that have one of their own."""
    paths = [os.path.relpath(path, pictures.folder) for path in pictures.paths]
    if group_by is None:
        return paths, len(paths)
    groups, alone = [], 0
    for path in paths:
        match = group_by.search(path.partition(os.sep)[2])
        # A slash cannot be part of a group's name in this form, so no path equals one.
        groups.append(f"//{match[1] if group_by.groups else match[0]}" if match else path)
        alone += match is None
    if alone == len(paths):
        raise DatasetError(
            f"--group-by {group_by.pattern!r} matches no name of a picture, such as "
            f"{shown(Path(paths[0]).name)}"
        )
    return groups, alone


def choose(labels: tuple[int, ...], groups: list[str], share: float) -> np.ndarray:
    """Chooses test pictures, ``(n,)``, bool: whole groups, so that each class comes close to its share.

    Groups are visited in a random order of seed 0. One is chosen if the classes are closer to their shares
    with it, and if every class keeps a training picture.

    Args:
        labels: Class of each picture.
        groups: Group of each picture.
        share: Share of each class.
    """
    members: defaultdict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    classes = np.array(labels)
    counts = np.bincount(classes)
    # A class with two pictures has one of each kind.
    wanted = np.where(counts >= 2, np.maximum(1.0, share * counts), 0.0)
    chosen = np.zeros(len(counts))
    is_test = np.zeros(len(classes), bool)
    names = sorted(members)
    for position in np.random.default_rng(0).permutation(len(names)):
        indices = members[names[position]]
        change = np.bincount(classes[indices], minlength=len(counts))
        after = chosen + change
        if np.abs(after - wanted).sum() < np.abs(chosen - wanted).sum() and (after < counts).all():
            chosen = after
            is_test[indices] = True
    return is_test


def _write(directory: Path, pictures: ClassFolders, is_test: np.ndarray) -> None:
    """Links the pictures into the folders of the splits, which appear when they are whole."""
    try:
        with tempfile.TemporaryDirectory(prefix=".split-", dir=directory) as made:
            for path, is_in_test in zip(pictures.paths, is_test, strict=True):
                split = TEST_NAMES[0] if is_in_test else TRAIN_NAMES[0]
                target = Path(made, split, os.path.relpath(path, pictures.folder))
                target.parent.mkdir(parents=True, exist_ok=True)
                _link(os.path.realpath(path), target)
            # The training folder last: it makes the folder a data set.
            for split in (TEST_NAMES[0], TRAIN_NAMES[0]):
                Path(made, split).rename(directory / split)
    except OSError as error:
        raise DatasetError(
            f"{shown(directory)} cannot hold the splits ({error.strerror}): check permissions and free space"
        ) from error


def _link(source: str, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        target.symlink_to(source)  # A link whose target is gone stays one, and is reported as unreadable.
    except OSError:
        shutil.copy2(source, target)
