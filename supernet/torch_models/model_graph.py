"""Graph of a torch model: its convolutions, additions, pooling and classifier in the order in which they run.

`torch.export` traces the model on random images, so that names and nesting of its modules do not matter.
Every operation that our networks lack is refused by the name of its layer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from search_space.errors import H4HError

IMAGES = 8
"""Number of random images that the model is traced and compared on."""


class ModelError(H4HError):
    """A torch model that cannot become a search space."""


@dataclass(frozen=True)
class ConvNorm:
    """Convolution without bias, batch norm and perhaps ReLU6.

    Attributes:
        name: Name of the convolution in the model.
        weight: Kernel ``(width, in_width / groups, k, k)``.
        norm: Scale, shift, mean and variance of the batch norm, each ``(width,)``.
        epsilon: Constant that the batch norm adds to the variance.
        stride: Stride along both sides.
        groups: 1, or the number of channels of a depthwise convolution.
        has_activation: Whether ReLU6 follows.
        source: Input.
        result: Output.
    """

    name: str
    weight: Tensor
    norm: tuple[Tensor, Tensor, Tensor, Tensor]
    epsilon: float
    stride: int
    groups: int
    has_activation: bool
    source: Node
    result: Node

    @property
    def width(self) -> int:
        """Channels of the output."""
        return len(self.weight)

    @property
    def in_width(self) -> int:
        """Channels of the input."""
        return self.weight.shape[1] * self.groups

    @property
    def kernel(self) -> int:
        """Side of the kernel."""
        return self.weight.shape[-1]

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel has a kernel of its own."""
        return self.groups > 1

    @property
    def is_pointwise(self) -> bool:
        """Whether it is dense with kernel 1 and stride 1."""
        return self.groups == 1 and self.kernel == 1 and self.stride == 1


@dataclass(frozen=True)
class Addition:
    """Sum of two maps."""

    name: str
    sources: tuple[Node, Node]
    result: Node


@dataclass(frozen=True)
class Pooling:
    """Mean over all positions of a map."""

    name: str
    source: Node
    result: Node


@dataclass(frozen=True)
class Classifier:
    """Linear layer.

    Attributes:
        weight: ``(classes, width)``.
        bias: ``(classes,)``.
    """

    name: str
    weight: Tensor
    bias: Tensor
    source: Node
    result: Node


Step = ConvNorm | Addition | Pooling | Classifier


@dataclass(frozen=True)
class ModelGraph:
    """Graph of a model.

    Attributes:
        module: The traced model, for `torch.fx.Interpreter`.
        images: Node of the input.
        steps: Steps in the order in which they run.
        output: Node of the class scores.
    """

    module: torch.fx.GraphModule
    images: Node
    steps: tuple[Step, ...]
    output: Node


def trace(model: nn.Module, side: int) -> ModelGraph:
    """The graph of `model` in evaluation mode for images of `side` x `side` pixels.

    Raises:
        ModelError: The model cannot be traced, its tensors are not float32 on the CPU, or it has an operation
            or a setting that our networks lack.
    """
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.device.type != "cpu":
            raise ModelError(f"{name} is on {tensor.device}, but must be on the CPU: call model.cpu() first")
        if tensor.is_floating_point() and tensor.dtype is not torch.float32:
            raise ModelError(f"{name} holds {tensor.dtype}, but must hold float32: call model.float() first")
    images = torch.rand(IMAGES, 3, side, side, generator=torch.Generator().manual_seed(0))
    with evaluated(model), _without_log(), torch.no_grad():
        try:
            scores = model(images)
            module = torch.export.export(model, (images,)).module()
        except Exception as error:  # A model of any kind may raise any error.
            text = " ".join(str(error).split()) or type(error).__name__
            raise ModelError(
                f"the model cannot be traced on images (n, 3, {side}, {side}): {text:.200}; it must take "
                f"images alone, without branches that depend on values"
            ) from error
    if not isinstance(scores, Tensor) or scores.ndim != 2 or len(scores) != IMAGES:
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ModelError(
            f"the model must return class scores (n, classes), but for {IMAGES} images it returns {got}: "
            f"give a model with its classifier"
        )
    return _Reader(module).graph()


