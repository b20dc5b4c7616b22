"""The supernet as a training step calls it: some subnets compiled, wrapped by DistributedDataParallel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_space.subnet import Subnet
from supernet.network.batch_norm import Normalisation
from supernet.network.residual import Residual
from supernet.network.supernet import Supernet
from supernet.training.phases import RANDOM


class StepNetwork(nn.Module):
    """The supernet as DistributedDataParallel wraps it, some of its subnets compiled."""

    def __init__(self, supernet: Supernet, compiled: bool) -> None:
        super().__init__()
        self.supernet = supernet
        # A list hides the supernet from torch, which would register its weights twice.
        self._compiled = [torch.compile(supernet, dynamic=False)] if compiled else []

    def forward(
        self, kind: str, images: Tensor, subnet: Subnet, normalise: Normalisation, residual: Residual
    ) -> Tensor:
        # Compiling a random subnet would pay for one step only.
        network = self._compiled[0] if self._compiled and kind != RANDOM else self.supernet
        logits: Tensor = network(images, subnet, normalise, residual)
        return logits
