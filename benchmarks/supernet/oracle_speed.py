"""Speed of the accuracy oracle against simpler ways to score the same subnets.

    python -m benchmarks.supernet.oracle_speed [--quick] [--json]

Scores the 32 offspring of a generation in mid-search (`mid_search.txt`) in five ways:

| way | description |
|---|---|
| naive | float32, channels first, copied weight slices, batch norm reset and averaged, one by one |
| alone | the oracle, one subnet at a time |
| together | the oracle, with shared computation of shared leading blocks |
| together, bf16 | the same with --precision bf16 |
| together, int8 | the same with --precision int8 |

| figure | meaning |
|---|---|
| `speedup_over_naive` | time of naive divided by that of together; prefixed by `bf16_` or `int8_` for these |
| `sharing_speedup` | time of alone divided by that of together |
| `sharing_bound` | operations of all subnets divided by those of distinct leading parts: the limit of sharing
|
| `flops_fraction` | time of together divided by that of as many operations in float32 matrix products |
| `bf16_flops_fraction` | time in bf16 divided by that of as many operations in bf16 matrix products |
| `naive_flops_fraction` | time of naive divided by that of as many operations in float32 matrix products |
| `peak_memory_mb` | maximum growth of a process that scores together, in any precision |
| `memory_mb` | allowed growth, `--memory` |
| `bf16_difference` | accuracy in bf16 minus accuracy in float32: mean and largest, in points |
| `int8_difference` | the same for int8 |

The ways run in turn in separate processes, because the oracle changes how a process returns memory. Each
process scores one subnet before its clock starts. Times are CPU times, so other work on the machine affects
them little. A figure is a ratio of medians over the rounds. Figures about bf16 are left out on a CPU that
only emulates it, unless `--emulated` is given.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.supernet.training_speed import copied_slices
from objectives.accuracy_objective import Accuracy
from search_space.arrays import Floats
from search_space.command.byte_count import parse_bytes
from search_space.command.command_line import Parser, run_command
from search_space.complexity import macs
from search_space.errors import H4HError
from search_space.genotype import parse
from search_space.space import load_space
from search_space.subnet import Subnet
from supernet.accuracy.memory_budget import DEFAULT_MEMORY
from supernet.accuracy.prefix_tree import grow
from supernet.checkpoints import built_in_checkpoint
from supernet.checkpoints.header import EPSILON
from supernet.checkpoints.image_input import CIFAR10_SCALE
from supernet.images.evaluation_pack import built_in_pack, load_pack
from supernet.images.labelled_images import BATCH, normalised
from supernet.network.freed_memory import return_freed_memory
from supernet.network.number_formats import is_emulated
from supernet.network.subnet_parts import parts
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint

SPACE = "cifar32"
GENERATION = Path(__file__).with_name("mid_search.txt")
NAIVE, ALONE, TOGETHER = "naive", "alone", "together"
BF16, INT8 = "together, bf16", "together, int8"
PRECISIONS = {ALONE: "fp32", TOGETHER: "fp32", BF16: "bf16", INT8: "int8"}
WAYS = (NAIVE, *PRECISIONS)


@dataclass(frozen=True)
class Work:
    """Work of one scoring.

    Attributes:
        subnets: Number of subnets of the generation.
        val_images: Number of images that score each.
        calibration_images: Number of images for its batch-norm statistics.
        memory: Memory limit of `Accuracy`.
    """

    subnets: int
    val_images: int
    calibration_images: int
    memory: float


def generation() -> list[Subnet]:
    """The subnets of `mid_search.txt`."""
    space = load_space(SPACE)
    lines = GENERATION.read_text().splitlines()
    return [space.decode(parse(line)) for line in lines if not line.startswith("#")]


class NaiveNorm:
    """Batch norm as in other code: running statistics, reset, then averaged over the calibration images."""

    def __init__(self) -> None:
        self.is_calibrating = True
        self._layers: dict[nn.Module, nn.BatchNorm2d] = {}

    def __call__(self, site: nn.Module, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if site not in self._layers:
            self._layers[site] = nn.BatchNorm2d(x.shape[1], eps=EPSILON, momentum=None)
        layer = self._layers[site].train(self.is_calibrating)
        layer.weight.data, layer.bias.data = weight.clone(), bias.clone()
        result: Tensor = layer(x)
        return result


class Naive:
    """The oracle of the way `NAIVE`."""

    def __init__(self, work: Work) -> None:
        pack = load_pack(built_in_pack())
        self._supernet = load_checkpoint(built_in_checkpoint(SPACE), load_space(SPACE))
        self._search = self._batches(pack.search[: work.val_images].pixels)
        self._labels = pack.search.labels[: work.val_images]
        self._calibration = self._batches(pack.calibration[: work.calibration_images].pixels)

    @staticmethod
    def _batches(pixels: Tensor) -> Sequence[Tensor]:
        return torch.split(normalised(pixels, torch.float32, CIFAR10_SCALE).contiguous(), BATCH)

    @torch.no_grad()
    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """Accuracies in %."""
        return np.array([self._accuracy(subnet) for subnet in subnets])

    def _accuracy(self, subnet: Subnet) -> float:
        norm = NaiveNorm()
        with copied_slices():
            for batch in self._calibration:
                self._supernet(batch, subnet, norm)
            norm.is_calibrating = False
            logits = torch.cat([self._supernet(batch, subnet, norm) for batch in self._search])
        return 100 * float((logits.argmax(1) == self._labels).double().mean())


def accuracy(work: Work, precision: str) -> Accuracy:
    """The oracle of a search."""
    return Accuracy(
        checkpoint=built_in_checkpoint(SPACE),
        space=load_space(SPACE),
        pack=load_pack(built_in_pack()),
        val_images=work.val_images,
        calibration_images=work.calibration_images,
        precision=precision,
        memory=work.memory,
    )


@dataclass(frozen=True)
class Scorer:
    """Scorer of subnets in one way, ready to be timed.

    Attributes:
        score: Function that returns accuracies in %.
        before_mb: Memory of the process before.
    """

    score: Callable[[Sequence[Subnet]], Floats]
    before_mb: float


@cache
def scorer(way: str, work: Work) -> Scorer:
    """The scorer of this process."""
    if way == NAIVE:
        score: Callable[[Sequence[Subnet]], Floats] = Naive(work)
    else:
        oracle = accuracy(work, PRECISIONS[way])
        score = oracle
        if way == ALONE:
            score = lambda subnets: np.concatenate([oracle([subnet]) for subnet in subnets])  # noqa: E731
    first = generation()[:1]
    score(first)
    return_freed_memory()
    before = _status_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    score(first)
    return Scorer(score, before)


def timed(way: str, work: Work) -> tuple[float, list[float], float]:
    """CPU seconds, accuracies, and maximum growth of the process in MB; runs in a separate process."""
    torch.set_num_threads(1)  # as the oracle has it
    ready = scorer(way, work)
    subnets = generation()[: work.subnets]
    start = time.process_time()
    values = ready.score(subnets)
    return time.process_time() - start, values.tolist(), _status_mb("VmHWM") - ready.before_mb


def _status_mb(name: str) -> float:
    """``VmRSS``, the memory of this process, or ``VmHWM``, its peak, in MB (Linux)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / 1e6


