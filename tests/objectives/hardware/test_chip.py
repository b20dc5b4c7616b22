from __future__ import annotations

import pytest

from objectives.hardware import load_soc, variant
from objectives.hardware.chip import Chip
from search_space.errors import H4HError


def test_what_one_leaves_open_is_as_the_other_has_it() -> None:
    assert Chip(4).over(Chip(8, 2)) == Chip(4, 2)
    assert Chip(units=4).over(Chip(8, 2)) == Chip(8, 4)
    assert Chip(0).over(Chip(8)) == Chip(0)
    assert Chip().over(Chip()) == Chip()


def test_the_variant_of_a_file() -> None:
    soc = load_soc("u55-256-cim8")
    assert soc.variant(Chip()) is soc
    assert soc.variant(Chip(4, 2)).digest == variant(soc, macros=4, units=2).digest
    alone = soc.variant(Chip(0, 2))
    assert (alone.macros, alone.units) == (0, 0)
    with pytest.raises(H4HError, match="no macros to derive others from"):
        load_soc("u55-256").variant(Chip(4))
