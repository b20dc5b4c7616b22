"""Values of a subnet from the int8 oracle, in the order and on the grids of a TensorFlow Lite file.

The oracle computes layer norm in full precision. The file has nine operators for it, whose grids follow from
the values that they would have on the calibration images.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from objectives.hardware.vela_compiler.trained_values import Grid, Trained, TrainedNorm
from search_space.subnet import LAYER_NORM, Subnet
from supernet.accuracy.int8_grids import Grid as OracleGrid
from supernet.accuracy.int8_grids import Weights, activation_grid
from supernet.accuracy.int8_network import Integers, Limits, MakeWeights, Numbers, Stored, run
from supernet.accuracy.many_subnets import calibrate
from supernet.accuracy.one_subnet import PreparedImages
from supernet.network.elastic_layers import ElasticLayerNorm, leading
from supernet.network.subnet_parts import Part, parts
from supernet.network.supernet import Supernet

_LOWEST = -128
_EPSILON = 1e-5
"""Constant that layer norm adds to the variance, as in torch."""
NORM_STEPS = ("mean", "square", "variance", "inverse", "centred", "scaled", "gained")
"""Intermediate tensors of a layer norm in a file; its output is the oracle's."""
_BLOCK = re.compile(r"\.(conv|vit)(\d+)")


@dataclass(frozen=True)
class DeployedSubnet:
    """A subnet in integers, as the oracle scores it.

    Attributes:
        subnet: The subnet.
        parts: Its computation.
        integers: Its weights and grids.
        norms: Values of its layer norms by their names in the oracle.
    """

    subnet: Subnet
    parts: tuple[Part, ...]
    integers: Integers
    norms: Mapping[str, TrainedNorm]

    @torch.inference_mode()
    def logits(self, batch: Tensor) -> Tensor:
        """Class scores of the oracle for images ``(n, 3, s, s)``, normalised: ``(n, classes)``."""
        return _run(self.parts, batch, self.integers).real()

    @torch.inference_mode()
    def stored_image(self, batch: Tensor) -> Tensor:
        """Images as the file takes them: resized, ``(n, s, s, 3)``, int8."""
        stored = run(self.parts[0], Stored(batch, 1.0), self.integers).values
        grid = self.integers.grid(self.parts[0].place)
        return (stored + _zero_point(grid)).permute(0, 2, 3, 1).to(torch.int8)

    def image(self) -> Grid:
        return _file_grid(self.integers.grid(self.parts[0].place))

    def layer(self, step: str) -> Trained:
        name = _oracle_name(step)
        weights = self.integers.layer(name)
        return Trained(
            self.output(step).output,
            _in_file_order(weights, is_depthwise=step.endswith(".depthwise")),
            weights.bias.numpy().astype(np.int32),
            weights.step.numpy().astype(np.float64),
        )

    def output(self, step: str) -> Trained:
        return Trained(_file_grid(self.integers.grid(_oracle_name(step))))

    def positions(self, step: str) -> Trained:
        values = self.integers.trained(f"{_oracle_name(step)}.positions")
        return _constant(values[0].permute(1, 2, 0).flatten(0, 1))

    def norm(self, step: str) -> TrainedNorm:
        return self.norms[_oracle_name(step)]


@torch.inference_mode()
def deployed(supernet: Supernet, subnet: Subnet, images: PreparedImages) -> DeployedSubnet:
    """`subnet` in integers, with ranges observed on calibration images in float32.

    Raises:
        H4HError: Images have another shape, or are too few for statistics.
    """
    calibrated = calibrate(supernet, [subnet], images, in_integers=True)
    assert calibrated.integers is not None
    (integers,) = calibrated.integers.values()
    chain = tuple(parts(supernet, subnet, keeps_scores=True))
    observed = _NormInputs(integers, _norms(subnet, chain))
    for batch, _ in images.batches:
        _run(chain, batch, observed)
    return DeployedSubnet(subnet, chain, integers, observed.result())


def _run(chain: tuple[Part, ...], batch: Tensor, numbers: Numbers) -> Stored:
    x = Stored(batch, 1.0)
    for part in chain:
        x = run(part, x, numbers)
    return x


def _norms(subnet: Subnet, chain: tuple[Part, ...]) -> dict[str, tuple[str, ElasticLayerNorm]]:
    """Name and module of the layer norm behind each stored tensor that has one."""
    result = {}
    layers = {part.place: part.layer for part in chain}
    for number, stage in enumerate(subnet.stages, start=1):
        before = f"stage{number}.tokens"
        for index, block in enumerate(stage.vit_blocks):
            place = f"stage{number}.vit{index}"
            if block.norm == LAYER_NORM:
                layer = layers[place]
                result[before] = (f"{place}.norm1", layer.attention_norm)
                result[f"{place}.add1"] = (f"{place}.norm2", layer.mlp_norm)
            before = f"{place}.add2"
    return result