def matrix_rate(dtype: torch.dtype, rounds: int = 15) -> float:
    """Multiply-accumulates per CPU second of a matrix product, best of several rounds."""
    torch.set_num_threads(1)
    a, b = torch.randn(2, 1536, 1536).to(dtype)
    times = []
    for _ in range(rounds):
        start = time.process_time()
        torch.mm(a, b)
        times.append(time.process_time() - start)
    return 1536**3 / min(times)


def sharing_bound(subnets: Sequence[Subnet]) -> float:
    """Operations of all subnets divided by those of their distinct leading parts."""
    supernet = Supernet(load_space(SPACE))
    chains = [tuple(parts(supernet, subnet)) for subnet in subnets]
    alone = sum(part.macs for chain in chains for part in chain)
    return alone / sum(branch.macs for branch in grow(chains, float("inf")))


def measure(work: Work, rounds: int, ways: Sequence[str] = WAYS) -> dict[str, Any]:
    """All figures; those about bf16 only where `BF16` is among `ways`.

    Raises:
        H4HError: The oracle scores a subnet differently alone and together with others.
    """
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    values: dict[str, list[float]] = {}
    growth: dict[str, float] = {}
    has_bf16 = BF16 in ways
    rates: dict[torch.dtype, list[float]] = {torch.float32: []}
    if has_bf16:
        rates[torch.bfloat16] = []
    context = get_context("spawn")
    with ExitStack() as stack:
        workers = {way: stack.enter_context(ProcessPoolExecutor(1, mp_context=context)) for way in ways}
        for _ in range(rounds):
            for dtype, of_dtype in rates.items():
                of_dtype.append(matrix_rate(dtype))
            for way in ways:
                took, values[way], grown = workers[way].submit(timed, way, work).result()
                seconds[way].append(took)
                growth[way] = max(growth.get(way, 0.0), grown)
    if values[ALONE] != values[TOGETHER]:
        raise H4HError("subnets together do not have the accuracies that they have alone")

    times = {way: median(of_way) for way, of_way in seconds.items()}
    subnets = generation()[: work.subnets]
    images = work.val_images + work.calibration_images
    operations = images * sum(macs(subnet) for subnet in subnets)
    rate = {dtype: max(of_dtype) for dtype, of_dtype in rates.items()}
    ideal = operations / rate[torch.float32]
    accuracies = {way: np.array(of_way) for way, of_way in values.items()}
    of_bf16: dict[str, Any] = {}
    if has_bf16:
        of_bf16 = {
            "bf16_speedup_over_naive": times[NAIVE] / times[BF16],
            "bf16_flops_fraction": times[BF16] * rate[torch.bfloat16] / operations,
            "bf16_gmacs_per_s_of_matrix_products": rate[torch.bfloat16] / 1e9,
            "bf16_difference": _spread(accuracies[BF16] - accuracies[TOGETHER]),
        }
    return {
        "subnets": len(subnets),
        "val_images": work.val_images,
        "calibration_images": work.calibration_images,
        "seconds": times,
        "speedup_over_naive": times[NAIVE] / times[TOGETHER],
        "int8_speedup_over_naive": times[NAIVE] / times[INT8],
        "sharing_speedup": times[ALONE] / times[TOGETHER],
        "sharing_bound": sharing_bound(subnets),
        "naive_flops_fraction": times[NAIVE] / ideal,
        "flops_fraction": times[TOGETHER] / ideal,
        "gmacs_per_s_of_matrix_products": rate[torch.float32] / 1e9,
        "peak_memory_mb": max(growth[way] for way in ways if way not in (NAIVE, ALONE)),
        "memory_mb": work.memory / 1e6,
        "naive_difference": _spread(accuracies[NAIVE] - accuracies[TOGETHER]),
        "int8_difference": _spread(accuracies[INT8] - accuracies[TOGETHER]),
        **of_bf16,
    }


def _spread(points: Floats) -> dict[str, float]:
    return {"mean": float(points.mean()), "largest": float(np.abs(points).max())}


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.supernet.oracle_speed", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="4 subnets, 128 and 64 images, one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--memory", default=DEFAULT_MEMORY, help="as that of studies.run (default: %(default)s)"
    )
    parser.add_argument(
        "--emulated", action="store_true", help="measure bf16 on a CPU without bf16 instructions, too"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    memory = parse_bytes(options.memory, option="--memory")
    work = Work(4, 128, 64, memory) if options.quick else Work(32, 2000, 512, memory)
    is_left_out = is_emulated("bf16", torch.device("cpu")) and not options.emulated
    ways = [way for way in WAYS if not (way == BF16 and is_left_out)]
    figures = measure(work, 1 if options.quick else options.rounds, ways)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table(title=f"{SPACE}, {figures['subnets']} offspring in mid-search, one thread")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        for key, number in value.items() if isinstance(value, dict) else [("", value)]:
            table.add_row(f"{name} {key}".strip(), f"{number:.4g}")
    Console().print(table)
    if is_left_out:
        print("bf16 is left out: this CPU emulates it; --emulated measures it all the same")


if __name__ == "__main__":
    run_command(main)
