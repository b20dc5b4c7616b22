"""Arm's compiler Vela, called in process: cycles of every op of a TensorFlow Lite model on an Ethos-U55.

Vela estimates cycles; it is not silicon, and validates relative cost only. This file calls its C++ core
(`ethosu.regor`, ethos-u-vela 5.2.0, Apache-2.0), which takes some 2 ms per layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from objectives.hardware.npu_passes.lowering import IMAGE_CHANNELS
from objectives.hardware.npu_passes.machine import WEIGHT_BURST
from objectives.hardware.op import Op
from objectives.hardware.parts.clocked_number import PORT_BYTES
from search_space.errors import H4HError

if TYPE_CHECKING:
    from objectives.hardware.parts.npu import Npu
    from objectives.hardware.vela_compiler.tflite import Graph, Node

PACKAGE = "ethos-u-vela"
PROBE_VERSION = "2"
"""Version of `probe`; changes whenever it builds another network for an op."""
MAC_COUNTS = (32, 64, 128, 256)
_EDGE_CHANNELS = 16

# The compiler silently doubles the port width of a configuration whose name does not start with Ethos_U55_.
_SYSTEM = """\
[architecture]
macs={macs}
cores=1
[vela]
system_config_name=Ethos_U55_H4H
memory_mode_name=Shared_Sram
[System_Config.Ethos_U55_H4H]
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
[Memory_Mode.Shared_Sram]
const_mem_area=Axi1
arena_mem_area=Axi0
cache_mem_area=Axi0
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
    """Options of the compiler that the closed form of `npu` follows."""
    return BUFFERED if npu.buffers_weights else IN_PLACE


class VelaError(H4HError):
    """The compiler is not installed, or cannot compile a network."""


@cache
def vela_version() -> str:
    """Version of the installed compiler."""
    _regor()
    return version(PACKAGE)


def system_configuration(npu: Npu) -> str:
    """Configuration of `npu` and its memories for the compiler.

    Raises:
        VelaError: The compiler does not support such an Ethos-U55.
    """
    macs = npu.peak_macs_per_cycle
    if macs not in MAC_COUNTS:
        known = ", ".join(map(str, MAC_COUNTS))
        raise VelaError(
            f"--npu-model vela supports an Ethos-U55 with {known} MAC/cycle, but npu has {macs:g}; "
            f"start from `base: u55-256`, or use --npu-model analytic, which then follows no compiler"
        )
    # A memory slower than the port runs at a fraction of the clock.
    machine = npu.machine
    for name, value in (("sram_bandwidth", machine.sram), ("weight_bandwidth", machine.weights)):
        if value > PORT_BYTES:
            raise VelaError(
                f"--npu-model vela supports npu.{name} up to {PORT_BYTES} B/cycle, the width of the port, "
                f"but got {value:g}; use --npu-model analytic"
            )
    return _SYSTEM.format(
        macs=int(macs),
        clock_hz=npu.clock.value * 1e6,
        sram_scale=machine.sram / PORT_BYTES,
        weight_scale=machine.weights / PORT_BYTES,
        weight_latency=round(machine.weight_latency),
        sram_latency=round(machine.sram_latency),
        sram_burst=int(npu.sram_burst.value),
        weight_burst=WEIGHT_BURST,
    )


@dataclass(frozen=True)
class OperatorReport:
    """What the compiler reports of a model file.

    Attributes:
        cycles: Cycles of each operator by its place in the file; those that cost nothing are absent.
        cpu_operators: Number of operators that it leaves to the CPU.
        sram_bytes: Peak of the activation memory.
        weight_bytes: Bytes read from the weight memory, repeated reads included.
        traffic_bytes: Bytes read from and written to the activation memory.
    """

    cycles: dict[int, int]
    cpu_operators: int
    sram_bytes: int
    weight_bytes: int
    traffic_bytes: int


def compiled_model(content: bytes, system: str, options: str = IN_PLACE) -> OperatorReport:
    """The compiler's report of a TensorFlow Lite file.

    Args:
        content: The file.
        system: Result of `system_configuration`.
        options: Options of the compiler.

    Raises:
        VelaError: The compiler refuses the model.
    """
    try:
        result = _regor().compile("EthosU55", content, "TFLITE", system, options=options, verbose=False)
    except RuntimeError as error:
        raise VelaError(f"Vela cannot compile this network: {error}") from error
    tables = result.opt_database.tables
    operator = {row["id"]: int(row["ext_key"]) for row in _rows(tables["source"])}
    cycles: Counter[int] = Counter()
    for row in _rows(tables["perf"]):
        cycles[operator[row["source_id"]]] += int(row["op_cycles"])
    moved: Counter[str] = Counter()
    for row in _rows(tables["perf_debug"]):
        for name, value in row.items():
            memory = "sram" if name.startswith("Sram") else "weights" if "Flash" in name else ""
            if memory and value and name.endswith(("_read", "_write")):
                moved[memory] += int(value)
    report = result.perf_report
    return OperatorReport(
        dict(cycles), report.cpuOps, report.memories["Sram"].peakUsage, moved["weights"], moved["sram"]
    )


