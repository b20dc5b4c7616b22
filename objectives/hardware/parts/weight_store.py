"""Weight store of a chip: the memory that holds the NPU's weights, on the die or beside it.

Bandwidth and latency are those that the NPU sees, as a system configuration of Arm's compiler Vela states
them. Every byte read also crosses `hops` links of the network, which costs energy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from objectives.hardware.parts.clocked_number import BANDWIDTH, LATENCY
from objectives.hardware.parts.sourced_number import Quantity, Section, Unit
from search_space.errors import DocumentError, UnknownNameError

MRAM, BACKGROUND, FLASH, DRAM = "mram", "background", "flash", "dram"
STORE_KINDS = (MRAM, BACKGROUND, FLASH, DRAM)
"""Non-volatile memory next to the NPU, the same behind the system bus, and two kinds beside the die."""
ON_DIE = (MRAM, BACKGROUND)


@dataclass(frozen=True)
class WeightStore(Section):
    """Constants of the weight store (section `memory.weight_store` of a SoC file).

    Attributes:
        kind: One of `STORE_KINDS`. From `mram` the NPU reads weights in place; weights in any other kind are
            copied into SRAM where they are read more than once, unless `npu.buffers_weights` says otherwise.
        capacity: Weights that it holds.
        bandwidth: Read bandwidth at the NPU's port.
        latency: Time of the first byte of a read, network included.
        read_energy: Energy of a byte read.
        hops: Links of the network between store and NPU.
        hop_energy: Energy of one router and one link.
        leakage: Leakage in operation; off-chip memories: power in standby.
        area: Area on the die; None where it is unknown.
        write_bandwidth: Rate at which the chip writes to it during an inference; None if it cannot.
        write_energy: Energy of a byte written.
    """

    kind: str
    capacity: Annotated[Quantity, Unit("MiB")]
    bandwidth: Annotated[Quantity, BANDWIDTH]
    latency: Annotated[Quantity, LATENCY]
    read_energy: Annotated[Quantity, Unit("pJ/B", zero=True)]
    hops: Annotated[Quantity, Unit("hop", zero=True)]
    hop_energy: Annotated[Quantity, Unit("pJ/B/hop", zero=True)]
    leakage: Annotated[Quantity, Unit("mW/MiB", zero=True)]
    area: Annotated[Quantity | None, Unit("mm2/MiB", zero=True)] = field(default=None, kw_only=True)
    write_bandwidth: Annotated[Quantity | None, BANDWIDTH] = field(default=None, kw_only=True)
    write_energy: Annotated[Quantity | None, Unit("pJ/B", zero=True)] = field(default=None, kw_only=True)

    def check_quantities(self, name: str) -> None:
        """As `Section.check_quantities`; also checks that the numbers fit the kind.

        Raises:
            UnknownNameError: There is no such kind.
            DocumentError: A memory beside the die has an area on it, writing is described by half, or a
                quantity is wrong.
        """
        check_kind(self.kind, name)
        super().check_quantities(name)
        if not self.is_on_die and self.area is not None and self.area.high > 0:
            raise DocumentError(
                f"{name}.area: must be absent or 0 for kind {self.kind!r}, which lies beside the die, but "
                f"got {self.area.value:g}; state all numbers of the new kind, as u55-256-flash does"
            )
        for given, missing in (("write_bandwidth", "write_energy"), ("write_energy", "write_bandwidth")):
            if getattr(self, given) is not None and getattr(self, missing) is None:
                raise DocumentError(f"{name}.{missing}: this key is missing, and {name}.{given} needs it")

    @property
    def is_on_die(self) -> bool:
        """Whether the store is part of the chip."""
        return self.kind in ON_DIE

    @property
    def is_copied(self) -> bool:
        """Whether weights are copied into SRAM where they are read more than once."""
        return self.kind != MRAM

    @property
    def capacity_bytes(self) -> float:
        """Capacity in bytes."""
        return self.capacity.value * 1024**2

    @property
    def leakage_mw(self) -> float:
        """Leakage of the whole store in mW."""
        return self.leakage.value * self.capacity.value

    @property
    def network_pj_per_byte(self) -> float:
        """Energy of a byte on its way to the NPU."""
        return self.hops.value * self.hop_energy.value

    def area_mm2(self, chip: str) -> float:
        """Area on the die in mm2.

        Args:
            chip: Name of the SoC file, for messages.

        Raises:
            DocumentError: The store is on the die, and its area is missing.
        """
        if not self.is_on_die:
            return 0.0
        if self.area is None:
            raise DocumentError(
                f"objective 'area' needs memory.weight_store.area, but hardware {chip!r} does not state it; "
                f"add it to the SoC file with value, unit, source, low and high"
            )
        return self.area.value * self.capacity.value


def check_kind(kind: Any, name: str) -> None:
    """Refuses a kind that does not exist.

    Raises:
        UnknownNameError: There is no such kind.
    """
    if kind not in STORE_KINDS:
        raise UnknownNameError(f"{name}.kind", str(kind), STORE_KINDS)
