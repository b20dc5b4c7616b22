"""Data flow of a TensorFlow Lite file: who reads a map, how long it lives, and which operators vanish.

As in Arm's compiler, padding becomes part of a window that has none, and a map that goes into a larger one is
written there by its maker, if nobody else reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from objectives.hardware.npu_passes.live_memory import map_bytes
from objectives.tflite_network.model_file import Operator, TfliteModel

ALIASES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
"""Operators whose output is their input in another shape."""
PADS = ("PAD", "PADV2")
COLLECTORS = ("CONCATENATION", *PADS)
"""Operators whose output has their inputs as parts."""
_PADDED = ("CONV_2D", "DEPTHWISE_CONV_2D")
_VALID = 1
_PLAIN_CHANNELS = 4
"""Maps of up to this many channels, such as the image, lie pixel by pixel."""


@dataclass(frozen=True)
class DataFlow:
    """Data flow of a file.

    Attributes:
        unpadded: Tensors that the windows behind them pad, with the tensors before the padding.
        owner: Tensor that holds the elements of each tensor: itself, or the one of which it is another shape.
        born: Operator that makes each tensor; -1 for inputs of the network.
        readers: Operators that read each tensor, in order; their number for outputs of the network.
        collectors: Operator into whose output the maker of a tensor writes it straight away.
    """

    unpadded: dict[int, int]
    owner: dict[int, int]
    born: dict[int, int]
    readers: dict[int, list[int]]
    collectors: dict[int, int]

    @classmethod
    def of(cls, model: TfliteModel) -> DataFlow:
        """The data flow of `model`."""
        unpadded = _unpadded(model)
        before = dict(unpadded)
        for operator in model.operators:
            if operator.name in ALIASES and operator.inputs and operator.outputs:
                before[operator.outputs[0]] = operator.inputs[0]
        owner = {index: _first(index, before) for index in range(len(model.tensors))}
        born = dict.fromkeys((owner[index] for index in model.inputs), -1)
        readers: dict[int, list[int]] = {}
        for place, operator in enumerate(model.operators):
            if vanishes(operator, unpadded):
                continue
            for index in operator.inputs:
                if index >= 0 and not model.tensors[index].data:
                    readers.setdefault(owner[index], []).append(place)
            for index in operator.outputs:
                born.setdefault(owner[index], place)
        for index in model.outputs:
            readers.setdefault(owner[index], []).append(len(model.operators))
        collectors = {
            index: place
            for place, operator in enumerate(model.operators)
            if operator.name in COLLECTORS and not vanishes(operator, unpadded) and operator.outputs
            for index in operator.inputs
            if readers.get(index) == [place]
            and born.get(index, -1) >= 0
            and model.tensors[index].scale == model.tensors[operator.outputs[0]].scale
        }
        return cls(unpadded, owner, born, readers, collectors)

    def is_read_by(self, index: int, place: int) -> bool:
        """Whether operator `place` alone reads tensor `index`, once."""
        return self.readers.get(self.owner[index]) == [place]

    def is_in_place(self, index: int, place: int) -> bool:
        """Whether the maker of tensor `index` writes it straight into the output of operator `place`."""
        return self.collectors.get(index) == place

    def held_bytes(self, model: TfliteModel, start: int, place: int) -> int:
        """Bytes of maps in memory while operators `start` to `place` run, besides those that their op counts.

        A map that others write part by part takes its whole room from the first part on.
        """
        operator = model.operators[place]
        indices = {
            index for each in model.operators[start : place + 1] for index in (*each.inputs, *each.outputs)
        }
        own = {self.owner[index] for index in indices if index >= 0}
        own = {index for index in own if index in self.born}
        rooms = {index: self.room(model, index) for index in own}
        held = sum(
            _bytes(model, room)
            for room, (first, last) in self._rooms(model).items()
            if room not in rooms.values() and first < place and start < last
        )
        if operator.name not in COLLECTORS:
            return held + sum(
                _bytes(model, room) - _bytes(model, index) for index, room in rooms.items() if room != index
            )
        # Each copy counts what it copies, but neither the whole nor what the others copy.
        output = self.owner[operator.outputs[0]]
        copied = [_bytes(model, index) for index, room in rooms.items() if index != output and room == index]
        is_padding = operator.name in PADS
        return held + sum(copied) - max(copied, default=0) + (0 if is_padding else _bytes(model, output))

    def room(self, model: TfliteModel, index: int) -> int:
        """Tensor in whose memory tensor `index` lies: itself, or one of which it is a part."""
        while index in self.collectors:
            index = self.owner[model.operators[self.collectors[index]].outputs[0]]
        return index

    def _rooms(self, model: TfliteModel) -> dict[int, tuple[int, int]]:
        """First and last operator that use the memory of each tensor that is no part of another."""
        lifetimes: dict[int, tuple[int, int]] = {}
        for index, born in self.born.items():
            room, last = self.room(model, index), max(self.readers.get(index, [-1]))
            first_before, last_before = lifetimes.get(room, (born, last))
            lifetimes[room] = (min(born, first_before), max(last, last_before))
        return lifetimes


def vanishes(operator: Operator, unpadded: dict[int, int]) -> bool:
    """Whether an operator costs nothing: another shape, or padding by the window behind it."""
    is_padding = operator.name in PADS and any(index in unpadded for index in operator.outputs)
    return operator.name in ALIASES or is_padding


def _first(index: int, before: dict[int, int]) -> int:
    seen = set()
    while index in before and index not in seen:
        seen.add(index)
        index = before[index]
    return index


def _unpadded(model: TfliteModel) -> dict[int, int]:
    readers: dict[int, list[Operator]] = {}
    for operator in model.operators:
        for index in operator.inputs:
            readers.setdefault(index, []).append(operator)
    inputs = {}
    for operator in model.operators:
        if operator.name in PADS and len(operator.inputs) > 1 and operator.outputs:
            target = operator.outputs[0]
            behind = readers.get(target, [])
            is_inner = behind and target not in model.outputs
            if is_inner and all(_can_pad(model, operator, reader) for reader in behind):
                inputs[target] = operator.inputs[0]
    return inputs


def _can_pad(model: TfliteModel, padding: Operator, reader: Operator) -> bool:
    """Whether the window of `reader` takes over `padding`: of height and width, less than the window."""
    if reader.name not in _PADDED or reader.options.get("Padding") != _VALID:
        return False
    weights, sides = model.tensors[reader.inputs[1]].shape, model.tensors[padding.inputs[1]].integers()
    if reader.inputs[0] != padding.outputs[0] or len(weights) != 4 or len(sides) != 8:
        return False
    if any(sides[:2]) or any(sides[6:]):
        return False
    return max(sides[2:4]) < weights[1] and max(sides[4:6]) < weights[2]


def _bytes(model: TfliteModel, index: int) -> int:
    shape = model.tensors[index].shape
    if len(shape) != 4:
        return map_bytes(1, 1, prod(shape), bricks=False)
    batch, height, width, channels = shape
    return map_bytes(batch * height, width, channels, bricks=channels > _PLAIN_CHANNELS)
