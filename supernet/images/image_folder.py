"""Image folders, one folder per class: small data sets are decoded once and cached, large ones on the fly.

`torchvision.datasets.ImageFolder` finds the images. They become squares as usual for ImageNet: the short side
is resized and the centre is cut out. Squares have a margin for random crops in training: a network of `s`
pixels sees the central `s` of ``8/7 s`` pixels (224 of 256). Up to 64 pixels there is no margin.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from search_space.files.cache_folder import cache_folder
from supernet.checkpoints.header import CheckpointError
from supernet.checkpoints.image_input import resized_side
from supernet.checkpoints.tensor_file import read_tensors, write_tensors
from supernet.images.folder_layouts import DatasetError
from supernet.images.labelled_images import BATCH, Images, LabelledImages, centre

CACHE_FORMAT = "h4h-images-1"
CACHE_BYTES = 2 << 30
"""Largest size of a folder's decoded squares in bytes up to which they are cached."""

SERIAL_IMAGES = 512
"""Number of images below which this process decodes them itself, since processes take longer to start."""

NAMED_FAILURES = 3


class UnreadableImageError(DatasetError):
    """A file that is no image, or a damaged one."""

    def __init__(self, message: str) -> None:
        # A DataLoader worker passes on the text of a whole traceback, which ends with the original message.
        last = message.strip().splitlines()[-1]
        super().__init__(last.removeprefix(f"{type(self).__module__}.{type(self).__qualname__}: "))


class ImageFiles(Images):
    """Images in files, decoded at every access. An item is the whole image.

    Args:
        paths: Paths of the files.
        labels: Class of each image, ``(n,)``.
        crop: Side of the squares that a network sees.
    """

    crop: int

    def __init__(self, paths: Sequence[str], labels: Tensor, *, crop: int) -> None:
        # An array, since every worker would copy a list of a million strings.
        self._paths = np.array([os.fsencode(path) for path in paths])
        self.labels = labels
        self.crop = crop

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from torchvision.transforms.v2 import functional as F

        return F.pil_to_tensor(self.image(index)), int(self.labels[index])

    def image(self, index: int) -> Image.Image:
        """The image at `index` with three channels.

        Raises:
            UnreadableImageError: The file is damaged or no image.
        """
        from torchvision.datasets.folder import pil_loader

        path = os.fsdecode(self._paths[index])
        try:
            image: Image.Image = pil_loader(path)
        except Exception as error:  # Pillow raises nearly anything for damaged files.
            raise UnreadableImageError(f"image {path} cannot be read ({_line(error)})") from error
        return image

    def subset(self, indices: Tensor) -> ImageFiles:
        chosen = ImageFiles((), self.labels[indices], crop=self.crop)
        chosen._paths = self._paths[indices.numpy()]
        return chosen

    def evaluated(self) -> Iterator[LabelledImages]:
        for squares in decoded(self, resized_side(self.crop)):
            yield LabelledImages(centre(squares.pixels, self.crop), squares.labels)


def square(image: Image.Image, side: int) -> Tensor:
    """The largest central square of `image`, resized to ``(3, side, side)``, uint8."""
    from torchvision.transforms.v2 import functional as F

    resized = F.resize(image, [side], antialias=True)
    pixels: Tensor = F.pil_to_tensor(F.center_crop(resized, [side, side]))
    return pixels


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
            return square(self._files.image(index), self._side), label, ""
        except UnreadableImageError as error:
            return None, label, str(error)


def _collected(items: list[tuple[Tensor | None, int, str]]) -> tuple[Tensor, Tensor, list[str]]:
    pixels = [pixels for pixels, _, _ in items if pixels is not None]
    failures = [reason for pixels, _, reason in items if pixels is None]
    labels = torch.tensor([label for _, label, _ in items])
    return torch.stack(pixels) if pixels else torch.empty(0), labels, failures


