"""`supernet.finetune` as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from search_space.space import Space, load_space
from supernet import finetune
from supernet.checkpoints.image_input import PixelScale
from supernet.checkpoints.tensor_file import read_tensors
from supernet.images import cifar10
from supernet.images.labelled_images import LabelledImages, normalised
from supernet.network import number_formats
from supernet.network.extraction import FORMAT, load_extracted
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import save_checkpoint
from supernet.training import single_network_trainer as fine_tuning
from supernet.training.fine_tune_subnet import NETWORK, RESULT
from supernet.training.run_folder import LOG, STATE
from tests.command import Call, Command
from tests.search_space.files.test_event_file import curves
from tests.supernet.image_files import pass_as_trained_on, write_folder
from tests.warm_process import ROOT, WarmProcess


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "required: --out"),
        (("--out", "o"), "holds a supernet: choose one of its networks by --subnet max, min or a genotype"),
        (("--subnet", "max", "--out", "o", "--checkpoint", "absent"), "unknown checkpoint 'absent'"),
        (("--subnet", "large", "--out", "o"), "written as integers joined by commas, but got 'large'"),
        (("--subnet", "1,2", "--out", "o"), "has 58 genes, but got 2"),
        (("--subnet", "max", "--out", "o", "--data", "nowhere"), "nowhere"),
        (
            ("--subnet", "max", "--out", "o", "--epochs", "-1"),
            "--epochs must be at least 0 and at most 10",
        ),
        (
            ("--subnet", "max", "--out", "o", "--rate", "nan"),
            "--rate must be above 0 and at most 1000",
        ),
        (("--subnet", "max", "--out", "o", "--epochs", "x"), "invalid int value: 'x'"),
        (("--subnet", "max", "--out", "o", "--device", "gpu0"), "unknown device 'gpu0'"),
        (("--subnet", "max", "--out", "o", "--precision", "fp8"), "unknown precision 'fp8'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = call(*arguments)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def call(command: Command) -> Call:
    return partial(command, finetune.main)


def few_images(classes: int = 10) -> LabelledImages:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (80, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return LabelledImages(pixels, torch.arange(80) % classes)


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabelledImages:
    images = few_images()
    (tmp_path / "data" / cifar10.FOLDER).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cifar10, "SEARCH_IMAGES", 16)
    monkeypatch.setattr(cifar10, "load", lambda directory: (images, images[:32]))
    pass_as_trained_on(monkeypatch)
    return images


def test_train_go_on_and_load(images: LabelledImages, tmp_path: Path, call: Call) -> None:
    out = tmp_path / "run"
    settings = ("--subnet", "min", "--out", str(out), "--batch", "32", "--precision", "fp32")
    code, text, _ = call(*settings, "--epochs", "2", "--tensorboard", str(tmp_path / "curves"))
    assert code == 0
    assert "before: search top-1" in text
    assert "after:  search top-1" in text
    record = json.loads((out / RESULT).read_text())
    assert set(record["before"]) == set(record["after"]) == {"search", "test"}
    space = load_space("cifar32")
    assert record["genotype"] == ",".join(map(str, space.smallest()))
    content = (out / NETWORK).read_bytes()
    assert load_extracted(out / NETWORK).subnet == space.decode(space.smallest())
    log = [json.loads(line) for line in (out / LOG).read_text().splitlines()]
    assert [(entry["epoch"], entry["phase"]) for entry in log] == [(1, "fine-tuning"), (2, "fine-tuning")]
    loss, top1 = log[1]["loss"]["network"], log[1]["train_accuracy"]["network"]
    assert f"loss {loss:.3f}, train top-1 {top1:.1f} %" in text
    assert f"search top-1 {log[0]['search_accuracy']['network']:.1f} %" in text
    shown = curves(tmp_path / "curves")
    for name in ("loss", "train_accuracy", "search_accuracy"):
        values = [entry[name]["network"] for entry in log]
        assert [step for step, _ in shown[f"{name}/network"]] == [1, 2]
        assert [value for _, value in shown[f"{name}/network"]] == pytest.approx(values)
    assert {"rate/cnn", "seconds"} <= {*shown}

    code, text, _ = call(*settings, "--epochs", "2")
    assert code == 0
    assert "resuming after epoch 2 of 2" in text
    assert (out / NETWORK).read_bytes() == content

    for epochs, message in (("1", "epochs 2 -> 1"), ("0", "--epochs 0 would replace the network")):
        code, _, error = call(*settings, "--epochs", epochs)
        assert code == 2
        assert message in error
    assert (out / NETWORK).read_bytes() == content


def test_emulated_bf16_is_warned_of_with_the_factor_of_plain_networks(
    images: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    monkeypatch.setattr(number_formats, "_CPU_MULTIPLIES_BF16", False)
    settings = ("--subnet", "min", "--out", str(tmp_path / "out"), "--batch", "16", "--epochs", "1")
    warning = number_formats.emulation_warning("bf16", torch.device("cpu"), plain=True)
    code, text, _ = call(*settings, "--precision", "bf16")
    assert code == 0
    assert text.splitlines().count(warning) == 1


def test_no_epochs_only_take_the_subnet_out(images: LabelledImages, tmp_path: Path, call: Call) -> None:
    settings = ("--subnet", "max", "--epochs", "0", "--out", str(tmp_path), "--fold-batch-norm")
    code, _, _ = call(*settings)
    assert code == 0
    record = json.loads((tmp_path / RESULT).read_text())
    assert record["before"] == record["after"]
    assert load_extracted(tmp_path / NETWORK).folded


def test_images_of_other_classes_and_too_large_a_batch(
    images: LabelledImages, small_space: Space, tmp_path: Path, call: Call
) -> None:
    settings = ("--subnet", "min", "--epochs", "1", "--out", str(tmp_path / "run"))
    code, _, error = call(*settings)
    assert code == 2
    assert "batch must be at most the 64 training images, but got 128" in error
    save_checkpoint(tmp_path / "small", Supernet(small_space))
    code, _, error = call(*settings, "--checkpoint", str(tmp_path / "small"))
    assert code == 2
    assert "has 4 classes, but the images have 10" in error
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_other_images_is_refused(images: LabelledImages, tmp_path: Path, call: Call) -> None:
    other = {"data_set": "cifar100", "split": "0", "split_seed": "0", "split_counts": "1 for training"}
    save_checkpoint(tmp_path / "other", Supernet(load_space("cifar32")), other)
    settings = ("--subnet", "min", "--out", str(tmp_path / "run"), "--checkpoint", str(tmp_path / "other"))
    code, _, error = call(*settings)
    assert code == 2
    assert "the checkpoint was trained on other images (cifar100" in error
    assert not (tmp_path / "run").exists()


def test_a_lost_loss_keeps_the_last_good_network(
    images: LabelledImages, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    batches = 0

    def spoiled(pixels: torch.Tensor, dtype: torch.dtype, scale: PixelScale) -> torch.Tensor:
        nonlocal batches
        batches += 1
        return normalised(pixels, dtype, scale) * (torch.nan if batches > 5 else 1)  # 4 batches an epoch

    monkeypatch.setattr(fine_tuning, "normalised", spoiled)
    settings = ("--subnet", "min", "--batch", "16", "--out", "run", "--precision", "fp32")
    code, _, error = call(*settings, "--epochs", "3")
    assert code == 2
    assert "infinite or NaN in epoch 2, step 2 (the result of the 1 epochs before it is kept)" in error
    kept = load_extracted(Path("run", NETWORK))
    assert all(value.isfinite().all() for value in kept.state_dict().values())
    assert {path.name for path in Path("run").iterdir()} == {NETWORK, STATE, LOG}
    assert [json.loads(line)["epoch"] for line in Path("run", LOG).read_text().splitlines()] == [1]


def test_out_must_be_a_folder(images: LabelledImages, call: Call) -> None:
    Path("file").write_text("mine")
    code, _, error = call("--subnet", "min", "--out", "file")
    assert code == 2
    assert "--out file: file is not a folder; name another folder" in error
    assert Path("file").read_text() == "mine"


def test_images_of_ones_own(
    small_space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(Path("pets/train"), classes=("cat", "cow", "dog", "fox"))
    save_checkpoint(Path("small"), Supernet(small_space))
    settings = (
        "--checkpoint",
        "small",
        "--subnet",
        "max",
        "--data",
        "pets",
        "--out",
        "run",
    )
    code, _, error = call(*settings, "--workers", "0", "--epochs", "1", "--batch", "8")
    assert code == 2
    assert "holds no test images" in error
    assert not Path("run").exists()
    code, text, _ = call(*settings, "--workers", "0", "--epochs", "1", "--batch", "8", "--split", "search")
    assert code == 0
    assert "test top-1" not in text
    _, header = read_tensors(Path("run", NETWORK), FORMAT)
    assert header["data"]["data_set"] == "folder"
    code, _, error = call(*settings, "--split", "search", "--workers", "-1")
    assert code == 2
    assert "--workers must be at least 0, but got -1" in error


SCRIPT = """
import sys, torch
from pathlib import Path
from search_space.command.command_line import run_command
from supernet import finetune
from supernet.images import cifar10
from supernet.images.labelled_images import LabelledImages

torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
pixels = torch.randint(0, 256, (1000, 3, 32, 32), generator=generator, dtype=torch.uint8)
images = LabelledImages(pixels, torch.arange(1000) % 10)
Path("data", cifar10.FOLDER).mkdir(parents=True, exist_ok=True)
cifar10.SEARCH_IMAGES = 16
cifar10.load = lambda directory: (images, images[:32])
print("ready", flush=True)
run_command(finetune.main)
"""


@pytest.mark.slow
def test_killed_fine_tuning_ends_with_the_bits_of_one_never_disturbed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    checkpoint = tmp_path / "checkpoint.safetensors"
    save_checkpoint(checkpoint, Supernet(load_space("cifar32")))

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(out: str) -> WarmProcess:
        settings = ["--checkpoint", str(checkpoint), "--subnet", "min", "--epochs", "4", "--batch", "64"]
        words = ["-c", SCRIPT, *settings, "--out", str(tmp_path / out)]
        return WarmProcess(words, folder=tmp_path, environment=environment)

    assert "after:" in start("undisturbed").communicate()[0]
    state = tmp_path / "killed" / STATE
    process = start("killed")
    while process.poll() is None and not state.exists():
        time.sleep(0.01)
    assert process.poll() is None  # the second epoch has begun
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert "resuming after epoch" in start("killed").communicate()[0]
    for name in (NETWORK, STATE):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
