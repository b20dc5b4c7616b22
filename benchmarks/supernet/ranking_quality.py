"""Ranking quality of the supernet: Kendall's tau of its accuracies with those of 12 trained subnets.

    python -m benchmarks.supernet.ranking_quality --budget smoke|small|full [--start scratch|supernet]

The subnets are spread over families and, within each family, over multiply-accumulates. Each is trained as a
plain network on the same number of images, from random weights (`scratch`) or from its slices of the supernet
(`supernet`). Both accuracies are top-1 on the same held-out search images, after batch-norm statistics were
recorded on the same calibration images. Rerun the command to resume after the last finished epoch.

| budget | images | epochs | machine |
|---|---|---|---|
| smoke | 2,048 | 1 | any, minutes: shows that the command works, says nothing about the ranking |
| small | all | 8 | two CPU cores, CIFAR-10 within 40 minutes |
| full | all | 100 | a GPU |
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from scipy import stats
from torch.optim.swa_utils import update_bn

from search_space import complexity
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.errors import H4HError
from search_space.families import BLOCK_FAMILIES, family
from search_space.genotype import to_text
from search_space.space import Space
from search_space.subnet import Subnet
from search_space.subnet_sampling import SAMPLINGS, UNIFORM, draw
from supernet.accuracy import one_subnet as oracle
from supernet.checkpoints import add_checkpoint
from supernet.checkpoints.header import read_header
from supernet.checkpoints.tensor_file import file_digest
from supernet.images import cifar10
from supernet.images.data_sets import open_data
from supernet.images.folder_layouts import DEFAULT_DATA, add_data
from supernet.network.extraction import extract
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import emulation_warning, resolve_device, resolve_precision
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint
from supernet.training.recipe_options import MOST_WORKERS
from supernet.training.single_network_trainer import FineTuning, make_recipe, network_top1

SUBNETS = 12
POOL = 8_192
"""Size of the random pool from which subnets are chosen: enough to contain the rarest family."""

SCRATCH, SUPERNET = "scratch", "supernet"
RATES = {SCRATCH: 2e-3, SUPERNET: 1e-3}
RESAMPLES = 2_000


@dataclass(frozen=True)
class Budget:
    """Images and epochs of each training, and search images that score a subnet; None for all."""

    images: int | None
    epochs: int
    search_images: int


BUDGETS = {
    "smoke": Budget(images=2_048, epochs=1, search_images=500),
    "small": Budget(images=None, epochs=8, search_images=5_000),
    "full": Budget(images=None, epochs=100, search_images=5_000),
}


@dataclass(frozen=True)
class Result:
    """Result for one subnet; accuracies in %."""

    genotype: str
    subnet: str
    family: str
    macs: int
    supernet: float
    alone: float


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau-b of both accuracies.

    Attributes:
        tau: 1 for the same order, 0 for unrelated orders, -1 for reversed orders.
        p_value: Probability of a tau at least as far from 0 for unrelated orders.
        low, high: 95 % interval by bootstrap over the subnets.
    """

    tau: float
    p_value: float
    low: float
    high: float


