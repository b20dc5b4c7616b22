"""Output blocks: those of the compiler, and what every block must satisfy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import load_soc
from objectives.hardware.npu_passes.layer_pass import Engine
from objectives.hardware.npu_passes.output_block import BlockError, find_block, runs_part_kernel

MACHINE = load_soc("u55-128").npu.machine
LARGE = load_soc("u55-256").npu.machine


# From the table `perf_debug_main` of Vela 5.2.0.
@pytest.mark.parametrize(
    ("engine", "source", "target", "options", "block"),
    [
        (Engine.CONVOLUTION, (16, 16, 64), (16, 16, 128), {}, (4, 16, 32)),
        (Engine.CONVOLUTION, (32, 32, 3), (16, 16, 24), {"window": (3, 3), "stride": 2}, (6, 8, 24)),
        (Engine.DEPTHWISE, (16, 16, 40), (8, 8, 40), {"window": (3, 3), "stride": 2}, (4, 8, 32)),
        (Engine.POOLING, (13, 13, 16), (13, 13, 16), {"table": True}, (9, 10, 16)),
        (Engine.POOLING, (147, 49, 1), (147, 1, 1), {"window": (1, 49)}, (31, 2, 8)),
        (Engine.ELEMENTWISE, (3, 49, 49), (3, 49, 49), {"bits": 32}, (2, 32, 16)),
        (Engine.REDUCTION, (3, 100, 100), (3, 100, 1), {"bits": 32}, (3, 6, 8)),
    ],
)
def test_blocks_of_the_compiler(
    engine: Engine,
    source: tuple[int, int, int],
    target: tuple[int, int, int],
    options: dict[str, object],
    block: tuple[int, int, int],
) -> None:
    assert find_block(engine, source, target, MACHINE, **options).target == block  # type: ignore[arg-type]


@given(
    side=st.integers(1, 70),
    channels=st.integers(1, 300),
    window=st.sampled_from([1, 3, 5, 7]),
    engine=st.sampled_from([Engine.CONVOLUTION, Engine.DEPTHWISE]),
)
def test_blocks_fit_the_buffer_in_whole_micro_blocks(
    side: int, channels: int, window: int, engine: Engine
) -> None:
    shape = (side, side, channels)
    for machine in (MACHINE, LARGE):
        block = find_block(engine, shape, shape, machine, window=(window, window))
        assert all(size % unit == 0 for size, unit in zip(block.target, machine.block, strict=True))
        height, width, depth = block.target
        accumulators = 2 * height * width * depth * 4
        inputs = 2 * block.source[0] * block.source[1] * block.source[2]
        flat = machine is LARGE and side == 1 and window == 1
        assert accumulators / (2 if flat else 1) + inputs <= machine.banks * 1024
        assert block.source[0] >= height + window - 1


def test_traversal_uses_more_of_the_multipliers() -> None:
    # 8 channels always; 16 of 32 lanes against all 9 of 12 elements; 1 of 4 elements against 24 of 32 lanes.
    assert [runs_part_kernel(c, k, MACHINE) for c, k in ((8, 1), (16, 9), (24, 1), (64, 9))] == [
        True,
        True,
        False,
        False,
    ]


def test_buffer_that_is_too_small_says_what_to_raise() -> None:
    with pytest.raises(BlockError, match=r"npu\.buffer_banks = 4; raise it"):
        find_block(Engine.CONVOLUTION, (8, 8, 64), (8, 8, 64), MACHINE._replace(banks=4))
