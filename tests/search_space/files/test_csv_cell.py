from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.files.csv_cell import FORMULA_STARTS, safe_cell, safe_cells


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_a_formula_gets_an_apostrophe(start: str) -> None:
    assert safe_cell(f"{start}cmd") == f"'{start}cmd"


@pytest.mark.parametrize("value", [-1, -0.5, None, True, "", "a=b", "0,1,2"])
def test_numbers_and_plain_texts_stay(value: object) -> None:
    assert safe_cell(value) == value


@given(st.dictionaries(st.text(), st.text()))
def test_no_cell_begins_like_a_formula(row: dict[str, str]) -> None:
    for cells in (safe_cells(row).keys(), safe_cells(row).values()):
        assert not any(str(cell).startswith(FORMULA_STARTS) for cell in cells)
