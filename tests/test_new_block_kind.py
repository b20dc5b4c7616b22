"""A toy kind of block, added as CONTRIBUTING says: five files, and everything works on networks with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from objectives import workload as workloads
from objectives.hardware.cost_model import CostModel
from objectives.hardware.op import Op
from objectives.hardware.soc import load_soc
from objectives.hardware_objectives import network_totals
from objectives.population.cost_tables import SpaceTables
from objectives.population.size_tables import SizeTables
from objectives.workload import Step, peak_bytes, workload
from search_space import block_options, complexity
from search_space import subnet as subnets
from search_space.block_options import BlockOptions, check_options
from search_space.errors import DocumentError
from search_space.families import Family, family, without_vit
from search_space.files.yaml_document import parse_document
from search_space.space import Space
from search_space.subnet import Block, Subnet
from supernet.accuracy import int8_network, many_subnets, one_subnet
from supernet.accuracy.int8_network import Numbers, Stored
from supernet.images.labelled_images import LabelledImages
from supernet.network import blocks
from supernet.network.batch_norm import Normalisation
from supernet.network.blocks import ElasticBlock
from supernet.network.elastic_layers import ElasticBatchNorm, ElasticConv2d, leading, normalised_convolution
from supernet.network.extracted_tensors import Norms, Slices
from supernet.network.extraction import extract, folded, load_extracted, save_extracted
from supernet.network.plain_blocks import conv_norm
from supernet.network.residual import Residual, add
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint, save_checkpoint
from supernet.training.phases import Phase
from supernet.training.recipe import Recipe
from supernet.training.supernet_trainer import Trainer

CPU = torch.device("cpu")

# 1. search_space/subnet.py ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Mixer(Block):
    """1x1 convolution onto `share` times the width, then back, with a residual connection."""

    width: int
    share: int

    @property
    def stride(self) -> int:  # type: ignore[override]
        return 1

    @property
    def residual_branches(self) -> int:  # type: ignore[override]
        return 1

    def macs(self, side: int) -> int:
        return side**2 * 2 * self.width * self.share * self.width

    @property
    def params(self) -> int:
        hidden = self.share * self.width
        return 2 * self.width * hidden + 2 * hidden + 2 * self.width

    def __str__(self) -> str:
        return f"mix{self.share}"


# 2. search_space/block_options.py ---------------------------------------------------------------------


@dataclass(frozen=True)
class MixerOptions(BlockOptions):
    share: tuple[int, ...]

    def __post_init__(self) -> None:
        check_options("share", self.share)


# 3. supernet/network/blocks.py ------------------------------------------------------------------------


class PlainMixer(nn.Module):
    def __init__(self, block: Mixer, *, folded: bool) -> None:
        super().__init__()
        hidden = block.width * block.share
        self.widen = conv_norm(block.width, hidden, activation=False, folded=folded)
        self.narrow = conv_norm(hidden, block.width, activation=False, folded=folded)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.narrow(self.widen(x))
        return x + out


class ElasticMixer(ElasticBlock):
    def __init__(self, width: int, share: int) -> None:
        super().__init__()
        self.widen = ElasticConv2d(width, width * share)
        self.widen_norm = ElasticBatchNorm(width * share)
        self.narrow = ElasticConv2d(width * share, width)
        self.narrow_norm = ElasticBatchNorm(width)

    @classmethod
    def make(cls, in_width: int, width: int, stride: int, options: Any) -> Self:
        return cls(width, max(options.share))

    def forward(self, x: Tensor, block: Mixer, normalise: Normalisation, residual: Residual = add) -> Tensor:
        out = normalised_convolution(self.widen, self.widen_norm, x, block.width * block.share, normalise)
        return residual(x, normalised_convolution(self.narrow, self.narrow_norm, out, block.width, normalise))

    def slices(self, block: Mixer, norms: Norms) -> Slices:
        hidden = block.width * block.share
        yield "widen.conv.weight", leading(self.widen.weight, hidden, block.width)
        yield from norms.slices(self.widen_norm, hidden, "widen.norm")
        yield "narrow.conv.weight", leading(self.narrow.weight, block.width, hidden)
        yield from norms.slices(self.narrow_norm, block.width, "narrow.norm")

    @staticmethod
    def plain(block: Mixer, *, side: int, folded: bool) -> nn.Module:
        return PlainMixer(block, folded=folded)

    @staticmethod
    def working(block: Mixer, side: int, *, keeps_scores: bool) -> int:
        return side**2 * block.width * (1 + 2 * block.share + 2)

    @staticmethod
    def widened_working(block: Mixer, side: int) -> int:
        out = side**2 * block.width
        hidden = out * block.share
        return out + max(blocks.product_working(out, hidden), blocks.product_working(hidden, out))


# 4. supernet/accuracy/int8_network.py -----------------------------------------------------------------


def mixer_in_integers(place: str, layer: ElasticMixer, x: Stored, block: Mixer, numbers: Numbers) -> Stored:
    hidden = block.width * block.share
    out = int8_network.convolution(f"{place}.widen", layer.widen, layer.widen_norm, x, hidden, numbers)
    out = int8_network.convolution(
        f"{place}.narrow", layer.narrow, layer.narrow_norm, out, block.width, numbers
    )
    return int8_network.residual_sum(f"{place}.add", x, out, numbers)


# 5. objectives/workload.py ----------------------------------------------------------------------------


def mixer_steps(prefix: str, block: Mixer, side: int) -> Iterator[Step]:
    hidden = block.width * block.share
    yield Step(f"{prefix}.widen", Op("conv2d", side, side, block.width, hidden))
    yield Step(f"{prefix}.narrow", Op("conv2d", side, side, hidden, block.width), side**2 * block.width)
    yield Step(f"{prefix}.add", Op("add", side, side, block.width, block.width))


SPACE = """
name: mixed
resolution: [8, 12]
stem: {stride: 1, width: [8]}
stages:
  - stride: 2
    width: [8, 16]
    downsampling: {kind: [mbconv, patch_merging], kernel: [3], expansion: [1, 2]}
    conv_depth: [0, 1]
    conv: {kernel: [3, 5], expansion: [2]}
    vit_depth: [0, 1]
    vit: {heads: [1, 2], head_dim: 8, mlp_ratio: [1]}
    blocks:
      - {kind: mixer, depth: [0, 1, 2], share: [1, 2]}