@dataclass(frozen=True)
class Compiled:
    """What the compiler reports of a network.

    Attributes:
        cycles: Cycles of the layers of each owner; 0 for one whose layers are all folded away.
        sram_bytes: Peak of the activation memory.
        weight_bytes: Bytes read from the weight memory, repeated reads included.
        traffic_bytes: Bytes read from and written to the activation memory.
    """

    cycles: dict[Hashable, int]
    sram_bytes: int
    weight_bytes: int
    traffic_bytes: int


def compiled(graph: Graph, outputs: Sequence[Node], system: str, options: str = IN_PLACE) -> Compiled:
    """The compiler's report of `graph`.

    Args:
        graph: The layers.
        outputs: Outputs of the graph.
        system: Result of `system_configuration`.
        options: Options of the compiler.

    Raises:
        VelaError: The compiler refuses the model, or leaves a layer to the CPU.
    """
    report = compiled_model(graph.model(outputs), system, options)
    if report.cpu_operators:
        raise VelaError(f"Vela leaves {report.cpu_operators} operators of this network to the CPU")
    cycles: Counter[Hashable] = Counter(dict.fromkeys(graph.owners, 0))
    for operator, spent in report.cycles.items():
        cycles[graph.owners[operator]] += spent
    return Compiled(dict(cycles), report.sram_bytes, report.weight_bytes, report.traffic_bytes)


def compiled_cycles(
    graph: Graph, outputs: Sequence[Node], system: str, options: str = IN_PLACE
) -> dict[Hashable, int]:
    """Cycles of the layers of each owner in `graph`, see `compiled`.

    Raises:
        VelaError: The compiler refuses the model, or leaves a layer to the CPU.
    """
    return compiled(graph, outputs, system, options).cycles


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


def op_cycles(ops: Sequence[Op], system: str, options: str = IN_PLACE) -> list[int]:
    """Cycles of each op between two 1x1 convolutions or linear layers, compiled together.

    Raises:
        VelaError: An op cannot be compiled.
    """
    from objectives.hardware.vela_compiler.tflite import Graph

    graph = Graph()
    outputs: list[Node] = []
    for number, op in enumerate(ops):
        outputs += probe(graph, op, owner=number)
    try:
        cycles = compiled_cycles(graph, outputs, system, options)
    except VelaError as error:
        raise VelaError(f"{', '.join(f'{op.kind} {op.shape}' for op in ops)}: {error}") from error
    return [cycles[number] for number in range(len(ops))]


def probe(graph: Graph, op: Op, owner: Hashable) -> list[Node]:
    """Adds `op` to `graph`, between layers without an owner that give it the formats inside a network.

    Returns:
        Outputs to add to those of the graph.
    """
    graph.owner = None
    outputs: list[Node] = []
    match op.kind:
        case "linear":
            # Sums around it keep the tokens in a row, as residuals and norms do in a network.
            x = graph.linear(graph.input(op.height * op.width, _EDGE_CHANNELS), op.in_channels)
            x = graph.add_constant(x)
            graph.owner = owner
            x = graph.linear(x, op.out_channels)
            x = graph.gelu(x) if op.fused_gelu else x
            graph.owner = None
            x = x if op.fused_gelu else graph.add_constant(x)
        case "matmul" if op.in_channels == op.height != op.out_channels:
            x = _attend(graph, op, owner)
        case "matmul":
            x = _scores(graph, op, owner, outputs)
        case "softmax":
            x = graph.input(1, op.heads, op.height, _EDGE_CHANNELS)
            x = graph.conv2d(x, op.out_channels)
            graph.owner = owner
            x = graph.softmax(x)
        case "norm":
            # The compiler reduces over channels only where the rows form one axis.
            tokens = op.height * op.width
            x = graph.linear(graph.input(tokens, _EDGE_CHANNELS), op.out_channels)
            graph.owner = owner
            x = graph.norm(x)
        case "activation":
            source = graph.input(1, op.height, op.width, _EDGE_CHANNELS)
            before = graph.conv2d(source, op.out_channels)
            # A second reader prevents the compiler from fusing the table into the layer before.
            outputs.append(graph.conv2d(before, _EDGE_CHANNELS))
            graph.owner = owner
            x = graph.gelu(before)
        case "add" if op.width == 1:
            source = graph.input(op.height, _EDGE_CHANNELS)
            x, second = graph.linear(source, op.in_channels), graph.linear(source, op.in_channels)
            graph.owner = owner
            x = graph.add(x, second)
        case "conv2d" if op.in_channels <= IMAGE_CHANNELS:
            source = graph.input(1, op.height, op.width, op.in_channels)
            graph.owner = owner
            x = _windowed(graph, op, source)
        case "copy":
            source = graph.input(1, op.height, op.width, _EDGE_CHANNELS)
            x = graph.conv2d(source, op.in_channels)
            # A second reader prevents the compiler from writing the map into the larger one at once.
            outputs.append(graph.conv2d(x, _EDGE_CHANNELS))
            other = graph.conv2d(source, _EDGE_CHANNELS)
            graph.owner = owner
            x = graph.concatenate([x, other])
        case _:
            source = graph.input(1, op.height, op.width, _EDGE_CHANNELS)
            x = graph.conv2d(source, op.in_channels)
            second = graph.conv2d(source, op.in_channels) if op.kind in ("add", "mul") else x
            graph.owner = owner
            x = _middle(graph, op, x, second)
    graph.owner = None
    last = graph.linear(x, _EDGE_CHANNELS) if len(x.shape) == 2 else graph.conv2d(x, _EDGE_CHANNELS)
    return [*outputs, last]


