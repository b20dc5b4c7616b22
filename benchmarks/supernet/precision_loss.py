"""Change of accuracies and of their order by bf16 and int8 scoring.

    python -m benchmarks.supernet.precision_loss [--json]

The same subnets, spread over families and multiply-accumulates, are scored as in a search
(`--precision fp32|bf16|int8`), and each precision is compared with float32. bf16 is left out on a CPU that
only emulates it, unless `--emulated` is given.

| figure | meaning |
|---|---|
| `difference` | accuracy minus accuracy in float32, in points: mean, standard deviation, largest |
| `tau` | Kendall's tau-b of the two orders |
| `families` | mean and largest drop from float32 in each family, in points |
| `seconds` | CPU seconds of one scoring |
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from rich import box
from rich.table import Table
from scipy import stats

from benchmarks.supernet.ranking_quality import spread
from objectives.accuracy_objective import Accuracy
from search_space.arrays import Floats
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.families import BLOCK_FAMILIES, Family, family
from search_space.space import load_space
from search_space.subnet import Subnet
from supernet.checkpoints import built_in_checkpoint
from supernet.images.evaluation_pack import built_in_pack, load_pack
from supernet.network.number_formats import SCORED_IN, is_emulated

SPACE = "cifar32"
EXACT = "fp32"


def scored(subnets: list[Subnet], precision: str) -> tuple[Floats, float]:
    """Accuracies of `subnets` in %, and the CPU seconds of the scoring."""
    score = Accuracy(
        checkpoint=built_in_checkpoint(SPACE),
        space=load_space(SPACE),
        pack=load_pack(built_in_pack()),
        precision=precision,
    )
    score(subnets[:1])
    start = time.process_time()
    values = score(subnets)
    return values, time.process_time() - start


def compared(values: Floats, exact: Floats, families: list[Family]) -> dict[str, Any]:
    """Figures of one precision, without its seconds."""
    difference = values - exact
    drops = {
        each: exact[rows] - values[rows] for each in Family if (rows := np.array(families) == each).any()
    }
    return {
        "difference": {
            "mean": float(difference.mean()),
            "deviation": float(difference.std()),
            "largest": float(np.abs(difference).max()),
        },
        "tau": float(stats.kendalltau(values, exact).statistic),
        "families": {
            each.value: {"subnets": len(drop), "mean": float(drop.mean()), "largest": float(drop.max())}
            for each, drop in drops.items()
        },
    }


def measured_formats(emulated: bool) -> list[str]:
    """The number formats that are compared, with or without those that this CPU emulates."""
    return [name for name in SCORED_IN if emulated or not is_emulated(name, torch.device("cpu"))]


def measure(count: int, seed: int, precisions: Sequence[str]) -> dict[str, Any]:
    """All figures, by precision; `EXACT` must be among them."""
    subnets = spread(load_space(SPACE), count, seed)
    families = [family(subnet) for subnet in subnets]
    by_precision = {precision: scored(subnets, precision) for precision in precisions}
    exact, _ = by_precision[EXACT]
    return {
        "subnets": len(subnets),
        "standard_deviation_of_fp32": float(exact.std()),
        **{
            precision: {**compared(values, exact, families), "seconds": seconds}
            for precision, (values, seconds) in by_precision.items()
        },
    }


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.supernet.precision_loss", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--subnets", type=int, default=40, help="number of subnets (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the subnets (default: %(default)s)")
    parser.add_argument(
        "--emulated", action="store_true", help="also measure bf16 on a CPU without bf16 instructions"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.subnets < len(BLOCK_FAMILIES):
        parser.error(f"--subnets must be at least {len(BLOCK_FAMILIES)}, but got {options.subnets}")
    precisions = measured_formats(options.emulated)
    figures = measure(options.subnets, options.seed, precisions)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    print(
        f"{figures['subnets']} subnets of {SPACE}, whose accuracies in fp32 have a standard deviation of "
        f"{figures['standard_deviation_of_fp32']:.2f} points"
    )
    whole = Table("precision", "mean", "deviation", "largest", "tau", "CPU s", box=box.SIMPLE_HEAD)
    by_family = Table("drop of", "family", "subnets", "mean", "largest", box=box.SIMPLE_HEAD)
    for precision in precisions:
        row = figures[precision]
        cells = [f"{value:+.3f}" for value in row["difference"].values()]
        whole.add_row(precision, *cells, f"{row['tau']:.3f}", f"{row['seconds']:.1f}")
        for name, drop in row["families"].items() if precision != EXACT else ():
            cells = [str(drop["subnets"]), f"{drop['mean']:+.2f}", f"{drop['largest']:+.2f}"]
            by_family.add_row(precision, name, *cells)
    print_wide(whole)
    if len(precisions) < len(SCORED_IN):
        print("bf16 is left out: this CPU emulates it; --emulated measures it all the same")
    print_wide(by_family)


if __name__ == "__main__":
    run_command(main)
