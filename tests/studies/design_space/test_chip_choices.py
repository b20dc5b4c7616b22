from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import load_soc, variant
from objectives.hardware.chip import Chip
from search_space.errors import H4HError
from studies.design_space.chip_choices import (
    MOST_OPTIONS,
    ChipChoices,
    Chips,
    check_chips,
    parse_hardware,
)


def test_reads_choices_in_any_order() -> None:
    options = parse_hardware(" units=4,1,2   macros=8,0,1 ")
    assert options == ChipChoices(macros=(0, 1, 8), units=(1, 2, 4))
    assert str(options) == "macros=0,1,8 units=1,2,4"
    assert parse_hardware("units=2").choices == {"units": (2,)}


def test_chips_and_corners() -> None:
    options = parse_hardware("macros=0,1,8 units=1,2,4")
    assert len(options.chips) == 1 + 2 * 3
    assert options.chips[:3] == (Chip(0), Chip(1, 1), Chip(1, 2))
    assert options.corners == (Chip(0), Chip(8, 1), Chip(8, 4))
    assert options.greatest == Chip(8, 4)
    assert parse_hardware("macros=2,4 units=1,3").corners == (Chip(2, 1), Chip(2, 3), Chip(4, 1), Chip(4, 3))
    assert parse_hardware("macros=0,4").chips == (Chip(0), Chip(4))
    assert parse_hardware("units=1,4").chips == (Chip(None, 1), Chip(None, 4))
    assert parse_hardware("macros=0 units=1,2").chips == (Chip(0),)


COUNTS = st.sets(st.integers(1, 1000), min_size=1, max_size=MOST_OPTIONS).map(sorted).map(tuple)


@given(macros=COUNTS, units=COUNTS)
def test_text_reads_back(macros: tuple[int, ...], units: tuple[int, ...]) -> None:
    for options in (ChipChoices(macros=macros), ChipChoices(macros=macros, units=units)):
        assert parse_hardware(str(options)) == options
        assert ChipChoices.from_dict(options.to_dict()) == options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must name macros, units or mapping"),
        ("cores=1,2", "unknown choice of --search-hardware 'cores': must be one of macros, units, mapping"),
        ("macro=1,2", "did you mean 'macros'"),
        ("macros", "must be choices with their options, such as"),
        ("macros 1,2", "must be choices with their options"),
        ("macros=1, 2", "macros must be whole numbers separated by commas, such as macros=1,2,4, but got ''"),
        ("macros=", "macros must be whole numbers separated by commas, such as macros=1,2,4, but got ''"),
        ("macros=1,,2", "but got ''"),
        ("macros=1.5", "but got '1.5'"),
        ("macros=two", "but got 'two'"),
        ("macros=" + "9" * 5000, "but got"),
        ("macros=1,2,1", "macros lists 1 twice"),
        ("macros=1 macros=2", "names macros twice"),
        ("macros=-1,2", "macros must be 0 to 1000, but got -1"),
        ("macros=2,1001", "macros must be 0 to 1000, but got 1001"),
        ("units=0,1", "units must be 1 to 1000, but got 0"),
        ("units=" + ",".join(map(str, range(1, 34))), "at most 32 options, but got 33"),
        (
            "mapping=energy,speed",
            "unknown mapping of --search-hardware 'speed': must be one of latency, energy",
        ),
        ("mapping=edp", "unknown mapping of --search-hardware 'edp'"),
        ("mapping=energy,energy", "mapping lists energy twice"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(H4HError) as error:
        parse_hardware(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


FILE = load_soc("u55-256-cim8")


def test_one_chip() -> None:
    chips = Chips(FILE, Chip(2, 4))
    assert chips.choices.greatest == Chip()
    assert chips.greatest.soc.digest == variant(FILE, macros=2, units=4).digest
    check_chips(chips)


def test_what_is_not_searched_is_as_given() -> None:
    chips = Chips(FILE, Chip(units=4), parse_hardware("macros=0,2,16"))
    assert chips.soc(Chip(2)).digest == variant(FILE, macros=2, units=4).digest
    assert chips.soc(Chip(0)).macros == 0
    assert (chips.greatest.soc.macros, chips.greatest.soc.units) == (16, 4)
    check_chips(chips)


@pytest.mark.parametrize(
    ("name", "given", "options", "mapping", "message"),
    [
        (
            "u55-256-cim8",
            Chip(4),
            "macros=0,4",
            "latency",
            "--macros 4 fixes what --search-hardware searches",
        ),
        ("u55-256-cim8", Chip(None, 2), "units=1,4", "latency", "--units 2 fixes what --search-hardware"),
        ("u55-256-cim8", Chip(0), "units=1,4", "latency", "hardware 'u55-256-cim8-0x1' has none"),
        ("u55-256", Chip(), "macros=0,4", "latency", "hardware 'u55-256' has none: choose one that has"),
        ("u55-256", Chip(), "macros=0", "latency", "needs a chip with macros to copy"),
        ("u55-256-cim8", Chip(), "macros=0,4", "cim", "cim"),
        ("u55-256-cim8", Chip(), "macros=0,4", "fastest", "fastest"),
    ],
)
def test_what_cannot_be(name: str, given: Chip, options: str, mapping: str, message: str) -> None:
    chips = Chips(load_soc(name), replace(given, mapping=mapping), parse_hardware(options))
    with pytest.raises(H4HError) as error:
        check_chips(chips)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_mapping_is_one_more_choice() -> None:
    choices = parse_hardware("mapping=energy,latency macros=0,8")
    assert str(choices) == "macros=0,8 mapping=latency,energy"
    assert choices.chips == (Chip(0), Chip(8, mapping="latency"), Chip(8, mapping="energy"))
    assert ChipChoices.from_dict(choices.to_dict()) == choices
    # Without macros every mapping is the same, so the gene is not used.
    assert choices.active((0, 1)) == (True, False)
    assert choices.canonical((0, 1)) == (0, 0)
    assert choices.active_rows(np.array([[0, 1], [1, 1]])).tolist() == [[True, False], [True, True]]
    assert choices.decode((1, 1)) == Chip(8, mapping="energy")
    assert choices.encode(Chip(8, mapping="energy")) == (1, 1)


def test_studies_without_a_choice_of_mappings_are_stored_as_before() -> None:
    assert parse_hardware("macros=0,8").to_dict() == {"macros": [0, 8], "units": []}
    assert ChipChoices.from_dict({"macros": [0, 8], "units": []}) == parse_hardware("macros=0,8")


def test_a_searched_mapping_is_that_of_the_cost_model() -> None:
    chips = Chips(FILE, Chip(), parse_hardware("mapping=latency,energy"))
    check_chips(chips)
    assert [chips.costs(chip).mapper.name for chip in chips.choices.chips] == ["latency", "energy"]
    with pytest.raises(H4HError, match="--mapping energy fixes what --search-hardware searches"):
        check_chips(replace(chips, given=Chip(mapping="energy")))
