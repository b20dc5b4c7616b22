"""What latency and energy cover, below the tables of the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectives.hardware.cost_model import COST_SCOPE
from studies import compare, pick, show
from studies.presentation.text_table import scope_lines


def test_only_costs_of_a_chip_need_it() -> None:
    assert scope_lines(["acc", "lat"]) == scope_lines(["energy", "lat"]) == (COST_SCOPE,)
    assert scope_lines(["acc", "macs"]) == ()


def test_below_the_tables(report_database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = ["--db", str(report_database)]
    show.main([*database, "--study", "a"])
    assert capsys.readouterr().out.count(COST_SCOPE) == 1
    pick.main([*database, "a"])
    assert capsys.readouterr().out.count(COST_SCOPE) == 1
    compare.main([*database, "a", "one"])
    assert capsys.readouterr().out.count(COST_SCOPE) == 1
