"""Probe subnet: a small network with every kind of block, which each worker measures first."""

from __future__ import annotations

import numpy as np

from search_space import complexity
from search_space.space import Space
from search_space.subnet import Subnet

_SAMPLES = 64


def probe_subnet(space: Space) -> Subnet:
    """The smallest of some random networks that have MBConv and ViT blocks, or the smallest of all of them.

    It is the same in every process, and runs the code of every kind of block.
    """
    rng = np.random.default_rng(0)
    networks = [space.decode(space.sample(rng)) for _ in range(_SAMPLES)]
    hybrid = [network for network in networks if network.conv_blocks and network.vit_blocks]
    return min(hybrid or networks, key=complexity.macs)
