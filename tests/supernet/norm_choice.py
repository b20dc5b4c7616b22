"""A space whose transformer blocks choose their norm, and a supernet of it in which no mistake hides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import yaml
from hypothesis import strategies as st
from torch import Tensor

from search_space.families import without_vit
from search_space.files.yaml_document import parse_document
from search_space.space import Space
from search_space.subnet import Subnet
from supernet.network.supernet import Supernet
from tests.supernet.conftest import SMALL


def small_space_with_norms() -> Space:
    data: dict[str, Any] = yaml.safe_load(SMALL)
    for stage in data["stages"]:
        stage["vit"]["norm"] = ["layer", "batch"]
    return parse_document(Space, data, source="small with norms")


def perturbed(space: Space) -> Supernet:
    """A supernet none of whose parameters has a value at which mistakes could hide (0 or 1)."""
    torch.manual_seed(0)
    supernet = Supernet(space)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for name, parameter in supernet.named_parameters():
            if name.endswith("_scale"):
                parameter.add_(0.5)  # so that transformer blocks decide class scores
    return supernet


SPACE = small_space_with_norms()
SUPERNET = perturbed(SPACE)


def batch(images: int = 8, *, seed: int = 0) -> Tensor:
    return torch.randn(images, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def with_norm(subnet: Subnet, norm: str) -> Subnet:
    """`subnet` with `norm` in all its transformer blocks."""
    return replace(
        subnet,
        stages=tuple(
            replace(stage, vit_blocks=tuple(replace(block, norm=norm) for block in stage.vit_blocks))
            for stage in subnet.stages
        ),
    )


BATCH_NORM = with_norm(SPACE.decode(SPACE.largest()), "batch")
"""The largest network with batch norm in all its transformer blocks."""


@st.composite
def subnets(draw: st.DrawFn) -> Subnet:
    """Members of the space, with any norms in any blocks; some without transformer blocks."""
    subnet = SPACE.decode([draw(st.integers(0, gene.cardinality - 1)) for gene in SPACE.genes])
    return without_vit(subnet) if draw(st.integers(0, 9)) == 0 else subnet