@contextmanager
def evaluated(model: nn.Module) -> Iterator[None]:
    """Sets `model` to evaluation mode; restores the mode of each of its modules."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


@contextmanager
def _without_log() -> Iterator[None]:
    """Keeps torch's report of a failed trace off the terminal: the error says it in one line."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(level)


_ACTIVATIONS = {"hardtanh": (0.0, 6.0), "clamp": (0.0, 6.0), "relu6": ()}
"""Operations that are ReLU6 with these arguments."""
_PASSED = ("alias", "clone", "contiguous", "detach", "dropout", "feature_dropout")
"""Operations without effect in evaluation mode."""
_RESHAPING = ("flatten", "reshape", "squeeze", "view")
"""Operations that only drop the sides of a pooled map."""


class _Reader:
    """Steps of an exported model."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        self._module = module
        self._values: dict[Node, Node] = {}
        """Node whose value a node without effect passes on."""
        self._read: set[Node] = set()
        self._pooled: set[Node] = set()

    def graph(self) -> ModelGraph:
        nodes = list(self._module.graph.nodes)
        images = [node for node in nodes if node.op == "placeholder"]
        (output,) = (node for node in nodes if node.op == "output")
        if len(images) != 1:
            raise ModelError(f"the model must take images alone, but takes {len(images)} inputs")
        steps = []
        for node in nodes:
            if node.op == "call_function" and node not in self._read:
                step = self._step(node)
                steps += [] if step is None else [step]
        (returned,) = output.args[0] if isinstance(output.args[0], tuple | list) else (output.args[0],)
        return ModelGraph(self._module, images[0], tuple(steps), self._value(returned))

    def _step(self, node: Node) -> Step | None:
        operation, name = _operation(node), layer_name(node)
        arguments = _arguments(node)
        if operation == "conv2d":
            return self._conv_norm(node, arguments)
        if operation == "add" and arguments.get("alpha", 1) == 1:
            pair = arguments["self"], arguments["other"]
            if all(isinstance(each, Node) for each in pair):
                return Addition(name, (self._value(pair[0]), self._value(pair[1])), node)
        if self._is_pooling(operation, arguments):
            self._pooled.add(node)
            return Pooling(name, self._value(arguments["self"]), node)
        if operation == "linear":
            weight, bias = self._tensor(name, arguments["weight"]), arguments.get("bias")
            shift = torch.zeros(len(weight)) if bias is None else self._tensor(name, bias)
            return Classifier(name, weight, shift, self._value(arguments["input"]), node)
        source = node.args[0] if node.args else None
        if isinstance(source, Node) and self._is_passed(operation, source):
            self._values[node] = self._value(source)
            if source in self._pooled:
                self._pooled.add(node)
            return None
        raise ModelError(f"{name}: {operation} has no counterpart in our networks")

    def _is_passed(self, operation: str, source: Node) -> bool:
        return operation in _PASSED or (operation in _RESHAPING and source in self._pooled)

    @staticmethod
    def _is_pooling(operation: str, arguments: dict[str, Any]) -> bool:
        if operation == "adaptive_avg_pool2d":
            return list(arguments["output_size"]) == [1, 1]
        if operation != "mean" or not arguments.get("dim"):
            return False
        return sorted(number % 4 for number in arguments["dim"]) == [2, 3]

    def _conv_norm(self, node: Node, arguments: dict[str, Any]) -> ConvNorm:
        name = layer_name(node)
        weight = self._tensor(name, arguments["weight"])
        width, per_group, *kernel = weight.shape
        stride, padding, dilation = (
            _pair(arguments.get(key, default))
            for key, default in (("stride", 1), ("padding", 0), ("dilation", 1))
        )
        groups = arguments.get("groups", 1)
        same = [side // 2 for side in kernel]
        _require(name, "kernel", f"{kernel[0]}x{kernel[1]}", kernel[0] == kernel[1] and kernel[0] % 2 == 1)
        _require(name, "stride", stride, stride in ([1, 1], [2, 2]))
        _require(name, "dilation", dilation[0], dilation == [1, 1])
        _require(name, "padding", padding, padding == same, f"{same[0]} for a kernel of {kernel[0]}")
        _require(name, "bias", "", arguments.get("bias") is None, "none before a batch norm")
        _require(name, "groups", groups, groups == 1 or (per_group == 1 and groups == width))
        norm = self._next(node, name, "batch_norm", "batch norm")
        values = _arguments(norm)
        of_norm = layer_name(norm)
        if values.get("weight") is None or values.get("running_mean") is None:
            raise ModelError(f"{of_norm}: batch norm must have a scale, a shift and running statistics")
        parts = tuple(
            self._tensor(of_norm, values[part]) for part in ("weight", "bias", "running_mean", "running_var")
        )
        _require(of_norm, "batch norm", "by the batch's own statistics", not values.get("training"))
        users = list(norm.users)
        activation = users[0] if len(users) == 1 and _operation(users[0]) in _ACTIVATIONS else None
        if activation is not None:
            limits = tuple(
                value for key, value in _arguments(activation).items() if key not in ("self", "input")
            )
            _require(
                layer_name(activation),
                "activation",
                f"{_operation(activation)}{list(limits)}",
                limits == _ACTIVATIONS[_operation(activation)],
                "ReLU6",
            )
            self._read.add(activation)
        return ConvNorm(
            name,
            weight,
            parts,  # type: ignore[arg-type]
            values["eps"],
            stride[0],
            groups,
            activation is not None,
            self._value(arguments["input"]),
            activation or norm,
        )

    def _next(self, node: Node, name: str, operation: str, title: str) -> Node:
        """The only user of `node`, which must be an `operation`."""
        users = list(node.users)
        if len(users) != 1 or _operation(users[0]) != operation:
            found = " and ".join(_operation(user) for user in users) or "nothing"
            raise ModelError(f"{name}: {title} must follow it, but {found} does")
        self._read.add(users[0])
        return users[0]

    def _value(self, node: Node) -> Node:
        return self._values.get(node, node)

    def _tensor(self, name: str, node: Any) -> Tensor:
        """A weight of the layer `name`."""
        if not isinstance(node, Node) or node.op != "get_attr":
            raise ModelError(f"{name}: a weight is computed from others, which our networks do not do")
        value: Any = self._module
        for part in str(node.target).split("."):
            value = getattr(value, part)
        assert isinstance(value, Tensor)
        return value.detach()


def layer_name(node: Node) -> str:
    """Name of the module of the model that computes `node`."""
    stack = node.meta.get("nn_module_stack") or {}
    path, kind = list(stack.values())[-1] if stack else ("", "")
    return path or f"{str(kind).rpartition('.')[2] or 'model'}.forward"


def _operation(node: Node) -> str:
    """Name of an operation; without the underscore of one that works in place."""
    target = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(target, "__name__", target)).rpartition(".")[2].rstrip("_") or node.op


def _arguments(node: Node) -> dict[str, Any]:
    """Arguments of an operation by the names of its schema."""
    schema = getattr(node.target, "_schema", None)
    names = [argument.name for argument in schema.arguments] if schema is not None else []
    return dict(zip(names, node.args, strict=False)) | dict(node.kwargs)


def _pair(value: Any) -> list[Any]:
    """A number for both sides, as torch stores it: one, or two; a word such as ``same`` stays alone."""
    if isinstance(value, str):
        return [value]
    numbers = [value] if isinstance(value, int) else list(value)
    return numbers * 2 if len(numbers) == 1 else numbers


def _require(name: str, what: str, value: object, is_right: bool, allowed: str = "") -> None:
    if not is_right:
        shown = f" {value}" if value != "" else ""
        remedy = f"; it must be {allowed}" if allowed else ""
        raise ModelError(f"{name}: {what}{shown} has no counterpart in our networks{remedy}")
