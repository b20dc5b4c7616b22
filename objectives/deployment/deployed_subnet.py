"""A subnet in 8-bit integers as a file has it: the int8 oracle's weights and grids, in the order of the file.

The oracle computes layer norm in full precision. A file has nine operators for it, each with an int8 result,
whose grids follow from the values that they would have on the calibration images.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from objectives.hardware.vela_compiler.tflite_file import Int8Array
from objectives.hardware.vela_compiler.trained_values import Grid, Trained, TrainedNorm
from search_space.subnet import Subnet
from supernet.accuracy.int8_grids import Grid as OracleGrid
from supernet.accuracy.int8_grids import Weights, activation_grid, stored
from supernet.accuracy.int8_network import Integers, Limits, Numbers, Stored, run
from supernet.accuracy.many_subnets import calibrate
from supernet.accuracy.one_subnet import PreparedImages
from supernet.network.elastic_layers import ElasticLayerNorm, leading
from supernet.network.subnet_parts import Part, parts
from supernet.network.supernet import Supernet

_LOWEST = -128
_EPSILON = 1e-5
"""Constant that layer norm adds to the variance, as in torch."""
NORM_STEPS = ("mean", "square", "variance", "inverse", "centred", "scaled", "gained")
"""Intermediate tensors of a layer norm in a file. Its output has the oracle's grid."""
_BLOCK = re.compile(r"\.(conv|vit)(\d+)")


class DeployedIntegers(Integers):
    """Integers with the nine operators of layer norm.

    Args:
        integers: The oracle's.
        norm_grids: Grids of the intermediate tensors of each layer norm, by its name and theirs.
    """

    def __init__(self, integers: Integers, norm_grids: Mapping[str, Mapping[str, OracleGrid]]) -> None:
        super().__init__(integers.folded, integers.grids)
        self.norm_grids = norm_grids
        self.norm_layers: dict[str, tuple[Tensor, Tensor]] = {}
        """Gain and offset of each layer norm that has run."""

    def layer_norm(self, name: str, layer: ElasticLayerNorm, x: Stored) -> Stored:
        grids, width = self.norm_grids[name], x.values.shape[-1]
        gain, offset = leading(layer.weight, width).detach(), leading(layer.bias, width).detach()
        self.norm_layers[name] = gain, offset

        def on_grid(step: str, values: Tensor) -> Tensor:
            return stored(values, 1.0, grids[step], clamp=None).mul_(grids[step].scale)

        tokens = x.real()
        mean = on_grid("mean", tokens.mean(-1, keepdim=True))
        square = on_grid("square", (tokens - mean).square())
        variance = on_grid("variance", square.mean(-1, keepdim=True))
        variance = on_grid("variance", variance + _EPSILON)
        # The smallest step stands for 0, whose inverse no grid holds.
        inverse = on_grid("inverse", variance.clamp(min=grids["variance"].scale).rsqrt())
        centred = on_grid("centred", tokens - mean)
        scaled = on_grid("scaled", centred * inverse)
        gained = on_grid("gained", scaled * _on_own_grid(gain))
        return self.stored(name, gained + _on_own_grid(offset))


class _Recorded(DeployedIntegers):
    """The same integers, which keep every stored tensor."""

    def __init__(self, integers: DeployedIntegers) -> None:
        super().__init__(integers, integers.norm_grids)
        self.tensors: dict[str, Tensor] = {}

    def stored(
        self, name: str, values: Tensor, step: Tensor | float = 1.0, *, clamp: Limits | None = None
    ) -> Stored:
        result = super().stored(name, values, step, clamp=clamp)
        self.tensors[name] = result.values.clone()
        return result


class _NormRanges(Integers):
    """The oracle's integers, which record the ranges inside each layer norm."""

    def __init__(self, integers: Integers) -> None:
        super().__init__(integers.folded, integers.grids)
        self._ranges: dict[str, dict[str, tuple[float, float]]] = {}

    def layer_norm(self, name: str, layer: ElasticLayerNorm, x: Stored) -> Stored:
        ranges = self._ranges.setdefault(name, {})
        for step, values in _inside(x.real(), layer).items():
            low, high = ranges.get(step, (0.0, 0.0))
            ranges[step] = (min(low, float(values.min())), max(high, float(values.max())))
        return super().layer_norm(name, layer, x)

    def grids_of_norms(self) -> dict[str, dict[str, OracleGrid]]:
        """Grids that cover the ranges, by the names of layer norm and step."""
        return {
            name: {step: activation_grid(*limits) for step, limits in ranges.items()}
            for name, ranges in self._ranges.items()
        }


