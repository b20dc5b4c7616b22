"""Memory of an op while it runs, worked by hand and against the compiler."""

from __future__ import annotations

import pytest

from benchmarks.hardware.vela_network import compiled_network
from objectives.hardware import Op, load_soc
from objectives.hardware.npu_passes.live_memory import map_bytes, op_bytes
from objectives.workload import peak_bytes, workload
from search_space.subnet import Head, MBConv, PatchMerging, Stage, Stem, Subnet, ViTBlock


def test_maps_take_whole_bricks_and_units_of_sixteen() -> None:
    assert map_bytes(7, 7, 40, bricks=True) == 49 * 48
    assert map_bytes(7, 7, 40, bricks=False) == 1968  # 1960 bytes
    assert op_bytes(Op("conv2d", 32, 32, 3, 24, kernel=3)) == 32 * 32 * (3 + 32)  # the image is plain
    assert op_bytes(Op("depthwise", 8, 8, 24, 24, kernel=3, stride=2)) == (64 + 16) * 32
    assert op_bytes(Op("add", 8, 8, 24, 24)) == 2 * 64 * 32


def test_temporaries_of_attention_and_norm() -> None:
    wide = 3 * 49 * 64 * 4  # scores in 32 bits, 49 of them in four bricks
    packed = 592  # 147 sums of 4 bytes
    assert op_bytes(Op("softmax", 49, 1, 49, 49, heads=3)) == 2 * wide + 2 * packed
    # Short rows: exponentials, two small sums, three brick-wise numbers per row of Newton's method.
    assert op_bytes(Op("softmax", 16, 1, 16, 16)) == 16 * 64 + 16 * 64 + 3 * 16 * 64
    norm = 64 * 40 + 64 + 2 * 64 * 48 * 4
    assert op_bytes(Op("norm", 64, 1, 40, 40)) == norm
    attend = 3 * 64 * 64 + 2 * 3 * 64 * 16 + 3 * 64 * 65 * 4
    assert op_bytes(Op("matmul", 64, 1, 64, 16, heads=3)) == attend
    scores = (3 + 2) * 2 * 64 * 16 + 2 * 64 * 64 + 2 * 64 * 17 * 4
    assert op_bytes(Op("matmul", 64, 1, 16, 64, heads=2)) == scores


HYBRID = Subnet(
    32,
    Stem(16, 2),
    (
        Stage(MBConv(16, 24, 3, 2, 3), (MBConv(24, 24, 5, 1, 2),), ()),
        Stage(PatchMerging(24, 40, 1), (), (ViTBlock(40, 2, 16, 2), ViTBlock(40, 3, 16, 1))),
    ),
    Head(40, 128, 10),
)
CNN = Subnet(
    32,
    Stem(24, 1),
    (Stage(MBConv(24, 40, 3, 2, 4), (MBConv(40, 40, 5, 1, 3),), ()),),
    Head(40, 128, 10),
)


@pytest.mark.parametrize("subnet", [HYBRID, CNN], ids=["hybrid", "cnn"])
def test_peak_is_what_the_compiler_allocates(subnet: Subnet) -> None:
    for chip in ("u55-64", "u55-256"):
        assert peak_bytes(workload(subnet)) == compiled_network(subnet, load_soc(chip).npu).sram_bytes
