"""Record of a network's mapping for the author of a runtime: device, split and place of every op."""

from __future__ import annotations

from typing import TypedDict

from objectives.hardware.cost_model import CostModel, NetworkCost
from objectives.workload import Step

FORMAT = "h4h-mapping-1"


class OpRecord(TypedDict):
    """One op.

    `device` is ``npu``, ``cim`` or ``split``. `split` has the NPU's and the macros' share in output channels,
    heads or q/k/v matrices; it is empty if one device does all. `output` is where the macros' share lies
    afterwards: ``sram`` or ``macros``.
    """

    name: str
    kind: str
    shape: str
    weight_bytes: int
    device: str
    split: str
    npu_channels: int
    cim_channels: int
    macros: int
    macro_weight_bytes: int
    output: str
    cycles: float
    energy_pj: float


class MappingFile(TypedDict):
    """The file."""

    format: str
    network: list[int]
    hardware: str
    hardware_digest: str
    mapping: str
    latency_ms: float
    energy_mj: float
    macros: int
    ops: list[OpRecord]


def mapping_file(
    genotype: tuple[int, ...], steps: tuple[Step, ...], cost: NetworkCost, costs: CostModel
) -> MappingFile:
    """The record of a network that `costs` has mapped.

    Args:
        genotype: The network.
        steps: Its workload.
        cost: Cost of `steps`.
        costs: The chip and what its mapping minimises.
    """
    return {
        "format": FORMAT,
        "network": list(genotype),
        "hardware": costs.soc.name,
        "hardware_digest": costs.soc.digest,
        "mapping": costs.mapper.name,
        "latency_ms": cost.latency_ms,
        "energy_mj": cost.energy_mj,
        "macros": cost.macros,
        "ops": [
            {
                "name": step.name,
                "kind": step.op.kind,
                "shape": step.op.shape,
                "weight_bytes": int(step.op.weight_bytes),
                "device": op.schema,
                "split": op.split,
                "npu_channels": op.npu_channels,
                "cim_channels": op.cim_channels,
                "macros": op.macros,
                "macro_weight_bytes": op.cim_weight_bytes,
                "output": op.placement,
                "cycles": op.cycles,
                "energy_pj": op.energy_pj,
            }
            for step, op in zip(steps, cost.ops, strict=True)
        ],
    }
