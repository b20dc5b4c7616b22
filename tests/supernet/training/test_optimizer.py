"""Optimisers: what decays, what is frozen, which rates."""

from __future__ import annotations

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


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_a_frozen_cnn_keeps_every_bit_whatever_the_moments_and_the_decay(
    kind: str, small_space: Space
) -> None:
    supernet = Supernet(small_space)
    optimizer_ = optimizer(supernet, kind)
    subnet = small_space.decode(small_space.largest())
    images = torch.randn(4, 3, 16, 16)

    def step(phase: Phase) -> None:
        enter_phase(optimizer_, phase)
        set_rate(optimizer_, phase, 0.01)
        optimizer_.zero_grad(set_to_none=True)
        torch.autograd.backward(supernet(images, subnet).square().mean())
        optimizer_.step()

    step(PHASE)  # moments are there now
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    step(Phase("hybrid", 1, 0.01, 0, cnn="freeze"))
    for name, value in supernet.state_dict().items():
        if not is_vit(name):
            assert torch.equal(value, before[name]), name
    assert any(not torch.equal(value, before[name]) for name, value in supernet.state_dict().items())
    step(PHASE)
    assert not torch.equal(supernet.stem.weight, before["stem.weight"])


def test_rates_of_each_mode(small_space: Space) -> None:
    optimizer_ = optimizer(Supernet(small_space))
    for cnn, expected in (
        ("train", {"cnn": 0.01, "vit": 0.01}),
        ("low_lr", {"cnn": pytest.approx(0.001), "vit": 0.01}),
        ("freeze", {"vit": 0.01}),
    ):
        phase = Phase("hybrid", 1, 0.01, 0, cnn=cnn)
        set_rate(optimizer_, phase, 0.01)
        assert rates(optimizer_, phase) == expected
    phase = Phase("cnn", 1, 0.01, 0, vit=False)
    set_rate(optimizer_, phase, 0.01)
    assert rates(optimizer_, phase) == {"cnn": 0.01}
