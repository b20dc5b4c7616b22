"""Activations beyond the SRAM: cost by hand, in the cost model, in tables and in the profile."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from objectives import profile
from objectives.hardware import CostModel, Op, load_soc
from objectives.hardware.npu_passes.live_memory import op_bytes
from objectives.hardware.npu_passes.spilt_maps import spilt_bytes
from objectives.hardware.soc import SoC, with_value
from objectives.hardware.spill import Spill, SpillError
from objectives.hardware_objectives import network_totals
from objectives.population.cost_tables import SpaceTables
from objectives.workload import peak_bytes, workload
from search_space.space import load_space
from tests.objectives.population.test_cost_tables import population

SPACE = load_space("imagenet224")
DRAM = """\
base: u55-256
name: dram
description: weights and spilt activations in DRAM
memory:
  weight_store:
    kind: dram
    capacity: {value: 8, unit: MiB, low: 8, high: 8, source: a test}
    bandwidth: {value: 1, unit: B/cycle, low: 1, high: 1, source: a test}
    read_energy: {value: 100, unit: pJ/B, low: 100, high: 100, source: a test}
    leakage: {value: 0, unit: mW/MiB, low: 0, high: 0, source: a test}
    write_bandwidth: {value: 0.5, unit: B/cycle, low: 0.5, high: 0.5, source: a test}
    write_energy: {value: 120, unit: pJ/B, low: 120, high: 120, source: a test}
    area: null
"""


@pytest.fixture
def dram(tmp_path: Path) -> SoC:
    path = tmp_path / "dram.yaml"
    path.write_text(DRAM)
    return load_soc(str(path))


def test_cost_of_a_byte_by_hand(dram: SoC) -> None:
    spill = Spill.of(dram)
    assert spill.sram_bytes == 2**20
    assert spill.cycles_per_byte == 1 / 0.5 + 1 / 1
    # Written and read, over one hop and out of and into SRAM both times, while everything else waits.
    waiting = 3 * dram.idle_pj_per_cycle
    assert spill.pj_per_byte == pytest.approx(120 + 100 + 2 * 0.3 + 2 * 2.4 + waiting)
    latency, energy = spill.added(np.array([1.0]), np.array([2.0]), np.array([5e5]))
    assert latency[0] == pytest.approx(1 + 5e5 * 3 / 500e3)
    assert energy[0] == pytest.approx(2 + 5e5 * spill.pj_per_byte * 1e-9)


def test_whole_maps_leave_the_sram_by_hand() -> None:
    expand = Op("conv2d", 96, 96, 32, 96)  # 288 KiB to 864 KiB
    kib = 1024
    assert spilt_bytes(expand, 0, 1152 * kib) == 0
    assert spilt_bytes(expand, 0, 1024 * kib) == 288 * kib  # the input alone suffices
    assert spilt_bytes(expand, 0, 800 * kib) == 864 * kib
    assert spilt_bytes(expand, 0, 100 * kib) == 1152 * kib
    assert spilt_bytes(expand, 200 * kib, 1152 * kib) == 200 * kib  # the residual
    softmax = Op("softmax", 169, 1, 169, 169, heads=6)
    wide = 6 * 169 * 176 * 4  # 32 bits, 11 bricks of 16 channels
    assert spilt_bytes(softmax, 0, op_bytes(softmax) - 500 * kib) == wide


def test_maps_of_every_op_that_exceeds_are_moved(dram: SoC) -> None:
    largest = SPACE.decode(SPACE.largest())
    steps = workload(largest)
    assert sum(step.live_bytes > 2**20 for step in steps) > 3
    excess = sum(spilt_bytes(step.op, step.held_bytes, 2**20) for step in steps)
    plain, spilt = (network_totals(CostModel(dram, spill=on), [largest]) for on in (False, True))
    assert spilt[0][0] - plain[0][0] == pytest.approx(excess * 3 / 500e3)
    assert spilt[1][0] - plain[1][0] == pytest.approx(excess * Spill.of(dram).pj_per_byte * 1e-9)


def test_what_fits_costs_nothing_more(dram: SoC) -> None:
    smallest = SPACE.decode(SPACE.smallest())
    plain, spilt = (network_totals(CostModel(dram, spill=on), [smallest]) for on in (False, True))
    assert [one.tolist() for one in plain] == [one.tolist() for one in spilt]
    large = with_value(dram, "memory.sram_capacity", 4)
    largest = SPACE.decode(SPACE.largest())
    plain, spilt = (network_totals(CostModel(large, spill=on), [largest]) for on in (False, True))
    assert [one.tolist() for one in plain] == [one.tolist() for one in spilt]


def test_tables_equal_the_cost_model(dram: SoC) -> None:
    """Some networks fit, some exceed the SRAM."""
    model = CostModel(dram, "npu", spill=True)
    rows = population(SPACE, 16)
    subnets = [SPACE.decode(row.tolist()) for row in rows]
    exceeds = [peak_bytes(workload(subnet)) > 2**20 for subnet in subnets]
    assert 0 < sum(exceeds) < len(exceeds)
    tables = SpaceTables(SPACE, model)
    for found in (tables.totals(rows), tables.estimates(rows)):
        for one, expected in zip(found, network_totals(model, subnets), strict=True):
            assert one.tolist() == expected.tolist()


def test_refused_where_nothing_can_be_written() -> None:
    with pytest.raises(SpillError, match=r"'u55-256-flash' is of kind 'flash', without memory\.weight_store"):
        CostModel(load_soc("u55-256-flash"), spill=True)


def test_the_profile_says_what_does_not_fit(
    dram: SoC, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--space", "imagenet224", "--subnet", "max", "--hardware"]
    profile.main([*arguments, "u55-256"])
    printed = capsys.readouterr().out
    assert "does not fit: 2205.0 KiB of activations, 1024 KiB of SRAM; --spill adds" in printed
    assert "KiB of weights, 4096 KiB of weight store" in printed
    profile.main([*arguments, str(tmp_path / "dram.yaml"), "--spill", "--json"])
    record = json.loads(capsys.readouterr().out)
    largest = SPACE.decode(SPACE.largest())
    expected = network_totals(CostModel(dram, spill=True), [largest])
    assert record["latency_with_spill_ms"] == expected[0][0]
    assert record["energy_with_spill_mj"] == expected[1][0]
    assert record["latency_with_spill_ms"] - record["latency_ms"] == pytest.approx(
        record["spilt_bytes"] * 3 / 500e3
    )
    profile.main(["--hardware", "u55-256"])
    assert "does not fit" not in capsys.readouterr().out
