"""Image folders, one folder per class: small data sets are decoded once and cached, large ones on the fly.

`class_folders` finds the images and `picture_file` reads them. They become squares by one of three fits:

| fit | square of `resize` pixels | the network sees |
|---|---|---|
| `crop` | short side resized, centre cut out, as usual for ImageNet | its central `size` pixels: 224 of 256 |
| `pad` | long side resized, black margins added | all of it |
| `squash` | both sides resized, so proportions change | all of it |

With `crop`, the margin leaves room for random crops in training. Up to 64 pixels there is no margin.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from search_space.command.progress_lines import tracked
from search_space.files.cache_folder import cache_folder, make_private, refuse_foreign
from supernet.checkpoints.header import CheckpointError
from supernet.checkpoints.image_input import CROP, LARGEST_WITHOUT_MARGIN, PAD, SQUASH, resized_side
from supernet.checkpoints.tensor_file import read_tensors, write_tensors
from supernet.images.class_folders import ClassFolders, class_folders
from supernet.images.folder_layouts import DatasetError
from supernet.images.labelled_images import BATCH, Images, LabelledImages, centre
from supernet.images.picture_file import (
    VERSION,
    UnreadableImageError,
    one_line,
    read_picture,
    shown,
    unreadable,
)

CACHE_FORMAT = "h4h-images-2"
CACHE_BYTES = 2 << 30
"""Largest size of a folder's decoded squares in bytes up to which they are cached."""

SERIAL_IMAGES = 512
"""Number of images below which this process decodes them itself, since processes take longer to start."""


LONGEST = 8
"""Proportions above which the ends of a picture are cut off before `crop` resizes it, to save memory."""


class ImageFiles(Images):
    """Images in files, decoded at every access.

    An item is the whole image, or its square if `fit` shows all of it.

    Args:
        paths: Paths of the files.
        labels: Class of each image, ``(n,)``.
        crop: Side of the squares that a network sees.
        fit: One of `supernet.checkpoints.image_input.FITS`.
    """

    crop: int

    def __init__(self, paths: Sequence[str], labels: Tensor, *, crop: int, fit: str = CROP) -> None:
        # An array, since every worker would copy a list of a million strings.
        self._paths = np.array([os.fsencode(path) for path in paths])
        self.labels = labels
        self.crop = crop
        self.fit = fit

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from torchvision.transforms.v2 import functional as F

        image = self.image(index)
        pixels: Tensor = (
            F.pil_to_tensor(image)
            if self.fit == CROP
            else square(image, resized_side(self.crop, self.fit), self.fit)
        )
        return pixels, int(self.labels[index])

    def image(self, index: int) -> Image.Image:
        """The image at `index` with three channels.

        Raises:
            UnreadableImageError: The file is damaged or no image.
        """
        return read_picture(self.path(index))

    def path(self, index: int) -> str:
        """Path of the image at `index`."""
        return os.fsdecode(self._paths[index])

    def subset(self, indices: Tensor) -> ImageFiles:
        chosen = ImageFiles((), self.labels[indices], crop=self.crop, fit=self.fit)
        chosen._paths = self._paths[indices.numpy()]
        return chosen

    def evaluated(self) -> Iterator[LabelledImages]:
        for squares in decoded(self, resized_side(self.crop, self.fit)):
            yield LabelledImages(centre(squares.pixels, self.crop), squares.labels)


def square(image: Image.Image, side: int, fit: str = CROP) -> Tensor:
    """`image` as a square, ``(3, side, side)``, uint8.

    Args:
        image: Picture in mode ``RGB``.
        side: Side of the square in pixels.
        fit: One of `supernet.checkpoints.image_input.FITS`.
    """
    from torchvision.transforms.v2 import functional as F

    if fit == SQUASH:
        fitted = F.resize(image, [side, side], antialias=True)
    elif fit == PAD:
        width, height = image.size
        longest = max(width, height)
        inner = [max(1, round(side * height / longest)), max(1, round(side * width / longest))]
        left, top = (side - inner[1]) // 2, (side - inner[0]) // 2
        margins = [left, top, side - inner[1] - left, side - inner[0] - top]
        fitted = F.pad(F.resize(image, inner, antialias=True), margins)
    else:
        fitted = F.center_crop(F.resize(_shortened(image), [side], antialias=True), [side, side])
    pixels: Tensor = F.pil_to_tensor(fitted)
    return pixels


