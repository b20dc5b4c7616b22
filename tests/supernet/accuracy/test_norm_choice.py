"""Accuracy of subnets that choose the norm of their transformer blocks, in floating point and in integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from search_space.subnet import Subnet
from supernet.accuracy.int8_network import Limits, Numbers, Observed, Stored, run
from supernet.accuracy.many_subnets import calibrate
from supernet.accuracy.memory_budget import MemoryBudget
from supernet.accuracy.one_subnet import PreparedImages
from supernet.accuracy.prefix_tree import Branch
from supernet.network.batch_norm import Folded, Recording
from supernet.network.subnet_parts import parts
from tests.supernet.norm_choice import BATCH_NORM, SPACE, SUPERNET, batch, with_norm

LABELS = torch.zeros(8, dtype=torch.int64)
CALIBRATION = PreparedImages(tuple((batch(seed=seed), LABELS) for seed in (1, 2)))


def statistics(subnet: Subnet) -> Folded:
    recording = Recording()
    for images, _ in CALIBRATION.batches:
        SUPERNET(images, subnet, recording)
    return Folded(recording.result().statistics)


def by_parts(subnet: Subnet, images: Tensor, numbers: Numbers) -> Tensor:
    x = Stored(images, 1.0)
    for part in parts(SUPERNET, subnet):
        x = run(part, x, numbers)
    return x.real()


@torch.inference_mode()
def alone(subnet: Subnet, *, in_integers: bool) -> Tensor:
    folded = statistics(subnet)
    if not in_integers:
        return SUPERNET(batch(), subnet, folded)  # type: ignore[no-any-return]
    observed = Observed(folded)
    for images, _ in CALIBRATION.batches:
        by_parts(subnet, images, observed)
    return by_parts(subnet, batch(), observed.result())


def norm_variants(seed: int) -> list[Subnet]:
    """Networks that agree in all but the norms of their blocks, so that they share what lies before those."""
    rng = np.random.default_rng(seed)
    genes = SPACE.genes
    first = np.array(SPACE.largest())
    is_norm = np.array([gene.name.endswith(".norm") for gene in genes])
    rows = [np.where(is_norm, rng.integers(0, 2, len(genes)), first) for _ in range(4)]
    return [BATCH_NORM, *(SPACE.decode(row.tolist()) for row in rows), with_norm(BATCH_NORM, "layer")]


@given(seed=st.integers(0, 2**32 - 1), in_integers=st.booleans(), memory=st.sampled_from([1e12, 1.0]))
@settings(max_examples=10, deadline=None)
def test_networks_that_differ_in_norms_score_together_as_each_alone(
    seed: int, in_integers: bool, memory: float
) -> None:
    subnets = norm_variants(seed)
    together = calibrate(SUPERNET, subnets, CALIBRATION, memory=MemoryBudget(memory), in_integers=in_integers)
    scores: dict[int, Tensor] = {}

    def keep(branch: Branch, logits: Tensor) -> None:
        scores.update((index, logits.clone()) for index in branch.subnets)

    together.scores(batch(), keep)
    for index, subnet in enumerate(subnets):
        assert torch.equal(scores[index], alone(subnet, in_integers=in_integers))


@torch.inference_mode()
def test_the_norm_of_a_block_is_where_networks_fork() -> None:
    # The last block of the last stage: all before it is shared, nothing behind it.
    last = replace(BATCH_NORM.stages[-1].vit_blocks[-1], norm="layer")
    stage = BATCH_NORM.stages[-1]
    other = replace(
        BATCH_NORM,
        stages=(*BATCH_NORM.stages[:-1], replace(stage, vit_blocks=(*stage.vit_blocks[:-1], last))),
    )
    (trunk,) = calibrate(SUPERNET, [BATCH_NORM, other], CALIBRATION).branches
    assert [part.place for part in trunk.parts[-2:]] == ["stage2.tokens", "stage2.vit0"]
    assert [[part.place for part in branch.parts] for branch in trunk.branches] == [
        ["stage2.vit1", "head"],
        ["stage2.vit1", "head"],
    ]


class Names(Observed):
    """Records the names of all that is stored."""

    def __init__(self, folded: Folded) -> None:
        super().__init__(folded)
        self.names: list[str] = []

    def stored(
        self, name: str, values: Tensor, step: Tensor | float = 1.0, *, clamp: Limits | None = None
    ) -> Stored:
        self.names.append(name)
        return super().stored(name, values, step, clamp=clamp)


@torch.inference_mode()
def test_batch_norm_stores_nothing_in_integers() -> None:
    stored = {}
    for norm in ("layer", "batch"):
        subnet = with_norm(BATCH_NORM, norm)
        names = Names(statistics(subnet))
        by_parts(subnet, batch(), names)
        stored[norm] = names.names
    assert [name for name in stored["layer"] if ".norm" not in name] == stored["batch"]
    assert len(stored["layer"]) == len(stored["batch"]) + 2 * BATCH_NORM.vit_blocks


@pytest.mark.parametrize("norm", ["layer", "batch"])
@torch.inference_mode()
def test_the_finer_the_steps_the_nearer_to_floating_point(norm: str) -> None:
    subnet = with_norm(BATCH_NORM, norm)
    folded = statistics(subnet)
    exact = SUPERNET(batch(), subnet, folded)
    observed = Observed(folded)
    torch.testing.assert_close(by_parts(subnet, batch(), observed), exact, rtol=1e-4, atol=1e-4)
    errors = [
        float((by_parts(subnet, batch(), observed.result(bits=bits)) - exact).norm() / exact.norm())
        for bits in (6, 8, 12, 16)
    ]
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[1] < 0.3
    assert errors[3] < errors[1] / 100
