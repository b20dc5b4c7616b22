"""`supernet.teacher`, `supernet.label` and the use of soft labels, as a user meets them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from supernet import finetune, label, teacher, train
from supernet.checkpoints.tensor_file import read_tensors
from supernet.images import cifar10
from supernet.images.labelled_images import LabelledImages, normalised
from supernet.network.teacher_network import load_teacher
from supernet.training.fine_tune_subnet import NETWORK
from supernet.training.labelling import augmented_view
from supernet.training.recipe import load_recipe
from supernet.training.run_folder import LOG
from supernet.training.soft_labels import load_soft_labels
from tests.command import Call, Command
from tests.command_words import replaced
from tests.search_space.files.test_event_file import curves
from tests.supernet.image_files import pass_as_trained_on

SMALL = ("--batch", "16", "--precision", "fp32", "--workers", "0")


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabelledImages:
    """80 images in place of CIFAR-10, 16 of them its search split."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (80, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images = LabelledImages(pixels, torch.arange(80) % 10)
    (tmp_path / "data" / cifar10.FOLDER).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cifar10, "SEARCH_IMAGES", 16)
    monkeypatch.setattr(cifar10, "load", lambda directory: (images, images[:32]))
    pass_as_trained_on(monkeypatch)
    return images


@pytest.fixture
def commands(command: Command) -> dict[str, Call]:
    modules = {"teacher": teacher, "label": label, "train": train, "finetune": finetune}
    return {name: partial(command, module.main) for name, module in modules.items()}


def test_from_teacher_to_taught_supernet(
    images: LabelledImages, commands: dict[str, Call], tmp_path: Path
) -> None:
    settings = ("--out", "t", "--epochs", "2", "--tensorboard", "curves", *SMALL)
    code, text, _ = commands["teacher"](*settings)
    assert code == 0
    assert "search top-1" in text
    assert "test top-1" in text
    path = tmp_path / "t" / "teacher.safetensors"
    network, header = load_teacher(path)
    assert network.classes == 10
    assert header["data"]["split_counts"] == "64 for training, 16 for search"
    assert set(json.loads((tmp_path / "t" / "result.json").read_text())["accuracy"]) == {"search", "test"}
    log = [json.loads(line) for line in (tmp_path / "t" / LOG).read_text().splitlines()]
    assert [entry["epoch"] for entry in log] == [1, 2]
    shown = curves(tmp_path / "curves")["loss/network"]
    assert [value for _, value in shown] == pytest.approx([entry["loss"]["network"] for entry in log])
    content = path.read_bytes()
    code, text, _ = commands["teacher"](*settings)
    assert code == 0
    assert "resuming after epoch 2 of 2" in text
    assert path.read_bytes() == content

    make = ("--teacher", str(path), "--precision", "fp32", "--workers", "0")
    code, text, _ = commands["label"](*make, "--out", "l", "--views", "3")
    assert code == 0
    assert "3 views of 64 images" in text
    labels = load_soft_labels(tmp_path / "l")
    assert labels.probabilities(2, torch.arange(64)).shape == (64, 10)
    code, _, _ = commands["label"](*make, "--out", "again", "--views", "3")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "l").read_bytes()

    code, _, _ = commands["label"](*make, "--out", "mirrored", "--views", "1", "--mirror")
    assert code == 0
    pixels = torch.cat(list(augmented_view(images[:64], load_recipe("joint"), seed=0, number=0)))
    with torch.inference_mode():
        both = [network(normalised(each, torch.float32)).softmax(1) for each in (pixels, pixels.flip(3))]
    found = load_soft_labels(tmp_path / "mirrored").probabilities(0, torch.arange(64))
    torch.testing.assert_close(found, (both[0] + both[1]) / 2, rtol=2e-3, atol=1e-4)
    torch.testing.assert_close(labels.probabilities(0, torch.arange(64)), both[0], rtol=2e-3, atol=1e-4)

    taught = ("--recipe", "joint", "--epochs", "1", "--out", "r", *SMALL)
    code, _, _ = commands["train"](
        *taught, "--soft-labels", "l", "--largest-every", "2", "--sampling", "family"
    )
    assert code == 0
    code, _, error = commands["train"](*taught)
    assert code == 2
    assert "soft labels" in error
    code, _, error = commands["train"](
        *replaced(taught, ("--out", "other")), "--soft-labels", "l", "--rand-augment", "1"
    )
    assert code == 2
    assert "rand_augment 0 -> 1" in error
    assert not (tmp_path / "other").exists()

    tuned = ("--subnet", "min", "--epochs", "1", *SMALL)
    for out, more in (("f", ("--soft-labels", "l")), ("g", ())):
        code, _, _ = commands["finetune"](*tuned, "--out", out, *more)
        assert code == 0
    weights = [read_tensors(tmp_path / out / NETWORK, "h4h-network-1")[0] for out in ("f", "g")]
    assert not torch.equal(weights[0]["classifier.weight"], weights[1]["classifier.weight"])
    code, _, error = commands["finetune"](*tuned, "--out", "f")
    assert code == 2
    assert "soft labels" in error


