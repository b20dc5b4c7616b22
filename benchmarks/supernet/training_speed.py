"""Cost of elasticity in a training step, against the same subnets as plain networks on this machine.

    python -m benchmarks.supernet.training_speed [--quick] [--json]

Computes the same step in four ways:

| way | description |
|---|---|
| elastic | the supernet, which computes with views of its weights |
| plain, our kernels | extracted networks with the same CPU kernels; the difference is elasticity alone |
| plain torch | extracted networks with torch's own layers |
| copying | a naive elastic network that copies each slice before it computes |

A step is forward, loss and backward of one batch. The sandwich step trains the largest subnet on labels, and
the smallest and two random ones on the largest one's soft labels; gradient clipping and AdamW follow. On the
elastic side these cover all shared weights, on the plain side the largest network alone, which favours the
plain side. All ways run in turn, round by round. A ratio is one of medians; its spread is the middle half of
the rounds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from unittest.mock import patch

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.families import Family, family
from search_space.space import Space, load_space
from search_space.subnet import Subnet
from supernet.network import blocks
from supernet.network import elastic_layers as elastic
from supernet.network.extraction import extract
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import PRECISIONS, emulation_warning, resolve_device, resolve_precision
from supernet.network.plain_network import with_fast_backward
from supernet.network.supernet import Supernet

ELASTIC, FAST, PLAIN, COPYING = "elastic", "plain, our kernels", "plain torch", "copying"
RATE, CLIP = 1e-4, 1.0
ROUNDS, QUICK_ROUNDS = 11, 3
DRAWS = 1_000
"""Number of random subnets to search for one of a kind."""

Classify = Callable[[Tensor], Tensor]
Step = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One kind of step.

    Attributes:
        kind: Kind of subnets that the step trains.
        images_per_second: Images per second by way; an image of the batch counts once for all subnets.
        time_ratio: By way other than elastic: time of elastic over time of that way (median), and the
            quartiles of this ratio over the rounds.
    """

    kind: str
    images_per_second: dict[str, float]
    time_ratio: dict[str, tuple[float, float, float]]


def subnets_by_kind(space: Space, seed: int) -> dict[str, list[Subnet]]:
    """Subnets of each kind of step, without kinds that the space does not seem to contain."""
    rng = np.random.default_rng(seed)
    largest, smallest = space.decode(space.largest()), space.decode(space.smallest())

    def drawn(wanted: Callable[[Subnet], bool]) -> list[Subnet]:
        draws = (space.decode(space.sample(rng)) for _ in range(DRAWS))
        return list(islice(filter(wanted, draws), 1))

    kinds = {
        "largest": [largest],
        "smallest": [smallest],
        "random hybrid": drawn(lambda subnet: subnet.vit_blocks > 0),
        "random CNN": drawn(lambda subnet: family(subnet) is Family.CNN),
        "sandwich": [largest, smallest, *(space.decode(space.sample(rng)) for _ in range(2))],
    }
    return {kind: subnets for kind, subnets in kinds.items() if subnets}


def step_of(
    classifiers: Sequence[Classify], images: Tensor, labels: Tensor, parameters: list[nn.Parameter]
) -> Step:
    """Forward, loss and backward of each subnet; for several also clipping and AdamW over `parameters`."""
    optimizer = torch.optim.AdamW(parameters, lr=RATE)

    def step() -> None:
        for parameter in parameters:
            parameter.grad = None
        logits = classifiers[0](images).float()
        torch.autograd.backward(F.cross_entropy(logits, labels))
        soft_labels = logits.detach().softmax(1)
        for classify in classifiers[1:]:
            torch.autograd.backward(F.cross_entropy(classify(images).float(), soft_labels))
        if len(classifiers) > 1:
            nn.utils.clip_grad_norm_(parameters, CLIP)
            optimizer.step()

    return step


