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


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> LabelledImages:
    monkeypatch.setattr(cifar10, "SEARCH_IMAGES", 70)  # a full row of tiles and a part of one
    monkeypatch.setattr(evaluation_pack, "CALIBRATION_IMAGES", 30)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (120, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return LabelledImages(pixels, torch.arange(120) % 10)


def test_round_trip_keeps_every_pixel(train: LabelledImages, tmp_path: Path) -> None:
    write_pack(tmp_path, train)
    pack = load_pack(tmp_path)
    assert torch.equal(pack.search.pixels, train.pixels[50:])
    assert torch.equal(pack.search.labels, train.labels[50:])
    assert torch.equal(pack.calibration.pixels, train.pixels[:30])
    assert torch.equal(pack.calibration.labels, train.labels[:30])


@pytest.mark.parametrize("name", ["search.webp", "calibration.webp", LABELS])
def test_missing_and_truncated_files(train: LabelledImages, tmp_path: Path, name: str) -> None:
    write_pack(tmp_path, train)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match="is damaged"):
        load_pack(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DatasetError, match="is damaged"):
        load_pack(tmp_path)


def test_one_changed_label_is_noticed(train: LabelledImages, tmp_path: Path) -> None:
    write_pack(tmp_path, train)
    record = json.loads((tmp_path / LABELS).read_text())
    record["labels"]["search"][3] ^= 1
    (tmp_path / LABELS).write_text(json.dumps(record))
    with pytest.raises(DatasetError, match="differ from its SHA-256"):
        load_pack(tmp_path)


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
