"""Reading of torch models: what is read, and what is refused by the name of a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from search_space import complexity
from supernet.torch_models.model_graph import ModelError, trace
from supernet.torch_models.model_reader import read_model
from tests.supernet.torch_models.trained_models import SIDE, images, untrained


def refusal(model: nn.Module) -> str:
    with pytest.raises(ModelError) as error:
        read_model(trace(model, SIDE), SIDE)
    return str(error.value)


def test_shape_and_costs_are_those_of_the_model() -> None:
    model = untrained()
    read = read_model(trace(model, SIDE), SIDE)
    assert str(read.subnet) == "32px stem16 | 8:mb3x1 | 8:mb3x3 mb3x3 | 16:mb3x6 mb3x6 mb3x6"
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(images(1))
    assert 2 * complexity.macs(read.subnet) == counter.get_total_flops()
    assert complexity.params(read.subnet) == sum(weight.numel() for weight in model.parameters())
    assert [name for name, _ in read.outputs] == [
        "features.0.0",
        *(f"features.{n}.conv.{2 if n > 1 else 1}" for n in range(1, 7)),
    ]


def test_the_model_keeps_its_weights_and_modes() -> None:
    model = untrained()
    model.features[3].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    trace(model, SIDE)
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Swapped(nn.Module):
    """Runs its second and third layer in the other order than that in which it declares them."""

    def __init__(self) -> None:
        super().__init__()
        model = untrained()
        layers = list(model.features)
        self.end, self.third, self.second = nn.Sequential(*layers[4:]), layers[3], layers[2]
        self.start = nn.Sequential(*layers[:2])
        self.classifier = model.classifier

    def forward(self, x: Tensor) -> Tensor:
        x = self.end(self.third(self.second(self.start(x))))
        result: Tensor = self.classifier(x.mean([2, 3]))
        return result


def test_order_is_that_of_the_computation() -> None:
    assert (
        read_model(trace(Swapped(), SIDE), SIDE).subnet == read_model(trace(untrained(), SIDE), SIDE).subnet
    )


def _dilated(model: Any) -> None:
    conv = model.features[4].conv[1][0]
    conv.dilation, conv.padding = (2, 2), (2, 2)


def _padded(model: Any) -> None:
    model.features[4].conv[1][0].padding = (0, 0)


def _epsilon(model: Any) -> None:
    model.features[5].conv[0][1].eps = 1e-3


def _activation(model: Any) -> None:
    model.features[5].conv[0][2] = nn.ReLU()


def _limit(model: Any) -> None:
    model.features[5].conv[0][2] = nn.Hardtanh(0, 4)


def _silent(model: Any) -> None:
    model.features[5].conv[1][2] = nn.Identity()


def _no_residual(model: Any) -> None:
    model.features[6].use_res_connect = False


def _scaled(model: Any) -> None:
    scale = nn.Linear(10, 10)
    model.classifier.append(scale)


def _multiplied(model: Any) -> None:
    model.classifier.append(Doubled())


def _biased(model: Any) -> None:
    conv = model.features[4].conv[0][0]
    conv.bias = nn.Parameter(torch.zeros(conv.out_channels))


def _computed(model: Any) -> None:
    nn.utils.parametrizations.weight_norm(model.features[4].conv[0][0])


def _no_classifier(model: Any) -> None:
    model.classifier = nn.Identity()


def _map(model: Any) -> None:
    model.forward = model.features.forward


def _own_statistics(model: Any) -> None:
    norm = model.features[4].conv[0][1]
    norm.running_mean = norm.running_var = None


def _branching(model: Any) -> None:
    model.features.insert(1, Branching())


def _double(model: Any) -> None:
    model.double()


def _meta(model: Any) -> None:
    model.classifier.to("meta")


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_dilated, "features.4.conv.1.0: dilation 2 has no counterpart"),
        (_padded, "features.4.conv.1.0: padding [0, 0] has no counterpart"),
        (
            _epsilon,
            "features.5.conv.0.0: its batch norm has epsilon 0.001, but that of features.0.0 has 1e-05",
        ),
        (_activation, "features.5.conv.0.2: relu has no counterpart"),
        (_limit, "features.5.conv.0.2: activation hardtanh[0, 4] has no counterpart"),
        (_silent, "features.5.conv.1.0: depthwise 3x3 convolution of stride 1 with no activation"),
        (
            _no_residual,
            "features.6.conv.2: the input of this block of stride 1 and equal widths must be added",
        ),
        (_scaled, "classifier.2: nothing may follow the classifier classifier.1"),
        (_multiplied, "classifier.2: mul has no counterpart"),
        (_biased, "features.4.conv.0.0: bias has no counterpart in our networks; it must be none"),
        (_computed, "features.4.conv.0.0"),
        (_no_classifier, "the model ends here, but must have a head"),
        (_map, "must return class scores (n, classes), but for 8 images it returns (8, 1280, 4, 4)"),
        (
            _own_statistics,
            "features.4.conv.0.1: batch norm must have a scale, a shift and running statistics",
        ),
        (_branching, "the model cannot be traced on images (n, 3, 32, 32)"),
        (_double, "features.0.0.weight holds torch.float64, but must hold float32: call model.float() first"),
        (_meta, "classifier.1.weight is on meta, but must be on the CPU: call model.cpu() first"),
    ],
)
def test_refusals_name_a_layer(change: Callable[[Any], None], message: str) -> None:
    model = untrained()
    change(model)
    assert message in refusal(model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"round_nearest": 4}, "channels are no multiple of 8, as an Ethos-U55 computes them"),
        ({"norm_layer": nn.Identity}, "features.0.0: batch norm must follow it, but hardtanh does"),
    ],
)
def test_refused_settings(options: dict[str, object], message: str) -> None:
    text = refusal(untrained(**options))
    assert message in text
    assert text.startswith("features.")


def test_a_broken_chain_is_refused() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = untrained()

        def forward(self, x: Tensor) -> Tensor:
            first = self.model.features[1](self.model.features[0](x))
            second = self.model.features[2](first)
            third = self.model.features[3](second) + second
            for layer in list(self.model.features)[4:]:
                third = layer(third)
            result: Tensor = self.model.classifier(third.mean((2, 3)))
            return result

    # The block adds its input itself, and the model adds it again.
    assert refusal(Twice()) == "Twice.forward: a block must be made of convolutions, but here is addition"
