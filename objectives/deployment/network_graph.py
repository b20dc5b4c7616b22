"""The int8 graph of a subnet as TensorFlow Lite has it, with or without the values of a trained network.

Its layers are those of `objectives.workload`, connected as in the network: residual sums, a joint q/k/v
projection whose result is transposed to heads and cut into q, k and v, and GELU fused into the layer before
it. Owners of the layers are the names of the workload's steps.

The network begins at its own resolution: the application resizes the image. Windows with a stride are padded
explicitly on both sides, as they are trained; the file format's own padding would put all of it on one side.
"""

from __future__ import annotations

from math import sqrt
from typing import Protocol

from objectives.hardware.vela_compiler.probe import heads_first, tokens_first
from objectives.hardware.vela_compiler.tflite import Graph, Node
from objectives.hardware.vela_compiler.trained_values import Grid, Trained, TrainedNorm
from search_space.subnet import LAYER_NORM, MBConv, PatchMerging, Subnet, ViTBlock

IMAGE_CHANNELS = 3


class NetworkValues(Protocol):
    """Values of a network by the names of the workload's steps; None throughout for plausible ones."""

    def image(self) -> Grid | None:
        """Grid of the input."""

    def layer(self, step: str) -> Trained | None:
        """Values of a convolution or a linear layer."""

    def output(self, step: str) -> Trained | None:
        """Grid of the output of a step without weights."""

    def positions(self, step: str) -> Trained | None:
        """The position embedding, (tokens, channels)."""

    def norm(self, step: str) -> TrainedNorm | None:
        """Values of a layer norm."""


class PlausibleValues:
    """No values: weights are random, scales plausible."""

    def image(self) -> None:
        return None

    def layer(self, step: str) -> None:  # noqa: ARG002
        return None

    output = positions = norm = layer


def network_graph(subnet: Subnet, values: NetworkValues) -> tuple[Graph, Node]:
    """The graph of `subnet`, and its class scores."""
    graph = Graph()
    stem = subnet.stem
    x = graph.input(1, subnet.resolution, subnet.resolution, IMAGE_CHANNELS, grid=values.image())
    graph.owner = "stem"
    x, is_padded = _padded(graph, x, stem.kernel, stem.stride)
    x = graph.conv2d(
        x,
        stem.width,
        kernel=stem.kernel,
        stride=stem.stride,
        relu6=True,
        valid=is_padded,
        trained=values.layer("stem"),
    )
    for number, stage in enumerate(subnet.stages, start=1):
        prefix = f"stage{number}"
        x = _convolution(graph, f"{prefix}.downsampling", stage.downsampling, x, values)
        for index, conv in enumerate(stage.conv_blocks, start=1):
            x = _convolution(graph, f"{prefix}.conv{index}", conv, x, values)
        if stage.vit_blocks:
            x = _transformer(graph, prefix, stage.vit_blocks, x, values)
    graph.owner = "head.conv"
    x = graph.conv2d(x, subnet.head.width, relu6=True, trained=values.layer("head.conv"))
    graph.owner = "head.pool"
    x = graph.pool(x, kernel=x.shape[1], stride=x.shape[1])
    graph.owner = "head.classifier"
    x = graph.reshape(x, 1, subnet.head.width)
    return graph, graph.linear(x, subnet.head.classes, trained=values.layer("head.classifier"))


def _padded(graph: Graph, x: Node, kernel: int, stride: int) -> tuple[Node, bool]:
    """`x` with zeros on both sides for a window with a stride, and whether it has them."""
    around = kernel // 2
    if stride == 1 or around == 0:
        return x, False
    return graph.pad(x, around, around, around, around), True


def _convolution(
    graph: Graph, prefix: str, part: MBConv | PatchMerging, x: Node, values: NetworkValues
) -> Node:
    if isinstance(part, PatchMerging):
        graph.owner = prefix
        return graph.conv2d(
            x, part.width, kernel=part.kernel, stride=part.stride, trained=values.layer(prefix)
        )
    residual = x
    if part.expansion > 1:
        graph.owner = f"{prefix}.expand"
        x = graph.conv2d(x, part.hidden_width, relu6=True, trained=values.layer(f"{prefix}.expand"))
    graph.owner = f"{prefix}.depthwise"
    x, is_padded = _padded(graph, x, part.kernel, part.stride)
    x = graph.depthwise(
        x,
        kernel=part.kernel,
        stride=part.stride,
        relu6=True,
        valid=is_padded,
        trained=values.layer(f"{prefix}.depthwise"),
    )
    graph.owner = f"{prefix}.project"
    x = graph.conv2d(x, part.width, trained=values.layer(f"{prefix}.project"))
    if part.has_residual:
        graph.owner = f"{prefix}.add"
        x = graph.add(residual, x, trained=values.output(f"{prefix}.add"))
    return x


def _transformer(
    graph: Graph, prefix: str, blocks: tuple[ViTBlock, ...], x: Node, values: NetworkValues
) -> Node:
    _, height, width, channels = x.shape
    graph.owner = f"{prefix}.position_embedding"
    x = graph.add_constant(
        graph.reshape(x, height * width, channels),
        constant=values.positions(graph.owner),
        trained=values.output(graph.owner),
    )
    for number, block in enumerate(blocks, start=1):
        x = _vit(graph, f"{prefix}.vit{number}", block, x, values)
    return graph.reshape(x, 1, height, width, channels)


def _vit(graph: Graph, prefix: str, block: ViTBlock, x: Node, values: NetworkValues) -> Node:
    residual = x
    if block.norm == LAYER_NORM:
        graph.owner = f"{prefix}.norm1"
        x = graph.norm(x, trained=values.norm(graph.owner))
    graph.owner = f"{prefix}.qkv"
    x = graph.linear(x, 3 * block.attention_width, trained=values.layer(graph.owner))
    graph.owner = f"{prefix}.scores"
    queries, keys, joint_values = graph.split_heads(heads_first(graph, x, 3 * block.heads), 3)
    x = graph.matmul(queries, keys, transpose_b=True, trained=values.output(graph.owner))
    graph.owner = f"{prefix}.softmax"
    x = graph.softmax(x, factor=1 / sqrt(block.head_dim))
    graph.owner = f"{prefix}.attend"
    x = tokens_first(graph, graph.matmul(x, joint_values, trained=values.output(graph.owner)))
    graph.owner = f"{prefix}.projection"
    x = graph.linear(x, block.width, trained=values.layer(graph.owner))
    graph.owner = f"{prefix}.add1"
    x = residual = graph.add(residual, x, trained=values.output(graph.owner))
    if block.norm == LAYER_NORM:
        graph.owner = f"{prefix}.norm2"
        x = graph.norm(x, trained=values.norm(graph.owner))
    graph.owner = f"{prefix}.fc1"
    x = graph.linear(x, block.mlp_width, trained=values.layer(graph.owner))
    x = graph.gelu(x, trained=values.output(f"{prefix}.gelu"))
    graph.owner = f"{prefix}.fc2"
    x = graph.linear(x, block.width, trained=values.layer(graph.owner))
    graph.owner = f"{prefix}.add2"
    return graph.add(residual, x, trained=values.output(graph.owner))
