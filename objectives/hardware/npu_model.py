"""Models of the NPU's cycles, by name: the closed form, and Arm's compiler Vela called op by op.

A new model is a class with one line in `_BUILT_IN`; other packages add theirs by an entry point of the group
`h4h.npu_models`. Where the closed form knows the NPU, only the cycles differ: bytes, and with them energy,
come from the closed form. Of any other NPU the model states the bytes as well. Where the chip has a table of
measured ops, its times replace those of every model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from objectives.hardware.measurements.measured_costs import measured_cycles
from objectives.hardware.measurements.measured_ops import MeasuredOps
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.npu import NoNpu, Npu, array_terms, op_cycles
from objectives.hardware.vela_compiler.cycle_table import VelaTable
from search_space.arrays import Booleans, Floats
from search_space.errors import H4HError, UnknownNameError
from search_space.files.own_code import failure_text
from search_space.files.plug_ins import PlugIn, PlugInGroup

MEASURED_NAME = "measured ops"
"""Part of the name of a model with a table of measured ops."""
PLUG_INS = PlugInGroup("h4h.npu_models", "NPU model")
"""Models of other packages; each is called with the `Npu` of a chip and returns a model."""


class NpuModel(Protocol):
    """Protocol of a model of the NPU's cycles."""

    def cycles(self, ops: OpArrays) -> Floats:
        """NPU cycles (n,) of n ops; lower is better."""
        ...

    @property
    def name(self) -> str:
        """Name and version, for fingerprints."""
        ...


@runtime_checkable
class TrafficModel(Protocol):
    """Protocol of a model that also states the bytes that ops move."""

    def traffic(self, ops: OpArrays) -> tuple[Floats, Floats]:
        """Bytes moved between NPU and SRAM, and bytes of weights read, both (n,) of n ops."""
        ...


class NpuModelError(H4HError):
    """A model that cannot cost ops of the NPU."""


class AnalyticNpu:
    """The closed form of `parts/npu.py`.

    Args:
        npu: Constants of the SoC file.

    Raises:
        ClosedFormError: The closed form does not know the NPU.
    """

    name = "analytic"

    def __init__(self, npu: Npu) -> None:
        if not isinstance(npu, NoNpu):
            _ = npu.machine
        self._npu = npu

    def cycles(self, ops: OpArrays) -> Floats:
        """NPU cycles (n,)."""
        return op_cycles(ops, self._npu)


class MeasuredNpu:
    """Measured cycles, completed by another model.

    Args:
        table: Ops measured on the NPU.
        model: Model for ops that are not in the table, scaled for each kind to those that are.
    """

    def __init__(self, table: MeasuredOps, model: NpuModel) -> None:
        self.model = model
        self.measured = measured_cycles(table, lambda ops, *_: model.cycles(ops))
        self.name = f"{model.name}, {MEASURED_NAME} {table.digest[:16]}"

    def cycles(self, ops: OpArrays) -> Floats:
        """NPU cycles (n,)."""
        return self.measured.of(ops)


_BUILT_IN: dict[str, Callable[[Npu], NpuModel]] = {"analytic": AnalyticNpu, "vela": VelaTable}
NPU_MODELS = tuple(_BUILT_IN)
"""Built-in models; the first is the default."""


def known_npu_models() -> tuple[str, ...]:
    """Names of all models: built-in ones, and those of installed packages."""
    return tuple(dict.fromkeys((*NPU_MODELS, *PLUG_INS.names())))


def create_npu_model(name: str, npu: Npu, table: MeasuredOps | None = None) -> NpuModel:
    """The model called `name` for `npu`.

    Args:
        name: One of `known_npu_models`.
        npu: Constants of the SoC file.
        table: Ops measured on the NPU; their times replace those of the model.

    Raises:
        UnknownNameError: There is no such model.
        ClosedFormError: The closed form does not know the NPU.
        VelaError: The compiler is not installed, or does not support such an NPU.
        NpuModelError: The closed form does not know the NPU, and the model states no bytes.
        OwnCodeError: The model of another package cannot be imported, or is none.
    """
    model = _plain_model(name, npu)
    return model if table is None else MeasuredNpu(table, model)


def _plain_model(name: str, npu: Npu) -> NpuModel:
    if name in _BUILT_IN:
        model = _BUILT_IN[name](npu)
    elif (plug_in := PLUG_INS.find(name)) is not None:
        model = _plugged_in(plug_in, npu)
    else:
        raise UnknownNameError("--npu-model", name, known_npu_models())
    if not (isinstance(npu, NoNpu) or npu.family.has_closed_form or isinstance(model, TrafficModel)):
        raise NpuModelError(
            f"--npu-model {name} states no bytes, and the closed form does not know the {npu.family.title}: "
            f"add a method `traffic` to the model, or use --npu-model vela"
        )
    return model


def _plugged_in(plug_in: PlugIn, npu: Npu) -> NpuModel:
    """The model of another package for `npu`."""
    create: Any = plug_in.load()
    try:
        model: NpuModel = create(npu)
        is_named = isinstance(model.name, str) and callable(model.cycles)
    except H4HError:
        raise
    except Exception as error:
        raise plug_in.error(f"failed ({failure_text(error)})") from error
    if not is_named:
        raise plug_in.error("needs an attribute `name`, a text, and a method `cycles`")
    return model


class NpuCosts(NamedTuple):
    """Costs of n ops on the NPU, each array (n,).

    Attributes:
        cycles: Cycles by the model.
        sram_bytes: Bytes moved between NPU and SRAM.
        weight_bytes: Bytes of weights read.
        waits: Whether one of both memories sets the pace: it takes the whole time by the closed form, at
            least half of it by a compiler.
    """

    cycles: Floats
    sram_bytes: Floats
    weight_bytes: Floats
    waits: Booleans


def npu_costs(ops: OpArrays, npu: Npu, model: NpuModel) -> NpuCosts:
    """Costs of `ops` on `npu`, whose cycles `model` states."""
    if npu.family.has_closed_form:
        terms = array_terms(ops, npu)
        cycles = terms.total if isinstance(model, AnalyticNpu) else model.cycles(ops)
        waits = np.maximum(terms.sram, terms.weights) >= terms.total
        return NpuCosts(cycles, terms.sram_bytes, terms.weight_bytes, waits)
    plain = model.model if isinstance(model, MeasuredNpu) else model
    assert isinstance(plain, TrafficModel)  # checked by `create_npu_model`
    sram, weights = plain.traffic(ops)
    slowest = np.maximum(sram / npu.sram_bytes_per_cycle, weights / npu.weight_bytes_per_cycle)
    # The compiler's cycles include latencies and the first weights: no memory accounts for all of them.
    return NpuCosts(model.cycles(ops), sram, weights, 2 * slowest >= plain.cycles(ops))
