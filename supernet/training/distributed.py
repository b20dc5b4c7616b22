"""Distributed training (torchrun): ranks, and batch norm over all processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from search_space.errors import H4HError
from supernet.network.batch_norm import Site


@dataclass(frozen=True)
class World:
    """The processes that train together (default: only this one).

    Attributes:
        rank: Number of this process, from 0. Only process 0 writes and prints.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum of `tensor` over all processes, in place."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor


@contextmanager
def joined_world(device: torch.device) -> Iterator[tuple[World, torch.device]]:
    """Joins the processes that torchrun started: NCCL where `device` is a GPU, else gloo.

    Yields:
        The world, and this process's own device. Without torchrun: a world of one, and `device`.

    Raises:
        H4HError: More processes on this machine than GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(), device
        return
    is_gpu = device.type == "cuda"
    if is_gpu:
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise H4HError(
                f"--nproc-per-node must be at most the {torch.cuda.device_count()} GPUs of this machine"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if is_gpu else "gloo")
    try:
        yield World(distributed.get_rank(), size), device
        # All processes leave together, since one whose partner is gone may abort while it disconnects.
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


@contextmanager
def reported_once(world: World) -> Iterator[None]:
    """Leaves the report of an `H4HError` to rank 0; all other processes exit with code 2."""
    try:
        yield
    except H4HError:
        if world.rank == 0:
            raise
        raise SystemExit(2) from None


def by_global_batch(site: Site, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Batch norm with the statistics of the batches of all processes, which must have equal sizes.

    torch's SyncBatchNorm is a module with its own statistics, and it only runs on GPUs.
    """
    out: Tensor = _GlobalBatchNorm.apply(x, weight, bias, site.epsilon)
    return out


class _GlobalBatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        variance, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0)
        local = torch.stack((mean, variance))
        parts = [torch.empty_like(local) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, local)
        means, variances = torch.stack(parts, dim=1)  # (world, c) each
        mean = means.mean(0)
        # Variance within the processes and between them.
        variance = variances.mean(0) + means.var(0, correction=0)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.epsilon = epsilon
        return torch.nn.functional.batch_norm(x, mean, variance, weight, bias, training=False, eps=epsilon)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, variance = ctx.saved_tensors
        scale = torch.rsqrt(variance + ctx.epsilon)
        grad32 = grad.float()
        standard = (x.float() - mean.view(1, -1, 1, 1)) * scale.view(1, -1, 1, 1)
        grad_bias = grad32.sum((0, 2, 3))
        grad_weight = (grad32 * standard).sum((0, 2, 3))
        # The statistics depend on the images of all processes, and so do the gradients through them.
        means = torch.stack((grad_bias, grad_weight))
        distributed.all_reduce(means)
        means /= distributed.get_world_size() * (x.numel() // x.shape[1])
        mean_grad, mean_product = (value.view(1, -1, 1, 1) for value in means)
        grad_x = (grad32 - mean_grad - standard * mean_product) * (weight * scale).view(1, -1, 1, 1)
        return grad_x.to(x.dtype), grad_weight, grad_bias, None
