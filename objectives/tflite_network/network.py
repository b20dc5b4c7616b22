"""Network of a TensorFlow Lite file as steps of a workload, with the operators that no op expresses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from objectives.hardware.npu_passes.live_memory import map_bytes
from objectives.hardware.op import Op
from objectives.tflite_network.model_file import Operator, TfliteError, TfliteModel, read_model
from objectives.tflite_network.operator_ops import ALIASES, INTEGERS, InexpressibleError, ops_of_operator
from objectives.workload import Step

COMPILED = "CUSTOM ethos-u"
"""Operator of a file that Arm's compiler wrote."""
_PADS = ("PAD", "PADV2")
_PADDED = ("CONV_2D", "DEPTHWISE_CONV_2D")
_VALID = 1
_PLAIN_CHANNELS = 4
"""Maps of up to this many channels, such as the image, lie pixel by pixel."""


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
        operators: Place of the operator of each step.
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
            if operator.name in (*_PADDED, "FULLY_CONNECTED")
            for index in operator.inputs[1:]
            if index >= 0 and self.model.tensors[index].data
        }
        return sum(_elements(self.model.tensors[index].shape) for index in constants)


def read_network(path: Path) -> TfliteNetwork:
    """Reads the network of a TensorFlow Lite file.

    Raises:
        TfliteError: The file cannot be read, is damaged, or holds nothing that the cost model has an op for.
    """
    model = read_model(path)
    _check(path, model)
    unpadded = _unpadded(model)
    uses = _uses(model, unpadded)
    steps: list[Step] = []
    operators: list[int] = []
    missing: list[Missing] = []
    for index, operator in enumerate(model.operators):
        if operator.name in _PADS and operator.outputs[0] in unpadded:
            continue
        try:
            ops = ops_of_operator(model, operator, unpadded)
        except InexpressibleError as error:
            missing.append(Missing(index, operator.name, str(error)))
            continue
        held = _held_bytes(model, uses, index)
        for part, op in enumerate(ops):
            suffix = f".{part}" if len(ops) > 1 else ""
            steps.append(Step(f"{index}.{operator.name}{suffix}", op, held))
            operators.append(index)
    if not steps:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in missing[:3])
        raise TfliteError(f"{path}: the cost model has an op for none of its operators ({reasons})")
    return TfliteNetwork(
        model, _with_readers(model, uses, steps, operators), tuple(operators), tuple(missing)
    )


def _with_readers(
    model: TfliteModel, uses: _Uses, steps: list[Step], operators: list[int]
) -> tuple[Step, ...]:
    """The steps; those whose output is read by others than the next step alone say so."""
    following = [*operators[1:], -1]
    return tuple(
        replace(
            step, is_read_again=uses.readers.get(uses.owner[model.operators[place].outputs[0]]) != [after]
        )
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
            f"{path}: computes with {', '.join(types) or 'constants'} only, and the NPU runs int8; convert the "
            f"model with full-integer quantisation"
        )
    for index in sorted(activations):
        tensor = model.tensors[index]
        if any(side < 1 for side in tensor.shape):
            raise TfliteError(
                f"{path}: tensor {tensor.name!r:.60} has the dynamic shape {list(tensor.shape)}; convert the "
                f"model with fixed shapes"
            )


def _unpadded(model: TfliteModel) -> dict[int, int]:
    """Tensors that padding makes for windows without padding alone, with the tensors before it."""
    readers: dict[int, list[Operator]] = {}
    for operator in model.operators:
        for index in operator.inputs:
            readers.setdefault(index, []).append(operator)
    found = {}
    for operator in model.operators:
        if operator.name not in _PADS or not operator.outputs or not operator.inputs:
            continue
        source, target = operator.inputs[0], operator.outputs[0]
        before, after = model.tensors[source].shape, model.tensors[target].shape
        is_spatial = len(before) == len(after) == 4 and (before[0], before[3]) == (after[0], after[3])
        behind = readers.get(target, [])
        if (
            is_spatial
            and behind
            and target not in model.outputs
            and all(
                reader.name in _PADDED
                and reader.options.get("Padding") == _VALID
                and reader.inputs[0] == target
                for reader in behind
            )
        ):
            found[target] = source
    return found


@dataclass(frozen=True)
class _Uses:
    """When tensors live: the tensor that holds the elements of each, its first and its last operator."""

    owner: dict[int, int]
    born: dict[int, int]
    last: dict[int, int]
    readers: dict[int, list[int]]


def _uses(model: TfliteModel, unpadded: dict[int, int]) -> _Uses:
    owner: dict[int, int] = dict(unpadded)

    def root(index: int) -> int:
        while index in owner:
            index = owner[index]
        return index

    born = dict.fromkeys(model.inputs, -1)
    last: dict[int, int] = {}
    readers: dict[int, list[int]] = {}
    for place, operator in enumerate(model.operators):
        if operator.name in ALIASES and operator.inputs and operator.outputs:
            owner[operator.outputs[0]] = operator.inputs[0]
            continue
        is_absorbed = any(index in unpadded for index in operator.outputs)
        for index in operator.inputs:
            if index >= 0 and not model.tensors[index].data and not is_absorbed:
                last[root(index)] = place
                readers.setdefault(root(index), []).append(place)
        for index in operator.outputs:
            if not is_absorbed:
                born.setdefault(root(index), place)
    for index in model.outputs:
        last[root(index)] = len(model.operators)
        readers.setdefault(root(index), []).append(len(model.operators))
    return _Uses({index: root(index) for index in range(len(model.tensors))}, born, last, readers)


def _held_bytes(model: TfliteModel, uses: _Uses, place: int) -> int:
    """Bytes of the maps that live while operator `place` runs, although it neither reads nor writes them."""
    operator = model.operators[place]
    own = {uses.owner[index] for index in (*operator.inputs, *operator.outputs) if index >= 0}
    return sum(
        _tensor_bytes(model.tensors[index].shape)
        for index, born in uses.born.items()
        if index not in own and born < place < uses.last.get(index, -1)
    )


def _tensor_bytes(shape: tuple[int, ...]) -> int:
    if len(shape) != 4:
        return map_bytes(1, 1, _elements(shape), bricks=False)
    batch, height, width, channels = shape
    return map_bytes(batch * height, width, channels, bricks=channels > _PLAIN_CHANNELS)


def _elements(shape: tuple[int, ...]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count
