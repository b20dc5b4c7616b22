"""Reader of MobileNetV2-like torch models: their stem, inverted bottlenecks and head as one of our networks.

A stage begins where the stride is 2, where the width changes, or where kernel or expansion differ from those
of the stage's blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import Node

from search_space.block_options import WIDTH_GRANULARITY
from search_space.subnet import Head, MBConv, Stage, Stem, Subnet
from supernet.torch_models.model_graph import (
    Addition,
    Classifier,
    ConvNorm,
    ModelError,
    ModelGraph,
    Pooling,
    Step,
)

KERNELS = (3, 5, 7)
"""Kernels of the depthwise convolution of a block."""


@dataclass(frozen=True)
class ReadModel:
    """A torch model as one of our networks.

    Attributes:
        subnet: Description of the network.
        tensors: Weights and statistics, under their names in `PlainNetwork`.
        epsilon: Constant that batch norm adds to the variance.
        outputs: Node of the output of the stem and of each block, with the name of its last layer.
    """

    subnet: Subnet
    tensors: dict[str, Tensor]
    epsilon: float
    outputs: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class _Block:
    """An inverted bottleneck of the model.

    Attributes:
        description: The block as ours.
        layers: Its convolutions by their names in `InvertedBottleneck`.
        result: Output of the block.
    """

    description: MBConv
    layers: dict[str, ConvNorm]
    result: Node

    @property
    def name(self) -> str:
        return self.layers["project"].name

    @property
    def form(self) -> tuple[int, int]:
        """Kernel and expansion."""
        return self.description.kernel, self.description.expansion


def read_model(graph: ModelGraph, side: int) -> ReadModel:
    """Reads a traced model.

    Args:
        graph: The model's graph.
        side: Side of its images in pixels.

    Raises:
        ModelError: The model is no chain of our blocks. The message names a layer of the model.
    """
    steps = _Steps(graph)
    stem = _convolution(steps.take(), "the stem")
    if stem.groups != 1 or stem.kernel != 3 or not stem.has_activation or stem.in_width != 3:
        raise _misfit(stem, "the stem must be a dense 3x3 convolution of 3 channels with ReLU6")
    _check_width(stem)
    outputs = [(stem.name, stem.result)]
    blocks: list[_Block] = []
    width = stem.width
    while not isinstance(steps.ahead(1), Pooling):
        if isinstance(pooling := steps.ahead(), Pooling):
            raise ModelError(
                f"{pooling.name}: before the pooling must be a head, a 1x1 convolution with ReLU6"
            )
        block = _block(steps, width, outputs[-1][1])
        blocks.append(block)
        width = block.description.width
        outputs.append((block.name, block.result))
    if not blocks:
        raise ModelError(f"{stem.name}: inverted bottlenecks must follow the stem, but none does")
    head = _convolution(steps.take(), "the head")
    if not (head.is_pointwise and head.has_activation):
        raise _misfit(head, "the head before the pooling must be a 1x1 convolution with ReLU6")
    _check_width(head)
    pooling, classifier = steps.take(), steps.take()
    if not isinstance(pooling, Pooling) or not isinstance(classifier, Classifier):
        raise ModelError(f"{classifier.name}: a linear classifier must follow the pooling, and nothing else")
    steps.end(classifier)
    stages = _stages(blocks)
    subnet = Subnet(
        resolution=side,
        stem=Stem(stem.width, stem.stride),
        stages=tuple(
            Stage(stage[0].description, tuple(block.description for block in stage[1:]), ())
            for stage in stages
        ),
        head=Head(width, head.width, len(classifier.weight)),
    )
    layers = {"stem": stem, **_stage_layers(stages), "head": head}
    tensors: dict[str, Tensor] = {}
    for name, layer in layers.items():
        tensors |= dict(_tensors(name, layer))
    tensors |= {"classifier.weight": classifier.weight, "classifier.bias": classifier.bias}
    return ReadModel(subnet, tensors, _epsilon(tuple(layers.values())), tuple(outputs))


class _Steps:
    """Steps of a graph, taken in order. Each must compute from the value before it."""

    def __init__(self, graph: ModelGraph) -> None:
        self._steps = graph.steps
        self._value = graph.images
        self._output = graph.output
        self._next = 0

    def ahead(self, count: int = 0) -> Step | None:
        """The step `count` places after the next one."""
        place = self._next + count
        return self._steps[place] if place < len(self._steps) else None

    def take(self) -> Step:
        """The next step."""
        step = self.ahead()
        if step is None:
            raise ModelError(
                f"{self._steps[-1].name if self._steps else 'model'}: the model ends here, but must have a "
                f"head (1x1 convolution with ReLU6), a pooling and a linear classifier"
            )
        if not isinstance(step, Addition) and step.source is not self._value:
            raise ModelError(
                f"{step.name}: its input is not the output of the layer before it, so the model is no "
                f"chain of blocks"
            )
        self._value = step.result
        self._next += 1
        return step

    def end(self, last: Step) -> None:
        """Raises `ModelError` unless `last` gives the output of the model, and no step remains."""
        if (step := self.ahead()) is not None:
            raise ModelError(f"{step.name}: nothing may follow the classifier {last.name}")
        if last.result is not self._output:
            raise ModelError(f"{last.name}: the model must return the scores of its classifier unchanged")


def _block(steps: _Steps, width: int, source: Node) -> _Block:
    """The next inverted bottleneck, for an input `source` of `width` channels."""
    layers: dict[str, ConvNorm] = {}
    layer = _convolution(steps.take(), "a block")
    expansion = 1
    if layer.is_pointwise and layer.has_activation:
        following = steps.ahead()
        if not (isinstance(following, ConvNorm) and following.is_depthwise):
            raise _misfit(layer, "a depthwise convolution must follow a 1x1 convolution that expands")
        expansion, rest = divmod(layer.width, width)
        if rest or expansion < 2:
            raise _misfit(
                layer,
                f"it must expand by a whole number of at least 2, but {width} become {layer.width} channels",
            )
        layers["expand"] = layer
        layer = _convolution(steps.take(), "a block")
    if not (layer.is_depthwise and layer.has_activation and layer.kernel in KERNELS):
        raise _misfit(layer, "a block must have a depthwise convolution of kernel 3, 5 or 7 with ReLU6")
    layers["depthwise"] = layer
    project = layers["project"] = _convolution(steps.take(), "a block")
    if not project.is_pointwise or project.has_activation:
        raise _misfit(project, "a block must end in a 1x1 convolution without activation")
    _check_width(project)
    block = MBConv(width, project.width, layer.kernel, layer.stride, expansion)
    result = project.result
    following = steps.ahead()
    if isinstance(following, Addition):
        if set(following.sources) != {source, result} or not block.has_residual:
            raise ModelError(
                f"{following.name}: only the input of a block of stride 1 and equal widths may be added to "
                f"its output"
            )
        result = steps.take().result
    elif block.has_residual:
        raise ModelError(
            f"{project.name}: the input of this block of stride 1 and equal widths must be added to its "
            f"output, as in all our blocks"
        )
    return _Block(block, layers, result)


def _convolution(step: Step, place: str) -> ConvNorm:
    if not isinstance(step, ConvNorm):
        raise ModelError(
            f"{step.name}: {place} must be made of convolutions, but here is {type(step).__name__.lower()}"
        )
    return step


def _check_width(layer: ConvNorm) -> None:
    if layer.width % WIDTH_GRANULARITY:
        raise ModelError(
            f"{layer.name}: {layer.width} channels are no multiple of {WIDTH_GRANULARITY}, as an Ethos-U55 "
            f"computes them"
        )


def _misfit(layer: ConvNorm, reason: str) -> ModelError:
    kind = "depthwise" if layer.is_depthwise else "dense"
    activation = "ReLU6" if layer.has_activation else "no activation"
    return ModelError(
        f"{layer.name}: {kind} {layer.kernel}x{layer.kernel} convolution of stride {layer.stride} with "
        f"{activation} has no counterpart here; {reason}"
    )


def _stages(blocks: list[_Block]) -> list[list[_Block]]:
    stages: list[list[_Block]] = []
    for block in blocks:
        description = block.description
        is_further = description.has_residual and bool(stages)
        if is_further and len(stages[-1]) > 1:
            is_further = stages[-1][1].form == block.form
        if is_further:
            stages[-1].append(block)
        else:
            stages.append([block])
    return stages


def _stage_layers(stages: list[list[_Block]]) -> dict[str, ConvNorm]:
    layers: dict[str, ConvNorm] = {}
    for number, stage in enumerate(stages):
        for place, block in enumerate(stage):
            name = "downsampling" if place == 0 else f"conv_blocks.{place - 1}"
            layers |= {f"stages.{number}.{name}.{part}": layer for part, layer in block.layers.items()}
    return layers


def _tensors(name: str, layer: ConvNorm) -> Iterator[tuple[str, Tensor]]:
    scale, shift, mean, variance = layer.norm
    yield f"{name}.conv.weight", layer.weight
    yield f"{name}.norm.weight", scale
    yield f"{name}.norm.bias", shift
    yield f"{name}.norm.running_mean", mean
    yield f"{name}.norm.running_var", variance
    yield f"{name}.norm.num_batches_tracked", torch.tensor(0)


def _epsilon(layers: tuple[ConvNorm, ...]) -> float:
    """The epsilon of all batch norms.

    Raises:
        ModelError: They differ.
    """
    first = layers[0]
    for layer in layers:
        if layer.epsilon != first.epsilon:
            raise ModelError(
                f"{layer.name}: its batch norm has epsilon {layer.epsilon:g}, but that of {first.name} has "
                f"{first.epsilon:g}; all must be equal"
            )
    return first.epsilon
