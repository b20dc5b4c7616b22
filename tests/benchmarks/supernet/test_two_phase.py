"""Ablation of two-phase training: plan, bookkeeping, statistics, with a stand-in for training."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.supernet import two_phase, two_phase_runs
from benchmarks.supernet.two_phase_equal_work import at_equal_work, equal_work_table
from benchmarks.supernet.two_phase_report import (
    Estimate,
    RunResult,
    estimate,
    group_difference,
    result_tables,
)
from benchmarks.supernet.two_phase_runs import RESULT, execute, family_subnets, locked, plan, scored_subnets
from benchmarks.supernet.two_phase_settings import BUDGETS, SETTINGS, SMALL_SPACE, scaled_epochs
from search_space.errors import H4HError
from search_space.families import BLOCK_FAMILIES, Family, family
from search_space.space import load_space
from supernet.gradient_conflict.measurement import ConflictReport, Cosines, PairKind
from supernet.gradient_conflict.subnet_gradients import ParameterGroup
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import save_checkpoint
from supernet.training.recipe import known_recipes, load_recipe
from supernet.training.run_folder import CHECKPOINT, LOG
from tests.command import Call, Command


@given(st.sampled_from(known_recipes()), st.integers(4, 300))
def test_every_setting_sees_the_same_number_of_images(name: str, total: int) -> None:
    recipe = load_recipe(name)
    epochs = scaled_epochs(recipe, total)
    assert sum(epochs) == total
    assert min(epochs) >= 1
    for count, phase in zip(epochs, recipe.phases, strict=True):
        assert count == 1 or abs(count - phase.epochs * total / recipe.epochs) < 2


def test_scaled_epochs_by_hand() -> None:
    assert scaled_epochs(load_recipe("two_phase"), 55) == [25, 30]
    assert scaled_epochs(load_recipe("two_phase"), 8) == [4, 4]
    assert scaled_epochs(load_recipe("progressive"), 4) == [1, 1, 1, 1]
    with pytest.raises(H4HError, match="epochs must be at least 4, one for each phase, but got 3"):
        scaled_epochs(load_recipe("progressive"), 3)


def test_budgets_are_sound(tmp_path: Path) -> None:
    for budget in BUDGETS.values():
        for run in plan(
            budget, data=tmp_path, dataset=None, content="", runs=tmp_path, device="cpu", threads=1
        ):
            assert run.recipe.epochs == round(SETTINGS[run.setting].share * budget.epochs)
    assert all(BUDGETS[name].seeds >= 3 for name in ("small", "full"))
    assert all(BUDGETS[name].subnets == 50 for name in ("small", "full"))


def test_settings_differ_in_what_they_train(tmp_path: Path) -> None:
    runs = plan(
        BUDGETS["smoke"], data=tmp_path, dataset=None, content="", runs=tmp_path, device="cpu", threads=1
    )
    last = {run.setting: run.recipe.phases[-1] for run in runs}
    modes = ("train", "low_lr", "freeze_blocks", "freeze")
    assert [last[f"two_phase-{mode}"].cnn for mode in modes] == list(modes)
    assert last["two_phase-vit-rate-3"].vit_lr_factor == 3
    assert (last["joint-family"].sampling, last["two_phase-family"].sampling) == ("family", "family")
    assert not last["cnn"].vit
    assert len({json.dumps(run.identity) for run in runs}) == len(runs) == 2 * len(SETTINGS)


def test_only_the_primary_comparison_has_all_seeds(tmp_path: Path) -> None:
    runs = plan(
        BUDGETS["small"], data=tmp_path, dataset=None, content="", runs=tmp_path, device="cpu", threads=1
    )
    seeds = Counter(run.setting for run in runs)
    main = {"joint", "joint-seven-eighths", "joint-six-eighths", "two_phase-train"}
    assert seeds == {setting: 5 if setting in main else 3 for setting in SETTINGS}
    work = {
        run.setting: sum(phase.epochs * (2 + phase.random_subnets) for phase in run.recipe.phases)
        for run in runs
    }
    # The same number of subnets for each image as two_phase has.
    assert work["joint-seven-eighths"] == work["two_phase-train"] == 28


@pytest.mark.parametrize("space", ["cifar32", SMALL_SPACE])
def test_families_are_drawn_pure_and_in_full(space: str) -> None:
    groups = scored_subnets(load_space(space), 5)
    assert list(groups) == ["largest", "smallest", "largest cnn", *BLOCK_FAMILIES]
    for wanted in BLOCK_FAMILIES:
        assert [family(subnet) for subnet in groups[wanted.value]] == [wanted] * 5
        assert len(set(groups[wanted.value])) == 5
    assert groups == scored_subnets(load_space(space), 5)
    assert groups["largest cnn"][0].vit_blocks == 0


def test_a_family_that_a_space_lacks_gives_none() -> None:
    space = load_space("cifar32")
    only_mbconv = space.__class__.from_dict(
        {
            **space.to_dict(),
            "stages": [
                {**stage, "downsampling": {**stage["downsampling"], "kind": ["mbconv"]}}
                for stage in space.to_dict()["stages"]
            ],
        }
    )
    rng = np.random.default_rng(0)
    assert family_subnets(only_mbconv, Family.VIT, 2, rng) == []
    assert len(family_subnets(only_mbconv, Family.MIXED, 2, rng)) == 2


# --- statistics ----------------------------------------------------------------------------------


def test_estimate_by_hand() -> None:
    # Standard deviation 1 of three values; Student's t for two degrees of freedom is 4.303.
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert found.half_width == pytest.approx(4.3027 / 3**0.5, rel=1e-4)
    assert estimate([5.0]) == Estimate(5.0, None)
    assert Estimate(1.0, 0.5).excludes_zero
    assert not Estimate(-1.0, 1.5).excludes_zero
    assert not Estimate(1.0, None).excludes_zero
    assert Estimate(1.0, 0.25).text(2, signed=True) == "+1.00 ± 0.25"


def conflict(mean: float) -> ConflictReport:
    cosines = Cosines(mean=mean, standard_error=0.1, negative=0.25, count=10)
    return ConflictReport(
        subnets=2,
        batches=2,
        images=64,
        cosines={kind: dict.fromkeys(ParameterGroup, cosines) for kind in PairKind},
    )


def result(setting: str, seed: int, accuracy: dict[str, list[float]], cpu_seconds: float = 60.0) -> RunResult:
    return RunResult(setting, seed, accuracy, conflict(0.5), 1.0, cpu_seconds)


def test_differences_are_paired_by_seed() -> None:
    first = {seed: result("a", seed, {"largest": [70.0 + seed]}) for seed in (0, 1, 2)}
    second = {seed: result("b", seed, {"largest": [69.0 + seed]}) for seed in (0, 1)}
    # Seeds differ by more than the settings, and still the difference is exact.
    found = group_difference(first, second, "largest")
    assert found == Estimate(1.0, 0.0)
    assert group_difference(first, second, "vit") is None


def balanced(setting: str, seed: int, accuracy: float, cpu_seconds: float) -> RunResult:
    """A run whose families lie around `accuracy`; one of them has more subnets than the others."""
    offsets = dict(zip(BLOCK_FAMILIES, (-3.0, -1.0, 1.0, 3.0), strict=True))
    values = {family.value: [accuracy + offset] for family, offset in offsets.items()}
    values[BLOCK_FAMILIES[0].value] *= 5
    return result(setting, seed, values, cpu_seconds)


def test_joint_is_compared_at_the_cpu_time_of_the_other_setting() -> None:
    joint = [balanced("joint", 0, 50.0, 800.0), balanced("joint-six-eighths", 0, 44.0, 600.0)]
    # A quarter of the way from 600 to 800 seconds.
    assert at_equal_work(balanced("other", 0, 47.0, 650.0), joint) == pytest.approx(45.5)
    assert at_equal_work(balanced("other", 0, 47.0, 599.0), joint) is None
    assert at_equal_work(balanced("other", 0, 47.0, 801.0), joint) is None
    other = [balanced("two_phase-train", seed, 47.0 + seed, 650.0) for seed in (0, 1)]
    second = [balanced(run.setting, 1, 60.0, run.cpu_seconds) for run in joint]
    pure = [result("cnn", seed, {"cnn": [40.0]}) for seed in (0, 1)]
    table = equal_work_table([*joint, *second, *other, *pure])
    rows = {row[0]: row[1:] for row in table.rows}
    # +1.5 and -12: mean -5.25, standard error 6.75, t of one degree of freedom 12.706.
    assert rows["two_phase-train"] == ("47.5 ± 6.4", "10.8 ± 0.0", "-5.2 ± 85.8", "2")
    assert rows["joint"][2:] == ("", "")
    assert "cnn" not in rows


def test_tables_say_what_the_runs_found() -> None:
    results = [
        result(setting, seed, {"largest": [80.0 + gain], "cnn": [60.0 + gain + seed, 70.0 + gain + seed]})
        for setting, gain in (("joint", 0.0), ("two_phase-train", 2.0), ("cnn", 3.0))
        for seed in (0, 1)
    ]
    accuracy, difference, cnns, cosines, negative = result_tables(results)
    assert accuracy.header == ("setting", "largest", "cnn family")
    # 65, 65 + 1: mean 65.5, t of one degree of freedom 12.706, standard error 0.5.
    assert accuracy.rows[0] == ("joint", "80.0 ± 0.0", "65.5 ± 6.4")
    assert difference.rows == (
        ("two_phase-train", "+2.0 ± 0.0 *", "+2.0 ± 0.0 *"),
        ("cnn", "+3.0 ± 0.0 *", "+3.0 ± 0.0 *"),
    )
    assert cnns.rows[0] == ("joint", "65.5 ± 6.4", "68.5 ± 6.4", "-3.0 ± 0.0 *", "0 %", "1.00")
    assert cosines.rows[1][1] == "0.500 ± 0.000"
    assert negative.rows[1][1] == "25.0 ± 0.0"
    # Transformer blocks of the pure CNN supernet were never trained: no values but those of CNN pairs.
    assert [bool(cell) for cell in cosines.rows[2]] == [True] * 3 + [False] * 6
    assert accuracy.markdown().splitlines()[-1] == "| cnn | 83.0 ± 0.0 | 68.5 ± 6.4 |"


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 200 noisy images in 10 classes."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for label in range(10):
        (folder / "train" / f"class{label}").mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "train" / f"class{label}" / f"{number}.png")
    return folder


FEW = ("joint", "joint-six-eighths", "two_phase-train", "two_phase-freeze_blocks", "cnn")
"""Settings that the test of the command trains."""


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Untrained weights and a made-up log in place of training; lists the folders that were trained."""
    folders: list[str] = []
    weights = tmp_path_factory.mktemp("weights")
    for seed in (0, 1):  # Here, since jobs are threads and share torch's generator.
        torch.manual_seed(seed)
        save_checkpoint(weights / str(seed), Supernet(load_space(SMALL_SPACE)))

    def train(arguments: list[str], threads: int, lock: int) -> None:
        values = dict(zip(arguments[::2], arguments[1::2], strict=True))
        out = Path(values["--out"])
        folders.append(out.name)
        shutil.copy(weights / values["--seed"], out / CHECKPOINT)
        records = [
            {
                "epoch": epoch,
                "phase": "joint",
                "train_accuracy": {"largest": 50.0, "smallest": 40.0},
                "cpu_seconds": 30.0,
                "conflict": conflict(0.1 * epoch).to_dict(),
            }
            for epoch in (2, 4)
        ]
        (out / LOG).write_text("".join(json.dumps(record) + "\n" for record in records))

    monkeypatch.setattr(two_phase_runs, "train", train)
    monkeypatch.setattr(two_phase_runs, "CONFLICT_SUBNETS", 2)
    monkeypatch.setattr(two_phase_runs, "SETTINGS", {name: SETTINGS[name] for name in FEW})
    return folders