class _NormInputs:
    """The oracle's integers, which record the ranges inside each layer norm.

    Args:
        integers: The integers.
        norms: Name and module of the layer norm behind a stored tensor, by the tensor's name.
    """

    def __init__(self, integers: Integers, norms: Mapping[str, tuple[str, ElasticLayerNorm]]) -> None:
        self.folded = integers.folded
        self._integers = integers
        self._norms = norms
        self._ranges: dict[str, dict[str, tuple[float, float]]] = {}
        self._width: dict[str, int] = {}

    def weights(self, name: str, make: MakeWeights, scale: float) -> Weights:
        return self._integers.weights(name, make, scale)

    def stored(
        self, name: str, values: Tensor, step: Tensor | float = 1.0, *, clamp: Limits | None = None
    ) -> Stored:
        result = self._integers.stored(name, values, step, clamp=clamp)
        if name in self._norms:
            norm, layer = self._norms[name]
            tokens = result.real()
            if tokens.ndim == 4:  # Tokens are stored as a map before they become rows.
                tokens = tokens.permute(0, 2, 3, 1).flatten(1, 2)
            self._width[norm] = tokens.shape[-1]
            ranges = self._ranges.setdefault(norm, {})
            for step_name, inner in _inside(tokens.double(), layer).items():
                low, high = ranges.get(step_name, (0.0, 0.0))
                ranges[step_name] = (min(low, float(inner.min())), max(high, float(inner.max())))
        return result

    def constant(self, name: str, values: Tensor) -> Tensor:
        return self._integers.constant(name, values)

    def pooled(self, x: Stored) -> Stored:
        return self._integers.pooled(x)

    def probabilities(self, values: Tensor) -> Stored:
        return self._integers.probabilities(values)

    def result(self) -> dict[str, TrainedNorm]:
        """Values of each layer norm by its name."""
        norms = {}
        for norm, layer in self._norms.values():
            grids = {
                name: _file_grid(activation_grid(*limits)) for name, limits in self._ranges[norm].items()
            }
            grids["output"] = _file_grid(self._integers.grid(norm))
            norms[norm] = TrainedNorm(
                grids,
                _constant(torch.full((1, 1), _EPSILON)),
                _constant(leading(layer.weight, self._width[norm])[None]),
                _constant(leading(layer.bias, self._width[norm])[None]),
            )
        return norms


def _inside(tokens: Tensor, layer: ElasticLayerNorm) -> dict[str, Tensor]:
    """Intermediate tensors of a layer norm, by `NORM_STEPS`."""
    width = tokens.shape[-1]
    mean = tokens.mean(-1, keepdim=True)
    square = (tokens - mean).square()
    variance = square.mean(-1, keepdim=True) + _EPSILON
    inverse, centred = variance.rsqrt(), tokens - mean
    scaled = centred * inverse
    gained = scaled * leading(layer.weight, width).double()
    return dict(zip(NORM_STEPS, (mean, square, variance, inverse, centred, scaled, gained), strict=True))


def _oracle_name(step: str) -> str:
    """Name in the oracle of a step of the workload, which counts blocks from 1."""
    if step.endswith(".position_embedding"):
        return step.replace(".position_embedding", ".tokens")
    return _BLOCK.sub(lambda match: f".{match[1]}{int(match[2]) - 1}", step)


def _zero_point(grid: OracleGrid) -> int:
    return _LOWEST - grid.low


def _file_grid(grid: OracleGrid) -> Grid:
    return Grid(grid.scale, _zero_point(grid))


def _in_file_order(weights: Weights, *, is_depthwise: bool) -> np.ndarray:
    """(co, ci, h, w) -> (co, h, w, ci); depthwise (c, 1, h, w) -> (1, h, w, c); linear (co, ci) as it is."""
    weight = weights.weight
    if weight.ndim == 4:
        weight = weight.permute(1, 2, 3, 0) if is_depthwise else weight.permute(0, 2, 3, 1)
    return np.ascontiguousarray(weight.numpy().astype(np.int8))


def _constant(values: Tensor) -> Trained:
    """A constant on a grid of its own."""
    grid = activation_grid(float(values.min()), float(values.max()))
    whole = (values.double() / grid.scale).round().clamp(grid.low, grid.high) + _zero_point(grid)
    return Trained(_file_grid(grid), whole.numpy().astype(np.int8))