def _shortened(image: Image.Image) -> Image.Image:
    """The central part of `image` if it is longer than `LONGEST` times its width."""
    width, height = image.size
    across, down = min(width, LONGEST * height), min(height, LONGEST * width)
    if (across, down) == (width, height):
        return image
    left, top = (width - across) // 2, (height - down) // 2
    return image.crop((left, top, left + across, top + down))


class _Squares(Dataset[tuple[Tensor | None, int, str]]):
    """Squares of `files`. An unreadable file gives None and the reason, so that all of them are counted."""

    def __init__(self, files: ImageFiles, side: int) -> None:
        self._files = files
        self._side = side

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[Tensor | None, int, str]:
        label = int(self._files.labels[index])
        try:
            return square(self._files.image(index), self._side, self._files.fit), label, ""
        except UnreadableImageError as error:
            return None, label, str(error)


def _collected(items: list[tuple[Tensor | None, int, str]]) -> tuple[Tensor, Tensor, dict[int, str]]:
    """Squares and labels of the readable images of a batch, and positions of the others with the reasons."""
    squares = [pixels for pixels, _, _ in items if pixels is not None]
    labels = torch.tensor([label for pixels, label, _ in items if pixels is not None])
    failures = {index: reason for index, (pixels, _, reason) in enumerate(items) if pixels is None}
    return torch.stack(squares) if squares else torch.empty(0), labels, failures


def decoded(files: ImageFiles, side: int, failures: dict[int, str] | None = None) -> Iterator[LabelledImages]:
    """Squares of `files` in order, in batches.

    Args:
        files: The images.
        side: Side of the squares.
        failures: Receives the positions of unreadable images, with the reasons; their squares are left out.
            None: they are an error.

    Raises:
        DatasetError: Images cannot be read. The message gives their number and names the first.
    """
    loader = DataLoader(
        _Squares(files, side),
        batch_size=BATCH,
        num_workers=0 if len(files) < SERIAL_IMAGES else min(8, os.cpu_count() or 1),
        collate_fn=_collected,
        # With the global generator, a first start, which decodes, would draw more from it than a later one.
        generator=torch.Generator(),
    )
    found: dict[int, str] = {}
    for number, (pixels, labels, failed) in enumerate(loader):
        found |= {number * BATCH + index: reason for index, reason in failed.items()}
        if failures is not None or not found:
            yield LabelledImages(pixels, labels)
    if failures is not None:
        failures |= found
    elif found:
        raise unreadable(list(found.values()), len(files))


