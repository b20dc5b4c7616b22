"""Gradient conflict: what is measured, and that measuring changes nothing."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from search_space.errors import H4HError
from search_space.families import Family, family
from search_space.files.yaml_document import parse_document
from search_space.space import Space
from search_space.subnet import Subnet
from search_space.subnet_sampling import FAMILY
from supernet import conflict
from supernet.gradient_conflict.measure import draw_cnns, draw_hybrids, measure
from supernet.gradient_conflict.measurement import ConflictReport, PairKind
from supernet.gradient_conflict.subnet_gradients import (
    ParameterGroup,
    cosines_by_group,
    gradient,
    parameter_groups,
)
from supernet.images import cifar10
from supernet.images.labelled_images import LabelledImages, normalised
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import save_checkpoint
from tests.command import Call, Command
from tests.supernet.spaces import with_classes

Batches = list[tuple[Tensor, Tensor]]


@pytest.fixture(scope="module")
def batches(four_classes: LabelledImages) -> Batches:
    parts = [four_classes[start : start + 32] for start in (0, 32, 64)]
    return [(normalised(part.pixels, torch.float32), part.labels) for part in parts]


@pytest.fixture(scope="module")
def supernet(small_space: Space) -> Supernet:
    torch.manual_seed(0)
    return Supernet(small_space)


def without_transformers(space: Space) -> Space:
    return replace(space, stages=tuple(replace(stage, vit_depth=(0,), vit=None) for stage in space.stages))


def test_report(supernet: Supernet, batches: Batches) -> None:
    report = measure(supernet, batches, rng=np.random.default_rng(0), subnets=3)
    assert (report.subnets, report.batches, report.images) == (3, 3, 96)
    assert set(report.cosines) == set(PairKind)
    of_classifier = {kind: found[ParameterGroup.CLASSIFIER].count for kind, found in report.cosines.items()}
    # Of 3 CNNs and 3 hybrids in each of 3 batches, on the classifier's weight and bias.
    assert of_classifier == {PairKind.CNN_CNN: 18, PairKind.HYBRID_HYBRID: 18, PairKind.CNN_HYBRID: 54}
    of_both = {ParameterGroup.ALL, ParameterGroup.CONV, ParameterGroup.NORM, ParameterGroup.CLASSIFIER}
    assert set(report.cosines[PairKind.CNN_CNN]) == of_both
    assert set(report.cosines[PairKind.CNN_HYBRID]) == of_both
    assert set(report.cosines[PairKind.HYBRID_HYBRID]) == set(ParameterGroup) - {ParameterGroup.OTHER}
    for by_group in report.cosines.values():
        for cosines in by_group.values():
            assert -1 <= cosines.mean <= 1
            assert 0 <= cosines.negative <= 1
            assert cosines.standard_error is not None
            assert cosines.standard_error >= 0


def test_report_survives_json(supernet: Supernet, batches: Batches) -> None:
    report = measure(supernet, batches[:1], rng=np.random.default_rng(0), subnets=2)
    text = json.dumps(report.to_dict())
    assert parse_document(ConflictReport, json.loads(text), source="log") == report


def test_the_generator_decides_everything(supernet: Supernet, batches: Batches) -> None:
    first, again, other = (
        measure(supernet, batches, rng=np.random.default_rng(seed), subnets=2) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_one_batch_by_a_second_way(supernet: Supernet, batches: Batches) -> None:
    report = measure(supernet, batches[:1], rng=np.random.default_rng(5), subnets=2)
    rng = np.random.default_rng(5)
    chosen = draw_cnns(supernet.space, 2, rng) + draw_hybrids(supernet.space, 2, rng)
    gradients = [gradient(supernet, subnet, *batches[0]) for subnet in chosen]
    matrices = cosines_by_group(gradients, parameter_groups(supernet))[ParameterGroup.CONV]
    pairs = {
        PairKind.CNN_CNN: [(0, 1)],
        PairKind.HYBRID_HYBRID: [(2, 3)],
        PairKind.CNN_HYBRID: [(0, 2), (0, 3), (1, 2), (1, 3)],
    }
    for kind, indices in pairs.items():
        values = [matrix[pair].item() for matrix in matrices for pair in indices]
        values = [value for value in values if not math.isnan(value)]
        found = report.cosines[kind][ParameterGroup.CONV]
        assert found.mean == pytest.approx(np.mean(values))
        assert found.negative == pytest.approx(np.mean([value < 0 for value in values]))
        assert (found.count, found.standard_error) == (len(values), None)


def test_opposite_families(supernet: Supernet, batches: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    def opposite(net: Supernet, subnet: Subnet, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        sign = -1 if subnet.vit_blocks else 1
        return {"stem.weight": sign * torch.ones_like(net.stem.weight)}

    monkeypatch.setattr("supernet.gradient_conflict.measure.gradient", opposite)
    report = measure(supernet, batches, rng=np.random.default_rng(0))
    for kind, sign in ((PairKind.CNN_CNN, 1), (PairKind.HYBRID_HYBRID, 1), (PairKind.CNN_HYBRID, -1)):
        assert set(report.cosines[kind]) == {ParameterGroup.ALL, ParameterGroup.CONV}
        found = report.cosines[kind][ParameterGroup.CONV]
        assert found.mean == pytest.approx(sign)
        assert (found.negative, found.standard_error) == (sign < 0, 0)


def test_measuring_changes_nothing(small_space: Space, batches: Batches) -> None:
    torch.manual_seed(1)
    supernet = Supernet(small_space)
    supernet.train()
    supernet.stages[0].eval()
    supernet.head.weight.requires_grad_(False)
    for index, parameter in enumerate(supernet.parameters()):
        if index % 2:
            parameter.grad = torch.full_like(parameter, index)
    weights = {name: value.clone() for name, value in supernet.state_dict().items()}
    identities = [id(parameter) for parameter in supernet.parameters()]
    grads = [None if p.grad is None else p.grad.clone() for p in supernet.parameters()]
    asked = [parameter.requires_grad for parameter in supernet.parameters()]
    modes = [module.training for module in supernet.modules()]
    torch_state = torch.random.get_rng_state()
    numpy_state = repr(np.random.get_state())

    measure(supernet, batches[:1], rng=np.random.default_rng(0), subnets=2)
    assert all(torch.equal(value, weights[name]) for name, value in supernet.state_dict().items())
    assert [id(parameter) for parameter in supernet.parameters()] == identities
    assert [parameter.requires_grad for parameter in supernet.parameters()] == asked
    for parameter, grad in zip(supernet.parameters(), grads, strict=True):
        if grad is None or parameter.grad is None:
            assert grad is parameter.grad
        else:
            assert torch.equal(parameter.grad, grad)
    assert [module.training for module in supernet.modules()] == modes
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert repr(np.random.get_state()) == numpy_state


def test_kinds_of_subnets(small_space: Space) -> None:
    rng = np.random.default_rng(0)
    cnns, hybrids = draw_cnns(small_space, 40, rng), draw_hybrids(small_space, 40, rng)
    assert {subnet.vit_blocks for subnet in cnns} == {0}
    assert {subnet.vit_blocks for subnet in hybrids} == {1, 2, 3}
    assert len(set(cnns)) == len(set(hybrids)) == 40


def test_hybrids_of_each_family_equally(small_space: Space) -> None:
    hybrids = draw_hybrids(small_space, 12, np.random.default_rng(0), FAMILY)
    assert Counter(map(family, hybrids)) == {Family.VIT: 4, Family.CNN_THEN_VIT: 4, Family.MIXED: 4}


def test_a_space_without_transformers_has_one_kind_of_pair(small_space: Space, batches: Batches) -> None:
    supernet = Supernet(without_transformers(small_space))
    report = measure(supernet, batches[:2], rng=np.random.default_rng(0), subnets=2)
    assert set(report.cosines) == {PairKind.CNN_CNN}


def test_bad_input(small_space: Space, supernet: Supernet, batches: Batches) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(H4HError, match="subnets must be at least 2, since pairs are compared, but got 1"):
        measure(supernet, batches, rng=rng, subnets=1)
    with pytest.raises(H4HError, match="at least one batch"):
        measure(supernet, [], rng=rng)
    tiny = replace(
        without_transformers(small_space),
        stages=tuple(
            replace(
                stage,
                vit_depth=(0,),
                vit=None,
                conv_depth=(0,),
                conv=None,
                width=stage.width[:1],
                downsampling=replace(stage.downsampling, kind=("patch_merging",)),
            )
            for stage in small_space.stages
        ),
    )
    # Two resolutions and two widths of the stem are all that is left.
    assert tiny.cardinality == 4
    assert len(draw_cnns(tiny, 4, rng)) == 4
    with pytest.raises(H4HError, match="subnets must be at most 4, since space 'small'"):
        measure(Supernet(tiny), batches, rng=rng, subnets=5)


@pytest.fixture
def call(command: Command) -> Call:
    return partial(command, conflict.main)


QUICK = ("--batches", "2", "--images", "8", "--subnets", "2")


def test_command(tmp_path: Path, call: Call) -> None:
    figure = tmp_path / "conflict.png"
    code, text, _ = call(*QUICK, "--plot", str(figure))
    assert code == 0
    assert "1,024 training images of CIFAR-10 that come with the project" in text
    assert "cnn-hybrid" in text
    assert "layer scale" in text
    assert figure.read_bytes().startswith(b"\x89PNG")
    code, text, _ = call(*QUICK, "--json", "--checkpoint", "cifar32")
    assert code == 0
    record = json.loads(text)
    report = parse_document(ConflictReport, record["conflict"], source="stdout")
    assert (report.batches, report.images, report.subnets) == (2, 16, 2)
    again = call(*QUICK, "--json")[1]
    assert again == text
    assert call(*QUICK, "--json", "--seed", "1")[1] != text


def test_command_takes_training_images(
    small_space: Space,
    four_classes: LabelledImages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: Call,
) -> None:
    monkeypatch.setattr(cifar10, "SEARCH_IMAGES", 200)
    monkeypatch.setattr(cifar10, "load", lambda directory: (four_classes, four_classes))
    checkpoint = tmp_path / "checkpoint.safetensors"
    save_checkpoint(checkpoint, Supernet(with_classes(small_space, 10)))  # as CIFAR-10 has
    folder = tmp_path / "data"
    (folder / cifar10.FOLDER).mkdir(parents=True)
    arguments = ("--checkpoint", str(checkpoint), "--data", str(folder), "--json", "--batches", "7")
    code, text, _ = call(*arguments, "--images", "8", "--subnets", "2")
    assert code == 0
    assert json.loads(text)["images"] == f"the training split of cifar10 in {folder}"
    code, _, error = call(*arguments, "--images", "9")
    assert code == 2
    assert "--batches times --images must be at most 56" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--batches", "0"), "--batches must be at least 1, but got 0"),
        (("--images", "1"), "--images must be at least 2, but got 1"),
        (("--subnets", "1"), "--subnets must be at least 2, but got 1"),
        (("--seed", "-1"), "--seed must be at least 0, but got -1"),
        (("--batches", "1" + "0" * 18), "--batches must be at most 1000000000, but got 1"),
        (("--subnets", "1001"), "--subnets must be at most 1000, but got 1001"),
        (("--batches", "9"), "must be at most 1024, the number of images in the 1,024 training images"),
        (("--checkpoint", "cifar23"), "unknown checkpoint 'cifar23'"),
        (("--checkpoint", "none.safetensors"), "none.safetensors does not exist"),
        (("--checkpoint", "text.safetensors"), "is damaged or no safetensors file"),
        (("--device", "gpu0"), "unknown device 'gpu0'"),
        (("--data", "nowhere"), "/nowhere` for CIFAR-10"),
        (("--plot", "figure.jpg"), "--plot must end in .png, .svg or .pdf"),
        (("--plot", "none/figure.png"), "the folder none does not exist"),
        (("--images", "many"), "invalid int value: 'many'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.safetensors").write_text("no weights")
    code, text, error = call(*arguments)
    assert (code, text) == (2, "")
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["text.safetensors"]


def test_checkpoint_of_other_classes(small_space: Space, tmp_path: Path, call: Call) -> None:
    checkpoint = tmp_path / "checkpoint.safetensors"
    save_checkpoint(checkpoint, Supernet(small_space))
    code, _, error = call(*QUICK, "--checkpoint", str(checkpoint))
    assert code == 2
    assert "space 'small' has 4 classes, but the images have 10" in error
