from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import CostModel, NetworkCost, load_soc
from objectives.hardware.frame_rate import (
    HAND_OVER,
    MACROS,
    NETWORK,
    NPU,
    SRAM,
    Throughput,
    average_mw,
    sleep_mw,
    throughput,
)
from objectives.hardware.parts.sourced_number import Quantity
from objectives.hardware_objectives import Energy, Latency, PowerAtRate
from objectives.workload import ops_of, read_again, workload
from search_space.space import load_space

SPACE = load_space("cifar32")
LARGEST = SPACE.decode(SPACE.largest())


def profile(name: str) -> tuple[NetworkCost, CostModel]:
    model, steps = CostModel(load_soc(name)), workload(LARGEST)
    return model.network(ops_of(steps), read_again(steps)), model


def test_pipeline_by_hand() -> None:
    busy = {NPU: 4.0, MACROS: 6.0, NETWORK: 1.0, SRAM: 2.0, HAND_OVER: 0.5}
    frames = Throughput(latency_ms=10.0, busy_ms=busy)
    assert (frames.bottleneck, frames.interval_ms) == (MACROS, 6.0)
    assert frames.sequential_fps == 100
    assert frames.pipelined_fps == pytest.approx(1000 / 6)
    # A frame takes 10 ms and the next one starts after 6, so that two are in progress.
    assert frames.frames_in_flight == 2
    assert frames.utilisation(NPU) == 0.4


def test_an_npu_alone_has_no_pipeline() -> None:
    cost, model = profile("u55-256")
    frames = throughput(cost, model)
    assert frames.bottleneck == NPU
    assert frames.pipelined_fps == pytest.approx(frames.sequential_fps)
    assert frames.frames_in_flight == 1
    assert frames.busy_ms[MACROS] == frames.busy_ms[HAND_OVER] == 0


def test_spilling_keeps_the_npu_waiting() -> None:
    cost, plain = profile("u55-256-cim8")
    model = CostModel(load_soc("u55-256-cim8"), spill=True)
    assert model.spill is not None
    before, after = throughput(cost, plain), throughput(cost, model, 1000.0)
    waiting = 1000 * model.spill.cycles_per_byte / plain.soc.cycles_per_ms
    assert after.latency_ms == pytest.approx(before.latency_ms + waiting)
    assert after.busy_ms[NPU] == pytest.approx(before.busy_ms[NPU] + waiting)
    assert after.busy_ms[SRAM] == pytest.approx(before.busy_ms[SRAM] + 2000 / 8 / 500e3)
    assert after.busy_ms[MACROS] == before.busy_ms[MACROS]
    assert throughput(cost, plain, 1000.0) == before


def test_macros_and_npu_work_on_different_frames() -> None:
    cost, model = profile("u55-256-cim8")
    frames, soc = throughput(cost, model), model.soc
    assert frames.busy_ms[NPU] * soc.cycles_per_ms == pytest.approx(
        sum(op.npu_cycles + op.tail_cycles for op in cost.ops)
    )
    assert frames.busy_ms[MACROS] > 0
    assert all(frames.utilisation(name) <= 1 for name in (NPU, MACROS, NETWORK, HAND_OVER))
    assert frames.interval_ms < frames.latency_ms
    assert (frames.frames_in_flight - 1) * frames.interval_ms < frames.latency_ms
    assert frames.frames_in_flight * frames.interval_ms >= frames.latency_ms * (1 - 1e-6)


def test_power_by_hand() -> None:
    soc = load_soc("u55-256")
    assert soc.memory.weight_store is not None
    leakage = 1.0 + 0.53 * 1 + soc.memory.weight_store.leakage_mw
    assert sleep_mw(soc) == pytest.approx(leakage)
    # 0.1 mJ at 30 fps are 3 mW; an inference of 10 ms leaves 70 % of the time.
    power = average_mw(soc, np.array([10.0, 40.0]), np.array([0.1, 0.1]), 30)
    assert power.tolist() == pytest.approx([3 + 0.7 * leakage, 3])


def test_a_chip_file_may_state_less_power_between_frames() -> None:
    soc = load_soc("u55-256")
    milliwatts = Quantity(0.25, "mW", "gated", 0.25, 0.25)
    gated = replace(soc, npu=replace(soc.npu, sleep_power=milliwatts))
    assert sleep_mw(gated) == pytest.approx(sleep_mw(soc) - 0.75)
    retained = replace(milliwatts, unit="mW/MiB", value=0.25)
    memory = replace(soc.memory, sram_retention=retained)
    assert sleep_mw(replace(soc, memory=memory)) == pytest.approx(sleep_mw(soc) - 0.53 + 0.25)
    assert gated.digest != soc.digest


@given(fps=st.floats(1e-3, 1e3))
def test_power_lies_between_sleep_and_work(fps: float) -> None:
    soc, latency, energy = load_soc("u55-256-cim8"), np.array([4.0]), np.array([0.02])  # 5 mW
    (power,) = average_mw(soc, latency, energy, fps)
    assert 0 < sleep_mw(soc) < 5
    # What is left of each second is slept; at 250 images of 4 ms nothing is.
    asleep = max(1 - 0.004 * fps, 0)
    assert power == pytest.approx(0.02 * fps + asleep * sleep_mw(soc))


def test_objective_at_a_rate() -> None:
    costs, smallest = CostModel(load_soc("u55-256")), SPACE.decode(SPACE.smallest())
    objective = PowerAtRate(costs, 0.5)
    assert (objective.name, objective.unit) == ("power@0.5fps", "mW")
    latency, energy = Latency(costs)([smallest]), Energy(costs)([smallest])
    assert objective([smallest]).tolist() == average_mw(costs.soc, latency, energy, 0.5).tolist()
