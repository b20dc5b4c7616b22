"""The accuracy objective on the shipped checkpoint and pack."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from objectives.accuracy_objective import BF16_VERSION, Accuracy, most_processes
from objectives.objective import ImageObjective, Objective
from objectives.workers.packed_objective import pack
from objectives.workers.shared_objective import SharedObjective, shared
from search_space.errors import H4HError
from search_space.space import load_space
from supernet.accuracy import prefix_tree
from supernet.accuracy.int8_grids import VERSION
from supernet.accuracy.many_subnets import least_memory
from supernet.checkpoints import built_in_checkpoint
from supernet.checkpoints.header import CheckpointError
from supernet.checkpoints.tensor_file import file_digest
from supernet.images.evaluation_pack import built_in_pack, load_pack
from supernet.images.labelled_images import normalised
from supernet.network.batch_norm import Recording
from supernet.network.number_formats import SCORED_IN
from supernet.network.supernet_file import load_checkpoint, save_checkpoint

SPACE = load_space("cifar32")
CHECKPOINT = built_in_checkpoint("cifar32")
PACK = load_pack(built_in_pack())


def accuracy(**changes: object) -> Accuracy:
    settings: dict[str, object] = {
        "checkpoint": CHECKPOINT,
        "space": SPACE,
        "pack": PACK,
        "val_images": 300,
        "calibration_images": 128,
    }
    return Accuracy(**(settings | changes))  # type: ignore[arg-type]


def test_it_is_an_objective_to_be_maximised_in_percent() -> None:
    objective = accuracy()
    assert isinstance(objective, Objective)
    assert (objective.name, objective.unit, objective.direction) == ("acc", "%", "max")
    assert objective.is_expensive
    assert objective([]).shape == (0,)


def test_value_is_the_share_of_right_classes_after_recalibration() -> None:
    # The same in five lines, from the parts.
    subnet = SPACE.decode(SPACE.largest())
    supernet = load_checkpoint(CHECKPOINT)
    recording = Recording()
    with torch.no_grad():
        supernet(normalised(PACK.calibration.pixels[:128], torch.float32), subnet, recording)
        images = normalised(PACK.search.pixels[:300], torch.float32)
        logits = supernet(images, subnet, recording.result())
    right = (logits.argmax(1) == PACK.search.labels[:300]).float().mean()
    # One image may flip where batches of another size round differently.
    assert accuracy()([subnet])[0] == pytest.approx(100 * float(right), abs=100 / 300)


@pytest.mark.parametrize("precision", SCORED_IN)
def test_values_do_not_depend_on_the_batch(precision: str) -> None:
    objective = accuracy(precision=precision)
    rng = np.random.default_rng(0)
    subnets = [SPACE.decode(SPACE.sample(rng)) for _ in range(4)]
    together = objective(subnets)
    assert together.tolist() == [objective([subnet])[0] for subnet in subnets]
    assert objective(subnets[::-1]).tolist() == together[::-1].tolist()


def test_subnets_may_stop_between_slices_of_images() -> None:
    objective = accuracy(val_images=600, calibration_images=32)
    assert isinstance(objective, ImageObjective)
    assert (objective.images, objective.slice_images) == (600, 256)
    rng = np.random.default_rng(0)
    subnets = [SPACE.decode(SPACE.sample(rng)) for _ in range(3)]
    whole = objective.right(subnets)
    assert [100 * one.mean() for one in whole] == pytest.approx(objective(subnets), abs=1e-9)
    parts = objective.right(subnets, lambda place, seen: place == 1 or (place == 2 and len(seen) == 512))
    assert [len(one) for one in parts] == [600, 256, 512]
    for part, one in zip(parts, whole, strict=True):
        assert part.dtype == np.bool_
        assert (part == one[: len(part)]).all()
    assert objective.right([]) == []


def test_fingerprint_follows_everything_that_decides(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    supernet = load_checkpoint(CHECKPOINT)
    with torch.no_grad():
        supernet.classifier.bias.add_(1)
    save_checkpoint(other, supernet)
    base = accuracy().fingerprint()
    assert base == accuracy().fingerprint()
    assert base["checkpoint"] == file_digest(CHECKPOINT)
    for change in (
        {"checkpoint": other},
        {"val_images": 301},
        {"calibration_images": 129},
        {"precision": "bf16"},
        {"precision": "int8"},
    ):
        assert accuracy(**change).fingerprint() != base
    in_integers = accuracy(precision="int8").fingerprint()
    assert in_integers == base | {"precision": "int8", "quantisation": VERSION}
    in_bf16 = accuracy(precision="bf16").fingerprint()
    assert in_bf16 == base | {"precision": "bf16", "bf16": BF16_VERSION}


def test_in_integers_values_are_near_those_in_floating_point() -> None:
    subnets = [SPACE.decode(SPACE.largest()), SPACE.decode(SPACE.smallest())]
    difference = accuracy(precision="int8")(subnets) - accuracy()(subnets)
    assert np.abs(difference).max() < 5
    assert np.abs(difference).max() > 0


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_fewer_calibration_images_than_a_batch(precision: str) -> None:
    subnets = [SPACE.decode(SPACE.largest())]
    (few,) = accuracy(precision=precision, calibration_images=64)(subnets)
    assert few > 80
    (one,) = accuracy(precision=precision, calibration_images=1)(subnets)
    assert 0 <= one <= few


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"val_images": 5001}, "--val-images must be 1 to 5000, but got 5001"),
        ({"val_images": 0}, "--val-images must be 1 to 5000, but got 0"),
        ({"calibration_images": 1025}, "--calibration-images must be 1 to 1024, but got 1025"),
        ({"precision": "int4"}, "unknown precision 'int4'"),
        ({"memory": 1.5e8}, r"leaves 150 MB to a process, but the largest .* 'cifar32' needs 168 MB in fp32"),
    ],
)
def test_settings_out_of_range(change: dict[str, object], message: str) -> None:
    with pytest.raises(H4HError, match=message):
        accuracy(**change)


def test_a_space_of_other_classes_is_refused() -> None:
    with pytest.raises(H4HError, match="'imagenet224' has 1000 classes, but the images have 10"):
        accuracy(space=load_space("imagenet224"))


def test_another_space_is_refused() -> None:
    other = replace(SPACE, name="other", resolution=(32,))
    with pytest.raises(CheckpointError, match="not of 'other'"):
        accuracy(space=other)


def test_it_computes_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    real = prefix_tree.walk

    def walk(*arguments: Any) -> None:
        threads.append(torch.get_num_threads())
        real(*arguments)

    objective = accuracy()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        monkeypatch.setattr("supernet.accuracy.many_subnets.walk", walk)
        objective([SPACE.decode(SPACE.smallest())])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(threads) == {1}


@pytest.mark.slow
def test_workers_find_the_same_values_whatever_their_number() -> None:
    # bf16, in which rounding shows soonest.
    objective = accuracy(precision="bf16", val_images=100, calibration_images=64)
    rng = np.random.default_rng(3)
    subnets = [SPACE.decode(one) for one in sorted(SPACE.sample(rng) for _ in range(4))]
    alone = objective(subnets)
    team_objective = shared(objective, workers=2)
    assert isinstance(team_objective, SharedObjective)
    for count in (4, 3, 2):  # In shares of two or one.
        assert team_objective(subnets[:count]).tolist() == alone[:count].tolist()
    team_objective.close()


def test_what_a_worker_gets_holds_weights_and_images_once() -> None:
    objective = accuracy()
    parcel, pieces = pack(objective)
    block = bytearray(b"".join(pieces))
    weights = sum(tensor.nbytes for tensor in load_checkpoint(CHECKPOINT).state_dict().values())
    images = (300 + 128) * 3 * 32 * 32 * 4
    assert weights + images <= len(block) < 1.02 * (weights + images)
    assert len(parcel.content) < 0.1 * len(block)
    found = parcel.unpack(block)
    subnets = [SPACE.decode(SPACE.smallest()), SPACE.decode(SPACE.largest())]
    assert found(subnets).tolist() == objective(subnets).tolist()
    assert found.fingerprint() == objective.fingerprint()


def test_as_many_processes_as_memory_is_there_for() -> None:
    supernet = load_checkpoint(CHECKPOINT, SPACE)
    for precision, dtype in SCORED_IN.items():
        own = least_memory(supernet, dtype, in_integers=precision == "int8")
        assert most_processes(SPACE, precision, 3.01 * own) == 3
        assert most_processes(SPACE, precision, 2.99 * own) == 2
    least = least_memory(supernet, torch.float32)
    assert most_processes(SPACE, "fp32", 3.01 * least) == 3
    assert most_processes(SPACE, "fp32", 2.99 * least) == 2
    assert most_processes(SPACE, "fp32", 1.0) == 1
    accuracy(memory=3.01 * least / 3)
    assert most_processes(SPACE, "bf16", 24.01 * least) > 24 > most_processes(SPACE, "int8", 24.01 * least)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much a process held at most")
def test_a_process_grows_by_no_more_than_its_memory() -> None:
    supernet = load_checkpoint(CHECKPOINT, SPACE)
    budgets = []
    for precision, dtype in SCORED_IN.items():
        least = least_memory(supernet, dtype, in_integers=precision == "int8")
        budgets += [(precision, least), (precision, 1.2 * least)]
    budgets += [("fp32", 300e6), ("fp32", 1e9)]
    command = [sys.executable, "-m", "tests.objectives.memory_run"]
    arguments = [f"{precision}={memory}" for precision, memory in budgets]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    values: dict[str, list[str]] = {}
    for (precision, memory), line in zip(budgets, done.stdout.splitlines(), strict=True):
        peak, *found = line.split()
        # Maps of the largest subnet are there, or nothing was measured.
        assert 0.3 * least_memory(supernet, SCORED_IN[precision]) < int(peak) <= memory
        assert values.setdefault(precision, found) == found
