"""Weights: encoded size, reads in place, and copies into SRAM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.hardware.vela_network import compiled_network
from objectives.hardware import Op, load_soc
from objectives.hardware.npu_passes.lowering import passes_of
from objectives.hardware.npu_passes.pass_cost import pass_cost
from objectives.hardware.npu_passes.weight_buffering import previous_op, stream
from objectives.hardware.npu_passes.weight_stream import encoded_bytes, measured_ratio
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.npu import Npu, array_terms
from objectives.workload import ops_of, workload
from search_space.mobilenet_v2 import MOBILENET_V2
from search_space.subnet import Subnet
from tests.objectives.hardware.npu_passes.test_live_memory import CNN, HYBRID

MRAM = load_soc("u55-128").npu


def from_flash(npu: Npu, *, buffered: bool = True) -> Npu:
    """`npu` with weights in the flash of Vela's configuration Ethos_U55_High_End_Embedded."""
    return replace(
        npu,
        weight_bandwidth=replace(npu.weight_bandwidth, value=1, low=1),
        weight_latency=replace(npu.weight_latency, value=64, high=64),
        buffers_weights=buffered,
    )


def size(op: Op) -> float:
    return encoded_bytes(passes_of(op)[0], MRAM.machine, MRAM.weight_format)


def test_encoded_size_by_hand() -> None:
    assert size(Op("conv2d", 8, 8, 64, 128)) == 0.9 * 64 * 128 + 1280 + 16
    # 72 channels fill 96 lanes: the weights are not compressed, the zeros are to an eighth.
    assert size(Op("conv2d", 8, 8, 72, 64)) == 72 * 64 + 24 * 64 / 8 + 640 + 16
    # 10 classes fill 16 channels of output.
    assert size(Op("linear", 1, 1, 256, 10)) == 256 * 10 + 256 * 6 / 8 + 112 + 16
    # 1001 classes fill 1008 channels, which leaves all but the last 32 compressed. Vela: 1,159,536 + 10,016.
    classes = 1280 * (0.9 * 1001 + 0.1 * 32) + 1280 * 7 / 8 + 10016 + 16
    assert size(Op("linear", 1, 1, 1280, 1001)) == pytest.approx(classes)
    assert classes == pytest.approx(1_159_536 + 10_016, rel=0.005)
    assert size(Op("depthwise", 8, 8, 40, 40, kernel=3)) == 16 * 9 * 3 + 400 + 16
    assert size(Op("add", 8, 8, 40, 40)) == 0


@pytest.mark.parametrize("ratio", [0.25, 1.0, 1.1])
def test_a_measured_size_gives_its_compression(ratio: float) -> None:
    ops = [Op("conv2d", 8, 8, 64, 128), Op("conv2d", 8, 8, 72, 64), Op("depthwise", 8, 8, 40, 40, kernel=3)]
    works = [work for op in ops for work in passes_of(op)]
    # Trained weights by hand, zeros of 24 channels, depthwise weights, three headers.
    trained = 0.9 * 64 * 128 + 1.0 * 72 * 64
    encoded = ratio * trained + 24 * 64 / 8 + 16 * 9 * 3 + 3 * 16
    assert measured_ratio(works, MRAM.machine, MRAM.weight_format, encoded) == pytest.approx(ratio)


def test_weights_that_always_have_one_size_say_nothing_of_compression() -> None:
    works = passes_of(Op("depthwise", 8, 8, 40, 40, kernel=3))
    assert measured_ratio(works, MRAM.machine, MRAM.weight_format, 1000) == 1


def test_weights_in_place_are_read_for_every_block_of_positions() -> None:
    op = Op("conv2d", 32, 32, 320, 72)
    reads = array_terms(OpArrays.of([op]), MRAM).weight_bytes[0] / size(op)
    assert reads == int(reads)
    assert reads > 4


def test_copied_weights_leave_the_slow_memory_once() -> None:
    op = Op("conv2d", 32, 32, 320, 72)
    in_place, copied = (
        array_terms(OpArrays.of([op]), from_flash(MRAM, buffered=buffered)) for buffered in (False, True)
    )
    assert copied.weight_bytes[0] == size(op)
    assert copied.total[0] < in_place.total[0]
    assert copied.sram_bytes[0] > in_place.sram_bytes[0] + size(op)


def test_weights_that_are_read_once_are_not_copied_where_they_decide() -> None:
    op = Op("linear", 1, 1, 512, 512)
    terms = [
        array_terms(OpArrays.of([op]), from_flash(MRAM, buffered=buffered)) for buffered in (False, True)
    ]
    assert terms[0].total[0] == pytest.approx(terms[1].total[0], abs=1)
    assert terms[0].weight_bytes[0] == terms[1].weight_bytes[0]


def test_copy_that_outlasts_the_layer_is_hidden_by_the_pass_before() -> None:
    machine = from_flash(MRAM).machine
    work = passes_of(Op("conv2d", 32, 32, 320, 72))[0]
    cost = pass_cost(work, machine)._replace(weight_reads=2)
    # 400,000 bytes at 1 B/cycle take longer than the layer: all of them, less what the pass before hides, and
    # the last slice, which starts when its weights have arrived.
    for slack in (0, 500, 2000):
        read = stream(work, cost, 400_000, slack, machine)
        assert 0 < read.last_slice <= cost.npu_cycles < 400_000
        assert read.cycles == 400_000 + 64 - slack + read.last_slice
        assert read.weight_bytes == 400_000


def test_nothing_is_copied_before_the_first_layer() -> None:
    assert previous_op(Op("conv2d", 32, 32, 3, 16, kernel=3)) is None
    before = previous_op(Op("conv2d", 8, 8, 96, 24))
    assert before is not None
    assert before.kind == "depthwise"


@pytest.mark.parametrize("subnet", [HYBRID, CNN], ids=["hybrid", "cnn"])
def test_follows_the_compilers_command_line(subnet: Subnet) -> None:
    npu = from_flash(MRAM)
    compiled = compiled_network(subnet, npu)
    terms = array_terms(OpArrays.of(ops_of(workload(subnet))), npu)
    assert terms.total.sum() == pytest.approx(sum(compiled.cycles.values()), rel=0.02)
    assert terms.weight_bytes.sum() == pytest.approx(compiled.weight_bytes, rel=0.05)


def test_arms_own_figures_of_mobilenet_v2() -> None:
    # Fixed Virtual Platform of the Ethos-U55-128: shared SRAM, weights in flash.
    terms = array_terms(OpArrays.of(ops_of(workload(MOBILENET_V2))), from_flash(MRAM))
    assert terms.total.sum() == pytest.approx(7.35e6, rel=0.10)
    assert terms.weight_bytes.sum() == pytest.approx(3.46e6, rel=0.15)
    assert terms.sram_bytes.sum() == pytest.approx(28.9e6, rel=0.10)


def test_arms_own_figure_of_mobilenet_v2_with_everything_in_sram() -> None:
    ops = OpArrays.of(ops_of(workload(MOBILENET_V2)))
    in_sram = replace(MRAM, weight_bandwidth=replace(MRAM.weight_bandwidth, value=8, high=8))
    terms = array_terms(ops, in_sram)
    assert terms.total.sum() == pytest.approx(5.5e6, rel=0.08)
    # Also where weights and activations share one port.
    shared = (terms.sram_bytes + terms.weight_bytes) / 8
    assert np.maximum(terms.npu, shared).sum() == pytest.approx(5.5e6, rel=0.08)
