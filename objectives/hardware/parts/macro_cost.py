"""Cost of ops on the macros: their arrays or compute units, and the digital engine where a macro has one."""

from __future__ import annotations

import numpy as np

from objectives.hardware.op import OpArrays
from objectives.hardware.parts.cim import Cim, CimCost, Digital
from search_space.arrays import Floats


def macro_cost(cim: Cim, digital: Digital | None, ops: OpArrays, macros: Floats, clock_mhz: float) -> CimCost:
    """Cost of whole ops on the macros; arguments as of `Cim.cost`."""
    cost = cim.cost(ops, macros, clock_mhz)
    product = ops.is_kind("matmul", "softmax")
    if digital is None or not product.any():
        return cost
    other = digital.cost(ops, macros, cim)
    pairs = zip(vars(other).values(), vars(cost).values(), strict=True)
    return CimCost(*(np.where(product, array, rest) for array, rest in pairs))
