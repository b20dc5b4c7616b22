"""Energy of the NPU and its memories for ops, by the closed form."""

from __future__ import annotations

from objectives.hardware.op import OpArrays
from objectives.hardware.parts.memory_and_area import Memory
from objectives.hardware.parts.npu import Npu, array_terms
from search_space.arrays import Floats


def npu_energy_pj(ops: OpArrays, npu: Npu, memory: Memory) -> Floats:
    """Energy (n,) in pJ of arithmetic, SRAM and weight reads, without leakage and idle clocks."""
    terms = array_terms(ops, npu)
    per_weight = memory.weight_pj_per_byte + memory.weight_network_pj_per_byte
    memories = terms.sram_bytes * memory.sram_pj_per_byte + terms.weight_bytes * per_weight
    return ops.macs * npu.mac_energy.value + memories
