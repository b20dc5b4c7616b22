"""Digest of a SoC: everything that decides costs, models and values, but not names, sources or ranges."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from objectives.hardware.parts.clocked_number import BANDWIDTH, LATENCY
from objectives.hardware.parts.processor import ETHOS_U55

if TYPE_CHECKING:
    from objectives.hardware.soc import SoC


def soc_digest(soc: SoC) -> str:
    """SHA-256 of everything that decides costs."""
    values: dict[str, Any] = {name: value.value for name, value in soc.quantities() if decides_costs(name)}
    # Only a unit that may differ, so that digests of earlier versions stay.
    values |= {
        f"{name}.unit": value.unit
        for name, value in soc.quantities()
        if value.unit in (*BANDWIDTH.others, *LATENCY.others)
        and name.startswith(("npu.", "memory.weight_store."))
    }
    if soc.has_npu and soc.npu.buffers_weights:
        values["npu.buffers_weights"] = True
    if soc.has_npu and soc.npu.processor != ETHOS_U55:
        values["npu.processor"] = soc.npu.processor
    if soc.memory.sram_energy is None and soc.memory.sram_energy_table is not None:
        table = soc.memory.sram_energy_table
        values["memory.sram_energy_table"] = [table.kib, table.values]
    if soc.cim is not None:
        values["cim.model"] = soc.cim.model
        values["cim.products"] = soc.cim.runs_products()
    if soc.noc is not None:
        values["noc.topology"] = soc.noc.topology
        values["noc.tiles"] = [soc.noc.sram, *soc.noc.macros[: soc.macros]]
    if soc.measured_npu is not None:
        values["npu.table"] = soc.measured_npu.digest
    if soc.measured_cim is not None:
        values["cim.table"] = soc.measured_cim.digest
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def decides_costs(name: str) -> bool:
    """Whether latency or energy may depend on the quantity `name`."""
    return not (name.startswith("area.") or name == "memory.weight_store.area")
