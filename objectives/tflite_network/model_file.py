"""Content of a TensorFlow Lite file: tensors and operators of its one subgraph.

The classes of the file format come with Arm's compiler (`ethosu.vela.tflite`, Apache-2.0), as for the writer
`hardware/vela_compiler/tflite.py`.
"""

from __future__ import annotations

import importlib
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from objectives.hardware.vela_compiler.vela import PACKAGE
from search_space.errors import H4HError
from search_space.files.regular_file import file_problem

IDENTIFIER = b"TFL3"
CUSTOM = "CUSTOM"
_FORMATS = "ethosu.vela.tflite"
_LARGEST_FILE = 1 << 30
_DAMAGED = (
    *(struct.error, IndexError, KeyError, ValueError, TypeError, OverflowError, AttributeError),
    *(UnicodeDecodeError, MemoryError),
)
"""What the classes of the file format raise on bytes that do not fit together."""


class TfliteError(H4HError):
    """A file that is no TensorFlow Lite model, or one that cannot be costed."""


@dataclass(frozen=True)
class Tensor:
    """A tensor.

    Attributes:
        name: Name in the file.
        shape: Shape; empty for a scalar.
        type: Type of its elements, e.g. ``INT8``.
        data: Bytes of a constant; empty for an activation.
        scale: Scale and zero point of the whole tensor; empty if it has none, or one for each channel.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    data: bytes
    scale: tuple[float, ...] = ()

    def integers(self) -> list[int]:
        """Elements of a constant of 32-bit integers, such as axes or paddings."""
        return np.frombuffer(self.data, dtype="<i4").tolist() if self.type == "INT32" else []


@dataclass(frozen=True)
class Operator:
    """An operator.

    Attributes:
        name: Name of the operator, e.g. ``CONV_2D``; of a custom one ``CUSTOM name``.
        inputs: Indices of tensors; -1 for one that is left out.
        outputs: Indices of tensors.
        options: Its options by name, as far as `OPTIONS` lists them.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class TfliteModel:
    """A model file.

    Attributes:
        content: Its bytes; signatures of shapes have fixed sides, about which the compiler prints lines.
        tensors: All tensors.
        operators: All operators in the order of execution.
        inputs: Indices of the tensors that the network reads.
        outputs: Indices of the tensors that it returns.
    """

    content: bytes
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


_WINDOW = ("Padding", "StrideH", "StrideW")
_DILATION = ("DilationHFactor", "DilationWFactor")
OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "CONV_2D": ("Conv2DOptions", (*_WINDOW, *_DILATION, "FusedActivationFunction")),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", (*_WINDOW, *_DILATION)),
    "AVERAGE_POOL_2D": ("Pool2DOptions", (*_WINDOW, "FilterHeight", "FilterWidth")),
    "MAX_POOL_2D": ("Pool2DOptions", (*_WINDOW, "FilterHeight", "FilterWidth")),
    "CONCATENATION": ("ConcatenationOptions", ("Axis",)),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", ("AlignCorners", "HalfPixelCenters")),
    "BATCH_MATMUL": ("BatchMatMulOptions", ("AdjX", "AdjY")),
}
"""Class and fields of the options that decide costs, by operator."""


def read_model(path: Path) -> TfliteModel:
    """Reads a TensorFlow Lite file.

    Raises:
        TfliteError: It cannot be read, is no such file, or is damaged.
    """
    content = _content(path)
    if not content:
        raise TfliteError(f"{path}: the file is empty; give a TensorFlow Lite model (.tflite)")
    if content[4:8] != IDENTIFIER:
        raise TfliteError(
            f"{path}: is no TensorFlow Lite model: its bytes 4 to 8 are not {IDENTIFIER.decode()}"
        )
    try:
        return _model(path, content)
    except _DAMAGED as error:
        raise TfliteError(f"{path}: the TensorFlow Lite model is damaged ({error!r:.80})") from error


def _content(path: Path) -> bytes:
    try:
        if problem := file_problem(path):
            raise TfliteError(f"{path}: {problem}; give a TensorFlow Lite model (.tflite)")
        if path.stat().st_size > _LARGEST_FILE:
            raise TfliteError(f"{path}: is larger than {_LARGEST_FILE >> 30} GiB, which no such NPU runs")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise TfliteError(f"{path}: cannot be read ({getattr(error, 'strerror', error)})") from error


