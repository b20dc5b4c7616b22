"""NPU in closed form: cycles and bytes of an op on an Arm Ethos-U55 or U65, without compiling it.

Each op becomes the passes that Arm's compiler Vela 5.2.0 makes of it (`npu_passes/`). A pass takes the
longest of the time of the NPU, of its activations, and of its weights. Vela is an estimate and not silicon.
Equations, sources and accuracy: docs/explanation/npu-model.md.

Conventions: "same" padding; maps of convolutions in bricks of 16 channels, tokens and the image plain.
"""

# ruff: noqa: RUF009  `_structural` returns a field, which dataclasses make anew for each object.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from math import prod
from typing import Annotated, Any, NoReturn

import numpy as np
from mashumaro import field_options

from objectives.hardware.npu_passes.machine import Machine
from objectives.hardware.npu_passes.op_cost import OpCost, op_cost
from objectives.hardware.npu_passes.weight_stream import WeightFormat
from objectives.hardware.op import Op, OpArrays, op_of
from objectives.hardware.parts.clocked_number import BANDWIDTH, LATENCY, bytes_per_cycle, latency_cycles
from objectives.hardware.parts.processor import ETHOS_U55, PROCESSORS, Processor
from objectives.hardware.parts.sourced_number import DERIVED, Quantity, Section, Unit
from objectives.hardware.parts.weight_store import WeightStore
from search_space.arrays import Floats
from search_space.errors import DocumentError, H4HError, UnknownNameError


def _refuse_store(data: object) -> NoReturn:
    raise ValueError(f"must be absent; it follows from memory.weight_store, but got {data!r:.40}")


MICRO_BLOCK = ("micro_block_height", "micro_block_width", "micro_block_depth")
_CHANNEL_STEP = 8
"""Step of splits where the micro-block is unknown: that of the larger members of the family."""

_OF_STORE = {**field_options(serialize="omit", deserialize=_refuse_store), DERIVED: True}
_STRUCTURAL = "structural"


def _structural() -> Any:
    """A number that only the closed form needs."""
    return field(default_factory=lambda: None, metadata={_STRUCTURAL: True})


class ClosedFormError(H4HError):
    """The closed form is asked for the costs of a processor that it does not know."""


