"""Subnets in 8-bit integers, as an NPU and compute-in-memory macros run them.

Each part computes the same function as in `network/blocks.py`, but every tensor that a deployed graph stores
lies on a grid of integers (`int8_grids.py`). The stored tensors are those of the graph that
`objectives.hardware.vela_compiler.tflite` compiles:

| op | stored |
|---|---|
| image | the resized, normalised input |
| convolution | its output, batch norm folded into the weights and ReLU6 into the limits |
| linear layer | its output; q, k and v are one tensor; layer scale and batch norm are folded into weights |
| residual sum, position embedding | the sum; the embedding is a constant with a grid of its own |
| layer norm | its output; inside it computes in full precision |
| scores q k^T | their product |
| softmax | probabilities in steps of 1/256; inside full precision |
| attention | the weighted values |
| GELU | its output, by a table of the 256 values of its stored input |
| mean over the map | on the grid of its input, as average pooling has it |
| classifier | class scores, so that two classes may tie: the first one wins |

A compiler without a kernel for layer norm splits it into nine operators, each with an 8-bit result. That
would lose more accuracy than this model shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import sqrt
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.subnet import BATCH_NORM, Block, Head, MBConv, PatchMerging, Stem, ViTBlock
from supernet.accuracy.int8_grids import BITS, Grid, Weights, activation_grid, quantised_weights, stored
from supernet.images.labelled_images import resized
from supernet.network.batch_norm import Folded
from supernet.network.blocks import ElasticBlock, ElasticMBConv, ElasticPatchMerging, ElasticViTBlock
from supernet.network.elastic_layers import (
    ElasticBatchNorm,
    ElasticConv2d,
    ElasticDepthwise,
    ElasticLayerNorm,
    ElasticLinear,
    leading,
)
from supernet.network.elastic_stage import ElasticStage
from supernet.network.subnet_parts import Part, square_map
from supernet.network.supernet import Supernet

Limits = tuple[float, float]
RELU6: Limits = (0.0, 6.0)
MakeWeights = Callable[[], tuple[Tensor, Tensor]]


class Stored(NamedTuple):
    """A tensor in its stored form.

    Attributes:
        values: Whole numbers without zero point; any numbers while ranges are observed.
        scale: Real value of 1.
    """

    values: Tensor
    scale: float

    def real(self) -> Tensor:
        """The real values; a copy."""
        return self.values * self.scale


class Numbers(Protocol):
    """Number format of a network. Names are those of tensors, unique within a subnet."""

    folded: Folded

    def weights(self, name: str, make: MakeWeights, scale: float) -> Weights:
        """Weights and bias from `make`, for inputs of that `scale`; computed once per name."""

    def stored(
        self, name: str, values: Tensor, step: Tensor | float = 1.0, *, clamp: Limits | None = None
    ) -> Stored:
        """`values` times `step`, clamped, in stored form; overwrites `values`."""

    def constant(self, name: str, values: Tensor) -> Tensor:
        """Real values of a trained tensor after rounding to its grid."""

    def layer_norm(self, name: str, layer: ElasticLayerNorm, x: Stored) -> Stored:
        """Layer norm of tokens ``(n, tokens, c)``."""

    def pooled(self, x: Stored) -> Stored:
        """``(n, c, h, w)`` -> mean over the map, ``(n, c)``."""

    def probabilities(self, values: Tensor) -> Stored:
        """Values from 0 to 1."""


class Observed:
    """Full precision (every step is 1) that records the range of each stored tensor.

    Args:
        folded: Statistics of batch norm, folded into the layers.
    """

    def __init__(self, folded: Folded) -> None:
        self.folded = folded
        self._weights: dict[str, Weights] = {}
        self._ranges: dict[str, tuple[float, float]] = {}

    def weights(self, name: str, make: MakeWeights, scale: float) -> Weights:  # noqa: ARG002
        if name not in self._weights:
            weight, bias = make()
            self._weights[name] = Weights(weight, bias, torch.ones_like(bias))
        return self._weights[name]

    def stored(
        self,
        name: str,
        values: Tensor,
        step: Tensor | float = 1.0,  # noqa: ARG002
        *,
        clamp: Limits | None = None,
    ) -> Stored:
        if clamp is not None:
            values.clamp_(*clamp)
        # Floats and not tensors: many small tensors between large ones would fragment memory.
        least, most = map(float, values.aminmax())
        before = self._ranges.get(name, (least, most))
        # NumPy's minimum and maximum keep a NaN, Python's lose it.
        self._ranges[name] = float(np.minimum(before[0], least)), float(np.maximum(before[1], most))
        return Stored(values, 1.0)

    def constant(self, name: str, values: Tensor) -> Tensor:  # noqa: ARG002
        return values

    def layer_norm(self, name: str, layer: ElasticLayerNorm, x: Stored) -> Stored:
        return self.stored(name, layer(x.real()))

    def pooled(self, x: Stored) -> Stored:
        return Stored(x.values.mean((2, 3)), 1.0)

    def probabilities(self, values: Tensor) -> Stored:
        return Stored(values, 1.0)

    def result(self, *, bits: int = BITS) -> Integers:
        """Integers on grids that cover the recorded ranges."""
        grids = {name: activation_grid(*limits, bits=bits) for name, limits in self._ranges.items()}
        return Integers(self.folded, grids, bits=bits)


class Integers:
    """All numbers on grids of integers.

    Args:
        folded: Statistics of batch norm, folded into the layers.
        grids: Grid of each stored tensor, by its name; an attribute as well.
        bits: Bits of weights and activations.
    """

    def __init__(self, folded: Folded, grids: Mapping[str, Grid], *, bits: int = BITS) -> None:
        self.folded = folded
        self.grids = grids
        self._bits = bits
        self._weights: dict[str, Weights] = {}
        self._constants: dict[str, Tensor] = {}

    def layer(self, name: str) -> Weights:
        """Weights of the layer `name`, which has run."""
        return self._weights[name]

    def trained(self, name: str) -> Tensor:
        """Real values of the trained tensor `name` on its grid, which has been used."""
        return self._constants[name]

    def weights(self, name: str, make: MakeWeights, scale: float) -> Weights:
        if name not in self._weights:
            self._weights[name] = quantised_weights(*make(), scale, bits=self._bits)
        return self._weights[name]

    def stored(
        self, name: str, values: Tensor, step: Tensor | float = 1.0, *, clamp: Limits | None = None
    ) -> Stored:
        grid = self.grids[name]
        return Stored(stored(values, step, grid, clamp=clamp), grid.scale)

    def constant(self, name: str, values: Tensor) -> Tensor:
        if name not in self._constants:
            grid = activation_grid(float(values.min()), float(values.max()), bits=self._bits)
            self._constants[name] = stored(values.clone(), 1.0, grid, clamp=None) * grid.scale
        return self._constants[name]

    def layer_norm(self, name: str, layer: ElasticLayerNorm, x: Stored) -> Stored:
        return self.stored(name, layer(x.real()))

    def pooled(self, x: Stored) -> Stored:
        return Stored(x.values.mean((2, 3)).round_(), x.scale)

    def probabilities(self, values: Tensor) -> Stored:
        steps = 2**self._bits
        return Stored(values.mul_(steps).round_().clamp_(max=steps - 1), 1 / steps)


def run(part: Part, x: Stored, numbers: Numbers) -> Stored:
    """Computes one part; images go in as `Stored(images, 1.0)`."""
    place, layer, form = part.place, part.layer, part.form
    match form, layer:
        case int(), None:
            # A copy if the size is already right, since `stored` overwrites.
            image = x.real() if x.values.shape[-1] == form else resized(x.values, form)
            return numbers.stored(place, image)
        case Stem(), Supernet():
            return convolution(place, layer.stem, layer.stem_norm, x, form.width, numbers, RELU6)
        case Block(), ElasticBlock():
            return INT8_BLOCKS[type(form)](
                place, layer, x if form.takes_tokens else _as_map(x), form, numbers
            )
        case None, ElasticStage():
            return _tokens(place, layer, x, numbers)
        case Head(), Supernet():
            return _head(place, layer, _as_map(x), form, numbers)
    raise TypeError(f"part {place} has no form in integers")


def _as_map(x: Stored) -> Stored:
    return Stored(square_map(x.values), x.scale)


def convolution(
    name: str,
    layer: ElasticConv2d | ElasticDepthwise,
    norm: ElasticBatchNorm,
    x: Stored,
    form: int,
    numbers: Numbers,
    clamp: Limits | None = None,
) -> Stored:
    """Convolution with `form` output channels, or of that kernel, with batch norm folded into it."""

    def folded() -> tuple[Tensor, Tensor]:
        kernel = layer.form(x.values.shape[1], form)
        return numbers.folded.folded(norm, kernel, *norm.form(len(kernel)), kernel.dtype)

    weight, bias, step = numbers.weights(name, folded, x.scale)
    return numbers.stored(name, layer.convolve(x.values, weight, bias), step.view(-1, 1, 1), clamp=clamp)


def linear(name: str, make: MakeWeights, x: Stored, numbers: Numbers) -> Stored:
    weight, bias, step = numbers.weights(name, make, x.scale)
    return numbers.stored(name, F.linear(x.values, weight, bias), step)


def _form(layer: ElasticLinear, in_width: int, width: int, scale: Tensor | None = None) -> MakeWeights:
    """Weights and bias of a linear layer, a factor for each output folded into them."""

    def folded() -> tuple[Tensor, Tensor]:
        weight, bias = layer.form(in_width, width)
        return (weight, bias) if scale is None else (weight * scale[:, None], bias * scale)

    return folded


def residual_sum(name: str, x: Stored, branch: Stored, numbers: Numbers) -> Stored:
    return numbers.stored(name, x.real().add_(branch.values, alpha=branch.scale))


def _mbconv(place: str, layer: ElasticMBConv, x: Stored, block: MBConv, numbers: Numbers) -> Stored:
    out = x
    if block.expansion > 1:
        out = convolution(
            f"{place}.expand", layer.expand, layer.expand_norm, out, block.hidden_width, numbers, RELU6
        )
    out = convolution(
        f"{place}.depthwise", layer.depthwise, layer.depthwise_norm, out, block.kernel, numbers, RELU6
    )
    out = convolution(f"{place}.project", layer.project, layer.project_norm, out, block.width, numbers)
    return residual_sum(f"{place}.add", x, out, numbers) if block.has_residual else out


def _tokens(place: str, layer: ElasticStage, x: Stored, numbers: Numbers) -> Stored:
    """``(n, c, h, w)`` -> ``(n, h * w, c)`` with position embedding."""
    assert layer.positions is not None
    positions = numbers.constant(f"{place}.positions", layer.positions.resized(*x.values.shape[1:]))
    total, scale = numbers.stored(place, x.real().add_(positions))
    return Stored(total.permute(0, 2, 3, 1).flatten(1, 2), scale)


def _vit_block(place: str, layer: ElasticViTBlock, x: Stored, block: ViTBlock, numbers: Numbers) -> Stored:
    width, inner, hidden = block.width, block.attention_width, block.mlp_width

    def scaled(scale: nn.Parameter) -> Tensor:
        return leading(scale, width)

    if block.norm == BATCH_NORM:
        make = partial(layer.folded_qkv, block, numbers.folded, torch.float32)
        out = linear(f"{place}.qkv", make, x, numbers)
    else:
        out = _layer_norm(f"{place}.norm1", layer.attention_norm, x, numbers)
        out = linear(f"{place}.qkv", lambda: layer.qkv.of_heads(block.heads, width), out, numbers)
    out = _attention(place, out, block, numbers)
    projection = _form(layer.projection, inner, width, scaled(layer.attention_scale))
    out = linear(f"{place}.projection", projection, out, numbers)
    x = residual_sum(f"{place}.add1", x, out, numbers)
    if block.norm == BATCH_NORM:
        make = partial(layer.folded_fc1, block, numbers.folded, torch.float32)
        out = linear(f"{place}.fc1", make, x, numbers)
    else:
        out = _layer_norm(f"{place}.norm2", layer.mlp_norm, x, numbers)
        out = linear(f"{place}.fc1", _form(layer.fc1, width, hidden), out, numbers)
    out = numbers.stored(f"{place}.gelu", F.gelu(out.values.mul_(out.scale)))
    out = linear(f"{place}.fc2", _form(layer.fc2, hidden, width, scaled(layer.mlp_scale)), out, numbers)
    return residual_sum(f"{place}.add2", x, out, numbers)


def _layer_norm(name: str, layer: ElasticLayerNorm | None, x: Stored, numbers: Numbers) -> Stored:
    assert layer is not None
    return numbers.layer_norm(name, layer, x)


def _attention(place: str, qkv: Stored, block: ViTBlock, numbers: Numbers) -> Stored:
    """``(n, tokens, 3 * heads * head_dim)`` -> ``(n, tokens, heads * head_dim)``."""
    images, tokens, _ = qkv.values.shape
    split = qkv.values.view(images, tokens, 3, block.heads, block.head_dim)
    q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
    scores = numbers.stored(f"{place}.scores", q @ k.transpose(-2, -1), qkv.scale**2)
    mixed = scores.values.mul_(scores.scale / sqrt(block.head_dim)).softmax(-1)
    share = numbers.probabilities(mixed)
    out = (share.values @ v).transpose(1, 2).flatten(2)
    return numbers.stored(f"{place}.attend", out, share.scale * qkv.scale)


def _patch_merging(
    place: str, layer: ElasticPatchMerging, x: Stored, block: PatchMerging, numbers: Numbers
) -> Stored:
    return convolution(place, layer.merge, layer.norm, x, block.width, numbers)


INT8_BLOCKS: dict[type[Block], Callable[[str, Any, Stored, Any, Numbers], Stored]] = {
    MBConv: _mbconv,
    PatchMerging: _patch_merging,
    ViTBlock: _vit_block,
}
"""Kinds of block in integers: functions of place, elastic layer, input, description of the block, numbers.
The input is a map, or tokens where the kind takes them."""


def _head(place: str, layer: Supernet, x: Stored, head: Head, numbers: Numbers) -> Stored:
    out = convolution(f"{place}.conv", layer.head, layer.head_norm, x, head.width, numbers, RELU6)
    classifier = _form(layer.classifier, head.width, head.classes)
    return linear(f"{place}.classifier", classifier, numbers.pooled(out), numbers)