def spread(space: Space, count: int, seed: int, sampling: str = UNIFORM) -> list[Subnet]:
    """`count` different networks, evenly over families, and in each at even quantiles of MACs.

    A family with fewer members in the random pool contributes all of them. `sampling` draws the pool.
    """
    rng = np.random.default_rng(seed)
    pool = dict.fromkeys(space.decode(draw(space, sampling, rng, number)) for number in range(POOL))
    members = {each: [subnet for subnet in pool if family(subnet) is each] for each in BLOCK_FAMILIES}
    chosen: list[Subnet] = []
    # The rarest first, so that what they lack falls to those that have it.
    waiting = sorted(members.values(), key=len)
    for number, subnets in enumerate(waiting):
        share = min(len(subnets), (count - len(chosen)) // (len(waiting) - number))
        by_size = sorted(subnets, key=complexity.macs)
        positions = (np.arange(share) + 0.5) / max(share, 1) * len(by_size)
        chosen += [by_size[int(position)] for position in positions]
    return sorted(chosen, key=complexity.macs)


def agreement(supernet: Sequence[float], alone: Sequence[float]) -> Agreement:
    """Agreement of the orders of two lists of accuracies, one value per subnet.

    Raises:
        H4HError: One list has equal values only, and so no order.
    """
    both = np.array([supernet, alone])
    if (both == both[:, :1]).all(axis=1).any():
        raise H4HError("all subnets have the same accuracy, so there is no ranking: choose a larger --budget")
    whole = stats.kendalltau(*both)
    draws = np.random.default_rng(0).integers(0, both.shape[1], (RESAMPLES, both.shape[1]))
    # A draw in which one side has no order has no tau (NaN), and is left out.
    taus = [stats.kendalltau(*both[:, draw]).statistic for draw in draws]
    low, high = np.nanquantile(taus, (0.025, 0.975))
    return Agreement(float(whole.statistic), float(whole.pvalue), float(low), float(high))


def main() -> None:
    """Runs the command."""
    parser = Parser(prog="python -m benchmarks.supernet.ranking_quality", description=__doc__.splitlines()[0])
    parser.add_argument("--budget", choices=BUDGETS, required=True, help="amount of training of each subnet")
    parser.add_argument(
        "--start",
        choices=RATES,
        default=SCRATCH,
        help="initial weights of each subnet (default: %(default)s)",
    )
    add_checkpoint(parser.add_argument)
    add_data(parser.add_argument, DEFAULT_DATA)
    parser.add_argument(
        "--out", type=Path, help="folder of the training states (default: runs/ranking-BUDGET-START)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of subnets and training (default: %(default)s)"
    )
    parser.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        default=UNIFORM,
        help="how to draw the pool from which the subnets are chosen (default: %(default)s)",
    )
    parser.add_argument(
        "--precision", default="auto", help="precision of training: bf16, fp32 or auto (default: %(default)s)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    budget = BUDGETS[options.budget]
    out = options.out or Path("runs") / f"ranking-{options.budget}-{options.start}"
    device = resolve_device(options.device)
    precision = resolve_precision(options.precision, device)
    if warning := emulation_warning(precision, device, plain=True):
        print(warning, file=sys.stderr)
    recipe = make_recipe(
        epochs=budget.epochs, rate=RATES[options.start], seed=options.seed, precision=precision
    )
    keep_freed_memory()
    checkpoint = options.checkpoint
    supernet = load_checkpoint(checkpoint).to(device).eval()
    space = supernet.space
    data = open_data(options.data, options.dataset, space, like=checkpoint)
    split = data.split_like(read_header(checkpoint).get("data"))
    images = data.train.subset(split.train[: budget.images])
    search, calibration = (
        oracle.prepare(
            data.train.subset(indices), precision="fp32", device=device, scale=supernet.pixel_scale
        )
        for indices in (split.search[: budget.search_images], split.train[: cifar10.CALIBRATION_IMAGES])
    )
    torch.manual_seed(options.seed)
    # A fresh supernet's slices are a random start like that of the supernet's own training.
    start = supernet if options.start == SUPERNET else Supernet(space).to(device)
    origin = f"checkpoint {file_digest(checkpoint)[:12]}" if options.start == SUPERNET else "a random start"

    results = []
    subnets = spread(space, SUBNETS, options.seed, options.sampling)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("subnets", total=len(subnets) * budget.epochs)
        for number, subnet in enumerate(subnets, start=1):
            statistics = oracle.record_statistics(supernet, subnet, calibration)
            shared = oracle.top1(supernet, subnet, search, statistics)
            training = FineTuning(
                network=extract(start, subnet, statistics if options.start == SUPERNET else None),
                images=images,
                recipe=recipe,
                device=device,
                workers=min(MOST_WORKERS, os.cpu_count() or 1),
                origin=f"{origin}, {len(images)} images of {data.recorded(split)['split'][:12]}",
            )
            state = out / f"subnet{number:02}.safetensors"
            if state.exists():
                training.load(state)
            progress.update(task, completed=(number - 1) * budget.epochs + training.epochs_done)
            while not training.is_finished:
                training.train_epoch()
                training.save(state)
                progress.advance(task)
            update_bn(calibration.batches, training.network)
            results.append(
                Result(
                    genotype=to_text(space.encode(subnet)),
                    subnet=str(subnet),
                    family=family(subnet).value,
                    macs=complexity.macs(subnet),
                    supernet=shared,
                    alone=network_top1(training.network, search.batches),
                )
            )
    rank = agreement([each.supernet for each in results], [each.alone for each in results])
    if options.json:
        setting = {"budget": options.budget, "start": options.start, "seed": options.seed}
        record = {
            **setting,
            **asdict(rank),
            "recipe": recipe.to_dict(),
            "subnets": list(map(asdict, results)),
        }
        print(json.dumps(record, indent=2))
        return
    table = Table(title=f"budget {options.budget}, start {options.start}", title_justify="left")
    for column in ("subnet", "family"):
        table.add_column(column)
    for column in ("MMAC", "supernet top-1 %", "alone top-1 %"):
        table.add_column(column, justify="right")
    for each in results:
        numbers = (f"{each.macs / 1e6:.2f}", f"{each.supernet:.2f}", f"{each.alone:.2f}")
        table.add_row(each.subnet, each.family, *numbers)
    print_wide(table)
    print(
        f"Kendall's tau {rank.tau:.3f}, p {rank.p_value:.2g} "
        f"(95 % interval by bootstrap over subnets: {rank.low:.3f} to {rank.high:.3f})"
    )


if __name__ == "__main__":
    run_command(main)
