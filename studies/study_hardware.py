"""The chip that a study's latencies and energies are of, and what its assumed numbers decide.

A number is assumed where its SoC file states low < high. Each is set to either end, all others left alone,
and members of the front are costed anew in their best mapping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from objectives.hardware import CostModel, SoC, load_soc, variant
from objectives.hardware.soc import assumed, with_value
from objectives.hardware_cost import network_totals
from objectives.objective import FloatArray
from search_space.errors import H4HError
from search_space.subnet import Subnet
from studies.study import Study

SHOWN_NUMBERS = 8
"""Assumed numbers that are followed over all members: those that shift one of them most."""
MEMBERS = 3
"""Members of a front that stand for it, its ends and its middle: each is mapped anew for each number."""


class HardwareError(H4HError):
    """A study whose latencies and energies cannot be computed again."""


@dataclass(frozen=True)
class Shift:
    """One assumed number at one end of its range.

    Attributes:
        name: Dotted name in the SoC file.
        end: ``low`` or ``high``.
        value: There.
        nominal: What the study took.
        unit: Of both.
        latency: Mean relative change of the networks' latency; 0.1 is 10 % slower.
        energy: The same of their energy.
    """

    name: str
    end: str
    value: float
    nominal: float
    unit: str
    latency: float
    energy: float


def cost_model(study: Study) -> CostModel:
    """The cost model that gave the latencies and energies of `study`.

    Raises:
        HardwareError: It used none, or the chip or the model has changed since.
        H4HError: The chip's file cannot be read any more.
    """
    name = study.settings.get("hardware")
    if name is None or "hardware_digest" not in study.fingerprint:
        raise HardwareError(f"study {study.name!r} measured neither latency nor energy")
    settings = study.settings
    soc = variant(load_soc(str(name)), macros=settings.get("macros"), units=settings.get("units"))
    costs = CostModel(
        soc, study.fingerprint.get("mapping", "latency"), npu_model=settings.get("npu_model", "analytic")
    )
    changed = [
        part
        for part, value in costs.fingerprint().items()
        if part != "hardware" and study.fingerprint.get(part) != value
    ]
    if changed:
        raise HardwareError(
            f"study {study.name!r} was made with another {' and '.join(changed)} than {name} has now"
        )
    return costs


def shifts(study: Study, soc: SoC, subnets: Sequence[Subnet]) -> list[Shift]:
    """What the most influential assumed numbers of `soc` do to `subnets`, the most influential first.

    All numbers are tried on the middle one of `subnets`; the `SHOWN_NUMBERS` that shift it most on the others
    as well.

    Args:
        study: Says how networks are mapped, and what gives the NPU's cycles.
        soc: The nominal chip.
        subnets: At least one.

    Returns:
        Empty for a chip without assumed numbers.
    """
    middle = len(subnets) // 2
    others = [subnet for place, subnet in enumerate(subnets) if place != middle]
    ends = list(assumed(soc))
    tried = _changes(study, soc, [subnets[middle]], ends)  # (ends, 1, 2)
    sizes: dict[str, float] = {}
    for (name, _, _), change in zip(ends, tried, strict=True):
        if np.isfinite(change).all():
            sizes[name] = max(sizes.get(name, 0.0), float(np.abs(change).max()))
    names = sorted(sizes, key=lambda name: -sizes[name])[:SHOWN_NUMBERS]
    kept = [place for place, (name, _, _) in enumerate(ends) if name in names]
    more = _changes(study, soc, others, [ends[place] for place in kept])
    means = np.concatenate([tried[kept], more], axis=1).mean(axis=1)
    numbers = dict(soc.quantities())
    found = []
    for place, (latency, energy) in zip(kept, means, strict=True):
        if np.isfinite([latency, energy]).all():
            name, end, value = ends[place]
            number = numbers[name]
            found.append(Shift(name, end, value, number.value, number.unit, float(latency), float(energy)))
    return sorted(found, key=lambda one: names.index(one.name))


def _changes(
    study: Study, soc: SoC, subnets: Sequence[Subnet], ends: Sequence[tuple[str, str, float]]
) -> FloatArray:
    """Relative change of latency and energy of each network at each end, shape (ends, subnets, 2).

    NaN at an end where they cannot run, such as no macros for networks that are forced onto them.
    """

    def totals(chip: SoC) -> FloatArray:
        model = study.settings.get("npu_model", "analytic")
        costs = CostModel(chip, study.fingerprint.get("mapping", "latency"), npu_model=model)
        return np.stack(network_totals(costs, subnets), axis=1)  # (subnets, 2)

    found = np.full((len(ends), len(subnets), 2), np.nan)
    nominal = totals(soc)
    for place, (name, _, value) in enumerate(ends):
        try:
            found[place] = totals(with_value(soc, name, value)) / nominal - 1
        except H4HError:
            continue
    return found


def spread_over(count: int, most: int) -> list[int]:
    """Places 0 to `count` - 1, or `most` of them evenly spread, both ends included."""
    if count <= most:
        return list(range(count))
    return [int(place) for place in np.linspace(0, count - 1, most).round()]
