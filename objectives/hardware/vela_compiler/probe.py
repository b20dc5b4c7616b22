"""Networks around single ops, which Arm's compiler costs like layers inside a network."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from objectives.hardware.npu_passes.lowering import IMAGE_CHANNELS
from objectives.hardware.op import Op
from objectives.hardware.vela_compiler.vela import IN_PLACE, VelaError, VelaTarget, compiled

if TYPE_CHECKING:
    from objectives.hardware.vela_compiler.tflite import Graph, Node

PROBE_VERSION = "2"
"""Version of `probe`; changes whenever it builds another network for an op."""
_EDGE_CHANNELS = 16


class CompiledOp(NamedTuple):
    """What the compiler reports of an op: cycles, bytes of activations moved, bytes of weights read."""

    cycles: int
    traffic: int
    weights: int


def compiled_ops(ops: Sequence[Op], target: VelaTarget, options: str = IN_PLACE) -> list[CompiledOp]:
    """Costs of each op between two 1x1 convolutions or linear layers, compiled together.

    Raises:
        VelaError: An op cannot be compiled.
    """
    # It imports the compiler's package, which may be missing.
    from objectives.hardware.vela_compiler.tflite import Graph

    graph = Graph()
    outputs: list[Node] = []
    for number, op in enumerate(ops):
        outputs += probe(graph, op, owner=number)
    try:
        report = compiled(graph, outputs, target, options)
    except VelaError as error:
        raise VelaError(f"{', '.join(f'{op.kind} {op.shape}' for op in ops)}: {error}") from error
    return [
        CompiledOp(report.cycles[number], report.traffic[number], report.weights[number])
        for number in range(len(ops))
    ]


def op_cycles(ops: Sequence[Op], target: VelaTarget, options: str = IN_PLACE) -> list[int]:
    """Cycles of each op, see `compiled_ops`."""
    return [op.cycles for op in compiled_ops(ops, target, options)]


def probe(graph: Graph, op: Op, owner: Hashable) -> list[Node]:
    """Adds `op` to `graph`, between layers without an owner that give it the formats inside a network.

    Returns:
        Outputs to add to those of the graph.
    """
    graph.owner = None
    outputs: list[Node] = []
    match op.kind:
        case "linear":
            # Sums around it keep the tokens in a row, as residuals and norms do in a network.
            x = graph.linear(graph.input(op.height * op.width, _EDGE_CHANNELS), op.in_channels)
            x = graph.add_constant(x)
            graph.owner = owner
            x = graph.linear(x, op.out_channels)
            x = graph.gelu(x) if op.fused_gelu else x
            graph.owner = None
            x = x if op.fused_gelu else graph.add_constant(x)
        case "matmul" if op.in_channels == op.height != op.out_channels:
            x = _attend(graph, op, owner)
        case "matmul":
            x = _scores(graph, op, owner, outputs)
        case "softmax":
            x = graph.input(1, op.heads, op.height, _EDGE_CHANNELS)
            x = graph.conv2d(x, op.out_channels)
            graph.owner = owner
            x = graph.softmax(x)
        case "norm":
            # The compiler reduces over channels only where the rows form one axis.
            tokens = op.height * op.width
            x = graph.linear(graph.input(tokens, _EDGE_CHANNELS), op.out_channels)
            graph.owner = owner
            x = graph.norm(x)
        case "activation":
            source = graph.input(1, op.height, op.width, _EDGE_CHANNELS)
            before = graph.conv2d(source, op.out_channels)
            # A second reader prevents the compiler from fusing the table into the layer before.
            outputs.append(graph.conv2d(before, _EDGE_CHANNELS))
            graph.owner = owner
            x = graph.gelu(before)
        case "add" if op.width == 1:
            source = graph.input(op.height, _EDGE_CHANNELS)
            x, second = graph.linear(source, op.in_channels), graph.linear(source, op.in_channels)
            graph.owner = owner
            x = graph.add(x, second)
        case "conv2d" if op.in_channels <= IMAGE_CHANNELS:
            source = graph.input(1, op.height, op.width, op.in_channels)
            graph.owner = owner
            x = _windowed(graph, op, source)
        case "copy":
            source = graph.input(1, op.height, op.width, _EDGE_CHANNELS)
            x = graph.conv2d(source, op.in_channels)
            # A second reader prevents the compiler from writing the map into the larger one at once.
            outputs.append(graph.conv2d(x, _EDGE_CHANNELS))
            other = graph.conv2d(source, _EDGE_CHANNELS)
            graph.owner = owner
            x = graph.concatenate([x, other])
        case _:
            source = graph.input(1, op.height, op.width, _EDGE_CHANNELS)
            x = graph.conv2d(source, op.in_channels)
            second = graph.conv2d(source, op.in_channels) if op.kind in ("add", "mul") else x
            graph.owner = owner
            x = _middle(graph, op, x, second)
    graph.owner = None
    last = graph.linear(x, _EDGE_CHANNELS) if len(x.shape) == 2 else graph.conv2d(x, _EDGE_CHANNELS)
    return [*outputs, last]


def _middle(graph: Graph, op: Op, x: Node, second: Node) -> Node:
    rows, columns = op.out_size
    match op.kind:
        case "add":
            return graph.add(x, second)
        case "mul":
            return graph.mul(x, second)
        case "mean":
            return graph.mean(x)
        case "bilinear":
            return graph.resize(x, rows, columns, bilinear=True)
        case "resize":
            return graph.resize(x, rows, columns, bilinear=op.kernel > 1, half_pixel=op.kernel == 1)
        case "pad":
            above, left = (rows - op.height) // 2, (columns - op.width) // 2
            return graph.pad(x, above, rows - op.height - above, left, columns - op.width - left)
    return _windowed(graph, op, x)


def _windowed(graph: Graph, op: Op, x: Node) -> Node:
    """A layer with a window, padded as far as its output needs it."""
    is_same = op.out_height == op.out_width == 0
    sides = zip(op.out_size, op.window, (op.height, op.width), strict=True)
    needed = [max((out - 1) * op.stride + window - size, 0) for out, window, size in sides]
    if not is_same and any(needed):
        above, left = needed[0] // 2, needed[1] // 2
        x = graph.pad(x, above, needed[0] - above, left, needed[1] - left)
    match op.kind:
        case "conv2d":
            return graph.conv2d(x, op.out_channels, kernel=op.window, stride=op.stride, valid=not is_same)
        case "depthwise" | "depth_multiplier":
            return graph.depthwise(
                x,
                kernel=op.window,
                stride=op.stride,
                valid=not is_same,
                multiplier=op.out_channels // op.in_channels,
            )
        case "pool" | "max_pool":
            return graph.pool(
                x, kernel=op.window, stride=op.stride, valid=not is_same, maximum=op.kind == "max_pool"
            )
    raise AssertionError(op.kind)


def _scores(graph: Graph, op: Op, owner: Hashable, outputs: list[Node]) -> Node:
    """QK^T of a joint projection, transposed to heads and cut into Q, K and V; V goes on transposed."""
    if op.out_channels != op.height:
        source, other = graph.input(op.height, _EDGE_CHANNELS), graph.input(op.out_channels, _EDGE_CHANNELS)
        queries, keys = (graph.linear(x, op.heads * op.in_channels) for x in (source, other))
        graph.owner = owner
        return graph.matmul(
            heads_first(graph, queries, op.heads), heads_first(graph, keys, op.heads), transpose_b=True
        )
    joint = graph.linear(graph.input(op.height, _EDGE_CHANNELS), 3 * op.heads * op.in_channels)
    graph.owner = owner
    queries, keys, values = graph.split_heads(heads_first(graph, joint, 3 * op.heads), 3)
    scores = graph.matmul(queries, keys, transpose_b=True)
    graph.owner = None
    outputs.append(graph.conv2d(graph.transpose(values, 0, 1, 3, 2), _EDGE_CHANNELS))
    return scores


def _attend(graph: Graph, op: Op, owner: Hashable) -> Node:
    """AV: V comes transposed to heads, as part of QK^T; the result is transposed back to tokens."""
    attention = graph.conv2d(graph.input(1, op.heads, op.height, _EDGE_CHANNELS), op.in_channels)
    values = graph.linear(graph.input(op.in_channels, _EDGE_CHANNELS), op.heads * op.out_channels)
    values = heads_first(graph, values, op.heads)
    graph.owner = owner
    return tokens_first(graph, graph.matmul(attention, values))


def heads_first(graph: Graph, x: Node, heads: int) -> Node:
    """(n, heads * d) -> (1, heads, n, d)."""
    tokens, channels = x.shape
    x = graph.reshape(x, 1, tokens, heads, channels // heads)
    return graph.transpose(x, 0, 2, 1, 3)


def tokens_first(graph: Graph, x: Node) -> Node:
    """(1, heads, n, d) -> (n, heads * d)."""
    _, heads, tokens, width = x.shape
    return graph.reshape(graph.transpose(x, 0, 2, 1, 3), tokens, heads * width)
