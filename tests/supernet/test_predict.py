"""`supernet.predict`, and `supernet.evaluate` and `supernet.finetune` on one extracted network."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from search_space.space import Space
from supernet import evaluate, finetune, predict
from supernet.checkpoints.header import NETWORK_FORMAT, read_header
from supernet.checkpoints.tensor_file import read_tensors, write_tensors
from supernet.images.data_sets import open_data
from supernet.images.labelled_images import loaded, normalised
from supernet.network.extraction import load_extracted
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import save_checkpoint
from supernet.training.fine_tune_subnet import NETWORK, RESULT
from tests.command import Call, Command
from tests.supernet.image_files import write_folder

CLASSES = ("cat", "cow", "dog", "fox")
PICTURES = tuple(f"pets/val/{name}/000.png" for name in CLASSES)


@pytest.fixture
def call(command: Command) -> Call:
    return partial(command, predict.main)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_space: Space) -> Path:
    """A folder with pictures of four classes and a supernet for them, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    write_folder(Path("pets/train"), classes=CLASSES, size=(40, 24))
    write_folder(Path("pets/val"), classes=CLASSES, images=3, seed=1, size=(24, 40))
    torch.manual_seed(0)
    images = open_data(Path("pets"), None, small_space).image_input
    save_checkpoint(Path("small.safetensors"), Supernet(small_space), None, images)
    return tmp_path


@pytest.fixture
def network(folder: Path, command: Command) -> Path:
    """One extracted network, trained for an epoch."""
    ended = command(
        finetune.main,
        *("--checkpoint", "small.safetensors", "--subnet", "max", "--data", "pets", "--out", "net"),
        *("--epochs", "1", "--batch", "8", "--workers", "0", "--precision", "fp32"),
    )
    assert ended.code == 0
    assert "recall %" in ended.out
    return Path("net", NETWORK)


def expected(network: Path) -> torch.Tensor:
    """Class probabilities of the first test picture of each class, through the loader of a data set."""
    plain = load_extracted(network)
    data = open_data(Path("pets"), None, _space(plain.subnet.resolution))
    images = loaded(data.read_test())
    firsts = [images.labels.tolist().index(label) for label in range(len(CLASSES))]
    with torch.inference_mode():
        scores: torch.Tensor = plain(normalised(images.pixels[firsts], torch.float32))
        return scores.softmax(1)


def _space(side: int) -> Space:
    from tests.supernet.network.test_transfer import changed

    return changed(resolution=[side])


def test_probabilities_are_those_of_the_network_on_the_same_pictures(network: Path, call: Call) -> None:
    words = ("--checkpoint", str(network), "--top", "4", *PICTURES)
    code, text, _ = call("--json", *words)
    assert code == 0
    record = json.loads(text)
    assert [each["image"] for each in record["images"]] == list(PICTURES)
    for each, row in zip(record["images"], expected(network), strict=True):
        assert [CLASSES[label] for label in row.argsort(descending=True)] == [
            choice["class"] for choice in each["classes"]
        ]
        shares = [choice["probability"] for choice in each["classes"]]
        assert shares == pytest.approx(row.sort(descending=True).values.tolist(), abs=1e-5)
        assert sum(shares) == pytest.approx(1)
    _, text, _ = call("--csv", *words)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"] * 4
    assert rows[0]["class"] == record["images"][0]["classes"][0]["class"]
    assert float(rows[0]["probability"]) == pytest.approx(
        record["images"][0]["classes"][0]["probability"], abs=1e-6
    )
    code, text, _ = call("--checkpoint", str(network), "--top", "1", PICTURES[0])
    assert code == 0
    assert rows[0]["class"] in text
    assert "class 2" not in text


def test_the_header_decides_how_a_picture_is_prepared(network: Path, call: Call) -> None:
    # A white middle between black ends: cropping shows the middle alone, squashing all of it.
    pixels = np.zeros((24, 96, 3), np.uint8)
    pixels[:, 30:66] = 255
    Image.fromarray(pixels).save("wide.png")
    Image.fromarray(np.full((16, 16, 3), 255, np.uint8)).save("white.png")
    tensors, header = read_tensors(network, NETWORK_FORMAT)
    shares = {}
    for fit in ("crop", "squash"):
        path = f"{fit}.safetensors"
        write_tensors(Path(path), tensors, {**header, "input": {**header["input"], "fit": fit}})
        _, text, _ = call("--checkpoint", path, "--json", "wide.png", "white.png")
        wide, white = (
            {choice["class"]: choice["probability"] for choice in each["classes"]}
            for each in json.loads(text)["images"]
        )
        shares[fit] = wide == white
    assert shares == {"crop": True, "squash": False}


