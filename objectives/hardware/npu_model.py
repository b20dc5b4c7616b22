"""Models of the NPU's cycles, by name: the closed form, and Arm's compiler Vela called op by op.

Only the cycles differ. Bytes and energy come from the closed form in both, because the compiler reports no
energy.
"""

from __future__ import annotations

from typing import Protocol

from objectives.hardware.op import OpArrays
from objectives.hardware.parts.npu import Npu, op_cycles
from objectives.hardware.vela_compiler.cycle_table import VelaTable
from search_space.arrays import Floats
from search_space.errors import UnknownNameError

NPU_MODELS = ("analytic", "vela")


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


def create_npu_model(name: str, npu: Npu) -> NpuModel:
    """The model called `name` for `npu`.

    Raises:
        UnknownNameError: `name` is not one of `NPU_MODELS`.
        VelaError: The compiler is not installed, or does not support such an NPU.
    """
    if name not in NPU_MODELS:
        raise UnknownNameError("--npu-model", name, NPU_MODELS)
    return AnalyticNpu(npu) if name == "analytic" else VelaTable(npu)
