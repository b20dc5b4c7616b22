"""Networks of files against Arm's compiler."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from objectives.hardware import load_soc
from objectives.hardware.parts.npu import Npu
from objectives.tflite_network.network import read_network
from objectives.tflite_network.vela_comparison import VelaComparison, compared
from objectives.workload import peak_bytes
from tests.objectives.tflite_network.files import LAYERS, MLPERF_TINY, mlperf_tiny, write

NPUS = {name: load_soc(name).npu for name in ("u55-128", "u55-256")}

APPROXIMATED = {"groups": 3.5, "dilated by 2": 1.5, "dilated by 6": 1.5, "unequal strides": 6.5}
"""Layers that stand for others of nearly the same cost, with the largest error in percent."""


def of(path: Path, npu: Npu) -> VelaComparison:
    return compared(read_network(path), npu)


@pytest.mark.parametrize("chip", NPUS)
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_agrees_with_the_compiler(name: str, chip: str, tmp_path: Path) -> None:
    comparison = of(write(tmp_path / "x.tflite", LAYERS[name]), NPUS[chip])
    assert not comparison.missing
    assert comparison.covered == 1
    assert abs(comparison.error) < APPROXIMATED.get(name, 1)


@pytest.mark.parametrize("name", LAYERS)
def test_memory_is_what_the_compiler_allocates(name: str, tmp_path: Path) -> None:
    network = read_network(write(tmp_path / "x.tflite", LAYERS[name]))
    peak = compared(network, NPUS["u55-128"]).sram_bytes
    assert 0.95 * peak <= peak_bytes(network.steps) <= 1.15 * peak


@pytest.mark.parametrize("chip", NPUS)
@pytest.mark.parametrize("name", MLPERF_TINY)
def test_networks_of_mlperf_tiny(name: str, chip: str) -> None:
    path = mlperf_tiny(name)
    comparison = of(path, NPUS[chip])
    # Issue: total error <= 6 %, coverage >= 98 %.
    assert comparison.covered >= 0.98
    assert abs(comparison.error) <= 6
    assert peak_bytes(read_network(path).steps) == comparison.sram_bytes


def test_what_is_missing_has_its_share_of_the_compilers_cycles(tmp_path: Path) -> None:
    # The model has no op for a transpose by itself.
    path = write(tmp_path / "x.tflite", lambda graph, x: graph.transpose(x, 0, 2, 1, 3))
    comparison = of(path, NPUS["u55-256"])
    (missing,) = comparison.missing
    assert (missing.index, missing.name) == (1, "TRANSPOSE")
    assert comparison.vela[1] > 0
    assert comparison.share(missing) == comparison.vela[1] / sum(comparison.vela.values())
    assert comparison.covered == pytest.approx(1 - comparison.share(missing))
    assert comparison.compression is None  # The size of all weights does not say which were left out.
    assert comparison.lines()[1].startswith(
        f"not costed: operator 1 TRANSPOSE (the cost model has no such op), {comparison.share(missing):.1%}"
    )


def test_weights_say_how_far_they_compress(tmp_path: Path) -> None:
    """The writer's weights are Gaussian, which the compiler encodes to some 0.9 of their size."""
    npu = NPUS["u55-256"]
    path = write(tmp_path / "x.tflite", lambda graph, x: graph.conv2d(x, 128, kernel=3))
    comparison = of(path, npu)
    assert comparison.compression is not None
    measured, assumed = comparison.compression
    assert assumed == 0.9
    assert measured == pytest.approx(0.9, abs=0.05)
    assert comparison.lines()[-1].startswith(f"weights: Vela encodes them to {measured:.2f} of their size")
    assert comparison.record()["vela_weight_compression"] == measured
    # What is measured does not depend on what is assumed.
    names = ("weight_compression", "padded_compression")
    half: dict[str, Any] = {name: replace(getattr(npu, name), value=0.5, low=0.5) for name in names}
    other = of(path, replace(npu, **half)).compression
    assert other == pytest.approx((measured, 0.5), rel=0.1)


def test_operators_of_the_cpu_are_counted(tmp_path: Path) -> None:
    # The NPU does not resize by 3.
    path = write(tmp_path / "x.tflite", lambda graph, x: graph.resize(x, 48, 36))
    comparison = of(path, NPUS["u55-256"])
    assert comparison.cpu_operators == 1
    assert "the NPU does by 2, 4, 8" in comparison.missing[0].reason
    assert "leaves 1 operator to the CPU" in comparison.lines()[1]
