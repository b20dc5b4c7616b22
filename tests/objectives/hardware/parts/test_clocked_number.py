"""Memories whose speed is stated per second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from objectives.hardware import CostModel, Op, SoC, load_soc
from objectives.hardware.parts.clocked_number import bytes_per_cycle, latency_cycles
from objectives.hardware.parts.sourced_number import Quantity
from objectives.hardware.soc import with_value
from search_space.errors import DocumentError

FLASH = """
base: u55-128
name: flash
npu:
  clock: {value: 250, unit: MHz, low: 100, high: 1000, source: test}
memory:
  weight_store:
    bandwidth: {value: 100, unit: MB/s, low: 100, high: 100, source: test}
    latency: {value: 200, unit: ns, low: 200, high: 200, source: test}
"""


def number(value: float, unit: str) -> Quantity:
    return Quantity(value, unit, "test", value, value)


def with_bandwidth(soc: SoC, bandwidth: Quantity) -> SoC:
    """`soc` with another bandwidth of its weight store."""
    store = soc.memory.weight_store
    assert store is not None
    return replace(soc, memory=replace(soc.memory, weight_store=replace(store, bandwidth=bandwidth)))


@pytest.fixture
def flash(tmp_path: Path) -> SoC:
    path = tmp_path / "flash.yaml"
    path.write_text(FLASH)
    return load_soc(str(path))


@pytest.mark.parametrize(
    ("value", "unit", "clock_mhz", "expected"),
    [
        (1, "B/cycle", 500, 1),
        (0.5, "GB/s", 500, 1),
        (500, "MB/s", 500, 1),
        (500, "MB/s", 250, 2),
        (4, "GB/s", 250, 8),  # the port takes no more
        (16, "B/cycle", 250, 16),
    ],
)
def test_bytes_per_cycle(value: float, unit: str, clock_mhz: float, expected: float) -> None:
    assert bytes_per_cycle(number(value, unit), clock_mhz) == pytest.approx(expected)


def test_latency() -> None:
    assert latency_cycles(number(64, "cycle"), 250) == 64
    assert latency_cycles(number(64, "ns"), 250) == pytest.approx(16)


def test_a_flash_delivers_the_same_per_second_at_twice_the_clock(flash: SoC) -> None:
    fast = with_value(flash, "npu.clock", 500)
    delivered = [soc.npu.weight_bytes_per_cycle * soc.clock_mhz for soc in (flash, fast)]
    assert delivered == pytest.approx([100, 100])
    waits = [soc.npu.machine.weight_latency / soc.clock_mhz for soc in (flash, fast)]
    assert waits == pytest.approx([0.2, 0.2])


def test_a_layer_that_waits_for_flash_gains_nothing_from_the_clock(flash: SoC) -> None:
    bound = [Op("linear", 1, 1, 512, 512)]
    slow, fast = (
        CostModel(soc).network(bound).latency_ms for soc in (flash, with_value(flash, "npu.clock", 500))
    )
    assert slow == pytest.approx(fast, rel=1e-3)
    per_cycle = with_bandwidth(flash, number(0.4, "B/cycle"))
    slow, fast = (
        CostModel(soc).network(bound).latency_ms
        for soc in (per_cycle, with_value(per_cycle, "npu.clock", 500))
    )
    assert slow == pytest.approx(2 * fast, rel=1e-3)


def test_equal_numbers_of_other_units_are_other_chips(flash: SoC) -> None:
    other = with_bandwidth(flash, number(100, "GB/s"))
    assert other.digest != flash.digest


def test_other_units_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(FLASH.replace("MB/s", "kB/s"))
    with pytest.raises(DocumentError, match="must be 'B/cycle' or 'GB/s' or 'MB/s', but got 'kB/s'"):
        load_soc(str(path))
    path.write_text(FLASH.replace("MHz", "GHz"))
    with pytest.raises(DocumentError, match="must be 'MHz', but got 'GHz'"):
        load_soc(str(path))
