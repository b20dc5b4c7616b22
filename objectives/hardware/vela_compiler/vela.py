"""Arm's compiler Vela, called in process: cycles of every op of a TensorFlow Lite model on an Ethos-U NPU.

Vela estimates cycles; it is not silicon, and validates relative cost only. This file calls its C++ core
(`ethosu.regor`, ethos-u-vela 5.2.0, Apache-2.0), which takes some 2 ms per layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from math import ceil
from typing import TYPE_CHECKING, Any

from objectives.hardware.npu_passes.machine import WEIGHT_BURST
from search_space.errors import H4HError

if TYPE_CHECKING:
    from objectives.hardware.parts.npu import Npu
    from objectives.hardware.vela_compiler.tflite import Graph, Node

PACKAGE = "ethos-u-vela"

# The beginning of the configuration's name decides the width of the ports; the compiler says so nowhere.
_SYSTEM = """\
[architecture]
macs={macs}
cores=1
[vela]
system_config_name={prefix}_H4H
memory_mode_name=Shared_Sram
[System_Config.{prefix}_H4H]
core_clock={clock_hz}
axi0_port=Sram
axi1_port=OnChipFlash
Sram_clock_scale={sram_scale}
Sram_burst_length={sram_burst}
Sram_read_latency={sram_latency}
Sram_write_latency={sram_latency}
Sram_max_reads=4
Sram_max_writes=4
OnChipFlash_clock_scale={weight_scale}
OnChipFlash_burst_length={weight_burst}
OnChipFlash_read_latency={weight_latency}
OnChipFlash_write_latency=0
OnChipFlash_max_reads=2
OnChipFlash_max_writes=0
{ports}[Memory_Mode.Shared_Sram]
const_mem_area=Axi1
arena_mem_area=Axi0
cache_mem_area=Axi0
"""
_PORTS = """\
Sram_ports_used={sram_ports}
OnChipFlash_ports_used=1
"""
_OPTIONS = """\
[compiler]
enable_db=true
output_format=TFLite
cop_format=COP1
[scheduler]
optimize=Performance
arena_size_limit=1073741824
disable_feature={disabled}
cpu_tensor_alignment=16
tensor_allocator=HillClimb
[graph]
"""


IN_PLACE = _OPTIONS.format(disabled="Cascading")
"""Options under which weights are read where they lie; the peak of SRAM is that of activations alone."""
BUFFERED = _OPTIONS.format(disabled="")
"""Options of the compiler's command line: weights are copied into SRAM where that is faster."""


def compiler_options(npu: Npu) -> str:
    """Options of the compiler for ops of `npu`; the closed form follows the same."""
    disabled = (*(() if npu.buffers_weights else ("Cascading",)), *npu.family.disabled)
    return _OPTIONS.format(disabled="|".join(disabled))


class VelaError(H4HError):
    """The compiler is not installed, or cannot compile a network."""


@cache
def vela_version() -> str:
    """Version of the installed compiler."""
    _regor()
    return version(PACKAGE)


@dataclass(frozen=True)
class VelaTarget:
    """An NPU with its memories as the compiler takes them.

    Attributes:
        accelerator: The compiler's name of the NPU.
        system: Text of its configuration and memories.
    """

    accelerator: str
    system: str


def system_configuration(npu: Npu) -> VelaTarget:
    """Configuration of `npu` and its memories for the compiler.

    Raises:
        VelaError: The compiler does not support such an NPU.
    """
    family, macs = npu.family, npu.peak_macs_per_cycle
    if macs not in family.macs:
        known = ", ".join(map(str, family.macs))
        raise VelaError(
            f"--npu-model vela supports an {family.title} with {known} MAC/cycle, but npu has {macs:g}; "
            f"start from a built-in chip such as `base: u55-256`"
            + (
                ", or use --npu-model analytic, which then follows no compiler"
                if family.has_closed_form
                else ""
            )
        )
    # A memory slower than the port runs at a fraction of the clock.
    speeds = {
        "sram_bandwidth": (npu.sram_bytes_per_cycle, family.sram_bytes),
        "weight_bandwidth": (npu.weight_bytes_per_cycle, family.port_bytes),
    }
    for name, (value, most) in speeds.items():
        if value > most:
            raise VelaError(
                f"--npu-model vela supports npu.{name} up to {most} B/cycle, the width of the "
                f"{family.title}'s port, but got {value:g}; state at most that"
            )
    sram_ports = ceil(npu.sram_bytes_per_cycle / family.port_bytes)
    text = _SYSTEM.format(
        prefix=family.section_prefix,
        macs=int(macs),
        clock_hz=npu.clock.value * 1e6,
        sram_scale=npu.sram_bytes_per_cycle / (sram_ports * family.port_bytes),
        weight_scale=npu.weight_bytes_per_cycle / family.port_bytes,
        weight_latency=round(npu.weight_latency_cycles),
        sram_latency=round(npu.sram_latency_cycles),
        sram_burst=int(npu.sram_burst.value),
        weight_burst=WEIGHT_BURST,
        ports=_PORTS.format(sram_ports=sram_ports) if family.sram_ports > 1 else "",
    )
    return VelaTarget(family.compiler_name, text)


