"""Optimisers of a supernet: AdamW and SGD with Nesterov's momentum.

Parameters stand in four groups, by what they belong to (CNN or transformer blocks) and whether they decay.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from search_space.subnet import BLOCKS
from supernet.training.phases import FREEZE, LOW_RATE, LOW_RATE_FACTOR, Phase

ADAMW, SGD = "adamw", "sgd"
OPTIMIZERS = (ADAMW, SGD)


def is_vit(name: str) -> bool:
    """Whether the parameter of this name is used by transformer blocks alone.

    All others are those of a network without such blocks: the CNN's.
    """
    kinds = (kind for kind, block in BLOCKS.items() if block.takes_tokens)
    return ".positions." in name or any(f".{kind}_blocks." in name for kind in kinds)


def make_optimizer(
    kind: str, parameters: Iterable[tuple[str, nn.Parameter]], *, weight_decay: float, momentum: float
) -> torch.optim.Optimizer:
    """An optimiser whose groups say by ``"vit"`` what they belong to; only matrices and kernels decay."""
    named = list(parameters)
    groups = [
        {
            "params": [
                parameter
                for name, parameter in named
                if is_vit(name) == vit and (parameter.ndim >= 2) == decays
            ],
            "weight_decay": weight_decay if decays else 0.0,
            "vit": vit,
        }
        for vit in (False, True)
        for decays in (True, False)
    ]
    if kind == SGD:
        return torch.optim.SGD(groups, lr=0.0, momentum=momentum, nesterov=momentum > 0)
    # torch's fused step is one kernel launch for all parameters; on CPUs its rounding differs from build to
    # build, the plain loop's does not.
    return torch.optim.AdamW(groups, lr=0.0, fused=named[0][1].device.type == "cuda")


def enter_phase(optimizer: torch.optim.Optimizer, phase: Phase) -> None:
    """Freezes or frees the CNN's weights as `phase` says.

    A frozen weight has no gradient, and an optimiser skips such weights: neither moments nor weight decay
    move it.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.requires_grad_(group["vit"] or phase.cnn != FREEZE)


def set_rate(optimizer: torch.optim.Optimizer, phase: Phase, rate: float) -> None:
    """Sets the rate of a step: `rate` for transformer blocks, for the CNN what `phase` makes of it."""
    for group in optimizer.param_groups:
        is_low = phase.cnn == LOW_RATE and not group["vit"]
        group["lr"] = rate * LOW_RATE_FACTOR if is_low else rate


def rates(optimizer: torch.optim.Optimizer, phase: Phase) -> dict[str, float]:
    """Learning rates of what `phase` trains, ``cnn`` and ``vit`` weights."""
    trained = {"cnn": phase.cnn != FREEZE, "vit": phase.vit}
    rates_by_kind = {("vit" if group["vit"] else "cnn"): group["lr"] for group in optimizer.param_groups}
    return {name: rate for name, rate in rates_by_kind.items() if trained[name]}
