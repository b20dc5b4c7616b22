"""Costs that take the cost model long, and that designs beyond other limits of a study do not need.

Tables give latency and energy of most networks at once. They cover neither networks whose weights exceed the
macros nor the mapping `edp`: the cost model maps each of these by itself, in half a second of the larger
networks of `imagenet224`. A design that breaks a limit on its size is infeasible whatever it costs.
"""

from __future__ import annotations

from objectives.hardware import MAPPINGS
from objectives.population.cost_tables import SUMS
from objectives.registry import registered_objectives
from studies.launch.chip_limits import most_sizes
from studies.launch.plan import Plan
from studies.study.settings import PREDICTING


def late_costs(plan: Plan) -> frozenset[str]:
    """Names of objectives that are measured only for designs that hold the other limits.

    Samplers that predict learn from the costs of all designs, so they get none.
    """
    names = [*plan.names, *plan.limited]
    costs = {
        name
        for name, objective in registered_objectives(names).items()
        if name in names and objective.follows_totals and name not in {*plan.own, *plan.tabled}
    }
    if not costs or plan.search.sampler == PREDICTING or not _exceeds_tables(plan):
        return frozenset()
    return frozenset(costs)


def _exceeds_tables(plan: Plan) -> bool:
    """Whether the tables leave some networks on some chip to the cost model."""
    most = most_sizes(plan.networks)["params"]
    for chip in plan.chips.choices.chips:
        cim = plan.chips.soc(chip).cim
        mapping = chip.over(plan.chips.given).mapping or MAPPINGS[0]
        if cim is not None and (mapping == "edp" or (mapping in SUMS and most > cim.capacity_bytes)):
            return True
    return False
