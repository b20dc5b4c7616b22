"""Operators that together make one op: layer norm, the products of attention, a linear layer with GELU.

A group is a run of operators that follow each other in the file, as the project's own writer orders them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from objectives.hardware.op import Op
from objectives.tflite_network.model_file import TfliteModel
from objectives.tflite_network.operator_ops import INTEGERS


@dataclass(frozen=True)
class Group:
    """A run of operators.

    Attributes:
        name: Name of what they compute.
        last: Place of the last of them.
        op: The op.
    """

    name: str
    last: int
    op: Op


_NORM = ("MEAN", "SQUARED_DIFFERENCE", "MEAN", "ADD", "RSQRT", "SUB", "MUL", "MUL", "ADD")
_SCORES = ("TRANSPOSE", "SLICE", "SLICE", "SLICE", "BATCH_MATMUL")
_ATTEND = ("BATCH_MATMUL", "TRANSPOSE")
_GELU = ("FULLY_CONNECTED", "GELU")


def group_at(model: TfliteModel, place: int) -> Group | None:
    """The group that begins with operator `place`; None if there is none."""
    for names, name, build in (
        (_NORM, "LAYER_NORM", _norm),
        (_SCORES, "SCORES", _scores),
        (_ATTEND, "ATTEND", _attend),
        (_GELU, "LINEAR_GELU", _linear),
    ):
        last = place + len(names) - 1
        run = model.operators[place : last + 1]
        if tuple(operator.name for operator in run) != names or not _is_chain(model, place, last):
            continue
        op = build(model, place, last)
        if op is not None:
            return Group(name, last, op)
    return None


def _is_chain(model: TfliteModel, first: int, last: int) -> bool:
    """Whether each operator reads the output of an earlier one of the run, in 8 bits."""
    made: set[int] = set()
    for place in range(first, last + 1):
        operator = model.operators[place]
        activations = [index for index in operator.inputs if index >= 0 and not model.tensors[index].data]
        if any(model.tensors[index].type not in INTEGERS for index in (*activations, *operator.outputs)):
            return False
        if place > first and not made & set(activations):
            return False
        made.update(operator.outputs)
    return True


def _shape(model: TfliteModel, place: int, *, output: bool = False) -> tuple[int, ...]:
    operator = model.operators[place]
    return model.tensors[(operator.outputs if output else operator.inputs)[0]].shape


def _norm(model: TfliteModel, first: int, last: int) -> Op | None:
    shape = _shape(model, last, output=True)
    axes = [axis % len(shape) for axis in model.tensors[model.operators[first].inputs[1]].integers()]
    if axes != [len(shape) - 1]:
        return None
    return Op("norm", prod(shape[:-1]), 1, shape[-1], shape[-1])


def _scores(model: TfliteModel, first: int, last: int) -> Op | None:
    joint, scores = _shape(model, first, output=True), _shape(model, last, output=True)
    if len(joint) != 4 or len(scores) != 4 or joint[1] != 3 * scores[1] or scores[2] != scores[3]:
        return None
    return Op("matmul", scores[2], 1, joint[3], scores[3], heads=scores[1])


def _attend(model: TfliteModel, first: int, last: int) -> Op | None:  # noqa: ARG001
    attention, product = _shape(model, first), _shape(model, first, output=True)
    if len(attention) != 4 or len(product) != 4 or attention[2] != attention[3]:
        return None
    return Op("matmul", product[2], 1, attention[3], product[3], heads=product[1])


def _linear(model: TfliteModel, first: int, last: int) -> Op | None:  # noqa: ARG001
    weights = model.tensors[model.operators[first].inputs[1]]
    if not weights.data or len(weights.shape) != 2 or not all(weights.shape):
        return None
    out_channels, channels = weights.shape
    return Op("linear", prod(_shape(model, first)) // channels, 1, channels, out_channels, fused_gelu=True)