@dataclass(frozen=True)
class Compiled:
    """What the compiler reports of a network.

    Attributes:
        cycles: Cycles of each layer by its place in the file, or of the layers of each owner; layers that
            cost nothing may be absent, owners are not.
        traffic: Bytes read from and written to the activation memory, by the same keys.
        weights: Bytes read from the weight memory, repeated reads included, by the same keys.
        sram_bytes: Peak of the activation memory.
        cpu_operators: Number of operators that it leaves to the CPU.
        model: Content of the compiled file.
        encoded_weights: Bytes of all weights as the compiler encodes them.
        original_weights: Bytes of all weights before.
    """

    cycles: dict[Hashable, int]
    traffic: dict[Hashable, int]
    weights: dict[Hashable, int]
    sram_bytes: int
    cpu_operators: int
    model: bytes
    encoded_weights: int
    original_weights: int

    @property
    def weight_bytes(self) -> int:
        """Bytes read from the weight memory."""
        return sum(self.weights.values())

    @property
    def traffic_bytes(self) -> int:
        """Bytes read from and written to the activation memory."""
        return sum(self.traffic.values())

    def by_owner(self, owners: Sequence[Hashable]) -> Compiled:
        """The same with sums over the layers of each owner.

        Args:
            owners: Owner of each layer of the file.
        """

        def summed(by_place: dict[Hashable, int]) -> dict[Hashable, int]:
            sums = dict.fromkeys(owners, 0)
            for place, value in by_place.items():
                sums[owners[place]] += value  # type: ignore[call-overload]
            return sums

        return replace(
            self, cycles=summed(self.cycles), traffic=summed(self.traffic), weights=summed(self.weights)
        )


def compiled_model(content: bytes, target: VelaTarget, options: str = IN_PLACE) -> Compiled:
    """The compiler's report of a TensorFlow Lite file.

    Args:
        content: The file.
        target: Result of `system_configuration`.
        options: Options of the compiler.

    Raises:
        VelaError: The compiler refuses the model.
    """
    try:
        result = _regor().compile(
            target.accelerator, content, "TFLITE", target.system, options=options, verbose=False
        )
    except RuntimeError as error:
        raise VelaError(f"Vela cannot compile this network: {error}") from error
    tables = result.opt_database.tables
    operator = {row["id"]: int(row["ext_key"]) for row in _rows(tables["source"])}
    cycles: Counter[Hashable] = Counter()
    place_by_pass: dict[str, int] = {}
    for row in _rows(tables["perf"]):
        place = place_by_pass[row["id"]] = operator[row["source_id"]]
        cycles[place] += int(row["op_cycles"])
    traffic: Counter[Hashable] = Counter()
    weights: Counter[Hashable] = Counter()
    for row in _rows(tables["perf_debug"]):
        for name, value in row.items():
            moved = traffic if name.startswith("Sram") else weights if "Flash" in name else None
            if moved is not None and value and name.endswith(("_read", "_write")):
                moved[place_by_pass[row["id"]]] += int(value)
    report = result.perf_report
    return Compiled(
        dict(cycles),
        dict(traffic),
        dict(weights),
        report.memories["Sram"].peakUsage,
        report.cpuOps,
        bytes(result.model),
        int(report.encodedWeights),
        int(report.originalWeights),
    )


def compiled(graph: Graph, outputs: Sequence[Node], target: VelaTarget, options: str = IN_PLACE) -> Compiled:
    """The compiler's report of `graph`, by owners of its layers.

    Args:
        graph: The layers.
        outputs: Outputs of the graph.
        target: Result of `system_configuration`.
        options: Options of the compiler.

    Raises:
        VelaError: The compiler refuses the model, or leaves a layer to the CPU.
    """
    report = compiled_model(graph.model(outputs), target, options)
    if report.cpu_operators:
        raise VelaError(f"Vela leaves {report.cpu_operators} operators of this network to the CPU")
    return report.by_owner(graph.owners)


def _rows(table: Any) -> list[dict[str, str]]:
    header = list(table.header)
    return [dict(zip(header, row, strict=True)) for row in table.data]


@cache
def _regor() -> Any:
    try:
        import ethosu.regor
    except ImportError as error:
        raise VelaError(
            f"--npu-model vela needs the package {PACKAGE}, which is not installed or not available for this "
            f"platform; run pip install {PACKAGE}, or use --npu-model analytic"
        ) from error
    return ethosu.regor
