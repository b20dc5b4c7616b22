from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from objectives.hardware import CostModel, NetworkCost, Op, load_soc
from objectives.workload import ops_of, peak_bytes, read_again, workload
from search_space.complexity import macs, params
from search_space.space import known_spaces, load_space
from search_space.subnet import Head, MBConv, PatchMerging, Stage, Stem, Subnet, ViTBlock

MIXED = Subnet(
    resolution=32,
    stem=Stem(width=16, stride=2),
    stages=(
        Stage(
            downsampling=MBConv(in_width=16, width=24, kernel=3, stride=2, expansion=1),
            conv_blocks=(MBConv(in_width=24, width=24, kernel=5, stride=1, expansion=3),),
            vit_blocks=(),
        ),
        Stage(
            downsampling=PatchMerging(in_width=24, width=48, stride=2),
            conv_blocks=(),
            vit_blocks=(ViTBlock(width=48, heads=3, head_dim=16, mlp_ratio=2),),
        ),
    ),
    head=Head(in_width=48, width=128, classes=10),
)


def test_ops_and_names_of_a_small_network() -> None:
    assert [(step.name, step.op) for step in workload(MIXED)] == [
        ("stem", Op("conv2d", 32, 32, 3, 16, 3, 2)),
        ("stage1.downsampling.depthwise", Op("depthwise", 16, 16, 16, 16, 3, 2)),
        ("stage1.downsampling.project", Op("conv2d", 8, 8, 16, 24)),
        ("stage1.conv1.expand", Op("conv2d", 8, 8, 24, 72)),
        ("stage1.conv1.depthwise", Op("depthwise", 8, 8, 72, 72, 5)),
        ("stage1.conv1.project", Op("conv2d", 8, 8, 72, 24)),
        ("stage1.conv1.add", Op("add", 8, 8, 24, 24)),
        ("stage2.downsampling", Op("conv2d", 8, 8, 24, 48, 2, 2)),
        ("stage2.position_embedding", Op("add", 4, 4, 48, 48)),
        ("stage2.vit1.norm1", Op("norm", 16, 1, 48, 48)),
        ("stage2.vit1.qkv", Op("linear", 16, 1, 48, 144, heads=3)),
        ("stage2.vit1.scores", Op("matmul", 16, 1, 16, 16, heads=3)),
        ("stage2.vit1.softmax", Op("softmax", 16, 1, 16, 16, heads=3)),
        ("stage2.vit1.attend", Op("matmul", 16, 1, 16, 16, heads=3)),
        ("stage2.vit1.projection", Op("linear", 16, 1, 48, 48)),
        ("stage2.vit1.add1", Op("add", 16, 1, 48, 48)),
        ("stage2.vit1.norm2", Op("norm", 16, 1, 48, 48)),
        ("stage2.vit1.fc1", Op("linear", 16, 1, 48, 96, fused_gelu=True)),
        ("stage2.vit1.fc2", Op("linear", 16, 1, 96, 48)),
        ("stage2.vit1.add2", Op("add", 16, 1, 48, 48)),
        ("head.conv", Op("conv2d", 4, 4, 48, 128)),
        ("head.pool", Op("pool", 4, 4, 128, 128, 4, 4)),
        ("head.classifier", Op("linear", 1, 1, 128, 10)),
    ]


def with_batch_norm(subnet: Subnet) -> Subnet:
    """`subnet` with batch norm in all its transformer blocks."""
    return replace(
        subnet,
        stages=tuple(
            replace(stage, vit_blocks=tuple(replace(block, norm="batch") for block in stage.vit_blocks))
            for stage in subnet.stages
        ),
    )


