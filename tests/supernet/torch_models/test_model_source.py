"""Models by name and weights from files: tensors only, never code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from search_space.errors import H4HError
from supernet.torch_models.model_source import load_model, read_weights
from tests.supernet.torch_models.trained_models import BLOCKS, untrained

OPTIONS = {"width_mult": 0.35, "inverted_residual_setting": BLOCKS}
SOURCE = "torchvision:mobilenet_v2"


def make() -> Any:
    """A model of a user's own."""
    return untrained()


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return dict(untrained().state_dict())


@pytest.mark.parametrize("form", ["plain", "safetensors", "state_dict", "prefixed"])
def test_forms_of_a_file(tmp_path: Path, state: dict[str, torch.Tensor], form: str) -> None:
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth")
    if form == "safetensors":
        save_file(state, path)
    elif form == "prefixed":
        torch.save({f"module.{name}": value for name, value in state.items()}, path)
    else:
        torch.save({"state_dict": state, "epoch": 3} if form == "state_dict" else state, path)
    model = load_model(SOURCE, path, OPTIONS)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])
    assert model.get_parameter("classifier.1.weight").shape == (10, 1280)


class Code:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (exec, ("raise SystemExit('code of the file has run')",))


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    for name, content in (("zip.pth", None), ("old.pth", Code())):
        if content is None:
            torch.save({"weight": Code()}, tmp_path / name)
        else:
            (tmp_path / name).write_bytes(pickle.dumps(content))
        with pytest.raises(H4HError, match="are no file of tensors, or hold code, which is never run"):
            read_weights(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged|no file of tensors"),
        (b"not weights", "damaged|no file of tensors"),
        (torch.zeros(3), "must hold tensors by name"),
        ({}, "must hold tensors by name"),
        ({"epoch": 3}, "'epoch' is a int"),
    ],
)
def test_files_without_weights(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(H4HError, match=message):
        read_weights(path)


def test_absent_and_damaged_files(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    with pytest.raises(H4HError, match=r"does not exist; name a file of torch.save or safetensors"):
        read_weights(tmp_path / "absent.pth")
    (tmp_path / "w.safetensors").write_bytes(b"12345678")
    with pytest.raises(H4HError, match="damaged or no file"):
        read_weights(tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pth")
    whole = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(H4HError, match=r"damaged|no file of tensors"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("torchvision:mobilenet_v9", OPTIONS, "torchvision has no model 'mobilenet_v9'.*did you mean"),
        (
            "torchvision:mobilenet_v2",
            {},
            r"do not fit torchvision:mobilenet_v2: they lack features.*--option",
        ),
        ("torchvision:mobilenet_v2", {**OPTIONS, "width_mult": 0.5}, "they have another shape in features"),
        ("torchvision:mobilenet_v2", {**OPTIONS, "size": 3}, "cannot be made with .*check --option"),
        ("torchvision:resnet18", {}, "do not fit torchvision:resnet18"),
        ("no_module:make", {}, "model 'no_module:make' cannot be imported"),
        ("pathlib:Path", {}, "must be a torch.nn.Module, but is a"),
        ("math:pi", {}, "must be a function that returns a torch.nn.Module"),
        ("mobilenet_v2", {}, "must be a name, or module:Name"),
    ],
)
def test_refusals(
    tmp_path: Path, state: dict[str, torch.Tensor], source: str, options: dict[str, Any], message: str
) -> None:
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(H4HError, match=message):
        load_model(source, tmp_path / "w.pth", options)


def test_a_library_needs_weights_and_a_function_does_not() -> None:
    with pytest.raises(
        H4HError, match="torchvision:mobilenet_v2 needs trained weights: pass a file as --weights"
    ):
        load_model(SOURCE, None, {})
    model = load_model(f"{__name__}:make", None, {})
    assert torch.equal(model.get_parameter("classifier.1.bias"), torch.zeros(10))


def test_weights_without_a_classifier(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save({name: value for name, value in state.items() if "classifier" not in name}, tmp_path / "w.pth")
    with pytest.raises(H4HError, match="hold no linear layer, so the model has no classifier"):
        load_model(SOURCE, tmp_path / "w.pth", OPTIONS)
