"""More epochs for a finished training, refusals that name the command to type, and weights that diverged."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from search_space.space import Space
from supernet import teacher, train
from supernet.checkpoints.tensor_file import read_tensors
from supernet.network.supernet_file import load_checkpoint
from supernet.training.epoch_result import DivergedError, check_weights
from supernet.training.exact_state import PLAIN_STATE, OtherTrainingError
from supernet.training.phases import Phase
from supernet.training.run_folder import CHECKPOINT, LOG, STATE
from supernet.training.single_network_trainer import PHASE
from supernet.training.train_teacher import TEACHER
from tests.command import Call, Command
from tests.command_words import replaced
from tests.supernet.image_files import write_folder
from tests.supernet.training.test_exact_state import PLAIN_RECIPE, RECIPE, plain_trainer, supernet_trainer


def test_added_epochs_follow_the_longer_schedule_and_resume_exactly(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    first = plain_trainer()
    for _ in range(2):
        first.train_epoch()
    first.save(path)
    longer = replace(PLAIN_RECIPE, phases=(Phase(PHASE, 4, 5e-3, random_subnets=0),))
    with pytest.raises(OtherTrainingError, match=r"\(epochs 2 -> 4; warm_up_epochs 1.0 -> 0.0\)"):
        plain_trainer(replace(longer, warm_up_epochs=0.0)).load(path)
    trainer = plain_trainer(longer)
    trainer.load(path)
    assert (trainer.epochs_done, trainer.earlier_ends) == (2, (2,))
    trainer.train_epoch()
    # Its last step, the 6th of 6 in the third epoch, is at 2 + 5/6 of 4 epochs, the first of them warm-up.
    share = (2 + 5 / 6 - 1) / 3
    rate = 5e-3 * 0.5 * (1 + math.cos(math.pi * share))
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(rate)
    trainer.save(path)
    _, header = read_tensors(path, PLAIN_STATE)
    assert header["earlier_ends"] == [2]
    trainer.train_epoch()
    resumed = plain_trainer(longer)
    resumed.load(path)
    assert (resumed.epochs_done, resumed.earlier_ends) == (3, (2,))
    resumed.train_epoch()
    expected = trainer.network.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.network.state_dict().items())
    with pytest.raises(OtherTrainingError, match="epochs 4 -> 2"):
        plain_trainer().load(path)


def test_only_the_last_phase_of_a_finished_supernet_can_grow(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    trainer = supernet_trainer()
    trainer.train_epoch()
    trainer.save(path)
    longer = RECIPE.with_phases(epochs=[1, 3])
    with pytest.raises(OtherTrainingError) as unfinished:
        supernet_trainer(longer).load(path)
    assert not unfinished.value.is_finished
    trainer.train_epoch()
    trainer.save(path)
    with pytest.raises(OtherTrainingError, match="phase cnn: epochs 1 -> 2") as other_phase:
        supernet_trainer(RECIPE.with_phases(epochs=[2, 2])).load(path)
    assert other_phase.value.differences == ["phase cnn: epochs", "phase hybrid: epochs"]
    again = supernet_trainer(longer)
    again.load(path)
    assert (again.epochs_done, again.phase.name, again.earlier_ends) == (2, "hybrid", (2,))
    again.train_epoch()
    assert again.epochs_done == 3


@pytest.fixture
def call(command: Command) -> Call:
    return partial(command, train.main)


@pytest.fixture
def settings(tmp_path: Path, small_text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.chdir(tmp_path)
    Path("space.yaml").write_text(small_text)
    write_folder(Path("pets/train"), classes=("cat", "cow", "dog", "fox"))
    sizes = ("--batch", "8", "--epochs", "1", "--recipe", "joint", "--random-subnets", "1")
    return (
        *("--space", "space.yaml", "--data", "pets", "--out", "run", *sizes),
        *("--precision", "fp32", "--workers", "0"),
    )


def command_in(error: str) -> list[str]:
    """The arguments of the command that a message names between backquotes."""
    words = shlex.split(error.split("`")[1])
    assert words[1:3] == ["-m", "supernet.train"]
    return words[3:]


def test_the_commands_that_refusals_name_go_on(
    settings: tuple[str, ...], call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(*settings).code == 0
    code, text, _ = call(*replaced(settings, ("--epochs", "2")))
    assert code == 0
    assert "the training had 1 epochs; the learning rate of the others follows the schedule of 2" in text
    assert len(Path("run", LOG).read_text().splitlines()) == 2

    # One image less, and more epochs: another training, which can start from these weights.
    Path("pets/train/cat/000.png").unlink()
    ended = call(*replaced(settings, ("--epochs", "3")))
    assert ended.code == 2
    assert "number of images 36 -> 35" in ended.err
    assert ended.err.count("\n") == 1
    words = command_in(ended.err)
    weights, out = tmp_path / "run" / CHECKPOINT, tmp_path / "run-2"
    assert words[-4:] == ["--from", str(weights), "--out", str(out)]
    monkeypatch.chdir(tmp_path.parent)  # Printed commands run from any folder.
    assert call(*words).code == 0
    monkeypatch.chdir(tmp_path)
    assert len(Path("run-2", LOG).read_text().splitlines()) == 3
    load_checkpoint(Path("run-2", CHECKPOINT))


def test_epochs_that_cannot_be_raised_name_those_that_can(settings: tuple[str, ...], call: Call) -> None:
    two_phases = (*replaced(settings, ("--recipe", "two_phase")), "--split-seed", "0")
    assert call(*two_phases).code == 0
    ended = call(*replaced(two_phases, ("--epochs", "2")))
    assert ended.code == 2
    assert "more epochs in its last phase only" in ended.err
    words = command_in(ended.err)
    assert words[-2:] == ["--epochs", "1,2"]
    assert call(*words).code == 0
    ended = call(*two_phases)
    assert ended.code == 2
    assert command_in(ended.err)[-2:] == ["--epochs", "1,2"]


def test_weights_that_no_checkpoint_can_hold_are_refused_before_anything_is_written(
    settings: tuple[str, ...], call: Call, command: Command
) -> None:
    wild = ("--rate", "1000", "--clip", "0", "--warm-up-epochs", "0")
    ended = call(*settings, *wild)
    assert ended.code == 2
    assert "the weights diverged in epoch 1" in ended.err
    assert "lower --rate" in ended.err
    assert ended.err.count("\n") == 1
    assert not Path("run").exists()

    write_folder(Path("pets/val"), classes=("cat", "cow", "dog", "fox"), images=1)
    own = ("--space", "space.yaml", "--data", "pets", "--out", "run", "--workers", "0", "--batch", "8")
    ended = command(teacher.main, *own, *wild, "--epochs", "1", "--precision", "fp32")
    assert ended.code == 2
    assert "the weights diverged in epoch 1" in ended.err
    assert not Path("run", TEACHER).exists()
    assert not Path("run", STATE).exists()


def test_the_largest_weight_is_that_of_float16(small_space: Space) -> None:
    layer = torch.nn.Linear(1, 1)
    for value in (65504.0, -65504.0):
        torch.nn.init.constant_(layer.weight, value)
        check_weights(layer, 1)
    for value in (65536.0, -65536.0, math.nan, math.inf):
        torch.nn.init.constant_(layer.weight, value)
        with pytest.raises(DivergedError, match=r"in epoch 7 \(weight reaches"):
            check_weights(layer, 7)
    norm = torch.nn.BatchNorm2d(1)
    assert norm.running_var is not None
    assert norm.running_mean is not None
    norm.running_var.fill_(1e6)  # A variance may be large.
    check_weights(norm, 1)
    norm.running_mean.fill_(math.nan)
    with pytest.raises(DivergedError, match="running_mean reaches nan"):
        check_weights(norm, 1)
