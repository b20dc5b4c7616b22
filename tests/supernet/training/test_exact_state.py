"""States of both trainers: earlier ones resume bit for bit, foreign and damaged ones are refused.

`earlier_states/` was written by the code before `exact_state` (commit 026253f): a supernet after 9 of 12
steps (AdamW, running average), and a plain network after 1 of 2 epochs (SGD), with the settings below.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open

from search_space.files.yaml_document import parse_document
from search_space.space import Space
from supernet.checkpoints.header import CheckpointError
from supernet.checkpoints.tensor_file import read_tensors, write_tensors
from supernet.images.labelled_images import LabelledImages
from supernet.network.extraction import extract
from supernet.network.supernet import Supernet
from supernet.training.exact_state import PLAIN_STATE, SUPERNET_STATE
from supernet.training.phases import Phase
from supernet.training.recipe import Recipe
from supernet.training.single_network_trainer import FineTuning, make_recipe
from supernet.training.supernet_trainer import Trainer

EARLIER = Path(__file__).parent / "earlier_states"
CPU = torch.device("cpu")

TINY = """
name: tiny
resolution: [8, 12]
stem: {stride: 2, width: [8]}
stages:
  - stride: 2
    width: [8, 16]
    downsampling: {kind: [mbconv, patch_merging], kernel: [3, 5], expansion: [1, 2]}
    conv_depth: [0, 1]
    conv: {kernel: [3], expansion: [2]}
    vit_depth: [0, 1]
    vit: {heads: [1, 2], head_dim: 8, mlp_ratio: [1]}
