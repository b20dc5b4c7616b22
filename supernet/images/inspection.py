"""Inspection of an image folder: sizes, modes, broken files and copies, from headers and end markers alone.

A file that has no end marker where it should be is decoded, so a cut one is found. Damage in the middle of a
file shows only when training decodes it. Needs no torch.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from rich.console import Console

from search_space.command.progress_lines import tracked
from supernet.images.class_folders import (
    ClassFolders,
    class_folders,
    listed_test,
    missing_classes,
    test_folder,
    train_folder,
)
from supernet.images.folder_layouts import TEST_NAMES, TRAIN_NAMES, split_folders
from supernet.images.picture_file import (
    UnreadableImageError,
    in_rgb,
    opened,
    orientation,
    shown,
    unreadable,
)
from supernet.images.search_share import held_out

MOST_FILES = 20_000
"""Largest number of files of a split whose headers are read; of a larger split, as many in even steps."""

END_MARKERS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
TAIL = 4096
"""Bytes at the end of a file among which its end marker must lie."""

STRONG_IMBALANCE = 5
"""Ratio of the largest class to the smallest from which a summary warns."""

MOST_ROWS = 24
NAMED = 3


@dataclass(frozen=True)
class Picture:
    """What the header of a picture says.

    Attributes:
        size: Width and height in pixels, before it is turned upright.
        mode: Pillow's mode, such as ``RGB``.
        is_turned: Whether a tag says that it must be turned.
        is_animated: Whether it has several frames.
    """

    size: tuple[int, int]
    mode: str
    is_turned: bool
    is_animated: bool


def look(path: str) -> Picture:
    """Reads the header and checks the end of a picture.

    Raises:
        UnreadableImageError: The file is no picture, is cut, or has a mode that is not read.
    """
    with opened(path) as image:
        found = Picture(image.size, image.mode, _is_turned(image), _is_animated(image))
        if image.mode in ("I", "F") or not _has_end(path, image):
            image.load()
            in_rgb(image)
    return found


def _is_turned(image: Image.Image) -> bool:
    # Pillow would decode a PNG without a tag to look for one behind the pixels.
    return (image.format != "PNG" or "exif" in image.info) and orientation(image) != 1


def _is_animated(image: Image.Image) -> bool:
    return image.format in ("GIF", "PNG", "WEBP", "TIFF", "AVIF") and getattr(image, "is_animated", False)


def _has_end(path: str, image: Image.Image) -> bool:
    """Whether the file ends as its format demands; False where the format tells nothing about it."""
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if image.format == "WEBP":
            # Bytes 4 to 8 hold the length of all that follows.
            return size >= int.from_bytes(file.read(8)[4:], "little") + 8
        marker = END_MARKERS.get(image.format or "")
        if marker is None:
            return False
        file.seek(max(0, size - TAIL))
        # The marker of a preview inside of a short file would pass for the end.
        return marker in file.read().rstrip(b"\0")[-TAIL // 8 :]


@dataclass(frozen=True)
class SplitFacts:
    """What the headers of a split's pictures say.

    Attributes:
        pictures: The pictures by class.
        looked: Number of pictures whose headers were read.
        sizes, modes: Number of pictures by size and by mode.
        turned, animated: Number of pictures that are turned upright, and that have several frames.
        broken: Paths of pictures that cannot be read, with the reasons.
    """

    pictures: ClassFolders
    looked: int
    sizes: Counter[tuple[int, int]]
    modes: Counter[str]
    turned: int
    animated: int
    broken: Mapping[str, str]


def facts(pictures: ClassFolders) -> SplitFacts:
    """Looks at the pictures of a split, at most `MOST_FILES` of them."""
    paths = pictures.paths[:: -(-len(pictures.paths) // MOST_FILES)]
    found: list[Picture] = []
    broken = {}
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    for path in tracked(paths, "pictures", len(paths), console):
        try:
            found.append(look(path))
        except UnreadableImageError as error:
            broken[path] = str(error)
    return SplitFacts(
        pictures,
        len(paths),
        Counter(picture.size for picture in found),
        Counter(picture.mode for picture in found),
        sum(picture.is_turned for picture in found),
        sum(picture.is_animated for picture in found),
        broken,
    )


def copies(first: Sequence[str], second: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of files with equal content, one of `first` and one of `second`: by size, then by hash."""
    by_size: defaultdict[int, list[str]] = defaultdict(list)
    for path in first:
        by_size[_size(path)].append(path)
    hashes: dict[int, dict[str, str]] = {}
    pairs = []
    for path in second:
        size = _size(path)
        if size <= 0 or size not in by_size:
            continue
        if size not in hashes:
            hashes[size] = {_digest(other): other for other in reversed(by_size[size])}
        if (other := hashes[size].get(_digest(path))) is not None:
            pairs.append((other, path))
    return pairs


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return -1


