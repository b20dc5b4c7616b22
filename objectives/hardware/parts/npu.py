"""NPU in closed form: cycles and bytes of an op on an Arm Ethos-U55, without compiling it.

Each op becomes the passes that Arm's compiler Vela 5.2.0 makes of it (`npu_passes/`). A pass takes the
longest of the time of the NPU, of its activations, and of its weights. Vela is an estimate and not silicon.
Equations, sources and accuracy: docs/explanation/npu-model.md.

Conventions: "same" padding; maps of convolutions in bricks of 16 channels, tokens and the image plain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, NoReturn

import numpy as np
from mashumaro import field_options

from objectives.hardware.npu_passes.machine import Machine
from objectives.hardware.npu_passes.op_cost import OpCost, op_cost
from objectives.hardware.npu_passes.weight_stream import WeightFormat
from objectives.hardware.op import Op, OpArrays, op_of
from objectives.hardware.parts.clocked_number import BANDWIDTH, LATENCY, bytes_per_cycle, latency_cycles
from objectives.hardware.parts.sourced_number import DERIVED, Quantity, Section, Unit
from objectives.hardware.parts.weight_store import WeightStore
from search_space.arrays import Floats
from search_space.errors import H4HError


def _refuse_store(data: object) -> NoReturn:
    raise ValueError(f"must be absent; it follows from memory.weight_store, but got {data!r:.40}")


_OF_STORE = {**field_options(serialize="omit", deserialize=_refuse_store), DERIVED: True}


@dataclass(frozen=True)
class Npu(Section):
    """Constants of one Ethos-U55 configuration (section `npu` of a SoC file).

    `buffers_weights` says whether weights that are read more than once are copied into SRAM first; None
    leaves it to the kind of the weight store.
    """

    clock: Annotated[Quantity, Unit("MHz")]
    # Structure of the MAC array.
    micro_block_height: Annotated[Quantity, Unit("position", whole=True)]
    micro_block_width: Annotated[Quantity, Unit("position", whole=True)]
    micro_block_depth: Annotated[Quantity, Unit("channel", whole=True)]
    dot_product_depth: Annotated[Quantity, Unit("channel", whole=True)]
    dot_product_cycles: Annotated[Quantity, Unit("cycle", whole=True)]
    part_kernel_elements: Annotated[Quantity, Unit("element", whole=True)]
    part_kernel_depth: Annotated[Quantity, Unit("channel", whole=True)]
    decoder_cycles: Annotated[Quantity, Unit("cycle", whole=True)]
    # Internal buffer, which decides the output blocks.
    buffer_banks: Annotated[Quantity, Unit("bank", whole=True)]
    bank_step: Annotated[Quantity, Unit("bank", whole=True)]
    # Output stage.
    output_cycles: Annotated[Quantity, Unit("cycle/element")]
    add_cycles: Annotated[Quantity, Unit("cycle/element")]
    multiply_cycles: Annotated[Quantity, Unit("cycle/element")]
    multiply_wide_cycles: Annotated[Quantity, Unit("cycle/element")]
    wide_unary_cycles: Annotated[Quantity, Unit("cycle/element")]
    wide_binary_cycles: Annotated[Quantity, Unit("cycle/element")]
    table_cycles: Annotated[Quantity, Unit("cycle/element")]
    activation_cycles: Annotated[Quantity, Unit("cycle/element")]
    # Weights.
    weight_compression: Annotated[Quantity, Unit("B/B")]
    scale_bytes: Annotated[Quantity, Unit("B/channel", zero=True)]
    depthwise_weight_block: Annotated[Quantity, Unit("channel", whole=True)]
    padded_compression: Annotated[Quantity, Unit("B/B")]
    padding_compression: Annotated[Quantity, Unit("B/B", zero=True)]
    # Activations in SRAM.
    sram_bandwidth: Annotated[Quantity, BANDWIDTH]
    sram_latency: Annotated[Quantity, LATENCY]
    sram_burst: Annotated[Quantity, Unit("B", whole=True)]
    # Energy.
    mac_energy: Annotated[Quantity, Unit("pJ/MAC")]
    static_power: Annotated[Quantity, Unit("mW", zero=True)]
    buffers_weights: bool | None = None
    # Of the weight store; the chip sets both, see `on_store`.
    weight_bandwidth: Quantity = field(default=None, metadata=_OF_STORE)  # type: ignore[assignment]
    weight_latency: Quantity = field(default=None, metadata=_OF_STORE)  # type: ignore[assignment]

    def on_store(self, store: WeightStore) -> Npu:
        """This NPU with its weights in `store`."""
        copies = store.is_copied if self.buffers_weights is None else self.buffers_weights
        return replace(
            self, weight_bandwidth=store.bandwidth, weight_latency=store.latency, buffers_weights=copies
        )

    @property
    def peak_macs_per_cycle(self) -> float:
        """Multiply-accumulates per cycle with every multiplier busy."""
        block = self.micro_block_height.value * self.micro_block_width.value * self.micro_block_depth.value
        return block * self.dot_product_depth.value / self.dot_product_cycles.value

    @property
    def sram_bytes_per_cycle(self) -> float:
        """Bandwidth of the SRAM."""
        return bytes_per_cycle(self.sram_bandwidth, self.clock.value)

    @property
    def weight_bytes_per_cycle(self) -> float:
        """Bandwidth of the weight memory."""
        return bytes_per_cycle(self.weight_bandwidth, self.clock.value)

    @property
    def machine(self) -> Machine:
        """The numbers that decide the passes."""
        return Machine(
            block=(
                int(self.micro_block_height.value),
                int(self.micro_block_width.value),
                int(self.micro_block_depth.value),
            ),
            banks=int(self.buffer_banks.value),
            bank_step=int(self.bank_step.value),
            lanes=int(self.dot_product_depth.value),
            step_cycles=int(self.dot_product_cycles.value),
            window_elements=int(self.part_kernel_elements.value),
            shallow=int(self.part_kernel_depth.value),
            decoder_cycles=int(self.decoder_cycles.value),
            output=(
                self.output_cycles.value,
                self.add_cycles.value,
                self.multiply_cycles.value,
                self.multiply_wide_cycles.value,
                self.wide_unary_cycles.value,
                self.wide_binary_cycles.value,
                self.table_cycles.value,
            ),
            sram=self.sram_bytes_per_cycle,
            sram_latency=latency_cycles(self.sram_latency, self.clock.value),
            sram_burst=int(self.sram_burst.value),
            weights=self.weight_bytes_per_cycle,
            weight_latency=latency_cycles(self.weight_latency, self.clock.value),
        )

    @property
    def weight_format(self) -> WeightFormat:
        """The numbers that decide the size of encoded weights."""
        return WeightFormat(
            compression=self.weight_compression.value,
            padded_compression=self.padded_compression.value,
            padding_compression=self.padding_compression.value,
            depthwise_block=int(self.depthwise_weight_block.value),
            scale_bytes=self.scale_bytes.value,
            is_buffered=bool(self.buffers_weights),
        )

    def cycles(self, ops: Sequence[Op]) -> Floats:
        """NPU cycles of each op inside a network.

        Args:
            ops: n ops; may be empty.

        Returns:
            Array (n,), float64, lower is better.
        """
        return op_cycles(OpArrays.of(ops), self)


class NoNpuError(H4HError):
    """A chip without an NPU is used as if it had one."""


class NoNpu(Npu):
    """Stand-in for the NPU of a chip without one; reading any of its numbers raises an error."""

    def __init__(self) -> None:
        """Sets no field, so that reading one calls `__getattr__`."""

    def __getattr__(self, name: str) -> NoReturn:
        if name not in {field.name for field in fields(Npu)}:
            raise AttributeError(name)
        raise NoNpuError(
            f"npu.{name} is needed, but the chip has no NPU; add a section `npu` to its file, such as that "
            f"of `base: u55-256`"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoNpu)

    def __hash__(self) -> int:
        return hash(NoNpu)

    def __repr__(self) -> str:
        return "NoNpu()"


@dataclass(frozen=True)
class Terms:
    """Costs of ops, each array (n,): cycles, except for the two byte counts.

    Attributes:
        mac: Time of the MAC array.
        out: Time of the output stage.
        npu: Time of the NPU with memories that never make it wait.
        sram: Time of the transfers to and from SRAM.
        weights: Time of the transfers from the weight memory.
        total: Time of the ops: of each pass the longest of the last three, summed.
        sram_bytes: Activation bytes that the passes need, repeated reads included.
        weight_bytes: Bytes of encoded weights and scales that the passes read, repeated reads included.
    """

    mac: Floats
    out: Floats
    npu: Floats
    sram: Floats
    weights: Floats
    total: Floats
    sram_bytes: Floats
    weight_bytes: Floats


def array_terms(ops: OpArrays, npu: Npu) -> Terms:
    """Costs of ops of any kind.

    Raises:
        BlockError: An op does not fit the NPU's buffer.
    """
    machine, weights = npu.machine, npu.weight_format
    rows = ops.rows()
    costs = {row: op_cost(op_of(row), machine, weights) for row in dict.fromkeys(rows)}
    table = np.array([costs[row] for row in rows], dtype=np.float64).reshape(len(rows), len(OpCost._fields))
    return Terms(*table.T)


def op_cycles(ops: OpArrays, npu: Npu) -> Floats:
    """NPU cycles (n,) of ops of any kind."""
    return array_terms(ops, npu).total


def sram_bytes(ops: OpArrays, npu: Npu) -> Floats:
    """Bytes (n,) that ops of any kind move between NPU and SRAM, repeated reads included."""
    return array_terms(ops, npu).sram_bytes


def weight_bytes(ops: OpArrays, npu: Npu) -> Floats:
    """Bytes (n,) of encoded weights and scales that the NPU reads from MRAM, repeated reads included."""
    return array_terms(ops, npu).weight_bytes
