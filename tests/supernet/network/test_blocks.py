"""Transformer blocks with a choice of norm: closed form, gradients, statistics, weights shared and not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from torch.nn import functional as F

from search_space.families import without_vit
from search_space.space import Space
from search_space.subnet import Subnet, ViTBlock
from supernet.checkpoints.header import EPSILON
from supernet.network.batch_norm import Folded, Recorded, Recording, by_batch
from supernet.network.blocks import ElasticViTBlock
from supernet.network.elastic_layers import ElasticTokenBatchNorm
from supernet.network.supernet import Supernet
from tests.supernet.norm_choice import BATCH_NORM, SPACE, SUPERNET, batch, subnets, with_norm

BATCH = ViTBlock(width=16, heads=1, head_dim=8, mlp_ratio=1, norm="batch")
LAYER = ViTBlock(width=16, heads=1, head_dim=8, mlp_ratio=1)


def block_with(norms: Sequence[str]) -> ElasticViTBlock:
    torch.manual_seed(0)
    block = ElasticViTBlock(24, heads=2, head_dim=8, mlp_ratio=2, norms=norms)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return block


def test_tokens_are_normalised_for_each_channel_over_images_and_tokens() -> None:
    norm = ElasticTokenBatchNorm(24)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = 3 + 2 * torch.randn(4, 9, 16)
    mean, variance = x.mean((0, 1)), x.var((0, 1), correction=0)
    want = (x - mean) / (variance + EPSILON).sqrt() * norm.weight[:16] + norm.bias[:16]
    torch.testing.assert_close(norm(x, by_batch), want)
    recording = Recording()
    torch.testing.assert_close(norm(x, recording), want)
    torch.testing.assert_close(recording.result().statistics[norm][0], mean)
    assert norm(x.bfloat16(), by_batch).dtype is torch.bfloat16


def test_a_block_with_batch_norm_by_hand() -> None:
    block = block_with(("batch", "layer"))
    x = torch.randn(4, 9, 16)

    def normal(x: Tensor, norm: ElasticTokenBatchNorm | None) -> Tensor:
        assert norm is not None
        return F.batch_norm(x.flatten(0, 1), None, None, norm.weight[:16], norm.bias[:16], True).view_as(x)

    weight, bias = block.qkv.weight[:, 0, :, :16], block.qkv.bias[:, 0]
    hidden = normal(x, block.attention_batch_norm)
    q, k, v = (F.linear(hidden, weight[part], bias[part]) for part in range(3))
    mixed = (q @ k.transpose(1, 2) / 8**0.5).softmax(-1) @ v
    y = x + block.attention_scale[:16] * F.linear(
        mixed, block.projection.weight[:16, :8], block.projection.bias[:16]
    )
    hidden = F.gelu(
        F.linear(normal(y, block.mlp_batch_norm), block.fc1.weight[:16, :16], block.fc1.bias[:16])
    )
    want = y + block.mlp_scale[:16] * F.linear(hidden, block.fc2.weight[:16, :16], block.fc2.bias[:16])
    torch.testing.assert_close(block(x, BATCH), want)


def test_each_norm_trains_its_own_parameters_and_the_shared_ones() -> None:
    block = block_with(("batch", "layer"))
    reached = {}
    for form in (BATCH, LAYER):
        block.zero_grad()
        (block(torch.randn(4, 9, 16), form) * torch.randn(4, 9, 16)).sum().backward()
        named = block.named_parameters()
        reached[form.norm] = {
            name for name, parameter in named if parameter.grad is not None and parameter.grad.any()
        }
    own = {
        "layer": {f"{place}_norm.{kind}" for place in ("attention", "mlp") for kind in ("weight", "bias")},
        "batch": {
            f"{place}_batch_norm.{kind}" for place in ("attention", "mlp") for kind in ("weight", "bias")
        },
    }
    assert reached["layer"] - reached["batch"] == own["layer"]
    assert reached["batch"] - reached["layer"] == own["batch"]
    assert {"qkv.weight", "projection.weight", "fc1.weight", "fc2.weight"} <= reached["batch"] & reached[
        "layer"
    ]


def test_only_norms_that_can_be_chosen_have_parameters() -> None:
    choices = (("layer",), ("batch",), ("batch", "layer"))
    names = {norms: {name for name, _ in block_with(norms).named_parameters()} for norms in choices}
    assert not any("batch_norm" in name for name in names["layer",])
    assert not any("attention_norm" in name or "mlp_norm" in name for name in names["batch",])
    assert names["layer",] | names["batch",] == names["batch", "layer"]


def test_batch_norm_adds_weights_to_the_supernet_and_leaves_the_others() -> None:
    torch.manual_seed(3)
    plain = Supernet(_without_norms())
    torch.manual_seed(3)
    other = Supernet(SPACE)
    state = other.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in plain.state_dict().items())
    added = state.keys() - plain.state_dict().keys()
    assert len(added) == 4 * BATCH_NORM.vit_blocks  # the largest network has all blocks
    assert all("_batch_norm." in name for name in added)
    subnet = with_norm(BATCH_NORM, "layer")
    assert torch.equal(plain(batch(), subnet), other(batch(), subnet))


def _without_norms() -> Space:
    stages = []
    for stage in SPACE.stages:
        assert stage.vit is not None
        stages.append(replace(stage, vit=replace(stage.vit, norm=None)))
    return replace(SPACE, stages=tuple(stages))


@torch.inference_mode()
def recorded(subnet: Subnet) -> Recorded:
    recording = Recording()
    for seed in (1, 2):
        SUPERNET(batch(seed=seed), subnet, recording)
    return recording.result()


@given(subnets())
@settings(max_examples=20, deadline=None)
@torch.inference_mode()
def test_folded_into_the_linear_layers_class_scores_stay_what_they_are(subnet: Subnet) -> None:
    statistics = recorded(subnet)
    want = SUPERNET(batch(), subnet, statistics)
    found = SUPERNET(batch(), subnet, Folded(statistics.statistics))
    torch.testing.assert_close(found, want, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_statistics_are_those_of_both_norms_of_each_block() -> None:
    sites = {id(site): name for name, site in SUPERNET.named_modules()}
    names = [sites[id(site)] for site in recorded(BATCH_NORM).statistics]
    found = [name for name in names if "vit_blocks" in name]
    assert found == [
        f"stages.{stage}.vit_blocks.{number}.{norm}_batch_norm"
        for stage, number in ((0, 0), (1, 0), (1, 1))
        for norm in ("attention", "mlp")
    ]
    layer = recorded(with_norm(BATCH_NORM, "layer")).statistics
    assert not any("vit_blocks" in sites[id(site)] for site in layer)


@torch.inference_mode()
def test_the_norm_matters() -> None:
    # Otherwise the tests above would prove nothing.
    scores = [SUPERNET(batch(), with_norm(BATCH_NORM, norm)) for norm in ("batch", "layer")]
    scores.append(SUPERNET(batch(), without_vit(BATCH_NORM)))
    assert all(
        float((first - second).abs().max()) > 0.01
        for index, first in enumerate(scores)
        for second in scores[:index]
    )


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_new_transformer_blocks_leave_the_function_as_it_is(norm: str) -> None:
    torch.manual_seed(0)
    fresh = Supernet(SPACE)
    with torch.no_grad():
        found = fresh(batch(), with_norm(BATCH_NORM, norm))
        torch.testing.assert_close(found, fresh(batch(), without_vit(BATCH_NORM)), rtol=0, atol=1e-3)