@pytest.fixture
def call(command: Command) -> Call:
    return partial(command, two_phase.main)


@pytest.mark.slow
def test_command_writes_its_page_and_repeats_nothing(
    trainings: list[str], data: Path, tmp_path: Path, call: Call
) -> None:
    docs, runs = tmp_path / "docs", tmp_path / "runs"
    docs.mkdir()
    settings = ("--budget", "smoke", "--runs", str(runs), "--device", "cpu", "--jobs", "2")
    given = (*settings, "--data", str(data))
    code, text, error = call(*given, "--out", str(docs))
    assert code == 0, error
    names = [f"{setting}-{seed}" for seed in (0, 1) for setting in FEW]
    assert sorted(trainings) == sorted(names)
    assert "Accuracy against joint" in text
    assert "Primary measure, at equal work" in text
    assert sorted(path.name for path in docs.iterdir()) == [
        "two-phase-accuracy.svg",
        "two-phase-conflict.svg",
        "two-phase-training.svg",
        "two-phase.md",
    ]
    page = (docs / "two-phase.md").read_text()
    assert "python -m benchmarks.supernet.two_phase --budget smoke" in page
    assert "no GPU" in page
    assert "two-phase-conflict.svg" in page

    # One run is lost, all others are read.
    trainings.clear()
    (runs / "smoke" / "joint-1" / RESULT).unlink()
    code, again, error = call(*given)
    assert code == 0
    assert trainings == ["joint-1"]
    assert "9 of 10 runs are finished already" in error
    assert again == text

    record = json.loads(call(*given, "--json")[1])
    assert [f"{each['setting']}-{each['seed']}" for each in record] == names
    pure = next(each for each in record if each["setting"] == "cnn")
    assert set(pure["accuracy"]) == {"smallest", "largest cnn", "cnn"}

    path = runs / "smoke" / "joint-0" / RESULT
    kept = path.read_text()
    path.write_text(kept.replace('"epochs": 4', '"epochs": 5'))
    code, _, error = call(*given)
    assert (code, error.count("\n")) == (2, 1)
    assert "is of other settings: delete its folder, or choose another --runs" in error
    path.write_text(kept[:100])
    code, _, error = call(*given)
    assert (code, error.count("\n")) == (2, 1)
    assert "is damaged" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--budget"),
        (("--budget", "huge"), "invalid choice: 'huge'"),
        (("--budget", "smoke", "--jobs", "0"), "--jobs must be at least 1, but got 0"),
        (("--budget", "smoke", "--out", "none"), "--out none: this folder does not exist"),
        (("--budget", "smoke", "--device", "gpu0"), "unknown device 'gpu0'"),
        (("--budget", "smoke", "--data", "nowhere"), "nowhere"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    monkeypatch.chdir(tmp_path)
    code, text, error = call(*arguments)
    assert (code, text) == (2, "")
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_training_that_fails_is_one_line(tmp_path: Path) -> None:
    with locked(tmp_path) as lock, pytest.raises(H4HError, match=r"failed with exit code 2: .*--out"):
        two_phase_runs.train([], 1, lock)


def test_a_run_is_worked_on_by_one_process(tmp_path: Path) -> None:
    with locked(tmp_path / "run") as lock:
        with pytest.raises(H4HError, match="run is in use"), locked(tmp_path / "run"):
            pass
        # A process that inherits the lock keeps it after its first holder has ended.
        orphan = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
    with pytest.raises(H4HError, match="run is in use"), locked(tmp_path / "run"):
        pass
    orphan.kill()
    orphan.wait()
    with locked(tmp_path / "run"):
        pass


@pytest.mark.slow
def test_a_run_is_trained_scored_and_kept(data: Path, tmp_path: Path) -> None:
    settings = {"data": data, "dataset": "folder", "content": "", "runs": tmp_path, "device": "cpu"}
    runs = plan(BUDGETS["smoke"], **settings, threads=1)  # type: ignore[arg-type]
    run = next(run for run in runs if run.setting == "two_phase-freeze")
    assert run.finished() is None
    found = execute(run)
    assert run.finished() == found
    assert list(found.accuracy) == ["largest", "smallest", "largest cnn", *BLOCK_FAMILIES]
    assert set(found.conflict.cosines) == set(PairKind)
    log = [json.loads(line) for line in (run.folder / LOG).read_text().splitlines()]
    assert [record["epoch"] for record in log if "conflict" in record] == [2, 4]
    assert [record["phase"] for record in log] == ["cnn", "cnn", "hybrid", "hybrid"]
