"""Small data sets in the forms that users have them in."""

from __future__ import annotations

import hashlib
import pickle
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torchvision.datasets import CIFAR10, CIFAR100

from supernet.checkpoints import built_in_checkpoint
from supernet.checkpoints.header import read_header
from supernet.images import cifar10
from supernet.images.data_sets import ImageData
from supernet.images.search_split import Split


def pass_as_trained_on(patch: pytest.MonkeyPatch) -> None:
    """The shipped weights, which say what they were trained on, take a test's own images for that."""
    shipped = read_header(built_in_checkpoint("cifar32"))["data"]
    split_like = ImageData.split_like

    def lenient(data: ImageData, record: Mapping[str, Any] | None) -> Split:
        return split_like(data, None if record == shipped else record)

    patch.setattr(ImageData, "split_like", lenient)


def noise(shape: Sequence[int], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write_folder(
    folder: Path,
    *,
    classes: Sequence[str] = ("cat", "dog"),
    images: int = 10,
    size: tuple[int, int] = (20, 16),
    seed: int = 0,
) -> None:
    """`images` lossless pictures to each class, brighter from class to class."""
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(images):
            dim = noise((size[1], size[0], 3), 1000 * seed + 100 * number + index) // (len(classes) + 1)
            picture = Image.fromarray(dim + np.uint8(255 * number // (len(classes) + 1)))
            picture.save(folder / name / f"{index:03}.png")


def _pickled(folder: Path, name: str, content: dict[str, Any]) -> list[str]:
    """Writes a pickle and gives its name and md5 sum, as torchvision lists them."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(pickle.dumps(content))
    return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]


def write_cifar100(root: Path, patch: pytest.MonkeyPatch) -> tuple[NDArray[np.uint8], list[int]]:
    """Training pixels ``(1000, 3072)`` and labels; torchvision is told the sums of these files."""
    folder = root / "cifar-100-python"
    pixels, labels = noise((1000, 3072)), [index % 100 for index in range(1000)]
    test = {"data": noise((100, 3072), 1), "fine_labels": labels[:100]}
    patch.setattr(
        CIFAR100, "train_list", [_pickled(folder, "train", {"data": pixels, "fine_labels": labels})]
    )
    patch.setattr(CIFAR100, "test_list", [_pickled(folder, "test", test)])
    name, md5 = _pickled(folder, "meta", {"fine_label_names": [f"class {index}" for index in range(100)]})
    patch.setattr(CIFAR100, "meta", {"filename": name, "key": "fine_label_names", "md5": md5})
    return pixels, labels


def write_cifar10(root: Path, patch: pytest.MonkeyPatch, *, batch: int = 20) -> None:
    """CIFAR-10 in both of its forms, in ``root/bin`` and ``root/py``."""
    (root / "bin" / cifar10.FOLDER).mkdir(parents=True)
    (root / "py").mkdir()
    pickles = root / "py" / "cifar-10-batches-py"
    sums, lists = {}, []
    for number, name in enumerate(cifar10.CHECKSUMS):
        pixels, labels = noise((batch, 3072), number), [index % 10 for index in range(batch)]
        content = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], axis=1).tobytes()
        (root / "bin" / cifar10.FOLDER / name).write_bytes(content)
        sums[name] = hashlib.md5(content).hexdigest()
        lists.append(_pickled(pickles, name.removesuffix(".bin"), {"data": pixels, "labels": labels}))
    meta, md5 = _pickled(pickles, "batches.meta", {"label_names": list("abcdefghij")})
    patch.setattr(CIFAR10, "train_list", lists[:5])
    patch.setattr(CIFAR10, "test_list", lists[5:])
    patch.setattr(CIFAR10, "meta", {"filename": meta, "key": "label_names", "md5": md5})
    patch.setattr(cifar10, "CHECKSUMS", sums)
    patch.setattr(cifar10, "BATCH", batch)
    patch.setattr(cifar10, "SEARCH_IMAGES", 30)


def write_fashion_mnist(root: Path, *, images: int = 100) -> NDArray[np.uint8]:
    """Training pixels ``(images, 28, 28)``; label = index modulo 10."""
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    train = noise((images, 28, 28))
    for name, pixels in (("train", train), ("t10k", noise((20, 28, 28), 1))):
        labels = np.arange(len(pixels), dtype=np.uint8) % 10
        head = struct.pack(">4I", 0x803, len(pixels), 28, 28)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        head = struct.pack(">2I", 0x801, len(pixels))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    return train
