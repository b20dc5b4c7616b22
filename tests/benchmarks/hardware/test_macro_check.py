"""Macros beside published ones, and loop nests beside the mappings that ZigZag finds."""

from __future__ import annotations

import pytest

from benchmarks.hardware.macro_check import LAYERS, efficiency, nests
from objectives.hardware import load_soc


def test_a_near_memory_macro_lies_between_published_ones() -> None:
    soc = load_soc("u55-256-cim8")
    many_products = efficiency(soc, LAYERS[1])
    # Two digital near-memory macros: 6.164 and, at most, 8.84 TOPS/W.
    assert 6.164 <= many_products["tops_per_watt"] <= 8.84
    # 16 MAC/cycle at 500 MHz are 16 GOP/s.
    assert many_products["gops"] == pytest.approx(16, rel=1e-3)


def test_units_that_share_reads_are_more_efficient() -> None:
    one, four = (efficiency(load_soc(name), LAYERS[1]) for name in ("u55-256-cim8", "u55-256-cim8x4"))
    assert four["tops_per_watt"] > one["tops_per_watt"]
    assert four["gops"] == pytest.approx(4 * one["gops"], rel=1e-3)


def test_depthwise_layers_leave_lanes_idle() -> None:
    soc = load_soc("u55-256-cim8")
    assert efficiency(soc, LAYERS[3])["gops"] == pytest.approx(
        9 / 16 * efficiency(soc, LAYERS[1])["gops"], rel=1e-2
    )


def test_no_nest_is_worse_than_zigzags() -> None:
    records = nests()
    assert len(records) == 8
    equal = 0
    for record in records:
        assert record["own_cycles"] == pytest.approx(record["cycles"], rel=1e-3)
        own = (record["own_weight_pj"], record["own_input_pj"])
        other = (record["weight_pj"], record["input_pj"])
        assert sum(own) <= sum(other) * (1 + 1e-9)
        equal += own == pytest.approx(other)
    assert equal == 4  # ZigZag's search misses the better nest of the others
