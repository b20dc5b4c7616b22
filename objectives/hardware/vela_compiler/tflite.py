"""TensorFlow Lite models of int8 layers, written without TensorFlow.

    graph = Graph()
    x = graph.input(1, 8, 8, 16)
    graph.owner = "middle"
    x = graph.conv2d(x, 32, kernel=3)
    model = graph.model(outputs=[x])  # bytes; graph.owners[i] is the owner of the i-th operator

Layers take the values of a trained network (`Trained`). Without them weights are Gaussian, which the compiler
compresses about as well as trained ones, and scales are plausible, and unequal where equal ones would let the
compiler skip the rescaling. The classes of the file format come with
Arm's compiler (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from ethosu.vela.tflite import (
    ActivationFunctionType,
    AddOptions,
    BatchMatMulOptions,
    BuiltinOperator,
    BuiltinOptions,
    ConcatenationOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    GeluOptions,
    MulOptions,
    Padding,
    PadOptions,
    Pool2DOptions,
    ReducerOptions,
    ReshapeOptions,
    ResizeBilinearOptions,
    ResizeNearestNeighborOptions,
    SliceOptions,
    SoftmaxOptions,
    SquaredDifferenceOptions,
    SubOptions,
    TransposeOptions,
)

from objectives.hardware.vela_compiler.tflite_file import (
    Float32Array,
    Int8Array,
    Int32Array,
    OperatorRecord,
    TensorRecord,
    serialised,
)
from objectives.hardware.vela_compiler.trained_values import Grid, Trained, TrainedNorm

_CODE = BuiltinOperator.BuiltinOperator
_OPTIONS = BuiltinOptions.BuiltinOptions

_SCALE = 0.05
_WEIGHT_SCALE = 0.005
_WEIGHT_SIGMA = 32
_SUM_SCALE = 0.07
"""Scale of a sum; its terms have `_SCALE`, so both are rescaled."""


Window = int | tuple[int, int]
"""Side of a square window, or height and width."""


@dataclass(frozen=True)
class Node:
    """A tensor of a graph: index and shape."""

    index: int
    shape: tuple[int, ...]


@dataclass
class Graph:
    """A graph to which methods add layers; each returns the output tensor of its layer.

    Shapes are (1, height, width, channels), or (tokens, channels) around linear layers.

    Attributes:
        owner: Owner of the layers added next.
        owners: Owner of each operator, in the order of addition.
    """

    owner: Hashable = None
    owners: list[Hashable] = field(default_factory=list)
    _tensors: list[TensorRecord] = field(default_factory=list)
    _operators: list[OperatorRecord] = field(default_factory=list)
    _inputs: list[int] = field(default_factory=list)

    def input(self, *shape: int, grid: Grid | None = None) -> Node:
        """An input of the network."""
        node = self._tensor(shape) if grid is None else self._on(grid, shape)
        self._inputs.append(node.index)
        return node

    def conv2d(
        self,
        x: Node,
        out_channels: int,
        *,
        kernel: Window = 1,
        stride: Window = 1,
        dilation: Window = 1,
        groups: int = 1,
        relu6: bool = False,
        valid: bool = False,
        trained: Trained | None = None,
    ) -> Node:
        """Convolution, with "same" padding unless `valid`: (1, h, w, c) -> (1, h', w', co)."""
        channels = x.shape[3] // groups
        weights = self._weights((out_channels, *_sides(kernel), channels), x, trained)
        return self._add(
            _CODE.CONV_2D,
            [x, weights, self._bias(out_channels, trained)],
            (1, *_out_size(x, _dilated(kernel, dilation), stride, valid=valid), out_channels),
            Conv2DOptions,
            **_window_fields(x, kernel, stride, valid=valid),
            **_dilation_fields(dilation),
            FusedActivationFunction=_relu6(relu6),
            trained=trained,
        )

    def depthwise(
        self,
        x: Node,
        *,
        kernel: Window,
        stride: Window = 1,
        dilation: Window = 1,
        relu6: bool = False,
        valid: bool = False,
        multiplier: int = 1,
        trained: Trained | None = None,
    ) -> Node:
        """Depthwise convolution, with "same" padding unless `valid`."""
        channels = x.shape[3] * multiplier
        weights = self._weights((1, *_sides(kernel), channels), x, trained, axis=3)
        return self._add(
            _CODE.DEPTHWISE_CONV_2D,
            [x, weights, self._bias(channels, trained)],
            (1, *_out_size(x, _dilated(kernel, dilation), stride, valid=valid), channels),
            DepthwiseConv2DOptions,
            **_window_fields(x, kernel, stride, valid=valid),
            DepthMultiplier=multiplier,
            **_dilation_fields(dilation),
            FusedActivationFunction=_relu6(relu6),
            trained=trained,
        )

    def pool(
        self, x: Node, *, kernel: Window, stride: Window, maximum: bool = False, valid: bool = False
    ) -> Node:
        """Mean, or maximum, over a window, with "same" padding unless `valid`, on the grid of the input."""
        high, wide = _sides(kernel)
        return self._move(
            _CODE.MAX_POOL_2D if maximum else _CODE.AVERAGE_POOL_2D,
            [x],
            (1, *_out_size(x, kernel, stride, valid=valid), x.shape[3]),
            Pool2DOptions,
            **_window_fields(x, kernel, stride, valid=valid),
            FilterHeight=high,
            FilterWidth=wide,
        )

    def mean(self, x: Node) -> Node:
        """Mean over height and width: (1, h, w, c) -> (1, c)."""
        axes = self._constant(np.array([1, 2], np.int32))
        return self._add(_CODE.MEAN, [x, axes], (1, x.shape[3]), ReducerOptions, scale=0.02)

    def mul(self, a: Node, b: Node) -> Node:
        """Product of two tensors, element by element; `b` may have sides of 1."""
        return self._add(_CODE.MUL, [a, b], a.shape, MulOptions, scale=_SUM_SCALE)

    def resize(
        self, x: Node, height: int, width: int, *, bilinear: bool = False, half_pixel: bool = True
    ) -> Node:
        """Another height and width: nearest neighbour or bilinear, with centres of pixels at a half or 0."""
        size = self._constant(np.array([height, width], np.int32))
        shape = (1, height, width, x.shape[3])
        if bilinear:
            code, options = _CODE.RESIZE_BILINEAR, ResizeBilinearOptions
        else:
            code, options = _CODE.RESIZE_NEAREST_NEIGHBOR, ResizeNearestNeighborOptions
        return self._move(code, [x, size], shape, options, HalfPixelCenters=half_pixel)

    def concatenate(self, parts: Sequence[Node]) -> Node:
        """Tensors of equal height and width, one behind the other along the channels."""
        shape = (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts))
        axis = len(shape) - 1
        return self._move(_CODE.CONCATENATION, parts, shape, ConcatenationOptions, Axis=axis)

    def pad(self, x: Node, top: int, bottom: int, left: int, right: int) -> Node:
        """Zeros around a map."""
        by_axis = self._constant(np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
        _, height, width, channels = x.shape
        shape = (1, height + top + bottom, width + left + right, channels)
        return self._move(_CODE.PAD, [x, by_axis], shape, PadOptions)

    def linear(self, x: Node, out_channels: int, *, trained: Trained | None = None) -> Node:
        """Linear layer: (n, c) -> (n, co)."""
        tokens, channels = x.shape
        weights = self._weights((out_channels, channels), x, trained)
        bias = self._bias(out_channels, trained)
        return self._add(
            _CODE.FULLY_CONNECTED,
            [x, weights, bias],
            (tokens, out_channels),
            FullyConnectedOptions,
            KeepNumDims=True,
            trained=trained,
        )

    def matmul(self, a: Node, b: Node, *, transpose_b: bool = False, trained: Trained | None = None) -> Node:
        """Products of activations: (1, h, n, k) by (1, h, k, m), or by (1, h, m, k) transposed."""
        columns = b.shape[2] if transpose_b else b.shape[3]
        shape = (*a.shape[:3], columns)
        return self._add(
            _CODE.BATCH_MATMUL, [a, b], shape, BatchMatMulOptions, AdjY=transpose_b, trained=trained
        )

    def softmax(self, x: Node, *, factor: float = 1.0) -> Node:
        """Softmax of `factor` times the input over the last axis."""
        return self._add(_CODE.SOFTMAX, [x], x.shape, SoftmaxOptions, scale=1 / 256, zero=-128, Beta=factor)

    def norm(self, x: Node, *, trained: TrainedNorm | None = None) -> Node:
        """Layer norm over the last axis with gain and offset, in nine operators."""
        if trained is not None:
            return self._trained_norm(x, trained)
        channels = x.shape[-1]
        rows = (*x.shape[:-1], 1)
        axis = self._constant(np.array([len(x.shape) - 1], np.int32))
        mean = self._add(_CODE.MEAN, [x, axis], rows, ReducerOptions, scale=0.02, KeepDims=True)
        square = self._add(_CODE.SQUARED_DIFFERENCE, [x, mean], x.shape, SquaredDifferenceOptions, zero=-128)
        variance = self._add(
            _CODE.MEAN, [square, axis], rows, ReducerOptions, scale=0.02, zero=-128, KeepDims=True
        )
        small = self._constant(np.ones((1,) * len(x.shape), np.int8), scale=0.001)
        variance = self._add(_CODE.ADD, [variance, small], rows, AddOptions, scale=0.02, zero=-128)
        inverse = self._add(_CODE.RSQRT, [variance], rows, None, zero=-128)
        centred = self._add(_CODE.SUB, [x, mean], x.shape, SubOptions)
        scaled = self._add(_CODE.MUL, [centred, inverse], x.shape, MulOptions)
        per_channel = (1,) * (len(x.shape) - 1) + (channels,)
        gain = self._constant(_gaussian(channels).reshape(per_channel), scale=0.02)
        scaled = self._add(_CODE.MUL, [scaled, gain], x.shape, MulOptions)
        offset = self._constant(_gaussian(channels).reshape(per_channel), scale=0.02)
        return self._add(_CODE.ADD, [scaled, offset], x.shape, AddOptions)

    def _trained_norm(self, x: Node, trained: TrainedNorm) -> Node:
        """Layer norm whose nine operators have grids of their own."""
        axis = self._constant(np.array([len(x.shape) - 1], np.int32))
        rows, values = (*x.shape[:-1], 1), x.shape
        epsilon, gain, offset = (self._values(one) for one in (trained.epsilon, trained.gain, trained.offset))

        def step(code: int, inputs: Sequence[Node], shape: Sequence[int], options: Any, name: str) -> Node:
            fields = {"KeepDims": True} if options is ReducerOptions else {}
            return self._add(code, inputs, shape, options, trained=Trained(trained.grids[name]), **fields)

        mean = step(_CODE.MEAN, [x, axis], rows, ReducerOptions, "mean")
        square = step(_CODE.SQUARED_DIFFERENCE, [x, mean], values, SquaredDifferenceOptions, "square")
        variance = step(_CODE.MEAN, [square, axis], rows, ReducerOptions, "variance")
        variance = step(_CODE.ADD, [variance, epsilon], rows, AddOptions, "variance")
        inverse = step(_CODE.RSQRT, [variance], rows, None, "inverse")
        centred = step(_CODE.SUB, [x, mean], values, SubOptions, "centred")
        scaled = step(_CODE.MUL, [centred, inverse], values, MulOptions, "scaled")
        scaled = step(_CODE.MUL, [scaled, gain], values, MulOptions, "gained")
        return step(_CODE.ADD, [scaled, offset], values, AddOptions, "output")

    def gelu(self, x: Node, *, trained: Trained | None = None) -> Node:
        """GELU by table; the compiler fuses it into a linear layer before it."""
        return self._add(_CODE.GELU, [x], x.shape, GeluOptions, scale=0.04, trained=trained)

    def add(self, a: Node, b: Node, *, trained: Trained | None = None) -> Node:
        """Sum of two tensors of equal shape."""
        return self._add(_CODE.ADD, [a, b], a.shape, AddOptions, scale=_SUM_SCALE, trained=trained)

    def add_constant(
        self, x: Node, *, constant: Trained | None = None, trained: Trained | None = None
    ) -> Node:
        """Sum of a tensor and a trained tensor of the same shape."""
        if constant is None:
            second = self._constant(np.resize(_gaussian(), x.shape), scale=_SCALE)
        else:
            second = self._values(constant)
        return self._add(_CODE.ADD, [x, second], x.shape, AddOptions, scale=_SUM_SCALE, trained=trained)

    def split_heads(self, x: Node, parts: int) -> list[Node]:
        """Parts of (1, parts * heads, n, d), cut along the heads."""
        _, heads, tokens, width = x.shape
        size = np.array([1, heads // parts, tokens, width], np.int32)
        nodes = []
        for part in range(parts):
            begin = self._constant(np.array([0, part * heads // parts, 0, 0], np.int32))
            nodes.append(
                self._move(_CODE.SLICE, [x, begin, self._constant(size)], size.tolist(), SliceOptions)
            )
        return nodes

    def reshape(self, x: Node, *shape: int) -> Node:
        """The same elements in another shape."""
        to = self._constant(np.array(shape, np.int32))
        return self._move(_CODE.RESHAPE, [x, to], shape, ReshapeOptions)

    def transpose(self, x: Node, *axes: int) -> Node:
        """Axes in another order."""
        order = self._constant(np.array(axes, np.int32))
        return self._move(_CODE.TRANSPOSE, [x, order], [x.shape[axis] for axis in axes], TransposeOptions)

    def model(self, outputs: Sequence[Node]) -> bytes:
        """Content of the model file with these outputs."""
        return serialised(self._tensors, self._operators, self._inputs, [node.index for node in outputs])

    def outputs_by_owner(self) -> dict[Hashable, Node]:
        """The output of the last operator of each owner."""
        return {
            owner: Node(operator.output, self._tensors[operator.output].shape)
            for owner, operator in zip(self.owners, self._operators, strict=True)
        }

    def grid(self, node: Node) -> Grid:
        """The quantisation of a tensor that has a single scale."""
        record = self._tensors[node.index]
        return Grid(float(record.scale), record.zero_point)

    def _tensor(
        self,
        shape: Sequence[int],
        *,
        scale: float | Float32Array = _SCALE,
        zero: int = 0,
        data: Int8Array | Int32Array | None = None,
        axis: int = 0,
    ) -> Node:
        self._tensors.append(TensorRecord(tuple(shape), scale, zero, data, axis))
        return Node(len(self._tensors) - 1, tuple(shape))

    def _on(self, grid: Grid, shape: Sequence[int]) -> Node:
        return self._tensor(shape, scale=grid.scale, zero=grid.zero_point)

    def _values(self, trained: Trained) -> Node:
        """A constant of a trained network, on the grid `output`."""
        assert trained.weight is not None
        grid = trained.output
        return self._tensor(trained.weight.shape, scale=grid.scale, zero=grid.zero_point, data=trained.weight)

    def _constant(self, data: Int8Array | Int32Array, *, scale: float = 1.0) -> Node:
        return self._tensor(data.shape, scale=scale, data=data)

    def _weights(self, shape: Sequence[int], x: Node, trained: Trained | None, *, axis: int = 0) -> Node:
        if trained is None:
            return self._constant(np.resize(_gaussian(), shape), scale=_WEIGHT_SCALE)
        assert trained.weight is not None
        assert trained.steps is not None
        assert trained.weight.shape == tuple(shape)
        scales = (trained.steps / self.grid(x).scale).astype(np.float32)
        return self._tensor(shape, scale=scales, data=trained.weight, axis=axis)

    def _bias(self, channels: int, trained: Trained | None) -> Node:
        if trained is None:
            return self._constant(np.zeros(channels, np.int32), scale=_SCALE * _WEIGHT_SCALE)
        assert trained.bias is not None
        assert trained.steps is not None
        return self._tensor((channels,), scale=trained.steps.astype(np.float32), data=trained.bias)

    def _move(
        self, code: int, inputs: Sequence[Node], shape: Sequence[int], options: Any, **fields: Any
    ) -> Node:
        """An operator that only moves data; its output has the scale of its first input."""
        return self._add(code, inputs, shape, options, trained=Trained(self.grid(inputs[0])), **fields)

    def _add(
        self,
        code: int,
        inputs: Sequence[Node],
        shape: Sequence[int],
        options: Any,
        *,
        scale: float = _SCALE,
        zero: int = 0,
        trained: Trained | None = None,
        **fields: Any,
    ) -> Node:
        output = (
            self._tensor(shape, scale=scale, zero=zero)
            if trained is None
            else self._on(trained.output, shape)
        )
        kind = 0 if options is None else getattr(_OPTIONS, options.__name__.rpartition(".")[2])
        self._operators.append(
            OperatorRecord(code, tuple(node.index for node in inputs), output.index, kind, options, fields)
        )
        self.owners.append(self.owner)
        return output


def _sides(kernel: Window) -> tuple[int, int]:
    return (kernel, kernel) if isinstance(kernel, int) else kernel


def _dilated(kernel: Window, dilation: Window) -> tuple[int, int]:
    """Extent of a dilated window."""
    (high, wide), (down, across) = _sides(kernel), _sides(dilation)
    return (high - 1) * down + 1, (wide - 1) * across + 1


def _out_size(x: Node, kernel: Window, stride: Window, *, valid: bool) -> tuple[int, int]:
    high, wide = _sides(kernel) if valid else (1, 1)
    _, height, width, _ = x.shape
    down, across = _sides(stride)
    return (height - high) // down + 1, (width - wide) // across + 1


def _window_fields(x: Node, kernel: Window, stride: Window, *, valid: bool) -> dict[str, int]:
    """Stride and padding; none for windows that tile the map exactly, because padding has tighter limits."""
    _, height, width, _ = x.shape
    down, across = _sides(stride)
    tiles = _sides(kernel) == (down, across) and height % down == 0 and width % across == 0
    padding = Padding.Padding.VALID if valid or tiles else Padding.Padding.SAME
    return {"Padding": int(padding), "StrideH": down, "StrideW": across}


def _dilation_fields(dilation: Window) -> dict[str, int]:
    down, across = _sides(dilation)
    return {"DilationHFactor": down, "DilationWFactor": across}


def _relu6(is_fused: bool) -> int:
    kinds = ActivationFunctionType.ActivationFunctionType
    return int(kinds.RELU6 if is_fused else kinds.NONE)


@cache
def _gaussian(count: int = 65_521) -> Int8Array:
    """Gaussian weights; their number is prime, so that repetitions never align with a shape."""
    drawn = np.random.default_rng(0).normal(0, _WEIGHT_SIGMA, count)
    return np.clip(np.round(drawn), -127, 127).astype(np.int8)
