"""Chip file of one network: the chip of its study, with the weight compression that the compiler measured.

The compression of a chip file is an assumption for all networks. The weights of a deployed network are known,
so the numbers of its own chip file are measured. They hold for this network only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from objectives.hardware import known_socs
from objectives.hardware.cost_model import CostModel
from objectives.hardware.npu_model import NPU_MODELS
from objectives.hardware.npu_passes.lowering import passes_of
from objectives.hardware.npu_passes.weight_stream import measured_ratio
from objectives.hardware.parts.sourced_number import Quantity
from objectives.hardware.soc import SoC
from objectives.hardware_objectives import mapped_totals
from objectives.workload import Step, ops_of, read_again

CHIP_FILE = "chip.yaml"
"""Name of the file in the folder of a deployed network."""
COMPRESSIONS = ("weight_compression", "padded_compression")
"""Keys of `npu` for the compression of trained weights."""
_DIGITS = 6


@dataclass(frozen=True)
class MeasuredCompression:
    """Compression of the weights of one network, and what it costs.

    Attributes:
        assumed: Encoded over original size in the chip file of the study.
        measured: The same of this network.
        latency_ms: Latency with the measured number; its mapping may be another.
        energy_mj: Energy of an inference with it.
        chip: Text of the chip file.
    """

    assumed: float
    measured: float
    latency_ms: float
    energy_mj: float
    chip: str


def measured_compression(
    costs: CostModel, steps: Sequence[Step], encoded: int, *, hardware: str, label: str
) -> MeasuredCompression | None:
    """The compression of a network's weights, solved from the size that the compiler encodes them to.

    Args:
        costs: Cost model of the study's chip.
        steps: The network.
        encoded: Bytes of all its encoded weights.
        hardware: The study's chip: a built-in name or a file.
        label: Study and network, for the source in the chip file.

    Returns:
        None where the cost model has no such number (its NPU model is another one), or the size cannot be
        explained by it.
    """
    npu = costs.soc.npu
    if costs.npu_model.name != NPU_MODELS[0] or npu.weight_compression is None:
        return None
    ops = ops_of(steps)
    works = (work for op in ops for work in passes_of(op))
    ratio = measured_ratio(works, npu.machine, npu.weight_format, encoded)
    if ratio <= 0:
        return None
    source = f"measured: Vela encodes the weights of {label} to {encoded} bytes"
    numbers: dict[str, Quantity] = {}
    for key in COMPRESSIONS:
        value = round(getattr(npu, key).value * ratio, _DIGITS)
        numbers[key] = Quantity(value=value, unit="B/B", source=source, low=value, high=value)
    changed: dict[str, Any] = dict(numbers)
    soc = replace(costs.soc, npu=replace(npu, **changed))
    measured = CostModel(soc, costs.mapper.name, spill=costs.spill is not None)
    cost = measured.network(ops, read_again(steps))
    latency_ms, energy_mj = mapped_totals(measured, steps, cost)
    return MeasuredCompression(
        assumed=npu.weight_compression.value,
        measured=numbers["weight_compression"].value,
        latency_ms=latency_ms,
        energy_mj=energy_mj,
        chip=_chip_text(costs.soc, hardware, label, numbers),
    )


def _chip_text(soc: SoC, hardware: str, label: str, numbers: dict[str, Quantity]) -> str:
    data: dict[str, Any] = {
        "base": hardware if hardware in known_socs() else str(Path(hardware).resolve()),
        "name": f"{soc.name} for {label}",
        "description": f"{soc.name}, with the weight compression of {label}",
        "npu": {key: number.to_dict() for key, number in numbers.items()},
    }
    heading = f"# The compression of the weights of {label}, for the cost of this network only.\n"
    return heading + yaml.safe_dump(data, sort_keys=False, width=1000)
