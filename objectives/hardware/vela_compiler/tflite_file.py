"""Serialisation of a graph as a TensorFlow Lite file, with the classes of the format from Arm's compiler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ethosu.vela.tflite import (
    Buffer,
    Model,
    Operator,
    OperatorCode,
    QuantizationParameters,
    SubGraph,
    Tensor,
    TensorType,
)

Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]

_INT8 = TensorType.TensorType.INT8
_INT32 = TensorType.TensorType.INT32
_FORMAT_VERSION = 3
_LARGEST_OLD_CODE = 127
"""Largest operator code that fits the field of older readers."""


@dataclass(frozen=True)
class TensorRecord:
    """A tensor: shape, scale, zero point, and data of a constant.

    A weight may have a scale for each place along `axis`.
    """

    shape: tuple[int, ...]
    scale: float | Float32Array
    zero_point: int
    data: Int8Array | Int32Array | None
    axis: int = 0


@dataclass(frozen=True)
class OperatorRecord:
    """An operator: code, tensors, and options with their type and fields."""

    code: int
    inputs: tuple[int, ...]
    output: int
    options_type: int
    options: Any
    fields: dict[str, Any]


def serialised(
    tensors: Sequence[TensorRecord],
    operators: Sequence[OperatorRecord],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> bytes:
    """Bytes of a model file with one subgraph."""
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


def _tensor(builder: Any, number: int, tensor: TensorRecord, buffer: int) -> int:
    name, shape = builder.CreateString(f"t{number}"), _integers(builder, tensor.shape)
    scales = np.atleast_1d(np.asarray(tensor.scale, dtype=np.float32))
    scale = builder.CreateNumpyVector(scales)
    zero_point = builder.CreateNumpyVector(np.full(len(scales), tensor.zero_point, dtype=np.int64))
    QuantizationParameters.Start(builder)
    QuantizationParameters.AddScale(builder, scale)
    QuantizationParameters.AddZeroPoint(builder, zero_point)
    if len(scales) > 1:
        QuantizationParameters.AddQuantizedDimension(builder, tensor.axis)
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


def _operator(builder: Any, operator: OperatorRecord, code: int) -> int:
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
