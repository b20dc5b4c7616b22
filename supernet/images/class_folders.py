"""Folders of pictures, one folder per class: files that count, files that are skipped. Needs no torch.

Nothing is opened here but folders. Classes and files are in the order of their names' code points, as in
torchvision.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from supernet.images.folder_layouts import TEST_NAMES, TRAIN_NAMES, DatasetError, split_folders
from supernet.images.picture_file import SUFFIXES, shown

HELPERS = frozenset(
    ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "__pycache__", "$recycle.bin")
)
"""Names, in lower case, that systems leave beside pictures."""

NAMED = 3
"""Most names that a message lists of one kind."""


@dataclass
class Skipped:
    """What is not taken from a folder, by reason.

    Attributes:
        hidden: Number of names with a leading dot, and of `HELPERS`.
        suffixes: Number of other files by suffix.
        loose: Files beside the folders of the classes.
        repeated: Files that are the same file as an earlier one, through a link.
        nested: Folders inside of the folders of classes, whose pictures count for the class.
    """

    hidden: int = 0
    suffixes: Counter[str] = field(default_factory=Counter)
    loose: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    nested: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """One line for each kind."""
        if self.hidden:
            yield f"{self.hidden:,} hidden or system files and folders skipped (.name, Thumbs.db, ...)"
        if self.suffixes:
            most = self.suffixes.most_common(2 * NAMED)
            kinds = ", ".join(f"{count:,} {suffix or 'without suffix'}" for suffix, count in most)
            more = ", ..." if len(self.suffixes) > len(most) else ""
            remedy = "; convert .heic to .jpg" if {".heic", ".heif"} & set(self.suffixes) else ""
            yield f"{self.suffixes.total():,} files skipped, no picture format: {kinds}{more}{remedy}"
        if self.loose:
            yield f"{len(self.loose):,} files skipped, beside the folders of the classes: {_some(self.loose)}"
        if self.repeated:
            yield (
                f"{len(self.repeated):,} files skipped, the same file by a link as one before: "
                f"{_some(self.repeated)}"
            )
        if self.nested:
            yield (
                f"{len(self.nested):,} folders lie inside of a class, and their pictures count for it: "
                f"{_some(self.nested)}"
            )


def _some(paths: Sequence[str]) -> str:
    """The first of `paths`, for a message."""
    return ", ".join(map(shown, paths[:NAMED])) + (", ..." if len(paths) > NAMED else "")


@dataclass(frozen=True)
class ClassFolders:
    """Pictures below a folder, by class. No picture has been opened.

    Attributes:
        folder: Folder with a subfolder for each class.
        classes: Names of the classes in order.
        paths: Paths of the pictures, class by class.
        labels: Class of each picture.
        skipped: What was not taken.
    """

    folder: Path
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: tuple[int, ...]
    skipped: Skipped

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Number of pictures of each class."""
        numbers = Counter(self.labels)
        return tuple(numbers[label] for label in range(len(self.classes)))

    @property
    def empty_classes(self) -> tuple[str, ...]:
        """Names of the classes without pictures."""
        return tuple(name for name, count in zip(self.classes, self.counts, strict=True) if not count)

    @cached_property
    def real_paths(self) -> frozenset[str]:
        """Real paths of the pictures."""
        return frozenset(map(os.path.realpath, self.paths))


def class_folders(folder: Path) -> ClassFolders:
    """Lists the training pictures below `folder`.

    Raises:
        DatasetError: `folder` cannot be read, there are fewer than two classes, a class has no pictures, or
            the name of a class is no UTF-8.
    """
    skipped = Skipped()
    names, files = _listed(folder, skipped)
    if not names:
        beside = f"; {files} files lie in it directly" if files else ""
        raise DatasetError(
            f"{shown(folder)} must hold a folder of pictures for each class, but it holds no folder{beside}"
        )
    if len(names) == 1:
        raise DatasetError(
            f"{shown(folder)} holds one class, {names[0]!r}: it must hold a folder for each of at least 2"
        )
    found = _by_class(folder, names, skipped, frozenset())
    if empty := [name for name, paths in found.items() if not paths]:
        left_out = next(skipped.lines(), "")
        raise DatasetError(
            f"{shown(folder)} holds no pictures of {len(empty)} of {len(names)} classes ({_some(empty)}): "
            f"add some, or delete their folders{f' ({left_out})' if left_out else ''}"
        )
    return _collected(folder, names, found, skipped)


def train_folder(directory: Path) -> Path:
    """Folder of training pictures in `directory`, by its usual name.

    Raises:
        DatasetError: There is none.
    """
    folders = split_folders(directory, TRAIN_NAMES)
    if not folders:
        raise DatasetError(f"{shown(directory)} holds no folder {TRAIN_NAMES[0]}/ of training pictures")
    return folders[0]


def test_folder(directory: Path) -> Path | None:
    """Folder of test pictures in `directory`, by its usual name; None if there is none."""
    folders = split_folders(directory, TEST_NAMES)
    return folders[0] if folders else None


