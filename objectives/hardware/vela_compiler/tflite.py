"""TensorFlow Lite models of int8 layers, written without TensorFlow.

    graph = Graph()
    x = graph.input(1, 8, 8, 16)
    graph.owner = "middle"
    x = graph.conv2d(x, 32, kernel=3)
    model = graph.model(outputs=[x])  # bytes; graph.owners[i] is the owner of the i-th operator

Weights are Gaussian; the compiler compresses them about as well as trained ones. Scales are plausible, and
unequal where equal ones would let the compiler skip the rescaling. The classes of the file format come with
Arm's compiler (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ethosu.vela.tflite import (
    ActivationFunctionType,
    AddOptions,
    BatchMatMulOptions,
    Buffer,
    BuiltinOperator,
    BuiltinOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    GeluOptions,
    Model,
    MulOptions,
    Operator,
    OperatorCode,
    Padding,
    Pool2DOptions,
    QuantizationParameters,
    ReducerOptions,
    ReshapeOptions,
    SliceOptions,
    SoftmaxOptions,
    SquaredDifferenceOptions,
    SubGraph,
    SubOptions,
    Tensor,
    TensorType,
    TransposeOptions,
)

Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]

_CODE = BuiltinOperator.BuiltinOperator
_OPTIONS = BuiltinOptions.BuiltinOptions
_INT8 = TensorType.TensorType.INT8
_INT32 = TensorType.TensorType.INT32
_FORMAT_VERSION = 3
_LARGEST_OLD_CODE = 127
"""Largest operator code that fits the field of older readers."""

_SCALE = 0.05
_WEIGHT_SCALE = 0.005
_WEIGHT_SIGMA = 32
_SUM_SCALE = 0.07
"""Scale of a sum; its terms have `_SCALE`, so both are rescaled."""


@dataclass(frozen=True)
class Node:
    """A tensor of a graph: index and shape."""

    index: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _TensorRecord:
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    data: Int8Array | Int32Array | None


@dataclass(frozen=True)
class _OperatorRecord:
    code: int
    inputs: tuple[int, ...]
    output: int
    options_type: int
    options: Any
    fields: dict[str, Any]


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
    _tensors: list[_TensorRecord] = field(default_factory=list)
    _operators: list[_OperatorRecord] = field(default_factory=list)
    _inputs: list[int] = field(default_factory=list)

    def input(self, *shape: int) -> Node:
        """An input of the network."""
        node = self._tensor(shape)
        self._inputs.append(node.index)
        return node

    def conv2d(
        self, x: Node, out_channels: int, *, kernel: int = 1, stride: int = 1, relu6: bool = False
    ) -> Node:
        """Convolution with "same" padding: (1, h, w, c) -> (1, ceil(h / stride), ceil(w / stride), co)."""
        _, height, width, channels = x.shape
        weights = self._weights(out_channels, kernel, kernel, channels)
        return self._add(
            _CODE.CONV_2D,
            [x, weights, self._bias(out_channels)],
            (1, _ceil(height, stride), _ceil(width, stride), out_channels),
            Conv2DOptions,
            Padding=_same(height, width, kernel, stride),
            StrideH=stride,
            StrideW=stride,
            DilationHFactor=1,
            DilationWFactor=1,
            FusedActivationFunction=_relu6(relu6),
        )

    def depthwise(self, x: Node, *, kernel: int, stride: int = 1, relu6: bool = False) -> Node:
        """Depthwise convolution with "same" padding."""
        _, height, width, channels = x.shape
        weights = self._weights(1, kernel, kernel, channels)
        return self._add(
            _CODE.DEPTHWISE_CONV_2D,
            [x, weights, self._bias(channels)],
            (1, _ceil(height, stride), _ceil(width, stride), channels),
            DepthwiseConv2DOptions,
            Padding=_same(height, width, kernel, stride),
            StrideH=stride,
            StrideW=stride,
            DepthMultiplier=1,
            DilationHFactor=1,
            DilationWFactor=1,
            FusedActivationFunction=_relu6(relu6),
        )

    def pool(self, x: Node, *, kernel: int, stride: int) -> Node:
        """Mean over a window with "same" padding."""
        _, height, width, channels = x.shape
        return self._add(
            _CODE.AVERAGE_POOL_2D,
            [x],
            (1, _ceil(height, stride), _ceil(width, stride), channels),
            Pool2DOptions,
            Padding=_same(height, width, kernel, stride),
            StrideH=stride,
            StrideW=stride,
            FilterHeight=kernel,
            FilterWidth=kernel,
        )

    def linear(self, x: Node, out_channels: int) -> Node:
        """Linear layer: (n, c) -> (n, co)."""
        tokens, channels = x.shape
        weights = self._weights(out_channels, channels)
        bias = self._bias(out_channels)
        return self._add(
            _CODE.FULLY_CONNECTED,
            [x, weights, bias],
            (tokens, out_channels),
            FullyConnectedOptions,
            KeepNumDims=True,
        )

    def matmul(self, a: Node, b: Node, *, transpose_b: bool = False) -> Node:
        """Products of activations: (1, h, n, k) by (1, h, k, m), or by (1, h, m, k) transposed."""
        columns = b.shape[2] if transpose_b else b.shape[3]
        return self._add(
            _CODE.BATCH_MATMUL, [a, b], (*a.shape[:3], columns), BatchMatMulOptions, AdjY=transpose_b
        )

    def softmax(self, x: Node) -> Node:
        """Softmax over the last axis."""
        return self._add(_CODE.SOFTMAX, [x], x.shape, SoftmaxOptions, scale=1 / 256, zero=-128, Beta=1.0)

    def norm(self, x: Node) -> Node:
        """Layer norm over the last axis with gain and offset, in nine operators."""
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

    def gelu(self, x: Node) -> Node:
        """GELU by table; the compiler fuses it into a linear layer before it."""
        return self._add(_CODE.GELU, [x], x.shape, GeluOptions, scale=0.04)

    def add(self, a: Node, b: Node) -> Node:
        """Sum of two tensors of equal shape."""
        return self._add(_CODE.ADD, [a, b], a.shape, AddOptions, scale=_SUM_SCALE)

    def add_constant(self, x: Node) -> Node:
        """Sum of a tensor and a trained tensor of the same shape."""
        trained = self._constant(np.resize(_gaussian(), x.shape), scale=_SCALE)
        return self._add(_CODE.ADD, [x, trained], x.shape, AddOptions, scale=_SUM_SCALE)

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
        return _serialised(self._tensors, self._operators, self._inputs, [node.index for node in outputs])

    def _tensor(
        self,
        shape: Sequence[int],
        *,
        scale: float = _SCALE,
        zero: int = 0,
        data: Int8Array | Int32Array | None = None,
    ) -> Node:
        self._tensors.append(_TensorRecord(tuple(shape), scale, zero, data))
        return Node(len(self._tensors) - 1, tuple(shape))

    def _constant(self, data: Int8Array | Int32Array, *, scale: float = 1.0) -> Node:
        return self._tensor(data.shape, scale=scale, data=data)

    def _weights(self, *shape: int) -> Node:
        return self._constant(np.resize(_gaussian(), shape), scale=_WEIGHT_SCALE)

    def _bias(self, channels: int) -> Node:
        return self._constant(np.zeros(channels, np.int32), scale=_SCALE * _WEIGHT_SCALE)

    def _move(self, code: int, inputs: Sequence[Node], shape: Sequence[int], options: Any) -> Node:
        """An operator that only moves data; its output has the scale of its first input."""
        record = self._tensors[inputs[0].index]
        return self._add(code, inputs, shape, options, scale=record.scale, zero=record.zero_point)

    def _add(
        self,
        code: int,
        inputs: Sequence[Node],
        shape: Sequence[int],
        options: Any,
        *,
        scale: float = _SCALE,
        zero: int = 0,
        **fields: Any,
    ) -> Node:
        output = self._tensor(shape, scale=scale, zero=zero)
        kind = 0 if options is None else getattr(_OPTIONS, options.__name__.rpartition(".")[2])
        self._operators.append(
            _OperatorRecord(code, tuple(node.index for node in inputs), output.index, kind, options, fields)
        )
        self.owners.append(self.owner)
        return output


def _ceil(a: int, b: int) -> int:
    return -(-a // b)


def _same(height: int, width: int, kernel: int, stride: int) -> int:
    """Padding mode: none for windows that tile the map exactly, because padding has tighter limits."""
    tiles = kernel == stride and height % stride == 0 and width % stride == 0
    return int(Padding.Padding.VALID if tiles else Padding.Padding.SAME)


def _relu6(is_fused: bool) -> int:
    kinds = ActivationFunctionType.ActivationFunctionType
    return int(kinds.RELU6 if is_fused else kinds.NONE)


@cache
def _gaussian(count: int = 65_521) -> Int8Array:
    """Gaussian weights; their number is prime, so that repetitions never align with a shape."""
    drawn = np.random.default_rng(0).normal(0, _WEIGHT_SIGMA, count)
    return np.clip(np.round(drawn), -127, 127).astype(np.int8)


def _serialised(
    tensors: Sequence[_TensorRecord],
    operators: Sequence[_OperatorRecord],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> bytes:
    builder = flatbuffers.Builder(1 << 16)
    buffers = [_buffer(builder, b"")]  # empty buffer, shared by tensors without data
    places = []
    for tensor in tensors:
        if tensor.data is not None:
            buffers.append(_buffer(builder, tensor.data.tobytes()))
        places.append(len(buffers) - 1 if tensor.data is not None else 0)
    written = [
        _tensor(builder, number, tensor, place)
        for number, (tensor, place) in enumerate(zip(tensors, places, strict=True))
    ]
    codes = sorted({operator.code for operator in operators})
    written_codes = [_operator_code(builder, code) for code in codes]
    written_operators = [_operator(builder, operator, codes.index(operator.code)) for operator in operators]
    tensor_vector = _vector(builder, SubGraph.StartTensorsVector, written)
    input_vector, output_vector = _integers(builder, inputs), _integers(builder, outputs)
    operator_vector = _vector(builder, SubGraph.StartOperatorsVector, written_operators)
    name = builder.CreateString("main")
    SubGraph.Start(builder)
    SubGraph.AddTensors(builder, tensor_vector)
    SubGraph.AddInputs(builder, input_vector)
    SubGraph.AddOutputs(builder, output_vector)
    SubGraph.AddOperators(builder, operator_vector)
    SubGraph.AddName(builder, name)
    subgraph = SubGraph.End(builder)
    code_vector = _vector(builder, Model.StartOperatorCodesVector, written_codes)
    subgraph_vector = _vector(builder, Model.StartSubgraphsVector, [subgraph])
    buffer_vector = _vector(builder, Model.StartBuffersVector, buffers)
    Model.Start(builder)
    Model.AddVersion(builder, _FORMAT_VERSION)
    Model.AddOperatorCodes(builder, code_vector)
    Model.AddSubgraphs(builder, subgraph_vector)
    Model.AddBuffers(builder, buffer_vector)
    builder.Finish(Model.End(builder), b"TFL3")
    return bytes(builder.Output())


def _vector(builder: Any, start: Callable[[Any, int], Any], offsets: Sequence[int]) -> int:
    start(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _integers(builder: Any, values: Sequence[int]) -> int:
    return int(builder.CreateNumpyVector(np.array(values, dtype=np.int32)))


def _buffer(builder: Any, data: bytes) -> int:
    vector = builder.CreateNumpyVector(np.frombuffer(data, dtype=np.uint8)) if data else None
    Buffer.Start(builder)
    if vector is not None:
        Buffer.AddData(builder, vector)
    return int(Buffer.End(builder))


def _tensor(builder: Any, number: int, tensor: _TensorRecord, buffer: int) -> int:
    name, shape = builder.CreateString(f"t{number}"), _integers(builder, tensor.shape)
    scale = builder.CreateNumpyVector(np.array([tensor.scale], dtype=np.float32))
    zero_point = builder.CreateNumpyVector(np.array([tensor.zero_point], dtype=np.int64))
    QuantizationParameters.Start(builder)
    QuantizationParameters.AddScale(builder, scale)
    QuantizationParameters.AddZeroPoint(builder, zero_point)
    quantization = QuantizationParameters.End(builder)
    is_int32 = tensor.data is not None and tensor.data.dtype == np.int32
    Tensor.Start(builder)
    Tensor.AddShape(builder, shape)
    Tensor.AddType(builder, _INT32 if is_int32 else _INT8)
    Tensor.AddBuffer(builder, buffer)
    Tensor.AddName(builder, name)
    Tensor.AddQuantization(builder, quantization)
    return int(Tensor.End(builder))


def _operator_code(builder: Any, code: int) -> int:
    OperatorCode.Start(builder)
    OperatorCode.AddDeprecatedBuiltinCode(builder, min(code, _LARGEST_OLD_CODE))
    OperatorCode.AddBuiltinCode(builder, code)
    OperatorCode.AddVersion(builder, 1)
    return int(OperatorCode.End(builder))


def _operator(builder: Any, operator: _OperatorRecord, code: int) -> int:
    inputs, outputs = _integers(builder, operator.inputs), _integers(builder, [operator.output])
    options = None
    if operator.options is not None:
        operator.options.Start(builder)
        for name, value in operator.fields.items():
            getattr(operator.options, f"Add{name}")(builder, value)
        options = operator.options.End(builder)
    Operator.Start(builder)
    Operator.AddOpcodeIndex(builder, code)
    Operator.AddInputs(builder, inputs)
    Operator.AddOutputs(builder, outputs)
    if options is not None:
        Operator.AddBuiltinOptionsType(builder, operator.options_type)
        Operator.AddBuiltinOptions(builder, options)
    return int(Operator.End(builder))
