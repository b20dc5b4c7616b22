"""A front on test images: against scoring by hand, and what is refused."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from search_space.command.command_line import run_command
from search_space.errors import H4HWarning
from search_space.space import load_space
from studies import load_study, merge_studies, run, validate
from studies.analysis.held_out_scores import Agreement, HeldOutScore, agreement
from studies.storage.store import open_store
from studies.study.evaluation import Evaluation
from supernet.accuracy import many_subnets as shared_oracle
from supernet.accuracy import one_subnet as oracle
from supernet.images import cifar10
from supernet.images.data_sets import evaluation_images, open_data
from supernet.images.evaluation_pack import built_in_pack, load_pack
from supernet.images.labelled_images import LabelledImages
from supernet.network import number_formats
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint, save_checkpoint
from tests.command_words import replaced
from tests.studies.conftest import TINY
from tests.supernet.image_files import write_folder

CLASSES = ("cat", "dog", "emu")
STUDY = ("--objectives", "acc,macs", "--population", "6", "--generations", "1", "--study", "pets")
OWN = ("--checkpoint", "net.safetensors", "--data", "pets")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of three classes, and weights as they start."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets.yaml").write_text(TINY.replace("classes: 10", "classes: 3").replace("tiny", "pets"))
    write_folder(tmp_path / "pets" / "train", classes=CLASSES, images=20, size=(40, 36))
    write_folder(tmp_path / "pets" / "val", classes=CLASSES, images=7, size=(40, 36), seed=1)
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "net.safetensors", Supernet(load_space("pets.yaml")))
    return tmp_path


def validated(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    validate.main(replaced(["--study", "pets", "--json"], arguments))
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: validate.main(replaced(["--study", "pets"], arguments)))
    assert ended.value.code == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.count("\n") == 1
    return streams.err


def wilson(right: int, images: int) -> tuple[float, float]:
    """By the formula, in %."""
    z, share = 1.959963984540054, right / images
    centre = share + z**2 / (2 * images)
    half = z * math.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    return tuple(100 * (centre + sign * half) / (1 + z**2 / images) for sign in (-1, 1))  # type: ignore[return-value]


def test_emulated_bf16_is_warned_of_in_search_and_validation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_formats, "_CPU_MULTIPLIES_BF16", False)
    warning = number_formats.emulation_warning("bf16", torch.device("cpu"))
    run.main([*STUDY, *OWN, "--precision", "bf16", "--workers", "1"])
    assert capsys.readouterr().out.splitlines().count(warning) == 1
    validate.main(["--study", "pets", *OWN])
    assert capsys.readouterr().err.splitlines().count(warning) == 1


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_each_subnet_of_the_front_is_scored_as_the_study_did(
    precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run.main([*STUDY, *OWN, "--precision", precision])
    found = validated(capsys)
    with open_store(Path("studies.db")) as store:
        study, evaluations = store.study("pets"), store.evaluations("pets")
    front = study.front(evaluations)
    assert [one["id"] for one in found["subnets"]] == [one.index for one in front]
    assert (found["test_images"], found["precision"], found["confidence"]) == (21, precision, 0.95)

    path, space = Path("net.safetensors"), load_space("pets.yaml")
    supernet, cpu = load_checkpoint(path).eval(), torch.device("cpu")
    pack = evaluation_images(Path("pets"), None, space=space, checkpoint=path)
    calibration = oracle.prepare(pack.calibration, precision=precision, device=cpu)
    test = oracle.prepare(open_data(Path("pets"), None, space).read_test(), precision=precision, device=cpu)
    for one, known in zip(found["subnets"], front, strict=True):
        alone = shared_oracle.calibrate(
            supernet, [space.decode(known.genotype)], calibration, in_integers=precision == "int8"
        )
        right = int(shared_oracle.correct(alone, test.batches).sum())
        assert one["acc"] == known.values[0]
        assert one["test_acc"] == pytest.approx(100 * right / 21)
        assert (one["test_low"], one["test_high"]) == pytest.approx(wilson(right, 21))
        counts = np.zeros((3, 3), int)
        for batch, labels in test.batches:
            for label, predicted in zip(labels, alone.classify(batch)[0], strict=True):
                counts[label, predicted] += 1
        by_class = one["by_class"]
        assert by_class["confusion"] == counts.tolist()
        assert list(by_class["recall"].values()) == pytest.approx((100 * counts.diagonal() / 7).tolist())
        assert by_class["balanced_accuracy"] == pytest.approx(100 * right / 21)  # equal classes
        assert by_class["images"] == dict.fromkeys("012", 7)  # these weights name no classes

    whole = validated(capsys, "--all")
    assert [one["id"] for one in whole["subnets"]] == list(range(6))
    validate.main(["--study", "pets"])
    out, err = capsys.readouterr()
    assert f"{len(front)} subnets of the front on 21 test images, {precision}" in out
    assert "95 % interval" in out
    assert "balanced %" in out
    best = max(found["subnets"], key=lambda one: one["test_acc"])
    assert f"id {best['id']} on the test images: accuracy {best['test_acc']:.2f} %, balanced" in out
    # Untrained networks predict few classes.
    few = [one["id"] for one in found["subnets"] if one["by_class"]["never_predicted"]]
    assert [int(line.split()[2]) for line in err.splitlines() if "predicts" in line] == few[: validate.NAMED]
    assert few


def test_a_merged_study_is_scored_as_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    parts: dict[tuple[int, ...], float] = {}
    for seed in ("0", "1"):
        words = replaced([*STUDY, *OWN, "--seed", seed], ["--population", "3", "--study", f"s{seed}"])
        run.main([*words, "--sampler", "random"])
        scored = validated(capsys, "--study", f"s{seed}", "--all")
        parts |= {tuple(one["genotype"]): one["test_acc"] for one in scored["subnets"]}
    merge_studies([load_study("studies.db", f"s{seed}") for seed in (0, 1)], into="both", database="new.db")
    both = load_study("new.db", "both")
    found = validated(capsys, "--study", "both", "--db", "new.db")
    assert found["study"] == "both"
    assert [tuple(one["genotype"]) for one in found["subnets"]] == [
        row.genotype for row in both.study.front(both.measured)
    ]
    whole = validated(capsys, "--study", "both", "--db", "new.db", "--all")["subnets"]
    assert {tuple(one["genotype"]): one["test_acc"] for one in whole} == parts
    assert len(parts) > 3


def test_a_study_on_the_evaluation_pack(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ("--val-images", "100", "--calibration-images", "64", "--population", "2", "--generations", "1")
    run.main(["--objectives", "macs,params", "--constraint", "acc>=1%", "--study", "pets", *quick])
    assert "--data data is no folder and holds no cifar10" in fails(capsys)
    assert "--dataset must be cifar10" in fails(capsys, "--dataset", "cifar100")

    # Images behind those of the study confirm a front, without a data set.
    confirmed = validated(capsys, "--confirm", "50", "--all")
    assert confirmed["confirm_images"] == 50
    assert confirmed["mean_search"] != confirmed["mean_confirmed"]
    behind = [one["behind"] for one in confirmed["subnets"]]
    assert behind == sorted(behind)
    assert behind[0] == 0
    validate.main(["--study", "pets", "--confirm", "50", "--all"])
    assert "2 subnets on 50 search images that it did not use, fp32" in capsys.readouterr().out
    assert "--confirm must be 1 to 4900, as study 'pets' used 100 of 5000 search images, but got 4901" in (
        fails(capsys, "--confirm", "4901")
    )

    # Search images in the place of test images, so that both accuracies are the same.
    search = load_pack(built_in_pack()).search
    images: tuple[LabelledImages, LabelledImages] = (search, search[:100])
    monkeypatch.setattr(cifar10, "load", lambda directory: images)
    (folder / "cifar" / cifar10.FOLDER).mkdir(parents=True)
    found = validated(capsys, "--data", "cifar", "--all")
    assert [one["test_acc"] for one in found["subnets"]] == [one["acc"] for one in found["subnets"]]
    assert found["mean_test"] == pytest.approx(found["mean_search"])
    assert found["kendall_tau"] == pytest.approx(1)
    validate.main(["--study", "pets", "--data", "cifar", "--all"])
    out = capsys.readouterr().out
    assert "acc %" in out
    assert "Kendall's tau 1.000" in out


def other_weights(folder: Path) -> None:
    torch.manual_seed(1)
    save_checkpoint(folder / "net.safetensors", Supernet(load_space("pets.yaml")))


def no_weights(folder: Path) -> None:
    (folder / "net.safetensors").unlink()


def other_pixels(folder: Path) -> None:
    for path in (folder / "pets" / "train" / "dog").iterdir():
        Image.new("RGB", (40, 36)).save(path)


def no_test_images(folder: Path) -> None:
    shutil.rmtree(folder / "pets" / "val")


def a_class_more(folder: Path) -> None:
    (folder / "pets" / "val" / "emu").rename(folder / "pets" / "val" / "owl")


def nothing(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (other_weights, (), "net.safetensors is not the one of study 'pets' (SHA-256"),
        (no_weights, (), "checkpoint net.safetensors does not exist"),
        (other_pixels, (), "calibration images are not those of study 'pets'"),
        (no_test_images, (), "holds no test images: put those of each class into pets/val/CLASS"),
        (a_class_more, (), "holds classes that pets/train has not (owl)"),
        (nothing, ("--data", "nowhere"), "--data nowhere is no folder"),
        (nothing, ("--study", "pet"), "did you mean 'pets'"),
        (nothing, ("--db", "none.db"), "none.db does not exist"),
        (nothing, ("--checkpoint", "pets.yaml"), "pets.yaml is damaged or no safetensors file"),
        (nothing, ("--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_what_does_not_belong_to_the_study_is_refused(
    change: Callable[[Path], None],
    arguments: tuple[str, ...],
    message: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run.main([*STUDY, *OWN])
    change(folder)
    assert message in fails(capsys, *arguments)


def test_a_class_without_test_images_is_noted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run.main([*STUDY, *OWN])
    shutil.rmtree(folder / "pets" / "val" / "emu")
    with pytest.warns(H4HWarning, match="emu"):
        assert len(validated(capsys)["subnets"]) > 0


def test_moved_weights_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run.main([*STUDY, *OWN])
    shutil.move("net.safetensors", "moved.safetensors")
    assert len(validated(capsys, "--checkpoint", "moved.safetensors")["subnets"]) > 0


def test_studies_with_nothing_to_score(capsys: pytest.CaptureFixture[str]) -> None:
    run.main(["--objectives", "macs", "--population", "4", "--generations", "1", "--study", "pets"])
    assert "study 'pets' measured no accuracy, only macs" in fails(capsys)
    run.main([*STUDY[:-1], "none", *OWN, "--constraint", "macs<=1"])
    assert "none of its 6 evaluations satisfies all constraints" in fails(capsys, "--study", "none")


def test_agreement_in_closed_form(evaluation: Callable[..., Evaluation]) -> None:
    def scores(search: list[float], right: list[int]) -> list[HeldOutScore]:
        one = replace(evaluation(0, 50.0, 1.0))
        return [
            HeldOutScore(one, value, count, 10, np.arange(10) < count)
            for value, count in zip(search, right, strict=True)
        ]

    assert agreement(scores([1, 2, 3, 4], [1, 2, 3, 4])).tau == pytest.approx(1)
    assert agreement(scores([1, 2, 3, 4], [4, 3, 2, 1])).tau == pytest.approx(-1)
    # One of six pairs is turned round.
    assert agreement(scores([1, 2, 3, 4], [2, 1, 3, 4])).tau == pytest.approx(4 / 6)
    assert agreement(scores([1, 2], [5, 5])) == agreement(scores([1], [5])) == Agreement(None, None)


@pytest.mark.parametrize(("right", "images"), [(0, 10), (10, 10), (7, 9), (8_670, 10_000)])
def test_interval_in_closed_form(right: int, images: int, evaluation: Callable[..., Evaluation]) -> None:
    score = HeldOutScore(evaluation(0, 50.0, 1.0), 50.0, right, images, np.arange(images) < right)
    assert score.interval == pytest.approx(wilson(right, images))
    assert score.interval[0] - 1e-9 <= score.test <= score.interval[1] + 1e-9
