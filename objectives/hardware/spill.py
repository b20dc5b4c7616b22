"""Cost of activations that exceed the SRAM: they pass through the weight store.

While an op runs that exceeds the SRAM, some of its maps lie in the weight store (`npu_passes/spilt_maps.py`).
Each is written there once and read back once. The NPU waits meanwhile, so times add up. Arm's compiler Vela
lets transfers overlap with the work; docs/explanation/chip-model.md compares both.
"""

from __future__ import annotations

from dataclasses import dataclass

from objectives.hardware.parts.clocked_number import bytes_per_cycle
from objectives.hardware.soc import SoC
from search_space.arrays import Floats
from search_space.errors import H4HError

_PJ_PER_MJ = 1e9


class SpillError(H4HError):
    """The weight store cannot be written during an inference."""


@dataclass(frozen=True)
class Spill:
    """Cost of a byte that leaves the SRAM: it is written to the weight store and read back.

    Attributes:
        sram_bytes: Capacity of the SRAM.
        cycles_per_byte: Time of both transfers.
        pj_per_byte: Energy of both transfers, in store, network and SRAM, and static energy meanwhile.
        cycles_per_ms: Clock.
    """

    sram_bytes: float
    cycles_per_byte: float
    pj_per_byte: float
    cycles_per_ms: float

    @classmethod
    def of(cls, soc: SoC) -> Spill:
        """The cost on a chip.

        Raises:
            SpillError: The weight store of the chip cannot be written during an inference.
        """
        memory, store = soc.memory, soc.memory.weight_store
        if store is None or store.write_bandwidth is None or store.write_energy is None:
            kind = "none" if store is None else f"of kind {store.kind!r}"
            raise SpillError(
                f"--spill needs a weight store that is written during an inference, but that of {soc.name!r} "
                f"is {kind}, without memory.weight_store.write_bandwidth; leave out --spill, or use a chip "
                f"that states it"
            )
        port = soc.npu.family.port_bytes
        cycles = sum(
            1 / bytes_per_cycle(each, soc.clock_mhz, port)
            for each in (store.write_bandwidth, store.bandwidth)
        )
        picojoules = (
            store.write_energy.value
            + store.read_energy.value
            + 2 * store.network_pj_per_byte
            + 2 * memory.sram_pj_per_byte
            + soc.idle_pj_per_cycle * cycles
        )
        return cls(memory.sram_bytes, cycles, picojoules, soc.cycles_per_ms)

    def added(self, latency_ms: Floats, energy_mj: Floats, spilt: Floats) -> tuple[Floats, Floats]:
        """Latency in ms (n,) and energy in mJ (n,) with the cost of `spilt` bytes (n,)."""
        return (
            latency_ms + spilt * (self.cycles_per_byte / self.cycles_per_ms),
            energy_mj + spilt * (self.pj_per_byte / _PJ_PER_MJ),
        )
