"""Checkpoints: round trip, and every way in which a file can be wrong."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from search_space.space import Space
from supernet.checkpoints.header import FORMAT, CheckpointError, read_header
from supernet.checkpoints.tensor_file import file_digest, write_tensors
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint, save_checkpoint


@pytest.fixture
def path(small_space: Space, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, Supernet(small_space))
    return path


def test_round_trip_keeps_float16_weights_and_the_space(small_space: Space, path: Path) -> None:
    torch.manual_seed(0)
    original = Supernet(small_space)
    loaded = load_checkpoint(path, small_space)
    assert loaded.space == small_space
    for name, value in original.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float())


def test_equal_content_gives_equal_bytes(small_space: Space, path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    save_checkpoint(again, load_checkpoint(path, small_space))
    assert again.read_bytes() == path.read_bytes()


def test_digest_follows_the_content(small_space: Space, path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, Supernet(small_space))
    assert file_digest(path) == file_digest(path)
    assert file_digest(path) != file_digest(other)


def test_nothing_is_left_behind(path: Path) -> None:
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_another_space_is_refused_saying_how_it_differs(small_space: Space, path: Path) -> None:
    for change, message in (
        ({"head": replace(small_space.head, classes=37)}, "with 4 classes, not of 'small' with 37"),
        ({"name": "other"}, "of space 'small', not of 'other': leave --space out"),
        ({"resolution": (16,)}, "of another version of space 'small'"),
    ):
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(path, replace(small_space, **change))


def test_header_says_what_it_was_trained_on_and_is_read_without_torch(small_space: Space, path: Path) -> None:
    assert "data" not in read_header(path)
    record = {"data_set": "folder", "split_seed": "3"}
    save_checkpoint(path, Supernet(small_space), record)
    assert read_header(path)["data"] == record
    code = (
        "import sys; from pathlib import Path; from supernet.checkpoints.header import stored_space\n"
        "print(stored_space(Path(sys.argv[1])).name, 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["small", "False"]


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load_checkpoint(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_truncated_file(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(path)


def test_file_of_another_format(path: Path) -> None:
    write_tensors(path, {"a": torch.zeros(1)}, {"format": "other"})
    with pytest.raises(CheckpointError, match=f"must be of format '{FORMAT}'"):
        load_checkpoint(path)


def test_weights_that_do_not_fit_the_space(small_space: Space, path: Path) -> None:
    write_tensors(path, {"a": torch.zeros(1)}, {"format": FORMAT, "space": small_space.to_dict()})
    with pytest.raises(CheckpointError, match="does not fit its own search space"):
        load_checkpoint(path)


@pytest.mark.parametrize("space", [None, "cifar32", {"name": "x"}])
def test_unreadable_space(path: Path, space: object) -> None:
    write_tensors(path, {"a": torch.zeros(1)}, {"format": FORMAT, "space": space})
    with pytest.raises(CheckpointError, match="holds no readable search space"):
        load_checkpoint(path)


def test_values_that_are_not_finite(small_space: Space, path: Path) -> None:
    supernet = Supernet(small_space)
    with torch.no_grad():
        supernet.stem.weight[0, 0, 0, 0] = torch.inf
    save_checkpoint(path, supernet)
    with pytest.raises(CheckpointError, match=r"stem\.weight holds values that are not finite"):
        load_checkpoint(path)
