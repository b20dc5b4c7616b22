"""Slices of elastic layers, under the names that they have in a plain network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from search_space.errors import H4HError
from supernet.network.batch_norm import Recorded
from supernet.network.elastic_layers import ElasticBatchNorm, ElasticLayerNorm, ElasticLinear, leading

Slices = Iterator[tuple[str, Tensor]]
"""Names in the plain network, and slices of the supernet's weights, not yet copied."""


def prefixed(prefix: str, tensors: Slices) -> Slices:
    return ((f"{prefix}.{name}", value) for name, value in tensors)


class Norms:
    """Batch norm's part: scale and shift by slicing, running statistics as recorded."""

    def __init__(self, statistics: Recorded | None) -> None:
        self._statistics = statistics

    def of(self, site: ElasticBatchNorm, width: int, name: str) -> Slices:
        weight = leading(site.weight, width)
        mean, variance = torch.zeros_like(weight), torch.ones_like(weight)
        if self._statistics is not None:
            if site not in self._statistics.statistics or len(self._statistics.statistics[site][0]) != width:
                raise H4HError(
                    f"statistics must be recorded for the subnet that is extracted, but they hold none "
                    f"for {name} with {width} channels: call oracle.calibrate with this subnet"
                )
            mean, variance = self._statistics.statistics[site]
        yield f"{name}.weight", weight
        yield f"{name}.bias", leading(site.bias, width)
        yield f"{name}.running_mean", mean
        yield f"{name}.running_var", variance
        yield f"{name}.num_batches_tracked", torch.tensor(0, device=weight.device)


def token_norm_slices(
    layer: ElasticLayerNorm | ElasticBatchNorm | None, width: int, name: str, norms: Norms
) -> Slices:
    assert layer is not None
    if isinstance(layer, ElasticBatchNorm):
        yield from norms.of(layer, width, name)
    else:
        yield f"{name}.weight", leading(layer.weight, width)
        yield f"{name}.bias", leading(layer.bias, width)


def linear_slices(layer: ElasticLinear, in_width: int, width: int, name: str) -> Slices:
    yield f"{name}.weight", leading(layer.weight, width, in_width)
    yield f"{name}.bias", leading(layer.bias, width)