head: {width: 16, classes: 3}
"""
SPACE = parse_document(Space, yaml.safe_load(TINY), source="tiny")
PIXELS = (np.arange(48 * 3 * 12 * 12, dtype=np.int64) ** 2 % 251).astype(np.uint8).reshape(48, 3, 12, 12)
IMAGES = LabelledImages(torch.from_numpy(PIXELS), torch.arange(48) % 3)
RECIPE = Recipe(
    phases=(Phase("cnn", 1, 5e-3, 1, vit=False), Phase("hybrid", 1, 5e-3, 1)),
    batch=8,
    precision="fp32",
    ema=0.9,
    warm_up_epochs=0.5,
)
PLAIN_RECIPE = make_recipe(epochs=2, rate=5e-3, batch=8, precision="fp32", optimizer="sgd")


def supernet_trainer(recipe: Recipe = RECIPE) -> Trainer:
    return Trainer(space=SPACE, images=IMAGES, recipe=recipe, device=CPU)


def plain_trainer(recipe: Recipe = PLAIN_RECIPE) -> FineTuning:
    torch.manual_seed(0)
    network = extract(Supernet(SPACE), SPACE.decode(SPACE.largest()))
    return FineTuning(network=network, images=IMAGES, recipe=recipe, device=CPU, origin="test")


def test_an_earlier_state_of_a_supernet_resumes(tmp_path: Path) -> None:
    trainer = supernet_trainer()
    trainer.load(EARLIER / "supernet.safetensors")
    assert (trainer.epochs_done, trainer.steps_done) == (1, 3)
    trainer.save(tmp_path / "again.safetensors")
    earlier, _ = read_tensors(EARLIER / "supernet.safetensors", "h4h-training-2")
    again, header = read_tensors(tmp_path / "again.safetensors", SUPERNET_STATE)
    assert again.keys() == earlier.keys() | {"estimate"}
    assert all(torch.equal(value, again[name]) for name, value in earlier.items())
    assert header["steps_done"] == 3
    # What the earlier code got from there. Rounding differs between CPUs.
    result = trainer.train_epoch()
    losses = {kind: score.loss for kind, score in result.scores.items()}
    expected = {"largest": 1.0999794205, "smallest": 1.0987478693, "random": 1.0986999869}
    assert losses == pytest.approx(expected, rel=1e-5)
    assert result.rates == pytest.approx({"cnn": 0.00125, "vit": 0.00125})


def test_an_earlier_state_of_a_plain_network_resumes(tmp_path: Path) -> None:
    trainer = plain_trainer()
    trainer.load(EARLIER / "plain.safetensors")
    assert trainer.epochs_done == 1
    trainer.save(tmp_path / "again.safetensors")
    earlier, before = read_tensors(EARLIER / "plain.safetensors", PLAIN_STATE)
    again, header = read_tensors(tmp_path / "again.safetensors", PLAIN_STATE)
    assert again.keys() == earlier.keys()
    assert all(torch.equal(value, again[name]) for name, value in earlier.items())
    # Settings that the earlier code did not have.
    newer = {"flip": 0.5, "class_weights": "none"}
    assert header == {**before, "settings": {**before["settings"], **newer}}
    assert trainer.train_epoch().loss == pytest.approx(1.0998780926, rel=1e-5)


def changed(path: Path, state: str, format_: str, settings: dict[str, Any]) -> Path:
    """A copy of an earlier state with other settings in its header; None removes one."""
    tensors, header = read_tensors(EARLIER / state, format_)
    stored = {**header["settings"], **settings}
    header["settings"] = {name: value for name, value in stored.items() if value is not None}
    write_tensors(path, tensors, header)
    return path


def test_a_setting_newer_than_the_state_has_its_default(tmp_path: Path) -> None:
    missing = {"mixup": None, "phase cnn: elastic": None, "phase hybrid: vit": None}
    path = changed(tmp_path / "s.safetensors", "supernet.safetensors", "h4h-training-2", missing)
    supernet_trainer().load(path)
    with pytest.raises(CheckpointError, match=r"\(mixup 0.0 -> 0.3\)"):
        supernet_trainer(replace(RECIPE, mixup=0.3)).load(path)
    path = changed(tmp_path / "p.safetensors", "plain.safetensors", PLAIN_STATE, {"cutmix": None})
    plain_trainer().load(path)
    with pytest.raises(CheckpointError, match=r"\(cutmix 0.0 -> 0.3\)"):
        plain_trainer(replace(PLAIN_RECIPE, cutmix=0.3)).load(path)


def test_a_setting_that_is_unknown_now_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path / "s.safetensors", "supernet.safetensors", "h4h-training-2", {"cutout": 3})
    with pytest.raises(
        CheckpointError, match=r"\(cutout 3 -> None\): repeat its settings, or choose another"
    ):
        supernet_trainer().load(path)


def test_states_of_the_other_trainer_are_refused() -> None:
    with pytest.raises(CheckpointError, match="must be of format 'h4h-training-3'"):
        supernet_trainer().load(EARLIER / "plain.safetensors")
    with pytest.raises(CheckpointError, match="must be of format 'h4h-fine-tuning-1'"):
        plain_trainer().load(EARLIER / "supernet.safetensors")


@pytest.mark.parametrize(
    "missing", ["weight.stem.weight", "average.n_averaged", "optimizer.step.head.weight"]
)
def test_a_state_without_one_of_its_tensors_is_damaged(missing: str, tmp_path: Path) -> None:
    tensors, header = read_tensors(EARLIER / "supernet.safetensors", "h4h-training-2")
    tensors[f"{missing}x"] = tensors.pop(missing)
    write_tensors(tmp_path / "s.safetensors", tensors, header)
    trainer = supernet_trainer()
    with pytest.raises(CheckpointError, match=r"s\.safetensors is damaged"):
        trainer.load(tmp_path / "s.safetensors")


def test_the_header_is_readable_without_torch() -> None:
    with safe_open(EARLIER / "supernet.safetensors", framework="np") as file:
        header = json.loads(file.metadata()["h4h"])
    assert header["steps_done"] == 3
    assert header["settings"]["phases"] == ["cnn", "hybrid"]
