"""Hardware model in closed form: an Ethos-U55 NPU, MRAM compute-in-memory macros and the network between.

from objectives.hardware import CostModel, Op, load_soc

soc = load_soc("u55-256-cim8")
ops = [Op("conv2d", height=16, width=16, in_channels=32, out_channels=192)]
soc.npu.cycles(ops)                    # NPU alone, cycles of each op
CostModel(soc).network(ops).latency_ms  # best mapping over NPU and macros
"""

from objectives.hardware.cost_model import CostModel, NetworkCost, OpCost
from objectives.hardware.mapping.split_costs import MAPPINGS
from objectives.hardware.op import KINDS, InvalidOpError, Op
from objectives.hardware.soc import SoC, known_socs, load_soc, variant

__all__ = [
    "KINDS",
    "MAPPINGS",
    "CostModel",
    "InvalidOpError",
    "NetworkCost",
    "Op",
    "OpCost",
    "SoC",
    "known_socs",
    "load_soc",
    "variant",
]
