from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from search_space.command.wide_table import print_wide
from studies.presentation.text_table import count_text, front_table, number_text
from studies.study.evaluation import Evaluation
from studies.study.study import Goal, Study


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (93.456, "%", "93.46"),
        (None, "%", "-"),
        (1.5, "ms", "1.500"),
        (0.00042381, "mJ", "0.0004238"),
        (25_750_000.0, "MACs", "25.75M"),
        (622_490.0, "parameters", "622.5k"),
    ],
)
def test_numbers_have_the_digits_that_matter(value: float | None, unit: str, text: str) -> None:
    assert number_text(value, unit) == text


def test_bound_is_shown_as_such(study: Study, evaluation: Callable[..., Evaluation]) -> None:
    rows = [evaluation(0, 90.0, 1.0), replace(evaluation(1, 73.1, 2.0), stopped_after=512)]
    acc, lat = front_table(study, rows).columns[1:3]
    assert list(acc.cells) == ["90.00", "<= 73.10 (512 images)"]
    assert list(lat.cells) == ["1.000", "2.000"]


def test_counts() -> None:
    assert [count_text(value) for value in (7, 1000, 1.5e6, 2e9)] == ["7", "1.000k", "1.500M", "2.000G"]


def test_table_of_a_real_study_fits_100_columns(
    study: Study, evaluation: Callable[..., Evaluation], capsys: pytest.CaptureFixture[str]
) -> None:
    goals = (Goal("acc", "%", "max"), Goal("lat", "ms", "min"), Goal("energy", "mJ", "min"))
    one = replace(evaluation(1234, 90.0, 12.0), values=(90.0, 12.0, 0.00012), macs=25_000_000)
    print_wide(front_table(replace(study, goals=goals), [one]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    header, row = lines[1], lines[3]
    for name in ("id", "acc %", "lat ms", "energy mJ", "macs", "params", "conv", "vit", "family", "feasible"):
        assert name in header
    for cell in ("1234", "90.00", "12.00", "0.0001200", "25.00M", "cnn-then-vit", "no"):
        assert cell in row


def test_objective_that_is_counted_anyway_has_one_column(
    study: Study, evaluation: Callable[..., Evaluation]
) -> None:
    goals = (Goal("macs", "MACs", "min"), Goal("lat", "ms", "min"))
    table = front_table(replace(study, goals=goals), [evaluation(0, 100.0, 1.0)])
    assert [column.header for column in table.columns].count("macs") == 1


def test_limited_quantities_are_shown_and_broken_limits_named(
    study: Study, evaluation: Callable[..., Evaluation]
) -> None:
    limited = replace(study, goals=study.goals[:1], constraints=("lat<=8ms", "sram<=1000B", "vit_blocks>=1"))
    rows = [
        replace(evaluation(0, 90.0, 1.0), values=(90.0,), limited=(1.0, 900.0, 1.0)),
        replace(evaluation(1, 90.0, 9.0), values=(None,), limited=(9.0, 2000.0, 1.0)),
        replace(evaluation(2, 90.0, 9.0), values=(None,), limited=(None, None, 0.0)),
    ]
    columns = {str(column.header): list(column.cells) for column in front_table(limited, rows).columns}
    assert columns["lat ms"] == ["1.000", "9.000", "-"]
    assert columns["sram B"] == ["900.0", "2.000k", "-"]
    assert columns["feasible"] == ["yes", "no: lat<=8ms, sram<=1000B", "no: vit_blocks>=1"]
    assert "vit_blocks" not in columns  # Its own column is called vit.
