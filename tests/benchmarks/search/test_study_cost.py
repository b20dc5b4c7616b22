from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.search.study_cost import record, replay, rows


def test_rows_are_different() -> None:
    found = rows(500)
    assert len({one.genotype for one in found}) == 500
    assert {len(one.genotype) for one in found} == {40}


@pytest.mark.slow
def test_figures_of_a_small_table(tmp_path: Path) -> None:
    figures = record(tmp_path, 20, 3)
    assert set(figures) == {"record_ms", "optuna_record_ms", "record_speedup", "flush_ms"}
    assert min(figures.values()) > 0
    assert replay(tmp_path, 200)["replayed"] == 200