head: {width: 16, classes: 3}
"""


@pytest.fixture(autouse=True)
def mixer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The five lines in the five tables."""
    lines: tuple[tuple[dict[Any, Any], Any, Any], ...] = (
        (subnets.BLOCKS, "mixer", Mixer),
        (block_options.OPTIONS, "mixer", MixerOptions),
        (blocks.ELASTIC_BLOCKS, Mixer, ElasticMixer),
        (int8_network.INT8_BLOCKS, Mixer, mixer_in_integers),
        (workloads.BLOCK_STEPS, Mixer, mixer_steps),
    )
    for table, key, value in lines:
        monkeypatch.setitem(table, key, value)


@pytest.fixture
def space(mixer: None) -> Space:
    return parse_document(Space, yaml.safe_load(SPACE), source="mixed")


@pytest.fixture
def images() -> LabelledImages:
    pixels = torch.randint(0, 255, (32, 3, 12, 12), generator=torch.Generator().manual_seed(0))
    return LabelledImages(pixels.to(torch.uint8), torch.arange(32) % 3)


def with_mixers(space: Space) -> list[Subnet]:
    """The largest network, and ten random ones that have a mixer."""
    rng = np.random.default_rng(0)
    drawn = (space.decode(space.sample(rng)) for _ in range(100))
    return [space.decode(space.largest()), *[one for one in drawn if one.stages[0].other_blocks][:10]]


def test_genes_and_networks(space: Space) -> None:
    names = [gene.name for gene in space.genes]
    conv, vit = names.index("stage1.conv1.expansion"), names.index("stage1.vit_depth")
    assert names[conv + 1 : vit] == ["stage1.mixer_depth", "stage1.mixer1.share", "stage1.mixer2.share"]
    # 2 resolutions; 2 widths, 2 + 1 down-samplings, 1 + 2 convs, 1 + 2 + 4 mixers, 1 + 2 ViT blocks
    assert space.cardinality == 2 * 2 * 3 * 3 * 7 * 3
    everything = {
        space.canonical(genotype) for genotype in np.ndindex(*(gene.cardinality for gene in space.genes))
    }
    assert len(everything) == space.cardinality
    for genotype in list(everything)[::7]:
        network = space.decode(genotype)
        assert space.encode(network) == genotype
        assert Subnet.from_json(network.to_json()) == network
    largest = space.decode(space.largest())
    assert largest.stages[0].other_blocks == (Mixer(16, 2), Mixer(16, 2))
    assert str(largest).endswith("16:mb3x2 mb5x2 mix2 mix2 vit2h1r")
    assert (largest.conv_blocks, largest.vit_blocks) == (4, 1)
    assert family(largest) is Family.CNN_THEN_VIT
    assert without_vit(largest).stages[0].other_blocks == largest.stages[0].other_blocks


def test_a_space_file_round_trips_and_names_its_faults(space: Space) -> None:
    assert parse_document(Space, space.to_dict(), source="again") == space
    for change, message in (
        ({"kind": "mixr"}, "unknown kind of block 'mixr'.*mixer"),
        ({"depth": [1, 0]}, "depth must list different values in ascending order"),
        ({"share": [0, 1]}, "share must be at least 1"),
        ({"shares": [1]}, "unknown key 'shares'"),
    ):
        data = yaml.safe_load(SPACE)
        data["stages"][0]["blocks"][0] |= change
        with pytest.raises(DocumentError, match=message):
            parse_document(Space, data, source="faulty")


