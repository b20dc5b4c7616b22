"""Every option of a recipe, given to its command, changes the weights that the command writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from search_space.space import Space
from supernet import finetune, teacher, train
from supernet.checkpoints.image_input import LARGEST_WITHOUT_MARGIN
from supernet.images import cifar10
from supernet.images.labelled_images import LabelledImages
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import save_checkpoint
from supernet.training.phases import Phase
from supernet.training.recipe import Recipe
from tests.command import Command
from tests.command_words import replaced
from tests.docs.option_tables import parser_of
from tests.supernet.image_files import write_folder
from tests.supernet.spaces import with_classes, write_space

FOLDER, LARGE, SMALL = "photos", "large", "cifar"


class Effect(NamedTuple):
    """An option with a value, beside other options without which it has no effect."""

    value: str
    beside: tuple[str, ...] = ()
    data: str = FOLDER


EFFECTS = {
    "--seed": Effect("1"),
    "--batch": Effect("4"),
    "--accumulate": Effect("2"),
    "--precision": Effect("bf16"),
    "--optimizer": Effect("adamw", ("--optimizer", "sgd")),
    "--momentum": Effect("0.5", ("--optimizer", "sgd")),
    "--weight-decay": Effect("0.5"),
    "--clip": Effect("0.01"),
    "--schedule": Effect("constant", ("--warm-up-epochs", "0")),
    "--warm-up-epochs": Effect("0.25"),
    "--label-smoothing": Effect("0.4"),
    "--distillation": Effect("alpha"),
    "--conflict": Effect("project"),
    "--drop-path": Effect("0.9"),
    "--ema": Effect("0.5"),
    "--crop-padding": Effect("1", data=SMALL),
    "--crop-scale": Effect("0.9", data=LARGE),
    "--rand-augment": Effect("2"),
    "--magnitude": Effect("30", ("--rand-augment", "2")),
    "--mixup": Effect("0.5"),
    "--cutmix": Effect("0.5"),
    "--flip": Effect("0"),
    "--fit": Effect("squash"),
    "--class-weights": Effect("balanced"),
    "--epochs": Effect("2"),
    "--rate": Effect("0.02"),
    "--random-subnets": Effect("1"),
    "--sampling": Effect("family"),
    "--largest-every": Effect("2", ("--ema", "0.5")),
    "--cnn": Effect("low_lr"),
    "--low-lr-factor": Effect("0.5", ("--cnn", "low_lr")),
    "--vit-lr-factor": Effect("3"),
}
"""By option of `supernet.train`; `supernet.finetune` and `supernet.teacher` have some of them."""
SHORT = ("--epochs", "1", "--batch", "8", "--precision", "fp32", "--seed", "0")
MAINS = {"supernet.train": train.main, "supernet.finetune": finetune.main, "supernet.teacher": teacher.main}
"""Commands that train."""
WRITTEN = {
    "supernet.train": "checkpoint.safetensors",
    "supernet.finetune": "network.safetensors",
    "supernet.teacher": "teacher.safetensors",
}
KEYS = {field.name for kind in (Recipe, Phase) for field in fields(kind)} - {"batch_norm"}
"""All but that of several processes, whose effect is tested in `test_distributed.py`."""


def options(command: str) -> list[str]:
    """Options of `command` that set a key of a recipe or of its phases."""
    actions = parser_of(command)._actions
    return [action.option_strings[-1] for action in actions if action.dest in KEYS]


CASES = [(command, option) for command in MAINS for option in options(command)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, small_space: Space) -> Path:
    """Images in folders, of which one class has more, and as of CIFAR-10; spaces and weights for them."""
    folder = tmp_path_factory.mktemp("options")
    for seed, split in enumerate(("train", "val")):
        for name, images in (("cat", 16), ("dog", 8)):
            write_folder(folder / FOLDER / split, classes=(name,), images=images, size=(40, 34), seed=seed)
    (folder / SMALL / cifar10.FOLDER).mkdir(parents=True)
    (folder / LARGE).symlink_to(folder / FOLDER)
    for name, classes, side in ((FOLDER, 2, 16), (LARGE, 2, LARGEST_WITHOUT_MARGIN + 4), (SMALL, 10, 16)):
        space = with_classes(small_space, classes, resolution=[12, side])
        write_space(folder / f"{name}.yaml", space)
        torch.manual_seed(0)
        save_checkpoint(folder / f"{name}.safetensors", Supernet(space))
    return folder


Train = Callable[..., dict[str, Tensor]]
"""Runs a command on a data set with options, and reads the weights that it wrote; each run once."""


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, ...], dict[str, Tensor]]:
    return {}


@pytest.fixture
def trained(
    files: Path,
    known: dict[tuple[str, ...], dict[str, Tensor]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Command,
) -> Train:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (48, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images = LabelledImages(pixels, torch.arange(48) % 10)
    monkeypatch.setattr(cifar10, "SEARCH_IMAGES", 24)
    monkeypatch.setattr(cifar10, "load", lambda directory: (images, images[:16]))

    def run(name: str, data: str, *given: str) -> dict[str, Tensor]:
        if (key := (name, data, *given)) in known:
            return known[key]
        out = tmp_path / str(len(known))
        words = ["--data", str(files / data), "--workers", "0", "--out", str(out)]
        if name == "supernet.finetune":
            words += ["--checkpoint", str(files / f"{data}.safetensors"), "--subnet", "max"]
        else:
            words += ["--space", str(files / f"{data}.yaml")]
        ended = command(MAINS[name], *replaced([*words, *SHORT], given))
        assert ended.code == 0, ended.err
        known[key] = load_file(out / WRITTEN[name])
        return known[key]

    return run


def differ(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return any(not torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "option"), CASES)
def test_it_changes_the_weights(name: str, option: str, trained: Train) -> None:
    effect = EFFECTS[option]
    with_it = trained(name, effect.data, *replaced(effect.beside, (option, effect.value)))
    assert differ(trained(name, effect.data, *effect.beside), with_it)


@pytest.mark.parametrize("name", MAINS)
def test_equal_options_give_equal_weights(name: str, trained: Train) -> None:
    # Else weights would differ whatever an option does.
    assert not differ(trained(name, FOLDER), trained(name, FOLDER, "--batch", "8"))


def test_the_effect_of_each_option_is_known() -> None:
    assert {option for _, option in CASES} == set(EFFECTS)
