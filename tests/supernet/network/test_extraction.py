"""An extracted network computes what the supernet computes, and stands on its own."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from torch import Tensor, nn

from search_space.complexity import params
from search_space.errors import DocumentError, H4HError
from search_space.families import without_vit
from search_space.space import Space, load_space
from search_space.subnet import Subnet
from supernet.accuracy import one_subnet
from supernet.checkpoints.header import EPSILON, HEADER, CheckpointError
from supernet.checkpoints.tensor_file import read_tensors, write_tensors
from supernet.network.batch_norm import Recorded
from supernet.network.extraction import FORMAT, extract, folded, load_extracted, save_extracted
from supernet.network.plain_network import PlainNetwork
from supernet.network.supernet import Supernet
from tests.supernet import norm_choice

SPACE = load_space("cifar32")
FOLD_TOLERANCE = 1e-4
"""Folding rounds weights once more in float32; logits are of the order of 1."""


def perturbed(space: Space) -> Supernet:
    """A supernet none of whose parameters has a value at which mistakes could hide (0 or 1)."""
    torch.manual_seed(0)
    supernet = Supernet(space)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return supernet


SUPERNET = perturbed(SPACE)


def batch(images: int = 8, side: int = 32, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, 3, side, side, generator=generator)


def calibrated(supernet: Supernet, subnet: Subnet) -> Recorded:
    prepared = one_subnet.PreparedImages(tuple((batch(seed=seed), torch.zeros(8)) for seed in (1, 2)))
    return one_subnet.record_statistics(supernet, subnet, prepared)


@st.composite
def subnets(draw: st.DrawFn) -> Subnet:
    """Members of the space, pure CNNs and hybrids alike."""
    subnet = SPACE.decode([draw(st.integers(0, gene.cardinality - 1)) for gene in SPACE.genes])
    return without_vit(subnet) if draw(st.booleans()) else subnet


@given(subnets())
@settings(max_examples=25)
def test_logits_are_the_supernets_with_recorded_statistics_and_with_those_of_the_batch(
    subnet: Subnet,
) -> None:
    statistics = calibrated(SUPERNET, subnet)
    network = extract(SUPERNET, subnet, statistics)
    images = batch()
    with torch.no_grad():
        recorded = SUPERNET(images, subnet, statistics)
        torch.testing.assert_close(network.eval()(images), recorded, rtol=1e-5, atol=1e-5)
        small = folded(network)
        torch.testing.assert_close(small(images), recorded, rtol=FOLD_TOLERANCE, atol=FOLD_TOLERANCE)
        by_batch = SUPERNET(images, subnet)
        torch.testing.assert_close(network.train()(images), by_batch, rtol=1e-5, atol=1e-5)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in small.modules())
    assert sum(parameter.numel() for parameter in network.parameters()) == params(subnet)


@given(norm_choice.subnets())
@settings(max_examples=15)
def test_batch_norm_of_transformer_blocks_is_extracted_and_folded(subnet: Subnet) -> None:
    supernet, images = norm_choice.SUPERNET, batch(side=16)
    prepared = one_subnet.PreparedImages(
        tuple((batch(side=16, seed=seed), torch.zeros(8)) for seed in (1, 2))
    )
    statistics = one_subnet.record_statistics(supernet, subnet, prepared)
    network = extract(supernet, subnet, statistics)
    with torch.no_grad():
        recorded = supernet(images, subnet, statistics)
        torch.testing.assert_close(network.eval()(images), recorded, rtol=1e-5, atol=1e-5)
        small = folded(network)
        torch.testing.assert_close(small(images), recorded, rtol=FOLD_TOLERANCE, atol=FOLD_TOLERANCE)
        torch.testing.assert_close(network.train()(images), supernet(images, subnet), rtol=1e-5, atol=1e-5)
    blocks = [block for stage in subnet.stages for block in stage.vit_blocks if block.norm == "batch"]
    # Two norms, each with a scale and a shift for each channel, that the folded network does without.
    held = sum(4 * block.width for block in blocks)
    assert sum(parameter.numel() for parameter in network.parameters()) == params(subnet) + held
    assert not any("running" in name for name in small.state_dict())


def test_folding_into_a_linear_layer_by_hand() -> None:
    subnet = norm_choice.BATCH_NORM
    prepared = one_subnet.PreparedImages(((batch(side=16), torch.zeros(8)),))
    network = extract(
        norm_choice.SUPERNET, subnet, one_subnet.record_statistics(norm_choice.SUPERNET, subnet, prepared)
    )
    state, small = network.state_dict(), folded(network).state_dict()
    for norm, linear in (("attention_norm", "attention.qkv"), ("mlp_norm", "fc1")):
        block = "stages.1.vit_blocks.1."
        mean, variance, weight, bias = (
            state[f"{block}{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
        )
        x = torch.randn(5, len(mean))
        want = (x - mean) / (variance + EPSILON).sqrt() * weight + bias
        want = want @ state[f"{block}{linear}.weight"].T + state[f"{block}{linear}.bias"]
        found = x @ small[f"{block}{linear}.weight"].T + small[f"{block}{linear}.bias"]
        torch.testing.assert_close(found, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fold", [False, True])
def test_round_trip_with_batch_norm_in_transformer_blocks(tmp_path: Path, fold: bool) -> None:
    subnet, path = norm_choice.BATCH_NORM, tmp_path / "network.safetensors"
    prepared = one_subnet.PreparedImages(((batch(side=16), torch.zeros(8)),))
    statistics = one_subnet.record_statistics(norm_choice.SUPERNET, subnet, prepared)
    network = extract(norm_choice.SUPERNET, subnet, statistics).eval()
    network = folded(network) if fold else network
    save_extracted(path, network, space=norm_choice.SPACE)
    loaded = load_extracted(path)
    assert (loaded.subnet, loaded.folded) == (subnet, fold)
    assert torch.equal(loaded(batch(side=16)), network(batch(side=16)))


@given(subnets())
@settings(max_examples=10)
def test_running_statistics_are_those_recorded(subnet: Subnet) -> None:
    statistics = calibrated(SUPERNET, subnet)
    state = extract(SUPERNET, subnet, statistics).state_dict()
    sites = {id(site): name for name, site in SUPERNET.named_modules()}
    recorded = {sites[id(site)]: pair for site, pair in statistics.statistics.items()}
    running = [name.removesuffix(".running_mean") for name in state if name.endswith(".running_mean")]
    assert len(running) == len(recorded)
    # Same order of layers on both sides: that in which the data meets them.
    for name, (mean, variance) in zip(running, recorded.values(), strict=True):
        assert torch.equal(state[f"{name}.running_mean"], mean)
        assert torch.equal(state[f"{name}.running_var"], variance)


def test_gradients_are_the_supernets_slices() -> None:
    subnet = SPACE.decode(SPACE.sample(np.random.default_rng(3)))
    supernet = copy.deepcopy(SUPERNET)
    network = extract(supernet, subnet)
    images = batch()
    for logits in (supernet(images, subnet), network(images)):
        logits.logsumexp(1).sum().backward()
    # Extracting the gradients themselves gives each its place in the plain network.
    gradients = copy.deepcopy(supernet)
    with torch.no_grad():
        for target, source in zip(gradients.parameters(), supernet.parameters(), strict=True):
            target.copy_(torch.zeros_like(source) if source.grad is None else source.grad)
    expected = dict(extract(gradients, subnet).named_parameters())
    for name, parameter in network.named_parameters():
        if name.endswith("positions") and subnet.resolution != 32:
            continue  # resized: its gradient is no slice
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, expected[name].data, rtol=1e-3, atol=1e-4, msg=name)


def test_only_layers_of_torch_and_nothing_elastic() -> None:
    network = extract(SUPERNET, SPACE.decode(SPACE.largest()))
    leaves = {type(module) for module in network.modules() if not list(module.children())}
    assert leaves <= {
        nn.Conv2d,
        nn.BatchNorm2d,
        nn.ReLU6,
        nn.Linear,
        nn.LayerNorm,
        nn.ZeroPad2d,
        nn.Sequential,
    }


def test_names_can_be_read() -> None:
    names = extract(SUPERNET, SPACE.decode(SPACE.largest())).state_dict().keys()
    assert {
        "stem.conv.weight",
        "stages.0.downsampling.depthwise.norm.running_mean",
        "stages.1.conv_blocks.0.expand.conv.weight",
        "stages.1.vit_blocks.0.attention.qkv.weight",
        "stages.1.positions",
        "head.norm.bias",
        "classifier.weight",
    } <= names


def test_weights_are_copies_and_nothing_random_is_drawn() -> None:
    subnet = SPACE.decode(SPACE.largest())
    before = copy.deepcopy(SUPERNET.state_dict())
    random = torch.get_rng_state()
    network = extract(SUPERNET, subnet)
    assert torch.equal(torch.get_rng_state(), random)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(7)
    assert all(torch.equal(value, before[name]) for name, value in SUPERNET.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_folding_twice_changes_nothing() -> None:
    subnet = SPACE.decode(SPACE.smallest())
    once = folded(extract(SUPERNET, subnet, calibrated(SUPERNET, subnet)))
    twice = folded(once)
    assert twice.state_dict().keys() == once.state_dict().keys()
    assert all(torch.equal(value, once.state_dict()[name]) for name, value in twice.state_dict().items())


def test_folded_layer_by_hand() -> None:
    subnet = SPACE.decode(SPACE.smallest())
    network = extract(SUPERNET, subnet, calibrated(SUPERNET, subnet))
    state, small = network.state_dict(), folded(network).state_dict()
    scale = state["stem.norm.weight"] / (state["stem.norm.running_var"] + EPSILON).sqrt()
    torch.testing.assert_close(
        small["stem.conv.weight"], state["stem.conv.weight"] * scale[:, None, None, None]
    )
    torch.testing.assert_close(
        small["stem.conv.bias"], state["stem.norm.bias"] - scale * state["stem.norm.running_mean"]
    )


def test_ragged_maps_and_images_of_another_size() -> None:
    # 28 pixels: maps of 14, 7, 7 and then 4 positions, so the last patch merging is padded.
    genotype = list(SPACE.largest())
    for index, gene in enumerate(SPACE.genes):
        if gene.name == "resolution":
            genotype[index] = gene.options.index(28)
        if gene.name.endswith(".downsampling"):
            genotype[index] = gene.options.index("patch_merging")
    subnet = SPACE.decode(genotype)
    assert subnet.sides == (28, 14, 7, 7, 4)
    network = extract(SUPERNET, subnet)
    for side in (28, 32, 40):
        images = batch(side=side)
        torch.testing.assert_close(network(images), SUPERNET(images, subnet), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 1, 32, 32), (2, 3, 32, 24)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(H4HError, match=r"images must have shape \(n, 3, s, s\)"):
        extract(SUPERNET, SPACE.decode(SPACE.smallest()))(torch.zeros(shape))


def test_exported_program_takes_any_number_of_images() -> None:
    subnet = SPACE.decode(SPACE.largest())
    network = folded(extract(SUPERNET, subnet, calibrated(SUPERNET, subnet))).eval()
    program = torch.export.export(
        network, (batch(2),), dynamic_shapes={"images": {0: torch.export.Dim("images")}}
    )
    images = batch(5)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(images), network(images))


# --- bad input -----------------------------------------------------------------------------------


def test_a_subnet_of_another_space_is_refused() -> None:
    other = load_space("imagenet224")
    with pytest.raises(DocumentError, match="space 'cifar32'"):
        extract(SUPERNET, other.decode(other.smallest()))


def test_statistics_of_another_subnet_are_refused() -> None:
    smallest, largest = SPACE.decode(SPACE.smallest()), SPACE.decode(SPACE.largest())
    with pytest.raises(H4HError, match=r"hold none for stem\.norm with 24 channels"):
        extract(SUPERNET, largest, calibrated(SUPERNET, smallest))


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "network.safetensors"
    save_extracted(path, hybrid(), space=SPACE)
    return path


def hybrid() -> PlainNetwork:
    subnet = SPACE.decode(SPACE.largest())
    return extract(SUPERNET, subnet, calibrated(SUPERNET, subnet)).eval()


@pytest.mark.parametrize("fold", [False, True])
def test_round_trip(tmp_path: Path, fold: bool) -> None:
    network = folded(hybrid()) if fold else hybrid()
    path = tmp_path / "network.safetensors"
    save_extracted(path, network, space=SPACE)
    loaded = load_extracted(path)
    assert (loaded.subnet, loaded.folded, loaded.training) == (network.subnet, fold, False)
    assert torch.equal(loaded(batch()), network.eval()(batch()))


def test_header_tells_what_a_user_needs(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER])
    assert header == {
        "format": FORMAT,
        "space": {"name": "cifar32", "digest": SPACE.digest},
        "subnet": json.loads(json.dumps(SPACE.decode(SPACE.largest()).to_json())),
        "classes": 10,
        "batch_norm": "separate",
        "epsilon": EPSILON,
        "input": {
            **{"size": 32, "resize": 32, "fit": "crop", "channels": "rgb", "scale": 255},
            "mean": [0.49139968, 0.48215841, 0.44653091],
            "deviation": [0.24703223, 0.24348513, 0.26158784],
        },
        "training": {"flip": 0.5, "class_weights": "none"},
    }


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_truncated_file(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="is damaged"):
        load_extracted(path)


def test_absent_file_and_other_format(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load_extracted(tmp_path / "absent")
    write_tensors(tmp_path / "other", {"a": torch.zeros(1)}, {"format": "h4h-supernet-1"})
    with pytest.raises(CheckpointError, match=f"must be of format '{FORMAT}'"):
        load_extracted(tmp_path / "other")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("subnet", None),
        ("subnet", {}),
        ("subnet", SPACE.decode(SPACE.smallest()).to_json()),
        ("subnet", {**SPACE.decode(SPACE.largest()).to_json(), "stem": {"width": "24", "stride": 1}}),
        ("subnet", {**SPACE.decode(SPACE.largest()).to_json(), "stem": {"width": 10**15, "stride": 1}}),
        ("batch_norm", "folded"),
    ],
)
def test_header_that_does_not_fit_the_weights(path: Path, key: str, value: object) -> None:
    tensors, header = read_tensors(path, FORMAT)
    write_tensors(path, tensors, {**header, key: value})
    with pytest.raises(CheckpointError, match="does not fit the subnet in its header"):
        load_extracted(path)


def test_values_that_are_not_finite(path: Path) -> None:
    tensors, header = read_tensors(path, FORMAT)
    tensors["classifier.bias"][0] = torch.nan
    write_tensors(path, tensors, header)
    with pytest.raises(CheckpointError, match=r"classifier\.bias holds values that are not finite"):
        load_extracted(path)
