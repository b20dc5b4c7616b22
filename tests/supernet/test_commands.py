"""`supernet.data`, `supernet.train` and `supernet.evaluate` as a user meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torchvision.datasets import CIFAR100, FashionMNIST

from supernet import data, evaluate, train
from supernet.accuracy import split_accuracies
from supernet.images import cifar10
from supernet.images.labelled_images import LabelledImages
from supernet.network import number_formats
from supernet.network.supernet_file import load_checkpoint
from supernet.training.epoch_log import append_epoch
from supernet.training.run_folder import CHECKPOINT, LOG
from tests.command import Command
from tests.search_space.files.test_event_file import curves

MAINS = {"data": data.main, "evaluate": evaluate.main, "train": train.main}


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("train", (), "--out"),
        ("train", ("--out", "o", "--space", "cifar23"), "did you mean 'cifar32'?"),
        (
            "train",
            ("--out", "o", "--data", "nowhere"),
            "/nowhere` for CIFAR-10",
        ),
        ("train", ("--out", "o", "--device", "gpu0"), "unknown device 'gpu0'"),
        ("train", ("--out", "o", "--precision", "fp8"), "unknown precision 'fp8'"),
        ("train", ("--out", "o", "--precision", "int8"), "'int8': must be one of auto, fp32, bf16"),
        ("evaluate", ("--precision", "fp8"), "'fp8': must be one of auto, fp32, bf16, int8"),
        (
            "train",
            ("--out", "o", "--batch", "1"),
            "--batch must be at least 2 and at most 1000000, but got 1",
        ),
        (
            "train",
            ("--out", "o", "--epochs", "3,0"),
            "--epochs must be at least 1 and at most 1000000, but got 0",
        ),
        ("evaluate", ("--checkpoint", "absent.safetensors"), "absent.safetensors does not exist"),
        ("evaluate", ("--checkpoint", "cifar23"), "unknown checkpoint 'cifar23'"),
        ("train", ("--out", "o", "--split-seed", "-1"), "--split-seed must be at least 0, but got -1"),
        ("evaluate", ("--data", "nowhere"), "--data nowhere is no folder and holds no data set"),
        ("evaluate", ("--random", "-1"), "--random must be at least 0"),
        ("evaluate", ("--split", "all"), "invalid choice: 'all'"),
        ("data", ("cifar11",), "invalid choice: 'cifar11'"),
        ("data", ("pack",), "`pack` needs --out DIR"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    module: str,
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    command: Command,
) -> None:
    monkeypatch.chdir(tmp_path)
    if module == "train" and arguments and "--data" not in arguments:
        # A missing data set would be refused first.
        data_set = tmp_path_factory.mktemp("data") / cifar10.FOLDER
        data_set.mkdir()
        arguments = (*arguments, "--data", str(data_set.parent))
    code, out, error = command(MAINS[module], *arguments)
    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("module", MAINS)
def test_bad_input_of_a_shell(module: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", f"supernet.{module}", "--bad"]
    path = {**os.environ, "PYTHONPATH": str(Path(train.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("imagenet", "ImageNet cannot be unpacked: The archive ILSVRC2012_devkit"),
        ("cifar100", "CIFAR100 cannot be downloaded (no network): copy torchvision's folder of it"),
        ("fashion-mnist", "FashionMNIST cannot be downloaded (no network)"),
    ],
)
def test_data_that_cannot_be_had(
    what: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    def refuse(self: object) -> None:
        raise OSError("no network")

    for kind in (CIFAR100, FashionMNIST):
        monkeypatch.setattr(kind, "download", refuse)
    ended = command(data.main, what, "--data", str(tmp_path))
    assert ended.code == 2
    assert message in ended.err
    assert list(tmp_path.iterdir()) == []


def test_evaluation_in_emulated_bf16_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.setattr(number_formats, "_CPU_MULTIPLIES_BF16", False)
    (tmp_path / "damaged.safetensors").write_bytes(b"none")
    weights = ("--checkpoint", str(tmp_path / "damaged.safetensors"), "--split", "search")
    warning = number_formats.emulation_warning("bf16", torch.device("cpu"))
    for name in ("bf16", "fp32", "auto"):
        code, _, error = command(evaluate.main, *weights, "--precision", name)
        assert code == 2
        assert error.splitlines().count(warning) == (name == "bf16")


def test_train_then_evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    monkeypatch.setattr(cifar10, "SEARCH_IMAGES", 16)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (80, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images = LabelledImages(pixels, torch.arange(80) % 10)
    monkeypatch.setattr(cifar10, "load", lambda directory: (images, images[:32]))

    out = tmp_path / "run"
    (tmp_path / "data" / cifar10.FOLDER).mkdir(parents=True)
    settings = (
        "--out",
        str(out),
        "--data",
        str(tmp_path / "data"),
        "--batch",
        "32",
        "--epochs",
        "1",
        "--conflict-every",
        "2",
        "--tensorboard",
        str(tmp_path / "curves"),
    )
    code, text, _ = command(train.main, *settings)
    assert code == 0
    assert "python -m supernet.evaluate --checkpoint" in text
    log = [json.loads(line) for line in (out / LOG).read_text().splitlines()]
    assert [(entry["epoch"], entry["phase"]) for entry in log] == [(1, "cnn"), (2, "hybrid")]
    assert ["conflict" in entry for entry in log] == [False, True]
    shown = curves(tmp_path / "curves")
    assert [step for step, _ in shown["loss/largest"]] == [entry["epoch"] for entry in log]
    losses = [entry["loss"]["largest"] for entry in log]
    assert [value for _, value in shown["loss/largest"]] == pytest.approx(losses)
    assert {"train_accuracy/random", "rate/cnn", "seconds"} <= {*shown}
    assert "epoch" not in shown
    assert set(log[1]["loss"]) == set(log[1]["train_accuracy"]) == {"largest", "smallest", "random"}
    assert set(log[0]["rate"]) == {"cnn"}
    assert set(log[1]["rate"]) == {"cnn", "vit"}
    checkpoint = out / CHECKPOINT
    assert load_checkpoint(checkpoint).space.name == "cifar32"

    content = checkpoint.read_bytes()
    code, text, _ = command(train.main, *settings)
    assert code == 0
    assert "resuming after epoch 2 of 2" in text
    assert checkpoint.read_bytes() == content

    code, text, _ = command(train.main, *settings, "--seed", "1")
    assert code == 2
    code, text, _ = command(train.main, *settings, "--space", "imagenet224")
    assert code == 2
    # A kill after an epoch's line and before its state: the line is written again, not twice.
    append_epoch(out / LOG, log[1])
    assert [json.loads(line) for line in (out / LOG).read_text().splitlines()] == log

    monkeypatch.setattr(split_accuracies, "load_pack", lambda folder: _pack(images))
    code, text, _ = command(evaluate.main, "--checkpoint", str(checkpoint), "--random", "2", "--json")
    assert code == 0
    record = json.loads(text)
    assert [row["name"] for row in record["subnets"]] == ["largest", "smallest", "random 1", "random 2"]
    assert all(set(row["accuracy"]) == {"search", "test"} for row in record["subnets"])
    code, text, _ = command(
        evaluate.main, "--checkpoint", str(checkpoint), "--random", "2", "--precision", "int8", "--json"
    )
    assert code == 0
    in_int8 = json.loads(text)
    assert [row["accuracy_fp32"] for row in in_int8["subnets"]] == [
        row["accuracy"] for row in record["subnets"]
    ]
    assert sum(drop["subnets"] for drop in in_int8["drops"]) == 4
    for drop in in_int8["drops"]:
        rows = [row for row in in_int8["subnets"] if row["family"] == drop["family"]]
        for split in ("search", "test"):
            points = [row["accuracy_fp32"][split] - row["accuracy"][split] for row in rows]
            assert drop["mean"][split] == pytest.approx(sum(points) / len(points))
            assert drop["largest"][split] == pytest.approx(max(points))
    code, text, _ = command(
        evaluate.main, "--checkpoint", str(checkpoint), "--random", "1", "--precision", "int8"
    )
    assert code == 0
    assert "test int8 %" in text
    assert "drop from float32 to int8, in points" in text

    given = ("--checkpoint", str(checkpoint), "--random", "4", "--split", "search")
    _, text, _ = command(evaluate.main, *given, "--json")
    families = [row["family"] for row in json.loads(text)["subnets"][2:]]
    assert families == ["cnn", "vit", "cnn-then-vit", "mixed"]
    code, text, _ = command(evaluate.main, *given)
    assert code == 0
    assert "(family)" in text
    assert text.count("mean of 1 ") == 4
    _, text, _ = command(evaluate.main, *given, "--sampling", "uniform")
    assert "mean of 1 " not in text
    assert "(uniform)" in text
    code, text, _ = command(
        evaluate.main, "--checkpoint", str(checkpoint), "--random", "1", "--split", "search"
    )
    assert code == 0
    assert "search top-1" in text
    assert "test top-1" not in text


def _pack(images: LabelledImages) -> object:
    from supernet.images.evaluation_pack import EvaluationPack

    return EvaluationPack(search=images[-16:], calibration=images[:32], digest="")