def test_pictures(directory: Path, train: ClassFolders) -> ClassFolders:
    """Lists the test pictures in `directory`.

    Raises:
        DatasetError: There are none, or as `listed_test`.
    """
    folder = test_folder(directory)
    if folder is None:
        raise DatasetError(
            f"{shown(directory)} holds no test images: put those of each class into {shown(directory)}/"
            f"{TEST_NAMES[0]}/CLASS (`supernet.evaluate --split search` needs none)"
        )
    return listed_test(folder, train)


def missing_classes(folder: Path, names: Sequence[str]) -> str:
    """Note on classes that lack test pictures."""
    return (
        f"{shown(folder)} holds no pictures of {len(names)} classes ({_some(names)}): accuracy on test "
        f"images says nothing about them"
    )


def listed_test(folder: Path, train: ClassFolders) -> ClassFolders:
    """Lists the test pictures below `folder`.

    Their classes are those of `train`, by name. A class may lack test pictures. Files that are training
    pictures as well, through a link, are left out.

    Raises:
        DatasetError: `folder` cannot be read, it holds classes that `train` has not, or no pictures.
    """
    skipped = Skipped()
    names, _ = _listed(folder, skipped)
    found = _by_class(folder, names, skipped, train.real_paths)
    if odd := [name for name in names if name not in train.classes and found[name]]:
        raise DatasetError(
            f"{shown(folder)} holds classes that {shown(train.folder)} has not ({_some(odd)}): rename their "
            f"folders like those of the training pictures, or delete them"
        )
    if not any(found.values()):
        left_out = "; ".join(skipped.lines())
        raise DatasetError(
            f"{shown(folder)} holds no test pictures: put those of each class into {shown(folder)}/CLASS"
            f"{f' ({left_out})' if left_out else ''}"
        )
    return _collected(folder, train.classes, found, skipped)


def _collected(
    folder: Path, classes: Sequence[str], found: Mapping[str, list[str]], skipped: Skipped
) -> ClassFolders:
    pairs = [(path, label) for label, name in enumerate(classes) for path in found.get(name, ())]
    paths, labels = zip(*pairs, strict=True)
    return ClassFolders(folder, tuple(classes), paths, labels, skipped)


def _listed(folder: Path, skipped: Skipped) -> tuple[list[str], int]:
    """Names of the folders in `folder`, and the number of files beside them.

    Raises:
        DatasetError: `folder` cannot be read, or the name of a class is no UTF-8.
    """
    names: list[str] = []
    files: list[str] = []
    for entry in _entries(folder, skipped):
        (names if _is_folder(entry) else files).append(entry.name)
    skipped.loose += [name for name in files if _suffix(name) in SUFFIXES]
    skipped.suffixes.update(_suffix(name) for name in files if _suffix(name) not in SUFFIXES)
    if odd := [name for name in names if shown(name) != name]:
        more = f" ({len(odd)} such folders)" if len(odd) > 1 else ""
        raise DatasetError(f"the name of class folder {shown(folder / odd[0])} is no UTF-8: rename it{more}")
    return names, len(files)


def _by_class(
    folder: Path, names: Iterable[str], skipped: Skipped, without: frozenset[str]
) -> dict[str, list[str]]:
    """Paths of the pictures of each class, in the order of torchvision: by folder, then by name."""
    seen, visited = set(without), set[str]()
    return {
        name: sorted(_pictures(folder / name, skipped, seen, visited), key=os.path.split) for name in names
    }


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):  # a link to itself
        return entry.is_dir()
    return False


def is_helper(name: str) -> bool:
    """Whether `name` is hidden or one that systems leave beside pictures."""
    return name.startswith(".") or name.lower() in HELPERS


def _entries(folder: Path, skipped: Skipped) -> list[os.DirEntry[str]]:
    """Entries of `folder` that are not hidden, by name."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(
            f"folder {shown(folder)} cannot be read ({error.strerror}): check the path and its permissions"
        ) from error
    hidden = [entry for entry in entries if is_helper(entry.name)]
    skipped.hidden += len(hidden)
    return [entry for entry in entries if not is_helper(entry.name)]


def _pictures(folder: Path, skipped: Skipped, seen: set[str], visited: set[str]) -> Iterator[str]:
    """Paths of the pictures below `folder`, first its own, then those of its folders.

    Args:
        folder: Folder to list.
        skipped: Receives what is left out.
        seen: Real paths of the files that are taken or left out already.
        visited: Real paths of the folders that are listed already.
    """
    real = os.path.realpath(folder)
    if real in visited:
        skipped.repeated.append(str(folder))
        return
    visited.add(real)
    folders = []
    for entry in _entries(folder, skipped):
        if _is_folder(entry):
            folders.append(entry.name)
            continue
        suffix = _suffix(entry.name)
        # A pipe or a device would never end. A link whose target is gone is reported when it is read.
        if suffix not in SUFFIXES or not (entry.is_symlink() or entry.is_file()):
            skipped.suffixes[suffix] += 1
            continue
        # Only a link has another real path than its folder, and to ask the system for each file takes long.
        target = os.path.realpath(entry.path) if entry.is_symlink() else f"{real}{os.sep}{entry.name}"
        if target in seen:
            skipped.repeated.append(entry.path)
            continue
        seen.add(target)
        yield entry.path
    for name in folders:
        skipped.nested.append(str(folder / name))
        yield from _pictures(folder / name, skipped, seen, visited)