def steps(supernet: Supernet, subnets: list[Subnet], images: Tensor, labels: Tensor) -> dict[str, Step]:
    """The step in all four ways."""

    def shared(subnet: Subnet) -> Classify:
        return lambda images: supernet(images, subnet)

    def plain(subnet: Subnet, *, fast: bool) -> tuple[Classify, list[nn.Parameter]]:
        network = extract(supernet, subnet).train()
        if fast:
            with_fast_backward(network)
        parameters = list(network.parameters())

        def classify(images: Tensor) -> Tensor:
            for parameter in parameters:
                parameter.grad = None
            with torch.autocast(images.device.type, images.dtype, enabled=images.dtype is not torch.float32):
                logits: Tensor = network(images)
            return logits

        return classify, parameters

    weights = list(supernet.parameters())
    elastic_step = step_of([shared(subnet) for subnet in subnets], images, labels, weights)

    def copying_step() -> None:
        with copied_slices():
            elastic_step()

    ways: dict[str, Step] = {ELASTIC: elastic_step, COPYING: copying_step}
    for name, fast in ((FAST, True), (PLAIN, False)):
        networks = [plain(subnet, fast=fast) for subnet in subnets]
        ways[name] = step_of([classify for classify, _ in networks], images, labels, networks[0][1])
    return ways


@contextmanager
def copied_slices() -> Iterator[None]:
    """Elastic layers copy each slice."""
    view = elastic.leading

    def copy(weight: Tensor, *lengths: int) -> Tensor:
        return view(weight, *lengths).clone()

    with ExitStack() as stack:
        for module in (elastic, blocks):
            stack.enter_context(patch.object(module, "leading", copy))
        yield


def measure(ways: dict[str, Step], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each way in each round; each round begins with another way."""

    def seconds(step: Step) -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    for step in ways.values():
        step(), step()
    times: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            times[name].append(seconds(ways[name]))
    return times


def row(kind: str, times: dict[str, list[float]], batch: int) -> Row:
    """Ratios of medians from the seconds of each way."""
    median = {name: float(np.median(values)) for name, values in times.items()}
    ratios = {}
    for name in times:
        if name != ELASTIC:
            low, high = np.quantile(np.array(times[ELASTIC]) / np.array(times[name]), (0.25, 0.75))
            ratios[name] = (median[ELASTIC] / median[name], float(low), float(high))
    return Row(kind, {name: batch / value for name, value in median.items()}, ratios)


def main() -> None:
    """Runs the command."""
    parser = Parser(prog="python -m benchmarks.supernet.training_speed", description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="cifar32", help="search space (default: %(default)s)")
    parser.add_argument(
        "--batch", type=int, default=128, help="number of images per step (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of subnets and weights (default: %(default)s)"
    )
    parser.add_argument("--precision", default="auto", help="bf16, fp32 or auto (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds instead of {ROUNDS}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.batch < 2:
        parser.error(f"--batch must be at least 2, but got {options.batch}")
    if options.seed < 0:
        parser.error(f"--seed must be at least 0, but got {options.seed}")
    device = resolve_device(options.device)
    precision = resolve_precision(options.precision, device)
    if warning := emulation_warning(precision, device, plain=True):
        print(warning, file=sys.stderr)
    space = load_space(options.space)
    keep_freed_memory()
    torch.manual_seed(options.seed)
    supernet = Supernet(space).to(device).train()
    side = max(space.resolution)
    images = torch.randn(options.batch, 3, side, side, dtype=PRECISIONS[precision], device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(space.head.classes, (options.batch,), device=device)
    rows = []
    kinds = subnets_by_kind(space, options.seed)
    for kind, subnets in track(kinds.items(), "kinds", console=Console(stderr=True), transient=True):
        ways = steps(supernet, subnets, images, labels)
        rows.append(
            row(kind, measure(ways, QUICK_ROUNDS if options.quick else ROUNDS, device), options.batch)
        )
    setting = {"precision": precision, "batch": options.batch, "threads": torch.get_num_threads()}
    if options.json:
        print(json.dumps({**setting, "device": str(device), "steps": list(map(asdict, rows))}, indent=2))
        return
    title = ", ".join(f"{name} {value}" for name, value in setting.items())
    table = Table(title=f"{space.name} on {device}, {title}", title_justify="left")
    table.add_column("step")
    for way in (ELASTIC, FAST, PLAIN, COPYING):
        table.add_column(f"{way}\nimages/s", justify="right")
    for way in (FAST, PLAIN, COPYING):
        table.add_column(f"time of elastic over\n{way}", justify="right")
    for each in rows:
        cells = [f"{each.images_per_second[way]:,.0f}" for way in (ELASTIC, FAST, PLAIN, COPYING)]
        for way in (FAST, PLAIN, COPYING):
            cells.append("{:.2f} ({:.2f} to {:.2f})".format(*each.time_ratio[way]))
        table.add_row(each.kind, *cells)
    print_wide(table)


if __name__ == "__main__":
    run_command(main)
