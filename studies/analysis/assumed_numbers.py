"""Sensitivity of a study's front to the assumed numbers of its SoC.

A number is assumed if its SoC file states low < high. Each assumed number is set to either end of its range,
one at a time. Members of the front are then mapped and costed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from objectives.hardware import CostModel, SoC, load_soc
from objectives.hardware.chip import Chip
from objectives.hardware.npu_model import NPU_MODELS
from objectives.hardware.parts.sourced_number import Quantity
from objectives.hardware.soc import assumed, with_value
from objectives.hardware_objectives import network_totals
from search_space.arrays import Floats
from search_space.errors import H4HError
from search_space.subnet import Subnet
from studies.design_space.chip_choices import MAPPING, Chips
from studies.study.study import Study

SHOWN_NUMBERS = 8
"""Number of assumed numbers that are tried on all members: those that shift the middle member most."""
MEMBERS = 3
"""Number of members that represent a front: its ends and its middle. Each number maps all of them again."""


class HardwareError(H4HError):
    """A study whose latencies and energies cannot be recomputed."""


@dataclass(frozen=True)
class Shift:
    """One assumed number at one end of its range.

    Attributes:
        name: Dotted name in the SoC file.
        end: ``low`` or ``high``.
        value: Value at that end, in `unit`.
        nominal: Value that the study used, in `unit`.
        unit: Unit of both values.
        latency: Mean relative change of the networks' latency; 0.1 is 10 % slower.
        energy: Mean relative change of the networks' energy.
    """

    name: str
    end: str
    value: float
    nominal: float
    unit: str
    latency: float
    energy: float


def cost_model(study: Study, chip: Chip | None = None) -> CostModel:
    """The cost model that computed the latencies and energies of `study`.

    Args:
        study: The study.
        chip: A chip that the study searched. By default the greatest, which is the only one of a study on one
            chip.

    Raises:
        HardwareError: The study used no cost model, or the chip or the model has changed since.
        H4HError: The chip's file cannot be read.
    """
    chips = chips_of(study)
    return chips.greatest if chip is None else chips.costs(chip)


def chips_of(study: Study) -> Chips:
    """The chips that the networks of `study` ran on.

    Raises:
        HardwareError: The study used no cost model, or the chip or the model has changed since.
        H4HError: The chip's file cannot be read.
    """
    name = study.settings.get("hardware")
    if name is None or "hardware_digest" not in study.fingerprint:
        raise HardwareError(f"study {study.name!r} measured neither latency nor energy")
    settings = study.settings
    mapping = None if MAPPING in study.hardware_choices else study.fingerprint.get("mapping")
    chips = Chips(
        load_soc(str(name)),
        Chip(settings.get("macros"), settings.get("units"), mapping),
        study.chips,
        settings.get("npu_model") or NPU_MODELS[0],
        spill=bool(settings.get("spill")),
    )
    changed = [
        part
        for part, value in chips.greatest.fingerprint().items()
        if part != "hardware" and study.fingerprint.get(part) != value
    ]
    if changed:
        raise HardwareError(
            f"study {study.name!r} was made with another {' and '.join(changed)} than {name} has now"
        )
    return chips


def shifts(study: Study, models: Sequence[CostModel], subnets: Sequence[Subnet]) -> list[Shift]:
    """Changes of latency and energy of `subnets` by the most influential assumed numbers, largest first.

    All assumed numbers are tried on the middle subnet. The `SHOWN_NUMBERS` that shift it most are then tried
    on the other subnets. A number that a subnet's chip lacks does not shift that subnet. Numbers that the
    study searched are no assumptions.

    Args:
        study: Its settings give the searched numbers of the chip and the model of the NPU.
        models: Nominal chip and mapping of each subnet.
        subnets: At least one subnet.

    Returns:
        The shifts; empty for chips without assumed numbers.
    """
    middle = len(subnets) // 2
    others = [place for place in range(len(subnets)) if place != middle]
    # Numbers of the middle subnet's chip come first, then those that only other chips have.
    chips = [models[middle].soc, *(models[place].soc for place in others)]
    chosen = {name for soc in chips for name in _chosen(study, soc)}
    ends: dict[tuple[str, str], float] = {}
    numbers: dict[str, Quantity] = {}
    for soc in chips:
        numbers = {**dict(soc.quantities()), **numbers}
        for name, end, value in assumed(soc):
            if name not in chosen:
                ends.setdefault((name, end), value)
    changes = [(name, end, value) for (name, end), value in ends.items()]
    tried = _changes(study, [models[middle]], [subnets[middle]], changes)  # (ends, 1, 2)
    sizes: dict[str, float] = {}
    for (name, _, _), change in zip(changes, tried, strict=True):
        if np.isfinite(change).all():
            sizes[name] = max(sizes.get(name, 0.0), float(np.abs(change).max()))
    names = sorted(sizes, key=lambda name: -sizes[name])[:SHOWN_NUMBERS]
    rows = [place for place, (name, _, _) in enumerate(changes) if name in names]
    more = _changes(
        study,
        [models[place] for place in others],
        [subnets[place] for place in others],
        [changes[place] for place in rows],
    )
    means = np.concatenate([tried[rows], more], axis=1).mean(axis=1)
    result = []
    for place, (latency, energy) in zip(rows, means, strict=True):
        if np.isfinite([latency, energy]).all():
            name, end, value = changes[place]
            number = numbers[name]
            result.append(Shift(name, end, value, number.value, number.unit, float(latency), float(energy)))
    return sorted(result, key=lambda shift: names.index(shift.name))


def _chosen(study: Study, soc: SoC) -> list[str]:
    """Names in the SoC file of the numbers that the study searched."""
    if soc.cim is None:
        return []
    names = {"macros": "cim.macros", "units": f"cim.{soc.cim.UNITS}"}
    return [names[choice] for choice in study.hardware_choices if choice in names]


def _changes(
    study: Study,
    models: Sequence[CostModel],
    subnets: Sequence[Subnet],
    ends: Sequence[tuple[str, str, float]],
) -> Floats:
    """Relative change of latency and energy of each subnet at each end, shape (ends, subnets, 2).

    NaN where the subnets cannot run at an end, e.g. without macros if the mapping is forced onto macros.
    """

    npu_model = study.settings.get("npu_model") or NPU_MODELS[0]

    def totals(soc: SoC, mapping: str, places: Sequence[int]) -> Floats:
        costs = CostModel(soc, mapping, npu_model=npu_model, spill=bool(study.settings.get("spill")))
        return np.stack(network_totals(costs, [subnets[place] for place in places]), axis=1)  # (places, 2)

    changes = np.zeros((len(ends), len(subnets), 2))
    places_by_model: dict[tuple[str, str], list[int]] = {}
    for place, model in enumerate(models):
        places_by_model.setdefault((model.soc.digest, model.mapper.name), []).append(place)
    for places in places_by_model.values():
        soc, mapping = models[places[0]].soc, models[places[0]].mapper.name
        known = dict(soc.quantities())
        nominal = totals(soc, mapping, places)
        for row, (name, _, value) in enumerate(ends):
            if name not in known:
                continue
            try:
                changed = totals(with_value(soc, name, value), mapping, places)
                changes[row, places] = changed / nominal - 1
            except H4HError:
                changes[row, places] = np.nan
    return changes