def test_a_supernet_needs_a_subnet_and_images_to_calibrate(folder: Path, call: Call) -> None:
    words = ("--checkpoint", "small.safetensors", PICTURES[0])
    ended = call(*words)
    assert ended.code == 2
    assert "choose one of its networks by --subnet max, min or a genotype" in ended.err
    ended = call(*words, "--subnet", "max")
    assert ended.code == 2
    assert "--data" in ended.err or "classes" in ended.err
    ended = call(*words, "--subnet", "min", "--data", "pets")
    assert ended.code == 0
    assert "%" in ended.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "required: IMAGE"),
        (("none.png",), "none.png: it does not exist"),
        (("pets",), "pets is a folder, but pictures are needed"),
        (("text.png",), "text.png cannot be read"),
        (("--top", "0", PICTURES[0]), "--top must be at least 1"),
        (("--json", "--csv", PICTURES[0]), "not allowed with"),
        (("--subnet", "max", PICTURES[0]), "--subnet is for supernets"),
        (("--data", "pets", PICTURES[0]), "--data is for supernets"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    words: tuple[str, ...], message: str, network: Path, call: Call
) -> None:
    Path("text.png").write_text("no picture")
    ended = call("--checkpoint", str(network), *words)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert ended.err.count("\n") == 1


def test_one_network_is_evaluated_in_float_and_in_int8(network: Path, command: Command) -> None:
    words = ("--checkpoint", str(network), "--data", "pets")
    code, text, _ = command(evaluate.main, *words, "--json", "--precision", "int8")
    assert code == 0
    (row,) = json.loads(text)["subnets"]
    trained = json.loads(Path("net", RESULT).read_text())
    assert row["name"] == "network"
    assert row["accuracy_fp32"] == pytest.approx(trained["after"], abs=100 / 12 + 1e-9)
    assert trained["by_class"]["test"]["images"] == dict.fromkeys(CLASSES, 3)
    by_class = row["by_class"]["test"]
    assert by_class["majority_baseline"] == 25.0
    assert by_class["balanced_accuracy"] == pytest.approx(row["accuracy"]["test"])  # as many of each class
    code, text, _ = command(evaluate.main, *words, "--split", "test")
    assert code == 0
    assert "network on the test images: accuracy" in text
    for option, value in (("--random", "3"), ("--seed", "1"), ("--sampling", "uniform")):
        ended = command(evaluate.main, *words, option, value)
        assert ended.code == 2
        assert f"{option} chooses subnets, but {network} holds one network" in ended.err


def test_one_network_is_trained_further(network: Path, command: Command) -> None:
    words = ("--data", "pets", "--epochs", "1", "--batch", "8", "--workers", "0", "--precision", "fp32")
    further = ("--checkpoint", str(network), *words, "--out", "further")
    assert command(finetune.main, *further, "--fold-batch-norm").code == 0
    before, after = (
        read_header(network, NETWORK_FORMAT),
        read_header(Path("further", NETWORK), NETWORK_FORMAT),
    )
    assert {key for key in before if before[key] != after[key]} == {"batch_norm"}
    first, second = (
        json.loads(Path("net", RESULT).read_text()),
        json.loads(Path("further", RESULT).read_text()),
    )
    assert second["before"] == first["after"]
    for other, message in (
        (("--subnet", "max"), "--subnet is for supernets"),
        (("--checkpoint", str(Path("further", NETWORK))), "has its batch norm folded"),
    ):
        given = ("--checkpoint", str(network), *words) if "--subnet" in other else words
        ended = command(finetune.main, *given, *other, "--out", "third")
        assert ended.code == 2
        assert message in ended.err
    # Other settings: the refusal names the command that starts from the trained network.
    ended = command(
        finetune.main,
        *("--checkpoint", "small.safetensors", "--subnet", "max", *words, "--out", "net", "--seed", "3"),
    )
    assert ended.code == 2
    assert f"--seed 3 --checkpoint {network.absolute()} --out {Path('net-2').absolute()}`" in ended.err
    assert "--subnet" not in ended.err


def test_a_supernet_is_named_where_a_network_is_given(network: Path, command: Command) -> None:
    from supernet import conflict

    ended = command(conflict.main, "--checkpoint", str(network), "--data", "pets")
    assert ended.code == 2
    assert "it holds one network, but a supernet is needed" in ended.err
