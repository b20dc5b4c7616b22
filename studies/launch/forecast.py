"""Lines about a new study before anything is spent: costs of three networks, and limits that can be held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from objectives.hardware.chip import Chip
from objectives.objective import Objective
from objectives.three_networks import Spread, spread_lines, three_networks
from search_space.genotype import Genotype
from studies.design_space.chip_choices import ChipChoices
from studies.design_space.design_space import DesignSpace
from studies.launch.limit_range import limit_lines
from studies.launch.plan import Plan
from studies.launch.plan_objects import Objectives
from studies.search.candidate import candidates
from studies.search.evaluator import measure
from studies.study.constraint import Constraint
from studies.study.quantity_units import BLOCK_COUNTS


def forecast(plan: Plan, objectives: Objectives) -> list[str]:
    """Values of the smallest, middle and largest network, then one line for each limit.

    Expensive objectives are left out. The networks of an accuracy table get no values, since it need not list
    the three.

    Args:
        plan: The plan of a new study.
        objectives: Its objectives.

    Raises:
        EvaluationError: An objective returned no finite value.
    """
    measured = [*objectives.goals, *objectives.limited]
    spreads = [] if plan.table is not None else _spreads(plan.space, measured, plan.constraints)
    lines = []
    if spreads:
        depends_on_chip = any("chip" in each.depends_on for each in measured)
        chip = f" on {plan.chips.greatest.soc.name}" if depends_on_chip else ""
        lines = [f"networks of {plan.networks.name}{chip}:", *spread_lines(spreads)]
    return lines + limit_lines(plan.constraints, measured, plan.space, spreads, plan.added)


def _spreads(
    space: DesignSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint]
) -> list[Spread]:
    networks = three_networks(space.networks)
    spreads = [_spread(each, space, networks) for each in objectives if not each.is_expensive]
    limited = dict.fromkeys(limit.quantity for limit in constraints)
    subnets = [space.networks.decode(network) for network in networks]
    for name in BLOCK_COUNTS:
        if name in limited:
            smallest, middle, largest = (float(getattr(subnet, name)) for subnet in subnets)
            spreads.append(Spread(name, "blocks", (smallest, middle, largest)))
    return spreads


def _spread(objective: Objective, space: DesignSpace, networks: Sequence[Genotype]) -> Spread:
    """Values on the greatest chip, in the better one of the searched mappings."""
    chips = _greatest_chips(space.chips)
    designs = [space.placed(network, chip) for network in networks for chip in chips]
    values = measure(objective, space, candidates(space, dict(enumerate(designs))))
    best = min if objective.direction == "min" else max
    smallest, middle, largest = (
        best(values[start : start + len(chips)]) for start in range(0, len(values), len(chips))
    )
    return Spread(objective.name, objective.unit, (smallest, middle, largest))


def _greatest_chips(choices: ChipChoices) -> list[Chip]:
    """The chip with the most macros and units, under each searched mapping."""
    return [
        chip
        for chip in choices.corners
        if replace(chip, mapping=None) == replace(choices.greatest, mapping=None)
    ]