# --- folders -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listing:
    """Pictures below a folder, as `class_folders` lists them.

    Attributes:
        files: The folders of the classes.
        fit: How a picture becomes a square, one of `supernet.checkpoints.image_input.FITS`.
        left_out: Paths of unreadable pictures that are left out, with the reasons.
    """

    files: ClassFolders
    fit: str = CROP
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Folder with a subfolder for each class."""
        return self.files.folder

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in order."""
        return self.files.classes

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Paths of the pictures, class by class."""
        return tuple(path for path in self.files.paths if path not in self.left_out)

    @cached_property
    def labels(self) -> Tensor:
        """Class of each picture, ``(n,)``."""
        pairs = zip(self.files.paths, self.files.labels, strict=True)
        return torch.tensor([label for path, label in pairs if path not in self.left_out])

    @cached_property
    def content(self) -> str:
        """Digest of the names of the pictures."""
        sha = hashlib.sha256()
        for path in self.paths:
            sha.update(os.fsencode(os.path.relpath(path, self.folder)) + b"\0")
        return sha.hexdigest()

    def is_small(self, *, crop: int) -> bool:
        """Whether squares of which a network sees `crop` pixels take at most `CACHE_BYTES`."""
        return 3 * resized_side(crop, self.fit) ** 2 * len(self.files.paths) <= CACHE_BYTES

    def images(self, *, crop: int) -> Images:
        """The images: decoded and cached up to `CACHE_BYTES`, read on demand above.

        Args:
            crop: Side of the squares that a network sees.

        Raises:
            DatasetError: Some of the images to decode cannot be read.
        """
        if not self.is_small(crop=crop):
            return ImageFiles(self.paths, self.labels, crop=crop, fit=self.fit)
        squares, failures = _decoded_once(self, crop)
        if set(failures) != set(self.left_out):
            raise unreadable(list(failures.values()), len(self.files.paths))
        # Training crops large squares at random.
        return LabelledImages(squares, self.labels, crop if crop > LARGEST_WITHOUT_MARGIN else None)

    def without_unreadable(self, most: int, *, crop: int, may_be_empty: bool = False) -> Listing:
        """The listing without pictures that cannot be read.

        Args:
            most: Largest number of pictures to leave out.
            crop: Side of the squares that a network sees.
            may_be_empty: Whether a class may lose its last picture.

        Raises:
            DatasetError: More pictures cannot be read, or no other picture of a class remains.
        """
        if self.is_small(crop=crop):
            _, failures = _decoded_once(self, crop)
        else:
            failures = _failures(ImageFiles(self.paths, self.labels, crop=crop))
        if len(failures) > most:
            raise unreadable(list(failures.values()), len(self.files.paths))
        rest = replace(self, left_out=failures)
        remaining = set(rest.labels.tolist())
        if may_be_empty:
            return rest
        if empty := [name for label, name in enumerate(self.classes) if label not in remaining]:
            raise DatasetError(
                f"no picture of class {empty[0]!r} in {shown(self.folder)} can be read: replace them, or "
                f"delete the folder"
            )
        return rest


def list_folder(folder: Path, *, fit: str = CROP) -> Listing:
    """Lists the training pictures below `folder`.

    Raises:
        DatasetError: There are fewer than two classes, or a class without pictures.
    """
    return Listing(class_folders(folder), fit)


def _failures(files: ImageFiles) -> dict[str, str]:
    """Paths of unreadable `files`, with the reasons."""
    found: dict[int, str] = {}
    for _ in decoded(files, 1, found):
        pass
    return {files.path(index): reason for index, reason in found.items()}


def _decoded_once(listing: Listing, crop: int) -> tuple[Tensor, dict[str, str]]:
    """Squares of all readable pictures, from the cache unless the files have changed since.

    Args:
        listing: List of the pictures; what it leaves out is decoded nevertheless.
        crop: Side of the squares that a network sees.

    Returns:
        ``(n, 3, side, side)``, uint8, and the paths of unreadable files with the reasons.
    """
    side, paths = resized_side(crop, listing.fit), listing.files.paths
    files = ImageFiles(paths, torch.tensor(listing.files.labels), crop=crop, fit=listing.fit)
    cache = _cache_file(listing.folder, side, listing.fit)
    content = _content(paths)
    with suppress(OSError):  # There is none yet.
        refuse_foreign(cache.parent)
        refuse_foreign(cache)
    try:
        tensors, header = read_tensors(cache, CACHE_FORMAT)
        if header["content"] == content:
            return tensors["pixels"], {paths[int(index)]: why for index, why in header["failures"].items()}
    except (CheckpointError, KeyError, AttributeError):
        pass  # The cache is absent or damaged and is written again.
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    failures: dict[int, str] = {}
    batches = decoded(files, side, failures)
    squares = tracked(batches, f"batches of {BATCH} images decoded", -(-len(files) // BATCH), console)
    pixels = torch.empty((len(files), 3, side, side), dtype=torch.uint8)
    count = 0
    for batch in squares:
        pixels[count : count + len(batch.pixels)] = batch.pixels
        count += len(batch.pixels)
    pixels = pixels[:count]
    header = {"format": CACHE_FORMAT, "content": content, "failures": failures}
    try:
        make_private(cache.parent)
        write_tensors(cache, {"pixels": pixels}, header)
    except OSError as error:
        console.print(f"note: decoded images cannot be cached for the next start ({one_line(error)})")
    return pixels, {paths[index]: reason for index, reason in failures.items()}


def _cache_file(folder: Path, side: int, fit: str) -> Path:
    """File of the cache: one for each folder, side and fit, so that a changed folder replaces its old one."""
    way = "" if fit == CROP else f"{fit} "
    name = hashlib.sha256(os.fsencode(f"{way}{side} {folder.resolve()}")).hexdigest()[:24]
    return cache_folder() / "images" / f"{name}.safetensors"


def _content(paths: Sequence[str]) -> str:
    """Digest of the files' names, sizes and times, and of the versions of the code that decodes them."""
    import torchvision

    states = [(path, *_state(path)) for path in paths]
    versions = [PIL.__version__, torchvision.__version__, VERSION]
    return hashlib.sha256(json.dumps([versions, states]).encode()).hexdigest()


def _state(path: str) -> tuple[int, int]:
    """Size and time of a file; zeros for a link whose target is gone."""
    try:
        state = Path(path).stat()
    except OSError:
        return (0, 0)
    return (state.st_size, state.st_mtime_ns)
