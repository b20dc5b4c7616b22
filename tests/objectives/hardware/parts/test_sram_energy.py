"""Energy of the SRAM by its size: the model's points, interpolation by hand, bad tables."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import load_soc
from objectives.hardware.parts.sram_energy import SramEnergyTable
from objectives.hardware.soc import SoC, with_value
from search_space.errors import DocumentError

TABLE = SramEnergyTable("pJ/B", "a test", kib=(256.0, 1024.0), values=(1.0, 2.0))
CACTI = ((16, 1.6), (64, 3.5), (256, 9.3), (512, 15.3), (1024, 19.2), (2048, 31), (4096, 44))
"""KiB, and pJ of a read of 8 bytes (CACTI 7, 22 nm)."""


def sized(mib: float) -> SoC:
    return with_value(load_soc("u55-256"), "memory.sram_capacity", mib)


def test_points_of_cacti() -> None:
    table = load_soc("u55-256").memory.sram_energy_table
    assert table is not None
    for kib, picojoules in CACTI:
        assert table.at(kib) == pytest.approx(picojoules / 8, abs=1e-6)


def test_by_hand() -> None:
    assert TABLE.at(512) == pytest.approx(2**0.5, abs=1e-6)  # doubles over two doublings
    assert TABLE.at(4096) == 4
    assert TABLE.at(64) == 0.5
    assert sized(2).memory.sram_pj_per_byte == 3.875
    assert sized(1.5).memory.sram_pj_per_byte == pytest.approx(2.4 * (3.875 / 2.4) ** 0.5849625, abs=1e-5)


@given(st.floats(min_value=4, max_value=2e4), st.floats(min_value=1.001, max_value=4))
def test_a_larger_sram_never_costs_less(kib: float, factor: float) -> None:
    table = load_soc("u55-256").memory.sram_energy_table
    assert table is not None
    assert table.at(kib) <= table.at(factor * kib)


def test_factor_and_stated_energy() -> None:
    soc = load_soc("u55-256")
    assert with_value(soc, "memory.sram_energy_factor", 1.25).memory.sram_pj_per_byte == 3.0
    data = soc.to_dict()
    data["memory"]["sram_energy"] = {**data["memory"]["sram_capacity"], "unit": "pJ/B", "value": 2.0}
    stated = SoC.from_dict(data)
    assert stated.memory.sram_pj_per_byte == 2.0
    assert "memory.sram_energy_factor" not in dict(stated.quantities())
    assert with_value(stated, "memory.sram_capacity", 4).memory.sram_pj_per_byte == 2.0


def test_the_table_is_part_of_the_digest() -> None:
    data = load_soc("u55-256").to_dict()
    data["memory"]["sram_energy_table"]["values"][0] = 0.1
    assert SoC.from_dict(data).digest != load_soc("u55-256").digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "pJ/bit"}, "`unit` must be 'pJ/B', but got 'pJ/bit'"),
        ({"source": " "}, "`source` must state"),
        ({"kib": (1024.0, 256.0)}, r"ascending order, but got \[1024\.0, 256\.0\]"),
        ({"values": (1.0,)}, "equally many numbers, at least 2, but got 2 and 1"),
        ({"values": (1.0, -2.0)}, "must be positive"),
        ({"values": (1.0, float("nan"))}, "must be positive and finite"),
    ],
)
def test_bad_tables(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        SramEnergyTable(**{**vars(TABLE), **change})
