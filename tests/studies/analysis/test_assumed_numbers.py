"""A study's chip found again, and what its assumed numbers do to networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from objectives.hardware import CostModel, SoC, load_soc
from objectives.hardware.soc import with_value
from objectives.hardware_objectives import network_totals
from search_space.errors import H4HError
from search_space.space import Space
from studies.analysis.assumed_numbers import SHOWN_NUMBERS, HardwareError, cost_model, shifts
from studies.analysis.hypervolume_curve import spread_over
from tests.studies.reports import HARDWARE, genotypes, make_study


def test_the_same_costs_as_in_the_study(cifar32: Space) -> None:
    study = make_study(cifar32, "a", ("lat",))
    assert cost_model(study).fingerprint() == CostModel(load_soc(HARDWARE)).fingerprint()
    two = replace(study, settings={**study.settings, "macros": 2})
    with pytest.raises(HardwareError, match="another hardware_digest"):
        cost_model(two)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hardware_digest": "0"}, "another hardware_digest than u55-256-cim8 has now"),
        ({"cost_model": "0", "npu_model": "other"}, "another npu_model and cost_model"),
    ],
)
def test_a_chip_that_has_changed(cifar32: Space, change: dict[str, str], message: str) -> None:
    study = make_study(cifar32, "a", ("lat",))
    with pytest.raises(HardwareError, match=message):
        cost_model(replace(study, fingerprint={**study.fingerprint, **change}))


def test_no_chip(cifar32: Space) -> None:
    study = make_study(cifar32, "a", ("macs",))
    with pytest.raises(HardwareError, match="measured neither latency nor energy"):
        cost_model(replace(study, fingerprint={}))
    with pytest.raises(H4HError, match="nowhere"):
        cost_model(replace(study, settings={**study.settings, "hardware": "nowhere.yaml"}))


def test_shifts_are_those_of_the_cost_model(cifar32: Space) -> None:
    study, soc = make_study(cifar32, "a", ("lat",)), load_soc(HARDWARE)
    subnets = [cifar32.decode(one) for one in genotypes(cifar32, 4)[:3]]
    found = shifts(study, [CostModel(soc)] * 3, subnets)
    names = list(dict.fromkeys(one.name for one in found))
    assert len(names) == SHOWN_NUMBERS
    nominal = network_totals(CostModel(soc), subnets)
    for one in found[:4]:
        changed = network_totals(CostModel(with_value(soc, one.name, one.value)), subnets)
        expected = [(new / old - 1).mean() for new, old in zip(changed, nominal, strict=True)]
        assert [one.latency, one.energy] == pytest.approx(expected)
    clock = {one.end: one for one in found if one.name == "npu.clock"}
    assert (clock["low"].nominal, clock["low"].unit) == (dict(soc.quantities())["npu.clock"].value, "MHz")
    assert clock["low"].latency > 0 > clock["high"].latency


def test_ordered_by_what_they_do_to_the_middle_one(cifar32: Space) -> None:
    study, soc = make_study(cifar32, "a", ("lat",)), load_soc(HARDWARE)
    found = shifts(study, [CostModel(soc)], [cifar32.decode(cifar32.smallest())])
    sizes: dict[str, float] = {}
    for one in found:
        sizes[one.name] = max(sizes.get(one.name, 0.0), abs(one.latency), abs(one.energy))
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)


def test_ends_at_which_a_network_cannot_run_are_left_out(cifar32: Space) -> None:
    study, soc = make_study(cifar32, "a", ("lat",)), load_soc(HARDWARE)
    forced = CostModel(soc, "cim")
    found = shifts(study, [forced] * 2, [cifar32.decode(one) for one in genotypes(cifar32, 2)])
    assert found
    assert all(np.isfinite([one.latency, one.energy]).all() for one in found)


def test_a_chip_without_assumed_numbers(cifar32: Space) -> None:
    data = load_soc("u55-256").to_dict()
    for section in (data["npu"], data["memory"], data["memory"]["weight_store"]):
        for number in section.values():
            if isinstance(number, dict) and "value" in number:
                number["low"] = number["high"] = number["value"]
    sure = SoC.from_dict(data)
    assert (
        shifts(make_study(cifar32, "a", ("lat",)), [CostModel(sure)], [cifar32.decode(cifar32.smallest())])
        == []
    )


def test_spread_over() -> None:
    assert spread_over(3, 5) == [0, 1, 2]
    assert spread_over(11, 3) == [0, 5, 10]
    places = spread_over(1000, 60)
    assert (places[0], places[-1], len(set(places))) == (0, 999, 60)
    assert (np.diff(places) > 0).all()
