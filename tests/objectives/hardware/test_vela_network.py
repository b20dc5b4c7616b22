"""Whole networks: Arm's compiler against the sum of the closed form over their ops."""

from __future__ import annotations

import pytest

from benchmarks.hardware.vela_network import network_cycles
from objectives.hardware import load_soc
from objectives.workload import ops_of, workload
from search_space.subnet import Head, MBConv, PatchMerging, Stage, Stem, Subnet, ViTBlock

HYBRID = Subnet(
    32,
    Stem(16, 2),
    (
        Stage(MBConv(16, 24, 3, 2, 3), (MBConv(24, 24, 5, 1, 2),), ()),
        Stage(PatchMerging(24, 40, 1), (), (ViTBlock(40, 2, 16, 2), ViTBlock(40, 3, 16, 1))),
    ),
    Head(40, 128, 10),
)


@pytest.mark.parametrize("chip", ["u55-128", "u55-256"])
def test_whole_network_takes_the_sum_of_its_ops(chip: str) -> None:
    npu, steps = load_soc(chip).npu, workload(HYBRID)
    compiled = network_cycles(HYBRID, npu)
    assert set(compiled) == {step.name for step in steps}
    assert npu.cycles(ops_of(steps)).sum() == pytest.approx(sum(compiled.values()), rel=0.05)
