"""What a folder holds is told from what lies in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from supernet.images.folder_layouts import DatasetError, recognised


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("cifar-10-batches-bin", "cifar10"),
        ("cifar-10-batches-py", "cifar10"),
        ("cifar-100-python", "cifar100"),
        ("FashionMNIST", "fashion-mnist"),
        ("train", "folder"),
    ],
)
def test_one_data_set_is_recognised(folder: str, name: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    assert recognised(tmp_path) == name
    assert recognised(tmp_path, name) == name


def test_of_several_one_must_be_named(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-100-python").mkdir()
    with pytest.raises(DatasetError, match="holds cifar10 and cifar100: choose one with --dataset"):
        recognised(tmp_path)
    assert recognised(tmp_path, "cifar100") == "cifar100"


def test_none_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"no data set: run `.*python -m .* --data {tmp_path}` for CIFAR"):
        recognised(tmp_path)
    with pytest.raises(DatasetError, match=f"put your own images into {tmp_path}/train/CLASS"):
        recognised(tmp_path)
    with pytest.raises(DatasetError, match=r"holds no cifar100: run `.*python -m supernet\.data cifar100"):
        recognised(tmp_path, "cifar100")
    with pytest.raises(DatasetError, match=r"holds no folder: put the images"):
        recognised(tmp_path, "folder")
    with pytest.raises(DatasetError, match="absent is no folder"):
        recognised(tmp_path / "absent")


def test_it_needs_no_torch() -> None:
    code = "import supernet.images.folder_layouts, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
