"""Limits that a study has by default: activations fit the SRAM, weights the store, an inference its frame.

A limit by a memory is added where some network of the searched space may exceed it and an objective depends
on the chip. Spaces whose networks all fit get none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from objectives.hardware import SoC
from objectives.networks_on_chip import memory_bounds
from objectives.population.size_tables import PEAK, SizeTables
from search_space.space import Space
from studies.study.constraint import Constraint

_NAMES = {PEAK: "SRAM", "params": "weight store"}
_UNITS = {PEAK: "B", "params": ""}


def default_limits(
    soc: SoC, networks: Space, given: Sequence[Constraint], *, is_spilt: bool
) -> tuple[Constraint, ...]:
    """Limits by the memories of the chip that `given` ones do not imply.

    Args:
        soc: The chip.
        networks: The search space.
        given: Limits of the user.
        is_spilt: Whether activations may exceed the SRAM, at a cost.
    """
    most = most_sizes(networks)
    return tuple(
        Constraint(name, "<=", bound, _UNITS[name])
        for name, bound in memory_bounds(soc).items()
        if most[name] > bound and not (is_spilt and name == PEAK) and not _is_implied(name, bound, given)
    )


def frame_limits(given: Sequence[Constraint]) -> tuple[Constraint, ...]:
    """Limits on the latency that limits at a frame rate need, where `given` ones do not imply them."""
    limits = dict.fromkeys(limit for each in given if (limit := each.frame_limit) is not None)
    least = sorted(limits, key=lambda limit: limit.bound)[:1]
    return tuple(limit for limit in least if not _is_implied(limit.quantity, limit.bound, given))


def limit_text(limit: Constraint, soc: SoC, networks: Space) -> str:
    """One line about a limit that was added."""
    if limit.quantity not in _NAMES:
        return (
            f"limit {limit.short_text}: an inference must end before the next frame of the limited frame rate"
        )
    most = most_sizes(networks)[limit.quantity]
    if limit.quantity == PEAK:
        sizes = f"{limit.bound / 1024:,g} KiB; networks of {networks.name} need up to {most / 1024:,g} KiB"
        remedy = "--spill costs the others instead of excluding them"
    else:
        sizes = f"{limit.bound / 1024:,g} KiB; networks of {networks.name} have up to {most / 1024:,.0f} KiB"
        remedy = "a chip with a larger store admits more"
    memory = f"the {_NAMES[limit.quantity]} of {soc.name}"
    return f"limit {limit} ({limit.quantity}<=chip): {memory} has {sizes}; {remedy}"


def _is_implied(name: str, bound: float, given: Sequence[Constraint]) -> bool:
    return any(one.quantity == name and one.operator == "<=" and one.bound <= bound for one in given)


@lru_cache(maxsize=8)
def most_sizes(networks: Space) -> Mapping[str, float]:
    """Upper bounds on the sizes of all networks of a space, exact for the peak of the activations."""
    return SizeTables(networks).upper_bounds()
