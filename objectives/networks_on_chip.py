"""Smallest, middle and largest network of a space on a chip, and whether they fit its memories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from objectives.hardware import MAPPINGS, CostModel, SoC
from objectives.objective import Objective
from objectives.population.size_tables import PEAK
from objectives.registry import RegisteredObjective, registered_objectives
from objectives.three_networks import (
    NETWORKS,
    Spread,
    holders_text,
    spread_lines,
    three_networks,
)
from search_space.errors import DocumentError
from search_space.space import Space
from search_space.subnet import Subnet

PARAMS = "params"
_MEMORIES = {PEAK: "SRAM", PARAMS: "weight store"}


def memory_bounds(soc: SoC) -> dict[str, float]:
    """Most that fits the memories of `soc`, by quantity: bytes of activations, and weights of one byte each.

    The store holds the weights of a whole network, because those in macros are written from it.
    """
    bounds = {PEAK: soc.memory.sram_bytes}
    if soc.has_npu and soc.memory.weight_store is not None:
        bounds[PARAMS] = soc.memory.weight_store.capacity_bytes
    return bounds


def spreads_on_chip(space: Space, soc: SoC) -> list[Spread]:
    """All built-in objectives but the accuracy on the three networks.

    Latency and energy are those of the mapping that is best for each. An objective for which the file of the
    chip lacks a number is left out.
    """
    subnets = [space.decode(genotype) for genotype in three_networks(space)]
    npu_model = "vela" if soc.has_npu and not soc.npu.family.has_closed_form else "analytic"
    costs = {mapping: CostModel.shared(soc, mapping, npu_model=npu_model) for mapping in MAPPINGS[:2]}
    spreads = []
    for registered in registered_objectives().values():
        if registered.declaration.is_expensive:
            continue
        try:
            values = _values(registered, costs, subnets)
        except DocumentError:
            continue
        spreads.append(Spread(registered.declaration.name, registered.declaration.unit, values))
    return spreads


def _values(
    registered: RegisteredObjective, costs: Mapping[str, CostModel], subnets: list[Subnet]
) -> tuple[float, float, float]:
    objectives: list[Objective] = [registered.source]
    if isinstance(registered.source, type):
        mappings = registered.mapped_for or MAPPINGS[:1]
        objectives = [registered.on(costs[mapping]) for mapping in mappings]
    smallest, middle, largest = zip(*(objective(subnets).tolist() for objective in objectives), strict=True)
    return min(smallest), min(middle), min(largest)


def networks_on_chip(space: Space, soc: SoC) -> dict[str, Any]:
    """Everything that `objectives.describe --space` prints, as plain data."""
    spreads = spreads_on_chip(space, soc)
    by_name = {spread.name: spread for spread in spreads}
    return {
        "space": space.name,
        "hardware": soc.name,
        "networks": dict(zip(NETWORKS, map(list, three_networks(space)), strict=True)),
        "quantities": {
            spread.name: {
                "unit": spread.unit,
                **dict(zip(NETWORKS, spread.values, strict=True)),
                "ratio": spread.ratio,
            }
            for spread in spreads
        },
        "memories": {
            name: {"bound": bound, "holds": by_name[name].within(bound)}
            for name, bound in memory_bounds(soc).items()
        },
    }


def networks_text(space: Space, soc: SoC) -> Iterator[str]:
    """The same as lines of text."""
    spreads = spreads_on_chip(space, soc)
    yield f"networks of {space.name} on {soc.name}:"
    yield from spread_lines(spreads)
    by_name = {spread.name: spread for spread in spreads}
    for name, bound in memory_bounds(soc).items():
        holders = by_name[name].within(bound)
        held = f"{holders_text(holders)} it" if holders else "none of the three networks holds it"
        yield f"limit {name}<=chip ({bound:,.0f} bytes of {_MEMORIES[name]}): {held}"
