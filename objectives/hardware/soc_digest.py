"""Digest of a SoC: everything that decides costs, models and values, but not names, sources or ranges."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from objectives.hardware.parts.cim import Cim
from objectives.hardware.parts.clocked_number import BANDWIDTH, LATENCY
from objectives.hardware.parts.memory_and_area import Memory
from objectives.hardware.parts.noc import Noc
from objectives.hardware.parts.npu import Npu
from objectives.hardware.parts.processor import ETHOS_U55
from objectives.hardware.parts.sourced_number import Quantity


def soc_digest(
    quantities: Mapping[str, Quantity],
    memory: Memory,
    *,
    npu: Npu | None,
    cim: Cim | None,
    noc: Noc | None,
    macros: int,
    tables: Mapping[str, str],
) -> str:
    """SHA-256 of everything that decides costs.

    Args:
        quantities: All numbers of the SoC by their dotted names.
        memory: Its memories.
        npu: Its NPU; None without one.
        cim: Its macros; None without any.
        noc: Its network; None without macros.
        macros: Number of macros.
        tables: Digests of tables of measured ops, by their names in the file.
    """
    used = {name: number for name, number in quantities.items() if decides_costs(name)}
    values: dict[str, Any] = {name: number.value for name, number in used.items()}
    # Only a unit that may differ, so that digests of earlier versions stay.
    values |= {
        f"{name}.unit": number.unit
        for name, number in used.items()
        if number.unit in (*BANDWIDTH.others, *LATENCY.others)
        and name.startswith(("npu.", "memory.weight_store."))
    }
    if npu is not None and npu.buffers_weights:
        values["npu.buffers_weights"] = True
    if npu is not None and npu.processor != ETHOS_U55:
        values["npu.processor"] = npu.processor
    if memory.sram_energy is None and memory.sram_energy_table is not None:
        values["memory.sram_energy_table"] = [memory.sram_energy_table.kib, memory.sram_energy_table.values]
    if cim is not None:
        values["cim.model"] = cim.model
        values["cim.products"] = cim.runs_products()
    if noc is not None:
        values["noc.topology"] = noc.topology
        values["noc.tiles"] = [noc.sram, *noc.macros[:macros]]
    values |= tables
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def decides_costs(name: str) -> bool:
    """Whether latency or energy may depend on the quantity `name`."""
    return not (name.startswith("area.") or name == "memory.weight_store.area")
