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
    """`tensors` with `prefix` and a dot in front of their names."""
    return ((f"{prefix}.{name}", value) for name, value in tensors)


class Norms:
    """Tensors of batch norm: scale and shift by slicing, running statistics as recorded."""

    def __init__(self, statistics: Recorded | None) -> None:
        self._statistics = statistics

    def slices(self, site: ElasticBatchNorm, width: int, name: str) -> Slices:
        """The batch norm `site` over its leading `width` channels.

        Raises:
            H4HError: The statistics were recorded for another subnet.
        """
        weight = leading(site.weight, width)
        mean, variance = torch.zeros_like(weight), torch.ones_like(weight)
        if self._statistics is not None:
            if site not in self._statistics.statistics or len(self._statistics.statistics[site][0]) != width:
                raise H4HError(
                    f"statistics must be recorded for the extracted subnet, but they hold none for {name} "
                    f"with {width} channels: call one_subnet.record_statistics with this subnet"
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
    """A norm on tokens over its leading `width` channels."""
    assert layer is not None
    if isinstance(layer, ElasticBatchNorm):
        yield from norms.slices(layer, width, name)
    else:
        yield f"{name}.weight", leading(layer.weight, width)
        yield f"{name}.bias", leading(layer.bias, width)


def linear_slices(layer: ElasticLinear, in_width: int, width: int, name: str) -> Slices:
    """A linear layer from its leading `in_width` inputs to its leading `width` outputs."""
    yield f"{name}.weight", leading(layer.weight, width, in_width)
    yield f"{name}.bias", leading(layer.bias, width)
