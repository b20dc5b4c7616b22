"""Ops, chips and helpers that the tests of the mapping share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from objectives.hardware import CostModel, Op, OpCost, SoC, load_soc
from objectives.hardware.cost_model import _op_cost
from objectives.hardware.mapping.device_choice import Way
from objectives.hardware.mapping.hand_over import IN_SRAM
from objectives.hardware.mapping.placement import FORBIDDEN, op_costs
from objectives.hardware.mapping.segment_solver import (
    Steps,
    segment_costs,
    split_points,
)
from objectives.hardware.mapping.split_costs import split_costs
from search_space.arrays import Floats, Integers

SOC = load_soc("u55-256-cim8")
NO_HEADS = load_soc("u55-256-cim8-no-heads")
NPU_ONLY = load_soc("u55-256")
TILES = load_soc("u55-256-tiles8")

sides, channels = st.integers(1, 32), st.integers(1, 160)
layers = st.one_of(
    st.builds(Op, st.just("conv2d"), sides, sides, channels, channels, st.sampled_from([1, 3])),
    st.builds(
        lambda side, count, kernel, stride: Op("depthwise", side, side, count, count, kernel, stride),
        sides,
        channels,
        st.sampled_from([3, 5]),
        st.integers(1, 2),
    ),
    st.builds(
        lambda tokens, a, b, gelu: Op("linear", tokens, 1, a, b, fused_gelu=gelu),
        st.integers(1, 200),
        channels,
        channels,
        st.booleans(),
    ),
    st.builds(
        lambda tokens, a, heads, dim: Op("linear", tokens, 1, a, 3 * heads * dim, heads=heads),
        st.integers(1, 200),
        channels,
        st.integers(2, 6),
        st.sampled_from([8, 12, 16]),
    ),
)
others = st.sampled_from(
    [
        Op("matmul", 64, 1, 16, 64, heads=4),
        Op("softmax", 64, 1, 64, 64, heads=4),
        Op("norm", 64, 1, 48, 48),
        Op("activation", 64, 1, 48, 48),
        Op("add", 8, 8, 48, 48),
        Op("pool", 8, 8, 48, 48, kernel=8, stride=8),
    ]
)


def changed(soc: SoC, section: str, **values: float) -> SoC:
    """`soc` with other numbers in one section."""
    part: Any = getattr(soc, section)
    new = {
        name: replace(getattr(part, name), value=value, low=value, high=value)
        for name, value in values.items()
    }
    return replace(soc, **{section: replace(part, **new)})


def best(op: Op, soc: SoC, mapping: str = "latency") -> OpCost:
    return CostModel(soc, mapping).network([op]).ops[0]


def alone(op: Op, npu_channels: int, soc: SoC, *, choice: int = -1) -> OpCost:
    """One split, from SRAM to SRAM, after the NPU, on all macros or those of `choice`."""
    (splits,) = split_costs([op], soc)
    split = splits.channels.tolist().index(npu_channels)
    costs = op_costs(None, splits, soc)
    return _op_cost(splits, Way(0, split, 0), costs.at(choice, -1, split, 0), choice, 0)


def every_split(op: Op, soc: SoC) -> list[tuple[float, float]]:
    """Cycles and energy of every split on every number of macros, from SRAM to SRAM, after the NPU."""
    (splits,) = split_costs([op], soc)
    costs = op_costs(None, splits, soc)
    cycles, energy = (
        np.where(costs.possible, part, FORBIDDEN)[:, -1, :, 0] for part in (costs.cycles, costs.energy_pj)
    )
    return list(zip(cycles.ravel().tolist(), energy.ravel().tolist(), strict=True))


def by_placement(part: Floats, matching: Integers | None, inputs: int) -> Floats:
    """Costs (m, p, k, modes) of an op, with every placement of its input."""
    if matching is None:
        return part
    count, _, splits, modes = part.shape
    stays = inputs - IN_SRAM
    every = np.full((count, inputs, splits, modes), FORBIDDEN)
    every[:, stays:] = part[:, 1:]
    for split, placement in enumerate(matching.tolist()):
        if placement >= 0:
            every[:, placement, split] = part[:, 0, split]
    return every


def mbconv(side: int, width: int, expansion: int, kernel: int) -> list[Op]:
    hidden = width * expansion
    return [
        Op("conv2d", side, side, width, hidden),
        Op("depthwise", side, side, hidden, hidden, kernel),
        Op("conv2d", side, side, hidden, width),
        Op("add", side, side, width, width),
    ]


def attention(tokens: int, width: int, heads: int) -> list[Op]:
    return [
        Op("linear", tokens, 1, width, 3 * heads * 16, heads=heads),
        Op("matmul", tokens, 1, 16, tokens, heads=heads),
        Op("softmax", tokens, 1, tokens, tokens, heads=heads),
        Op("matmul", tokens, 1, tokens, 16, heads=heads),
        Op("linear", tokens, 1, heads * 16, width),
    ]


small = st.one_of(
    st.builds(
        mbconv, st.integers(2, 16), st.sampled_from([8, 16]), st.integers(1, 2), st.sampled_from([3, 5])
    ),
    st.builds(attention, st.sampled_from([4, 16, 49]), st.sampled_from([16, 24]), st.integers(1, 2)),
)


def steps_of(ops: list[Op], soc: SoC) -> list[Steps]:
    """Costs of each segment of a network."""
    splits = dict(zip(ops, split_costs(ops, soc), strict=True))
    return [
        Steps.of(segment_costs(own, soc, stays), own, stays)
        for start, stop, stays in split_points(ops, frozenset(), soc)
        for own in [[splits[op] for op in ops[start:stop]]]
    ]
