"""Image input in headers: round trip, files of before, and values that this version cannot obey."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from supernet.checkpoints import built_in_checkpoint
from supernet.checkpoints.header import CheckpointError, read_header
from supernet.checkpoints.image_input import (
    BALANCED,
    CIFAR10_CLASSES,
    DEVIATION,
    MEAN,
    PAD,
    ImageInput,
    image_input,
    resized_side,
)

FILE = Path("net.safetensors")


def read(header: dict[str, Any], size: int = 24, classes: int = 3) -> ImageInput:
    return image_input(FILE, json.loads(json.dumps(header)), size=size, classes=classes)


def test_round_trip_through_json() -> None:
    given = ImageInput(224, 256, ("10", "2", "b"), PAD, flip=0.0, class_weights=BALANCED)
    assert read(given.to_header()) == given


def test_header_of_before_means_what_the_code_of_that_time_did() -> None:
    assert read({}) == ImageInput(24, 24, (), "crop", "rgb", 255, MEAN, DEVIATION, 0.5, "none")
    assert read({}, size=224).resize == 256
    assert [resized_side(crop) for crop in (24, 64, 112, 224)] == [24, 64, 128, 256]


def test_names_of_before_are_known_for_cifar10_alone() -> None:
    assert read({"data": {"data_set": "cifar10"}}, classes=10).class_names == CIFAR10_CLASSES
    assert read({"data": {"data_set": "folder"}}, classes=10).class_names == ()


def test_shipped_weights_are_such_a_file() -> None:
    path = built_in_checkpoint("cifar32")
    header = read_header(path)
    assert "class_names" not in header
    found = image_input(path, header, size=32, classes=10)
    assert (found.class_names, found.size, found.resize) == (CIFAR10_CLASSES, 32, 32)


def test_a_later_version_may_add_keys() -> None:
    header = ImageInput(24, 24, ("a", "b", "c")).to_header()
    header["input"]["colour"] = "warm"
    assert read(header) == ImageInput(24, 24, ("a", "b", "c"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input": {"mean": [0.5, 0.5]}}, "mean of its image input must be three numbers"),
        ({"input": {"mean": [0.5, 0.5, None]}}, "mean of its image input must be three numbers"),
        ({"input": {"deviation": [0.5, 0.5, 0]}}, "deviation of its image input must be three numbers above"),
        ({"input": {"channels": "bgr"}}, "channels of its image input must be rgb"),
        ({"input": {"fit": "stretch"}}, "fit of its image input must be one of crop, pad, squash"),
        (
            {"input": {"size": 30, "resize": 24}},
            "resize of its image input must be .*at least size",
        ),
        ({"input": {"size": "24"}}, "size of its image input must be a number of pixels"),
        ({"input": [1]}, "input must be a mapping"),
        ({"training": {"flip": 2}}, "flip of its image input must be 0 to 1"),
        ({"training": {"flip": float("nan")}}, "flip of its image input must be 0 to 1"),
        ({"class_names": ["a", "b"]}, "class_names must be 3 different names"),
        ({"class_names": ["a", "b", "b"]}, "class_names must be 3 different names"),
        ({"class_names": [1, 2, 3]}, "class_names must be a list of names"),
        ({"class_names": "abc"}, "class_names must be a list of names"),
    ],
)
def test_values_that_cannot_be_obeyed_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=f"net.safetensors: {message}"):
        read(change)


def test_needs_no_torch() -> None:
    code = "import sys, supernet.checkpoints.image_input; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]
