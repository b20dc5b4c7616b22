"""Areas of chips: sums by hand, and the message for a missing number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from objectives.hardware import load_soc, variant
from objectives.hardware.soc import assumed
from search_space.errors import DocumentError

STORE = 4 * 4.46
"""mm2 of the weight store of 4 MiB."""


def test_sum_of_npu_macros_and_units() -> None:
    soc = load_soc("u55-256-cim8")
    parts = {name: number.value for name, number in soc.area.quantities()}
    assert set(parts) == {"npu", "macro", "unit", "controller"}
    for macros in (1, 2, 8, 12):
        for units in (1, 3, 4):
            macro = parts["macro"] + parts["controller"] + units * parts["unit"]
            expected = parts["npu"] + STORE + macros * macro
            assert variant(soc, macros=macros, units=units).area_mm2 == pytest.approx(expected, rel=1e-12)
    assert variant(soc, macros=0).area_mm2 == load_soc("u55-256").area_mm2 == parts["npu"] + STORE
    # Flash lies beside the die.
    assert load_soc("u55-256-flash").area_mm2 == parts["npu"]


def test_the_controller_takes_less_than_a_thousandth() -> None:
    area = load_soc("u55-256-cim8").area
    assert area.controller is not None
    assert area.macro is not None
    assert area.unit is not None
    assert area.controller.value <= 1e-3 * (area.macro.value + area.unit.value)
    without = replace(load_soc("u55-256-cim8"), area=replace(area, controller=None))  # as in earlier files
    assert without.area_mm2 == pytest.approx(0.1 + STORE + 8 * (0.558 + 0.113))


def test_a_macro_of_one_unit_has_the_published_density() -> None:
    soc = load_soc("u55-256-cim8")
    macro = variant(soc, macros=1).area_mm2 - variant(soc, macros=0).area_mm2
    assert 1 / macro == pytest.approx(1.49, abs=0.005)  # Mb/mm2: a macro holds 1 Mb


def test_areas_decide_no_cost() -> None:
    soc = load_soc("u55-256-cim8")
    assert soc.area.macro is not None
    larger = replace(soc, area=replace(soc.area, macro=replace(soc.area.macro, value=1.0)))
    assert larger.digest == soc.digest
    assert larger.area.digest != soc.area.digest
    assert not [name for name, _, _ in assumed(soc) if name.startswith("area")]


def test_the_missing_number_is_named() -> None:
    with pytest.raises(DocumentError, match=r"needs area\.macro, but hardware 'u55-256-tiles8'"):
        _ = load_soc("u55-256-tiles8").area_mm2
    soc = load_soc("u55-256-cim8")
    store = soc.memory.weight_store
    assert store is not None
    bare = replace(soc, memory=replace(soc.memory, weight_store=replace(store, area=None)))
    with pytest.raises(DocumentError, match=r"'area' needs memory\.weight_store\.area, but"):
        _ = bare.area_mm2
    for part in ("npu", "macro", "unit"):
        lacking = replace(soc, area=replace(soc.area, **{part: None}))
        with pytest.raises(DocumentError, match=rf"'area' needs area\.{part}, but"):
            _ = lacking.area_mm2


def test_units_and_signs_are_checked() -> None:
    soc = load_soc("u55-256-cim8")
    assert soc.area.unit is not None
    for change, message in (
        ({"unit": "um2"}, r"area\.unit\.unit: must be"),
        ({"low": -1.0}, r"area\.unit\.low"),
    ):
        with pytest.raises(DocumentError, match=message):
            replace(soc, area=replace(soc.area, unit=replace(soc.area.unit, **change)))
