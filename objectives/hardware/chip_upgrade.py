"""Chip files of earlier versions, and checks that the numbers of an NPU belong together.

Until cost model 5 the section `npu` held constants of a fit. They follow from the structure now: such keys
are left out with a warning, and missing ones are those of the built-in Ethos-U55 with the same micro-block.
Until cost model 7 three numbers of the weight store stood elsewhere. They move there with a warning; other
numbers of a missing store are those of the built-in chips.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from importlib import resources
from typing import Any

from objectives.hardware.parts.npu import Npu
from search_space.errors import H4HWarning
from search_space.files.yaml_document import read_laid_over

RETIRED = frozenset(
    (
        "sram_brick",
        "block_elements",
        "small_map",
        "reread_channels_small_map",
        "reread_channels_large_map",
        "overlap_span",
        "overlap_limit",
        "fill_cycles",
        "fill_positions",
        "fill_channels",
        "fill_halo",
        "fill_elements",
        "prefetched_map",
        "stall_map",
        "stall_channels",
        "matmul_cycles",
        "matmul_row_cycles",
        "matmul_column_cycles",
        "matmul_idle_cycles",
        "matmul_heads",
        "softmax_fixed_cycles",
        "softmax_row_cycles",
        "softmax_cycles",
        "softmax_brick_cycles",
        "norm_fixed_cycles",
        "norm_cycles",
        "norm_brick_cycles",
        "activation_fixed_cycles",
        "fused_gelu_cycles",
        "pool_fixed_cycles",
        "pool_cycles",
        "matmul_sram_bytes",
        "softmax_sram_bytes",
        "norm_sram_bytes",
        "static_energy",
    )
)
"""Keys of `npu` in files of earlier versions."""

FOLLOWS_BLOCK = (
    "dot_product_depth",
    "dot_product_cycles",
    "buffer_banks",
    "bank_step",
    "output_cycles",
    "add_cycles",
    "multiply_cycles",
    "multiply_wide_cycles",
    "wide_unary_cycles",
    "wide_binary_cycles",
    "table_cycles",
    "activation_cycles",
)
"""Keys of `npu` that go with the micro-block."""

SIZES = {(1, 1, 4): "u55-32", (1, 1, 8): "u55-64", (1, 2, 8): "u55-128", (2, 2, 8): "u55-256"}
"""Built-in chip by micro-block: height, width, channels."""

_BLOCK = ("micro_block_height", "micro_block_width", "micro_block_depth")
_MHZ_PER_PJ_AND_MW = 1e-3


MOVED = {
    ("npu", "weight_bandwidth"): "bandwidth",
    ("npu", "weight_latency"): "latency",
    ("memory", "mram_read_energy"): "read_energy",
}
"""Section and key in files of earlier versions, with the key of `memory.weight_store` instead."""
_MEMORY, _STORE = "memory", "weight_store"


def upgraded(data: object, source: str) -> object:
    """Content of a chip file with the keys of this version.

    Args:
        data: Content, laid over that of its base.
        source: Name of the file, for messages.
    """
    if not isinstance(data, dict):
        return data
    data = _with_store(data, source)
    npu = data.get("npu")
    if not isinstance(npu, dict):
        return data
    old = [key for key in npu if key in RETIRED]
    if not old:
        return data
    kept = {key: value for key, value in npu.items() if key not in RETIRED}
    if (power := _power(npu)) is not None:
        kept["static_power"] = power
    reference = _reference(SIZES.get(_block(npu), "u55-128"))["npu"]
    missing = [key for key in reference if key not in kept]
    kept.update({key: reference[key] for key in missing})
    replaced = [key for key in old if key != "static_energy"]
    if replaced:
        warnings.warn(
            f"{source}: npu.{', npu.'.join(replaced)} had an effect until cost model 5 and have none now, as "
            f"times follow from the structure; delete them",
            H4HWarning,
            stacklevel=3,
        )
    return {**data, "npu": kept}


def _with_store(data: dict[Any, Any], source: str) -> dict[Any, Any]:
    """`data` with numbers of earlier versions moved into the section of the weight store."""
    moved = {
        (section, key): entry
        for section, key in MOVED
        if isinstance(content := data.get(section), dict) and (entry := content.get(key)) is not None
    }
    memory = data.get(_MEMORY)
    if not moved or not isinstance(memory, dict):
        return data
    store = memory.get(_STORE, _reference("u55-128")[_MEMORY][_STORE])
    if not isinstance(store, dict):
        return data
    changed = dict(data)
    for section, key in moved:
        changed[section] = {name: entry for name, entry in changed[section].items() if name != key}
    store = {**store, **{MOVED[place]: entry for place, entry in moved.items()}}
    changed[_MEMORY] = {**changed[_MEMORY], _STORE: store}
    old, new = (
        ", ".join(names)
        for names in (map(".".join, moved), (f"{_MEMORY}.{_STORE}.{MOVED[place]}" for place in moved))
    )
    warnings.warn(
        f"{source}: since cost model 8 {old} is {new}; kind, capacity and network of the store are those of "
        f"{store.get('kind')!r}, state them as well",
        H4HWarning,
        stacklevel=4,
    )
    return changed


def warn_of_mixed_sizes(npu: Npu, source: str) -> None:
    """Warns of numbers that belong to an Ethos-U55 of another size than the micro-block.

    Those of an Ethos-U65 are those of the largest size. An NPU that the closed form does not know has none.
    """
    if not npu.family.has_closed_form:
        return
    block = npu.machine.block
    name = SIZES.get(block)
    shown = " x ".join(map(str, block))
    if name is None:
        known = ", ".join(f"{' x '.join(map(str, size))} (`base: {chip}`)" for size, chip in SIZES.items())
        warnings.warn(
            f"{source}: no Ethos-U55 has a micro-block of {shown} (height x width x channels); times follow "
            f"no compiler. Sizes are {known}",
            H4HWarning,
            stacklevel=3,
        )
        return
    reference, numbers = _reference(name)["npu"], dict(npu.quantities())
    wrong = [key for key in FOLLOWS_BLOCK if not _is_within(numbers[key].value, reference[key])]
    if wrong:
        given = ", ".join(f"npu.{key} {numbers[key].value:g}" for key in wrong)
        right = ", ".join(f"{reference[key]['value']:g}" for key in wrong)
        warnings.warn(
            f"{source}: a micro-block of {shown} is that of {name}, but {given} are not (there: {right}); "
            f"start from `base: {name}`",
            H4HWarning,
            stacklevel=3,
        )


def warn_of_wide_ports(npu: Npu, source: str) -> None:
    """Warns of a memory that delivers more bytes in a cycle than the port of the NPU is wide."""
    speeds = {
        "npu.sram_bandwidth": (npu.sram_bytes_per_cycle, npu.family.sram_bytes),
        f"{_MEMORY}.{_STORE}.bandwidth": (npu.weight_bytes_per_cycle, npu.family.port_bytes),
    }
    for name, (value, most) in speeds.items():
        if value > most:
            warnings.warn(
                f"{source}: {name} is {value:g} B/cycle, but the port of an {npu.family.title} takes {most}; "
                f"times follow no compiler. Write at most {most}",
                H4HWarning,
                stacklevel=3,
            )


def _is_within(value: float, reference: dict[str, Any]) -> bool:
    return bool(reference["low"] <= value <= reference["high"])


def _block(npu: dict[Any, Any]) -> tuple[int, int, int]:
    height, width, depth = (
        int(entry["value"]) if isinstance(entry := npu.get(key), dict) and "value" in entry else 0
        for key in _BLOCK
    )
    return height, width, depth


def _power(npu: dict[Any, Any]) -> dict[str, Any] | None:
    """Static power of a file that states energy per cycle."""
    energy, clock = npu.get("static_energy"), npu.get("clock")
    if (
        not isinstance(energy, dict)
        or not isinstance(clock, dict)
        or not {"value", "low", "high"} <= energy.keys()
    ):
        return None
    scale = clock.get("value", 0) * _MHZ_PER_PJ_AND_MW
    ends = {end: energy[end] * scale for end in ("value", "low", "high")}
    return {**energy, **ends, "unit": "mW"}


@lru_cache
def _reference(name: str) -> dict[str, Any]:
    """Sections of a built-in chip."""
    folder = resources.files("objectives.hardware") / "socs"
    data = read_laid_over("hardware", name, folder)
    assert isinstance(data, dict)
    return data
