"""`supernet.train`: bad input, a loss that runs away, and states within an epoch."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest
import torch

from search_space.command import progress_lines
from search_space.space import Space
from supernet import train
from supernet.checkpoints import built_in_checkpoint
from supernet.checkpoints.header import read_header
from supernet.images import cifar10
from supernet.images.labelled_images import LabelledImages
from supernet.network import number_formats
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint, save_checkpoint
from supernet.training.epoch_result import EpochResult
from supernet.training.optimizer import is_vit
from supernet.training.run_folder import CHECKPOINT, LOG, STATE
from supernet.training.search_score import SearchScore
from supernet.training.supernet_trainer import Trainer
from tests.command import Call, Command
from tests.command_words import replaced
from tests.supernet.image_files import write_folder
from tests.supernet.spaces import with_classes, write_space


@pytest.fixture
def call(command: Command) -> Call:
    return partial(command, train.main)


def test_training_can_start_from_shipped_weights_by_their_name() -> None:
    arguments = train.make_parser().parse_args(["--out", "runs/mine", "--from", "cifar32"])
    assert arguments.start == built_in_checkpoint("cifar32")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--recipe", "two_fase"), "did you mean 'two_phase'?"),
        (("--recipe", "no.yaml"), "no.yaml: does not exist"),
        (("--rate", "nan"), "--rate must be above 0 and at most 1000, but got nan"),
        (("--rate=-1",), "--rate must be above 0 and at most 1000, but got -1"),
        (("--epochs", "1,2,3"), "one for each phase (cnn, hybrid), but got 3"),
        (("--epochs", "1.5"), "must be numbers separated by commas"),
        (("--schedule", "linear"), "unknown schedule 'linear'"),
        (("--recipe", "joint", "--cnn", "freeze"), "pass weights by --from"),
        (("--conflict-every", "-1"), "--conflict-every must be at least 0"),
        (("--save-every", "nan"), "--save-every must be at least 0"),
        (("--workers", "-1"), "--workers must be at least 0"),
        (("--batch", "128"), "batch must be at most the 64 training images, but got 128"),
        (("--batch", "32", "--from", "none.safetensors"), "none.safetensors does not exist"),
        (("--batch", "32", "--teacher", "none.safetensors"), "none.safetensors does not exist"),
        (("--from", "cifar23"), "unknown checkpoint 'cifar23'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: tuple[str, ...], message: str, data: Path, tmp_path: Path, call: Call
) -> None:
    out = tmp_path / "out"
    ended = call("--out", str(out), "--data", str(data), *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert not out.exists()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 80 images that is taken for CIFAR-10, 16 of them held out."""
    folder = tmp_path / "data"
    (folder / cifar10.FOLDER).mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (80, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images = LabelledImages(pixels, torch.arange(80) % 10)
    monkeypatch.setattr(cifar10, "SEARCH_IMAGES", 16)
    monkeypatch.setattr(cifar10, "load", lambda directory: (images, images[:32]))
    return folder


@pytest.fixture
def settings(data: Path, tmp_path: Path, small_space: Space) -> tuple[str, ...]:
    space = tmp_path / "space.yaml"
    write_space(space, with_classes(small_space, 10))
    return (
        "--space",
        str(space),
        "--data",
        str(data),
        "--batch",
        "16",
        "--epochs",
        "1",
        "--precision",
        "fp32",
    )


def test_a_loss_that_runs_away_keeps_the_last_good_checkpoint_to_train_on_from(
    settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    out = tmp_path / "out"
    original = Trainer._step

    def step(trainer: Trainer, *arguments: object) -> torch.Tensor:
        record = original(trainer, *arguments)  # type: ignore[arg-type]
        return record * float("nan") if (trainer.epochs_done, trainer.steps_done) == (1, 2) else record

    monkeypatch.setattr(Trainer, "_step", step)
    code, _, error = call(*settings, "--out", str(out), "--save-every", "0")
    assert code == 2
    assert "became infinite or NaN in epoch 2 (phase 'hybrid'), step 3" in error
    assert f"--from {out / CHECKPOINT} with another --out" in error
    assert len((out / LOG).read_text().splitlines()) == 1
    load_checkpoint(out / CHECKPOINT)


def test_bf16_is_warned_of_where_it_is_emulated_and_a_training_goes_on_in_it(
    settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    monkeypatch.setattr(number_formats, "_CPU_MULTIPLIES_BF16", False)
    out = ("--out", str(tmp_path / "out"))
    warning = number_formats.emulation_warning("bf16", torch.device("cpu"))
    code, text, _ = call(*replaced(settings, ("--precision", "bf16")), *out)
    assert code == 0
    assert text.splitlines().count(warning) == 1
    # Where it has ended: the same command, but for the precision, which was not given.
    code, text, _ = call(*replaced(settings, ("--precision", "auto")), *out)
    assert code == 0
    assert text.splitlines().count(warning) == 1
    code, text, _ = call(*settings, "--out", str(tmp_path / "other"))
    assert code == 0
    assert warning not in text


def test_it_goes_on_within_an_epoch_and_from_a_checkpoint(
    settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    assert call(*settings, "--out", str(undisturbed)).code == 0
    original = Trainer._result

    def stopped(trainer: Trainer) -> EpochResult:
        if (trainer.epochs_done, trainer.steps_done) == (1, 3):
            raise KeyboardInterrupt
        return original(trainer)

    monkeypatch.setattr(Trainer, "_result", stopped)
    code, text, _ = call(*settings, "--out", str(out), "--save-every", "0")
    assert code == 130
    assert "stopped; rerun the command to resume from" in text
    monkeypatch.setattr(Trainer, "_result", original)
    code, text, _ = call(*settings, "--out", str(out))
    assert code == 0
    assert "resuming after epoch 1 of 2 and 2 of 4 steps" in text
    for name in (STATE, CHECKPOINT):
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes()

    further = tmp_path / "further"
    more = ("--recipe", "joint", "--cnn", "freeze", "--from", str(out / CHECKPOINT))
    assert call(*settings, *more, "--out", str(further)).code == 0
    before, after = (load_checkpoint(folder / CHECKPOINT).state_dict() for folder in (out, further))
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed
    assert all(map(is_vit, changed))


def test_weights_of_another_space_with_other_classes(
    settings: tuple[str, ...], tmp_path: Path, small_space: Space, call: Call
) -> None:
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "four.safetensors", Supernet(small_space))
    words = (*settings, "--recipe", "joint", "--from", str(tmp_path / "four.safetensors"))
    code, text, _ = call(*words, "--out", str(tmp_path / "out"))
    assert code == 0
    # All but the classifier, of which 10 x 32 weights and 10 biases are new.
    weights = sum(weight.numel() for weight in load_checkpoint(tmp_path / "out" / CHECKPOINT).parameters())
    assert f"{100 * (1 - 330 / weights):.1f} % of the weights come from --from" in text
    assert "4 -> 10 classes: all" in text
    code, text, _ = call(*words, "--out", str(tmp_path / "out"))
    assert code == 0
    assert "% of the weights" not in text
    code, text, _ = call(
        *settings, "--from", str(tmp_path / "out" / CHECKPOINT), "--out", str(tmp_path / "b")
    )
    assert code == 0
    assert "% of the weights" not in text


def test_output_into_a_pipe_has_plain_lines_within_an_epoch(
    settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    monkeypatch.setattr(progress_lines, "EVERY", 0.001)
    out = tmp_path / "out"
    code, text, _ = call(*settings, "--out", str(out))
    assert code == 0
    assert "\r" not in text
    line = r"epoch 1/2 \(cnn\): step \d of 4, loss \d\.\d+ .*, time left \d:00:\d\d, in all \d:00:\d\d"
    assert any(re.fullmatch(line, each) for each in text.splitlines())
    of_log = json.loads((out / LOG).read_text().splitlines()[1])["search_accuracy"]
    score = f"search top-1 largest {of_log['largest']:.1f} %, smallest {of_log['smallest']:.1f} %"
    assert re.search(rf"^epoch 2/2 \(hybrid\): loss .*{re.escape(score)}", text, re.MULTILINE)

    # The score changes no bit of the training.
    monkeypatch.setattr(SearchScore, "accuracies", lambda *arguments: {})
    assert call(*settings, "--out", str(tmp_path / "other")).code == 0
    for name in (STATE, CHECKPOINT):
        assert (out / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_a_dry_run_names_speed_time_and_memory_and_writes_nothing(
    settings: tuple[str, ...], tmp_path: Path, call: Call
) -> None:
    before = sorted(tmp_path.rglob("*"))
    code, text, _ = call(*settings, "--out", str(tmp_path / "out"), "--dry-run")
    assert code == 0
    assert [line.split()[:2] for line in text.splitlines() if line.split()[:1] in (["cnn"], ["hybrid"])] == [
        ["cnn", "1"],
        ["hybrid", "1"],
    ]
    last = text.splitlines()[-1]
    assert re.fullmatch(
        r"time to the end at this speed: \d:\d\d:\d\d; peak memory of this process: .*; nothing was written",
        last,
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_unreadable_images_are_left_out(small_space: Space, tmp_path: Path, call: Call) -> None:
    for seed, split in enumerate(("train", "val")):
        write_folder(tmp_path / "photos" / split, images=12, seed=seed)
    (tmp_path / "photos" / "train" / "cat" / "003.png").write_bytes(b"no picture")
    space = tmp_path / "space.yaml"
    write_space(space, with_classes(small_space, 2))
    words = ("--space", str(space), "--data", str(tmp_path / "photos"), "--out", str(tmp_path / "out"))
    more = ("--recipe", "joint", "--epochs", "1", "--batch", "8", "--precision", "fp32", "--workers", "0")
    refused = call(*words, *more)
    assert refused.code == 2
    assert "003.png" in refused.err
    assert call(*words, *more, "--skip-unreadable", "1").code == 0
    header = read_header(tmp_path / "out" / CHECKPOINT)
    counts = [int(number) for number in re.findall(r"\d+", header["data"]["split_counts"])]
    assert sum(counts[:2]) == 23
