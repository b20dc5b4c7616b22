"""Models of the NPU's cycles, by name: the closed form, and Arm's compiler Vela called op by op.

Only the cycles differ. Bytes and energy come from the closed form in all, because the compiler reports no
energy. Where the chip has a table of measured ops, its times replace those of either model. Other packages
add models of their own by an entry point of the group `h4h.npu_models`.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Protocol

from objectives.hardware.measurements.measured_costs import measured_cycles
from objectives.hardware.measurements.measured_ops import MeasuredOps
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.npu import Npu, op_cycles
from objectives.hardware.vela_compiler.cycle_table import VelaTable
from search_space.arrays import Floats
from search_space.errors import UnknownNameError

NPU_MODELS = ("analytic", "vela")
"""Built-in models."""
MEASURED_NAME = "measured ops"
"""Part of the name of a model with a table of measured ops."""
ENTRY_POINTS = "h4h.npu_models"
"""Group of entry points of other packages; each is called with the `Npu` of a chip and returns a model."""


class NpuModel(Protocol):
    """Protocol of a model of the NPU's cycles."""

    def cycles(self, ops: OpArrays) -> Floats:
        """NPU cycles (n,) of n ops; lower is better."""
        ...

    @property
    def name(self) -> str:
        """Name and version, for fingerprints."""
        ...


class AnalyticNpu:
    """The closed form of `parts/npu.py`.

    Args:
        npu: Constants of the SoC file.
    """

    name = "analytic"

    def __init__(self, npu: Npu) -> None:
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
        self.measured = measured_cycles(table, lambda ops, *_: model.cycles(ops))
        self.name = f"{model.name}, {MEASURED_NAME} {table.digest[:16]}"

    def cycles(self, ops: OpArrays) -> Floats:
        """NPU cycles (n,)."""
        return self.measured.of(ops)


def known_npu_models() -> tuple[str, ...]:
    """Names of all models: built-in ones, and those of installed packages."""
    return (*NPU_MODELS, *(point.name for point in entry_points(group=ENTRY_POINTS)))


def create_npu_model(name: str, npu: Npu, table: MeasuredOps | None = None) -> NpuModel:
    """The model called `name` for `npu`.

    Args:
        name: One of `known_npu_models`.
        npu: Constants of the SoC file.
        table: Ops measured on the NPU; their times replace those of the model.

    Raises:
        UnknownNameError: There is no such model.
        VelaError: The compiler is not installed, or does not support such an NPU.
    """
    model = _plain_model(name, npu)
    return model if table is None else MeasuredNpu(table, model)


def _plain_model(name: str, npu: Npu) -> NpuModel:
    match name:
        case "analytic":
            return AnalyticNpu(npu)
        case "vela":
            return VelaTable(npu)
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == name:
            model: NpuModel = point.load()(npu)
            return model
    raise UnknownNameError("--npu-model", name, known_npu_models())
