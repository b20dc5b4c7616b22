"""Cost model: latency and energy of a network in its best mapping, with a breakdown per op.

All numbers are multiples of 1/1024 cycle or pJ, so totals are exactly the sums of their parts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from objectives.hardware.mapping.device_choice import (
    Way,
)
from objectives.hardware.mapping.mapped_costs import SUMS, MappedCosts
from objectives.hardware.mapping.mapper import KnownCosts, Mapper, Mapping, Segment
from objectives.hardware.mapping.placement import STAY
from objectives.hardware.mapping.segment_solver import (
    OpContext,
    Point,
    Steps,
    npu_heads,
    segment_costs,
)
from objectives.hardware.mapping.split_costs import SplitCosts, channels_of, macro_options
from objectives.hardware.npu_model import NPU_MODELS, create_npu_model
from objectives.hardware.op import Op
from objectives.hardware.soc import SoC
from objectives.hardware.spill import Spill
from search_space.arrays import Floats

VERSION = "8"
"""Version of the cost model; changes whenever the cost of an equal network on an equal SoC may change."""

SPILL_VERSION = "1"
"""Version of the cost of activations beyond the SRAM."""

PJ_PER_MJ = 1e9

COST_SCOPE = (
    "lat and energy are those of busy NPU, macros, network and memories; without runtime, camera, CPU, "
    "regulators and flash pads"
)
"""What latency and energy stand for, as a line below tables."""


@dataclass(frozen=True)
class OpCost:
    """Cost of one op in its mapping.

    ``cycles = max(fetch_cycles + npu_cycles, transfer_cycles + cim_cycles - overlap_cycles, sram_cycles)
    + tail_cycles + handover_cycles`` and ``energy_pj`` is the sum of the six parts.

    Attributes:
        schema: Device: ``npu``, ``cim`` or ``split``.
        split: NPU share | CIM share in output channels, heads or q/k/v matrices; empty if not split.
        placement: Place of the macros' share of the output afterwards: ``sram`` (also without a share) or
            ``macros``.
        macros: Macros in use.
        npu_channels: Output channels computed on the NPU (over all heads for products).
        cim_channels: Output channels computed on the macros.
        npu_cycles: Time of the NPU's share.
        cim_cycles: Time of the macros' share.
        fetch_cycles: Time that the NPU waits for data from the macros; part of `transfer_cycles`.
        transfer_cycles: Time of all transfers over the network-on-chip.
        overlap_cycles: Part of these during which transfers and macros work at once.
        sram_cycles: Time of all traffic of an op with a share on macros over the port of the SRAM.
        tail_cycles: Time of the activation function of the macros' share, on the NPU.
        handover_cycles: Time of the hand-overs between NPU and macros before and within the op.
        mac_pj: Energy of the multiply-accumulates of both.
        sram_pj: Energy of the activations in SRAM and in the macros' buffers.
        mram_pj: Energy of the weights that the NPU reads from their store, and of those read in the macros.
        noc_pj: Energy of the transfers, those of the NPU's weights included.
        static_pj: Energy of leakage and idle clocks over the time of the op.
        handover_pj: Energy of the hand-overs.
        sram_bytes: Bytes read from and written to SRAM.
        mram_bytes: Weight bytes read, from the store and in the macros.
        noc_bytes: Bytes sent over the network, a multicast counted once.
        cim_weight_bytes: Bytes of weights that have to reside in the macros.
        bound: Resource that decides the time: ``compute``, ``memory``, ``transfer`` or ``hand-over``.
    """

    schema: str
    split: str
    placement: str
    macros: int
    npu_channels: int
    cim_channels: int
    npu_cycles: float
    cim_cycles: float
    fetch_cycles: float
    transfer_cycles: float
    overlap_cycles: float
    sram_cycles: float
    tail_cycles: float
    handover_cycles: float
    mac_pj: float
    sram_pj: float
    mram_pj: float
    noc_pj: float
    static_pj: float
    handover_pj: float
    sram_bytes: int
    mram_bytes: float
    noc_bytes: int
    cim_weight_bytes: int
    bound: str

    @property
    def cycles(self) -> float:
        """Time of the op in NPU cycles."""
        npu = self.fetch_cycles + self.npu_cycles
        cim = self.transfer_cycles + self.cim_cycles - self.overlap_cycles
        return max(npu, cim, self.sram_cycles) + self.tail_cycles + self.handover_cycles

    @property
    def energy_pj(self) -> float:
        """Energy of the op in pJ."""
        parts = (self.mac_pj, self.sram_pj, self.mram_pj, self.noc_pj, self.static_pj, self.handover_pj)
        return sum(parts)


@dataclass(frozen=True)
class NetworkCost:
    """Cost of one network; the totals are the sums over `ops`.

    Attributes:
        latency_ms: Time of one inference.
        energy_mj: Energy of one inference.
        cim_weight_bytes: Bytes of weights that reside in the macros.
        macros: Macros in use.
        deployment_s: Time to write the weights into the macros, once; not part of an inference.
        deployment_mj: Energy to write the weights into the macros, once.
        ops: Cost of each op, in order.
    """

    latency_ms: float
    energy_mj: float
    cim_weight_bytes: int
    macros: int
    deployment_s: float
    deployment_mj: float
    ops: tuple[OpCost, ...]


class CostModel:
    """Costs of networks on one SoC; remembers ops and segments.

    Example:
        >>> from objectives import CostModel, load_soc
        >>> from objectives.workload import ops_of, workload
        >>> from search_space import load_space
        >>> space = load_space("cifar32")
        >>> ops = ops_of(workload(space.decode(space.largest())))
        >>> whole, npu = (CostModel(load_soc(name)).network(ops) for name in ("u55-256-cim8", "u55-256"))
        >>> whole.latency_ms < npu.latency_ms
        True

    Args:
        soc: The chip.
        mapping: Cost that the mapping minimises (``latency``, ``energy``, ``edp``), or the one device that it
            uses (``npu``, ``cim``).
        npu_model: Model of the NPU's cycles: ``analytic``, or Arm's compiler ``vela``.
        spill: Whether networks whose activations exceed the SRAM cost their traffic to the weight store. It
            is added to their totals, see `objectives.hardware_objectives.network_totals`.
        known: Costs of ops and segments to begin with and to extend, see `shared`; none by default.

    Raises:
        UnknownNameError: There is no such mapping or model.
        VelaError: The compiler is not installed, or does not support such an NPU.
        H4HError: The mapping is ``cim``, but the chip has no macros; or activations cannot be spilt.
    """

    def __init__(
        self,
        soc: SoC,
        mapping: str = "latency",
        *,
        npu_model: str = NPU_MODELS[0],
        spill: bool = False,
        known: KnownCosts | None = None,
    ) -> None:
        self.soc = soc
        self.spill = Spill.of(soc) if spill else None
        self.npu_model = create_npu_model(npu_model, soc.npu, soc.measured_npu)
        self.mapper = Mapper(soc, mapping, self.npu_model, known)
        self._mapped = MappedCosts(self.mapper)
        self._breakdowns: dict[
            tuple[tuple[Op, ...], tuple[bool, ...], tuple[Way, ...], int], list[OpCost]
        ] = {}

    @classmethod
    def shared(
        cls, soc: SoC, mapping: str = "latency", *, npu_model: str = NPU_MODELS[0], spill: bool = False
    ) -> Self:
        """A model that shares what it remembers with the other shared models of this process.

        So a command that opens several studies of one chip costs each op once. Arguments and errors are those
        of the class.
        """
        # Models of other packages may change under one name, and Vela has a table of its own on disk.
        known = _known_costs(soc.digest, mapping) if npu_model == NPU_MODELS[0] else None
        return cls(soc, mapping, npu_model=npu_model, spill=spill, known=known)

    def fingerprint(self) -> dict[str, str]:
        """Everything that decides the cost of a given network."""
        return {
            "hardware": self.soc.name,
            "hardware_digest": self.soc.digest,
            "mapping": self.mapper.name,
            "npu_model": self.npu_model.name,
            "cost_model": VERSION,
            **({} if self.soc.measured_cim is None else {"cim_table": self.soc.measured_cim.digest[:16]}),
            **({} if self.spill is None else {"spill": SPILL_VERSION}),
        }

    def network(self, ops: Sequence[Op], read_again: Collection[int] = ()) -> NetworkCost:
        """Cost of one network with a breakdown per op.

        Args:
            ops: Ops in order; may be empty.
            read_again: Indices of ops whose output is read again later (residuals), not only by the next op.

        Raises:
            CapacityError: The network is forced onto macros that cannot hold its weights.
        """
        mapping = self.mapper.find(ops, read_again)
        macros = macro_options(self.soc)[mapping.choice]
        pairs = zip(mapping.segments, mapping.points, strict=True)
        costs = tuple(cost for pair in pairs for cost in self._breakdown(*pair, mapping.choice, macros))
        latency_ms, energy_mj = self._totals(mapping)
        weight_bytes = sum(cost.cim_weight_bytes for cost in costs)
        cim = self.soc.cim
        return NetworkCost(
            latency_ms=latency_ms,
            energy_mj=energy_mj,
            cim_weight_bytes=weight_bytes,
            macros=macros if weight_bytes else 0,
            deployment_s=cim.deployment_s(weight_bytes) if cim is not None else 0.0,
            deployment_mj=cim.deployment_mj(weight_bytes) if cim is not None else 0.0,
            ops=costs,
        )

    def totals(
        self, networks: Sequence[Sequence[Op]], read_again: Sequence[Collection[int]] | None = None
    ) -> tuple[Floats, Floats]:
        """Latency and energy of many networks, equal to those of `network`.

        Args:
            networks: n networks.
            read_again: Argument `read_again` of `network` for each.

        Returns:
            Latency in ms (n,) and energy in mJ (n,).
        """
        indices = read_again if read_again is not None else [()] * len(networks)
        costs = self._mapped(networks, indices)
        return costs[:, 0] / self.soc.cycles_per_ms, costs[:, 1] / PJ_PER_MJ

    def _totals(self, mapping: Mapping) -> tuple[float, float]:
        return mapping.cycles / self.soc.cycles_per_ms, mapping.energy_pj / PJ_PER_MJ

    def _breakdown(self, segment: Segment, point: Point, choice: int, macros: int) -> list[OpCost]:
        key = (segment.ops, segment.stays, point.ways, choice)
        if key not in self._breakdowns:
            splits = [self.mapper.splits(op) for op in segment.ops]
            costs = segment_costs(splits, self.soc, segment.stays)
            self._breakdowns[key] = [
                _op_cost(
                    op_splits, way, op_costs.at(choice, way.placement, way.split, way.mode), choice, macros
                )
                for op_splits, op_costs, way in zip(splits, costs, point.ways, strict=True)
            ]
        return self._breakdowns[key]


@lru_cache(maxsize=8)
def _known_costs(digest: str, mapping: str) -> KnownCosts:
    """What the shared models of a chip remember; only the chips that were used last are kept."""
    if mapping not in SUMS:
        return KnownCosts()
    splits, steps = _known_ops(digest)
    return KnownCosts(splits, steps)


@lru_cache(maxsize=8)
def _known_ops(digest: str) -> tuple[dict[Op, SplitCosts], dict[OpContext, Steps]]:
    """Splits and steps of ops under the mappings of `SUMS`, which choose among the same."""
    del digest
    return {}, {}


def _op_cost(splits: SplitCosts, way: Way, numbers: dict[str, Any], choice: int, macros: int) -> OpCost:
    npu_channels = int(splits.channels[way.split])
    cim_channels = channels_of(splits.op) - npu_channels
    schema = "npu" if not cim_channels else "split" if npu_channels else "cim"
    if not cim_channels:
        numbers["transfer_cycles"] = numbers["fetch_cycles"]
    whole = {name: round(numbers.pop(name)) for name in ("sram_bytes", "noc_bytes")}
    return OpCost(
        schema=schema,
        split=_split_text(splits, way.split) if schema == "split" else "",
        placement="macros" if way.mode == STAY else "sram",
        macros=macros if cim_channels else 0,
        npu_channels=npu_channels,
        cim_channels=cim_channels,
        cim_weight_bytes=round(numbers.pop("weight_bytes")),
        bound=_bound(splits, way.split, choice, numbers),
        **whole,
        **numbers,
    )


def _split_text(splits: SplitCosts, split: int) -> str:
    """NPU share | CIM share."""
    op, channels = splits.op, int(splits.channels[split])
    heads = npu_heads(splits, split)
    if heads is not None:
        return f"{heads}|{op.heads - heads} heads"
    if op.heads > 1:
        matrices = channels * 3 // op.out_channels
        return "qkv"[:matrices] + "|" + "qkv"[matrices:]
    return f"{channels}|{channels_of(op) - channels} ch"


def _bound(splits: SplitCosts, split: int, choice: int, numbers: dict[str, float]) -> str:
    npu = numbers["fetch_cycles"] + numbers["npu_cycles"]
    moving = numbers["transfer_cycles"]
    cim = moving + numbers["cim_cycles"] - numbers["overlap_cycles"]
    if numbers["handover_cycles"] > max(npu, cim, numbers["sram_cycles"]):
        return "hand-over"
    if numbers["sram_cycles"] > max(npu, cim):
        return "memory"
    if npu >= cim:
        if numbers["fetch_cycles"] > numbers["npu_cycles"]:
            return "transfer"
        return "memory" if splits.npu_waits[split] else "compute"
    if moving > numbers["cim_cycles"]:
        return "transfer"
    return "memory" if splits.cim.waits[choice, split] else "compute"
