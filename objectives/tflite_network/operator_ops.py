"""Ops of the cost model for an operator of a TensorFlow Lite file.

| operator | ops |
|---|---|
| convolutions, linear layers, means, maxima, softmax, tables | one |
| sums and products of two maps | one |
| concatenation | one copy for each input |
| padding before a window without padding | none: the window pads |
| other padding | one copy |
| other shapes of the same elements | none |
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from objectives.hardware.op import InvalidOpError, Op
from objectives.tflite_network.model_file import Operator, Tensor, TfliteModel
from search_space.errors import H4HError

INTEGERS = ("INT8", "UINT8")
"""Types of activations that the NPU computes with."""
ALIASES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
"""Operators whose output is their input in another shape."""
_TABLES = (
    *("RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU", "GELU", "ELU"),
    *("EXP", "RSQRT", "QUANTIZE"),
)
"""Functions of one element."""


class InexpressibleError(H4HError):
    """An operator that the cost model has no op for; the message is the reason."""


def ops_of_operator(model: TfliteModel, operator: Operator, unpadded: dict[int, int]) -> tuple[Op, ...]:
    """The ops of `operator`.

    Args:
        model: The file.
        operator: One of its operators.
        unpadded: Tensors that are padded by the window that reads them, with the tensor before the padding.

    Raises:
        InexpressibleError: The cost model has no such op.
    """
    if operator.name in ALIASES:
        return ()
    build = _BUILDERS.get(operator.name)
    if build is None:
        raise InexpressibleError("the cost model has no such op")
    tensors = [model.tensors[unpadded.get(index, index)] for index in operator.inputs if index >= 0]
    outputs = [model.tensors[index] for index in operator.outputs]
    if not tensors or len(outputs) != 1:
        raise InexpressibleError(f"it has {len(tensors)} inputs and {len(outputs)} outputs")
    _check_types(operator, [tensor for tensor in (*tensors, *outputs) if not tensor.data])
    try:
        return build(operator, tensors, outputs[0])
    except InvalidOpError as error:
        raise InexpressibleError(str(error)) from error


def _check_types(operator: Operator, activations: list[Tensor]) -> None:
    for tensor in activations:
        if tensor.type not in INTEGERS:
            raise InexpressibleError(f"it computes with {tensor.type.lower()}, and the NPU runs int8")
    if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED") and not activations:
        raise InexpressibleError("its input is a constant")


def _map(tensor: Tensor) -> tuple[int, int, int]:
    """Height, width and channels; rows of a matrix are the height, as in `Op`."""
    shape = tensor.shape
    if len(shape) == 4:
        if shape[0] != 1:
            raise InexpressibleError(f"its batch is {shape[0]}, and must be 1")
        return shape[1], shape[2], shape[3]
    if not shape:
        return 1, 1, 1
    return prod(shape[:-1]), 1, shape[-1]


def _image(tensor: Tensor) -> tuple[int, int, int]:
    if len(tensor.shape) != 4:
        raise InexpressibleError(f"its input has {len(tensor.shape)} dimensions instead of 4")
    return _map(tensor)


def _stride(operator: Operator, out: tuple[int, int, int]) -> int:
    """Step of the window; along a side of one output it does not matter."""
    high, wide = operator.options.get("StrideH", 1), operator.options.get("StrideW", 1)
    if out[0] == 1 or out[1] == 1:
        return int(wide if out[0] == 1 else high) if out[:2] != (1, 1) else 1
    if high != wide:
        raise InexpressibleError(f"its stride is {high}x{wide}, and must be the same in both directions")
    return int(high)


def _windowed(
    kind: str, operator: Operator, x: Tensor, y: Tensor, window: tuple[int, int], in_channels: int
) -> Op:
    for name, side in zip(("DilationHFactor", "DilationWFactor"), window, strict=True):
        if side > 1 and operator.options.get(name, 1) > 1:
            raise InexpressibleError("its window is dilated")
    height, width, _ = _image(x)
    out = _image(y)
    return Op(
        kind, height, width, in_channels, out[2], window[0], _stride(operator, out),
        kernel_width=window[1], out_height=out[0], out_width=out[1],
    )  # fmt: skip


def _constant(tensors: list[Tensor], what: str, *, rank: int) -> Tensor:
    """The second input, a constant of `rank` dimensions."""
    if len(tensors) < 2 or not tensors[1].data:
        raise InexpressibleError(f"its {what} are no constant")
    if len(tensors[1].shape) != rank or not all(tensors[1].shape):
        raise InexpressibleError(f"its {what} have the shape {tensors[1].shape}")
    return tensors[1]


def _conv2d(operator: Operator, tensors: list[Tensor], y: Tensor) -> tuple[Op, ...]:
    weights = _constant(tensors, "weights", rank=4)
    _, high, wide, depth = weights.shape
    channels = _image(tensors[0])[2]
    if depth != channels:
        raise InexpressibleError(f"it has {channels // max(depth, 1)} groups of channels")
    return (_windowed("conv2d", operator, tensors[0], y, (high, wide), channels),)


def _depthwise(operator: Operator, tensors: list[Tensor], y: Tensor) -> tuple[Op, ...]:
    weights = _constant(tensors, "weights", rank=4)
    _, high, wide, out_channels = weights.shape
    channels = _image(tensors[0])[2]
    if channels == 1:  # a multiplier on one channel: an ordinary convolution
        return (_windowed("conv2d", operator, tensors[0], y, (high, wide), 1),)
    if out_channels != channels:
        raise InexpressibleError(f"its depth multiplier is {out_channels // channels} on {channels} channels")
    return (_windowed("depthwise", operator, tensors[0], y, (high, wide), channels),)


def _linear(operator: Operator, tensors: list[Tensor], y: Tensor) -> tuple[Op, ...]:  # noqa: ARG001
    weights = _constant(tensors, "weights", rank=2)
    out_channels, channels = weights.shape
    tokens = prod(tensors[0].shape) // channels
    return (Op("linear", tokens, 1, channels, out_channels),)


def _pool(kind: str) -> Callable[[Operator, list[Tensor], Tensor], tuple[Op, ...]]:
    def build(operator: Operator, tensors: list[Tensor], y: Tensor) -> tuple[Op, ...]:
        window = operator.options.get("FilterHeight", 1), operator.options.get("FilterWidth", 1)
        return (_windowed(kind, operator, tensors[0], y, window, _image(tensors[0])[2]),)

    return build


def _mean(operator: Operator, tensors: list[Tensor], y: Tensor) -> tuple[Op, ...]:  # noqa: ARG001
    height, width, channels = _image(tensors[0])
    axes = {axis % 4 for axis in _constant(tensors, "axes", rank=1).integers()}
    sides = {1: height, 2: width, 3: channels}
    reduced = {axis for axis in axes if sides.get(axis, 1) > 1}
    kept = {axis for axis in (1, 2) if sides[axis] > 1}
    if reduced != kept:
        raise InexpressibleError("it is a mean over other axes than height and width")
    return (Op("mean", height, width, channels, channels),)


def _elementwise(kind: str) -> Callable[[Operator, list[Tensor], Tensor], tuple[Op, ...]]:
    def build(operator: Operator, tensors: list[Tensor], y: Tensor) -> tuple[Op, ...]:  # noqa: ARG001
        height, width, channels = _map(y)
        return (Op(kind, height, width, channels, channels),)

    return build


def _softmax(operator: Operator, tensors: list[Tensor], y: Tensor) -> tuple[Op, ...]:  # noqa: ARG001
    columns = y.shape[-1]
    return (Op("softmax", prod(y.shape[:-1]), 1, columns, columns),)


def _resize(kernel: int) -> Callable[[Operator, list[Tensor], Tensor], tuple[Op, ...]]:
    def build(operator: Operator, tensors: list[Tensor], y: Tensor) -> tuple[Op, ...]:  # noqa: ARG001
        height, width, channels = _image(tensors[0])
        rows, columns, _ = _image(y)
        return (Op("resize", height, width, channels, channels, kernel, out_height=rows, out_width=columns),)

    return build


def _concatenation(operator: Operator, tensors: list[Tensor], y: Tensor) -> tuple[Op, ...]:  # noqa: ARG001
    shapes = [_map(x) for x in tensors]
    return tuple(Op("copy", height, width, channels, channels) for height, width, channels in shapes)


def _pad(operator: Operator, tensors: list[Tensor], y: Tensor) -> tuple[Op, ...]:  # noqa: ARG001
    height, width, channels = _image(tensors[0])
    rows, columns, out_channels = _image(y)
    return (Op("copy", height, width, channels, out_channels, out_height=rows, out_width=columns),)


_BUILDERS: dict[str, Callable[[Operator, list[Tensor], Tensor], tuple[Op, ...]]] = {
    "CONV_2D": _conv2d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _linear,
    "AVERAGE_POOL_2D": _pool("pool"),
    "MAX_POOL_2D": _pool("max_pool"),
    "MEAN": _mean,
    "ADD": _elementwise("add"),
    "SUB": _elementwise("add"),
    "MUL": _elementwise("mul"),
    "SOFTMAX": _softmax,
    "RESIZE_NEAREST_NEIGHBOR": _resize(1),
    "RESIZE_BILINEAR": _resize(2),
    "CONCATENATION": _concatenation,
    "PAD": _pad,
    "PADV2": _pad,
    **dict.fromkeys(_TABLES, _elementwise("activation")),
}
"""Ops of each operator, from the operator, its input tensors and its output tensor."""
