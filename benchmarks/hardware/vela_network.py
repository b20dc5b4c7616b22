"""Whole subnets compiled by Arm's compiler: cycles of each step of the workload.

The layers are those of `objectives.workload`, connected as in the network: residual sums, a joint q/k/v
projection whose result is transposed to heads and cut into q, k and v, and GELU fused into the layer before
it.
"""

from __future__ import annotations

from collections.abc import Hashable

from objectives.hardware.parts.npu import Npu
from objectives.hardware.vela_compiler.probe import heads_first, tokens_first
from objectives.hardware.vela_compiler.tflite import Graph, Node
from objectives.hardware.vela_compiler.vela import Compiled, compiled, compiler_options, system_configuration
from search_space.subnet import LAYER_NORM, MBConv, PatchMerging, Subnet, ViTBlock

IMAGE_CHANNELS = 3


def network_cycles(subnet: Subnet, npu: Npu) -> dict[Hashable, int]:
    """Cycles of each step of `subnet` by its name in the workload."""
    return compiled_network(subnet, npu).cycles


def compiled_network(subnet: Subnet, npu: Npu, options: str | None = None) -> Compiled:
    """The compiler's report of `subnet`; owners of layers are the names of the workload's steps.

    Args:
        subnet: The network.
        npu: The device.
        options: Options of the compiler; by default those under which it costs single ops.
    """
    graph = Graph()
    output = _network(graph, subnet)
    return compiled(graph, [output], system_configuration(npu), options or compiler_options(npu))


def model_of(subnet: Subnet) -> bytes:
    """Content of a TensorFlow Lite file of `subnet`."""
    graph = Graph()
    return graph.model([_network(graph, subnet)])


def _network(graph: Graph, subnet: Subnet) -> Node:
    stem = subnet.stem
    graph.owner = "stem"
    x = graph.input(1, subnet.resolution, subnet.resolution, IMAGE_CHANNELS)
    x = graph.conv2d(x, stem.width, kernel=stem.kernel, stride=stem.stride, relu6=True)
    for number, stage in enumerate(subnet.stages, start=1):
        prefix = f"stage{number}"
        x = _convolution(graph, f"{prefix}.downsampling", stage.downsampling, x)
        for index, conv in enumerate(stage.conv_blocks, start=1):
            x = _convolution(graph, f"{prefix}.conv{index}", conv, x)
        if stage.vit_blocks:
            x = _transformer(graph, prefix, stage.vit_blocks, x)
    graph.owner = "head.conv"
    x = graph.conv2d(x, subnet.head.width, relu6=True)
    graph.owner = "head.pool"
    x = graph.pool(x, kernel=x.shape[1], stride=x.shape[1])
    graph.owner = "head.classifier"
    return graph.linear(graph.reshape(x, 1, subnet.head.width), subnet.head.classes)


def _convolution(graph: Graph, prefix: str, part: MBConv | PatchMerging, x: Node) -> Node:
    if isinstance(part, PatchMerging):
        graph.owner = prefix
        return graph.conv2d(x, part.width, kernel=part.kernel, stride=part.stride)
    residual = x
    if part.expansion > 1:
        graph.owner = f"{prefix}.expand"
        x = graph.conv2d(x, part.hidden_width, relu6=True)
    graph.owner = f"{prefix}.depthwise"
    x = graph.depthwise(x, kernel=part.kernel, stride=part.stride, relu6=True)
    graph.owner = f"{prefix}.project"
    x = graph.conv2d(x, part.width)
    if part.has_residual:
        graph.owner = f"{prefix}.add"
        x = graph.add(residual, x)
    return x


def _transformer(graph: Graph, prefix: str, blocks: tuple[ViTBlock, ...], x: Node) -> Node:
    _, height, width, channels = x.shape
    graph.owner = f"{prefix}.position_embedding"
    x = graph.add_constant(graph.reshape(x, height * width, channels))
    for number, block in enumerate(blocks, start=1):
        x = _vit(graph, f"{prefix}.vit{number}", block, x)
    return graph.reshape(x, 1, height, width, channels)


def _vit(graph: Graph, prefix: str, block: ViTBlock, x: Node) -> Node:
    residual = x
    if block.norm == LAYER_NORM:
        graph.owner = f"{prefix}.norm1"
        x = graph.norm(x)
    graph.owner = f"{prefix}.qkv"
    x = graph.linear(x, 3 * block.attention_width)
    graph.owner = f"{prefix}.scores"
    queries, keys, values = graph.split_heads(heads_first(graph, x, 3 * block.heads), 3)
    x = graph.matmul(queries, keys, transpose_b=True)
    graph.owner = f"{prefix}.softmax"
    x = graph.softmax(x)
    graph.owner = f"{prefix}.attend"
    x = tokens_first(graph, graph.matmul(x, values))
    graph.owner = f"{prefix}.projection"
    x = graph.linear(x, block.width)
    graph.owner = f"{prefix}.add1"
    x = residual = graph.add(residual, x)
    if block.norm == LAYER_NORM:
        graph.owner = f"{prefix}.norm2"
        x = graph.norm(x)
    graph.owner = f"{prefix}.fc1"
    x = graph.gelu(graph.linear(x, block.mlp_width))
    graph.owner = f"{prefix}.fc2"
    x = graph.linear(x, block.width)
    graph.owner = f"{prefix}.add2"
    return graph.add(residual, x)
