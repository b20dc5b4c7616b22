"""Optimisers: what decays, what is frozen, which rates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from search_space.families import without_vit
from search_space.space import Space
from supernet.network.supernet import Supernet
from supernet.training.optimizer import enter_phase, is_vit, make_optimizer, rates, set_rate
from supernet.training.phases import Phase

PHASE = Phase("hybrid", 1, 0.01, 0)


def optimizer(supernet: Supernet, kind: str = "adamw") -> torch.optim.Optimizer:
    return make_optimizer(kind, supernet.named_parameters(), weight_decay=0.05, momentum=0.9)


def test_weight_decay_spares_norms_biases_and_scales(small_space: Space) -> None:
    supernet = Supernet(small_space)
    names = {id(parameter): name for name, parameter in supernet.named_parameters()}
    decayed: set[str] = set()
    spared: set[str] = set()
    for group in optimizer(supernet).param_groups:
        target = decayed if group["weight_decay"] else spared
        target |= {names[id(parameter)] for parameter in group["params"]}
    assert decayed.isdisjoint(spared)
    assert decayed | spared == set(names.values())
    assert "stem.weight" in decayed
    for text in ("norm.weight", "scale", ".bias"):
        assert any(text in name for name in spared)
        assert not any(text in name and "qkv" not in name for name in decayed)


def test_what_a_cnn_uses_is_no_transformer_weight(small_space: Space) -> None:
    supernet = Supernet(small_space)
    subnet = without_vit(small_space.decode(small_space.largest()))
    torch.autograd.backward(supernet(torch.randn(4, 3, 16, 16), subnet).sum())
    used = {name for name, parameter in supernet.named_parameters() if parameter.grad is not None}
    assert not any(map(is_vit, used))
    # The rest are transformer blocks, and the form of down-sampling that the largest network does not use.
    rest = {name for name, _ in supernet.named_parameters()} - used
    assert {name for name in rest if not is_vit(name)} == {
        name for name in rest if ".mbconv." in name or ".patch_merging." in name
    }


CNN_KERNELS = ("stem.", ".mbconv.", ".patch_merging.", ".conv_blocks.")


def is_cnn_kernel(name: str) -> bool:
    return name.endswith(".weight") and "norm" not in name and any(part in name for part in CNN_KERNELS)


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
@pytest.mark.parametrize(
    ("cnn", "is_frozen"), [("freeze", lambda name: not is_vit(name)), ("freeze_blocks", is_cnn_kernel)]
)
def test_frozen_weights_keep_every_bit_whatever_the_moments_and_the_decay(
    cnn: str, is_frozen: Callable[[str], bool], kind: str, small_space: Space
) -> None:
    supernet = Supernet(small_space)
    optimizer_ = optimizer(supernet, kind)
    subnet = small_space.decode(small_space.largest())
    images = torch.randn(4, 3, 16, 16)

    def step(phase: Phase) -> None:
        enter_phase(supernet.named_parameters(), phase)
        set_rate(optimizer_, phase, 0.01)
        optimizer_.zero_grad(set_to_none=True)
        torch.autograd.backward(supernet(images, subnet).square().mean())
        optimizer_.step()

    initial = {name: value.clone() for name, value in supernet.named_parameters()}
    step(PHASE)  # moments are there now
    before = {name: value.clone() for name, value in supernet.named_parameters()}
    trained = {name for name, value in before.items() if not torch.equal(value, initial[name])}
    step(Phase("hybrid", 1, 0.01, 0, cnn=cnn))
    assert any(map(is_frozen, trained))
    for name, parameter in supernet.named_parameters():
        assert torch.equal(parameter, before[name]) == (is_frozen(name) or name not in trained), name
    step(PHASE)
    assert not torch.equal(supernet.stem.weight, before["stem.weight"])


def test_rates_of_each_mode(small_space: Space) -> None:
    optimizer_ = optimizer(Supernet(small_space))
    for settings, expected in (
        ({"cnn": "train"}, {"cnn": 0.01, "vit": 0.01}),
        ({"cnn": "low_lr"}, {"cnn": pytest.approx(0.001), "vit": 0.01}),
        ({"cnn": "low_lr", "low_lr_factor": 0.5}, {"cnn": pytest.approx(0.005), "vit": 0.01}),
        ({"low_lr_factor": 0.5, "vit_lr_factor": 4.0}, {"cnn": 0.01, "vit": pytest.approx(0.04)}),
        ({"cnn": "freeze_blocks"}, {"cnn": 0.01, "vit": 0.01}),
        ({"cnn": "freeze"}, {"vit": 0.01}),
        ({"vit": False}, {"cnn": 0.01}),
    ):
        phase = replace(PHASE, **settings)
        set_rate(optimizer_, phase, 0.01)
        assert rates(optimizer_, phase) == expected
