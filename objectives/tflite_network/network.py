"""Network of a TensorFlow Lite file as steps of a workload, with the operators that no op expresses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from objectives.hardware.op import Op
from objectives.tflite_network.data_flow import DataFlow, vanishes
from objectives.tflite_network.model_file import TfliteError, TfliteModel, read_model
from objectives.tflite_network.operator_groups import group_at
from objectives.tflite_network.operator_ops import (
    INTEGERS,
    InexpressibleError,
    ops_of_operator,
    other_groups_bytes,
)
from objectives.workload import Step

COMPILED = "CUSTOM ethos-u"
"""Operator of a file that Arm's compiler wrote."""
_TRAINED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class Missing:
    """An operator that the cost model has no op for.

    Attributes:
        index: Place among the operators of the file.
        name: Name of the operator.
        reason: Why there is no op.
    """

    index: int
    name: str
    reason: str


@dataclass(frozen=True)
class TfliteNetwork:
    """A network of a file.

    Attributes:
        model: The file.
        steps: Its ops in order.
        operators: Place of the operator of each step; of several operators that of the last.
        missing: Operators without an op.
    """

    model: TfliteModel
    steps: tuple[Step, ...]
    operators: tuple[int, ...]
    missing: tuple[Missing, ...]

    @property
    def ops(self) -> tuple[Op, ...]:
        """The ops of the steps."""
        return tuple(step.op for step in self.steps)

    @property
    def parameters(self) -> int:
        """Trained weights and biases."""
        constants = {
            index
            for operator in self.model.operators
            if operator.name in _TRAINED
            for index in operator.inputs[1:]
            if index >= 0 and self.model.tensors[index].data
        }
        return sum(prod(self.model.tensors[index].shape) for index in constants)


def read_network(path: Path) -> TfliteNetwork:
    """Reads the network of a TensorFlow Lite file.

    Raises:
        TfliteError: The file cannot be read, is damaged, or holds nothing that the cost model has an op for.
    """
    model = read_model(path)
    _check(path, model)
    flow = DataFlow.of(model)
    steps: list[Step] = []
    operators: list[int] = []
    missing: list[Missing] = []
    done = -1
    for index, operator in enumerate(model.operators):
        if index <= done or vanishes(operator, flow.unpadded):
            continue
        if (group := group_at(model, index)) is not None:
            held = flow.held_bytes(model, index, group.last)
            steps.append(Step(f"{index}.{group.name}", group.op, held))
            operators.append(group.last)
            done = group.last
            continue
        try:
            ops = ops_of_operator(model, flow, index)
        except InexpressibleError as error:
            missing.append(Missing(index, operator.name, str(error)))
            continue
        held = flow.held_bytes(model, index, index) if ops else 0
        others = other_groups_bytes(ops)
        for part, op in enumerate(ops):
            suffix = f".{part}" if len(ops) > 1 else ""
            more = others if op.kind == "conv2d" else 0
            steps.append(Step(f"{index}.{operator.name}{suffix}", op, held + more))
            operators.append(index)
    if not steps:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in missing[:3])
        raise TfliteError(f"{path}: the cost model has an op for none of its operators ({reasons})")
    return TfliteNetwork(
        model, _with_readers(model, flow, steps, operators), tuple(operators), tuple(missing)
    )


def _with_readers(
    model: TfliteModel, flow: DataFlow, steps: list[Step], operators: list[int]
) -> tuple[Step, ...]:
    """The steps; those whose output is read by others than the next step alone say so."""
    following = [*operators[1:], -1]
    return tuple(
        replace(step, is_read_again=not flow.is_read_by(model.operators[place].outputs[0], after))
        for step, place, after in zip(steps, operators, following, strict=True)
    )


def _check(path: Path, model: TfliteModel) -> None:
    """Refuses files that are no integer network of fixed shapes."""
    if any(operator.name.startswith(COMPILED) for operator in model.operators):
        raise TfliteError(f"{path}: was written by Arm's compiler Vela; give the file that Vela compiled")
    activations = {
        index
        for operator in model.operators
        for index in (*operator.inputs, *operator.outputs)
        if index >= 0 and not model.tensors[index].data
    }
    if not any(model.tensors[index].type in INTEGERS for index in activations):
        types = sorted({model.tensors[index].type.lower() for index in activations})
        raise TfliteError(
            f"{path}: computes with {', '.join(types) or 'constants'} only, and the NPU runs int8; convert "
            f"the model with full-integer quantisation"
        )
    for index in sorted(activations):
        tensor = model.tensors[index]
        if any(side < 1 for side in tensor.shape):
            raise TfliteError(
                f"{path}: tensor {tensor.name!r:.60} has the dynamic shape {list(tensor.shape)}; convert the "
                f"model with fixed shapes"
            )