def test_bytes_that_are_held_beside_the_operands() -> None:
    # Maps of convolutions take bricks of 16 channels, so that 24 take 32; those of tokens take what they are.
    vit = ViTBlock(width=40, heads=3, head_dim=12, mlp_ratio=2)
    patches = PatchMerging(in_width=24, width=40, stride=2)
    stage = Stage(downsampling=patches, conv_blocks=(), vit_blocks=(vit,))
    subnet = replace(MIXED, stages=(MIXED.stages[0], stage), head=Head(in_width=40, width=128, classes=10))
    assert subnet.sides == (16, 8, 4)
    held = {step.name: step.held_bytes for step in workload(subnet) if step.held_bytes}
    residual, values = 16 * 40, 16 * 3 * 12
    assert held == {
        "stage1.conv1.depthwise": 8 * 8 * 32,
        "stage1.conv1.project": 8 * 8 * 32,
        "stage2.vit1.qkv": residual,
        "stage2.vit1.scores": residual,
        "stage2.vit1.softmax": residual + values,
        "stage2.vit1.attend": residual,
        "stage2.vit1.projection": residual,
        "stage2.vit1.fc1": residual,
        "stage2.vit1.fc2": residual,
    }


def test_batch_norm_of_a_transformer_block_is_no_op() -> None:
    layer, batch = workload(MIXED), workload(with_batch_norm(MIXED))
    left = [(step.name, step.op) for step in layer if step.op.kind != "norm"]
    assert len(left) == len(layer) - 2
    assert [(step.name, step.op) for step in batch] == left
    before = {step.name: step for step in layer}
    for step in batch:
        # The two linear layers read the residual itself, which nothing else need hold for them.
        reads_residual = step.name in ("stage2.vit1.qkv", "stage2.vit1.fc1")
        assert step.held_bytes == (0 if reads_residual else before[step.name].held_bytes)
        assert step.is_read_again == before[step.name].is_read_again


@pytest.mark.parametrize("soc", ["u55-256", "u55-256-cim8"])
def test_batch_norm_saves_the_time_of_all_layer_norms_and_no_less(soc: str) -> None:
    subnet = load_space("cifar32").decode(load_space("cifar32").largest())
    costs = CostModel(load_soc(soc))

    def cost(subnet: Subnet) -> tuple[NetworkCost, float]:
        steps = workload(subnet)
        found = costs.network(ops_of(steps), read_again(steps))
        pairs = zip(steps, found.ops, strict=True)
        return found, sum(op.cycles for step, op in pairs if step.op.kind == "norm")

    layer, in_norms = cost(subnet)
    batch, none = cost(with_batch_norm(subnet))
    saved = (layer.latency_ms - batch.latency_ms) * 1e3 * load_soc(soc).clock_mhz
    assert none == 0
    assert saved >= in_norms * (1 - 1e-9) > 0
    assert batch.energy_mj < layer.energy_mj


def subnets(name: str) -> list[Subnet]:
    space = load_space(name)
    rng = np.random.default_rng(0)
    genotypes = [space.largest(), space.smallest(), *(space.sample(rng) for _ in range(50))]
    return [space.decode(genotype) for genotype in genotypes]


@pytest.mark.parametrize("space", known_spaces())
def test_macs_are_those_of_the_subnet(space: str) -> None:
    for subnet in [MIXED, *subnets(space)]:
        assert sum(step.op.macs for step in workload(subnet)) == macs(subnet)


@pytest.mark.parametrize("space", known_spaces())
def test_names_are_unique_and_weights_are_parameters(space: str) -> None:
    for subnet in subnets(space):
        steps = workload(subnet)
        assert len({step.name for step in steps}) == len(steps)
        assert 0.8 * params(subnet) < sum(step.op.weight_bytes for step in steps) < params(subnet)


@pytest.mark.parametrize("space", known_spaces())
def test_each_op_reads_what_is_there(space: str) -> None:
    for subnet in subnets(space):
        live = subnet.resolution**2 * 3
        for step in workload(subnet):
            # All an op reads was alive after the op before, but for a constant and for what was held.
            if step.op.kind not in ("add", "matmul"):
                assert step.op.input_bytes <= live
            live = step.op.output_bytes + step.held_bytes