@dataclass(frozen=True, kw_only=True)
class Npu(Section):
    """Constants of one NPU (section `npu` of a SoC file).

    `processor` is one of `PROCESSORS`. Where the closed form does not know it, `macs` states its size, and
    the numbers of its structure are absent. `buffers_weights` says whether weights that are read more than
    once are copied into SRAM first; None leaves it to the kind of the weight store. `sleep_power` is the
    power between frames; None where it is `static_power`.
    """

    clock: Annotated[Quantity, Unit("MHz")]
    # Structure of the MAC array.
    micro_block_height: Annotated[Quantity | None, Unit("position", whole=True)] = _structural()
    micro_block_width: Annotated[Quantity | None, Unit("position", whole=True)] = _structural()
    micro_block_depth: Annotated[Quantity | None, Unit("channel", whole=True)] = _structural()
    dot_product_depth: Annotated[Quantity | None, Unit("channel", whole=True)] = _structural()
    dot_product_cycles: Annotated[Quantity | None, Unit("cycle", whole=True)] = _structural()
    part_kernel_elements: Annotated[Quantity | None, Unit("element", whole=True)] = _structural()
    part_kernel_depth: Annotated[Quantity | None, Unit("channel", whole=True)] = _structural()
    decoder_cycles: Annotated[Quantity | None, Unit("cycle", whole=True)] = _structural()
    # Internal buffer, which decides the output blocks.
    buffer_banks: Annotated[Quantity | None, Unit("bank", whole=True)] = _structural()
    bank_step: Annotated[Quantity | None, Unit("bank", whole=True)] = _structural()
    # Output stage.
    output_cycles: Annotated[Quantity | None, Unit("cycle/element")] = _structural()
    add_cycles: Annotated[Quantity | None, Unit("cycle/element")] = _structural()
    multiply_cycles: Annotated[Quantity | None, Unit("cycle/element")] = _structural()
    multiply_wide_cycles: Annotated[Quantity | None, Unit("cycle/element")] = _structural()
    wide_unary_cycles: Annotated[Quantity | None, Unit("cycle/element")] = _structural()
    wide_binary_cycles: Annotated[Quantity | None, Unit("cycle/element")] = _structural()
    table_cycles: Annotated[Quantity | None, Unit("cycle/element")] = _structural()
    activation_cycles: Annotated[Quantity, Unit("cycle/element")]
    # Weights.
    weight_compression: Annotated[Quantity | None, Unit("B/B")] = _structural()
    scale_bytes: Annotated[Quantity | None, Unit("B/channel", zero=True)] = _structural()
    depthwise_weight_block: Annotated[Quantity | None, Unit("channel", whole=True)] = _structural()
    padded_compression: Annotated[Quantity | None, Unit("B/B")] = _structural()
    padding_compression: Annotated[Quantity | None, Unit("B/B", zero=True)] = _structural()
    # Activations in SRAM.
    sram_bandwidth: Annotated[Quantity, BANDWIDTH]
    sram_latency: Annotated[Quantity, LATENCY]
    sram_burst: Annotated[Quantity, Unit("B", whole=True)]
    # Energy.
    mac_energy: Annotated[Quantity, Unit("pJ/MAC")]
    static_power: Annotated[Quantity, Unit("mW", zero=True)]
    processor: str = ETHOS_U55
    macs: Annotated[Quantity | None, Unit("MAC/cycle", whole=True)] = None
    buffers_weights: bool | None = None
    sleep_power: Annotated[Quantity | None, Unit("mW", zero=True)] = None
    # Of the weight store; the chip sets both, see `on_store`.
    weight_bandwidth: Quantity = field(default=None, metadata=_OF_STORE)  # type: ignore[assignment]
    weight_latency: Quantity = field(default=None, metadata=_OF_STORE)  # type: ignore[assignment]

    def check_quantities(self, name: str) -> None:
        """As `Section.check_quantities`; also checks that the numbers are those of the processor.

        Raises:
            UnknownNameError: There is no such processor.
            DocumentError: A number is missing, has no meaning for the processor, or is wrong.
        """
        if self.processor not in PROCESSORS:
            raise UnknownNameError(f"{name}.processor", self.processor, PROCESSORS)
        family = self.family
        structure = [entry.name for entry in fields(self) if entry.metadata.get(_STRUCTURAL)]
        needed, refused = (structure, ["macs"]) if family.has_closed_form else (["macs"], structure)
        for entry in needed:
            if getattr(self, entry) is None:
                raise DocumentError(f"{name}.{entry}: this key is missing")
        for entry in refused:
            if getattr(self, entry) is not None:
                raise DocumentError(
                    f"{name}.{entry}: must be absent for an {family.title}, whose size is "
                    f"{'its micro-block' if family.has_closed_form else f'{name}.macs'}"
                )
        super().check_quantities(name)

    @property
    def family(self) -> Processor:
        """The processor."""
        return PROCESSORS[self.processor]

    def _stated(self, name: str) -> float:
        """A number that only the closed form needs.

        Raises:
            ClosedFormError: The closed form does not know the processor.
        """
        number: Quantity | None = getattr(self, name)
        if number is None:
            raise ClosedFormError(
                f"the closed form (--npu-model analytic) does not know the {self.family.title}; use "
                f"--npu-model vela"
            )
        return number.value

    def on_store(self, store: WeightStore) -> Npu:
        """This NPU with its weights in `store`."""
        copies = store.is_copied if self.buffers_weights is None else self.buffers_weights
        return replace(
            self, weight_bandwidth=store.bandwidth, weight_latency=store.latency, buffers_weights=copies
        )

    @property
    def peak_macs_per_cycle(self) -> float:
        """Multiply-accumulates per cycle with every multiplier busy."""
        if self.macs is not None:
            return self.macs.value
        block = prod(map(self._stated, MICRO_BLOCK))
        return block * self._stated("dot_product_depth") / self._stated("dot_product_cycles")

    @property
    def channel_step(self) -> int:
        """Output channels that the array computes at once: a finer split of a layer gains nothing."""
        return int(self._stated("micro_block_depth")) if self.family.has_closed_form else _CHANNEL_STEP

    @property
    def sram_bytes_per_cycle(self) -> float:
        """Bandwidth of the SRAM."""
        return bytes_per_cycle(self.sram_bandwidth, self.clock.value, self.family.sram_bytes)

    @property
    def weight_bytes_per_cycle(self) -> float:
        """Bandwidth of the weight memory."""
        return bytes_per_cycle(self.weight_bandwidth, self.clock.value, self.family.port_bytes)

    @property
    def sram_latency_cycles(self) -> float:
        """Cycles until the first byte from SRAM."""
        return latency_cycles(self.sram_latency, self.clock.value)

    @property
    def weight_latency_cycles(self) -> float:
        """Cycles until the first byte from the weight memory."""
        return latency_cycles(self.weight_latency, self.clock.value)

    @property
    def machine(self) -> Machine:
        """The numbers that decide the passes.

        Raises:
            ClosedFormError: The closed form does not know the processor.
        """

        def whole(name: str) -> int:
            return int(self._stated(name))

        return Machine(
            block=(whole("micro_block_height"), whole("micro_block_width"), whole("micro_block_depth")),
            banks=whole("buffer_banks"),
            bank_step=whole("bank_step"),
            lanes=whole("dot_product_depth"),
            step_cycles=whole("dot_product_cycles"),
            window_elements=whole("part_kernel_elements"),
            shallow=whole("part_kernel_depth"),
            decoder_cycles=whole("decoder_cycles"),
            output=(
                self._stated("output_cycles"),
                self._stated("add_cycles"),
                self._stated("multiply_cycles"),
                self._stated("multiply_wide_cycles"),
                self._stated("wide_unary_cycles"),
                self._stated("wide_binary_cycles"),
                self._stated("table_cycles"),
            ),
            sram=self.sram_bytes_per_cycle,
            sram_latency=self.sram_latency_cycles,
            sram_burst=int(self.sram_burst.value),
            weights=self.weight_bytes_per_cycle,
            weight_latency=self.weight_latency_cycles,
        )

    @property
    def weight_format(self) -> WeightFormat:
        """The numbers that decide the size of encoded weights."""
        return WeightFormat(
            compression=self._stated("weight_compression"),
            padded_compression=self._stated("padded_compression"),
            padding_compression=self._stated("padding_compression"),
            depthwise_block=int(self._stated("depthwise_weight_block")),
            scale_bytes=self._stated("scale_bytes"),
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
