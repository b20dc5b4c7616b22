"""Teachers of a training: a checkpoint, stored soft labels, and the running average."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from search_space.space import Space
from supernet.accuracy import one_subnet
from supernet.checkpoints.header import CheckpointError
from supernet.images.labelled_images import LabelledImages
from supernet.network.batch_norm import by_batch
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import save_checkpoint
from supernet.training.distillation import distil
from tests.supernet.spaces import with_classes
from tests.supernet.training.test_supernet_trainer import CPU, RECIPE, soft_labels, trained, trainer


def test_a_teacher_replaces_the_labels(
    small_space: Space, four_classes: LabelledImages, tmp_path: Path
) -> None:
    path = tmp_path / "teacher.safetensors"
    images = LabelledImages(four_classes.pixels, four_classes.labels // 2)
    save_checkpoint(path, trained(small_space, images, RECIPE.with_phases(epochs=[6])).result)
    wrong = LabelledImages(images.pixels, 1 - images.labels)
    pupil = trained(small_space, wrong, RECIPE.with_phases(epochs=[4]), teacher=path)
    prepared = one_subnet.prepare(images, precision="fp32", device=CPU)
    subnet = small_space.decode(small_space.largest())
    statistics = one_subnet.record_statistics(pupil.supernet, subnet, prepared)
    assert one_subnet.top1(pupil.supernet, subnet, prepared, statistics) > 80


def test_soft_labels_teach_every_subnet_in_place_of_the_labels(
    small_space: Space, four_classes: LabelledImages
) -> None:
    images = LabelledImages(four_classes.pixels, four_classes.labels // 2)
    recipe = RECIPE.with_phases(epochs=[4], largest_every=[4], sampling=["family"])
    pupil = trained(
        small_space,
        LabelledImages(images.pixels, 1 - images.labels),
        recipe,
        soft_labels=soft_labels(images),
    )
    prepared = one_subnet.prepare(images, precision="fp32", device=CPU)
    for genotype in (small_space.largest(), small_space.smallest()):
        subnet = small_space.decode(genotype)
        statistics = one_subnet.record_statistics(pupil.supernet, subnet, prepared)
        assert one_subnet.top1(pupil.supernet, subnet, prepared, statistics) > 80


def test_other_soft_labels_are_another_training(
    small_space: Space, four_classes: LabelledImages, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    trainer(small_space, four_classes, soft_labels=soft_labels(four_classes)).save(path)
    other = trainer(small_space, four_classes, soft_labels=soft_labels(four_classes, shift=1))
    with pytest.raises(CheckpointError, match=r"\(soft labels '0+' -> '1+'\)"):
        other.load(path)
    with pytest.raises(CheckpointError, match=r"phase hybrid: sampling 'uniform' -> 'family'"):
        trainer(small_space, four_classes, RECIPE.with_phases(sampling=["family"])).load(path)


def test_between_its_turns_the_average_of_the_largest_teaches(
    small_space: Space, four_classes: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In steps without the largest subnet the others' targets are its output by the averaged weights."""
    recipe = replace(RECIPE, ema=0.5).with_phases(largest_every=[2])
    training = trainer(small_space, four_classes, recipe)
    targets: list[Tensor] = []
    inputs: list[Tensor] = []
    averages: list[Supernet] = []

    def watched(kind: str, logits: Tensor, soft: Tensor) -> Tensor:
        targets.append(soft)
        averages.append(copy.deepcopy(training.result))
        return distil(kind, logits, soft)

    prepare = training._prepared

    def prepared(*part: Tensor) -> tuple[Tensor, Tensor]:
        inputs.append(prepare(*part)[0])
        return prepare(*part)

    monkeypatch.setattr("supernet.training.supernet_trainer.distil", watched)
    monkeypatch.setattr(training, "_prepared", prepared)
    result = training.train_epoch()
    assert result.scores["largest"].accuracy > 0
    others = len(targets) // result.steps
    largest = small_space.decode(small_space.largest())
    for step in (1, 3):  # from 0
        first = step * others
        with torch.no_grad():
            expected = averages[first](inputs[step], largest, by_batch).softmax(1)
        torch.testing.assert_close(targets[first], expected)
        assert not targets[first].requires_grad


def test_a_teacher_of_other_classes_is_refused(
    small_space: Space, four_classes: LabelledImages, tmp_path: Path
) -> None:
    path = tmp_path / "teacher.safetensors"
    other = with_classes(small_space, 7)
    save_checkpoint(path, trainer(other, four_classes).supernet)
    with pytest.raises(CheckpointError, match="tells 7 classes apart, but space 'small' has 4"):
        trainer(small_space, four_classes, teacher=path)
    assert trainer(small_space, four_classes, start=path).taken[-1].left_out == {"7 -> 4 classes": ["all"]}
