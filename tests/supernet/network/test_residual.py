"""Drop path."""

from __future__ import annotations

import torch

from search_space.space import Space
from supernet.network.residual import DropPath, add, residual_branches
from supernet.network.supernet import Supernet


def test_branches_are_dropped_image_by_image_and_keep_their_mean() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.5, 1)
    out = drop(torch.zeros(4000, 2, 3), torch.ones(4000, 2, 3))
    assert set(out.flatten().tolist()) == {0.0, 2.0}  # kept ones are scaled by 1 / (1 - 0.5)
    assert (out == out[:, :1, :1]).all()
    assert abs(out.mean().item() - 1) < 0.1


def test_the_chance_rises_linearly_from_branch_to_branch() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.8, 4)
    dropped = [(drop(torch.zeros(4000, 1), torch.ones(4000, 1)) == 0).float().mean().item() for _ in range(4)]
    for share, expected in zip(dropped, (0.2, 0.4, 0.6, 0.8), strict=True):
        assert abs(share - expected) < 0.04


def test_a_network_has_as_many_branches_as_are_counted(small_space: Space) -> None:
    subnet = small_space.decode(small_space.largest())
    met = []

    def counted(x: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
        met.append(branch.shape)
        return add(x, branch)

    supernet = Supernet(small_space)
    images = torch.zeros(2, 3, 16, 16)
    supernet(images, subnet, residual=counted)
    # One MBConv with residual and 1 + 2 transformer blocks in two stages
    assert len(met) == residual_branches(subnet) == 1 + 1 + 2 * 3


def test_rate_zero_changes_nothing(small_space: Space) -> None:
    subnet = small_space.decode(small_space.largest())
    supernet = Supernet(small_space)
    images = torch.randn(2, 3, 16, 16)
    expected = supernet(images, subnet)
    assert torch.equal(supernet(images, subnet, residual=DropPath(0.0, residual_branches(subnet))), expected)
