"""`supernet.bring`: from a trained model to a space, a checkpoint, a front and a fine-tuned network."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from search_space.space import load_space
from studies import load_study, run
from supernet import bring, finetune
from supernet.checkpoints.header import read_header
from supernet.checkpoints.image_input import IMAGENET_SCALE, stored_image_input
from supernet.images.image_folder import list_folder
from supernet.images.labelled_images import loaded, normalised
from tests.command import Call, Command
from tests.supernet.image_files import write_folder
from tests.supernet.torch_models.trained_models import BLOCKS, untrained

CLASSES = ("cat", "cow", "dog", "fox")
MODEL = (
    *("torchvision:mobilenet_v2", "--weights", "w.pth", "--side", "32"),
    *("--option", "width_mult=0.35", "--option", f"inverted_residual_setting={BLOCKS}"),
)
TOP1 = ("top-1 on ", "top-1 of the written float16 file on ")


@pytest.fixture
def call(command: Command) -> Call:
    return partial(command, bring.main)


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of four classes, and the weights of a short training on them."""
    folder = tmp_path_factory.mktemp("trained")
    for seed, split in enumerate(("train", "val")):
        write_folder(folder / "pets" / split, classes=CLASSES, images=16, size=(36, 32), seed=seed)
    images = loaded(list_folder(folder / "pets" / "train").images(crop=32))
    batch, labels = normalised(images.pixels, torch.float32, IMAGENET_SCALE), images.labels
    model = untrained(num_classes=len(CLASSES)).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.3
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(15):
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(model(batch), labels))
        optimizer.step()
    model.eval()
    assert (model(batch).argmax(1) == labels).float().mean() > 0.6
    torch.save(model.state_dict(), folder / "w.pth")
    return folder


@pytest.fixture
def folder(trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("pets", "w.pth"):
        (tmp_path / name).symlink_to(trained_folder / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_a_trained_model_to_a_front_and_a_network(folder: Path, call: Call, command: Command) -> None:
    code, out, err = call(*MODEL, "--data", "pets", "--dataset", "folder", "--out", "mine")
    assert (code, err) == (0, ""), err
    assert "32px stem16 | 8:mb3x1 | 8:mb3x3 mb3x3 | 16:mb3x6 mb3x6 mb3x6" in out
    assert "class scores equal to the bit, 7 of 7 blocks equal to the bit" in out
    assert "8 random subnets before training" in out
    lines = out.splitlines()
    before, written = (next(line for line in lines if line.startswith(start)) for start in TOP1)
    # float16 keeps the accuracy of such a small network within an image or two of 16.
    figures = [[float(text) for text in re.findall(r"([\d.]+) %", line)[:2]] for line in (before, written)]
    assert figures[0] == pytest.approx(figures[1], abs=13)
    assert "the model may have been trained on some of these images" in out
    space = load_space("mine/space.yaml")
    assert (space.name, space.head.classes) == ("mine", 4)
    checkpoint = Path("mine/checkpoint.safetensors")
    seen = stored_image_input(checkpoint)
    assert (seen.pixel_scale, seen.class_names) == (IMAGENET_SCALE, CLASSES)
    assert read_header(checkpoint)["space"] == space.to_dict()

    code, _, err = command(
        run.main,
        *("--checkpoint", str(checkpoint), "--data", "pets", "--objectives", "acc,macs", "--db", "s.db"),
        *("--population", "4", "--generations", "1", "--sampler", "nsga2", "--val-images", "4"),
    )
    assert code == 0, err
    study = load_study("s.db", "mine-acc-macs-s0")
    assert len(study.evaluations()) == 4
    assert study.front()
    code, out, err = command(
        finetune.main,
        *("--checkpoint", str(checkpoint), "--subnet", "max", "--data", "pets", "--out", "net"),
        *("--epochs", "1", "--batch", "16", "--workers", "1"),
    )
    assert code == 0, err
    assert stored_image_input(Path("net/network.safetensors")).pixel_scale == IMAGENET_SCALE


def test_nothing_is_written_twice(folder: Path, call: Call) -> None:
    given = (*MODEL, "--mean", "0.5,0.5,0.5", "--deviation", "0.25,0.5,0.5", "--name", "new", "--out", "mine")
    assert call(*given).code == 0
    assert load_space("mine/space.yaml").name == "new"
    assert stored_image_input(Path("mine/checkpoint.safetensors")).deviation == (0.25, 0.5, 0.5)
    code, out, err = call(*given)
    assert (code, out) == (2, "")
    assert "mine/space.yaml exists and may hold your changes: choose another --out, or delete it" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*MODEL, "--weights", "x"), "--weights is given twice"),
        (("torchvision:mobilenet_v2", "--side", "32"), "needs trained weights: pass a file as --weights"),
        (("torchvision:mobilenet_v2", "--weights", "no.pth", "--side", "32"), "no.pth does not exist"),
        ((*MODEL[:3], "--side", "32"), "weights w.pth do not fit torchvision:mobilenet_v2"),
        ((*MODEL[:4], "30", *MODEL[5:]), "side must be a multiple of 4 from 8 on, but got 30"),
        ((*MODEL, "--mean", "0.5"), "must be three numbers such as 0.5,0.5,0.5"),
        ((*MODEL, "--mean", "0.5,0.5,0.5"), "--deviation is missing"),
        ((*MODEL, "--deviation", "0,1,1"), "deviation must be three numbers above 0"),
        ((*MODEL, "--option", "width"), "must be NAME=VALUE such as width_mult=0.5, but got 'width'"),
        ((*MODEL, "--option", "a=[1"), "the value of 'a' cannot be read"),
        ((*MODEL, "--data", "nowhere"), "--data nowhere is no folder"),
        ((*MODEL, "--out", "w.pth"), "--out must be a folder, but w.pth is a file"),
    ],
)
def test_wrong_input_is_one_line(folder: Path, call: Call, arguments: tuple[str, ...], message: str) -> None:
    out = () if "--out" in arguments else ("--out", "mine")
    code, _, err = call(*arguments, *out)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not Path("mine").exists()
