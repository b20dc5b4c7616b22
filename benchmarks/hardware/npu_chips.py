"""Chips and networks on which the closed form of the NPU is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from objectives.hardware import load_soc
from objectives.hardware.parts.npu import Npu
from search_space.space import load_space
from search_space.subnet import Subnet

SPACES = ("cifar32", "imagenet224")
FLASH_BANDWIDTH, FLASH_LATENCY = 1, 64
"""Weight memory of Vela's system configuration Ethos_U55_High_End_Embedded: B/cycle and cycles."""
ARRAY = "cnn"
HYBRID = "hybrid"


def with_sram_bandwidth(npu: Npu, bandwidth: float) -> Npu:
    """`npu` with another SRAM bandwidth in B/cycle."""
    return replace(npu, sram_bandwidth=replace(npu.sram_bandwidth, value=bandwidth, low=bandwidth))


def with_flash(npu: Npu) -> Npu:
    """`npu` with weights in the flash of Ethos_U55_High_End_Embedded, copied as Vela's command line does."""
    bandwidth = replace(npu.weight_bandwidth, value=FLASH_BANDWIDTH, low=FLASH_BANDWIDTH)
    latency = replace(npu.weight_latency, value=FLASH_LATENCY, high=FLASH_LATENCY)
    return replace(npu, weight_bandwidth=bandwidth, weight_latency=latency, buffers_weights=True)


def npu_of(chip: str) -> Npu:
    """NPU of a built-in chip."""
    return load_soc(chip).npu


def random_subnets(count: int, seed: int, spaces: Sequence[str] = SPACES) -> list[Subnet]:
    """`count` subnets of each space with uniformly drawn genes."""
    rng = np.random.default_rng(seed)
    loaded = [load_space(name) for name in spaces]
    return [space.decode(space.sample(rng)) for space in loaded for _ in range(count)]


def family(count: int, seed: int, kind: str, spaces: Sequence[str] = SPACES) -> list[Subnet]:
    """`count` subnets of each space of one family: `cnn` without transformer blocks, `hybrid` with some."""
    rng = np.random.default_rng(seed)
    drawn: list[Subnet] = []
    for space in map(load_space, spaces):
        depths = [place for place, gene in enumerate(space.genes) if gene.name.endswith("vit_depth")]
        found: list[Subnet] = []
        while len(found) < count:
            genotype = list(space.sample(rng))
            for place in depths if kind == ARRAY else ():
                genotype[place] = 0
            subnet = space.decode(tuple(genotype))
            if any(stage.vit_blocks for stage in subnet.stages) == (kind == HYBRID):
                found.append(subnet)
        drawn += found
    return drawn
