"""Speed of our CPU kernels against torch's own, alone and in a training step.

    python -m benchmarks.supernet.cpu_kernels [--json]

Every figure is a ratio of two times measured in turn in this run (median of several rounds). It is above 1 if
our kernel is faster. Ratios of bf16 to float32 are above 1 if bf16 is slower; commands warn of them on CPUs
that emulate bf16 (`supernet/network/number_formats.py`).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional as F

from objectives.accuracy_objective import Accuracy
from search_space.command.command_line import Parser, run_command
from search_space.space import load_space
from supernet.checkpoints import built_in_checkpoint
from supernet.images.evaluation_pack import built_in_pack, load_pack
from supernet.network import blocks, cpu_kernels
from supernet.network import elastic_layers as elastic
from supernet.network.extraction import extract
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import PRECISIONS, emulation_warning, resolve_precision
from supernet.network.plain_network import with_fast_backward
from supernet.network.supernet import Supernet

BATCH = 128
SMALL_BATCH = 16
"""For plain networks, which take seconds a step where bf16 is emulated."""
ROUNDS = 5


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """Time of `theirs` divided by that of `ours`; both run in turn after a warm-up."""
    ours(), theirs()
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(ROUNDS)]
    return median(second for _, second in pairs) / median(first for first, _ in pairs)


def depthwise_ratio(channels: int, side: int, kernel: int, stride: int, dtype: torch.dtype) -> float:
    """Forward and backward of one depthwise convolution."""
    x = torch.randn(BATCH, channels, side, side, dtype=dtype)
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(channels, 1, kernel, kernel, dtype=dtype, requires_grad=True)

    def step(function: Callable[..., torch.Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(function(x, weight, stride).sum(), (x, weight))

    return ratio(step(cpu_kernels.depthwise), step(cpu_kernels._forward))


def attention_ratio(heads: int, tokens: int, dtype: torch.dtype) -> float:
    """Forward and backward of one attention of head width 16."""
    qkv = [torch.randn(BATCH, heads, tokens, 16, dtype=dtype, requires_grad=True) for _ in range(3)]

    def step(function: Callable[..., torch.Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(function(*qkv).sum(), qkv)

    return ratio(step(cpu_kernels.attention), step(F.scaled_dot_product_attention))


def largest_step(dtype: torch.dtype) -> Callable[[], None]:
    """A training step of cifar32's largest subnet, without the optimiser."""
    space = load_space("cifar32")
    supernet = Supernet(space)
    subnet = space.decode(space.largest())
    images = torch.randn(BATCH, 3, 32, 32, dtype=dtype).to(memory_format=torch.channels_last)

    def step() -> None:
        supernet(images, subnet).float().logsumexp(1).sum().backward()

    return step


def step_ratio(dtype: torch.dtype) -> tuple[float, float]:
    """Ratio for that step with both kernels, and our speed in images/s."""
    ours = largest_step(dtype)

    def theirs() -> None:
        with (
            patch.object(elastic, "depthwise", cpu_kernels._forward),
            patch.object(blocks, "attention", F.scaled_dot_product_attention),
        ):
            ours()

    gain = ratio(ours, theirs)
    return gain, BATCH / median(_seconds(ours) for _ in range(ROUNDS))


def largest_step_seconds(precision: str, keep: bool) -> float:
    """Seconds of that step, with or without freed memory kept by the C library."""
    if keep:
        keep_freed_memory()
    step = largest_step(PRECISIONS[precision])
    step()
    return median(_seconds(step) for _ in range(ROUNDS))


def allocator_ratio(precision: str) -> float:
    """Step time without kept memory divided by that with it, each in a separate process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        with_kept_memory, returned = (
            pool.submit(largest_step_seconds, precision, keep).result() for keep in (True, False)
        )
    return returned / with_kept_memory


def plain_step(precision: str) -> Callable[[], None]:
    """A training step of the same network as a plain one, without the optimiser."""
    space = load_space("cifar32")
    network = with_fast_backward(extract(Supernet(space), space.decode(space.largest())).train())
    dtype = PRECISIONS[precision]
    images = torch.randn(SMALL_BATCH, 3, 32, 32, dtype=dtype).to(memory_format=torch.channels_last)

    def step() -> None:
        with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
            logits = network(images)
        logits.float().logsumexp(1).sum().backward()

    return step


def scoring(precision: str) -> Callable[[], object]:
    """An accuracy of the largest subnet from 256 calibration and 256 search images."""
    space = load_space("cifar32")
    accuracy = Accuracy(
        checkpoint=built_in_checkpoint("cifar32"),
        space=space,
        pack=load_pack(built_in_pack()),
        val_images=256,
        calibration_images=256,
        precision=precision,
    )
    subnet = space.decode(space.largest())
    return lambda: accuracy([subnet])


def bf16_ratios() -> dict[str, float]:
    """Time in bf16 over that in float32."""
    return {
        "accuracy": ratio(scoring("fp32"), scoring("bf16")),
        "training step": ratio(largest_step(PRECISIONS["fp32"]), largest_step(PRECISIONS["bf16"])),
        "training step of the plain network": ratio(plain_step("fp32"), plain_step("bf16")),
    }


def main() -> None:
    parser = Parser(
        prog="python -m benchmarks.supernet.cpu_kernels", description="Compare our CPU kernels with torch's."
    )
    parser.add_argument("--precision", default="auto", help="bf16, fp32 or auto (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    precision = resolve_precision(arguments.precision, torch.device("cpu"))
    if warning := emulation_warning(precision, torch.device("cpu"), plain=True):
        print(warning, file=sys.stderr)
    dtype = PRECISIONS[precision]
    keep_freed_memory()
    rows = {
        f"depthwise {channels}x{side}x{side} k{kernel} s{stride}": depthwise_ratio(
            channels, side, kernel, stride, dtype
        )
        for channels, side in ((96, 16), (192, 8))
        for kernel, stride in ((3, 1), (5, 1), (3, 2), (5, 2))
    }
    rows |= {
        f"attention {heads} heads, {tokens} tokens": attention_ratio(heads, tokens, dtype)
        for heads, tokens in ((3, 64), (4, 16))
    }
    rows["step of the largest subnet"], images = step_ratio(dtype)
    rows["step, freed memory kept against returned"] = allocator_ratio(precision)
    slower = bf16_ratios()
    record = {
        "precision": precision,
        "speedup": rows,
        "images_per_second": images,
        "bf16_over_fp32": slower,
    }
    if arguments.json:
        print(json.dumps(record, indent=2))
        return
    table = Table("forward and backward", "times as fast as torch's own", title=f"{precision}, batch {BATCH}")
    for name, value in rows.items():
        table.add_row(name, f"{value:.2f}")
    Console().print(table)
    Console().print(f"largest subnet of cifar32: {images:.0f} images/s forward and backward")
    table = Table("of the largest subnet", "time in bf16 over fp32")
    for name, value in slower.items():
        table.add_row(name, f"{value:.2f}")
    Console().print(table)


if __name__ == "__main__":
    run_command(main)
