"""Subnets of a step: who is due, and what ``pareto`` chooses."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from search_space import complexity
from search_space.families import Family, family
from search_space.space import Space
from search_space.subnet_sampling import BINS, bin_edges, families
from supernet.training.phases import LARGEST, PARETO, RANDOM, SMALLEST, Phase
from supernet.training.step_subnets import LossEstimate, sandwich

PHASE = Phase("all", 1, 1e-3, 3)


def test_the_largest_is_due_every_kth_step(small_space: Space) -> None:
    phase = replace(PHASE, largest_every=3)
    kinds = [
        [kind for kind, _ in sandwich(small_space, phase, np.random.default_rng(step), step=step)]
        for step in range(7)
    ]
    assert [LARGEST in each for each in kinds] == [True, False, False, True, False, False, True]
    assert all(each.count(SMALLEST) == 1 for each in kinds)


def test_families_take_turns_across_steps(small_space: Space) -> None:
    phase = replace(PHASE, sampling="family")
    drawn = [
        family(subnet)
        for step in range(4)
        for kind, subnet in sandwich(small_space, phase, np.random.default_rng(step), step=step)
        if kind == RANDOM
    ]
    assert Counter(drawn) == dict.fromkeys(families(small_space), 3)


def test_a_phase_without_vit_has_bins_of_its_own_cost(small_space: Space) -> None:
    phase = replace(PHASE, vit=False, random_subnets=2 * BINS, sampling="macs")
    subnets = sandwich(small_space, phase, np.random.default_rng(0))
    assert {family(subnet) for _, subnet in subnets} <= {Family.CNN, Family.NONE}
    low = complexity.macs(subnets[1][1])
    high = complexity.macs(subnets[0][1])
    place = [
        int(BINS * np.log(complexity.macs(subnet) / low) / np.log(high / low) * (1 - 1e-9))
        for _, subnet in subnets[2:]
    ]
    assert set(place) == set(range(BINS))


def test_pareto_takes_the_candidate_with_the_least_estimate(small_space: Space) -> None:
    """Where only the resolution counts, and the lower one is said to be good, it is taken far more often."""
    phase = replace(PHASE, random_subnets=40, sampling=PARETO)
    estimate = LossEstimate(small_space)
    estimate.weights[:2] = estimate.weights.new_tensor([0.0, 5.0])

    def shares(by: LossEstimate | None) -> float:
        subnets = [
            subnet for _, subnet in sandwich(small_space, phase, np.random.default_rng(0), estimate=by)
        ]
        return float(np.mean([subnet.resolution == 12 for subnet in subnets[2:]]))

    assert shares(estimate) > shares(None) + 0.25


def test_pareto_stays_in_its_bin(small_space: Space) -> None:
    def cost(genotype: tuple[int, ...]) -> int:
        return complexity.macs(small_space.decode(genotype))

    edges = bin_edges(small_space, cost)
    phase = replace(PHASE, random_subnets=1, sampling=PARETO)
    for step in range(2 * BINS):
        rng = np.random.default_rng(step)
        *_, (_, subnet) = sandwich(small_space, phase, rng, step=step, estimate=LossEstimate(small_space))
        value = complexity.macs(subnet)
        assert edges[step % BINS] * (1 - 1e-9) <= value <= edges[step % BINS + 1] * (1 + 1e-9)


def test_an_estimate_learns_a_sum_over_genes(small_space: Space) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=sum(gene.cardinality for gene in small_space.genes))
    truth = LossEstimate(small_space)
    truth.weights += truth.weights.new_tensor(true)
    estimate = LossEstimate(small_space)
    for _ in range(4_000):
        genotype = small_space.sample(rng)
        estimate.observe(genotype, truth.predict(genotype))
    fresh = [small_space.sample(rng) for _ in range(200)]
    errors = [estimate.predict(one) - truth.predict(one) for one in fresh]
    assert np.std(errors) < 0.1 * np.std([truth.predict(one) for one in fresh])


def test_one_observation_removes_a_tenth_of_the_error(small_space: Space) -> None:
    estimate = LossEstimate(small_space)
    genotype = small_space.largest()
    estimate.observe(genotype, 2.0)
    assert estimate.predict(genotype) == pytest.approx(0.2)
