"""Ops of the cost model for an operator of a TensorFlow Lite file.

| operator | ops |
|---|---|
| convolutions, linear layers, means, maxima, softmax, tables | one |
| convolution with groups | one for each group, and a copy for its activation function |
| sums and products of two maps | one |
| concatenation | one copy for each input that its maker cannot write in place |
| padding | strips of zeros, and a copy where the maker cannot write in place; none where a window pads |
| other shapes of the same elements | none |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from objectives.hardware.npu_passes.live_memory import map_bytes, op_bytes
from objectives.hardware.npu_passes.lowering import IMAGE_CHANNELS
from objectives.hardware.op import InvalidOpError, Op
from objectives.tflite_network.data_flow import DataFlow
from objectives.tflite_network.model_file import Operator, Tensor, TfliteModel
from search_space.errors import H4HError

INTEGERS = ("INT8", "UINT8")
"""Types of activations that the NPU computes with."""
_TABLES = (
    *("RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU", "GELU", "ELU"),
    *("EXP", "RSQRT", "QUANTIZE"),
)
"""Functions of one element."""


_FACTORS = (2, 4, 8)
"""Factors by which the NPU resizes."""


class InexpressibleError(H4HError):
    """An operator that the cost model has no op for; the message is the reason."""


@dataclass(frozen=True)
class Call:
    """An operator with its tensors.

    Attributes:
        operator: The operator.
        inputs: Its inputs, before padding that its window does.
        output: Its output.
        is_in_place: Whether the maker of each input writes it straight into the output.
        room: Tensor in whose memory the output lies: itself, or one of which it is a part.
    """

    operator: Operator
    inputs: list[Tensor]
    output: Tensor
    is_in_place: tuple[bool, ...]
    room: Tensor


Build = Callable[[Call], tuple[Op, ...]]


def ops_of_operator(model: TfliteModel, flow: DataFlow, place: int) -> tuple[Op, ...]:
    """The ops of an operator.

    Args:
        model: The file.
        flow: Its data flow.
        place: Place of the operator.

    Raises:
        InexpressibleError: The cost model has no such op.
    """
    operator = model.operators[place]
    build = _BUILDERS.get(operator.name)
    if build is None:
        raise InexpressibleError("the cost model has no such op")
    indices = [flow.unpadded.get(index, index) for index in operator.inputs if index >= 0]
    inputs = [model.tensors[index] for index in indices]
    if not inputs or len(operator.outputs) != 1:
        raise InexpressibleError(f"it has {len(inputs)} inputs and {len(operator.outputs)} outputs")
    output = model.tensors[operator.outputs[0]]
    _check_types(operator, [tensor for tensor in (*inputs, output) if not tensor.data])
    is_in_place = tuple(flow.is_in_place(index, place) for index in indices)
    try:
        room = model.tensors[flow.room(model, operator.outputs[0])]
        return build(Call(operator, inputs, output, is_in_place, room))
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
    """Step of the window; along a side of one output it does not matter.

    Of two unequal steps the smaller decides how much of its input a block of the output shares with the next.
    The size of the output has the larger one.
    """
    high, wide = operator.options.get("StrideH", 1), operator.options.get("StrideW", 1)
    if out[0] == 1 or out[1] == 1:
        return int(wide if out[0] == 1 else high) if out[:2] != (1, 1) else 1
    return int(min(high, wide))


def _stuffed(side: int, dilation: int) -> int:
    """Side of the window that the NPU runs for a dilated one.

    It skips every second position by itself. For other distances the compiler puts zeros between the weights.
    """
    return (side - 1) * (dilation // 2 if dilation % 2 == 0 else dilation) + 1


def _windowed(kind: str, call: Call, window: tuple[int, int]) -> Op:
    """An op with a window."""
    options = call.operator.options
    high, wide = (
        _stuffed(side, options.get(name, 1))
        for name, side in zip(("DilationHFactor", "DilationWFactor"), window, strict=True)
    )
    height, width, channels = _image(call.inputs[0])
    out = _image(call.output)
    return Op(
        kind, height, width, channels, out[2], high, _stride(call.operator, out),
        kernel_width=wide, out_height=out[0], out_width=out[1],
    )  # fmt: skip


def _constant(call: Call, what: str, *, rank: int) -> Tensor:
    """The second input, a constant of `rank` dimensions."""
    if len(call.inputs) < 2 or not call.inputs[1].data:
        raise InexpressibleError(f"its {what} are no constant")
    constant = call.inputs[1]
    if len(constant.shape) != rank or not all(constant.shape):
        raise InexpressibleError(f"its {what} have the shape {constant.shape}")
    return constant


def _conv2d(call: Call) -> tuple[Op, ...]:
    _, high, wide, depth = _constant(call, "weights", rank=4).shape
    channels = _image(call.inputs[0])[2]
    whole = _windowed("conv2d", call, (high, wide))
    if depth == channels:
        return (whole,)
    groups = channels // depth
    if channels % depth or whole.out_channels % groups:
        raise InexpressibleError(f"its {channels} channels do not divide into groups of {depth}")
    if depth <= IMAGE_CHANNELS:
        raise InexpressibleError(
            f"it has groups of {depth} channels, and must have more than {IMAGE_CHANNELS}"
        )
    # The compiler runs a convolution for each group, on a slice of the map, and then the activation function.
    part = replace(whole, in_channels=depth, out_channels=whole.out_channels // groups)
    rows, columns = whole.out_size
    limits = Op("copy", rows, columns, whole.out_channels, whole.out_channels)
    return (*(part,) * groups, *((limits,) if call.operator.options.get("FusedActivationFunction") else ()))


def other_groups_bytes(ops: tuple[Op, ...]) -> int:
    """Bytes of the maps of the other groups that stay in memory while the convolution of one group runs.

    Args:
        ops: The ops of an operator.
    """
    parts = [op for op in ops if op.kind == "conv2d"]
    if len(parts) < 2:
        return 0
    rows, columns = parts[0].out_size
    maps = (parts[0].height, parts[0].width, parts[0].in_channels), (rows, columns, parts[0].out_channels)
    whole = sum(map_bytes(high, wide, len(parts) * channels, bricks=True) for high, wide, channels in maps)
    return whole - op_bytes(parts[0])


def _depthwise(call: Call) -> tuple[Op, ...]:
    _, high, wide, out_channels = _constant(call, "weights", rank=4).shape
    channels = _image(call.inputs[0])[2]
    # On one channel, a multiplier makes an ordinary convolution.
    kind = "conv2d" if channels == 1 else "depthwise" if out_channels == channels else "depth_multiplier"
    return (_windowed(kind, call, (high, wide)),)


def _linear(call: Call) -> tuple[Op, ...]:
    out_channels, channels = _constant(call, "weights", rank=2).shape
    return (Op("linear", prod(call.inputs[0].shape) // channels, 1, channels, out_channels),)


def _pool(kind: str) -> Build:
    def build(call: Call) -> tuple[Op, ...]:
        options = call.operator.options
        return (_windowed(kind, call, (options.get("FilterHeight", 1), options.get("FilterWidth", 1))),)

    return build


def _mean(call: Call) -> tuple[Op, ...]:
    height, width, channels = _image(call.inputs[0])
    axes = {axis % 4 for axis in _constant(call, "axes", rank=1).integers()}
    sides = {1: height, 2: width, 3: channels}
    reduced = {axis for axis in axes if sides.get(axis, 1) > 1}
    if reduced != {axis for axis in (1, 2) if sides[axis] > 1}:
        raise InexpressibleError("it is a mean over other axes than height and width")
    return (Op("mean", height, width, channels, channels),)


def _elementwise(kind: str) -> Build:
    def build(call: Call) -> tuple[Op, ...]:
        height, width, channels = _map(call.output)
        return (Op(kind, height, width, channels, channels),)

    return build


def _softmax(call: Call) -> tuple[Op, ...]:
    shape = call.output.shape
    heads = shape[1] if len(shape) == 4 and shape[0] == 1 else 1
    return (Op("softmax", prod(shape[:-1]) // heads, 1, shape[-1], shape[-1], heads=heads),)


def _resize_factor(call: Call) -> int:
    """Factor of height and width."""
    (height, width, _), (rows, columns, _) = _image(call.inputs[0]), _image(call.output)
    for factor in _FACTORS:
        if (rows, columns) == (factor * height, factor * width):
            return factor
    known = ", ".join(map(str, _FACTORS))
    raise InexpressibleError(f"it resizes {height}x{width} to {rows}x{columns}, and the NPU does by {known}")


def _nearest(call: Call) -> tuple[Op, ...]:
    _resize_factor(call)
    return (_resized(call, kernel=1),)


def _bilinear(call: Call) -> tuple[Op, ...]:
    options = call.operator.options
    if options.get("AlignCorners", False):
        raise InexpressibleError("its corners are aligned")
    factor = _resize_factor(call)
    if not options.get("HalfPixelCenters", False):
        return (_resized(call, kernel=factor),)
    if factor != 2:
        raise InexpressibleError(f"it multiplies both sides by {factor}, and the NPU does by 2")
    height, width, channels = _image(call.inputs[0])
    rows, columns, _ = _image(call.output)
    room = _image(call.room)[2]
    return (Op("bilinear", height, width, channels, room, out_height=rows, out_width=columns),)


def _resized(call: Call, *, kernel: int) -> Op:
    height, width, channels = _image(call.inputs[0])
    rows, columns, _ = _image(call.output)
    return Op("resize", height, width, channels, channels, kernel, out_height=rows, out_width=columns)


def _concatenation(call: Call) -> tuple[Op, ...]:
    copied = [
        _map(x) for x, is_in_place in zip(call.inputs, call.is_in_place, strict=True) if not is_in_place
    ]
    return tuple(Op("copy", height, width, channels, channels) for height, width, channels in copied)


def _pad(call: Call) -> tuple[Op, ...]:
    height, width, channels = _image(call.inputs[0])
    rows, columns, out_channels = _image(call.output)
    padding = Op("pad", height, width, channels, out_channels, out_height=rows, out_width=columns)
    if call.is_in_place[0]:
        return (padding,)
    return (Op("copy", height, width, channels, channels), padding)


_BUILDERS: dict[str, Build] = {
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
    "RESIZE_NEAREST_NEIGHBOR": _nearest,
    "RESIZE_BILINEAR": _bilinear,
    "CONCATENATION": _concatenation,
    "PAD": _pad,
    "PADV2": _pad,
    **dict.fromkeys(_TABLES, _elementwise("activation")),
}
"""Ops of each operator."""
