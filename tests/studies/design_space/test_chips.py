from __future__ import annotations

import pytest

from objectives.hardware import load_soc, variant
from objectives.hardware.chip import Chip
from search_space.errors import H4HError
from studies.design_space.chip_choices import parse_hardware
from studies.design_space.chips import Chips, check_chips

FILE = load_soc("u55-256-cim8")


def test_one_chip() -> None:
    chips = Chips(FILE, Chip(2, 4))
    assert chips.greatest_chip == Chip()
    assert chips.greatest.digest == variant(FILE, macros=2, units=4).digest
    check_chips(chips, mapping="latency", npu_model="analytic")


def test_what_is_not_searched_is_as_given() -> None:
    chips = Chips(FILE, Chip(units=4), parse_hardware("macros=0,2,16"))
    assert chips.soc(Chip(2)).digest == variant(FILE, macros=2, units=4).digest
    assert chips.soc(Chip(0)).macros == 0
    assert (chips.greatest.macros, chips.greatest.units) == (16, 4)
    check_chips(chips, mapping="latency", npu_model="analytic")


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
        ("u55-256", Chip(), "macros=0,4", "latency", "hardware 'u55-256' has none: take one that has"),
        ("u55-256", Chip(), "macros=0", "latency", "needs a chip with macros to copy"),
        ("u55-256-cim8", Chip(), "macros=0,4", "cim", "cim"),
        ("u55-256-cim8", Chip(), "macros=0,4", "fastest", "fastest"),
    ],
)
def test_what_cannot_be(name: str, given: Chip, options: str, mapping: str, message: str) -> None:
    chips = Chips(load_soc(name), given, parse_hardware(options))
    with pytest.raises(H4HError) as error:
        check_chips(chips, mapping=mapping, npu_model="analytic")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