def test_vit_block_takes_the_time_of_its_ops() -> None:
    # docs/explanation/chip-model.md; Q, K and V are one linear layer here.
    npu = load_soc("u55-256").npu
    tokens, width, heads, ratio = 64, 128, 4, 2
    block = ViTBlock(width=width, heads=heads, head_dim=width // heads, mlp_ratio=ratio)
    stage = Stage(PatchMerging(8, width, 1), (), (block,))
    subnet = Subnet(8, Stem(8, 1), (stage,), Head(width, 8, 2))
    steps = [step for step in workload(subnet) if ".vit1." in step.name]
    assert subnet.sides[-1] ** 2 == tokens
    expected = [
        Op("norm", tokens, 1, width, width),
        Op("linear", tokens, 1, width, 3 * width),
        Op("matmul", tokens, 1, width // heads, tokens, heads=heads),
        Op("softmax", tokens, 1, tokens, tokens, heads=heads),
        Op("matmul", tokens, 1, tokens, width // heads, heads=heads),
        Op("linear", tokens, 1, width, width),
        Op("add", tokens, 1, width, width),
        Op("norm", tokens, 1, width, width),
        Op("linear", tokens, 1, width, ratio * width, fused_gelu=True),
        Op("linear", tokens, 1, ratio * width, width),
        Op("add", tokens, 1, width, width),
    ]
    assert npu.cycles(ops_of(steps)).sum() == npu.cycles(expected).sum()


def test_peak_memory_in_closed_form() -> None:
    live = {step.name: step.live_bytes for step in workload(MIXED)}
    assert live["stem"] == 32 * 32 * 3 + 16 * 16 * 16
    # Maps take whole bricks of 16 channels: 24 channels lie in 32, 72 in 80.
    assert live["stage1.conv1.expand"] == 64 * (32 + 80)
    assert live["stage1.conv1.depthwise"] == 64 * (32 + 80 + 80)  # the residual waits
    assert live["stage1.conv1.project"] == 64 * (32 + 80 + 32)
    assert live["stage1.conv1.add"] == 64 * (32 + 32)  # overwrites an operand
    assert live["stage1.downsampling.depthwise"] == 16 * (256 + 64)  # no residual where stride is 2
    assert live["stage2.vit1.qkv"] == 16 * (48 + 48 + 144)
    # Residual; joint projection, K and V of three heads of width 16; scores; 32-bit products of a column.
    column = 3 * 16 * 17 * 4
    assert live["stage2.vit1.scores"] == 16 * (48 + 144 + 48 + 48) + 3 * 16 * 16 + column
    # With as many tokens as channels a head, AV cannot be told from QK^T and is taken to need as much.
    assert live["stage2.vit1.attend"] == live["stage2.vit1.scores"]
    # Residual and V; exponentials of 32 bits, 48 sums of 4 bytes, and three numbers per row in bricks.
    wide, packed = 3 * 16 * 16 * 4, 48 * 4
    assert live["stage2.vit1.softmax"] == 16 * (48 + 48) + wide + packed + 3 * wide
    assert peak_bytes(workload(MIXED)) == max(live.values())


def test_residual_without_expansion_is_read_by_the_depthwise() -> None:
    block = MBConv(in_width=16, width=16, kernel=3, stride=1, expansion=1)
    stage = Stage(downsampling=block, conv_blocks=(), vit_blocks=())
    subnet = Subnet(8, Stem(16, 1), (stage,), Head(16, 8, 2))
    live = {step.name: step.live_bytes for step in workload(subnet)}
    assert live["stage1.downsampling.depthwise"] == 64 * (16 + 16)
    assert live["stage1.downsampling.project"] == 64 * (16 + 16 + 16)


def test_residuals_are_marked_as_read_again() -> None:
    # What a residual block reads is read again by its add: the map before its first op, unless that is made
    # by a step marked already. Adds and norms read from SRAM whatever is marked.
    steps = workload((space := load_space("cifar32")).decode(space.largest()))
    marked = {steps[index].name for index in read_again(steps)}
    before = {
        steps[index - 1].name
        for index, step in enumerate(steps)
        if step.name.endswith((".expand", ".norm1")) and "downsampling" not in step.name
    }
    assert before <= marked
    assert "stem" not in marked


def test_what_a_residual_down_sampling_step_reads_is_read_again() -> None:
    step = MBConv(in_width=16, width=16, kernel=3, stride=1, expansion=2)
    merging = PatchMerging(in_width=16, width=16, stride=1)
    for downsampling, marked in ((step, ["stage1.downsampling"]), (merging, [])):
        stages = (Stage(merging, (), ()), Stage(downsampling, (), ()))
        steps = workload(Subnet(8, Stem(16, 1), stages, Head(16, 8, 2)))
        assert [steps[index].name for index in read_again(steps)] == marked
