"""A user's own images from training to the front, and what is said where they or the weights are wrong."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from search_space.command.command_line import run_command
from search_space.space import load_space
from studies import run
from studies.storage.store import open_store
from supernet import evaluate, train
from supernet.checkpoints.header import CheckpointError, read_header
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint, save_checkpoint
from tests.studies.conftest import TINY
from tests.supernet.image_files import write_folder

CLASSES = ("cat", "dog", "emu")
QUICK = ("--objectives", "acc,macs", "--population", "4", "--generations", "2", "--sampler", "nsga2")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder but for a space of three classes, and images of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets.yaml").write_text(TINY.replace("classes: 10", "classes: 3").replace("tiny", "pets"))
    write_folder(tmp_path / "pets" / "train", classes=CLASSES, images=30, size=(40, 36))
    write_folder(tmp_path / "pets" / "val", classes=CLASSES, images=5, size=(40, 36), seed=1)
    return tmp_path


@pytest.fixture
def checkpoint(folder: Path) -> Path:
    """Weights as they start, of nobody's images."""
    path = folder / "net.safetensors"
    torch.manual_seed(0)
    save_checkpoint(path, Supernet(load_space("pets.yaml")))
    return path


def call(command: Callable[[], None], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    command()


def test_from_images_to_a_front(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ("--batch", "16", "--epochs", "3", "--split-seed", "5")
    given = ("--space", "pets.yaml", "--data", "pets", "--out", "out")
    call(train.main, monkeypatch, *given, *settings)
    own = ("--checkpoint", "out/checkpoint.safetensors", "--data", "pets")
    out = capsys.readouterr().out
    weights, data = Path(own[1]).absolute(), Path("pets").absolute()
    assert f"python -m studies.run --checkpoint {weights} --data {data}" in out
    assert read_header(Path(own[1]))["data"]["split_seed"] == "5"

    call(evaluate.main, monkeypatch, *own, "--random", "1")
    out = capsys.readouterr().out
    assert "search top-1" in out
    assert "test top-1" in out

    run.main([*QUICK, *own, "--device", "auto"])
    out = capsys.readouterr().out
    assert "folder: 9 images score a subnet, 81 calibrate it (of 81 for training, 9 for search" in out
    with open_store(Path("studies.db")) as store:
        study = store.study("pets-acc-macs-s0")
        values = [evaluation.values[0] for evaluation in store.evaluations(study.name)]
    assert len(values) == 8
    # Nine images: accuracies are ninths.
    assert all(
        value is not None and value * 9 / 100 == pytest.approx(round(value * 9 / 100)) for value in values
    )
    assert max(value or 0 for value in values) > 50
    for name, value in {
        "data_set": "folder",
        "split_seed": "5",
        "split_counts": "81 for training, 9 for search",
        "val_images": "9",
        "calibration_images": "81",
    }.items():
        assert study.fingerprint[name] == value
    assert len(study.fingerprint["split"]) == 64

    with pytest.raises(CheckpointError, match=r"on other images \(folder, split seed 5\).* as --data DIR"):
        run.main([*QUICK, *own[:2]])
    with pytest.raises(CheckpointError, match="trained on other images"):
        call(evaluate.main, monkeypatch, *own[:2])

    # The folder may move; the study goes on where it was.
    shutil.move("pets", "elsewhere")
    run.main([*QUICK, *own[:2], "--data", "elsewhere"])
    assert "resuming after 8 evaluations" in capsys.readouterr().out


def damage_weights(folder: Path) -> None:
    supernet = load_checkpoint(folder / "net.safetensors")
    with torch.no_grad():
        supernet.classifier.bias[0] = torch.nan
    save_checkpoint(folder / "net.safetensors", supernet)


def truncate_weights(folder: Path) -> None:
    path = folder / "net.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def leave_one_class(folder: Path) -> None:
    for name in CLASSES[1:]:
        shutil.rmtree(folder / "pets" / "train" / name)


def lose_one_class(folder: Path) -> None:
    shutil.rmtree(folder / "pets" / "train" / "emu")


def empty(folder: Path) -> None:
    shutil.rmtree(folder / "pets" / "train")
    (folder / "pets" / "train").mkdir()


def flatten(folder: Path) -> None:
    empty(folder)
    shutil.copy(folder / "pets" / "val" / "cat" / "000.png", folder / "pets" / "train")


def damage_two_images(folder: Path) -> None:
    for path in sorted((folder / "pets" / "train" / "dog").iterdir())[:2]:
        path.write_bytes(path.read_bytes()[:50])


def remove_all(folder: Path) -> None:
    shutil.rmtree(folder / "pets")


def nothing(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (damage_weights, (), "classifier.bias holds values that are not finite"),
        (truncate_weights, (), "net.safetensors is damaged"),
        (leave_one_class, (), "pets/train holds one class, 'cat'"),
        (lose_one_class, (), "space 'pets' has 3 classes, but the images have 2"),
        (empty, (), "pets/train must hold a folder of pictures for each class"),
        (flatten, (), "pets/train must hold a folder of pictures for each class"),
        (damage_two_images, (), "2 of 90 images cannot be read: image pets/train/dog/000.png"),
        (remove_all, (), "--data pets is no folder and holds no data set"),
        (nothing, ("--val-images", "10"), "--val-images must be 1 to 9, but got 10"),
        (nothing, ("--calibration-images", "82"), "--calibration-images must be 1 to 81, but got 82"),
        (nothing, ("--space", "cifar32"), "of space 'pets' with 3 classes, not of 'cifar32' with 10"),
        (nothing, ("--dataset", "cifar100"), "--data pets holds no cifar100"),
        (nothing, ("--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    change: Callable[[Path], None],
    arguments: tuple[str, ...],
    message: str,
    folder: Path,
    checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(folder)
    before = sorted(folder.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: run.main([*QUICK, "--checkpoint", str(checkpoint), "--data", "pets", *arguments]))
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_data_set_without_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_command(lambda: run.main([*QUICK, "--dataset", "cifar10"]))
    assert "--dataset cifar10 needs --data" in capsys.readouterr().err


def test_fewer_images_than_a_batch_of_evaluation(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(evaluate.main, monkeypatch, "--checkpoint", str(checkpoint), "--data", "pets", "--random", "0")
    assert "largest" in capsys.readouterr().out
