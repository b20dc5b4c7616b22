"""Cycles of CNNs and hybrids on three generations of Ethos-U with 256 MAC/cycle.

    python -m benchmarks.hardware.npu_generations [--networks 8] [--json]

Random subnets of cifar32 and imagenet224, each compiled as a whole by Arm's compiler Vela, which may let the
Ethos-U85 run a sum as part of the layer before it. `model` is the sum over ops by the NPU model of the chip:
the closed form, or Vela op by op for the Ethos-U85. `sram` is that of the model over Vela's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from rich.table import Table

from benchmarks.hardware.npu_chips import ARRAY, HYBRID, family, npu_of
from benchmarks.hardware.vela_network import compiled_network
from objectives.hardware.npu_model import create_npu_model
from objectives.hardware.op import OpArrays
from objectives.hardware.vela_compiler.vela import IN_PLACE
from objectives.workload import ops_of, peak_bytes, workload
from search_space.command.command_line import Parser, check_least, run_command
from search_space.command.wide_table import print_wide
from search_space.subnet import Subnet

MODELS = {"u55-256": "analytic", "u65-256": "analytic", "u85-256": "vela"}
"""Chips, each with the model of its cycles."""
NAMES = {ARRAY: "CNNs", HYBRID: "hybrids"}
MOST_ERROR = 6.0
"""Largest mean error asked for, in percent."""


@dataclass(frozen=True)
class Row:
    """Networks of one family on one chip.

    Attributes:
        chip: Name of the chip.
        family: Name of the family.
        count: Number of networks.
        kilocycles: Mean cycles of a network by the compiler, in thousands.
        products: Share of the products of attention, in percent of the compiler's cycles.
        softmax: Share of softmax.
        norm: Share of layer norm.
        error: Mean absolute error of the model in percent.
        bias: Mean error with sign in percent.
        memory: Least and largest `sram` over the memory that the compiler allocates.
    """

    chip: str
    family: str
    count: int
    kilocycles: float
    products: float
    softmax: float
    norm: float
    error: float
    bias: float
    memory: tuple[float, float]


def judge(chip: str, kind: str, subnets: Sequence[Subnet]) -> Row:
    """The compiler's cycles of `subnets` on `chip`, and those of its model."""
    npu = npu_of(chip)
    model = create_npu_model(MODELS[chip], npu)
    errors, memory, by_kind = [], [], Counter[str]()
    for subnet in subnets:
        steps = workload(subnet)
        compiled = compiled_network(subnet, npu, IN_PLACE)
        cycles = compiled.cycles
        memory.append(peak_bytes(steps) / compiled.sram_bytes)
        for step in steps:
            by_kind[step.op.kind] += cycles[step.name]
        modelled = float(model.cycles(OpArrays.of(ops_of(steps))).sum())
        errors.append(100 * (modelled / sum(cycles.values()) - 1))
    total = by_kind.total()
    shares = {name: 100 * by_kind[name] / total for name in ("matmul", "softmax", "norm")}
    return Row(
        chip,
        NAMES[kind],
        len(subnets),
        total / len(subnets) / 1e3,
        shares["matmul"],
        shares["softmax"],
        shares["norm"],
        float(np.abs(errors).mean()),
        float(np.mean(errors)),
        (min(memory), max(memory)),
    )


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.hardware.npu_generations", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--networks",
        type=int,
        default=8,
        help="number of subnets of each space and family (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    check_least(options, networks=1)
    drawn = {kind: family(options.networks, options.seed, kind) for kind in NAMES}
    rows = [judge(chip, kind, subnets) for chip in MODELS for kind, subnets in drawn.items()]
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = Table(title="cycles of whole networks by Vela")
    for name in ("chip", "networks"):
        table.add_column(name)
    for name in ("count", "kcycles", "QK^T, AV %", "softmax %", "norm %", "model: error %", "bias %", "sram"):
        table.add_column(name, justify="right")
    for row in rows:
        shares = (f"{value:.1f}" for value in (row.products, row.softmax, row.norm))
        errors = (f"{row.error:.2f}", f"{row.bias:+.2f}", "{:.3f}-{:.3f}".format(*row.memory))
        table.add_row(row.chip, row.family, str(row.count), f"{row.kilocycles:,.0f}", *shares, *errors)
    print_wide(table)
    print(f"asked: error of at most {MOST_ERROR:g} %")


if __name__ == "__main__":
    run_command(main)
