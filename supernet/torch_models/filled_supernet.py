"""Supernet of a space whose largest subnet is a given network, with that network's weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from search_space.space import Space
from search_space.subnet import MBConv, Subnet
from supernet.checkpoints.image_input import PixelScale
from supernet.network.batch_norm import Recorded
from supernet.network.embedding import OwnStatistics
from supernet.network.extraction import subnet_tensors
from supernet.network.supernet import Supernet
from supernet.torch_models.model_reader import ReadModel


@torch.no_grad()
def filled_supernet(
    subnet: Subnet, tensors: Mapping[str, Tensor], epsilon: float, space: Space, scale: PixelScale
) -> tuple[Supernet, Recorded]:
    """A supernet over `space` whose largest subnet has given weights, in evaluation mode.

    Args:
        subnet: The largest subnet of `space`.
        tensors: Its weights and batch-norm statistics, under their names in `PlainNetwork`.
        epsilon: Constant that batch norm adds to the variance.
        space: The search space.
        scale: Normalisation of the pixels.

    Returns:
        The supernet, and the batch-norm statistics of the largest subnet.
    """
    supernet = Supernet(space, epsilon=epsilon, pixel_scale=scale).eval()
    norms = OwnStatistics()
    for name, slice_ in subnet_tensors(supernet, subnet, norms):
        slice_.copy_(tensors[name])
    return supernet, Recorded(norms.statistics)


def sorted_tensors(model: ReadModel) -> dict[str, Tensor]:
    """Weights of `model` with the hidden channels of each block by importance, the most important first.

    A smaller expansion uses the leading hidden channels. The importance of a channel is the sum of the
    absolute weights that read it in the projection, as in once-for-all (ICLR 2020). The order changes
    nothing but the rounding of sums.
    """
    tensors = dict(model.tensors)
    for number, stage in enumerate(model.subnet.stages):
        names = ["downsampling", *(f"conv_blocks.{place}" for place in range(len(stage.conv_blocks)))]
        for name, block in zip(names, (stage.downsampling, *stage.conv_blocks), strict=True):
            assert isinstance(block, MBConv)
            # Without an expansion the hidden channels are those of the block before.
            if block.expansion > 1:
                tensors |= _sorted_block(f"stages.{number}.{name}", tensors)
    return tensors


def _sorted_block(block: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    project = tensors[f"{block}.project.conv.weight"]  # (width, hidden, 1, 1)
    order = project.abs().sum((0, 2, 3)).argsort(descending=True, stable=True)
    permuted = {f"{block}.project.conv.weight": project[:, order]}
    for layer in ("expand", "depthwise"):
        for part in ("conv.weight", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"):
            name = f"{block}.{layer}.{part}"
            permuted[name] = tensors[name][order]
    return permuted
