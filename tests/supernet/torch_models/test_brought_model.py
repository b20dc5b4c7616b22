"""Brought models: the largest subnet is the model, smaller ones are slices of it, and files keep both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import MobileNetV2

from search_space.errors import H4HError
from search_space.space import load_space
from search_space.subnet import MBConv, Subnet
from supernet.checkpoints.image_input import PixelScale, stored_image_input
from supernet.network.extraction import extract
from supernet.network.supernet_file import load_checkpoint
from supernet.torch_models.brought_model import CHECKPOINT, SPACE, BroughtModel
from supernet.torch_models.filled_supernet import filled_supernet, sorted_tensors
from supernet.torch_models.model_graph import ModelError, ModelGraph, trace
from supernet.torch_models.model_reader import read_model
from supernet.torch_models.proof import CLASS_SCORES, TOLERANCE, prove
from tests.supernet.torch_models.trained_models import (
    DEVIATION,
    MEAN,
    SIDE,
    brought,
    images,
    mobile,
)

SCALE = PixelScale(MEAN, DEVIATION)


@pytest.fixture(scope="module")
def model() -> MobileNetV2:
    return mobile()


@pytest.fixture(scope="module")
def traced(model: MobileNetV2) -> ModelGraph:
    return trace(model, SIDE)


@pytest.fixture(scope="module")
def mine(model: MobileNetV2) -> BroughtModel:
    return brought(model)


def test_the_largest_subnet_is_the_model_to_the_bit(model: MobileNetV2, mine: BroughtModel) -> None:
    model.eval()
    batch = images(4)
    largest = mine.space.decode(mine.space.largest())
    supernet, statistics = mine.unsorted
    with torch.inference_mode():
        expected = model(batch)
        assert torch.equal(supernet(batch, largest, statistics), expected)
        difference = mine.supernet(batch, largest, mine.statistics) - expected
    assert 0 < difference.abs().max() < TOLERANCE * expected.std(0).mean()
    assert mine.proof.is_equal
    assert [gap.largest for gap in mine.proof.gaps] == [0.0] * 8
    assert mine.proof.gaps[-1].layer == CLASS_SCORES
    assert mine.proof.spread > 0.1


class Plain(nn.Module):
    """A subnet computed by hand from leading channels of the model's own layers."""

    def __init__(self, model: MobileNetV2) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, subnet: Subnet) -> Tensor:
        features = list(self.model.features)
        x = (
            F.interpolate(x, (subnet.resolution,) * 2, mode="bilinear", antialias=True)
            if x.shape[-1] != subnet.resolution
            else x
        )
        x = self._layer(features[0], x, subnet.stem.width).clamp(0, 6)
        places = [[1], [2, 3], [4, 5, 6]]
        for stage, numbers in zip(subnet.stages, places, strict=True):
            for block, number in zip((stage.downsampling, *stage.conv_blocks), numbers, strict=False):
                assert isinstance(block, MBConv)
                layers = list(features[number].conv)
                out = x
                if block.expansion > 1:
                    out = self._layer(layers.pop(0), out, block.hidden_width).clamp(0, 6)
                out = self._layer(layers.pop(0), out, block.hidden_width).clamp(0, 6)
                out = self._layer(nn.Sequential(*layers), out, block.width)
                x = x + out if block.has_residual else out
        x = self._layer(features[-1], x, subnet.head.width).clamp(0, 6)
        result: Tensor = self.model.classifier[1](x.mean((2, 3)))
        return result

    @staticmethod
    def _layer(layer: nn.Sequential, x: Tensor, width: int) -> Tensor:
        """Convolution and batch norm by the statistics of the batch, over leading channels."""
        conv: Any = layer[0]
        norm: Any = layer[1]
        depthwise = conv.groups > 1
        weight = conv.weight[:width] if depthwise else conv.weight[:width, : x.shape[1]]
        groups = width if depthwise else 1
        x = F.conv2d(x, weight, stride=conv.stride, padding=conv.padding, groups=groups)
        return F.batch_norm(x, None, None, norm.weight[:width], norm.bias[:width], training=True)


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_any_subnet_is_made_of_leading_slices(model: MobileNetV2, mine: BroughtModel, data: Any) -> None:
    space = mine.space
    genotype = space.canonical([data.draw(st.integers(0, gene.cardinality - 1)) for gene in space.genes])
    subnet = space.decode(genotype)
    torch.manual_seed(1)
    batch = images(8)
    supernet, _ = mine.unsorted
    with torch.inference_mode():
        torch.testing.assert_close(supernet(batch, subnet), Plain(model)(batch, subnet), rtol=1e-3, atol=1e-3)