def _digest(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except OSError:
        return path


@dataclass(frozen=True)
class Inspection:
    """What an image folder holds.

    Attributes:
        train: The training pictures.
        test: The test pictures; None if there are none.
        repeats: Pairs of a training picture and a test picture with equal content.
        unused: Folders with the name of a split that is not used, since another comes first.
    """

    train: SplitFacts
    test: SplitFacts | None
    repeats: list[tuple[str, str]] = field(default_factory=list)
    unused: tuple[Path, ...] = ()

    @property
    def search(self) -> tuple[int, ...]:
        """Number of search pictures of each class."""
        counts = self.train.pictures.counts
        return tuple(held_out(count, sum(counts)) for count in counts)

    @property
    def splits(self) -> list[tuple[str, SplitFacts]]:
        """The splits by name."""
        return [("train", self.train), *([] if self.test is None else [("test", self.test)])]


def check_readable(found: Inspection, most: int) -> None:
    """Raises `DatasetError` if more than `most` pictures of a split cannot be read."""
    for _, split in found.splits:
        if len(split.broken) > most:
            raise unreadable(list(split.broken.values()), len(split.pictures.paths))


def inspected(directory: Path) -> Inspection:
    """Inspects the folder of images in `directory`.

    Raises:
        DatasetError: There is no training folder, or as `class_folders` and `listed_test`.
    """
    train = class_folders(train_folder(directory))
    folder = test_folder(directory)
    test = None if folder is None else listed_test(folder, train)
    unused = (*split_folders(directory, TRAIN_NAMES)[1:], *split_folders(directory, TEST_NAMES)[1:])
    return Inspection(
        facts(train),
        None if test is None else facts(test),
        [] if test is None else copies(train.paths, test.paths),
        unused,
    )


# --- report --------------------------------------------------------------------------------------


def summary(found: Inspection) -> Iterator[str]:
    """The inspection in lines of text."""
    train = found.train.pictures
    has_test = "no test images" if found.test is None else f"{len(found.test.pictures.paths):,} test images"
    where = "" if found.test is None else f" in {shown(found.test.pictures.folder)}"
    yield (
        f"{shown(train.folder)}: {len(train.paths):,} images of {len(train.classes):,} classes, "
        f"{sum(found.search):,} of them for the search; {has_test}{where}"
    )
    yield from _table(found)
    for name, split in found.splits:
        yield f"{name}: {_kinds(split)}"
        for line in split.pictures.skipped.lines():
            yield f"{name}: {line}"
        yield from _broken(name, split)
    for folder in found.unused:
        yield f"note: {shown(folder)} is not used, since another folder of its kind comes first"
    if found.repeats:
        few = "; ".join(f"{shown(one)} = {shown(other)}" for one, other in found.repeats[:NAMED])
        yield (
            f"warning: {len(found.repeats):,} test images are copies of training images, so accuracy on them "
            f"is too high: {few}{'; ...' if len(found.repeats) > NAMED else ''}"
        )
    yield from _balance(found)


def _kinds(split: SplitFacts) -> str:
    sizes = ", ".join(f"{count:,} of {w}x{h}" for (w, h), count in split.sizes.most_common(NAMED))
    modes = ", ".join(f"{count:,} {mode}" for mode, count in split.modes.most_common(2 * NAMED))
    parts = [f"sizes {sizes}{', ...' if len(split.sizes) > NAMED else ''}", f"modes {modes}"]
    if split.turned:
        parts.append(f"{split.turned:,} turned upright by their tag")
    if split.animated:
        parts.append(f"{split.animated:,} animated, of which the first frame counts")
    if split.looked < len(split.pictures.paths):
        parts.append(f"{split.looked:,} of {len(split.pictures.paths):,} files looked at")
    return "; ".join(parts)


def _broken(name: str, split: SplitFacts) -> Iterator[str]:
    if split.broken:
        few = "; ".join(list(split.broken.values())[:NAMED])
        more = "; ..." if len(split.broken) > NAMED else ""
        yield f"warning: {len(split.broken):,} images of {name} cannot be read: {few}{more}"


def _balance(found: Inspection) -> Iterator[str]:
    """Majority baseline, rare classes, and classes that a split lacks."""
    train, search = found.train.pictures, found.search
    most = max(range(len(train.classes)), key=train.counts.__getitem__)
    shares = [f"{search[most] / sum(search):.1%} of search images"] if sum(search) else []
    if found.test is not None:
        test = found.test.pictures
        shares.append(f"{test.counts[most] / len(test.paths):.1%} of test images")
    yield f"always {train.classes[most]!r} is right on {', '.join(shares) or 'no image'}"
    least = min(range(len(train.classes)), key=train.counts.__getitem__)
    if train.counts[most] >= STRONG_IMBALANCE * train.counts[least]:
        yield (
            f"warning: class {train.classes[most]!r} has {train.counts[most]:,} images and "
            f"{train.classes[least]!r} {train.counts[least]:,}: look at the accuracy of each class, or train "
            f"with --class-weights balanced"
        )
    if alone := [name for name, count in zip(train.classes, search, strict=True) if not count]:
        few = ", ".join(alone[:NAMED]) + (", ..." if len(alone) > NAMED else "")
        yield (
            f"warning: {len(alone):,} classes have a single training image, so none scores the search: {few}"
        )
    if found.test is not None and (missing := found.test.pictures.empty_classes):
        yield f"note: {missing_classes(found.test.pictures.folder, missing)}"


def _table(found: Inspection) -> Iterator[str]:
    """Images by class and split, with the shares of each class in search and test."""
    train, search = found.train.pictures, found.search
    test = None if found.test is None else found.test.pictures.counts
    width = min(40, max(5, *map(len, train.classes)))
    head = f"  {'class':<{width}}  {'train':>9}  {'search':>7} {'share':>6}"
    yield head + ("" if test is None else f"  {'test':>7} {'share':>6}")
    order = range(len(train.classes))
    rows = [*order] if len(order) <= MOST_ROWS else [*order[: MOST_ROWS // 2], *order[-MOST_ROWS // 2 :]]
    for position, label in enumerate(rows):
        if position and label != rows[position - 1] + 1:
            yield f"  ... {len(order) - len(rows):,} more classes"
        name = train.classes[label]
        name = name if len(name) <= width else f"{name[: width - 1]}…"
        line = f"  {name:<{width}}  {train.counts[label] - search[label]:>9,}"
        line += f"  {search[label]:>7,} {search[label] / max(1, sum(search)):>6.1%}"
        if test is not None:
            line += f"  {test[label]:>7,} {test[label] / sum(test):>6.1%}"
        yield line
