"""Gradients of subnets with respect to the weights they share, and how far two of them agree.

A subnet uses a slice of each shared weight; outside of it its gradient is exactly zero. The inner product
of two gradients is the same with those zeros or without, so whether two subnets pull in opposite directions
(a negative cosine, NASViT, ICLR 2022) does not depend on how zeros are counted. Its size does. Here the
cosine is taken over the *coordinates that both use*, those where both gradients are other than zero. Over all
coordinates, as in a summed update, two subnets that agree wherever they meet would come out near 0 for no
other reason than that they hardly meet, and a CNN and a hybrid meet in fewer places than two of one kind.
A unit that a subnet uses, but that is dead for the whole batch, counts as not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from search_space.errors import H4HError
from search_space.subnet import Subnet
from supernet.blocks import ElasticViTBlock
from supernet.elastic import (
    ElasticBatchNorm,
    ElasticConv2d,
    ElasticDepthwise,
    ElasticLayerNorm,
    ElasticLinear,
    ElasticPositions,
    ElasticQKV,
)
from supernet.model import Supernet


class ParameterGroup(StrEnum):
    """What a parameter does. Each belongs to exactly one group beside `ALL`."""

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
    """Scale of the transformer blocks' residual branches. Apart from the branches' weights: near its start of
    1e-4 its gradient is thousands of times theirs and would hide them."""
    POSITIONS = "positions"
    """Position embeddings."""
    CLASSIFIER = "classifier"
    """Weight and bias of the last linear layer."""


_BY_TYPE: dict[type[nn.Module], ParameterGroup] = {
    ElasticConv2d: ParameterGroup.CONV,
    ElasticDepthwise: ParameterGroup.CONV,
    ElasticQKV: ParameterGroup.ATTENTION,
    ElasticBatchNorm: ParameterGroup.NORM,
    ElasticLayerNorm: ParameterGroup.NORM,
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
                groups[name] = _LINEAR[module_name.rpartition(".")[2]]
            else:
                groups[name] = _BY_TYPE[type(module)]
    return groups


def gradient(supernet: Supernet, subnet: Subnet, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Gradient of the mean cross-entropy of `subnet`, not clipped, batch norm by the batch as in training.

    The supernet's own ``.grad`` and ``requires_grad`` are neither read nor written.

    Args:
        supernet: Where the weights are.
        subnet: The network.
        images: ``(n, 3, s, s)``, normalised; their dtype is that of the computation.
        labels: ``(n,)``, class numbers.

    Returns:
        By the parameter's name and of its shape, float32; parameters of absent blocks are left out.

    Raises:
        H4HError: A value is not finite; names the subnet.
    """
    leaves = {name: weight.detach().requires_grad_() for name, weight in supernet.named_parameters()}
    with torch.enable_grad():
        logits: Tensor = functional_call(supernet, leaves, (images, subnet))
        loss = F.cross_entropy(logits.float(), labels)
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    gradients = {name: value for name, value in zip(leaves, found, strict=True) if value is not None}
    if not all(torch.isfinite(value).all() for value in gradients.values()):
        raise H4HError(f"subnet {subnet} has a gradient that is not finite: its weights may have diverged")
    return gradients


@dataclass(frozen=True)
class Products:
    """Inner products of `n` gradients over one set of coordinates; those of two disjoint sets add up.

    Attributes:
        inner: ``(n, n)``, float64; ``<g_i, g_j>``.
        squares: ``(n, n)``, float64; squared norm of ``g_i`` over the coordinates where ``g_j`` is not zero.
    """

    inner: Tensor
    squares: Tensor

    def __add__(self, other: Products) -> Products:
        return Products(self.inner + other.inner, self.squares + other.squares)

    def cosines(self) -> Tensor:
        """``(n, n)``, float64, over the coordinates that both use; NaN where there are none."""
        return self.inner / (self.squares * self.squares.T).sqrt()


def products(gradients: Tensor) -> Products:
    """Of ``(n, coordinates)``, one gradient a row."""
    rows = gradients.double()
    return Products(rows @ rows.T, rows.square() @ (rows != 0).double().T)


def cosines_by_group(
    gradients: Sequence[Mapping[str, Tensor]], groups: Mapping[str, ParameterGroup]
) -> dict[ParameterGroup, Tensor]:
    """Cosines between all pairs of gradients, group by group.

    Args:
        gradients: What `gradient` returned for `n` subnets.
        groups: What `parameter_groups` returned.

    Returns:
        ``(n, n)`` for each group that any of the subnets uses, float64, on the CPU; NaN where two subnets
        share no coordinate.
    """
    sums: dict[ParameterGroup, Products] = {}
    # Tensor by tensor, so that no second copy of all gradients is ever held.
    for name, group in groups.items():
        present = [each[name] for each in gradients if name in each]
        if not present:
            continue
        absent = torch.zeros_like(present[0])
        found = products(torch.stack([each.get(name, absent).flatten() for each in gradients]))
        for key in (ParameterGroup.ALL, group):
            sums[key] = sums[key] + found if key in sums else found
    return {group: sums[group].cosines().cpu() for group in ParameterGroup if group in sums}
