"""Operators that together make one op."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.hardware.vela_network import model_of
from objectives.hardware import load_soc
from objectives.tflite_network.network import read_network
from objectives.tflite_network.vela_comparison import compared
from objectives.workload import peak_bytes, workload
from search_space.space import load_space
from tests.objectives.tflite_network.files import write

SPACE = load_space("cifar32")


@pytest.mark.parametrize("genotype", [SPACE.largest(), SPACE.smallest()], ids=["largest", "smallest"])
def test_a_subnet_comes_back_as_its_workload(genotype: tuple[int, ...], tmp_path: Path) -> None:
    subnet = SPACE.decode(genotype)
    path = tmp_path / "x.tflite"
    path.write_bytes(model_of(subnet))
    network, steps = read_network(path), workload(subnet)
    assert not network.missing
    # Files do not say which projection is joint, nor that a sum of tokens was a map before.
    plain = [(step.op.kind, step.op.macs, step.op.output_bytes) for step in network.steps]
    assert plain == [(step.op.kind, step.op.macs, step.op.output_bytes) for step in steps]
    assert peak_bytes(network.steps) == peak_bytes(steps)
    assert [step.op.fused_gelu for step in network.steps] == [step.op.fused_gelu for step in steps]
    comparison = compared(network, load_soc("u55-256").npu)
    assert comparison.covered == 1
    assert abs(comparison.error) < 1
    assert comparison.sram_bytes == peak_bytes(steps)


def test_a_product_by_itself_has_no_op(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.tflite", lambda graph, x: graph.matmul(x, graph.conv2d(x, 32), transpose_b=True)
    )
    assert [missing.name for missing in read_network(path).missing] == ["BATCH_MATMUL"]
