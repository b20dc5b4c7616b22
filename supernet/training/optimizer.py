"""Optimisers of a supernet: AdamW, and SGD with Nesterov momentum.

Parameters form four groups: those of the CNN or of transformer blocks, each with and without weight decay.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from search_space.subnet import BLOCKS
from supernet.training.phases import FREEZE, FREEZE_BLOCKS, LOW_RATE, Phase

ADAMW, SGD = "adamw", "sgd"
OPTIMIZERS = (ADAMW, SGD)


def is_vit(name: str) -> bool:
    """Whether only transformer blocks use the parameter of this name. All others belong to the CNN."""
    kinds = (kind for kind, block in BLOCKS.items() if block.takes_tokens)
    return ".positions." in name or any(f".{kind}_blocks." in name for kind in kinds)


def make_optimizer(
    kind: str, parameters: Iterable[tuple[str, nn.Parameter]], *, weight_decay: float, momentum: float
) -> torch.optim.Optimizer:
    """An optimiser whose groups have the key ``"vit"``. Only matrices and kernels have weight decay."""
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
    # torch's fused step is one kernel launch for all parameters. On CPUs its rounding differs between builds,
    # unlike that of the plain loop.
    return torch.optim.AdamW(groups, lr=0.0, fused=named[0][1].device.type == "cuda")


def is_trained(name: str, parameter: nn.Parameter, phase: Phase) -> bool:
    """Whether `phase` trains the parameter of this name."""
    if is_vit(name):
        return True
    if phase.cnn == FREEZE_BLOCKS:
        # What both kinds of block share, norms, head and classifier, follows the transformer blocks.
        return parameter.ndim == 1 or name.startswith(("head.", "classifier."))
    return phase.cnn != FREEZE


def enter_phase(parameters: Iterable[tuple[str, nn.Parameter]], phase: Phase) -> None:
    """Freezes or unfreezes the CNN's weights for `phase`.

    A frozen weight has no gradient, so the optimiser skips it: neither moments nor weight decay change it.
    """
    for name, parameter in parameters:
        parameter.requires_grad_(is_trained(name, parameter, phase))


def set_rate(optimizer: torch.optim.Optimizer, phase: Phase, rate: float) -> None:
    """Sets the rates of a step: `rate` times the factor of `phase` for each kind of weight."""
    cnn_factor = phase.low_lr_factor if phase.cnn == LOW_RATE else 1.0
    for group in optimizer.param_groups:
        group["lr"] = rate * (phase.vit_lr_factor if group["vit"] else cnn_factor)


def rates(optimizer: torch.optim.Optimizer, phase: Phase) -> dict[str, float]:
    """Learning rates of the weights that `phase` trains: ``cnn`` and ``vit``."""
    trained = {"cnn": phase.cnn != FREEZE, "vit": phase.vit}
    rates_by_kind = {("vit" if group["vit"] else "cnn"): group["lr"] for group in optimizer.param_groups}
    return {name: rate for name, rate in rates_by_kind.items() if trained[name]}