def test_a_fine_tuned_network_teaches(
    images: LabelledImages, commands: dict[str, Call], tmp_path: Path
) -> None:
    assert commands["finetune"]("--subnet", "min", "--epochs", "0", "--out", "n", *SMALL)[0] == 0
    make = (
        "--teacher",
        f"n/{NETWORK}",
        "--out",
        "l",
        "--views",
        "1",
        "--top",
        "3",
        "--workers",
        "0",
    )
    assert commands["label"](*make)[0] == 0
    tensors, _ = read_tensors(tmp_path / "l", "h4h-soft-labels-1")
    assert tensors["shares"].shape == tensors["ranks"].shape == (1, 64, 3)


def test_a_teacher_of_another_split_is_refused(images: LabelledImages, commands: dict[str, Call]) -> None:
    assert commands["teacher"]("--out", "t", "--epochs", "1", *SMALL)[0] == 0
    make = ("--teacher", "t/teacher.safetensors", "--out", "l", "--views", "1")
    code, _, error = commands["label"](*make, "--split-seed", "3")
    assert code == 2
    assert "was trained on other images or another split" in error


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("teacher", (), "--out"),
        (
            "teacher",
            ("--out", "o", "--epochs", "0"),
            "--epochs must be at least 1 and at most 10",
        ),
        ("teacher", ("--out", "o", "--rate", "nan"), "--rate must be above 0 and at most 1000, but got nan"),
        ("teacher", ("--out", "o", "--data", "nowhere"), "nowhere"),
        ("teacher", ("--out", "o", "--space", "cifar33"), "cifar33"),
        ("label", (), "--teacher, --out"),
        ("label", ("--teacher", "t", "--out", "l"), "checkpoint t does not exist"),
        ("label", ("--teacher", "t", "--out", "l", "--views", "0"), "--views must be at least 1, but got 0"),
        ("label", ("--teacher", "t", "--out", "l", "--top", "0"), "--top must be at least 1, but got 0"),
        ("label", ("--teacher", "t", "--out", "l", "--magnitude", "99"), "magnitude must be at least 0"),
        ("label", ("--teacher", "t", "--out", "."), "--out must be a file, but . is a folder"),
        ("train", ("--out", "o", "--soft-labels", "l", "--data", "data"), "checkpoint l does not exist"),
        ("train", ("--out", "o", "--sampling", "families"), "must be of uniform, family, macs, pareto"),
        (
            "train",
            ("--out", "o", "--largest-every", "0"),
            "--largest-every must be at least 1 and at most 10",
        ),
        ("train", ("--out", "o", "--largest-every", "2"), "give --soft-labels FILE or --ema"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    name: str,
    arguments: tuple[str, ...],
    message: str,
    images: LabelledImages,
    commands: dict[str, Call],
    tmp_path: Path,
) -> None:
    if name == "train":
        arguments = (*arguments, "--batch", "16")
    code, _, error = commands[name](*arguments)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
