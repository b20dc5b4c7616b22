"""Gradient projection of NASViT (ICLR 2022): resolves conflicts in favour of the smaller subnets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

SUM, PROJECT = "sum", "project"
CONFLICTS = (SUM, PROJECT)

EPSILON = 1e-6
LARGEST_SHARE = 2.0


def project(largest: Sequence[Tensor], others: Sequence[Tensor]) -> list[Tensor]:
    """Combined gradient of each tensor, from the gradient g_m of the largest subnet and the others' sum g_s.

    It is (1 + a) g_s + g_m with a = -<g_s, g_m> / (||g_s||^2 + 1e-6), clipped to 0 to 2. If the two agree, it
    is their sum. If they conflict, the component of g_m against g_s is removed, and the rest is orthogonal to
    g_s.

    Args:
        largest: Gradients g_m, one tensor per parameter.
        others: Gradients g_s, with the same shapes.
    """
    return [g_s * (1 + _share(g_m, g_s)) + g_m for g_m, g_s in zip(largest, others, strict=True)]


def _share(g_m: Tensor, g_s: Tensor) -> Tensor:
    inner = torch.sum(g_s * g_m)
    return (-inner / (torch.sum(g_s * g_s) + EPSILON)).clamp(0, LARGEST_SHARE)


def take_gradients(network: nn.Module) -> dict[str, Tensor]:
    """Removes all gradients from the parameters and returns them by the name of their parameter."""
    gradients = {}
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            gradients[name] = parameter.grad
            parameter.grad = None
    return gradients


def project_gradients(network: nn.Module, of_largest: Mapping[str, Tensor]) -> None:
    """Replaces the gradients of `network` by their projection with those of the largest subnet."""
    for name, parameter in network.named_parameters():
        largest = of_largest.get(name)
        if largest is None:
            continue
        if parameter.grad is None:
            parameter.grad = largest
        else:
            (parameter.grad,) = project([largest], [parameter.grad])
