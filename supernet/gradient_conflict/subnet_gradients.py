"""Gradients of subnets with respect to their shared weights, and cosines between them.

Two subnets are compared tensor by tensor, as in NASViT (ICLR 2022), not by one cosine over all parameters of
a group. Before batch norm, the size of a gradient is inverse to that of its weight and does not measure its
importance, so one tensor could hide the others. In the shipped checkpoint for `cifar32`, the stem's kernel
has some 95 % of the squared norm of the whole gradient.

A subnet uses a slice of each shared tensor, and its gradient is exactly zero outside. Those zeros do not
change the inner product of two gradients, so the sign of a cosine does not depend on them, but its size does.
Here the cosine covers the *coordinates that both use*: those where neither gradient is zero. Over all
coordinates, as in a summed update, the cosine of two subnets that agree wherever they overlap would be near 0
if they hardly overlap. A unit that a subnet uses, but that is dead for the whole batch, counts as not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from search_space.errors import H4HError
from search_space.subnet import Subnet
from supernet.network.blocks import ElasticViTBlock
from supernet.network.elastic_layers import (
    ElasticBatchNorm,
    ElasticConv2d,
    ElasticDepthwise,
    ElasticLayerNorm,
    ElasticLinear,
    ElasticPositions,
    ElasticQKV,
    ElasticTokenBatchNorm,
)
from supernet.network.supernet import Supernet


class ParameterGroup(StrEnum):
    """Groups of parameters by their role. Each parameter belongs to exactly one group besides `ALL`."""

    ALL = "all"
    """Every parameter."""
    CONV = "conv"
    """Kernels of all convolutions: stem, MBConv with its depthwise one, patch merging, head."""
    ATTENTION = "attention"
    """Weights and biases of queries, keys, values and the projection behind them."""
    MLP = "mlp"
    """Weights and biases of the transformer blocks' two linear layers."""
    NORM = "norm"
    """Scale and shift of batch norm and layer norm."""
    LAYER_SCALE = "layer scale"
    """Scale of the transformer blocks' residual branches."""
    POSITIONS = "positions"
    """Position embeddings."""
    CLASSIFIER = "classifier"
    """Weight and bias of the last linear layer."""
    OTHER = "other"
    """Parameters of further kinds of block that belong to no other group."""


_BY_TYPE: dict[type[nn.Module], ParameterGroup] = {
    ElasticConv2d: ParameterGroup.CONV,
    ElasticDepthwise: ParameterGroup.CONV,
    ElasticQKV: ParameterGroup.ATTENTION,
    ElasticBatchNorm: ParameterGroup.NORM,
    ElasticLayerNorm: ParameterGroup.NORM,
    ElasticTokenBatchNorm: ParameterGroup.NORM,
    ElasticViTBlock: ParameterGroup.LAYER_SCALE,
    ElasticPositions: ParameterGroup.POSITIONS,
}

_LINEAR = {
    "projection": ParameterGroup.ATTENTION,
    "fc1": ParameterGroup.MLP,
    "fc2": ParameterGroup.MLP,
    "classifier": ParameterGroup.CLASSIFIER,
}


def parameter_groups(supernet: Supernet) -> dict[str, ParameterGroup]:
    """The group of every parameter by its name, as in `supernet.named_parameters()`."""
    groups: dict[str, ParameterGroup] = {}
    for module_name, module in supernet.named_modules():
        for name, _ in module.named_parameters(module_name, recurse=False):
            if isinstance(module, ElasticLinear):
                groups[name] = _LINEAR.get(module_name.rpartition(".")[2], ParameterGroup.OTHER)
            else:
                groups[name] = _BY_TYPE.get(type(module), ParameterGroup.OTHER)
    return groups


def gradient(supernet: Supernet, subnet: Subnet, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Gradient of the mean cross-entropy of `subnet`, not clipped, batch norm by the batch as in training.

    The supernet's own ``.grad`` and ``requires_grad`` are neither read nor written.

    Args:
        supernet: Source of the weights.
        subnet: The network.
        images: Normalised images, ``(n, 3, s, s)``; their dtype is that of the computation.
        labels: Class numbers, ``(n,)``.

    Returns:
        Gradients by the parameter's name and in its shape, float32. Parameters of absent blocks are left out.

    Raises:
        H4HError: A value is not finite. The message names the subnet.
    """
    leaves = {name: weight.detach().requires_grad_() for name, weight in supernet.named_parameters()}
    with torch.enable_grad():
        logits: Tensor = functional_call(supernet, leaves, (images, subnet))
        loss = F.cross_entropy(logits.float(), labels)
    values = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    gradients = {name: value for name, value in zip(leaves, values, strict=True) if value is not None}
    if not all(torch.isfinite(value).all() for value in gradients.values()):
        raise H4HError(f"subnet {subnet} has a gradient that is not finite: its weights may have diverged")
    return gradients


def cosines(gradients: Tensor) -> Tensor:
    """Cosine between each two gradients of one tensor, over the coordinates that both use.

    Args:
        gradients: ``(n, coordinates)``, one gradient per row.

    Returns:
        ``(n, n)``, float64; NaN where two gradients share no coordinate.
    """
    rows = gradients.double()
    # Row i, column j: squared norm of gradient i over the coordinates of gradient j.
    squares = rows.square() @ (rows != 0).double().T
    return rows @ rows.T / (squares * squares.T).sqrt()


def cosines_by_group(
    gradients: Sequence[Mapping[str, Tensor]], groups: Mapping[str, ParameterGroup]
) -> dict[ParameterGroup, Tensor]:
    """Cosines between all pairs of gradients on each tensor of each group.

    Args:
        gradients: Results of `gradient` for `n` subnets.
        groups: Result of `parameter_groups`.

    Returns:
        ``(tensors, n, n)`` for each group that any of the subnets uses, float64, on the CPU; NaN where two
        subnets share no coordinate of a tensor.
    """
    matrices: dict[ParameterGroup, list[Tensor]] = {}
    for name, group in groups.items():
        present = [each[name] for each in gradients if name in each]
        if not present:
            continue
        absent = torch.zeros_like(present[0])
        matrix = cosines(torch.stack([each.get(name, absent).flatten() for each in gradients])).cpu()
        for key in (ParameterGroup.ALL, group):
            matrices.setdefault(key, []).append(matrix)
    return {group: torch.stack(matrices[group]) for group in ParameterGroup if group in matrices}