def test_sorting_puts_the_most_important_channels_first(traced: ModelGraph) -> None:
    read = read_model(traced, SIDE)
    ordered = sorted_tensors(read)
    assert {name: value.shape for name, value in ordered.items()} == {
        name: value.shape for name, value in read.tensors.items()
    }
    for name in ("stages.1.downsampling", "stages.2.conv_blocks.1"):
        weights = ordered[f"{name}.project.conv.weight"].abs().sum((0, 2, 3))
        assert torch.equal(weights, weights.sort(descending=True).values)
        before = read.tensors[f"{name}.project.conv.weight"].abs().sum((0, 2, 3))
        assert not torch.equal(weights, before)
    # Without an expansion the hidden channels are the stem's, whose order others read.
    assert torch.equal(
        ordered["stages.0.downsampling.depthwise.conv.weight"],
        read.tensors["stages.0.downsampling.depthwise.conv.weight"],
    )


def test_files_keep_space_weights_and_scale(mine: BroughtModel, tmp_path: Path) -> None:
    names = tuple(map(str, range(10)))
    path = mine.save(tmp_path / "new", names)
    assert path == tmp_path / "new" / CHECKPOINT
    assert load_space(str(tmp_path / "new" / SPACE)).digest == mine.space.digest
    loaded = load_checkpoint(path, mine.space)
    seen = stored_image_input(path)
    assert (seen.pixel_scale, seen.class_names, seen.size) == (SCALE, names, SIDE)
    assert loaded.pixel_scale == SCALE
    for name, value in mine.supernet.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float())


def test_the_extracted_largest_subnet_can_be_brought_again(mine: BroughtModel) -> None:
    largest = mine.space.decode(mine.space.largest())
    network = extract(mine.supernet, largest, mine.statistics)
    again = brought(network)
    assert again.space.digest == mine.space.digest
    assert again.proof.is_equal


def test_options_around_the_model(mine: BroughtModel) -> None:
    assert mine.space.resolution == (24, 28, 32)
    assert mine.space.stem.width == (16,)  # 12 is no multiple of 8
    assert [stage.downsampling.expansion for stage in mine.space.stages] == [(1,), (2, 3), (3, 4, 6)]
    assert [stage.conv_depth for stage in mine.space.stages] == [(0,), (0, 1), (0, 1, 2)]


@pytest.mark.parametrize("wrong", ["swapped blocks", "residual", "one channel", "epsilon", "nan"])
def test_the_proof_finds_what_a_reader_could_overlook(
    model: MobileNetV2, mine: BroughtModel, traced: ModelGraph, wrong: str
) -> None:
    graph, read, space = traced, read_model(traced, SIDE), mine.space
    subnet, tensors, epsilon = read.subnet, dict(read.tensors), read.epsilon
    first, second = "stages.2.conv_blocks.0", "stages.2.conv_blocks.1"
    if wrong == "swapped blocks":
        for name in read.tensors:
            if name.startswith(first):
                other = name.replace(first, second)
                tensors[name], tensors[other] = read.tensors[other], read.tensors[name]
    elif wrong == "residual":
        name = f"{second}.project.norm.weight"
        tensors[name] = torch.zeros_like(tensors[name])
    elif wrong == "one channel":
        name = f"{second}.depthwise.norm.bias"
        tensors[name] = tensors[name].clone()
        tensors[name][3] += 0.5
    elif wrong == "epsilon":
        epsilon = 1e-3
    else:
        tensors["classifier.bias"] = torch.full((10,), torch.nan)
    right = filled_supernet(subnet, read.tensors, read.epsilon, space, SCALE)
    changed = filled_supernet(subnet, tensors, epsilon, space, SCALE)
    prove(model, graph, read, right, right, images(8))
    for pair in ((changed, right), (right, changed)):
        with pytest.raises(ModelError, match=r"differs from the model by .* of the spread over images"):
            prove(model, graph, read, *pair, images(8))


def test_scores_that_are_all_the_same_prove_nothing(model: MobileNetV2) -> None:
    constant = mobile()
    nn.init.zeros_(constant.classifier[1].weight)
    with pytest.raises(ModelError, match="nearly the same for all images"):
        brought(constant)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side": 30}, "side must be a multiple of 4 from 8 on, but got 30"),
        ({"side": 0}, "side must be a multiple of 4 from 8 on, but got 0"),
        ({"mean": (0.5, 0.5)}, "mean must be three numbers, one for each channel"),
        ({"deviation": (0.5, 0.5, 0.0)}, "deviation must be three numbers above 0"),
    ],
)
def test_wrong_arguments(model: MobileNetV2, change: dict[str, Any], message: str) -> None:
    from supernet import from_torch

    arguments: dict[str, Any] = {"side": SIDE, "mean": MEAN, "deviation": DEVIATION} | change
    with pytest.raises(H4HError, match=message):
        from_torch(model, **arguments)


def test_something_else_is_no_model() -> None:
    from supernet import from_torch

    with pytest.raises(ModelError, match=r"model must be a torch.nn.Module, but is a dict"):
        from_torch({}, side=SIDE, mean=MEAN, deviation=DEVIATION)  # type: ignore[arg-type]