def decoded(files: ImageFiles, side: int) -> Iterator[LabelledImages]:
    """Squares of `files` in order, in batches.

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
    failures: list[str] = []
    for pixels, labels, failed in loader:
        failures += failed
        if not failures:
            yield LabelledImages(pixels, labels)
    if failures:
        more = len(failures) - NAMED_FAILURES
        named = "; ".join(failures[:NAMED_FAILURES]) + (f"; and {more} more" if more > 0 else "")
        raise DatasetError(
            f"{len(failures)} of {len(files)} images cannot be read: {named}. Delete or replace them"
        )


# --- folders -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listing:
    """List of the images below a folder. No image has been read.

    Attributes:
        folder: Folder with a subfolder for each class.
        paths: Paths of the images, class by class.
        labels: Class of each image, ``(n,)``.
        classes: Names of the classes in order.
    """

    folder: Path
    paths: tuple[str, ...]
    labels: Tensor
    classes: tuple[str, ...]

    @cached_property
    def content(self) -> str:
        """Digest of the names of the images."""
        sha = hashlib.sha256()
        for path in self.paths:
            sha.update(os.fsencode(os.path.relpath(path, self.folder)) + b"\0")
        return sha.hexdigest()

    def images(self, *, crop: int) -> Images:
        """The images: decoded and cached up to `CACHE_BYTES`, read on demand above.

        Args:
            crop: Side of the squares that a network sees.

        Raises:
            DatasetError: Some of the images to decode cannot be read.
        """
        files = ImageFiles(self.paths, self.labels, crop=crop)
        side = resized_side(crop)
        is_small = 3 * side * side * len(files) <= CACHE_BYTES
        return _decoded_once(files, self, side) if is_small else files


def list_folder(folder: Path) -> Listing:
    """Lists the images below `folder`.

    Raises:
        DatasetError: There are fewer than two classes, or a class without images.
    """
    from torchvision.datasets import ImageFolder

    try:
        listing = ImageFolder(folder)
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{folder} must hold a folder of images for each class, but: {_line(error)}"
        ) from error
    if len(listing.classes) < 2:
        raise DatasetError(
            f"{folder} holds one class, {listing.classes[0]!r}: it must hold a folder for each of at least 2"
        )
    paths = tuple(path for path, _ in listing.samples)
    return Listing(folder, paths, torch.tensor(listing.targets), tuple(listing.classes))


def _decoded_once(files: ImageFiles, listing: Listing, side: int) -> LabelledImages:
    """All squares of `files`, from the cache unless the files have changed since."""
    crop = files.crop if files.crop < side else None
    cache = _cache_file(listing.folder, side)
    content = _content(listing.paths)
    try:
        tensors, header = read_tensors(cache, CACHE_FORMAT)
        if header["content"] == content:
            return LabelledImages(tensors["pixels"], files.labels, crop)
    except (CheckpointError, KeyError):
        pass  # The cache is absent or damaged and is written again.
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    squares = track(
        decoded(files, side),
        f"decoding {len(files):,} images",
        -(-len(files) // BATCH),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    pixels = torch.empty((len(files), 3, side, side), dtype=torch.uint8)
    for number, batch in enumerate(squares):
        pixels[number * BATCH : number * BATCH + len(batch)] = batch.pixels
    try:
        write_tensors(cache, {"pixels": pixels}, {"format": CACHE_FORMAT, "content": content})
    except OSError as error:
        console.print(f"note: decoded images cannot be cached for the next start ({_line(error)})")
    return LabelledImages(pixels, files.labels, crop)


def _cache_file(folder: Path, side: int) -> Path:
    """File of the cache: one for each folder and side, so that a changed folder replaces its old cache."""
    name = hashlib.sha256(f"{side} {folder.resolve()}".encode()).hexdigest()[:24]
    return cache_folder() / "images" / f"{name}.safetensors"


def _content(paths: Sequence[str]) -> str:
    """Digest of the files' names, sizes and times, and of the versions of the decoding libraries."""
    import torchvision

    states = [(path, (state := Path(path).stat()).st_size, state.st_mtime_ns) for path in paths]
    versions = [PIL.__version__, torchvision.__version__]
    return hashlib.sha256(json.dumps([versions, states]).encode()).hexdigest()


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