def _middle(graph: Graph, op: Op, x: Node, second: Node) -> Node:
    rows, columns = op.out_size
    match op.kind:
        case "add":
            return graph.add(x, second)
        case "mul":
            return graph.mul(x, second)
        case "mean":
            return graph.mean(x)
        case "bilinear":
            return graph.resize(x, rows, columns, bilinear=True)
        case "resize":
            return graph.resize(x, rows, columns, bilinear=op.kernel > 1, half_pixel=op.kernel == 1)
        case "pad":
            above, left = (rows - op.height) // 2, (columns - op.width) // 2
            return graph.pad(x, above, rows - op.height - above, left, columns - op.width - left)
    return _windowed(graph, op, x)


def _windowed(graph: Graph, op: Op, x: Node) -> Node:
    """A layer with a window, padded as far as its output needs it."""
    is_same = op.out_height == op.out_width == 0
    sides = zip(op.out_size, op.window, (op.height, op.width), strict=True)
    needed = [max((out - 1) * op.stride + window - size, 0) for out, window, size in sides]
    if not is_same and any(needed):
        above, left = needed[0] // 2, needed[1] // 2
        x = graph.pad(x, above, needed[0] - above, left, needed[1] - left)
    match op.kind:
        case "conv2d":
            return graph.conv2d(x, op.out_channels, kernel=op.window, stride=op.stride, valid=not is_same)
        case "depthwise" | "depth_multiplier":
            return graph.depthwise(
                x,
                kernel=op.window,
                stride=op.stride,
                valid=not is_same,
                multiplier=op.out_channels // op.in_channels,
            )
        case "pool" | "max_pool":
            return graph.pool(
                x, kernel=op.window, stride=op.stride, valid=not is_same, maximum=op.kind == "max_pool"
            )
    raise AssertionError(op.kind)


def _scores(graph: Graph, op: Op, owner: Hashable, outputs: list[Node]) -> Node:
    """QK^T of a joint projection, transposed to heads and cut into Q, K and V; V goes on transposed."""
    if op.out_channels != op.height:
        source, other = graph.input(op.height, _EDGE_CHANNELS), graph.input(op.out_channels, _EDGE_CHANNELS)
        queries, keys = (graph.linear(x, op.heads * op.in_channels) for x in (source, other))
        graph.owner = owner
        return graph.matmul(
            heads_first(graph, queries, op.heads), heads_first(graph, keys, op.heads), transpose_b=True
        )
    joint = graph.linear(graph.input(op.height, _EDGE_CHANNELS), 3 * op.heads * op.in_channels)
    graph.owner = owner
    queries, keys, values = graph.split_heads(heads_first(graph, joint, 3 * op.heads), 3)
    scores = graph.matmul(queries, keys, transpose_b=True)
    graph.owner = None
    outputs.append(graph.conv2d(graph.transpose(values, 0, 1, 3, 2), _EDGE_CHANNELS))
    return scores


def _attend(graph: Graph, op: Op, owner: Hashable) -> Node:
    """AV: V comes transposed to heads, as part of QK^T; the result is transposed back to tokens."""
    attention = graph.conv2d(graph.input(1, op.heads, op.height, _EDGE_CHANNELS), op.in_channels)
    values = graph.linear(graph.input(op.in_channels, _EDGE_CHANNELS), op.heads * op.out_channels)
    values = heads_first(graph, values, op.heads)
    graph.owner = owner
    return tokens_first(graph, graph.matmul(attention, values))


def heads_first(graph: Graph, x: Node, heads: int) -> Node:
    """(n, heads * d) -> (1, heads, n, d)."""
    tokens, channels = x.shape
    x = graph.reshape(x, 1, tokens, heads, channels // heads)
    return graph.transpose(x, 0, 2, 1, 3)


def tokens_first(graph: Graph, x: Node) -> Node:
    """(1, heads, n, d) -> (n, heads * d)."""
    _, heads, tokens, width = x.shape
    return graph.reshape(graph.transpose(x, 0, 2, 1, 3), tokens, heads * width)
