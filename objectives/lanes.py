"""When the parts of a chip are busy with each op of a network, and which parts its energy goes to."""

from __future__ import annotations

from objectives.hardware import OpCost

LANES = ("NPU", "NoC", "macros")
PARTS = {"mac": "#4477aa", "sram": "#66ccee", "mram": "#228833", "noc": "#ccbb44", "static": "#bbbbbb"}
"""Parts of an op's energy, each with a colour of Paul Tol's bright scheme, told apart by the colour-blind."""
COLOURS = {"NPU": "#4477aa", "NoC": "#ccbb44", "macros": "#228833"}

Bar = tuple[str, float, float]
"""Lane, start and length in cycles."""


def bars(cost: OpCost, start: float) -> list[Bar]:
    """When the lanes are busy with one op that begins at `start`.

    The breakdown knows the sum of all transfers of an op, so that which follows the macros' share is drawn
    before it as well.
    """
    result: list[Bar] = []
    if cost.npu_cycles:
        result.append(("NPU", start + cost.fetch_cycles, cost.npu_cycles))
    if cost.transfer_cycles:
        result.append(("NoC", start, cost.transfer_cycles))
    if cost.cim_cycles:
        result.append(("macros", start + cost.transfer_cycles, cost.cim_cycles))
    if cost.tail_cycles:
        result.append(("NPU", start + cost.cycles - cost.tail_cycles, cost.tail_cycles))
    return result
