"""Rooflines and utilisation: by hand, and against the totals of a network."""

from __future__ import annotations

import pytest

from objectives.hardware import CostModel, load_soc
from objectives.hardware.op import Op
from objectives.roofline import Roofline, RooflinePoint, macs_on, rooflines, utilisation
from objectives.workload import ops_of, read_again, workload
from search_space.space import load_space

SPACE = load_space("cifar32")
OPS = ops_of(workload(SPACE.decode(SPACE.smallest())))


def test_a_roof_by_hand() -> None:
    point = RooflinePoint(0, "conv2d", macs=6400.0, bytes_moved=800.0, cycles=200.0)
    line = Roofline("NPU", "SRAM", peak=256.0, bandwidth=8.0, points=(point,))
    assert (point.intensity, point.rate) == (8.0, 32.0)
    # 8 MAC/B at 8 B/cycle are 64 MAC/cycle; above 32 MAC/B the multipliers limit.
    assert [line.roof(x) for x in (8.0, 32.0, 100.0)] == [64.0, 256.0, 256.0]
    assert RooflinePoint(0, "conv2d", 1.0, 0.0, 1.0).intensity == float("inf")


def test_half_of_the_channels_have_half_of_the_macs() -> None:
    assert macs_on(Op("conv2d", 4, 4, 8, 16), 8) == 4 * 4 * 8 * 8
    assert macs_on(Op("matmul", 16, 1, 8, 16, heads=4), 16) == 16 * 8 * 16  # one head


def test_shares_of_both_devices_have_all_macs() -> None:
    soc = load_soc("u55-256-cim8")
    steps = workload(SPACE.decode(SPACE.largest()))
    ops = ops_of(steps)
    costs = CostModel(soc)
    cost = costs.network(ops, read_again(steps))
    npu, macros = rooflines(ops, cost, costs)
    assert macros.peak == 16 * cost.macros
    assert macros.device == f"{cost.macros} macros"
    total = sum(point.macs for line in (npu, macros) for point in line.points)
    assert total == sum(op.macs for op in ops)
    shares = utilisation(ops, cost, soc)
    busy = sum(share / 100 * each.cycles for share, each in zip(shares["NPU"], cost.ops, strict=True))
    assert busy * 256 == pytest.approx(sum(point.macs for point in npu.points))


def test_ops_of_the_npu_lie_under_its_roof() -> None:
    soc = load_soc("u55-256")
    costs = CostModel(soc)
    (npu,) = rooflines(OPS, costs.network(OPS), costs)
    assert len(npu.points) == sum(op.macs > 0 for op in OPS)
    assert all(point.rate <= npu.roof(point.intensity) * (1 + 1e-6) for point in npu.points)
    assert all(0 <= share <= 100 for share in utilisation(OPS, CostModel(soc).network(OPS), soc)["NPU"])
