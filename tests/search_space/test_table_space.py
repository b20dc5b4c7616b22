"""`search_space.table_space` and `search_space.row_index` on spaces counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from search_space.errors import DocumentError
from search_space.genotype import Gene, GenotypeError
from search_space.row_index import ABSENT, RowIndex
from search_space.table_space import TableChoice, TableSpace, is_table_space

SPACE = TableSpace("own", (TableChoice("depth", (1, 2, 4), True), TableChoice("op", ("conv", "skip"), False)))


def test_all_combinations_and_their_neighbours() -> None:
    assert SPACE.cardinality == 6
    assert (SPACE.smallest(), SPACE.largest()) == ((0, 0), (2, 1))
    assert sorted(SPACE.neighbours((1, 0))) == [(0, 0), (1, 1), (2, 0)]
    drawn = {SPACE.sample(np.random.default_rng(seed)) for seed in range(60)}
    assert len(drawn) == 6


def test_definition_is_read_again_and_decides_the_digest() -> None:
    assert TableSpace.from_dict(SPACE.to_dict()) == SPACE
    other = TableSpace("own", (SPACE.choices[0], TableChoice("op", ("conv", "skip"), True)))
    assert other.digest != SPACE.digest
    assert is_table_space(SPACE)


def test_networks_are_their_genes() -> None:
    network = SPACE.decode((2, 1))
    assert str(network) == "depth=4, op=skip"
    assert SPACE.encode(network) == (2, 1)
    renamed = TableSpace("own", (TableChoice("width", (1, 2, 4), True), SPACE.choices[1]))
    with pytest.raises(DocumentError, match="does not contain width=4"):
        SPACE.encode(renamed.decode((2, 1)))
    with pytest.raises(GenotypeError, match="gene depth must be 0 to 2"):
        SPACE.decode((3, 0))


def test_order_of_options() -> None:
    assert Gene("a", (1, 2)).is_ordered
    assert not Gene("a", ("x", "y")).is_ordered
    assert Gene("a", ("x", "y"), has_order=True).is_ordered
    assert not Gene("a", (1, 2), has_order=False).is_ordered


@given(
    arrays.arrays(np.int64, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.integers(0, 300))
)
def test_index_finds_the_first_equal_row(rows: np.ndarray) -> None:
    index = RowIndex(rows)
    names = [tuple(row) for row in rows.tolist()]
    assert index.first.tolist() == [names.index(name) for name in names]
    assert index.rows(rows).tolist() == index.first.tolist()
    absent = np.full((1, rows.shape[1]), 301)
    assert index.rows(absent).tolist() == [ABSENT]
