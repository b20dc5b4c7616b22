"""Model of the NPU against Arm's compiler Vela on a TensorFlow Lite file, operator by operator."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from objectives.hardware.npu_model import AnalyticNpu, NpuModel
from objectives.hardware.npu_passes.lowering import passes_of
from objectives.hardware.npu_passes.weight_stream import measured_ratio
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.npu import Npu
from objectives.hardware.vela_compiler.vela import (
    Compiled,
    compiled_model,
    compiler_options,
    system_configuration,
)
from objectives.tflite_network.network import Missing, TfliteNetwork


@dataclass(frozen=True)
class VelaComparison:
    """Cycles of a network on the NPU alone.

    Attributes:
        vela: Cycles by the compiler, by place of the operator; those that cost nothing are absent.
        modelled: Cycles by the model, by place of the operator.
        missing: Operators that the cost model has no op for.
        cpu_operators: Number of operators that the compiler leaves to the CPU.
        sram_bytes: Peak of the activation memory by the compiler.
        compression: Encoded over original size of the weights by the compiler, and the size that the chip
            assumes; None where the model assumes none, or operators are missing.
    """

    vela: Mapping[Hashable, int]
    modelled: dict[int, float]
    missing: tuple[Missing, ...]
    cpu_operators: int
    sram_bytes: int
    compression: tuple[float, float] | None = None

    @property
    def total(self) -> int:
        """Cycles of the whole network by the compiler."""
        return sum(self.vela.values())

    @property
    def covered(self) -> float:
        """Share of the compiler's cycles that the cost model has ops for, 0 to 1."""
        return 1.0 - sum(map(self.share, self.missing))

    @property
    def error(self) -> float:
        """Error of the model in percent, over what it has ops for."""
        expected = self.total * self.covered
        return 100 * (sum(self.modelled.values()) / expected - 1) if expected else 0.0

    def share(self, missing: Missing) -> float:
        """Share of the compiler's cycles that an operator takes, 0 to 1."""
        return self.vela.get(missing.index, 0) / self.total if self.total else 0.0

    def lines(self) -> list[str]:
        """Agreement and what is missing, for the text below a table."""
        modelled, expected = sum(self.modelled.values()) / 1e3, self.total * self.covered / 1e3
        text = [
            f"on the NPU alone: {modelled:,.1f} kcycles, Vela {expected:,.1f} ({self.error:+.1f} %), "
            f"over {self.covered:.1%} of Vela's cycles"
        ]
        if self.cpu_operators:
            plural = "" if self.cpu_operators == 1 else "s"
            text.append(
                f"Vela leaves {self.cpu_operators} operator{plural} to the CPU, whose time "
                "nothing here counts"
            )
        if self.compression is not None:
            measured, assumed = self.compression
            text.append(
                f"weights: Vela encodes them to {measured:.2f} of their size, the chip assumes {assumed:g} "
                f"(npu.weight_compression)"
            )
        text += [
            f"not costed: {missing_text(each)}, {self.share(each):.1%} of Vela's cycles"
            for each in self.missing
        ]
        return text

    def record(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "vela_cycles": self.total,
            "vela_cycles_by_operator": self.vela,
            "npu_cycles_by_operator": self.modelled,
            "error_percent": self.error,
            "covered": self.covered,
            "cpu_operators": self.cpu_operators,
            "vela_sram_bytes": self.sram_bytes,
            "vela_weight_compression": self.compression and self.compression[0],
        }


def missing_text(missing: Missing) -> str:
    """An operator without an op, e.g. ``operator 4 SVDF (the cost model has no such op)``."""
    return f"operator {missing.index} {missing.name} ({missing.reason})"


def compared(network: TfliteNetwork, npu: Npu, model: NpuModel | None = None) -> VelaComparison:
    """Compiles `network` and compares.

    Args:
        network: The network.
        npu: The NPU.
        model: Model of its cycles; default: the closed form.

    Raises:
        ClosedFormError: No model is given, and the closed form does not know the NPU.
        VelaError: The compiler refuses the NPU or the network.
    """
    model = AnalyticNpu(npu) if model is None else model
    report = compiled_model(network.model.content, system_configuration(npu), compiler_options(npu))
    modelled: dict[int, float] = {}
    for place, cycles in zip(network.operators, model.cycles(OpArrays.of(network.ops)).tolist(), strict=True):
        modelled[place] = modelled.get(place, 0.0) + cycles
    return VelaComparison(
        report.cycles,
        modelled,
        network.missing,
        report.cpu_operators,
        report.sram_bytes,
        _compression(network, npu, report),
    )


def _compression(network: TfliteNetwork, npu: Npu, report: Compiled) -> tuple[float, float] | None:
    """Measured and assumed compression; the reported size is that of all weights, so no op may be missing."""
    if npu.weight_compression is None or network.missing or report.cpu_operators:
        return None
    works = (work for op in network.ops for work in passes_of(op))
    ratio = measured_ratio(works, npu.machine, npu.weight_format, report.encoded_weights)
    assumed = npu.weight_compression.value
    return (assumed * ratio, assumed) if ratio > 0 else None