def test_costs(space: Space) -> None:
    costs = CostModel(load_soc("u55-256-cim8"))
    tables = SizeTables(space)
    rng = np.random.default_rng(1)
    genotypes = np.array([space.sample(rng) for _ in range(30)])
    sizes = tables(genotypes)
    for row, genotype in enumerate(genotypes):
        network = space.decode(genotype)
        steps = workload(network)
        assert sizes["macs"][row] == complexity.macs(network)
        assert sizes["params"][row] == complexity.params(network)
        assert sizes["conv_blocks"][row] == network.conv_blocks
        assert sizes["sram"][row] == peak_bytes(steps)
        by_ops = sum(step.op.macs for step in steps)
        assert by_ops == complexity.macs(network)
    estimates = SpaceTables(space, costs)
    for of_tables, of_networks in zip(
        estimates.totals(genotypes), network_totals(costs, [*map(space.decode, genotypes)]), strict=True
    ):
        np.testing.assert_allclose(of_tables, of_networks, rtol=1e-9)
    bare = space.decode(space.smallest())
    deep = replace(bare, stages=(replace(bare.stages[0], other_blocks=(Mixer(bare.stages[0].width, 2),)),))
    (few_ms, more_ms), (few_mj, more_mj) = network_totals(costs, [bare, deep])
    assert more_ms > few_ms
    assert more_mj > few_mj


def test_training_moves_its_weights_and_the_checkpoint_holds_them(
    space: Space, images: LabelledImages, tmp_path: Path
) -> None:
    recipe = Recipe(phases=(Phase("joint", 1, 1e-2, 2),), batch=8, precision="fp32", warm_up_epochs=0.0)
    trainer = Trainer(space=space, images=images, recipe=recipe, device=CPU)
    before = {name: value.clone() for name, value in trainer.supernet.state_dict().items()}
    trainer.train_epoch()
    names = [name for name in before if ".mixer_blocks." in name]
    assert len(names) == 12
    after = trainer.supernet.state_dict()
    assert not any(torch.equal(before[name], after[name]) for name in names)
    save_checkpoint(tmp_path / "c.safetensors", trainer.supernet)
    loaded = load_checkpoint(tmp_path / "c.safetensors", space)
    assert torch.equal(loaded.state_dict()[names[0]], after[names[0]].half().float())
    assert trainer.measure_conflict().cosines


@pytest.mark.parametrize("in_integers", [False, True])
def test_accuracy_of_many_is_that_of_each_alone(
    in_integers: bool, space: Space, images: LabelledImages
) -> None:
    torch.manual_seed(0)
    supernet = Supernet(space)
    prepared = one_subnet.prepare(images, precision="fp32", device=CPU)
    networks = with_mixers(space)
    together = many_subnets.calibrate(supernet, networks, prepared, in_integers=in_integers)
    classes = together.classify(prepared.batches[0][0])
    for row, network in enumerate(networks):
        alone = many_subnets.calibrate(supernet, [network], prepared, in_integers=in_integers)
        assert torch.equal(alone.classify(prepared.batches[0][0])[0], classes[row])


def test_int8_is_close_to_float32(space: Space, images: LabelledImages) -> None:
    torch.manual_seed(0)
    supernet = Supernet(space)
    prepared = one_subnet.prepare(images, precision="fp32", device=CPU)
    batch = prepared.batches[0][0]
    for network in with_mixers(space)[:3]:
        exact, rounded = (
            scores(many_subnets.calibrate(supernet, [network], prepared, in_integers=in_integers), batch)
            for in_integers in (False, True)
        )
        error = (exact - rounded).abs().mean() / exact.abs().mean()
        assert 0 < error < 0.2


def scores(calibrated: many_subnets.Calibrated, batch: Tensor) -> Tensor:
    """Class scores of the only subnet."""
    reached: list[Tensor] = []
    calibrated.scores(batch, lambda _, logits: reached.append(logits))
    (logits,) = reached
    return logits


def test_the_plain_network_gives_the_same_logits(
    space: Space, images: LabelledImages, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    supernet = Supernet(space)
    prepared = one_subnet.prepare(images, precision="fp32", device=CPU)
    batch = prepared.batches[0][0]
    for network in with_mixers(space)[:4]:
        statistics = one_subnet.record_statistics(supernet, network, prepared)
        with torch.inference_mode():
            expected = supernet(batch, network, statistics)
        plain = extract(supernet, network, statistics).eval()
        save_extracted(tmp_path / "n.safetensors", folded(plain), space=space)
        for candidate in (plain, load_extracted(tmp_path / "n.safetensors")):
            with torch.inference_mode():
                torch.testing.assert_close(candidate(batch), expected, rtol=1e-4, atol=1e-5)
        assert sum(parameter.numel() for parameter in plain.parameters()) == complexity.params(network)


def test_every_kind_has_a_line_in_every_table() -> None:
    kinds = set(subnets.BLOCKS.values())
    assert subnets.BLOCKS.keys() == block_options.OPTIONS.keys()
    assert kinds <= blocks.ELASTIC_BLOCKS.keys()
    assert kinds <= int8_network.INT8_BLOCKS.keys()
    assert kinds <= workloads.BLOCK_STEPS.keys()