def _model(path: Path, content: bytes) -> TfliteModel:
    fixed = bytearray(content)
    file = _table("Model").GetRootAs(fixed, 0)
    if file.SubgraphsLength() != 1:
        raise TfliteError(f"{path}: has {file.SubgraphsLength()} subgraphs, but only one can be costed")
    graph = file.Subgraphs(0)
    # A damaged length would keep the loops below busy for hours.
    for count in (graph.TensorsLength(), graph.OperatorsLength(), file.OperatorCodesLength()):
        if count > len(content):
            raise TfliteError(f"{path}: the TensorFlow Lite model is damaged (a list of {count} entries)")
    tensors = tuple(_tensor(file, graph.Tensors(index)) for index in range(graph.TensorsLength()))
    names = [_operator_name(path, file.OperatorCodes(index)) for index in range(file.OperatorCodesLength())]
    operators = tuple(
        _operator(graph.Operators(index), names, len(tensors)) for index in range(graph.OperatorsLength())
    )
    if not operators:
        raise TfliteError(f"{path}: the TensorFlow Lite model has no operators")
    inputs, outputs = (
        _indices(vector, len(tensors)) for vector in (graph.InputsAsNumpy(), graph.OutputsAsNumpy())
    )
    for index, tensor in enumerate(tensors):
        signature = graph.Tensors(index).ShapeSignatureAsNumpy()
        if not isinstance(signature, int) and len(signature) == len(tensor.shape):
            signature[:] = tensor.shape
    return TfliteModel(bytes(fixed), tensors, operators, inputs, outputs)


def _tensor(file: Any, tensor: Any) -> Tensor:
    buffer = file.Buffers(tensor.Buffer())
    data = buffer.DataAsNumpy().tobytes() if buffer is not None and buffer.DataLength() else b""
    shape = tensor.ShapeAsNumpy().tolist() if tensor.ShapeLength() else []
    name = (tensor.Name() or b"").decode(errors="replace")
    scale: tuple[float, ...] = ()
    grid = tensor.Quantization()
    if grid is not None and grid.ScaleLength() == 1 and grid.ZeroPointLength() == 1:
        scale = (float(grid.Scale(0)), float(grid.ZeroPoint(0)))
    return Tensor(name, tuple(shape), _names("TensorType")[tensor.Type()], data, scale)


def _operator_name(path: Path, code: Any) -> str:
    number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
    known = _names("BuiltinOperator")
    if number not in known:
        raise TfliteError(
            f"{path}: has an operator with the unknown code {number}; known are 0 to {max(known)}"
        )
    if known[number] == CUSTOM:
        return f"{CUSTOM} {(code.CustomCode() or b'?').decode(errors='replace')}"
    return known[number]


def _operator(operator: Any, names: list[str], tensors: int) -> Operator:
    name = names[operator.OpcodeIndex()]
    options: dict[str, Any] = {}
    if name in OPTIONS:
        kind, fields = OPTIONS[name]
        table, parsed = operator.BuiltinOptions(), _table(kind)()
        if table is not None:
            parsed.Init(table.Bytes, table.Pos)
            options = {field: getattr(parsed, field)() for field in fields}
    inputs, outputs = (
        _indices(vector, tensors) for vector in (operator.InputsAsNumpy(), operator.OutputsAsNumpy())
    )
    return Operator(name, inputs, outputs, options)


def _indices(vector: Any, tensors: int) -> tuple[int, ...]:
    """Indices of tensors; the classes of the format return 0 for an absent list."""
    indices = () if isinstance(vector, int) else tuple(vector.tolist())
    if not all(-1 <= index < tensors for index in indices):
        raise ValueError(f"tensors {indices} of {tensors}")
    return indices


@cache
def _table(name: str) -> Any:
    try:
        return getattr(importlib.import_module(f"{_FORMATS}.{name}"), name)
    except ImportError as error:
        raise TfliteError(
            f"reading a TensorFlow Lite model needs the package {PACKAGE}, which is not installed; run "
            f"pip install {PACKAGE}"
        ) from error


@cache
def _names(enumeration: str) -> dict[int, str]:
    return {value: name for name, value in vars(_table(enumeration)).items() if isinstance(value, int)}
