"""The evaluation pack: lossless, checked, and the shipped one is what its card says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from supernet.images import cifar10, evaluation_pack
from supernet.images.evaluation_pack import LABELS, built_in_pack, load_pack, write_pack
from supernet.images.folder_layouts import DatasetError
from supernet.images.labelled_images import LabelledImages


@pytest.fixture(scope="module")
def train() -> LabelledImages:
    generator = torch.Generator().manual_seed(0)
    # Noise of squares of 4 pixels, which takes a fraction of the time that noise of pixels takes to encode.
    squares = torch.randint(0, 256, (120, 3, 8, 8), generator=generator, dtype=torch.uint8)
    pixels = squares.repeat_interleave(4, 2).repeat_interleave(4, 3)
    return LabelledImages(pixels, torch.arange(120) % 10)


@pytest.fixture(scope="module")
def written(train: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small pack, written once: to encode it takes seconds."""
    folder = tmp_path_factory.mktemp("pack")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar10, "SEARCH_IMAGES", 70)  # a full row of tiles and a part of one
        patch.setattr(evaluation_pack, "CALIBRATION_IMAGES", 30)
        write_pack(folder, train)
    return folder


@pytest.fixture
def copied(written: Path, tmp_path: Path) -> Path:
    """The pack in a folder of the test's own."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_round_trip_keeps_every_pixel(train: LabelledImages, written: Path) -> None:
    pack = load_pack(written)
    assert torch.equal(pack.search.pixels, train.pixels[50:])
    assert torch.equal(pack.search.labels, train.labels[50:])
    assert torch.equal(pack.calibration.pixels, train.pixels[:30])
    assert torch.equal(pack.calibration.labels, train.labels[:30])


@pytest.mark.parametrize("name", ["search.webp", "calibration.webp", LABELS])
def test_missing_and_truncated_files(copied: Path, name: str) -> None:
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match="is damaged"):
        load_pack(copied)
    (copied / name).unlink()
    with pytest.raises(DatasetError, match="is damaged"):
        load_pack(copied)


def test_one_changed_label_is_noticed(copied: Path) -> None:
    record = json.loads((copied / LABELS).read_text())
    record["labels"]["search"][3] ^= 1
    (copied / LABELS).write_text(json.dumps(record))
    with pytest.raises(DatasetError, match="differ from its SHA-256"):
        load_pack(copied)


def test_shipped_pack(tmp_path: Path) -> None:
    folder = Path(str(built_in_pack()))
    pack = load_pack(folder)
    assert pack.search.pixels.shape == (5000, 3, 32, 32)
    assert pack.calibration.pixels.shape == (1024, 3, 32, 32)
    # The data set's published first five training labels.
    assert pack.calibration.labels[:5].tolist() == [6, 9, 9, 4, 1]
    assert torch.bincount(pack.search.labels).tolist() == [493, 488, 479, 519, 475, 529, 488, 485, 532, 512]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 12e6
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert load_pack(copy).digest == pack.digest