@dataclass(frozen=True)
class DeployedSubnet:
    """A subnet in integers; the values of `objectives.deployment.network_graph.NetworkValues`.

    Attributes:
        subnet: The subnet.
        parts: Its computation.
        oracle: Its weights and grids, with layer norm in full precision.
        integers: The same with layer norm as in a file.
    """

    subnet: Subnet
    parts: tuple[Part, ...]
    oracle: Integers
    integers: DeployedIntegers

    @torch.inference_mode()
    def logits(self, batch: Tensor) -> Tensor:
        """Class scores for normalised images ``(n, 3, s, s)``, with layer norm as in a file: (n, classes)."""
        return _run(self.parts, batch, self.integers).real()

    @torch.inference_mode()
    def stored_tensors(self, batch: Tensor) -> dict[str, Tensor]:
        """Stored values less zero point of each tensor that the oracle names, by its name."""
        recorded = _Recorded(self.integers)
        _run(self.parts, batch, recorded)
        return recorded.tensors

    @torch.inference_mode()
    def oracle_logits(self, batch: Tensor) -> Tensor:
        """Class scores of the int8 oracle, which scores networks in a search."""
        return _run(self.parts, batch, self.oracle).real()

    @torch.inference_mode()
    def stored_image(self, batch: Tensor) -> Tensor:
        """Images as the file takes them: resized, ``(n, s, s, 3)``, int8."""
        values = run(self.parts[0], Stored(batch, 1.0), self.integers).values
        grid = self.integers.grids[self.parts[0].place]
        return (values + zero_point(grid)).permute(0, 2, 3, 1).to(torch.int8)

    def image(self) -> Grid:
        return _file_grid(self.integers.grids[self.parts[0].place])

    def layer(self, step: str) -> Trained:
        weights = self.integers.layer(oracle_name(step))
        return Trained(
            self.output(step).output,
            _in_file_order(weights, is_depthwise=step.endswith(".depthwise")),
            weights.bias.numpy().astype(np.int32),
            weights.step.numpy().astype(np.float64),
        )

    def output(self, step: str) -> Trained:
        return Trained(_file_grid(self.integers.grids[oracle_name(step)]))

    def positions(self, step: str) -> Trained:
        values = self.integers.trained(f"{oracle_name(step)}.positions")
        return _constant(values[0].permute(1, 2, 0).flatten(0, 1))

    def norm(self, step: str) -> TrainedNorm:
        name = oracle_name(step)
        grids = {**self.integers.norm_grids[name], "output": self.integers.grids[name]}
        gain, offset = self.integers.norm_layers[name]
        return TrainedNorm(
            {key: _file_grid(grid) for key, grid in grids.items()},
            _constant(torch.full((1, 1), _EPSILON)),
            _constant(gain[None]),
            _constant(offset[None]),
        )


@torch.inference_mode()
def deployed(supernet: Supernet, subnet: Subnet, images: PreparedImages) -> DeployedSubnet:
    """`subnet` in integers, with ranges observed on calibration images in float32.

    Raises:
        H4HError: Images have another shape, or are too few for statistics.
    """
    calibrated = calibrate(supernet, [subnet], images, in_integers=True)
    assert calibrated.integers is not None
    (oracle,) = calibrated.integers.values()
    chain = tuple(parts(supernet, subnet, keeps_scores=True))
    observed = _NormRanges(oracle)
    for batch, _ in images.batches:
        _run(chain, batch, observed)
    integers = DeployedIntegers(oracle, observed.grids_of_norms())
    _run(chain, images.batches[0][0][:1], integers)  # Now all its weights are known.
    return DeployedSubnet(subnet, chain, oracle, integers)


def _run(chain: tuple[Part, ...], batch: Tensor, numbers: Numbers) -> Stored:
    x = Stored(batch, 1.0)
    for part in chain:
        x = run(part, x, numbers)
    return x


def _inside(tokens: Tensor, layer: ElasticLayerNorm) -> dict[str, Tensor]:
    """Intermediate tensors of a layer norm in full precision, by `NORM_STEPS`."""
    mean = tokens.mean(-1, keepdim=True)
    centred = tokens - mean
    square = centred.square()
    variance = square.mean(-1, keepdim=True) + _EPSILON
    inverse = variance.rsqrt()
    scaled = centred * inverse
    gained = scaled * leading(layer.weight, tokens.shape[-1])
    return dict(zip(NORM_STEPS, (mean, square, variance, inverse, centred, scaled, gained), strict=True))


def oracle_name(step: str) -> str:
    """Name in the oracle of a step of the workload, which counts blocks from 1."""
    if step.endswith(".position_embedding"):
        return step.replace(".position_embedding", ".tokens")
    return _BLOCK.sub(lambda match: f".{match[1]}{int(match[2]) - 1}", step)


def zero_point(grid: OracleGrid) -> int:
    """The integer of a file that stands for 0."""
    return _LOWEST - grid.low


def _file_grid(grid: OracleGrid) -> Grid:
    return Grid(grid.scale, zero_point(grid))


def _in_file_order(weights: Weights, *, is_depthwise: bool) -> Int8Array:
    """(co, ci, h, w) -> (co, h, w, ci); depthwise (c, 1, h, w) -> (1, h, w, c); linear (co, ci) as it is."""
    weight = weights.weight
    if weight.ndim == 4:
        weight = weight.permute(1, 2, 3, 0) if is_depthwise else weight.permute(0, 2, 3, 1)
    return np.ascontiguousarray(weight.numpy().astype(np.int8))


def _on_steps(values: Tensor) -> tuple[Tensor, OracleGrid]:
    """A trained tensor in whole steps of a grid of its own, and that grid."""
    grid = activation_grid(float(values.min()), float(values.max()))
    return stored(values.detach().clone(), 1.0, grid, clamp=None), grid


def _on_own_grid(values: Tensor) -> Tensor:
    """Values after rounding to a grid of their own."""
    whole, grid = _on_steps(values)
    return whole * grid.scale


def _constant(values: Tensor) -> Trained:
    """A constant on a grid of its own."""
    whole, grid = _on_steps(values)
    return Trained(_file_grid(grid), (whole + zero_point(grid)).numpy().astype(np.int8))
